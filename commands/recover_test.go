package commands

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

func manageOn(f *fake, b *bench) *manageOptions {
	return &manageOptions{con: b.con, print: b.print, client: func(context.Context) (manageClient, error) { return f, nil }}
}

func storeOfAllKinds() []client.Manageable {
	return []client.Manageable{
		{ID: idFull, Name: ptr("nightly"), Condition: driverstate.ConditionWhole},
		{ID: idChild, Name: ptr("twin"), Condition: driverstate.ConditionDamaged, Reason: "chunk 3 is missing"},
		{ID: idOther, Name: ptr("twin"), Condition: driverstate.ConditionPartial, Reason: "never finished"},
		{ID: "d07e5a17-1c41-42f3-825d-4c298457eb6d", Condition: driverstate.ConditionOrphaned, Reason: "its parent is gone"},
		{ID: "8b3d499c-9301-44d3-a41f-414bf2c5f6a5", Condition: driverstate.ConditionWhole, Managed: true},
	}
}

func TestManageAllTakesWhatItMayAndSkipsTheRest(t *testing.T) {
	f, b := &fake{store: storeOfAllKinds()}, newBench()
	o := manageOn(f, b)
	o.all = true
	require.NoError(t, runBackupManage(t.Context(), o))
	assert.Equal(t, []string{"manageable ", "manage " + idFull + " orphaned=false damaged=false"}, f.calls)
	assert.Contains(t, b.err.String(), "5 selected, 1 changed, 1 unchanged, 3 skipped, 0 failed")
}

func TestManageIncludesOnlyWhatItIsToldTo(t *testing.T) {
	f, b := &fake{store: storeOfAllKinds()}, newBench()
	o := manageOn(f, b)
	o.all, o.orphaned, o.damaged = true, true, true
	require.NoError(t, runBackupManage(t.Context(), o))
	assert.Len(t, f.calls, 4, "never the unfinished one")
}

func TestManageByNameRefusesWhatItMayNotTake(t *testing.T) {
	for _, c := range []struct {
		name, ref string
		code      int
		text      string
	}{
		{"damaged", idChild, 6, "--include-damaged"},
		{"unfinished", idOther, 6, "never finished"},
		{"unknown", "absent", 5, "the store holds none of this id or name"},
		{"name of two", "twin", 6, "several have this name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &fake{store: storeOfAllKinds()}, newBench()
			o := manageOn(f, b)
			o.refs = []string{c.ref}
			assert.Equal(t, c.code, exitCode(runBackupManage(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.text)
			assert.Len(t, f.calls, 1)
		})
	}
}
