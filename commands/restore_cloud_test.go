package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

func TestARestoreOntoAVolumeAsksBeforeItsDataIsReplaced(t *testing.T) {
	f, b := chain(1), newBench()
	f.volumes = []client.Volume{{ID: "v9", Name: ptr("db"), Size: 1, Status: driverstate.VolumeAvailable}, {ID: "small", Size: 0}}
	o := restoreOn(f, b)
	p := &fakePrompt{}
	o.sel.refs, o.volume = []string{"c0"}, "v9"
	o.confirm = func(what string, n int) error { return confirm(p, false, what, n) }
	assert.Equal(t, 10, exitCode(runBackupRestore(t.Context(), o)))
	assert.Equal(t, []string{"Replace the data of volume v9 (db, available, 1 GiB) with backup c0?"}, p.asked)
	assert.NotContains(t, f.calls, "restore c0 volume=v9 name=")
	o.volume = "small"
	assert.ErrorContains(t, runBackupRestore(t.Context(), o), "0 GiB is too small for backup c0 of 1 GiB")
}

func TestARestoreIsNotSentWhenNoServiceCouldDoIt(t *testing.T) {
	f, b := chain(1), newBench()
	f.services = []client.Service{service("node1", "down")}
	o := restoreOn(f, b)
	o.sel.refs = []string{"c0"}
	assert.Equal(t, 8, exitCode(runBackupRestore(t.Context(), o)))
	assert.Empty(t, f.calls)
}

func TestARestoreThatIsRefusedNamesTheVolumeItLeftBehind(t *testing.T) {
	f, b := chain(1), newBench()
	f.err = map[string]error{"restore c0 volume= name=": driverstate.Fail(driverstate.ErrServiceDown, "backup c0: no backup service is up")}
	f.volumes = []client.Volume{{ID: "left", Name: ptr("restore_backup_c0"), Status: driverstate.VolumeAvailable, CreatedAt: day(9)},
		{ID: "older", Name: ptr("restore_backup_c0"), Status: driverstate.VolumeAvailable, CreatedAt: day(1)}}
	o := restoreOn(f, b)
	o.sel.refs = []string{"c0"}
	require.Error(t, runBackupRestore(t.Context(), o))
	assert.Contains(t, b.err.String(), "the cloud left the new, empty volume left behind")
	assert.Contains(t, b.err.String(), "hint: cinder-go volume-delete left;")
}

func TestARestoreWhoseAnswerIsLostIsFoundAndNotRepeated(t *testing.T) {
	for _, c := range []struct {
		name   string
		status driverstate.Status
		calls  []string
		text   string
	}{
		{"it runs", driverstate.StatusRestoring, []string{"services  cinder-backup", "restore c0 volume= name=", "wait-restore c0 made"}, "1 changed"},
		{"it does not", driverstate.StatusAvailable, []string{"services  cinder-backup", "restore c0 volume= name="}, "the answer was lost, and the backup is available"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := chain(1), newBench()
			f.then = map[string]driverstate.Status{"c0": c.status}
			f.err = map[string]error{"restore c0 volume= name=": &client.Error{Status: 502, Message: "bad gateway"}}
			f.volumes = []client.Volume{{ID: "made", Name: ptr("restore_backup_c0"), CreatedAt: day(9).Add(time.Minute)}}
			o := restoreOn(f, b)
			o.sel.refs = []string{"c0"}
			_ = runBackupRestore(t.Context(), o)
			assert.Equal(t, c.calls, f.calls)
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

func TestADryRunOfARestoreSaysWhatCannotBe(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	o := restoreOn(f, b)
	o.sel.refs, o.guard.dryRun = []string{"increment"}, true
	assert.Equal(t, 6, exitCode(runBackupRestore(t.Context(), o)))
	assert.Contains(t, b.err.String(), "not restored: it is deleting, and must be available")
}
