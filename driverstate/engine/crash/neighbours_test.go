package crash

import (
	"fmt"
	"net/http"
)

// neighbours are the scenarios of what there is besides backups.
func neighbours() []scenario {
	return []scenario{
		{"quota-class", nil, func(w *world) {
			w.must("PUT", "os-quota-class-sets/default", object{"quota_class_set": object{"volumes": 1000}})
		}},
		{"volume-type", nil, func(w *world) {
			made, _ := w.must("POST", "types", object{"volume_type": object{"name": "fast"}}).body["volume_type"].(object)
			path := "types/" + made["id"].(string)
			w.must("PUT", path, object{"volume_type": object{"description": "told"}})
			w.must("DELETE", path, nil)
		}},
		{"transfer", func(w *world) { w.newVolume("disk") }, func(w *world) {
			offer := func() (path, key string) {
				made, _ := w.must("POST", "os-volume-transfer", object{"transfer": object{"volume_id": w.ids["disk"]}}).body["transfer"].(object)
				return "os-volume-transfer/" + made["id"].(string), made["auth_key"].(string)
			}
			path, _ := offer()
			w.must("DELETE", path, nil)
			path, key := offer()
			w.must("POST", path+"/accept", object{"accept": object{"auth_key": key}})
		}},
		{"snapshot-create-and-delete", func(w *world) { w.newVolume("disk") },
			func(w *world) { w.snapshot("disk", "snap"); w.settle(); w.deleteSnapshot("snap"); w.settle() }},
		{"snapshot-edit-and-reset", aSnapshot, func(w *world) {
			w.must("PUT", "snapshots/"+w.ids["snap"], object{"snapshot": object{"description": "told"}})
			w.must("POST", "snapshots/"+w.ids["snap"]+"/action", object{"os-reset_status": object{"status": "error"}})
			w.must("POST", "snapshots/"+w.ids["snap"]+"/action", object{"os-reset_status": object{"status": "available"}})
		}},
		{"volume-of-a-snapshot", aSnapshot, func(w *world) {
			w.must("POST", "volumes", object{"volume": object{"size": 1, "name": "copy", "snapshot_id": w.ids["snap"]}})
			w.settle()
		}},
		{"volume-delete-with-snapshots", aSnapshot, func(w *world) {
			w.supersede("volume disk")
			w.supersede("snapshot snap")
			w.must("DELETE", "volumes/"+w.ids["disk"]+"?cascade=True", nil)
			w.promiseVolumeGone("disk")
			w.settle()
		}},
		{"volume-extend", func(w *world) { w.newVolume("disk") }, func(w *world) {
			w.must("POST", "volumes/"+w.ids["disk"]+"/action", object{"os-extend": object{"new_size": 2}})
			w.promise("volume disk was extended", func(c *census) string {
				if v := c.volumes[w.ids["disk"]]; v == nil || v.Size != 2 {
					return fmt.Sprintf("it is %+v", v)
				}
				return ""
			})
		}},
		{"volume-edit", func(w *world) { w.newVolume("disk") },
			func(w *world) {
				w.must("PUT", "volumes/"+w.ids["disk"], object{"volume": object{"description": "told"}})
			}},
		{"freeze-and-thaw", nil, func(w *world) {
			w.must("PUT", "os-services/freeze", object{"host": host + "@file"})
			w.must("PUT", "os-services/thaw", object{"host": host + "@file"})
		}},
		{"quotas", nil, func(w *world) {
			w.must("PUT", "os-quota-sets/"+project, object{"quota_set": object{"volumes": 20}})
			w.must("DELETE", "os-quota-sets/"+project, nil)
		}},
		{"start-after-half-a-snapshot", half(killAt{"tx.done:CreateSnapshot", 1}, "snapshot-create-and-delete"), (*world).restart},
		{"start-after-half-a-snapshot-delete", half(killAt{"tx.done:DeleteSnapshot", 1}, "snapshot-create-and-delete"), (*world).restart},
		{"start-after-half-an-extension", half(killAt{"tx.done:ExtendVolume", 1}, "volume-extend"), (*world).restart},
	}
}

func aSnapshot(w *world) { w.newVolume("disk"); w.snapshot("disk", "snap") }

func (w *world) snapshot(volume, name string) {
	w.t.Helper()
	a := w.must("POST", "snapshots", object{"snapshot": object{"volume_id": w.ids[volume], "name": name}})
	id := a.text("snapshot", "id")
	w.ids[name] = id
	w.promise("snapshot "+name+" was accepted", func(c *census) string {
		if c.snapshots[id] == nil {
			return "it is not there"
		}
		return ""
	})
	w.until(name+" at rest", func() bool {
		a := w.try(http.MethodGet, "snapshots/"+id, nil)
		return a.ok() && a.text("snapshot", "status") != "creating"
	})
}

func (w *world) deleteSnapshot(name string) {
	w.t.Helper()
	id := w.ids[name]
	w.supersede("snapshot " + name)
	w.must("DELETE", "snapshots/"+id, nil)
	w.promise("snapshot "+name+" was accepted to be deleted", func(c *census) string {
		if s := c.snapshots[id]; s != nil {
			return "it is " + string(s.Status)
		}
		return ""
	})
}
