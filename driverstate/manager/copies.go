package manager

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// partialSuffix is what the file of a copy under way is called by after its
// name, see driverstate/volume.
const partialSuffix = ".partial"

// copyWork is a copy of a volume's bytes that this process makes, for the
// snapshot or volume of its id.
type copyWork struct {
	m      *Manager
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// beginCopy marks id as worked on by this process, so that a cleanup does not
// take it for left behind; end must be called, or inBackground, which does.
func (m *Manager) beginCopy(ctx context.Context, id string) *copyWork {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent := m.ctx
	if parent == nil { // before Start
		parent = context.WithoutCancel(ctx)
	}
	w := &copyWork{m: m, id: id, done: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancelCause(parent)
	m.copies[id], m.volumes[id] = w, true
	return w
}

func (w *copyWork) end() {
	w.cancel(nil)
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	delete(w.m.copies, w.id)
	delete(w.m.volumes, w.id)
	close(w.done)
}

// inBackground runs what w is for; Stop waits for it. A manager that is stopped
// leaves it to the next start.
func (m *Manager) inBackground(w *copyWork, f func(context.Context) error) {
	started := m.background(func() {
		defer w.end()
		if err := f(w.ctx); err != nil {
			m.log.Error("copy could not record its outcome", "id", w.id, "error", err)
		}
	})
	if !started {
		w.end()
	}
}

// stopCopy stops the copy for id, if this process makes one, and waits for its
// end.
func (m *Manager) stopCopy(ctx context.Context, id string) error {
	m.mu.Lock()
	w := m.copies[id]
	m.mu.Unlock()
	if w == nil {
		return nil
	}
	w.cancel(errVolumeDeleted)
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// copyVolume copies the bytes of v to a file of size GiB.
func (m *Manager) copyVolume(ctx context.Context, v *driverstate.Volume, to string, size int64) error {
	if v.Managed {
		// Again, because links may have changed since it was taken.
		if err := m.checkTargetDir(v.Path); err != nil {
			return err
		}
	}
	return m.cfg.CopyVolume(ctx, v.Path, to, size*gib)
}

// removeFiles removes the file of a volume or snapshot of the engine's own, and
// what an interrupted copy left beside it. Absent is success.
func removeFiles(path string) error {
	var failed error
	for _, name := range []string{path, path + partialSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// claimWork writes the workers entry of work on a resource of the volume
// service, in the status that it has meanwhile.
func (m *Manager) claimWork(ctx context.Context, tx db.Tx, kind, id, status string) error {
	if err := tx.WorkerDestroy(ctx, kind, id); err != nil {
		return err
	}
	return tx.WorkerCreate(ctx, &driverstate.Worker{
		ResourceType: kind, ResourceID: id, Status: status, ServiceID: m.volumeService(),
	})
}

// beingCopied refuses to write to a volume of which a snapshot or another volume
// is being made: the copy would have some of both.
func beingCopied(ctx context.Context, tx db.Tx, volumeID string) error {
	refused := func(by string) error {
		return refuse("volume", volumeID, driverstate.ErrInvalidStatus,
			"Volume to be restored to must be available, but its "+by+" is being created.")
	}
	snapshots, err := tx.SnapshotGetAll(ctx, "", volumeID)
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if s.Status == driverstate.SnapshotCreating {
			return refused("snapshot " + s.ID)
		}
	}
	volumes, err := tx.VolumeGetAll(ctx, "")
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if v.SourceVolID == volumeID && v.Status == driverstate.VolumeCreating {
			return refused("clone " + v.ID)
		}
	}
	return nil
}
