package manager_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestResetToErrorIsDoneAtOnce(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	for _, s := range []driverstate.Status{
		driverstate.StatusCreating, driverstate.StatusAvailable, driverstate.StatusDeleting,
		driverstate.StatusRestoring, driverstate.StatusError, driverstate.StatusErrorDeleting,
	} {
		l.set(b.ID, s, func(b *driverstate.Backup) { b.FailReason = "why" })
		require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusError), s)
		assert.Equal(t, driverstate.StatusError, l.row(b.ID).Status, s)
		assert.Equal(t, "why", l.row(b.ID).FailReason, s)
	}
}

// An increment counts when it is not being copied any more, however that ended.
func TestARunningIncrementThatIsStoppedCountsAsADependent(t *testing.T) {
	for name, stop := range map[string]func(l *lab, id string){
		"reset": func(l *lab, id string) {
			require.NoError(l.t, l.ResetBackupStatus(l.t.Context(), admin, id, driverstate.StatusError))
		},
		"force delete that fails": func(l *lab, id string) {
			l.driver.fail(atDelete, driverstate.ErrReadOnly)
			require.NoError(l.t, l.DeleteBackup(l.t.Context(), admin, id, true))
			l.until(id, driverstate.StatusError)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			v := l.newVolume()
			require.NoError(t, fillVolume(v, image(256<<10, 3)))
			full, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID})
			require.NoError(t, err)
			l.until(full.ID, driverstate.StatusAvailable)
			copying := l.driver.hold(atBackup)
			require.NoError(t, fillVolume(v, image(256<<10, 4)))
			child, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID, Incremental: true})
			require.NoError(t, err)
			copying.wait(t)
			assert.Equal(t, 0, l.row(full.ID).NumDependentBackups)
			stop(l, child.ID)
			assert.Equal(t, 1, l.row(full.ID).NumDependentBackups)
		})
	}
}

func TestResetIsRefused(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	require.ErrorIs(t, l.ResetBackupStatus(t.Context(), tenant, "11111111-1111-4111-8111-111111111111", driverstate.StatusError), driverstate.ErrNotFound)
	requireText(t, l.ResetBackupStatus(t.Context(), tenant, b.ID, driverstate.StatusError), driverstate.ErrForbidden,
		"Policy doesn't allow volume_extension:backup_admin_actions:reset_status to be performed.")
	requireText(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusDeleting), driverstate.ErrInvalidInput,
		"Backup status: deleting is invalid, valid statuses are: ['available', 'error'].")
}

func TestResetToAvailableProvesTheData(t *testing.T) {
	l := newLab(t, nil)
	for i, s := range []driverstate.Status{
		driverstate.StatusCreating, driverstate.StatusDeleting, driverstate.StatusError, driverstate.StatusErrorDeleting,
	} {
		t.Run(string(s), func(t *testing.T) {
			b := l.managed(nil, image(200<<10, uint64(i)))
			l.set(b.ID, s, func(b *driverstate.Backup) { b.FailReason = "why" })
			require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
			assert.Empty(t, l.until(b.ID, driverstate.StatusAvailable).FailReason)
		})
	}
}

func TestResetToAvailableFillsWhatTheRowLacks(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	l.set(b.ID, driverstate.StatusError, func(b *driverstate.Backup) {
		b.Size, b.ObjectCount, b.Container, b.ServiceMetadata = 0, 0, "", ""
	})
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
	got := l.until(b.ID, driverstate.StatusAvailable)
	assert.Equal(t, b.Size, got.Size)
	assert.Equal(t, b.ObjectCount, got.ObjectCount)
	assert.Equal(t, b.Container, got.Container)
	assert.Equal(t, b.ServiceMetadata, got.ServiceMetadata)
}

func TestResetToAvailableOfWhatIsNotWholeNamesTheFirstMissingThing(t *testing.T) {
	l := newLab(t, nil)
	cases := []struct {
		name   string
		damage func(b *driverstate.Backup)
		says   string
	}{
		{"a chunk is missing", func(b *driverstate.Backup) {
			require.NoError(t, os.Remove(l.object(b.ID, "-00002")))
		}, "-00002"},
		{"the metadata is missing", func(b *driverstate.Backup) {
			require.NoError(t, os.Remove(l.object(b.ID, "_metadata")))
		}, "metadata"},
		{"a byte is another one", func(b *driverstate.Backup) {
			path := l.object(b.ID, "-00002")
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			raw[len(raw)/2] ^= 1
			require.NoError(t, os.WriteFile(path, raw, 0o600))
		}, "-00002"},
		{"everything is missing", func(b *driverstate.Backup) {
			for _, path := range l.objects(b.ID) {
				require.NoError(t, os.Remove(path))
			}
		}, "nothing"},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := l.managed(nil, image(200<<10, uint64(i)))
			c.damage(b)
			l.set(b.ID, driverstate.StatusCreating, nil)
			require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
			assert.Contains(t, l.until(b.ID, driverstate.StatusError).FailReason, c.says)
		})
	}
}

// Until the data is proven the row has no fail reason: one that it gets is the
// outcome, also where the status was error before.
func TestAResetToAvailableThatIsUnderWayHasNoFailReason(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	l.set(b.ID, driverstate.StatusError, func(b *driverstate.Backup) { b.FailReason = "why" })
	looking := l.driver.hold(atInspect)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
	looking.wait(t)
	assert.Equal(t, driverstate.StatusError, l.row(b.ID).Status)
	assert.Empty(t, l.row(b.ID).FailReason)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusError))
	assert.Equal(t, "reset to error before its data was proven", l.row(b.ID).FailReason)
	l.driver.open(atInspect)
	require.Eventually(t, func() bool { return l.Running() == 0 }, wait, tick)
	assert.Equal(t, driverstate.StatusError, l.row(b.ID).Status)
}

// What a reset proved is remembered as what a verification proves.
func TestResetToAvailableRemembersWhatItProved(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.managed(full, image(200<<10, 2))
	l.set(child.ID, driverstate.StatusError, nil)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, child.ID, driverstate.StatusAvailable))
	l.until(child.ID, driverstate.StatusAvailable)
	proof, err := l.db.ProofGet(t.Context(), child.ID)
	require.NoError(t, err)
	assert.NotContains(t, proof.Times(), int64(0))
}

func TestResetToAvailableOfAnIncrementWhoseParentIsGone(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.managed(full, image(200<<10, 2))
	for _, path := range l.objects(full.ID) {
		require.NoError(t, os.Remove(path))
	}
	l.set(child.ID, driverstate.StatusError, nil)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, child.ID, driverstate.StatusAvailable))
	require.Eventually(t, func() bool { return l.row(child.ID).FailReason != "" }, wait, tick)
	assert.Equal(t, driverstate.StatusError, l.row(child.ID).Status)
	assert.Contains(t, l.row(child.ID).FailReason, full.ID)
}

func TestResetToAvailableStopsARunningRestore(t *testing.T) {
	l := newLab(t, nil)
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	running := l.driver.hold(atRestore)
	_, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	running.wait(t)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
	assert.Equal(t, driverstate.StatusAvailable, l.row(b.ID).Status)
	assert.Equal(t, driverstate.VolumeError, l.volume(v.ID).Status)
	l.driver.open(atRestore)

	again, err := l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{})
	require.NoError(t, err, "the next restore is not disturbed by the stopped one")
	l.until(b.ID, driverstate.StatusAvailable)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(again.VolumeID).Status)
	assert.Equal(t, driverstate.VolumeError, l.volume(v.ID).Status)
}

func TestForceDeleteSupersedesAReset(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	l.set(b.ID, driverstate.StatusError, nil)
	looking := l.driver.hold(atInspect)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
	looking.wait(t)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, true))
	l.untilGone(b.ID)
	assert.Empty(t, l.objects(b.ID))
}

func TestResetOfARunningDeleteStopsIt(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	deleting := l.driver.hold(atDelete)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, false))
	deleting.wait(t)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
	l.until(b.ID, driverstate.StatusAvailable)
	assert.NotEmpty(t, l.objects(b.ID))
}
