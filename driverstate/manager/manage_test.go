package manager_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func (l *lab) manage(r driverstate.ManageRequest) (*driverstate.Backup, error) {
	l.t.Helper()
	return l.ManageBackup(l.t.Context(), admin, r)
}

func TestManageableBackupsAreJudgedWithTheirChains(t *testing.T) {
	l := newLab(t, nil)
	full := l.managed(nil, image(200<<10, 1))
	child := l.put(full, image(200<<10, 2))
	lost := l.put(nil, image(200<<10, 3))
	orphan := l.put(lost, image(200<<10, 4))
	for _, path := range l.objects(lost.ID) {
		require.NoError(t, os.Remove(path))
	}
	list, err := l.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{})
	require.NoError(t, err)
	got := map[string]driverstate.Manageable{}
	for f := range list {
		got[f.Backup.ID] = f
	}
	require.Len(t, got, 3)
	assert.Equal(t, driverstate.ConditionWhole, got[full.ID].Condition)
	assert.True(t, got[full.ID].Managed)
	assert.Equal(t, driverstate.ConditionWhole, got[child.ID].Condition)
	assert.False(t, got[child.ID].Managed)
	assert.Equal(t, driverstate.ConditionOrphaned, got[orphan.ID].Condition)

	list, err = l.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Containers: []string{child.Container}})
	require.NoError(t, err)
	within := slices.Collect(list)
	require.Len(t, within, 1, "only what is in the container")
	assert.Equal(t, driverstate.ConditionWhole, within[0].Condition, "though its parent lies elsewhere")

	_, err = l.ManageableBackups(t.Context(), tenant, driverstate.ManageableFilter{})
	require.ErrorIs(t, err, driverstate.ErrForbidden)
}

func TestManageTakesWholeBackupsInAnyOrder(t *testing.T) {
	l := newLab(t, nil)
	full := l.put(nil, image(200<<10, 1))
	child := l.put(full, image(200<<10, 2))
	b, err := l.manage(driverstate.ManageRequest{BackupID: child.ID})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusAvailable, b.Status)
	assert.Equal(t, host, b.Host)
	assert.False(t, b.DataTimestamp.IsZero())
	assert.Equal(t, project, b.ProjectID, "the caller's, as the store names no owner")
	parent, err := l.manage(driverstate.ManageRequest{BackupID: full.ID})
	require.NoError(t, err)
	assert.Equal(t, 1, parent.NumDependentBackups)

	_, err = l.manage(driverstate.ManageRequest{BackupID: full.ID})
	require.ErrorIs(t, err, driverstate.ErrConflict)
	_, err = l.manage(driverstate.ManageRequest{BackupID: "11111111-1111-4111-8111-111111111111"})
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	_, err = l.ManageBackup(t.Context(), tenant, driverstate.ManageRequest{BackupID: full.ID})
	require.ErrorIs(t, err, driverstate.ErrForbidden)
}

func TestManageAdmitsWhatIsNotWholeOnlyWhenAllowed(t *testing.T) {
	l := newLab(t, nil)
	lost := l.put(nil, image(200<<10, 1))
	orphan := l.put(lost, image(200<<10, 2))
	for _, path := range l.objects(lost.ID) {
		require.NoError(t, os.Remove(path))
	}
	damaged := l.put(nil, image(200<<10, 3))
	require.NoError(t, os.Remove(l.object(damaged.ID, "-00001")))
	partial := l.put(nil, image(200<<10, 4))
	require.NoError(t, os.Remove(l.object(partial.ID, "_metadata")))

	for _, id := range []string{orphan.ID, damaged.ID, partial.ID} {
		_, err := l.manage(driverstate.ManageRequest{BackupID: id})
		require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	}
	_, err := l.manage(driverstate.ManageRequest{BackupID: orphan.ID, AllowDamaged: true})
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	_, err = l.manage(driverstate.ManageRequest{BackupID: partial.ID, AllowDamaged: true, AllowOrphaned: true})
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)

	b, err := l.manage(driverstate.ManageRequest{BackupID: orphan.ID, AllowOrphaned: true})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, b.Status)
	assert.Contains(t, b.FailReason, lost.ID)
	b, err = l.manage(driverstate.ManageRequest{BackupID: damaged.ID, AllowDamaged: true})
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, b.Status)
	assert.Contains(t, b.FailReason, "-00001")
}

func (l *lab) verify(id string, d driverstate.Depth) *driverstate.Verification {
	l.t.Helper()
	return l.verifyAll(driverstate.VerifyRequest{BackupIDs: []string{id}, Depth: d})
}

// verifyAll waits for the end of a verification.
func (l *lab) verifyAll(r driverstate.VerifyRequest) *driverstate.Verification {
	l.t.Helper()
	v, err := l.CreateVerification(l.t.Context(), admin, r)
	require.NoError(l.t, err)
	assert.Equal(l.t, driverstate.VerificationRunning, v.Status)
	require.Eventually(l.t, func() bool {
		v, err = l.Verification(l.t.Context(), admin, v.ID)
		require.NoError(l.t, err)
		return v.Status != driverstate.VerificationRunning
	}, wait, tick)
	return v
}

func TestVerifyWithRowsAndWithout(t *testing.T) {
	l := newLab(t, nil)
	full := l.put(nil, image(200<<10, 1))
	child := l.put(full, image(200<<10, 2))
	for range 2 {
		for _, d := range []driverstate.Depth{driverstate.DepthStructure, driverstate.DepthData} {
			v := l.verify(child.ID, d)
			require.Equal(t, driverstate.VerificationDone, v.Status, v.Error)
			assert.Equal(t, driverstate.ConditionWhole, v.Report.Condition, v.Report.Reason)
		}
		if l.row(child.ID) == nil {
			_, err := l.manage(driverstate.ManageRequest{BackupID: child.ID})
			require.NoError(t, err)
		}
	}
	chunk := l.object(full.ID, "-00004") // a block that the increment does not replace would do; this one it does
	raw, err := os.ReadFile(chunk)
	require.NoError(t, err)
	raw[0] ^= 1
	require.NoError(t, os.WriteFile(chunk, raw, 0o600))
	assert.Equal(t, driverstate.ConditionWhole, l.verify(full.ID, driverstate.DepthStructure).Report.Condition)
	v := l.verify(full.ID, driverstate.DepthData)
	assert.Equal(t, driverstate.ConditionDamaged, v.Report.Condition)
	assert.NotEmpty(t, v.Report.Problems)
}

func TestVerifyOfWhatIsNotThere(t *testing.T) {
	l := newLab(t, nil)
	v := l.verify("11111111-1111-4111-8111-111111111111", driverstate.DepthData)
	assert.Equal(t, driverstate.VerificationFailed, v.Status)
	assert.NotEmpty(t, v.Error)

	b := l.managed(nil, image(200<<10, 1))
	for _, path := range l.objects(b.ID) {
		require.NoError(t, os.Remove(path))
	}
	v = l.verify(b.ID, driverstate.DepthData)
	assert.Equal(t, driverstate.VerificationDone, v.Status)
	assert.Equal(t, driverstate.ConditionDamaged, v.Report.Condition)

	lost := l.put(nil, image(200<<10, 2))
	orphan := l.put(lost, image(200<<10, 3))
	for _, path := range l.objects(lost.ID) {
		require.NoError(t, os.Remove(path))
	}
	assert.Equal(t, driverstate.ConditionOrphaned, l.verify(orphan.ID, driverstate.DepthData).Report.Condition)
}

func TestVerificationsAreForAdmins(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(200<<10, 1))
	v := l.verify(b.ID, driverstate.DepthStructure)
	const refusal = "Policy doesn't allow backup:verify to be performed."
	_, err := l.Verification(t.Context(), tenant, v.ID)
	requireText(t, err, driverstate.ErrForbidden, refusal)
	_, err = l.CreateVerification(t.Context(), tenant, driverstate.VerifyRequest{BackupIDs: []string{b.ID}, Depth: driverstate.DepthData})
	requireText(t, err, driverstate.ErrForbidden, refusal)
	_, err = l.CreateVerification(t.Context(), admin, driverstate.VerifyRequest{BackupIDs: []string{b.ID}, Depth: "deep"})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
}
