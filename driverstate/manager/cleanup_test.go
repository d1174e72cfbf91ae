package manager_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

func removeFile(path string) error { return os.Remove(path) }

func (l *lab) worker(kind, id, status string, service int64) {
	l.t.Helper()
	require.NoError(l.t, l.db.WorkerDestroy(l.t.Context(), kind, id))
	require.NoError(l.t, l.db.WorkerCreate(l.t.Context(), &driverstate.Worker{
		ResourceType: kind, ResourceID: id, Status: status, ServiceID: service,
	}))
}

// ghost is a volume service that was last heard of an hour ago.
func (l *lab) ghost(name, cluster string) int64 {
	l.t.Helper()
	past := openDBAt(l.t, filepath.Join(l.dir, "db"), func() time.Time { return time.Now().Add(-time.Hour) })
	s := &driverstate.Service{Binary: driverstate.BinaryVolume, Host: name, Cluster: cluster}
	require.NoError(l.t, past.ServiceUpsert(l.t.Context(), s))
	require.NoError(l.t, past.Close())
	return s.ID
}

// left is a volume that a dead service left in the middle of work.
func (l *lab) left(s driverstate.VolumeStatus, service int64) *driverstate.Volume {
	l.t.Helper()
	v := l.newVolume()
	v.Status = s
	require.NoError(l.t, l.db.VolumeUpdate(l.t.Context(), v))
	l.worker("Volume", v.ID, string(s), service)
	return v
}

func hosts(list []driverstate.Service) []string {
	names := []string{}
	for _, s := range list {
		names = append(names, string(s.Binary)+" "+s.Host)
	}
	return names
}

func ptr[T any](v T) *T { return &v }

func TestCleanupSelectsServices(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Cluster = "blue@file" })
	alone := l.ghost("dead@lvm#pool", "")
	l.ghost("twin@file", "blue@file")
	l.ghost("lost@file", "red@file")
	const lone, twin, lost = "cinder-volume dead@lvm#pool", "cinder-volume twin@file", "cinder-volume lost@file"
	const backup, volume = "cinder-backup lab", "cinder-volume lab@file"
	cases := []struct {
		name                  string
		filter                driverstate.CleanupFilter
		cleaning, unavailable []string
	}{
		{"nothing means the dead ones", driverstate.CleanupFilter{}, []string{twin}, []string{lone, lost}},
		{"the living", driverstate.CleanupFilter{IsUp: true}, []string{backup, volume}, nil},
		{"by service", driverstate.CleanupFilter{ServiceID: &alone}, nil, []string{lone}},
		{"by binary", driverstate.CleanupFilter{IsUp: true, Binary: ptr(driverstate.BinaryVolume)}, []string{volume}, nil},
		{"by host", driverstate.CleanupFilter{Host: ptr("dead")}, nil, []string{lone}},
		{"by backend", driverstate.CleanupFilter{Host: ptr("dead@lvm")}, nil, []string{lone}},
		{"by pool", driverstate.CleanupFilter{Host: ptr("dead@lvm#pool")}, nil, []string{lone}},
		{"by a part of a name", driverstate.CleanupFilter{Host: ptr("dea")}, nil, nil},
		{"by cluster", driverstate.CleanupFilter{ClusterName: ptr("blue")}, []string{twin}, nil},
		{"disabled", driverstate.CleanupFilter{Disabled: ptr(true)}, nil, nil},
		{"enabled", driverstate.CleanupFilter{Disabled: ptr(false), Host: ptr("lost")}, nil, []string{lost}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := l.CleanupWorkers(t.Context(), admin, c.filter)
			require.NoError(t, err)
			assert.ElementsMatch(t, c.cleaning, hosts(got.Cleaning))
			assert.ElementsMatch(t, c.unavailable, hosts(got.Unavailable))
		})
	}
	_, err := l.CleanupWorkers(t.Context(), tenant, driverstate.CleanupFilter{})
	requireText(t, err, driverstate.ErrForbidden, "Policy doesn't allow workers:cleanup to be performed.")
}

// A backup service that died with nothing in hand needs nobody; one that left
// something does.
func TestADeadBackupServiceIsListedOnlyWithWorkThatItLeft(t *testing.T) {
	l := newLab(t, nil)
	past := openDBAt(t, filepath.Join(l.dir, "db"), func() time.Time { return time.Now().Add(-time.Hour) })
	dead := &driverstate.Service{Binary: driverstate.BinaryBackup, Host: "gone"}
	require.NoError(t, past.ServiceUpsert(t.Context(), dead))
	require.NoError(t, past.Close())
	unavailable := func(f driverstate.CleanupFilter) []string {
		got, err := l.CleanupWorkers(t.Context(), admin, f)
		require.NoError(t, err)
		assert.Empty(t, got.Cleaning)
		return hosts(got.Unavailable)
	}
	assert.Empty(t, unavailable(driverstate.CleanupFilter{}))
	assert.Empty(t, unavailable(driverstate.CleanupFilter{Binary: ptr(driverstate.BinaryBackup)}))

	// A row in the middle of work, without an entry.
	b := &driverstate.Backup{ID: uuid.NewString(), ProjectID: "p", UserID: "u", VolumeID: uuid.NewString(), Size: 1,
		Status: driverstate.StatusRestoring, Host: "gone", CreatedAt: time.Now()}
	require.NoError(t, l.db.BackupCreate(t.Context(), b))
	assert.Equal(t, []string{"cinder-backup gone"}, unavailable(driverstate.CleanupFilter{}))
	assert.Empty(t, unavailable(driverstate.CleanupFilter{Binary: ptr(driverstate.BinaryVolume)}))
	require.NoError(t, l.db.BackupDestroy(t.Context(), b.ID))
	assert.Empty(t, unavailable(driverstate.CleanupFilter{}))

	l.worker("Backup", uuid.NewString(), "delete", dead.ID)
	assert.Equal(t, []string{"cinder-backup gone"}, unavailable(driverstate.CleanupFilter{Host: ptr("gone")}))
}

func TestCleanupEndsTheWorkOfADeadMemberOfTheCluster(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Cluster = "blue@file" })
	twin, alone := l.ghost("twin@file", "blue@file"), l.ghost("dead@file", "")
	creating, deleting := l.left(driverstate.VolumeCreating, twin), l.left(driverstate.VolumeDeleting, twin)
	moved := l.left(driverstate.VolumeCreating, twin)
	moved.Status = driverstate.VolumeAvailable
	require.NoError(t, l.db.VolumeUpdate(t.Context(), moved))
	l.worker("Volume", "11111111-1111-4111-8111-111111111111", "creating", twin)
	unreachable := l.left(driverstate.VolumeCreating, alone)

	_, err := l.CleanupWorkers(t.Context(), admin, driverstate.CleanupFilter{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left, err := l.db.WorkerGetAll(t.Context(), 0)
		require.NoError(t, err)
		return len(left) == 1 && left[0].ResourceID == unreachable.ID
	}, wait, tick)
	assert.Equal(t, driverstate.VolumeError, l.volume(creating.ID).Status)
	assert.NoFileExists(t, deleting.Path)
	_, err = l.db.VolumeGet(t.Context(), deleting.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(moved.ID).Status)
	assert.Equal(t, driverstate.VolumeCreating, l.volume(unreachable.ID).Status)
}

func TestCleanupOfOneResource(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Cluster = "blue@file" })
	twin := l.ghost("twin@file", "blue@file")
	one, another := l.left(driverstate.VolumeCreating, twin), l.left(driverstate.VolumeCreating, twin)
	got, err := l.CleanupWorkers(t.Context(), admin, driverstate.CleanupFilter{ResourceID: &one.ID})
	require.NoError(t, err)
	assert.Equal(t, []string{"cinder-volume twin@file"}, hosts(got.Cleaning))
	require.Eventually(t, func() bool { return l.volume(one.ID).Status == driverstate.VolumeError }, wait, tick)
	assert.Equal(t, driverstate.VolumeCreating, l.volume(another.ID).Status)
}

func TestStartCleansTheVolumesOfItsOwnHost(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	require.NoError(t, l.Start(t.Context()))
	own := l.service(driverstate.BinaryVolume).ID
	creating, deleting := l.left(driverstate.VolumeCreating, own), l.left(driverstate.VolumeDeleting, own)
	require.NoError(t, l.Stop(t.Context()))
	require.NoError(t, l.db.Close())
	l = openLab(t, dir, nil)
	l.start()
	assert.Equal(t, driverstate.VolumeError, l.volume(creating.ID).Status)
	assert.NoFileExists(t, deleting.Path)
}
