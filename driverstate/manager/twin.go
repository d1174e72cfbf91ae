package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Rows that refer to the same objects are twins: a record may be imported under
// a new id while the backup that it was exported from is there. The objects
// are named for one id, and are that backup's to the driver, whichever row is
// worked on. They are removed with the last row that refers to them: Cinder
// removes them with the first (cinder/backup/manager.py delete_backup), and the
// other row is then of nothing. Rows of different stores of a process are no
// twins, though the place in each is called the same.

// onStore is b as the driver knows it.
func onStore(b *driverstate.Backup) *driverstate.Backup {
	id := b.StoredID()
	if id == b.ID {
		return b
	}
	stored := *b
	stored.ID = id
	return &stored
}

// chainOnStore is c as the driver knows it.
func chainOnStore(c driverstate.Chain) driverstate.Chain {
	stored := make(driverstate.Chain, len(c))
	for i, b := range c {
		stored[i] = onStore(b)
	}
	return stored
}

// twins are the other rows of b's objects.
func (m *Manager) twins(ctx context.Context, rows db.Backups, b *driverstate.Backup) ([]*driverstate.Backup, error) {
	if b.Container == "" || b.ServiceMetadata == "" || b.SharesPlace() {
		return nil, nil
	}
	all, err := rows.BackupGetAll(ctx, driverstate.BackupFilter{
		Columns: map[string]string{"container": b.Container, "service_metadata": b.ServiceMetadata},
	})
	var others []*driverstate.Backup
	for _, other := range all {
		if other.ID != b.ID && other.Service == b.Service && !m.apart(other.Host, b.Host) {
			others = append(others, other)
		}
	}
	return others, err
}

// keeper is a twin of b that is not being deleted too, so that the objects
// stay; nil when there is none.
func (m *Manager) keeper(ctx context.Context, rows db.Backups, b *driverstate.Backup) (*driverstate.Backup, error) {
	others, err := m.twins(ctx, rows, b)
	for _, other := range others {
		if other.Status != driverstate.StatusDeleting {
			return other, err
		}
	}
	return nil, err
}

// standing counts the rows that stand on b: incremental backups of its row,
// and, if no twin keeps the objects, of every row that they can be named by.
func (m *Manager) standing(ctx context.Context, rows db.Backups, b *driverstate.Backup) (int, error) {
	ids := map[string]bool{b.ID: true}
	kept, err := m.keeper(ctx, rows, b)
	if err != nil {
		return 0, err
	}
	if kept == nil {
		ids[b.StoredID()] = true
		others, err := m.twins(ctx, rows, b)
		if err != nil {
			return 0, err
		}
		for _, other := range others {
			ids[other.ID] = true
		}
	}
	total := 0
	for id := range ids {
		n, err := rows.BackupCount(ctx, driverstate.BackupFilter{Columns: map[string]string{"parent_id": id}})
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// leaveToTwin removes the row of b alone if a twin keeps the objects, and says
// whether it did. That is settled in one transaction, so that of two twins
// that are deleted at the same time one is the last. w is the entry of the
// delete.
func (m *Manager) leaveToTwin(ctx context.Context, b *driverstate.Backup, w *driverstate.Worker) (left bool, err error) {
	var kept *driverstate.Backup
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.ours(ctx, tx, w); err != nil {
			return err
		}
		if kept, err = m.keeper(ctx, tx, b); err != nil || kept == nil {
			return err
		}
		now, err := tx.BackupGet(ctx, b.ID)
		if err != nil {
			return err
		}
		return m.destroy(ctx, tx, now)
	})
	if err != nil || kept == nil {
		return false, err
	}
	m.log.InfoContext(ctx, "row deleted, objects kept: another row refers to them",
		"backup", b.ID, "kept for", kept.ID, "container", b.Container, "prefix", b.ServiceMetadata)
	return true, nil
}

// checkNotLeaving refuses a record of objects that are just being deleted.
func (m *Manager) checkNotLeaving(ctx context.Context, rows db.Backups, b *driverstate.Backup) error {
	others, err := m.twins(ctx, rows, b)
	for _, other := range others {
		if other.Status == driverstate.StatusDeleting {
			return refuseBackup(b.ID, driverstate.ErrInvalidStatus, fmt.Sprintf("its objects are being deleted with backup %s", other.ID))
		}
	}
	return err
}

// checkParentStays refuses b while what it stands on is being deleted: a delete
// looks for those that stand on a backup once, when it is accepted. line is b
// with what the store has below it, as far as that is known.
func (m *Manager) checkParentStays(ctx context.Context, rows db.Backups, b *driverstate.Backup, line []driverstate.Found) error {
	refused := func(leaving *driverstate.Backup) error {
		return refuseBackup(b.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
			"it stands on objects that are being deleted with backup %s; to keep both, reset that one to available first", leaving.ID))
	}
	id := b.ParentID
	if id == "" && len(line) > 0 {
		id = line[0].Backup.ParentID
	}
	for range len(line) + 1 { // a line may be a loop
		if id == "" {
			return nil
		}
		row, err := rows.BackupGet(ctx, id)
		switch {
		case err == nil && m.keeps(row) && row.Status == driverstate.StatusDeleting:
			return refused(row)
		case err == nil && m.keeps(row):
			return nil // what it stands on itself cannot be deleted
		case err != nil && !errors.Is(err, driverstate.ErrNotFound):
			return err
		}
		at := slices.IndexFunc(line, func(f driverstate.Found) bool { return f.Backup.ID == id })
		if at < 0 {
			return nil
		}
		stored := line[at].Backup
		stored.Service, stored.Host = m.cfg.Driver.Service(), m.cfg.Host
		others, err := m.twins(ctx, rows, &stored)
		if err != nil {
			return err
		}
		if len(others) > 0 && !slices.ContainsFunc(others, func(o *driverstate.Backup) bool { return o.Status != driverstate.StatusDeleting }) {
			return refused(others[0])
		}
		id = stored.ParentID
	}
	return nil
}

// ownsObjects proves that the objects at the place of a last twin are those
// that their names say, before they are removed with a row of another id:
// their document must be sound and name the same backup.
func (m *Manager) ownsObjects(ctx context.Context, b *driverstate.Backup) error {
	if b.StoredID() == b.ID {
		return nil
	}
	n, err := m.standing(ctx, m.db, b)
	if err != nil {
		return err
	}
	if n > 0 {
		return refuseBackup(b.ID, driverstate.ErrHasDependents, "Incremental backups exist for this backup.")
	}
	scanner, err := m.scanner()
	if err != nil {
		return err
	}
	found, err := scanner.Inspect(ctx, onStore(b))
	switch {
	case errors.Is(err, driverstate.ErrNotFound):
		return nil
	case err != nil:
		return err
	case found.Condition == driverstate.ConditionDamaged:
		return driverstate.Fail(driverstate.ErrInvalidInput, faultOf(&found))
	}
	return nil
}
