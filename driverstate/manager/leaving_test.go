package manager_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// recordOf is the record of a backup that has no row.
func (l *lab) recordOf(b *driverstate.Backup) driverstate.ExportedRecord {
	l.t.Helper()
	b.Status = driverstate.StatusAvailable
	r, err := driverstate.EncodeRecord(b, nil)
	require.NoError(l.t, err)
	return r
}

// leaving accepts the delete of a backup and is back when nothing but its
// objects is left to be removed.
func (l *lab) leaving(id string) {
	l.t.Helper()
	held := l.driver.hold(atDelete)
	require.NoError(l.t, l.DeleteBackup(l.t.Context(), admin, id, false))
	held.wait(l.t)
}

func standsOnLeaving(id string) string {
	return "it stands on objects that are being deleted with backup " + id + "; to keep both, reset that one to available first"
}

func TestNothingCanStandOnABackupThatIsBeingDeleted(t *testing.T) {
	l := newLab(t, nil)
	base := l.managed(nil, image(100<<10, 1))
	one, two, three := l.put(base, image(100<<10, 2)), l.put(base, image(100<<10, 3)), l.put(base, image(100<<10, 4))
	far := l.put(three, image(100<<10, 5)) // on one that has no row
	says := standsOnLeaving(base.ID)
	l.leaving(base.ID)

	_, err := l.ImportRecord(t.Context(), admin, l.recordOf(one))
	requireText(t, err, driverstate.ErrInvalidStatus, says)
	assert.Nil(t, l.row(one.ID))
	silent := edited(t, l.recordOf(two), func(f map[string]any) { f["parent_id"] = nil })
	_, err = l.ImportRecord(t.Context(), admin, silent)
	require.NoError(t, err, "that it is an increment is only known to the store")
	for _, b := range []*driverstate.Backup{three, far} {
		_, err = l.manage(driverstate.ManageRequest{BackupID: b.ID})
		requireText(t, err, driverstate.ErrInvalidStatus, says)
		assert.Nil(t, l.row(b.ID))
	}
	assert.Equal(t, says, l.until(two.ID, driverstate.StatusError).FailReason)

	l.driver.open(atDelete)
	l.untilGone(base.ID)
}

func TestABackupThatIsResetWhileItIsDeletedCanBeStoodOn(t *testing.T) {
	l := newLab(t, nil)
	base := l.managed(nil, image(100<<10, 1))
	child := l.put(base, image(100<<10, 2))
	l.leaving(base.ID)
	require.NoError(t, l.ResetBackupStatus(t.Context(), admin, base.ID, driverstate.StatusAvailable))
	l.until(base.ID, driverstate.StatusAvailable)
	_, err := l.manage(driverstate.ManageRequest{BackupID: child.ID})
	require.NoError(t, err)
}

// A row under another id has the objects of the base, which has none itself.
func TestNothingCanStandOnTheObjectsOfATwinThatIsBeingDeleted(t *testing.T) {
	l := newLab(t, nil)
	base := l.managed(nil, image(100<<10, 1))
	record, err := l.ExportRecord(t.Context(), admin, base.ID)
	require.NoError(t, err)
	twins := make([]string, 2)
	for i := range twins {
		twins[i] = uuid.NewString()
		_, err = l.ImportRecord(t.Context(), admin, edited(t, record, func(f map[string]any) { f["id"] = twins[i] }))
		require.NoError(t, err)
		l.until(twins[i], driverstate.StatusAvailable)
	}
	one, two, last := l.put(base, image(100<<10, 2)), l.put(base, image(100<<10, 3)), twins[1]
	l.forget(base.ID)

	l.set(twins[0], driverstate.StatusDeleting, nil)
	_, err = l.manage(driverstate.ManageRequest{BackupID: one.ID})
	require.NoError(t, err, "the other row keeps the objects")
	l.forget(one.ID)
	l.forget(twins[0])
	l.leaving(last)
	_, err = l.manage(driverstate.ManageRequest{BackupID: two.ID})
	requireText(t, err, driverstate.ErrInvalidStatus, standsOnLeaving(last))
	_, err = l.manage(driverstate.ManageRequest{BackupID: base.ID})
	requireText(t, err, driverstate.ErrInvalidStatus, "its objects are being deleted with backup "+last)
	l.driver.open(atDelete)
	l.untilGone(last)
}
