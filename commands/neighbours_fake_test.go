package commands

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	volumeOne = "f551d684-9ea5-4902-a06a-cc1719919cb0"
	volumeTwo = "77cd330a-06ae-4b08-a1b8-a21a94ccaee1"
	made      = "3a0c8bd0-27a7-4243-b56c-6cf9c4f97aca"
)

// cloudFake is a fake with what stands around backups. Waits look at the
// prepared states one after the other, and end with ctx after the last.
type cloudFake struct {
	*fake
	looks       []client.Backup
	volumeLooks []client.Volume
	lists       [][]client.Backup // answers of ListBackups; the last again and again
	snapshots   []client.Snapshot
	clusters    []client.Cluster
	resetTo     driverstate.VolumeStatus // what a reset makes of a volume; as asked when empty
	asked       client.CreateBackupOpts
	afterCreate driverstate.VolumeStatus // of the volume, once its backup was asked for
	born        []client.Volume          // what CreateVolume adds
}

func newCloudFake(volumes ...client.Volume) *cloudFake {
	return &cloudFake{fake: &fake{rows: rows{volumes: volumes, host: map[string]string{made: "bak-posix"},
		services: []client.Service{backupService("bak-posix", "nova"), backupService("bak-swift", "az-swift")}}}}
}

func backupService(host, zone string) client.Service {
	return client.Service{Binary: driverstate.BinaryBackup, Host: host, Zone: zone, Status: "enabled", State: "up", UpdatedAt: day(8)}
}

func volumeIn(status driverstate.VolumeStatus) client.Volume {
	return client.Volume{ID: volumeOne, Name: ptr("database"), Status: status, Size: 1}
}

// clock is a clock that goes on by step whenever it is looked at.
func clock(step time.Duration) func() time.Time {
	now := day(9)
	return func() time.Time { now = now.Add(step); return now }
}

func (f *cloudFake) ListBackups(_ context.Context, o client.ListOpts) ([]client.Backup, error) {
	f.listed = o
	err := f.call("list-backups")
	if len(f.lists) == 0 {
		return nil, err
	}
	answer := f.lists[0]
	if len(f.lists) > 1 {
		f.lists = f.lists[1:]
	}
	return slices.Clone(answer), err
}

func (f *cloudFake) CreateBackup(_ context.Context, o client.CreateBackupOpts) (client.Created, error) {
	f.asked = o
	if f.afterCreate != "" {
		f.volumes[0].Status = f.afterCreate
	}
	return client.Created{ID: made, VolumeID: o.VolumeID}, f.call("create-backup")
}

func (f *cloudFake) ShowBackup(_ context.Context, id string) (client.Backup, error) {
	return client.Backup{ID: id, VolumeID: volumeOne, Status: driverstate.StatusCreating}, nil
}

func (f *cloudFake) WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (b client.Backup, err error) {
	for _, b = range f.looks {
		b.ID, b.VolumeID = id, volumeOne
		if done, err := until(b); done || err != nil {
			return b, err
		}
	}
	<-ctx.Done()
	return b, ctx.Err()
}

func (f *cloudFake) WaitVolume(ctx context.Context, id string, until func(client.Volume) (bool, error)) (v client.Volume, err error) {
	for _, v = range f.volumeLooks {
		if done, err := until(v); done || err != nil {
			return v, err
		}
	}
	<-ctx.Done()
	return v, ctx.Err()
}

func (f *cloudFake) UpdateBackup(_ context.Context, id string, o client.UpdateBackupOpts) (client.Backup, error) {
	b := f.backups[id]
	b.Name = o.Name
	return b, f.call("update %s", id)
}

func (f *cloudFake) CreateVolume(_ context.Context, o client.CreateVolumeOpts) (client.Volume, error) {
	f.volumes = append(f.volumes, f.born...)
	return client.Volume{ID: volumeTwo, Name: ptr(o.Name), Size: o.Size, Status: driverstate.VolumeCreating}, f.call("create-volume")
}

func (f *cloudFake) ForceDeleteVolume(_ context.Context, id string) error {
	return f.call("force-delete-volume %s", id)
}

func (f *cloudFake) WaitVolumeGone(_ context.Context, id string) error {
	return f.call("wait-volume-gone %s", id)
}

func (f *cloudFake) ResetVolumeStatus(_ context.Context, id string, to driverstate.VolumeStatus) error {
	for i := range f.volumes {
		if f.volumes[i].ID == id {
			f.volumes[i].Status = to
			if f.resetTo != "" {
				f.volumes[i].Status = f.resetTo
			}
		}
	}
	return f.call("reset-volume %s %s", id, to)
}

func (f *cloudFake) ListSnapshots(context.Context, client.SnapshotListOpts) ([]client.Snapshot, error) {
	return f.snapshots, f.err["snapshots"]
}

func (f *cloudFake) ListClusters(context.Context, client.ClusterListOpts) ([]client.Cluster, error) {
	return f.clusters, f.err["clusters"]
}

func (f *cloudFake) EnableService(_ context.Context, host, binary string) (client.ServiceState, error) {
	return f.setService(host, "enabled", nil)
}

func (f *cloudFake) DisableService(_ context.Context, host, binary, reason string) (client.ServiceState, error) {
	return f.setService(host, "disabled", &reason)
}

func (f *cloudFake) setService(host, status string, reason *string) (client.ServiceState, error) {
	for i := range f.services {
		if s := &f.services[i]; s.Host == host {
			s.Status, s.DisabledReason = status, reason
		}
	}
	return client.ServiceState{Host: host, Status: status}, f.call("%s %s", status, host)
}

func containsText(b *bench, text string) bool { return strings.Contains(b.err.String(), text) }

// refused holds that the verb ended with code and sent no write.
func refused(t *testing.T, f *cloudFake, code int, err error) {
	t.Helper()
	assert.Equal(t, code, exitCode(err), "%v", err)
	for _, c := range f.calls {
		assert.NotRegexp(t, "^(create|delete|force|reset|enabled|disabled|update)", c)
	}
}
