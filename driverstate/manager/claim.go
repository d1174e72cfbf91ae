package manager

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// What is accepted for a backup is kept as an entry of the workers table until
// it is finished: inserted with the change of the row and the job, claimed by
// the service that runs the job, removed with the change that ends it. Who
// stops work in progress replaces its entry; who takes over the work of a dead
// service claims it. Either way the entry is not the runner's any more, and it
// writes nothing.
const (
	backupResource       = "Backup"
	verificationResource = "Verification"
	shipmentResource     = "Shipment"

	intentCreate      = "creating" // its objects are ours, not imported ones
	intentImport      = "importing"
	intentRestore     = "restoring"
	intentSalvage     = "salvaging" // restoring a backup that was error, and is again afterwards
	intentDelete      = "deleting"
	intentForceDelete = "force deleting"
	intentReset       = "resetting" // to available; the status is still the old one
	intentVerify      = "running"
	intentShip        = "shipping"
)

// intentsOf are the intents that a kind of job carries out.
var intentsOf = map[db.JobKind][]string{
	db.JobBackup:  {intentCreate},
	db.JobImport:  {intentImport},
	db.JobRestore: {intentRestore, intentSalvage},
	db.JobDelete:  {intentDelete, intentForceDelete},
	db.JobReset:   {intentReset},
	db.JobVerify:  {intentVerify},
	db.JobShip:    {intentShip},
}

// setIntent replaces what was meant for a backup by an entry that nobody has
// claimed.
func setIntent(ctx context.Context, tx db.Tx, id, intent string) error {
	if err := tx.WorkerDestroy(ctx, backupResource, id); err != nil {
		return err
	}
	return tx.WorkerCreate(ctx, &driverstate.Worker{ResourceType: backupResource, ResourceID: id, Status: intent})
}

func clearIntent(ctx context.Context, tx db.Tx, id string) error {
	return tx.WorkerDestroy(ctx, backupResource, id)
}

// isOurs reports whether entries of a resource are the backup service's.
func isOurs(resource string) bool {
	return resource == backupResource || resource == verificationResource || resource == shipmentResource
}

// entryKey names what an entry is about.
type entryKey struct{ resource, id string }

func keyOf(w *driverstate.Worker) entryKey { return entryKey{w.ResourceType, w.ResourceID} }

// entries returns the entries of all services.
func entries(ctx context.Context, rows db.Workers) (map[entryKey]*driverstate.Worker, error) {
	all, err := rows.WorkerGetAll(ctx, 0)
	found := make(map[entryKey]*driverstate.Worker, len(all))
	for _, w := range all {
		found[keyOf(w)] = w
	}
	return found, err
}

// intentOf is what is meant for a backup; empty when nothing is.
func intentOf(ctx context.Context, rows db.Workers, id string) (string, error) {
	w, err := rows.WorkerGet(ctx, backupResource, id)
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return w.Status, nil
}

// entryOf names the entry of j; false for a job that has none.
func entryOf(j db.Job) (entryKey, bool) {
	switch j.Kind {
	case db.JobCleanup:
		return entryKey{}, false
	case db.JobVerify:
		var args verifyArgs
		err := json.Unmarshal(j.Args, &args)
		return entryKey{verificationResource, args.VerificationID}, err == nil
	case db.JobShip:
		var args shipArgs
		err := json.Unmarshal(j.Args, &args)
		return entryKey{shipmentResource, args.ShipmentID}, err == nil
	}
	return entryKey{backupResource, j.BackupID}, true
}

// clusterQueue is the queue whose jobs any member of a cluster takes. No host
// has its name.
func clusterQueue(name string) string { return "cluster " + name }

// cleanupQueue is that of cleanups, which must not wait for restores.
func cleanupQueue(name string) string { return "cleanup of cluster " + name }

// queues are those that this process works.
func (m *Manager) queues() []string {
	queues := []string{m.cfg.Host}
	if m.volumeKeeper() == m && m.cfg.VolumeHost != m.cfg.Host {
		queues = append(queues, m.cfg.VolumeHost) // for cleanups of volumes
	}
	if m.cfg.Cluster != "" {
		queues = append(queues, clusterQueue(m.cfg.Cluster), cleanupQueue(m.cfg.Cluster))
	}
	return queues
}

// sharedQueue is where work goes that any of us can do.
func (m *Manager) sharedQueue() string {
	if m.cfg.Cluster == "" {
		return m.cfg.Host
	}
	return clusterQueue(m.cfg.Cluster)
}

// queueOf is where work on v goes: a file or device taken under management, and
// a volume that was made before its host shared a directory with the others, is
// on that host alone, which must then be there to do the work.
func (m *Manager) queueOf(ctx context.Context, rows db.Services, v *driverstate.Volume) (string, error) {
	at := hostPart(v.Host) + strings.TrimPrefix(m.cfg.Host, m.cfg.VolumeHost)
	everywhere := !v.Managed && filepath.Dir(v.Path) == filepath.Clean(m.cfg.VolumeDir)
	if m.cfg.Cluster == "" || everywhere {
		return m.sharedQueue(), nil
	}
	all, err := rows.ServiceGetAll(ctx)
	if err != nil || at == m.cfg.Host {
		return m.cfg.Host, err
	}
	for _, s := range all {
		if s.Binary == driverstate.BinaryBackup && s.Host == at && s.Cluster == m.cfg.Cluster {
			if s.Disabled || !s.Up(m.cfg.Now(), m.cfg.ServiceDownTime) {
				return "", refuse("service", string(s.Binary), driverstate.ErrServiceDown,
					fmt.Sprintf("Service %s could not be found on host %s.", s.Binary, s.Host))
			}
			return at, nil
		}
	}
	return m.cfg.Host, nil // a host of an earlier name
}

// hostPart is the host of host@backend#pool.
func hostPart(host string) string {
	host, _, _ = strings.Cut(host, "@")
	return host
}

// enqueue queues j in tx, where any of us takes it unless it names a queue.
// args may be nil.
func (m *Manager) enqueue(ctx context.Context, tx db.Tx, j *db.Job, args any) error {
	if j.Queue == "" {
		j.Queue = m.sharedQueue()
	}
	r := trace.Of(ctx)
	j.RequestID, j.ProjectID = cmp.Or(j.RequestID, r.ID), cmp.Or(j.ProjectID, r.ProjectID)
	j.GlobalID, j.UserID = cmp.Or(j.GlobalID, r.GlobalID), cmp.Or(j.UserID, r.UserID)
	if j.QueuedAt.IsZero() {
		j.QueuedAt = m.cfg.Now().UTC()
	}
	if args != nil {
		raw, err := json.Marshal(args)
		if err != nil {
			return err
		}
		j.Args = raw
	}
	return tx.JobInsert(ctx, j)
}

// take claims the entry of j in tx, with which j begins. errSuperseded when
// the work is not j's any more: stopped, taken over, or done by another job.
func (m *Manager) take(ctx context.Context, tx db.Tx, j db.Job) (*driverstate.Worker, error) {
	key, ok := entryOf(j)
	if !ok {
		return nil, errSuperseded
	}
	states, err := tx.JobsOf(ctx, j.BackupID)
	if err != nil {
		return nil, err
	}
	running := slices.ContainsFunc(states, func(s db.JobState) bool {
		return s.ID == j.ID && s.Running && s.Runner == m.cfg.Host
	})
	if !running {
		return nil, errSuperseded
	}
	w, err := tx.WorkerClaim(ctx, key.resource, key.id, m.backupService())
	switch {
	case errors.Is(err, driverstate.ErrNotFound), errors.Is(err, driverstate.ErrConflict):
		return nil, errSuperseded
	case err == nil && (m.holds(w) || !slices.Contains(intentsOf[j.Kind], w.Status)):
		return nil, errSuperseded // the claim goes with the transaction
	}
	return w, err
}

// takeRow is take with the row of the backup, which is this host's from here
// on.
func (m *Manager) takeRow(ctx context.Context, j db.Job, s driverstate.Status) (w *driverstate.Worker, b *driverstate.Backup, err error) {
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if w, err = m.take(ctx, tx, j); err != nil {
			return err
		}
		b, err = tx.BackupGet(ctx, j.BackupID)
		if errors.Is(err, driverstate.ErrNotFound) || err == nil && (s != "" && b.Status != s || !sameRestore(j, b)) {
			return errSuperseded
		}
		if err != nil || b.Host == m.cfg.Host {
			return err
		}
		b.Host = m.cfg.Host
		return tx.BackupUpdate(ctx, b, b.Status)
	})
	if err == nil {
		m.took(j, w)
	}
	return w, b, notBegun(err)
}

// sameRestore is false for a restore that was stopped before it began, and whose
// backup is being restored to another volume now: that entry is the other job's.
func sameRestore(j db.Job, b *driverstate.Backup) bool {
	return j.Kind != db.JobRestore || b.RestoreVolumeID == j.VolumeID
}

// ours answers errSuperseded unless w is still as this process claimed it, and
// the process was heard of lately enough that nobody takes it for dead.
func (m *Manager) ours(ctx context.Context, rows db.Workers, w *driverstate.Worker) error {
	// A fence is for what tasks had claimed before it; what is taken up after
	// it, before it ends, is finished.
	if m.isSilent() {
		m.fence() // or nobody would come back to what is left unsaid now
		return errSuperseded
	}
	if m.isFenced() && m.holds(w) {
		return errSuperseded
	}
	still, err := standsAs(ctx, rows, w)
	if err == nil && !still {
		return errSuperseded
	}
	return err
}

// standsAs is whether the entry is still as w, nobody having claimed it since.
func standsAs(ctx context.Context, rows db.Workers, w *driverstate.Worker) (bool, error) {
	now, err := rows.WorkerGet(ctx, w.ResourceType, w.ResourceID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return false, nil
	}
	return err == nil && now.ID == w.ID && now.RacePreventer == w.RacePreventer, err
}

// putBack leaves a job that was not finished, and its claimed entry, for
// whoever comes next; w is nil when it was not claimed.
func (m *Manager) putBack(ctx context.Context, j db.Job, w *driverstate.Worker) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if w != nil {
			if err := m.ours(ctx, tx, w); err != nil {
				return err
			}
			// A new entry, which is not that of the task that is ending.
			if err := tx.WorkerDestroy(ctx, w.ResourceType, w.ResourceID); err != nil {
				return err
			}
			fresh := &driverstate.Worker{ResourceType: w.ResourceType, ResourceID: w.ResourceID, Status: w.Status}
			if err := tx.WorkerCreate(ctx, fresh); err != nil {
				return err
			}
		}
		return again(ctx, tx, j)
	})
	if errors.Is(err, errSuperseded) {
		return nil
	}
	return err
}

// again replaces an unfinished job by a new one; a finished one stays so.
func again(ctx context.Context, tx db.Tx, j db.Job) error {
	states, err := tx.JobsOf(ctx, j.BackupID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(states, func(s db.JobState) bool { return s.ID == j.ID }) {
		return nil
	}
	if err := tx.JobsDiscard(ctx, j.ID); err != nil {
		return err
	}
	return tx.JobInsert(ctx, &j)
}

// backupService returns the id of our cinder-backup row, 0 before Start.
func (m *Manager) backupService() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.services[driverstate.BinaryBackup]
}
