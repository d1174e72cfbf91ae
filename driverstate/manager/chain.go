package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// rowChain is the chain of b as rows tell it. A parent without a row is the one
// that the store has: an import of an increment alone was proven with that.
// ErrInvalidStatus when there is none, or a parent is in another store: a driver
// reads from its own.
func (m *Manager) rowChain(ctx context.Context, rows db.Backups, b *driverstate.Backup) (driverstate.Chain, error) {
	chain := driverstate.Chain{b}
	seen := map[string]bool{b.ID: true}
	for b.Incremental() {
		if seen[b.ParentID] || len(chain) >= driverstate.MaxChain {
			return nil, refuseBackup(b.ID, driverstate.ErrInvalidStatus, "its chain of parents is a loop or too long")
		}
		parent, err := rows.BackupGet(ctx, b.ParentID)
		switch {
		case errors.Is(err, driverstate.ErrNotFound):
			if parent, err = m.rowless(ctx, b); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		case !m.keeps(parent):
			return nil, acrossStores(b, parent)
		}
		seen[parent.ID] = true
		chain = append(chain, parent)
		b = parent
	}
	slices.Reverse(chain)
	return chain, nil
}

// rowless is the parent of b as the store has it.
func (m *Manager) rowless(ctx context.Context, b *driverstate.Backup) (*driverstate.Backup, error) {
	scanner, err := m.scanner()
	if err == nil {
		var found driverstate.Found
		if found, err = m.find(ctx, scanner, b.ParentID, b.Container); err == nil && found.Condition != driverstate.ConditionPartial {
			return &found.Backup, nil
		}
	}
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) && !errors.Is(err, driverstate.ErrNotSupported) {
		return nil, err
	}
	return nil, refuseBackup(b.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
		"backup %s stands on %s, which has no record, and the store has nothing whole of it: bring its data back first", b.ID, b.ParentID))
}

// acrossStores refuses a backup whose parent is in another store of this
// process.
func acrossStores(b, parent *driverstate.Backup) error {
	return refuseBackup(b.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
		"backup %s is in the store of service %s, and stands on %s, which is in that of %s: a chain must lie in one store",
		b.ID, b.Host, parent.ID, parent.Host))
}

// look inspects b on the store with everything it stands on, and links them:
// the first Found is b itself, judged as part of its chain. Each ancestor is
// looked for where its row says, or, without a row, wherever the store has it.
// ErrNotFound when the store holds nothing of b; ErrNotSupported when the
// driver cannot look.
func (m *Manager) look(ctx context.Context, b *driverstate.Backup) ([]driverstate.Found, error) {
	scanner, err := m.scanner()
	if err != nil {
		return nil, err
	}
	tip, err := scanner.Inspect(ctx, onStore(b))
	if err != nil {
		return nil, err
	}
	return m.lookBelow(ctx, scanner, tip)
}

// lookBelow is look for a tip that was inspected already.
func (m *Manager) lookBelow(ctx context.Context, scanner driverstate.Scanner, tip driverstate.Found) ([]driverstate.Found, error) {
	line := []driverstate.Found{tip}
	seen := map[string]bool{}
	for at := tip; at.Condition != driverstate.ConditionPartial && at.Backup.Incremental(); {
		id := at.Backup.ParentID
		if seen[id] || len(line) > driverstate.MaxChain {
			break
		}
		seen[id] = true
		parent, err := m.find(ctx, scanner, id, at.Backup.Container)
		if errors.Is(err, driverstate.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		line = append(line, parent)
		at = parent
	}
	driverstate.LinkChains(line)
	return line, nil
}

// find looks for a backup by id: where its row says it is; without a row, or
// with that of another store, in the driver's default place, then in container, then everywhere.
func (m *Manager) find(ctx context.Context, scanner driverstate.Scanner, id, container string) (driverstate.Found, error) {
	row, err := m.db.BackupGet(ctx, id)
	if err == nil && m.keeps(row) {
		return scanner.Inspect(ctx, onStore(row))
	}
	if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
		return driverstate.Found{}, err
	}
	found, err := scanner.Inspect(ctx, &driverstate.Backup{ID: id})
	if !errors.Is(err, driverstate.ErrNotFound) {
		return found, err
	}
	for _, where := range slices.Compact([]string{container, ""}) {
		found, err = search(ctx, scanner, where, id)
		if !errors.Is(err, driverstate.ErrNotFound) {
			return found, err
		}
	}
	return found, err
}

// search scans container for a backup by id. Of several copies, as a retried
// backup leaves them, it is the best one.
func search(ctx context.Context, scanner driverstate.Scanner, container, id string) (driverstate.Found, error) {
	var best driverstate.Found
	some := false
	for f, err := range scanner.Scan(ctx, container) {
		if err != nil {
			return driverstate.Found{}, err
		}
		if f.Backup.ID == id && (!some || better(&f, &best)) {
			best, some = f, true
		}
	}
	if !some {
		return best, refuse("backup", id, driverstate.ErrNotFound, "the store holds nothing of it")
	}
	return best, nil
}

// better reports whether a is to be preferred to b, another copy of the same
// backup: whole before any other, then the later one.
func better(a, b *driverstate.Found) bool {
	if aw, bw := a.Condition == driverstate.ConditionWhole, b.Condition == driverstate.ConditionWhole; aw != bw {
		return aw
	}
	return a.Backup.CreatedAt.After(b.Backup.CreatedAt)
}

// faultOf says in one line why f is not whole, naming the first thing that is
// missing or wrong.
func faultOf(f *driverstate.Found) string {
	reason := f.Reason
	if reason == "" {
		reason = "it is " + string(f.Condition)
	}
	return clip(reason)
}

// checkService refuses a row that another driver wrote. A row without a
// service was never written and fits every driver. doing begins the text, such
// as "Restore backup aborted".
func (m *Manager) checkService(b *driverstate.Backup, doing string) error {
	if b.Service == "" {
		return nil
	}
	class, err := m.cfg.Canonical(b.Service)
	if err == nil && class == m.cfg.Driver.Service() {
		return nil
	}
	return refuseBackup(b.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
		"%s, the backup service currently configured [%s] is not the backup service that was used to create this backup [%s].",
		doing, m.cfg.Driver.Service(), b.Service))
}
