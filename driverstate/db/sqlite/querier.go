package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/db/riverjobs"
	"github.com/cinder-go/cinder-go/driverstate/db/rows"
)

// SQLite compares LIKE without regard to the case of ASCII letters, and has no
// character that escapes in it.
var dialect = &rows.Dialect{
	Live:     "deleted = 0",
	Like:     "%s LIKE ?",
	TimeText: `"%s"`,
	NoTime:   "''",
}

var jobDialect = &riverjobs.Dialect{
	Now:     "CURRENT_TIMESTAMP",
	Old:     "datetime('now', '-30 days')",
	Args:    "json(args)",
	Runner:  "COALESCE(json_extract(attempted_by, '$[#-1]'), '')",
	OfOne:   "json_extract(args, '$.BackupID') = ?",
	RunByIt: "json_extract(attempted_by, '$[#-1]') = ?",
}

// handle is a pool or a transaction.
type handle interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// querier is a rows.Querier; each statement outside of a transaction is one.
type querier struct{ on handle }

func (q querier) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	args, err := kept(args)
	if err != nil {
		return 0, err
	}
	result, err := q.on.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (q querier) Returning(ctx context.Context, statement string, args []any, into ...any) (bool, error) {
	found, err := q.Query(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	defer found.Close()
	if !found.Next() {
		return false, found.Err()
	}
	if err := found.Scan(into...); err != nil {
		return false, err
	}
	found.Next() // to the end: only then is the statement done
	return true, found.Err()
}

func (q querier) Query(ctx context.Context, statement string, args ...any) (rows.Cursor, error) {
	args, err := kept(args)
	if err != nil {
		return nil, err
	}
	return q.on.QueryContext(ctx, statement, args...)
}

// kept are arguments as the columns keep them: a time as text that sorts. (The
// driver makes 0 or 1 of a boolean.)
func kept(args []any) ([]any, error) {
	args, err := rows.Plain(args)
	for i, arg := range args {
		if at, ok := arg.(time.Time); ok {
			args[i] = at.UTC().Format(rows.TimeForm)
		}
	}
	return args, err
}
