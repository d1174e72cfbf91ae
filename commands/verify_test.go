package commands

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

func verifyOn(f *fake, b *bench) *verifyOptions {
	return &verifyOptions{con: b.con, print: b.print, now: time.Now, depth: driverstate.DepthData,
		client: func(context.Context) (verifyClient, error) { return f, nil }}
}

func TestVerifyEndsWithNineWhenAnythingIsNotWhole(t *testing.T) {
	f, b := &fake{backups: available(idFull, idChild), found: map[string]client.Verification{
		idFull: {Condition: driverstate.ConditionWhole, Method: "sha256", BytesRead: 7},
		idChild: {Condition: driverstate.ConditionDamaged, Reason: "block hash differs",
			Problems: []client.Problem{{BackupID: idFull, Object: "backup-00002", Reason: "block hash differs", Offset: 65536, Length: 32768}}},
	}}, newBench()
	o := verifyOn(f, b)
	o.all = true
	assert.Equal(t, 9, exitCode(runBackupVerify(t.Context(), o)))
	assert.Contains(t, b.err.String(), "of backup "+idFull+" below it: backup-00002: block hash differs; bytes 65536 to 98303 of the volume are lost")
	assert.Contains(t, b.err.String(), "error: backup "+idChild+": is damaged: block hash differs")
	assert.Contains(t, b.err.String(), "2 selected, 0 changed, 1 unchanged, 0 skipped, 1 failed")
}

func TestVerifyOfWholeBackupsIsExitZero(t *testing.T) {
	f, b := &fake{backups: available(idFull), found: map[string]client.Verification{idFull: {Condition: driverstate.ConditionWhole}}}, newBench()
	o := verifyOn(f, b)
	o.sel.refs, o.depth = []string{idFull}, driverstate.DepthStructure
	require.NoError(t, runBackupVerify(t.Context(), o))
	assert.Equal(t, []string{"verify-all " + idFull + " structure  0001-01-01"}, f.calls)
}

func TestVerifyOfASubsetIsOneRunOverAllOfThem(t *testing.T) {
	f, b := &fake{backups: available(idFull, idChild), found: map[string]client.Verification{
		idFull: {ID: skippedLook, Condition: driverstate.ConditionWhole}, idChild: {Condition: driverstate.ConditionWhole, BytesRead: 7}}}, newBench()
	o := verifyOn(f, b)
	o.sel.refs, o.subset, o.since = []string{idFull, idChild}, driverstate.Subset{Percent: 5}, 30*24*time.Hour
	o.now = func() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) }
	require.NoError(t, runBackupVerify(t.Context(), o))
	assert.Equal(t, "verify-all "+idFull+","+idChild+" data 5% 2026-10-31", f.calls[len(f.calls)-1])
	assert.NotContains(t, b.out.String(), idFull, "proven lately")
	assert.Contains(t, b.err.String(), "2 selected, 0 changed, 1 unchanged, 1 skipped, 0 failed")
}

func TestVerifyTakesAnIDThatOnlyTheStoreHas(t *testing.T) {
	f, b := &fake{found: map[string]client.Verification{idOther: {Condition: driverstate.ConditionWhole}}}, newBench()
	o := verifyOn(f, b)
	o.sel.refs = []string{idOther}
	require.NoError(t, runBackupVerify(t.Context(), o))
	o.sel.refs = []string{"nightly"}
	assert.Equal(t, 5, exitCode(runBackupVerify(t.Context(), o)))
}

func TestManageableListWithVerifyReadsWhatLooksWhole(t *testing.T) {
	f, b := &fake{store: storeOfAllKinds(), found: map[string]client.Verification{
		idFull: {Condition: driverstate.ConditionDamaged, Reason: "block hash differs"}}}, newBench()
	o := &manageableListOptions{con: b.con, print: b.stream, verify: true,
		client: func(context.Context) (manageableListClient, error) { return f, nil }}
	f.found["8b3d499c-9301-44d3-a41f-414bf2c5f6a5"] = client.Verification{Condition: driverstate.ConditionWhole}
	require.NoError(t, runManageableList(t.Context(), o))
	assert.Equal(t, []string{"manageable ", "verify " + idFull + " data", "verify 8b3d499c-9301-44d3-a41f-414bf2c5f6a5 data"}, f.calls)
	assert.Contains(t, b.out.String(), "damaged block hash differs")
}

func restoreOn(f *fake, b *bench) *restoreOptions {
	return &restoreOptions{con: b.con, print: b.print, par: parallelFlags{1}, now: func() time.Time { return day(9) }, remote: true,
		confirm: func(what string, n int) error { return confirm(&fakePrompt{}, false, what, n) },
		client:  func(context.Context) (restoreClient, error) { return f, nil }}
}

func TestRestoreToAFileLendsItForTheTimeOfTheRestore(t *testing.T) {
	f, b := &fake{backups: restorableChain(), volume: client.Volume{ID: "lent", Status: driverstate.VolumeAvailable}}, newBench()
	o := restoreOn(f, b)
	o.sel.refs, o.to = []string{"nightly"}, "/mnt/rescue/x.raw"
	require.NoError(t, runBackupRestore(t.Context(), o))
	assert.Equal(t, []string{"manage-volume /mnt/rescue/x.raw size=1 overwrite=false", "restore " + idFull + " volume=lent name=",
		"wait-restore " + idFull + " lent", "delete-volume lent"}, f.calls)
}

func TestAFailedRestoreIsExitNineAndGivesTheTargetBack(t *testing.T) {
	f, b := &fake{backups: restorableChain()}, newBench()
	f.err = map[string]error{"wait-restore " + idFull + " lent": driverstate.Fail(driverstate.ErrCorrupt, "backup "+idFull+": block hash differs")}
	o := restoreOn(f, b)
	o.sel.refs, o.to = []string{idFull}, "/mnt/rescue/x.raw"
	assert.Equal(t, 9, exitCode(runBackupRestore(t.Context(), o)))
	assert.Equal(t, "delete-volume lent", f.calls[len(f.calls)-1])
	assert.Empty(t, b.out.String())
}

func TestRestoreToStandardOutputWritesNothingElseThere(t *testing.T) {
	f, b := &fake{backups: restorableChain()}, newBench()
	o := restoreOn(f, b)
	o.sel.refs, o.to = []string{idFull}, "-"
	require.NoError(t, runBackupRestore(t.Context(), o))
	assert.Empty(t, b.out.String())
}

func TestRestoreOnACloudIsToAVolumeOrANewOne(t *testing.T) {
	f, b := &fake{backups: restorableChain(), volume: client.Volume{Size: 1, Status: driverstate.VolumeAvailable}}, newBench()
	o := restoreOn(f, b)
	o.sel.refs, o.name = []string{"nightly"}, "again"
	require.NoError(t, runBackupRestore(t.Context(), o))
	assert.Equal(t, []string{"services  cinder-backup", "restore " + idFull + " volume= name=again", "wait-restore " + idFull + " new-volume"}, f.calls)
	assert.Contains(t, b.out.String(), idFull)

	f.calls = nil
	o.wait.noWait = true
	require.NoError(t, runBackupRestore(t.Context(), o))
	assert.Len(t, f.calls, 2)
}

func restorableChain() map[string]client.Backup {
	all := chainOfTwo()
	for id, b := range all {
		b.Status = driverstate.StatusAvailable
		all[id] = b
	}
	return all
}

func TestShowOfSeveralIsAListAndOfOneAnObject(t *testing.T) {
	f, b := &fake{backups: restorableChain()}, newBench()
	o := &backupShowOptions{con: b.con, print: b.print, now: time.Now, sel: selectionFlags{refs: []string{"nightly", "increment", "absent"}},
		client: func(context.Context) (selector, error) { return f, nil }}
	assert.Equal(t, 3, exitCode(runBackupShow(t.Context(), o)))
	o.sel.refs = []string{"absent"}
	assert.Equal(t, 5, exitCode(runBackupShow(t.Context(), o)))
}
