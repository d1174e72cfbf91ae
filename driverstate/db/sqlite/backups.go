package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// BackupCreate inserts b, or takes over the soft-deleted row of its id.
func (r rows) BackupCreate(ctx context.Context, b *driverstate.Backup) error {
	if b.Metadata == nil {
		b.Metadata = map[string]string{}
	}
	fields := backupFields(b)
	set := make([]string, 0, len(fields))
	for _, c := range backupTable.columns[1:] {
		set = append(set, fmt.Sprintf(`"%s" = excluded."%s"`, c, c))
	}
	result, err := r.q.ExecContext(ctx, backupTable.insert()+
		" ON CONFLICT (id) DO UPDATE SET "+strings.Join(set, ", ")+" WHERE backups.deleted = 1", values(fields)...)
	if err != nil {
		return fmt.Errorf("writing backup %s: %w", b.ID, err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return moved("backup", b.ID, "exists already in the database")
}

// BackupGet returns the live row of id.
func (r rows) BackupGet(ctx context.Context, id string) (*driverstate.Backup, error) {
	b := new(driverstate.Backup)
	err := r.get(ctx, backupTable, backupFields(b), "id = ? AND deleted = 0", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("backup", id)
	}
	return b, err
}

// BackupUpdate writes b over a live row whose status is one of from.
func (r rows) BackupUpdate(ctx context.Context, b *driverstate.Backup, from ...driverstate.Status) error {
	b.UpdatedAt = r.now()
	where, args := in("status", from)
	done, err := r.put(ctx, backupTable, backupFields(b), " AND deleted = 0"+where, args...)
	if err != nil || done {
		return err
	}
	if _, err := r.BackupGet(ctx, b.ID); err != nil {
		return err
	}
	return moved("backup", b.ID, "its status changed meanwhile")
}

// BackupDestroy marks the row deleted, as Cinder does.
func (r rows) BackupDestroy(ctx context.Context, id string) error {
	at := r.now()
	status := driverstate.StatusDeleted
	return r.one(ctx, "backup", id,
		"UPDATE backups SET status = ?, deleted = 1, deleted_at = ?, updated_at = ? WHERE id = ? AND deleted = 0",
		text[driverstate.Status]{&status}, stamp{&at}, stamp{&at}, id)
}

// BackupCount counts the rows that BackupGetAll would page through.
func (r rows) BackupCount(ctx context.Context, f driverstate.BackupFilter) (int, error) {
	where, args, ok := filter(f)
	if !ok {
		return 0, nil
	}
	var n int
	err := r.q.QueryRowContext(ctx, "SELECT COUNT(*) FROM backups WHERE "+where, args...).Scan(&n)
	return n, err
}

// BackupUsage sums up the live rows of a project.
func (r rows) BackupUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error) {
	err = r.q.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM backups WHERE deleted = 0 AND project_id = ?", projectID).
		Scan(&count, &gigabytes)
	return count, gigabytes, err
}

// BackupGetAll returns one page of the live rows that f selects.
func (r rows) BackupGetAll(ctx context.Context, f driverstate.BackupFilter) ([]*driverstate.Backup, error) {
	where, args, ok := filter(f)
	if !ok {
		return nil, nil
	}
	keys, err := ordering(f.Sort)
	if err != nil {
		return nil, err
	}
	if f.Marker != "" {
		after, values, err := r.after(ctx, keys, f.Marker)
		if err != nil {
			return nil, err
		}
		where, args = where+" AND ("+after+")", append(args, values...)
	}
	rest := "WHERE " + where + " ORDER BY " + orderBy(keys)
	if f.Limit > 0 || f.Offset > 0 {
		limit := f.Limit
		if limit == 0 {
			limit = -1
		}
		rest, args = rest+" LIMIT ? OFFSET ?", append(args, limit, f.Offset)
	}
	var out []*driverstate.Backup
	err = r.all(ctx, backupTable, rest, args, func() []field {
		out = append(out, new(driverstate.Backup))
		return backupFields(out[len(out)-1])
	})
	return out, err
}

// filter makes the condition of f; ok is false when f names a column that is
// none, which selects nothing. Only names of the table reach the SQL.
func filter(f driverstate.BackupFilter) (where string, args []any, ok bool) {
	terms := []string{"deleted = 0"}
	if f.ProjectID != "" {
		terms, args = append(terms, "project_id = ?"), append(args, f.ProjectID)
	}
	for column, value := range f.Columns {
		if !backupTable.has(column) || column == "metadata" {
			return "", nil, false
		}
		if backupTimes[column] {
			at, ok := parseTime(value)
			if !ok {
				return "", nil, false
			}
			value = at.Format(timeForm)
		}
		terms, args = append(terms, equality(column)), append(args, value)
	}
	for column, value := range f.Like {
		if !backupTable.has(column) || column == "metadata" {
			return "", nil, false
		}
		terms, args = append(terms, fmt.Sprintf(`"%s" LIKE ?`, column)), append(args, "%"+value+"%")
	}
	return strings.Join(terms, " AND "), args, true
}

var backupTimes = map[string]bool{"created_at": true, "updated_at": true, "deleted_at": true, "data_timestamp": true}

// parseTime reads a time as the API shows it, or as SQL writes it.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSuffix(s, "Z")
	for _, form := range []string{"2006-01-02T15:04:05", time.DateTime} { // both take fractions
		if at, err := time.Parse(form, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// equality compares a column with a text. Only numbers are cast: an index
// serves a bare column.
func equality(column string) string {
	switch column {
	case "size", "object_count", "num_dependent_backups", "deleted":
		return fmt.Sprintf(`CAST("%s" AS TEXT) = ?`, column)
	}
	return fmt.Sprintf(`"%s" = ?`, column)
}

// ordering completes the sort keys with created_at and id in the direction of
// the first, so that the order is total (cinder/common/sqlalchemyutils.py).
func ordering(keys []driverstate.SortKey) ([]driverstate.SortKey, error) {
	ascending := len(keys) > 0 && keys[0].Ascending
	keys = slices.Clone(keys)
	for _, k := range keys {
		if !backupTable.has(k.Column) || k.Column == "metadata" {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, "Invalid sort key")
		}
	}
	for _, column := range []string{"created_at", "id"} {
		if !slices.ContainsFunc(keys, func(k driverstate.SortKey) bool { return k.Column == column }) {
			keys = append(keys, driverstate.SortKey{Column: column, Ascending: ascending})
		}
	}
	return keys, nil
}

// expression is a column in an ordering, with NULL made a value that compares.
func expression(column string) string {
	switch column {
	case "id", "created_at":
		return column // the index has them as they are
	case "size", "object_count", "num_dependent_backups", "deleted":
		return fmt.Sprintf(`COALESCE("%s", -1)`, column)
	}
	return fmt.Sprintf(`COALESCE("%s", '')`, column)
}

func orderBy(keys []driverstate.SortKey) string {
	var out []string
	for _, k := range keys {
		direction := " DESC"
		if k.Ascending {
			direction = " ASC"
		}
		out = append(out, expression(k.Column)+direction)
	}
	return strings.Join(out, ", ")
}

// after is the condition of the rows that follow the marker's.
func (r rows) after(ctx context.Context, keys []driverstate.SortKey, marker string) (string, []any, error) {
	at := make([]any, len(keys))
	into := make([]any, len(keys))
	var columns []string
	for i, k := range keys {
		columns = append(columns, expression(k.Column))
		into[i] = &at[i]
	}
	err := r.q.QueryRowContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM backups WHERE id = ? AND deleted = 0", marker).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, notFound("backup", marker)
	}
	if err != nil {
		return "", nil, fmt.Errorf("reading backup %s: %w", marker, err)
	}
	var terms []string
	var args []any
	for i, k := range keys {
		var term []string
		for j := range i {
			term, args = append(term, columns[j]+" = ?"), append(args, at[j])
		}
		than := " < ?"
		if k.Ascending {
			than = " > ?"
		}
		term, args = append(term, columns[i]+than), append(args, at[i])
		terms = append(terms, "("+strings.Join(term, " AND ")+")")
	}
	return strings.Join(terms, " OR "), args, nil
}
