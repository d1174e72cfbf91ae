package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// storeClient reads the store.
type storeClient interface {
	manageableLister
	Verify(ctx context.Context, id string, d driverstate.Depth) (client.Verification, error)
}

// shelf is what the store holds, beside what the rows say of it.
type shelf struct {
	s     *sight
	at    storeList
	found map[string]client.Manageable // by backup id
	// mine are the rows of the store's driver, nil when they cannot be told;
	// there are those whose data was found, by host.
	mine  []client.Backup
	there map[string]int
	// moved are the rows that came, went or changed their status while the store
	// was read: what was seen of their data is of neither.
	moved map[string]bool
}

// compare holds the rows against the store, in both directions. Without a store
// it finds nothing.
func (o *doctorOptions) compare(ctx context.Context, c doctorClient, s *sight) ([]finding, error) {
	shelf, err := o.openShelf(ctx, c, s)
	if err != nil || shelf == nil {
		return nil, err
	}
	return shelf.findings(), nil
}

// openShelf reads the store; nil when there is none, or when it cannot be read,
// which is a gap.
func (o *doctorOptions) openShelf(ctx context.Context, c doctorClient, s *sight) (*shelf, error) {
	store, end, err := o.store(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	list, err := store.ManageableBackups(ctx, client.ManageableOpts{})
	if err = errors.Join(err, end(ctx)); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.missed("the store "+o.stores.String(), err)
		return nil, nil
	}
	sh := &shelf{s: s, at: o.stores, found: map[string]client.Manageable{}, there: map[string]int{}}
	for _, m := range list {
		sh.found[m.ID] = m
	}
	// The store was read after the rows: what was made or deleted meanwhile is
	// seen in both only now.
	everywhere := true
	after, err := c.ListBackups(ctx, client.ListOpts{AllProjects: &everywhere})
	if err != nil {
		return nil, err
	}
	if err := sh.own(ctx, c, after, o.standalone); err != nil {
		s.missed("which rows belong to the store", err)
	}
	sh.moved = movedRows(s.backups, after)
	for _, b := range slices.Concat(s.backups, after) {
		if m, ok := sh.found[b.ID]; ok {
			m.Managed = true
			sh.found[b.ID] = m
		}
	}
	return sh, nil
}

// movedRows are the ids of the rows that are not in the same status in both.
func movedRows(before, after []client.Backup) map[string]bool {
	was, moved := map[string]driverstate.Status{}, map[string]bool{}
	for _, b := range before {
		was[b.ID], moved[b.ID] = b.Status, true
	}
	for _, b := range after {
		status, known := was[b.ID]
		moved[b.ID] = !known || status != b.Status
	}
	return moved
}

// own finds the rows whose data should be in this store.
func (sh *shelf) own(ctx context.Context, c doctorClient, after []client.Backup, standalone bool) error {
	mine := map[string]bool{}
	if !standalone {
		for _, part := range driverParts(sh.at) {
			list, err := c.BackupsWhere(ctx, map[string]string{"service~": part})
			if err != nil {
				return err
			}
			for _, b := range list {
				mine[b.ID] = true
			}
		}
	}
	sh.mine = []client.Backup{}
	for _, b := range after {
		// A row that names no driver is known by its data.
		_, here := sh.found[b.ID]
		if standalone || mine[b.ID] || here && sh.s.untaken[b.ID] {
			sh.mine = append(sh.mine, b)
			if here {
				sh.there[sh.s.hostOf[b.ID]]++
			}
		}
	}
	return nil
}

// driverParts are what the service column of a row contains when its driver
// may have written to one of the stores. An exported directory is a plain one
// to who looks at it.
func driverParts(stores storeList) []string {
	var parts []string
	for _, s := range stores.parse() {
		scheme, _, _ := strings.Cut(s.URL, "://")
		if scheme == "posix" || scheme == "nfs" {
			parts = append(parts, ".posix", ".nfs", ".glusterfs")
		} else {
			parts = append(parts, "."+scheme)
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

func (sh *shelf) findings() []finding {
	var out []finding
	for _, m := range sh.found {
		if !m.Managed {
			out = append(out, sh.ofRowless(m))
		}
	}
	here := 0
	for _, n := range sh.there {
		here += n
	}
	available := slices.ContainsFunc(sh.mine, func(b client.Backup) bool { return b.Status == driverstate.StatusAvailable && !sh.moved[b.ID] })
	if available && here == 0 {
		return append(out, finding{severity: high, cause: "store-is-another", kind: "store", id: sh.at.String(),
			reason: "No row of this driver has its data in this store: it is another store than that of the cloud, or its data is lost.",
			detail: plural(len(sh.mine), "row") + " looked for.", next: []step{sh.engine("backup-manageable-list")}})
	}
	for _, b := range sh.mine {
		if f, ok := sh.ofRow(b); ok {
			out = append(out, f)
		}
	}
	return out
}

// engine is a verb on the store itself, without the cloud.
func (sh *shelf) engine(verb string, ids ...string) step {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = shellWord(id)
	}
	return step{"cinder-go --standalone " + sh.at.flags() + " " + verb, quoted}
}

// recovered is the directory of the records on their way from the engine to
// the cloud.
const recovered = "recovered-records/" // a directory, also for a single one

// ofRowless judges a backup of the store that no row has.
func (sh *shelf) ofRowless(m client.Manageable) finding {
	f := finding{severity: medium, cause: "no-row", kind: "backup", id: m.ID, project: m.ProjectID, status: string(m.Condition), since: m.CreatedAt}
	if m.Name != nil {
		f.name = *m.Name
	}
	f.detail = "Of volume " + m.VolumeID + "."
	switch m.Condition {
	case driverstate.ConditionWhole:
		f.reason = "The store holds it whole, and the cloud has no row for it: nobody can see or restore it. " +
			"An import makes it the importer's: import it as a user of its project, or with --map."
		f.next = []step{sh.engine("backup-manage", m.ID), sh.engine("backup-export --output "+recovered, m.ID), {command: "cinder-go backup-import --from " + recovered}}
	case driverstate.ConditionPartial:
		f.severity, f.cause = low, "no-row-partial"
		f.reason = "The store holds part of it, and the cloud has no row for it: what is left of a backup that failed or was deleted in the middle. It only takes space."
		f.detail = "Container " + m.Container + ", objects " + m.ObjectPrefix + "*."
		f.next = []step{sh.engine("backup-manageable-list -f json")}
	default:
		f.severity, f.cause = low, "no-row-"+string(m.Condition)
		f.reason = "The store holds it, the cloud has no row for it, and it is not whole."
		f.detail = strings.TrimSpace("Reason: " + m.Reason)
		f.next = []step{sh.engine("backup-verify", m.ID)}
	}
	return f
}

// ofRow judges a row by its data.
func (sh *shelf) ofRow(b client.Backup) (finding, bool) {
	m, here := sh.found[b.ID]
	whole := here && m.Condition == driverstate.ConditionWhole
	switch {
	case sh.moved[b.ID]:
		return finding{}, false
	case b.Status == driverstate.StatusAvailable && !here:
		host := sh.s.hostOf[b.ID]
		if sh.there[host] == 0 {
			return finding{}, false // its host may write to another store
		}
		f := ofBackup(b, critical, "data-missing")
		f.host = host
		f.reason = "It is called available, and the store has nothing of it, while other backups of its host are there: it cannot be restored. " +
			"Reset to error keeps it from being relied on; a new backup protects the volume."
		f.next = []step{verb("backup-reset-state --state error", b.ID), verb("backup-create " + shellWord(b.VolumeID))}
		return f, true
	case b.Status == driverstate.StatusAvailable && !whole:
		f := ofBackup(b, critical, "data-"+string(m.Condition))
		f.reason = "It is called available, and its data is not whole. What can still be read is for backup-verify to say; a new backup protects the volume."
		f.detail = fmt.Sprintf("Reason: %s", m.Reason)
		f.next = []step{sh.engine("backup-verify", b.ID), verb("backup-create " + shellWord(b.VolumeID))}
		return f, true
	case whole && (b.Status == driverstate.StatusError || b.Status == driverstate.StatusCreating && sh.s.isStuck(b)):
		f := ofBackup(b, high, "whole-but-"+string(b.Status))
		f.reason = "Its data is whole on the store, by structure: it can be made available as it is."
		if sh.s.untaken[b.ID] {
			f.detail = "Its row names no driver: a reset does nothing, and a force delete takes the row alone and leaves the data. Then its record is imported."
			f.next = []step{sh.engine("backup-manage", b.ID), sh.engine("backup-export --output "+recovered, b.ID),
				verb("backup-force-delete --yes", b.ID), {command: "cinder-go backup-import --from " + recovered}}
			return f, true
		}
		f.next = []step{verb("backup-reset-state --state available", b.ID)}
		return f, true
	}
	return finding{}, false
}
