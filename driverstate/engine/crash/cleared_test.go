package crash

import (
	"fmt"
	"os"
	"path/filepath"
)

// cleared deletes everything over the API, and returns what is left then: what
// a kill leaves must be possible to get rid of.
func (w *world) cleared() []string {
	w.t.Helper()
	if w.heal != nil {
		w.heal()
	}
	r := openSQLite(w.t, w.place)
	defer r.close()
	for {
		c := r.settled(w.t, w.place, patience)
		deleted := 0
		for id, b := range c.backups {
			if b.NumDependentBackups == 0 {
				w.must("POST", "backups/"+id+"/action", object{"os-force_delete": object{}})
				deleted++
			}
		}
		for id := range c.snapshots {
			w.must("POST", "snapshots/"+id+"/action", object{"os-force_delete": object{}})
			deleted++
		}
		if deleted == 0 {
			for id := range c.volumes {
				w.must("POST", "volumes/"+id+"/action", object{"os-force_delete": object{}})
			}
			break
		}
	}
	c := r.settled(w.t, w.place, patience)
	var wrong []string
	if s := c.restless(); s != "" {
		wrong = append(wrong, "after all was deleted: "+s)
	}
	if n := len(c.backups) + len(c.volumes) + len(c.snapshots); n > 0 {
		wrong = append(wrong, fmt.Sprintf("after all was deleted %d rows are left", n))
	}
	c.backups = nil
	for _, s := range c.unowned(w.t, w.kept()) {
		wrong = append(wrong, "after all was deleted: "+s)
	}
	if files, err := os.ReadDir(w.volumes()); err != nil || len(files) > 0 {
		wrong = append(wrong, "after all was deleted files of volumes are left")
	}
	return wrong
}

// kept names what may be on the store without a row: a backup that was put
// there, and a container that the user named.
func (w *world) kept() map[string]bool {
	kept := map[string]bool{"shared": true}
	for id := range w.loose {
		if left, err := filepath.Glob(filepath.Join(w.store(), "*", "*", id, "*_metadata")); err == nil && len(left) > 0 {
			kept[id] = true
		}
	}
	return kept
}
