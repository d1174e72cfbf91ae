package rows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Dialect is what databases say differently.
type Dialect struct {
	// Live is the condition of a row that is not deleted. It begins with the
	// column.
	Live string
	// Like is a comparison with a pattern without regard to case, as Cinder's
	// MySQL compares, of the format argument with an argument; only % and _
	// are special.
	Like string
	// TimeText is a time as text in TimeForm, of the format argument.
	TimeText string
	// NoTime is before every time.
	NoTime string
}

// kind is what a column of backups is.
type kind int

const (
	words kind = iota
	count
	boolean
	moment
)

func kindOf(column string) kind {
	switch column {
	case "size", "object_count", "num_dependent_backups":
		return count
	case "deleted":
		return boolean
	case "created_at", "updated_at", "deleted_at", "data_timestamp":
		return moment
	}
	return words
}

// asked reports whether rows may be selected and sorted by column. Only names
// of the table reach the SQL.
func asked(column string) bool { return slices.Contains(driverstate.BackupColumns, column) }

// filter makes the condition of f; ok is false when f names a column that is
// none, which selects nothing.
func (r Rows) filter(f driverstate.BackupFilter) (where string, args []any, ok bool) {
	terms := []string{r.Dialect.Live}
	if f.ProjectID != "" {
		terms, args = append(terms, "project_id = ?"), append(args, f.ProjectID)
	}
	for column, value := range f.Columns {
		if !asked(column) {
			return "", nil, false
		}
		var arg any = value
		if kindOf(column) == moment {
			at, ok := parseTime(value)
			if !ok {
				return "", nil, false
			}
			arg = stamp{&at}
		}
		terms, args = append(terms, equality(column)), append(args, arg)
	}
	for column, value := range f.Like {
		if !asked(column) {
			return "", nil, false
		}
		terms, args = append(terms, fmt.Sprintf(r.Dialect.Like, r.Dialect.words(column))), append(args, "%"+value+"%")
	}
	return strings.Join(terms, " AND "), args, true
}

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

// equality compares a column with a text, or a time with one. Only numbers are
// cast: an index serves a bare column.
func equality(column string) string {
	switch kindOf(column) {
	case count, boolean:
		return numberText(column) + " = ?"
	}
	return fmt.Sprintf(`"%s" = ?`, column)
}

func numberText(column string) string {
	if kindOf(column) == boolean {
		return fmt.Sprintf(`CAST(CAST("%s" AS INTEGER) AS TEXT)`, column)
	}
	return fmt.Sprintf(`CAST("%s" AS TEXT)`, column)
}

// words is a column as text.
func (d *Dialect) words(column string) string {
	switch kindOf(column) {
	case count, boolean:
		return numberText(column)
	case moment:
		return fmt.Sprintf(d.TimeText, column)
	}
	return fmt.Sprintf(`"%s"`, column)
}

// ordering completes the sort keys with created_at and id in the direction of
// the first, so that the order is total (cinder/common/sqlalchemyutils.py).
func ordering(keys []driverstate.SortKey) ([]driverstate.SortKey, error) {
	ascending := len(keys) > 0 && keys[0].Ascending
	keys = slices.Clone(keys)
	for _, k := range keys {
		if !asked(k.Column) {
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
func (d *Dialect) expression(column string) string {
	if column == "id" || column == "created_at" {
		return column // the index has them as they are
	}
	switch kindOf(column) {
	case count:
		return fmt.Sprintf(`COALESCE("%s", -1)`, column)
	case boolean:
		return fmt.Sprintf(`CAST("%s" AS INTEGER)`, column)
	case moment:
		return fmt.Sprintf(`COALESCE("%s", %s)`, column, d.NoTime)
	}
	return fmt.Sprintf(`COALESCE("%s", '')`, column)
}

func (d *Dialect) orderBy(keys []driverstate.SortKey) string {
	var out []string
	for _, k := range keys {
		direction := " DESC"
		if k.Ascending {
			direction = " ASC"
		}
		out = append(out, d.expression(k.Column)+direction)
	}
	return strings.Join(out, ", ")
}

// after is the condition of the rows that follow the marker's.
func (r Rows) after(ctx context.Context, keys []driverstate.SortKey, marker string) (string, []any, error) {
	at := make([]any, len(keys))
	into := make([]any, len(keys))
	var columns []string
	for i, k := range keys {
		columns = append(columns, r.Dialect.expression(k.Column))
		into[i] = &at[i]
	}
	statement := "SELECT " + strings.Join(columns, ", ") + " FROM backups WHERE id = ? AND " + r.Dialect.Live
	found, err := r.first(ctx, statement, []any{marker}, into...)
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("reading backup %s: %w", marker, err)
	case !found:
		return "", nil, notFound("backup", marker)
	}
	// The first key alone bounds them all: from there an index can begin, which
	// the terms below do not let it.
	bound := " <= ?"
	if keys[0].Ascending {
		bound = " >= ?"
	}
	var terms []string
	args := []any{at[0]}
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
	return columns[0] + bound + " AND (" + strings.Join(terms, " OR ") + ")", args, nil
}
