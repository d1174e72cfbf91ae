package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// scanned scans container, or all when it is empty, and yields every backup in
// it, as often as it is ranged over. Chains are judged over the whole store also
// when one container is asked for. A store may hold hundreds of thousands: where
// the driver can yield them once more, none is held here.
func (m *Manager) scanned(ctx context.Context, container string) (iter.Seq[driverstate.Manageable], error) {
	if err := m.requireDriver(); err != nil {
		return nil, err
	}
	scanner, err := m.scanner()
	if err != nil {
		return nil, err
	}
	scan := scanner.Scan(ctx, container)
	var links driverstate.Links
	for f, err := range scan {
		if err != nil {
			return nil, err
		}
		links.Add(&f)
	}
	live, err := m.managed(ctx)
	if err != nil {
		return nil, err
	}
	manageable := func(f driverstate.Found) driverstate.Manageable {
		return driverstate.Manageable{Found: f, Host: m.cfg.Host, Managed: live[f.Backup.ID]}
	}
	if container == "" && !links.Ambiguous() {
		return func(yield func(driverstate.Manageable) bool) {
			for f, err := range scan {
				if err != nil {
					return // it has told of that the first time
				}
				links.Judge(&f)
				if !yield(manageable(f)) {
					return
				}
			}
		}, nil
	}
	var found []driverstate.Found
	for f, err := range scan {
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	listed := len(found)
	if container != "" {
		if found, err = m.addAncestors(ctx, scanner, found); err != nil {
			return nil, err
		}
	}
	found = linked(found, listed)
	return func(yield func(driverstate.Manageable) bool) {
		for _, f := range found {
			if !yield(manageable(f)) {
				return
			}
		}
	}, nil
}

// managed are the ids that have rows.
func (m *Manager) managed(ctx context.Context) (map[string]bool, error) {
	rows, err := m.db.BackupGetAll(ctx, driverstate.BackupFilter{})
	if err != nil {
		return nil, err
	}
	live := make(map[string]bool, len(rows))
	for _, b := range rows {
		live[b.ID] = true
	}
	return live, nil
}

// compareManageable orders by age, what has no date last.
func compareManageable(a, b driverstate.Manageable) int {
	x, y := a.Backup.CreatedAt, b.Backup.CreatedAt
	if x.IsZero() != y.IsZero() {
		if x.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(x.Compare(y), cmp.Compare(a.Backup.ID, b.Backup.ID))
}

func (m *Manager) scanner() (driverstate.Scanner, error) {
	s, ok := m.cfg.Driver.(driverstate.Scanner)
	if !ok {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the driver cannot look at backups on the store")
	}
	return s, nil
}

// addAncestors appends the ancestors that are not in found itself.
func (m *Manager) addAncestors(ctx context.Context, scanner driverstate.Scanner, found []driverstate.Found) ([]driverstate.Found, error) {
	known := make(map[string]bool, len(found))
	for _, f := range found {
		known[f.Backup.ID] = true
	}
	for i := 0; i < len(found); i++ { // found grows
		parent := found[i].Backup.ParentID
		if parent == "" || known[parent] {
			continue
		}
		known[parent] = true
		f, err := m.find(ctx, scanner, parent, found[i].Backup.Container)
		if errors.Is(err, driverstate.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

// linked links all of found and returns the first n. Of several copies of one
// backup the best stands for it in chains.
func linked(found []driverstate.Found, n int) []driverstate.Found {
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	// LinkChains takes the last of several with one id.
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case better(&found[j], &found[i]):
			return -1
		case better(&found[i], &found[j]):
			return 1
		}
		return 0
	})
	sorted := make([]driverstate.Found, len(found))
	for to, from := range order {
		sorted[to] = found[from]
	}
	driverstate.LinkChains(sorted)
	for to, from := range order {
		found[from] = sorted[to]
	}
	return found[:n]
}

// ManageBackup makes a row for a backup found in the store; admin only. A
// whole one becomes available. An orphaned or damaged one is admitted only if
// the request says so, and becomes error with the reason; a partial one never.
// Its owner is the owner of its volume at the time, the caller when the store
// does not tell. A parent need not have a row yet, but must be in the store.
func (m *Manager) ManageBackup(ctx context.Context, c driverstate.Caller, r driverstate.ManageRequest) (*driverstate.Backup, error) {
	if err := allow(c, "backup:manage"); err != nil {
		return nil, err
	}
	if err := m.requireDriver(); err != nil {
		return nil, err
	}
	scanner, err := m.scanner()
	if err != nil {
		return nil, err
	}
	already := refuseBackup(r.BackupID, driverstate.ErrConflict, "Backup "+r.BackupID+" is managed already.")
	if _, err := m.db.BackupGet(ctx, r.BackupID); err == nil {
		return nil, already
	} else if !errors.Is(err, driverstate.ErrNotFound) {
		return nil, err
	}
	tip, err := m.find(ctx, scanner, r.BackupID, "")
	if err != nil {
		return nil, named(err, backupNotFound(r.BackupID))
	}
	line, err := m.lookBelow(ctx, scanner, tip)
	if err != nil {
		return nil, err
	}
	f := &line[0]
	if err := admit(f, r); err != nil {
		return nil, err
	}
	b := m.rowOf(c, f)
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if err := m.checkNotLeaving(ctx, tx, b); err != nil {
			return err
		}
		if err := m.checkParentStays(ctx, tx, b, line); err != nil {
			return err
		}
		if b.NumDependentBackups, err = dependents(ctx, tx, b.ID); err != nil {
			return err
		}
		if err := tx.BackupCreate(ctx, b); err != nil {
			return err
		}
		return recount(ctx, tx, b.ParentID)
	})
	if errors.Is(err, driverstate.ErrConflict) {
		return nil, already
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func admit(f *driverstate.Found, r driverstate.ManageRequest) error {
	switch {
	case f.Condition == driverstate.ConditionWhole,
		f.Condition == driverstate.ConditionOrphaned && r.AllowOrphaned,
		f.Condition == driverstate.ConditionDamaged && r.AllowDamaged:
		return nil
	}
	return refuseBackup(r.BackupID, driverstate.ErrInvalidStatus,
		fmt.Sprintf("Backup %s on the store is %s: %s", r.BackupID, f.Condition, faultOf(f)))
}

func (m *Manager) rowOf(c driverstate.Caller, f *driverstate.Found) *driverstate.Backup {
	b := f.Backup
	b.Service, b.Host, b.AvailabilityZone = m.cfg.Driver.Service(), m.cfg.Host, m.cfg.AvailabilityZone
	b.Status, b.FailReason = driverstate.StatusAvailable, ""
	if f.Condition != driverstate.ConditionWhole {
		b.Status, b.FailReason = driverstate.StatusError, faultOf(f)
	}
	if b.ProjectID == "" {
		b.ProjectID = c.ProjectID
	}
	if b.UserID == "" {
		b.UserID = c.UserID
	}
	if b.CreatedAt.IsZero() {
		b.CreatedAt = m.cfg.Now().UTC()
	}
	if b.DataTimestamp.IsZero() {
		b.DataTimestamp = b.CreatedAt
	}
	return &b
}
