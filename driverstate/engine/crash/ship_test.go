package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
)

// ship asks for a shipment to another posix store. Whatever dies on the way,
// what is a backup there is whole.
func (w *world) ship(name string, more object) (id string) {
	w.t.Helper()
	far := filepath.Join(w.targets(), "far")
	require.NoError(w.t, os.MkdirAll(far, 0o700))
	w.promise("shipment of "+name, func(*census) string { return lookAtAll("posix://" + far) })
	asked := object{"mode": "ship", "backup_id": w.ids[name], "to": "posix://" + far}
	for key, value := range more {
		asked[key] = value
	}
	answer := w.must("POST", "shipments", object{"shipment": asked})
	return answer.body["shipment"].(object)["id"].(string)
}

// lookAtAll reads all data of a store, and says what is wrong with a backup
// that has its metadata document.
func lookAtAll(url string) string {
	ctx := context.Background() // also while the test is being cleaned up
	d, err := drivers.Open(url, drivers.Options{ReadOnly: true})
	if err != nil {
		return err.Error()
	}
	defer d.Close()
	byID := map[string]driverstate.Found{}
	for f, err := range d.(driverstate.Scanner).Scan(ctx, "") {
		if err != nil {
			return err.Error()
		}
		byID[f.Backup.ID] = f
	}
	for id, f := range byID {
		if f.Condition == driverstate.ConditionPartial {
			continue // on its way
		}
		chain := driverstate.Chain{&f.Backup}
		for chain[0].ParentID != "" {
			parent, ok := byID[chain[0].ParentID]
			if !ok {
				return fmt.Sprintf("backup %s came before its parent", id)
			}
			chain = append(driverstate.Chain{&parent.Backup}, chain...)
		}
		report, err := d.(driverstate.Verifier).Verify(ctx, chain, driverstate.DepthData, nil)
		if err != nil {
			return err.Error()
		}
		if report.Condition != driverstate.ConditionWhole {
			return fmt.Sprintf("backup %s is %s: %s", id, report.Condition, report.Reason)
		}
	}
	return ""
}

// What a killed shipment has brought is not sent again.
func TestAKilledShipmentGoesOn(t *testing.T) {
	w := newWorld(t)
	aLargeBackup(w)
	w.settle()
	w.arm(t, killAt{"store.put.done:chunk", 40})
	var id string
	require.True(t, w.dies(func() { id = w.ship("full", nil); w.settle() }))
	w.arm(t, killAt{})
	require.NotEmpty(t, id)
	w.restart()
	killed := w.must("GET", "shipments/"+id, nil).body["shipment"].(object)
	require.Equal(t, "failed", killed["status"])
	require.Contains(t, killed["error"], "ship it again, and it goes on")
	require.Empty(t, lookAtAll("posix://"+filepath.Join(w.targets(), "far")), "no backup is there yet, or a whole one")

	again := w.ship("full", nil)
	w.settle()
	done := w.must("GET", "shipments/"+again, nil).body["shipment"].(object)
	require.Equal(t, "done", done["status"], "%v", done["error"])
	landed := done["landed"].([]any)[0].(object)
	require.EqualValues(t, 96, landed["objects"])
	require.GreaterOrEqual(t, landed["objects_kept"], 40.0)
	require.LessOrEqual(t, landed["bytes"], float64(57*65536))
	require.Empty(t, lookAtAll("posix://"+filepath.Join(w.targets(), "far")))
}
