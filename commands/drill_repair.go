package commands

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cinder-go/cinder-go/commands/progress"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// repair resets and deletes backups that are stuck. It writes to the store, so
// it works on a copy.
func (d *drill) repair(ctx context.Context, found []held) error {
	d.step("Backups that are stuck: reset one, force-delete another, on a copy of the store")
	if total := storedBytes(found); total > smallStore {
		d.detail("left out: the store holds %s, more than the drill copies", progress.Bytes(total))
		return nil
	}
	stuck, doomed := d.pickStuck(found)
	if stuck == nil || doomed == nil {
		d.detail("left out: the store has no two backups that this can be shown on")
		return nil
	}
	copied := filepath.Join(d.dir, "copy")
	if d.embedded {
		if err := unpackStore(copied); err != nil {
			return err
		}
	} else if err := os.CopyFS(copied, os.DirFS(d.root)); err != nil {
		d.detail("left out: the store cannot be copied: %v", err)
		return nil
	}
	url := swapRoot(d.url, d.root, copied)
	d.standalone(url, "copy-state", true)
	r := d.run(ctx, "backup-manage", "--include-damaged", stuck.ID, doomed.ID)
	d.expect(r, 0, "both have rows")
	r = d.run(ctx, "backup-force-delete", "--yes", stuck.ID, doomed.ID)
	d.expect(r, 4, "the store is read-only, as after a fault of its mount: accepted, not done, exit 4")
	r = d.run(ctx, "backup-show", stuck.ID, doomed.ID, "-f", "value", "-c", "status")
	d.check(r.out == "error\nerror\n", "both are stuck in error")

	d.standalone(url, "copy-state", false)
	r = d.run(ctx, "backup-reset-state", "--state", "available", stuck.ID)
	d.expect(r, 0, "the store is back; the data of %s was proven whole, so it is available again", short(stuck.ID))
	if doomed.Condition != driverstate.ConditionWhole {
		r = d.run(ctx, "backup-reset-state", "--state", "available", doomed.ID)
		d.expect(r, 4, "%s is not whole, so the same reset is refused, and says why: exit 4", short(doomed.ID))
		d.detail("%s", firstLine(r.errs))
	}
	before, err := filesOf(copied, doomed.ID)
	if err != nil {
		return err
	}
	d.run(ctx, "backup-force-delete", "--dry-run", doomed.ID)
	r = d.run(ctx, "backup-force-delete", "--yes", doomed.ID)
	d.expect(r, 0, "%s is deleted, whatever its status", short(doomed.ID))
	after, err := filesOf(copied, doomed.ID)
	if err != nil {
		return err
	}
	d.check(before > 0 && after == 0, "its %d files are gone from the store", before)
	r = d.run(ctx, "backup-show", doomed.ID)
	d.expect(r, 5, "and so is its row: exit 5")
	r = d.run(ctx, "backup-verify", stuck.ID, "--depth", "structure")
	d.expect(r, 0, "the other backup was not touched")
	return nil
}

// pickStuck chooses a whole backup to reset, and another, damaged if there is
// one, that nothing stands on, to delete.
func (d *drill) pickStuck(found []held) (stuck, doomed *held) {
	parents := map[string]bool{}
	for _, b := range found {
		parents[b.ParentID] = true
	}
	for i := range found {
		b := &found[i]
		if parents[b.ID] || b.ParentID != "" {
			continue
		}
		switch {
		case d.embedded && b.ID == drillstore.WronglyError:
			stuck = b
		case d.embedded && b.ID == drillstore.MissingChunk:
			doomed = b
		case d.embedded:
		case b.Condition == driverstate.ConditionDamaged && (doomed == nil || doomed.Condition == driverstate.ConditionWhole):
			doomed = b
		case b.Condition != driverstate.ConditionWhole:
		case stuck == nil:
			stuck = b
		case doomed == nil:
			doomed = b
		}
	}
	return stuck, doomed
}

// swapRoot is the URL of the same kind of store in another directory.
func swapRoot(storeURL, root, other string) string {
	return strings.Replace(storeURL, root, other, 1)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
