package manager_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

const dependentsText = "Incremental backups exist for this backup."

func TestDeleteRemovesObjectsAndRow(t *testing.T) {
	l := newLab(t, nil)
	b, neighbour := l.managed(nil, image(200<<10, 1)), l.managed(nil, image(200<<10, 2))
	require.NoError(t, l.DeleteBackup(t.Context(), tenant, b.ID, false))
	l.untilGone(b.ID)
	assert.Empty(t, l.objects(b.ID))
	assert.NotEmpty(t, l.objects(neighbour.ID))
	require.Eventually(t, func() bool { return len(l.notified("backup.delete.end", b.ID)) == 1 }, wait, tick)
	for _, event := range []string{"backup.delete.start", "backup.delete.end"} {
		force := l.announced(event, b.ID).Payload.Force
		require.NotNil(t, force, event)
		assert.False(t, *force, event)
	}
}

func TestDeleteIsRefused(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.managed(full, image(200<<10, 2))
	l.set(child.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.ProjectID = other })

	const busy = "Backup status must be available or error"
	const gone = "Backup 11111111-1111-4111-8111-111111111111 could not be found."
	requireText(t, l.DeleteBackup(t.Context(), admin, "11111111-1111-4111-8111-111111111111", true), driverstate.ErrNotFound, gone)
	require.ErrorIs(t, l.DeleteBackup(t.Context(), tenant, child.ID, false), driverstate.ErrNotFound, "another project's backup is not there")
	requireText(t, l.DeleteBackup(t.Context(), tenant, full.ID, true), driverstate.ErrForbidden,
		"Policy doesn't allow volume_extension:backup_admin_actions:force_delete to be performed.")
	requireText(t, l.DeleteBackup(t.Context(), tenant, full.ID, false), driverstate.ErrHasDependents, dependentsText)
	requireText(t, l.DeleteBackup(t.Context(), admin, full.ID, true), driverstate.ErrHasDependents, dependentsText)
	for _, s := range []driverstate.Status{driverstate.StatusCreating, driverstate.StatusDeleting, driverstate.StatusRestoring, driverstate.StatusErrorDeleting} {
		l.set(child.ID, s, nil)
		requireText(t, l.DeleteBackup(t.Context(), admin, child.ID, false), driverstate.ErrInvalidStatus, busy)
	}
	assert.NotEmpty(t, l.objects(child.ID))
}

// Cinder looks for dependents in the caller's project only: an admin deletes
// the base of a tenant's chain there.
func TestTheBaseOfAnotherProjectsChainIsKept(t *testing.T) {
	l := newLab(t, nil)
	base := l.managed(nil, image(64<<10, 1))
	child := l.managed(base, image(64<<10, 2))
	l.set(child.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.ProjectID = other })
	l.set(base.ID, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.NumDependentBackups = 0 }) // a counter that drifted
	for _, send := range []func() (int, map[string]any){
		func() (int, map[string]any) { return l.ask("admin", "DELETE", "backups/"+base.ID, "") },
		func() (int, map[string]any) { return l.ask("tenant", "DELETE", "backups/"+base.ID, "") },
		func() (int, map[string]any) {
			return l.ask("admin", "POST", "backups/"+base.ID+"/action", `{"os-force_delete":{}}`)
		},
	} {
		status, answer := send()
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "Invalid backup: "+dependentsText, message(answer))
	}
	l.set(child.ID, driverstate.StatusError, nil)
	status, _ := l.ask("admin", "DELETE", "backups/"+base.ID, "")
	assert.Equal(t, http.StatusBadRequest, status, "in whatever status the dependent is")
	assert.Equal(t, driverstate.StatusAvailable, l.row(base.ID).Status)
	assert.NotEmpty(t, l.objects(base.ID))

	status, answer := l.ask("admin", "POST", "backups/"+child.ID+"/action", `{"os-force_delete":"x"}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Invalid input for field/attribute os-force_delete. Value: x. 'x' is not of type 'object'", message(answer))
	assert.NotNil(t, l.row(child.ID))
}

func TestDeleteOfAChildFreesItsParent(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.managed(full, image(200<<10, 2))
	assert.Equal(t, 1, l.row(full.ID).NumDependentBackups)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, child.ID, false))
	l.untilGone(child.ID)
	assert.Zero(t, l.row(full.ID).NumDependentBackups)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, full.ID, false))
	l.untilGone(full.ID)
}

func TestDeleteThatFailsOnTheStore(t *testing.T) {
	l := newLab(t, nil)
	broken := errors.New("disk is on fire")

	kept := l.managed(nil, image(200<<10, 1))
	l.driver.fail(atDelete, broken)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, kept.ID, false))
	assert.Equal(t, broken.Error(), l.until(kept.ID, driverstate.StatusError).FailReason)

	require.NoError(t, l.DeleteBackup(t.Context(), admin, kept.ID, true), "force goes on past it")
	l.untilGone(kept.ID)

	l.driver.fail(atDelete, nil)
	readOnly := l.managed(nil, image(200<<10, 2))
	l.driver.fail(atDelete, driverstate.ErrReadOnly)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, readOnly.ID, true))
	l.until(readOnly.ID, driverstate.StatusError)
	assert.NotEmpty(t, l.objects(readOnly.ID), "nothing was deleted, so the row stays")
}

// The column holds 255 characters, and two names of an object are as long.
func TestALongFailReasonKeepsItsCause(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	name := strings.Repeat("n", 140)
	l.driver.fail(atDelete, fmt.Errorf("object %s: delete %s: %w", name, name, driverstate.ErrReadOnly))
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, true))
	reason := l.until(b.ID, driverstate.StatusError).FailReason
	assert.Len(t, []rune(reason), 255)
	assert.True(t, strings.HasPrefix(reason, "object nnn"), reason)
	assert.True(t, strings.HasSuffix(reason, ": "+driverstate.ErrReadOnly.Error()), reason)
}

func TestDeleteOfATwinLeavesTheObjectsOfTheOther(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	twin := *b
	twin.ID = "8d6f9f2e-58f4-4a53-9d3a-0f6f3a1f7a10"
	require.NoError(t, l.db.BackupCreate(t.Context(), &twin))
	require.NoError(t, l.DeleteBackup(t.Context(), admin, twin.ID, false))
	l.untilGone(twin.ID)
	assert.NotEmpty(t, l.objects(b.ID))

	for _, path := range l.objects(b.ID) {
		require.NoError(t, os.Remove(path))
	}
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, false), "objects that are gone are no failure")
	l.untilGone(b.ID)
}

func TestDeleteOfARowThatWasNeverWritten(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	l.set(b.ID, driverstate.StatusError, func(b *driverstate.Backup) { b.Service = "" })
	require.NoError(t, l.DeleteBackup(t.Context(), tenant, b.ID, false))
	assert.Nil(t, l.row(b.ID), "gone at once")
	assert.NotEmpty(t, l.objects(b.ID))
}

func TestForceDeleteWorksInEveryStatus(t *testing.T) {
	l := newLab(t, nil)
	for i, s := range []driverstate.Status{
		driverstate.StatusCreating, driverstate.StatusAvailable, driverstate.StatusDeleting,
		driverstate.StatusRestoring, driverstate.StatusError, driverstate.StatusErrorDeleting,
	} {
		b := l.managed(nil, image(200<<10, uint64(i)))
		l.set(b.ID, s, nil)
		require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, true), s)
		l.untilGone(b.ID)
		assert.Empty(t, l.objects(b.ID), s)
	}
}

func TestForceDeleteStopsARunningRestore(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Jobs = 1 })
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	running := l.driver.hold(atRestore)
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	running.wait(t)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, true))
	l.untilGone(b.ID)
	assert.Empty(t, l.objects(b.ID))
	assert.Equal(t, driverstate.VolumeError, l.volume(v.ID).Status)
	force := l.announced("backup.delete.start", b.ID).Payload.Force
	require.NotNil(t, force)
	assert.True(t, *force)
}

func TestForceDeleteStopsARunningBackup(t *testing.T) {
	l := newLab(t, nil)
	v := l.newVolume()
	require.NoError(t, fillVolume(v, image(256<<10, 7)))
	running := l.driver.hold(atBackup)
	b, err := l.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	running.wait(t)
	assert.Equal(t, driverstate.StatusCreating, l.row(b.ID).Status)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, true))
	l.untilGone(b.ID)
	assert.Empty(t, l.objects(b.ID), "what the copy wrote is gone")
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
}

func fillVolume(v *driverstate.Volume, content []byte) error {
	file, err := os.OpenFile(v.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	return errors.Join(err, file.Close())
}
