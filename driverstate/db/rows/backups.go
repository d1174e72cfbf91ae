package rows

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// reviveBackup takes over the values of an insert.
var reviveBackup = func() string {
	var set []string
	for _, c := range backupTable.columns[1:] {
		set = append(set, fmt.Sprintf(`"%s" = excluded."%s"`, c, c))
	}
	return backupTable.insert() + " ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ")
}()

// BackupCreate inserts b, or takes over the soft-deleted row of its id.
func (r Rows) BackupCreate(ctx context.Context, b *driverstate.Backup) error {
	if b.Metadata == nil {
		b.Metadata = map[string]string{}
	}
	n, err := r.Q.Exec(ctx, reviveBackup+" WHERE NOT (backups."+r.Dialect.Live+")", values(backupFields(b))...)
	if err != nil {
		return fmt.Errorf("writing backup %s: %w", b.ID, err)
	}
	if n == 0 {
		return moved("backup", b.ID, "exists already in the database")
	}
	return nil
}

// BackupGet returns the live row of id.
func (r Rows) BackupGet(ctx context.Context, id string) (*driverstate.Backup, error) {
	b := new(driverstate.Backup)
	if err := r.get(ctx, backupTable, backupFields(b), "id = ? AND "+r.Dialect.Live, id); err != nil {
		return nil, err
	}
	return b, nil
}

// BackupUpdate writes b over a live row whose status is one of from.
func (r Rows) BackupUpdate(ctx context.Context, b *driverstate.Backup, from ...driverstate.Status) error {
	b.UpdatedAt = r.now()
	where, args := in("status", from)
	done, err := r.put(ctx, backupTable, backupFields(b), " AND "+r.Dialect.Live+where, args...)
	if err != nil || done {
		return err
	}
	if _, err := r.BackupGet(ctx, b.ID); err != nil {
		return err
	}
	return moved("backup", b.ID, "its status changed meanwhile")
}

// BackupDestroy marks the row deleted, as Cinder does.
func (r Rows) BackupDestroy(ctx context.Context, id string) error {
	at, gone := r.now(), true
	status := driverstate.StatusDeleted
	err := r.one(ctx, backupTable, id,
		"UPDATE backups SET status = ?, deleted = ?, deleted_at = ?, updated_at = ? WHERE id = ? AND "+r.Dialect.Live,
		text[driverstate.Status]{&status}, flag{&gone}, stamp{&at}, stamp{&at}, id)
	if err != nil {
		return err
	}
	_, err = r.Q.Exec(ctx, "DELETE FROM proofs WHERE backup_id = ?", id)
	return err
}

// BackupCount counts the rows that BackupGetAll would page through.
func (r Rows) BackupCount(ctx context.Context, f driverstate.BackupFilter) (int, error) {
	where, args, ok := r.filter(f)
	if !ok {
		return 0, nil
	}
	var n int
	if _, err := r.first(ctx, "SELECT COUNT(*) FROM backups WHERE "+where, args, &n); err != nil {
		return 0, fmt.Errorf("counting backups: %w", err)
	}
	return n, nil
}

// BackupUsage sums up the live rows of a project.
func (r Rows) BackupUsage(ctx context.Context, projectID string) (count, gigabytes int64, err error) {
	return r.usage(ctx, backupTable, "size", r.Dialect.Live+" AND project_id = ?", projectID)
}

// BackupGetAll returns one page of the live rows that f selects.
func (r Rows) BackupGetAll(ctx context.Context, f driverstate.BackupFilter) ([]*driverstate.Backup, error) {
	where, args, ok := r.filter(f)
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
	rest := "WHERE " + where + " ORDER BY " + r.Dialect.orderBy(keys)
	if f.Limit > 0 || f.Offset > 0 {
		limit := f.Limit
		if limit == 0 {
			limit = math.MaxInt64
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
