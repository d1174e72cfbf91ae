package manager_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// backedUp posts a backup of a volume and returns its id when it is available.
func (l *lab) backedUp(who, body string) string {
	l.t.Helper()
	status, answer := l.ask(who, "POST", "backups", body)
	require.Equal(l.t, http.StatusAccepted, status, answer)
	id := answer["backup"].(map[string]any)["id"].(string)
	l.until(id, driverstate.StatusAvailable)
	return id
}

func (l *lab) tenantVolume() *driverstate.Volume {
	l.t.Helper()
	v, err := l.CreateVolume(l.t.Context(), tenant, driverstate.VolumeRequest{Size: 1, Name: "vol"})
	require.NoError(l.t, err)
	require.NoError(l.t, fillVolume(v, image(256<<10, 1)))
	return v
}

func TestABackupIsMadeOverTheAPI(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	running := l.driver.hold(atBackup)
	status, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","name":" nightly ","description":"d",
		"container":null,"incremental":false,"force":false,"snapshot_id":null,"metadata":{"k":"v"},"availability_zone":"nova"}}`)
	require.Equal(t, http.StatusAccepted, status, answer)
	made := answer["backup"].(map[string]any)
	assert.Equal(t, "nightly", made["name"])
	assert.Len(t, made, 3, "id, name and links")
	id := made["id"].(string)
	running.wait(t)
	assert.Equal(t, driverstate.StatusCreating, l.row(id).Status)
	held := l.volume(v.ID)
	assert.Equal(t, driverstate.VolumeBackingUp, held.Status)
	assert.Equal(t, driverstate.VolumeAvailable, held.PreviousStatus)

	status, answer = l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`"}}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, `Invalid volume: Volume to be backed up must be available or in-use, but the current status is "backing-up".`, message(answer))
	l.driver.open(atBackup)

	b := l.until(id, driverstate.StatusAvailable)
	assert.Equal(t, 4, b.ObjectCount)
	assert.Equal(t, tenant.ProjectID, b.ProjectID)
	assert.Equal(t, tenant.UserID, b.UserID)
	assert.Equal(t, b.CreatedAt, b.DataTimestamp)
	assert.Equal(t, map[string]string{"k": "v"}, b.Metadata)
	assert.EqualValues(t, 1, b.Size)
	free := l.volume(v.ID)
	assert.Equal(t, driverstate.VolumeAvailable, free.Status)
	assert.Equal(t, driverstate.VolumeBackingUp, free.PreviousStatus)
	_, answer = l.ask("tenant", "GET", "backups/"+id, "")
	assert.Equal(t, "available", answer["backup"].(map[string]any)["status"])
}

func TestTheParentIsTheNewestAvailableBackupOfTheCaller(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	body := func(more string) string { return `{"backup":{"volume_id":"` + v.ID + `"` + more + `}}` }
	const none = "Invalid backup: No backups available to do an incremental backup."

	status, answer := l.ask("tenant", "POST", "backups", body(`,"incremental":true`))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, none, message(answer))
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status, "refused means unchanged")

	first := l.backedUp("tenant", body(""))
	second := l.backedUp("tenant", body(`,"incremental":"yes"`))
	third := l.backedUp("tenant", body(""))
	assert.Equal(t, first, l.row(second).ParentID)
	assert.Empty(t, l.row(third).ParentID)

	now := time.Now().UTC()
	at := func(id string, s driverstate.Status, when time.Time) {
		l.set(id, s, func(b *driverstate.Backup) { b.DataTimestamp = when })
	}
	at(first, driverstate.StatusAvailable, now.Add(-time.Hour))
	at(second, driverstate.StatusAvailable, time.Time{}) // as an import may leave it: its creation counts
	at(third, driverstate.StatusError, now)
	fourth := l.backedUp("tenant", body(`,"incremental":true`))
	assert.Equal(t, second, l.row(fourth).ParentID)

	at(fourth, driverstate.StatusAvailable, now.Add(-2*time.Hour))
	l.set(second, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.Service = "cinder.backup.drivers.ceph.CephBackupDriver" })
	fifth := l.backedUp("tenant", body(`,"incremental":true`))
	assert.Equal(t, first, l.row(fifth).ParentID, "what another driver wrote cannot be read")

	for _, id := range []string{first, fourth, fifth} {
		l.set(id, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.ProjectID = other })
	}
	_, answer = l.ask("tenant", "POST", "backups", body(`,"incremental":true`))
	assert.Equal(t, "Invalid backup: The parent backup must be available for incremental backup.", message(answer),
		"one failed, one is of another driver, and those of another project are not chosen")
	for _, id := range []string{second, third} {
		l.set(id, driverstate.StatusAvailable, func(b *driverstate.Backup) { b.ProjectID = other })
	}
	_, answer = l.ask("tenant", "POST", "backups", body(`,"incremental":true`))
	assert.Equal(t, none, message(answer), "backups of another project are not seen")
}

func TestBackupsThatAreRefused(t *testing.T) {
	l := newLab(t, func(c *manager.Config) { c.Stdout = os.Stderr })
	v := l.tenantVolume()
	used := l.tenantVolume()
	used.Status = driverstate.VolumeInUse
	require.NoError(t, l.db.VolumeUpdate(t.Context(), used))
	pipe, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceName: "-", Size: 1})
	require.NoError(t, err)
	const absent = "11111111-1111-4111-8111-111111111111"
	for name, c := range map[string]struct {
		who, body string
		status    int
		message   string
	}{
		"no such volume":          {"admin", `"volume_id":"` + absent + `"`, 404, "Volume " + absent + " could not be found."},
		"another's volume":        {"stranger", `"volume_id":"` + v.ID + `"`, 404, "Volume " + v.ID + " could not be found."},
		"snapshot, which is none": {"tenant", `"volume_id":"` + v.ID + `","snapshot_id":"` + absent + `"`, 404, "Snapshot " + absent + " could not be found."},
		"volume in use":           {"tenant", `"volume_id":"` + used.ID + `"`, 400, "Invalid volume: Backing up an in-use volume must use the force flag."},
		"standard output":         {"admin", `"volume_id":"` + pipe.ID + `"`, 400, "Invalid volume: Volume to be backed up is the standard output of the engine, which cannot be read."},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := l.ask(c.who, "POST", "backups", `{"backup":{`+c.body+`}}`)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.message, message(answer))
		})
	}
	all, err := l.db.BackupGetAll(t.Context(), driverstate.BackupFilter{})
	require.NoError(t, err)
	assert.Empty(t, all)

	id := l.backedUp("tenant", `{"backup":{"volume_id":"`+used.ID+`","force":true}}`)
	assert.NotEmpty(t, l.objects(id))
	assert.Equal(t, driverstate.VolumeInUse, l.volume(used.ID).Status, "the volume is what it was")
}

func TestABackupForAZoneWithoutAServiceIsError(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	status, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","availability_zone":"az-swift"}}`)
	require.Equal(t, http.StatusAccepted, status, "as Cinder accepts it")
	b := l.row(answer["backup"].(map[string]any)["id"].(string))
	assert.Equal(t, driverstate.StatusError, b.Status)
	assert.Equal(t, "Service not found for creating backup.", b.FailReason)
	assert.Empty(t, b.Host, "nobody has it")
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
	require.NoError(t, l.DeleteBackup(t.Context(), tenant, b.ID, false))
	assert.Nil(t, l.row(b.ID))
}

func TestABackupIntoAContainerOutsideOfTheStoreFails(t *testing.T) {
	l := newLab(t, nil)
	v := l.tenantVolume()
	_, answer := l.ask("tenant", "POST", "backups", `{"backup":{"volume_id":"`+v.ID+`","container":"../trap"}}`)
	b := l.until(answer["backup"].(map[string]any)["id"].(string), driverstate.StatusError)
	assert.NotEmpty(t, b.FailReason)
	assert.NoDirExists(t, filepath.Join(l.dir, "trap"))
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
}

func TestABackupThatIsStoppedWithTheServiceSaysSo(t *testing.T) {
	l := openLab(t, t.TempDir(), nil)
	require.NoError(t, l.Start(t.Context()))
	v := l.tenantVolume()
	running := l.driver.hold(atBackup)
	b, err := l.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID})
	require.NoError(t, err)
	running.wait(t)
	require.NoError(t, l.Stop(context.WithoutCancel(t.Context())))
	row := l.row(b.ID)
	assert.Equal(t, driverstate.StatusError, row.Status)
	assert.Equal(t, "interrupted: the service was stopped", row.FailReason)
	assert.Empty(t, l.objects(b.ID))
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
}
