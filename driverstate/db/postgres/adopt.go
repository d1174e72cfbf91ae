package postgres

import (
	"context"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/rows"
)

// Source is a database whose content another can adopt.
type Source interface {
	// Contents are its tables, and its unfinished jobs, oldest first.
	Contents(ctx context.Context) (rows.Rows, []db.JobState, error)
}

// Adopt copies everything of from into d, which must be empty, in one
// transaction, and reads it back. Jobs get new ids, in the order of the old;
// one that was running is known as what its runner ran. ErrConflict when d holds
// rows, ErrCorrupt when from has rows that cannot be kept here. What it returns ends with the jobs.
func (d *DB) Adopt(ctx context.Context, from Source) (copied []rows.Copied, err error) {
	there, jobs, err := from.Contents(ctx)
	if err != nil {
		return nil, err
	}
	err = d.Update(ctx, func(t db.Tx) error {
		tx := t.(*transaction)
		if err := tx.empty(ctx); err != nil {
			return err
		}
		if copied, err = rows.CopyAll(ctx, there, tx.Rows); err != nil {
			return err
		}
		if err := tx.continueIDs(ctx); err != nil {
			return err
		}
		for _, j := range jobs {
			if err := tx.adoptJob(ctx, j); err != nil {
				return err
			}
		}
		adopted, err := tx.JobsUnfinished(ctx)
		if err != nil {
			return err
		}
		if err := same(jobs, adopted); err != nil {
			return err
		}
		copied = append(copied, rows.Copied{Table: "jobs", Rows: len(adopted)})
		return nil
	})
	return copied, err
}

func (t *transaction) empty(ctx context.Context) error {
	for _, name := range append(rows.Tables(), "river_job") {
		n, err := t.Count(ctx, name)
		if err != nil {
			return err
		}
		if n > 0 {
			return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("it is not empty: it has %d rows of %s", n, name))
		}
	}
	return nil
}

// continueIDs has the next service and worker follow those that were copied.
func (t *transaction) continueIDs(ctx context.Context) error {
	for _, name := range []string{"services", "workers"} {
		var next int64
		_, err := t.Rows.Q.Returning(ctx, fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%s', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM %s), FALSE)", name, name), nil, &next)
		if err != nil {
			return fmt.Errorf("numbering %s: %w", name, err)
		}
	}
	return nil
}

func (t *transaction) adoptJob(ctx context.Context, j db.JobState) error {
	job := j.Job
	switch err := t.JobInsert(ctx, &job); {
	case code(err) == badCharacter, code(err) == badCharacterInJSON:
		return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("river_job %d, %s of backup %s: its arguments hold a text that it cannot keep: U+0000, or no UTF-8", j.ID, j.Kind, j.BackupID))
	case err != nil || !j.Running:
		return err
	}
	_, err := t.Rows.Q.Exec(ctx, "UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = ARRAY[CAST(? AS TEXT)] WHERE id = ?", j.Runner, job.ID)
	if err != nil {
		return fmt.Errorf("writing job of backup %s: %w", j.BackupID, err)
	}
	return nil
}

// same reports how jobs differ, but for their ids.
func same(want, have []db.JobState) error {
	if len(want) != len(have) {
		return fmt.Errorf("%d jobs were written, %d are read back", len(want), len(have))
	}
	for i, w := range want {
		h := have[i]
		h.ID = w.ID
		if fmt.Sprintf("%+v", h) != fmt.Sprintf("%+v", w) {
			return fmt.Errorf("job %d of backup %s was read back otherwise than written", w.ID, w.BackupID)
		}
	}
	return nil
}
