package crash

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// scenario is one operation: what there must be before it, and the operation,
// in which the server is killed.
type scenario struct {
	name   string
	before func(*world)
	act    func(*world)
}

const small, large = 100 << 10, 6 << 20 // 2 chunks, 96 chunks

// scenarios pass every operation of the manager.
func scenarios() []scenario { return append(operations(), neighbours()...) }

// operations are those on backups and the volumes that they need.
func operations() []scenario {
	return []scenario{
		{"create", func(w *world) { w.source("disk", small) },
			func(w *world) { w.create("disk", "full", nil); w.rest("full") }},
		{"create-incremental", func(w *world) { w.source("disk", small); w.made("disk", "full", nil); w.edit("disk") },
			func(w *world) { w.create("disk", "incremental", object{"incremental": true}); w.rest("incremental") }},
		{"create-in-a-shared-container", func(w *world) { w.source("disk", small); w.made("disk", "neighbour", object{"container": "shared"}) },
			func(w *world) { w.create("disk", "full", object{"container": "shared"}); w.rest("full") }},
		{"create-of-what-cannot-be-read", func(w *world) { w.source("disk", small); require.NoError(w.t, os.Remove(w.files["disk"])) },
			func(w *world) { w.create("disk", "failing", nil); w.rest("failing") }},
		{"create-while-the-service-is-disabled", func(w *world) { w.source("disk", small); w.service("disable") },
			func(w *world) { w.create("disk", "refused", nil); w.rest("refused"); w.service("enable") }},

		{"restore-to-a-new-volume", aFullBackup,
			func(w *world) { w.restore("full", ""); w.rest("full") }},
		{"restore-a-chain-to-a-new-file", func(w *world) { aChain(w); w.manageVolume("target", nil) },
			func(w *world) { w.restore("incremental", "target"); w.rest("incremental") }},
		{"restore-over-data", func(w *world) { aFullBackup(w); w.manageVolume("target", w.image(200<<10)) },
			func(w *world) { w.restore("full", "target"); w.rest("full") }},
		{"restore-of-a-damaged-backup", func(w *world) { aFullBackup(w); w.manageVolume("target", nil); w.damage("full") },
			func(w *world) { w.restore("full", "target"); w.rest("full") }},

		{"delete", aChain,
			func(w *world) { w.delete("incremental"); w.rest("incremental"); w.delete("full"); w.rest("full") }},
		{"delete-in-a-shared-container", func(w *world) {
			w.source("disk", small)
			w.made("disk", "neighbour", object{"container": "shared"})
			w.made("disk", "full", object{"container": "shared"})
		}, func(w *world) { w.delete("full"); w.rest("full") }},
		{"delete-of-what-has-no-objects", func(w *world) { w.source("disk", small); w.service("disable"); w.create("disk", "empty", nil) },
			func(w *world) { w.delete("empty"); w.rest("empty") }},
		{"delete-that-fails", func(w *world) { aFullBackup(w); w.obstruct("full") },
			func(w *world) { w.must("DELETE", "backups/"+w.ids["full"], nil); w.rest("full") }},
		{"force-delete", aFullBackup,
			func(w *world) { w.forceDelete("full"); w.rest("full") }},
		{"force-delete-while-creating", func(w *world) { w.source("disk", large) },
			func(w *world) { w.create("disk", "full", nil); w.forceDelete("full"); w.rest("full") }},
		{"force-delete-while-restoring", aLargeBackup,
			func(w *world) { w.restore("full", ""); w.forceDelete("full"); w.rest("full") }},

		{"stop-while-restoring-and-deleting", func(w *world) { aLargeBackup(w); w.made("disk", "other", nil) },
			func(w *world) { w.restore("full", ""); w.delete("other"); w.stop(); w.start(); w.settle() }},
		{"stop-while-creating", func(w *world) { w.source("disk", large) },
			func(w *world) { w.create("disk", "full", nil); w.stop(); w.start(); w.settle() }},

		{"reset", aFullBackup,
			func(w *world) { w.reset("full", "error"); w.reset("full", "available"); w.settle() }},
		{"reset-while-creating", func(w *world) { w.source("disk", large) },
			func(w *world) { w.create("disk", "full", nil); w.reset("full", "error"); w.rest("full") }},
		{"reset-while-restoring", aLargeBackup,
			func(w *world) { w.restore("full", ""); w.reset("full", "available"); w.rest("full") }},

		{"export-and-import", aLostRow,
			func(w *world) { w.importRecord(); w.rest("full") }},
		{"import-of-what-is-not-there", func(w *world) {
			aLostRow(w)
			require.NoError(w.t, os.RemoveAll(w.store()))
			require.NoError(w.t, os.Mkdir(w.store(), 0o755))
		},
			func(w *world) { w.importRecord(); w.rest("full") }},
		{"manage", aLostRow, func(w *world) {
			w.must("POST", "manageable_backups", object{"backup": object{"id": w.ids["full"]}})
			w.promiseRow("full", "managed")
		}},
		{"verify", aFullBackup, func(w *world) {
			w.must("POST", "verifications", object{"verification": object{"backup_id": w.ids["full"], "depth": "data"}})
			w.settle()
		}},
		{"ship", aChain, func(w *world) { w.ship("incremental", object{"chain": true}); w.settle() }},
		{"ship-flattened", aChain, func(w *world) { w.ship("incremental", object{"flatten": true}); w.settle() }},
		{"ship-and-cancel", aLargeBackup, func(w *world) {
			id := w.ship("full", object{"bytes_per_sec": 1 << 20})
			w.must("DELETE", "shipments/"+id, nil)
			w.settle()
		}},
		{"update", aFullBackup, func(w *world) {
			w.must("PUT", "backups/"+w.ids["full"], object{"backup": object{"description": "told"}})
			id := w.ids["full"]
			w.promise("description of full", func(c *census) string {
				if b := c.backups[id]; b.Description == nil || *b.Description != "told" {
					return "it has another"
				}
				return ""
			})
		}},

		{"volume-create-and-delete", nil, func(w *world) { w.newVolume("blank"); w.deleteVolume("blank") }},
		{"volume-create-while-the-service-is-disabled", func(w *world) { w.volumeService("disable") },
			func(w *world) {
				w.must("POST", "volumes", object{"volume": object{"size": 1, "name": "refused"}})
				w.volumeService("enable")
			}},
		{"volume-manage-and-unmanage", nil, func(w *world) {
			w.manageVolume("file", w.image(small))
			w.deleteVolume("file")
			_, err := os.Stat(w.files["file"])
			require.NoError(w.t, err, "the operator's file stays")
		}},
		{"volume-force-delete-while-restoring", func(w *world) { aLargeBackup(w); w.newVolume("target") }, func(w *world) {
			w.restore("full", "target")
			w.supersede("backup full")
			w.supersede("volume target")
			w.must("POST", "volumes/"+w.ids["target"]+"/action", object{"os-force_delete": object{}})
			w.promiseVolumeGone("target")
			w.rest("full")
		}},
		{"volume-reset", func(w *world) { w.newVolume("blank") }, func(w *world) {
			w.must("POST", "volumes/"+w.ids["blank"]+"/action", object{"os-reset_status": object{"status": "error"}})
			w.must("POST", "volumes/"+w.ids["blank"]+"/action", object{"os-reset_status": object{"status": "available"}})
		}},
		{"message-delete", func(w *world) {
			w.source("disk", small)
			w.service("disable")
			w.create("disk", "refused", nil)
			w.service("enable")
		}, func(w *world) {
			list, _ := w.must("GET", "messages", nil).body["messages"].([]any)
			require.NotEmpty(w.t, list)
			w.must("DELETE", "messages/"+list[0].(object)["id"].(string), nil)
		}},

		// The start itself, after a death in the middle of each kind of work.
		{"start", nil, (*world).restart},
		{"start-after-half-a-create", half(killAt{"store.put.done:hashes", 1}, "create"), (*world).restart},
		{"start-after-a-create-that-was-not-told", half(killAt{"store.put.done:metadata", 1}, "create"), (*world).restart},
		{"start-after-a-create-that-was-not-begun", half(killAt{"tx.done:CreateBackup", 1}, "create"), (*world).restart},
		{"start-after-half-a-create-beside-another", half(killAt{"posix.put.temporary", 1}, "create-in-a-shared-container"), (*world).restart},
		{"start-after-half-a-restore", half(killAt{"target.write", 1}, "restore-a-chain-to-a-new-file"), (*world).restart},
		{"start-after-a-restore-that-was-not-told", half(killAt{"target.commit", 1}, "restore-to-a-new-volume"), (*world).restart},
		{"start-after-half-a-delete", half(killAt{"store.delete.done:metadata", 1}, "delete"), (*world).restart},
		{"start-after-half-a-force-delete", half(killAt{"tx.done:DeleteBackup", 1}, "force-delete"), (*world).restart},
		{"start-after-half-a-reset", half(killAt{"tx.done:ResetBackupStatus", 1}, "reset"), (*world).restart},
		{"start-after-half-an-import", half(killAt{"tx.done:ImportRecord", 1}, "export-and-import"), (*world).restart},
		{"start-after-half-a-verification", half(killAt{"tx.done:beginErrand", 1}, "verify"), (*world).restart},
		{"start-after-half-a-shipment", half(killAt{"tx.done:beginErrand", 1}, "ship"), (*world).restart},
		{"start-after-half-a-volume", half(killAt{"tx.done:makeVolume", 1}, "volume-create-and-delete"), (*world).restart},
		{"start-after-half-a-volume-delete", half(killAt{"tx.done:acceptVolumeDelete", 1}, "volume-create-and-delete"), (*world).restart},
	}
}

// half runs another scenario into a death, as what is before a start.
func half(k killAt, name string) func(*world) {
	return func(w *world) {
		w.t.Helper()
		for _, s := range scenarios() {
			if s.name != name {
				continue
			}
			if s.before != nil {
				s.before(w)
			}
			w.settle()
			w.arm(w.t, k)
			require.True(w.t, w.dies(func() { s.act(w) }), "%s is killed at %s", name, k)
			w.arm(w.t, killAt{})
			return
		}
		w.t.Fatalf("there is no scenario %s", name)
	}
}

// restart starts the server and lets it finish what there is.
func (w *world) restart() {
	w.server.kill()
	w.start()
	w.settle()
}

func aFullBackup(w *world) { w.source("disk", small); w.made("disk", "full", nil) }

func aLargeBackup(w *world) { w.source("disk", large); w.made("disk", "full", nil) }

func aChain(w *world) {
	aFullBackup(w)
	w.edit("disk")
	w.made("disk", "incremental", object{"incremental": true})
}

// aLostRow is a backup on the store whose row is gone, and its record.
func aLostRow(w *world) {
	aFullBackup(w)
	w.record = w.must("GET", "backups/"+w.ids["full"]+"/export_record", nil).body["backup-record"]
	w.settle()
	w.loose[w.ids["full"]] = true
	w.promises = nil
	r := openSQLite(w.t, w.place)
	defer r.close()
	r.forget(w.t, w.ids["full"])
}

func (w *world) importRecord() {
	w.must("POST", "backups/import_record", object{"backup-record": w.record})
	w.promiseRow("full", "imported")
}

// damage takes a chunk of a backup away, and returns where it was.
func (w *world) damage(name string) (path string) {
	w.hurt[w.ids[name]] = true
	err := filepath.WalkDir(w.store(), func(at string, _ os.DirEntry, err error) error {
		if err == nil && strings.Contains(at, w.ids[name]) && strings.HasSuffix(at, "-00002") {
			path = at
		}
		return err
	})
	require.NoError(w.t, err)
	require.NoError(w.t, os.Remove(path))
	return path
}

// obstruct makes the container of a backup a symbolic link, which no driver
// follows, until all is cleared.
func (w *world) obstruct(name string) {
	container := filepath.Dir(w.damage(name))
	away := container + "-away"
	require.NoError(w.t, os.Rename(container, away))
	require.NoError(w.t, os.Symlink(away, container))
	w.heal = func() {
		require.NoError(w.t, os.Remove(container))
		require.NoError(w.t, os.Rename(away, container))
	}
}

func (w *world) service(action string) { w.setService(action, "cinder-backup", host) }

func (w *world) volumeService(action string) { w.setService(action, "cinder-volume", host+"@file") }

func (w *world) setService(action, binary, host string) {
	w.must("PUT", "os-services/"+action, object{"binary": binary, "host": host})
}
