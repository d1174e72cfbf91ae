package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// importRun sends records. Each waits for that of its parent, which is before
// it in the queue and so has begun already.
type importRun struct {
	o    *importOptions
	c    importClient
	t    *importTarget
	done map[string]chan struct{}
	kids map[string][]string // ids of records, by that of their parent

	mu   sync.Mutex
	lost map[string]error // of those that are not there in the end
}

func newImportRun(o *importOptions, c importClient, t *importTarget, queue []pending) *importRun {
	r := &importRun{o: o, c: c, t: t, done: map[string]chan struct{}{}, kids: map[string][]string{}, lost: map[string]error{}}
	for _, p := range queue {
		r.done[p.id] = make(chan struct{})
		if p.parent != "" && t.refused[p.id] == nil {
			r.kids[p.parent] = append(r.kids[p.parent], p.id)
		}
	}
	return r
}

func (r *importRun) one(ctx context.Context, p pending) result {
	res := result{id: p.id, name: p.name}
	if res.err = r.parent(ctx, p); res.err == nil {
		r.importOne(ctx, p, &res)
	}
	r.mu.Lock()
	r.lost[p.id] = res.err
	r.mu.Unlock()
	close(r.done[p.id])
	return res
}

// parent waits until the parent's record is dealt with.
func (r *importRun) parent(ctx context.Context, p pending) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	done, ours := r.done[p.parent]
	if !ours {
		return nil
	}
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lost[p.parent]; err != nil {
		return withoutParent(p, err)
	}
	return nil
}

func (r *importRun) importOne(ctx context.Context, p pending, res *result) {
	row, there := r.t.rows[p.id]
	switch {
	case r.t.refused[p.id] != nil:
		res.err = r.t.refused[p.id]
	case there:
		r.present(ctx, p, row, res)
	case r.o.guard.dryRun:
		res.outcome = skipped
		res.detail = details("dry run: would be imported, "+sizeOf(p), strings.Join(p.said, "; "))
	default:
		r.send(ctx, p, res)
	}
}

// present deals with a row that has the id already.
func (r *importRun) present(ctx context.Context, p pending, row client.Backup, res *result) {
	res.outcome, res.status, res.before = unchanged, string(row.Status), &row
	res.detail = "there already"
	if row.Status == driverstate.StatusCreating {
		// Of an import that was cut off, or of one under way: its row says
		// nothing of the backup yet.
		if !r.o.guard.dryRun && !r.o.wait.noWait {
			r.follow(ctx, p, res)
		}
		return
	}
	if text := differs(p, row); text != "" {
		res.detail = "conflict: the database has " + text
		res.warnings = append(res.warnings, "left alone, but it is not what the record says: the database has "+text)
	} else if row.Status != driverstate.StatusAvailable {
		res.warnings = append(res.warnings, fmt.Sprintf("left alone, but it is %s: %s", row.Status, failReason(row)))
	}
}

func (r *importRun) send(ctx context.Context, p pending, res *result) {
	record, said := r.counted(ctx, p)
	res.outcome, res.detail = changed, details("imported", strings.Join(append(p.said, said...), "; "))
	_, err := r.c.ImportRecord(ctx, client.Record{BackupService: record.BackupService, BackupURL: record.BackupURL})
	if client.Lost(err) {
		err = r.afterLost(ctx, p, err, res)
	}
	switch {
	case err != nil:
		res.err, res.detail = err, ""
	case r.o.wait.noWait:
		res.status, res.detail = string(driverstate.StatusCreating), details("accepted", strings.TrimPrefix(res.detail, "imported; "))
	default:
		r.follow(ctx, p, res)
	}
}

// counted sets the count of dependents to what will stand on the backup: Cinder
// takes the number of the record, which is as old as that.
func (r *importRun) counted(ctx context.Context, p pending) (driverstate.ExportedRecord, []string) {
	if r.t.engine {
		return p.record, nil // it counts by itself
	}
	list, err := r.c.Dependents(ctx, p.id)
	if err != nil {
		return p.record, nil
	}
	ids := map[string]bool{}
	for _, b := range list {
		ids[b.ID] = true
	}
	for _, id := range r.kids[p.id] {
		ids[id] = true
	}
	if len(ids) == p.row.NumDependentBackups {
		return p.record, nil
	}
	record, err := driverstate.EditRecord(p.record, func(members map[string]any) bool {
		members["num_dependent_backups"] = json.Number(fmt.Sprint(len(ids)))
		return true
	})
	if err != nil {
		return p.record, nil
	}
	return record, []string{fmt.Sprintf("num_dependent_backups is %d instead of %d", len(ids), p.row.NumDependentBackups)}
}

// follow waits for the outcome of an import and says it in res.
func (r *importRun) follow(ctx context.Context, p pending, res *result) {
	var after client.Backup
	err := r.o.wait.within(ctx, "backup "+p.id, func(ctx context.Context) error {
		_, err := r.c.WaitBackup(ctx, p.id, func(b client.Backup) (bool, error) {
			after = b
			return b.Status.Resting(), nil
		})
		return err
	})
	res.status, res.after = string(after.Status), &after
	if err == nil && after.Status != driverstate.StatusAvailable {
		err = backupError(p.id, driverstate.ErrNotApplied, "imported, but it is %s: %s", after.Status, failReason(after))
	} else if err != nil {
		err = explained(ctx, r.c, p.id, r.o.now(), err)
	}
	if res.err = err; err != nil {
		res.detail = ""
		return
	}
	if text := landed(ctx, r.c, r.t, p, after); text != "" {
		res.warnings = append(res.warnings, text)
	}
	if r.t.engine && p.row.ProjectID != "" && after.ProjectID != "" && after.ProjectID != p.row.ProjectID {
		res.warnings = append(res.warnings, fmt.Sprintf("belongs to project %s and not to %s, as its record says: that is no id of a project", after.ProjectID, p.row.ProjectID))
	}
}

// afterLost looks for what became of an import whose answer was lost. It is not
// sent again.
func (r *importRun) afterLost(ctx context.Context, p pending, lost error, res *result) error {
	_, err := r.c.ShowBackup(ctx, p.id)
	switch {
	case err == nil:
		res.warnings = append(res.warnings, "the answer was lost, but the row is there")
		return nil
	case errors.Is(err, driverstate.ErrNotFound):
		return withHint(fmt.Errorf("backup %s: %w; the answer was lost, and no row has its id", p.id, lost),
			"look again in a while: cinder-go backup-show "+p.id+"; importing again leaves alone what is there")
	}
	return fmt.Errorf("backup %s: %w; the answer was lost, and it cannot be seen what came of it: %v", p.id, lost, err)
}
