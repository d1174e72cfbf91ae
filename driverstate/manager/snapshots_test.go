package manager_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// ownVolume is a volume of the tenant's with data at its beginning and end.
func (l *lab) ownVolume() *driverstate.Volume {
	l.t.Helper()
	status, answer := l.ask("tenant", "POST", "volumes", `{"volume":{"size":1,"name":"vol"}}`)
	require.Equal(l.t, http.StatusAccepted, status, answer)
	v := l.volume(idOf(l.t, answer))
	l.write(v.Path, image(64<<10, 7), 0)
	l.write(v.Path, image(4<<10, 8), 1<<30-4<<10)
	return v
}

func (l *lab) write(path string, content []byte, at int64) {
	l.t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(l.t, err)
	_, err = file.WriteAt(content, at)
	require.NoError(l.t, err)
	require.NoError(l.t, file.Close())
}

func (l *lab) snapshotRow(id string) *driverstate.Snapshot {
	l.t.Helper()
	s, err := l.db.SnapshotGet(l.t.Context(), id)
	require.NoError(l.t, err)
	return s
}

func (l *lab) untilSnapshot(id string, to driverstate.SnapshotStatus) *driverstate.Snapshot {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.snapshotRow(id).Status == to }, wait, tick, "snapshot %s never became %s", id, to)
	return l.snapshotRow(id)
}

func (l *lab) untilVolume(id string, to driverstate.VolumeStatus) *driverstate.Volume {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.volume(id).Status == to }, wait, tick, "volume %s never became %s", id, to)
	return l.volume(id)
}

// snapshotOf takes a snapshot and waits for it.
func (l *lab) snapshotOf(v *driverstate.Volume) *driverstate.Snapshot {
	l.t.Helper()
	status, answer := l.ask("tenant", "POST", "snapshots", `{"snapshot":{"volume_id":"`+v.ID+`","name":"s","metadata":{"x":"y"}}}`)
	require.Equal(l.t, http.StatusAccepted, status, answer)
	return l.untilSnapshot(idOf(l.t, answer), driverstate.SnapshotAvailable)
}

// readAt reads 64 KiB.
func readAt(t testing.TB, path string, at int64) []byte {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	content := make([]byte, 64<<10)
	_, err = file.ReadAt(content, at)
	require.NoError(t, err)
	return content
}

// sameImage compares what the files hold at the beginning and at the end.
func sameImage(t testing.TB, want, have string, size int64) {
	t.Helper()
	info, err := os.Stat(have)
	require.NoError(t, err)
	assert.Equal(t, size, info.Size())
	for _, at := range []int64{0, 1 << 29, 1<<30 - 64<<10} {
		assert.Equal(t, readAt(t, want, at), readAt(t, have, at), "at %d", at)
	}
}

func (l *lab) files() []string {
	l.t.Helper()
	entries, err := os.ReadDir(l.conf.VolumeDir)
	require.NoError(l.t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func keys(doc any) []string {
	out := []string{}
	for k := range doc.(map[string]any) {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// The key sets are those of Cinder 21.
func TestASnapshotIsACopyAndShowsWhatCindersDoes(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	s := l.snapshotOf(v)
	assert.EqualValues(t, 1, s.Size)
	sameImage(t, v.Path, s.Path, 1<<30)
	var st syscall.Stat_t
	require.NoError(t, syscall.Stat(s.Path, &st))
	assert.Less(t, st.Blocks*512, int64(2<<20), "it stays sparse")
	before := image(64<<10, 7)
	l.write(v.Path, image(64<<10, 99), 0)
	assert.Equal(t, before, readAt(t, s.Path, 0), "later writes do not reach it")

	base := []string{"created_at", "description", "id", "metadata", "name", "size", "status", "updated_at", "volume_id"}
	extended := []string{"os-extended-snapshot-attributes:progress", "os-extended-snapshot-attributes:project_id"}
	later := []string{"group_snapshot_id", "user_id", "consumes_quota"}
	for version, n := range map[string]int{"3.0": 0, "3.13": 0, "3.14": 1, "3.41": 2, "3.64": 2, "3.65": 3, "3.71": 3} {
		status, answer := l.askAt(version, "tenant", "GET", "snapshots/"+s.ID, "")
		require.Equal(t, http.StatusOK, status)
		assert.ElementsMatch(t, slices.Concat(base, extended, later[:n]), keys(answer["snapshot"]), version)
		_, answer = l.askAt(version, "tenant", "GET", "snapshots/detail", "")
		assert.ElementsMatch(t, slices.Concat(base, extended, later[:n]), keys(answer["snapshots"].([]any)[0]), version)
		_, answer = l.askAt(version, "tenant", "GET", "snapshots", "")
		assert.ElementsMatch(t, base, keys(answer["snapshots"].([]any)[0]), version)
		_, answer = l.askAt(version, "tenant", "PUT", "snapshots/"+s.ID, `{"snapshot":{"name":" s2 ","description":"d"}}`)
		assert.ElementsMatch(t, slices.Concat(base, later[:n]), keys(answer["snapshot"]), version)
	}
	_, answer := l.ask("tenant", "GET", "snapshots/"+s.ID, "")
	doc := answer["snapshot"].(map[string]any)
	assert.Equal(t, "s2", doc["name"])
	assert.Equal(t, "100%", doc["os-extended-snapshot-attributes:progress"])
	assert.Equal(t, map[string]any{"x": "y"}, doc["metadata"])

	for _, c := range []struct{ who, method, path, body string }{
		{"stranger", "GET", "snapshots/" + s.ID, ""},
		{"stranger", "DELETE", "snapshots/" + s.ID, ""},
		{"stranger", "PUT", "snapshots/" + s.ID, `{"snapshot":{"name":"x"}}`},
		{"stranger", "GET", "snapshots/" + s.ID + "/metadata", ""},
	} {
		status, answer := l.ask(c.who, c.method, c.path, c.body)
		assert.Equal(t, http.StatusNotFound, status, c.method+c.path)
		assert.Equal(t, "Snapshot "+s.ID+" could not be found.", message(answer))
	}
	_, answer = l.ask("stranger", "GET", "snapshots?all_tenants=1", "")
	assert.Empty(t, ids(answer, "snapshots"))
	_, answer = l.ask("admin", "GET", "snapshots?all_tenants=1&with_count=1&volume_id="+v.ID, "")
	assert.Equal(t, []string{s.ID}, ids(answer, "snapshots"))
	assert.Equal(t, 1.0, answer["count"])
	_, answer = l.ask("tenant", "GET", "snapshots?metadata=%7B'x':'y'%7D&limit=1", "")
	assert.Equal(t, []string{s.ID}, ids(answer, "snapshots"))
	assert.Equal(t, "http://example.com/v3/snapshots?metadata=%7B%27x%27%3A%27y%27%7D&limit=1&marker="+s.ID,
		answer["snapshots_links"].([]any)[0].(map[string]any)["href"])
	_, answer = l.ask("tenant", "GET", "snapshots?metadata=%7B'x':'z'%7D", "")
	assert.Empty(t, ids(answer, "snapshots"))

	status, _ := l.ask("tenant", "DELETE", "snapshots/"+s.ID, "")
	assert.Equal(t, http.StatusAccepted, status)
	status, answer = l.ask("tenant", "GET", "snapshots/"+s.ID, "")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "Snapshot "+s.ID+" could not be found.", answer["itemNotFound"].(map[string]any)["message"])
	assert.Equal(t, []string{filepath.Base(v.Path)}, l.files())
}

func TestWhatCannotBeASnapshot(t *testing.T) {
	l := newLab(t, nil)
	v := l.ownVolume()
	status, _ := l.ask("tenant", "POST", "volumes/"+v.ID+"/action", `{"os-attach":{"instance_uuid":"63bb3f2c-e7a9-4b4c-8d8a-3b9b0a3d9c55","mountpoint":"/dev/vdb"}}`)
	require.Equal(t, http.StatusAccepted, status)
	const absent = "63bb3f2c-e7a9-4b4c-8d8a-3b9b0a3d9c55"
	for _, c := range []struct {
		version, body string
		status        int
		text          string
	}{
		{"3.0", `{"snapshot":{}}`, 400, "Invalid input for field/attribute snapshot. Value: {}. 'volume_id' is a required property"},
		{"3.0", `{"snapshot":{"volume_id":"x"}}`, 400, "Invalid input for field/attribute volume_id. Value: x. 'x' is not valid under any of the given schemas"},
		{"3.0", `{"snapshot":{"volume_id":"` + absent + `"}}`, 404, "Volume " + absent + " could not be found."},
		{"3.0", `{"snapshot":{"volume_id":null}}`, 404, "Volume None could not be found."},
		{"3.0", `{"snap":{}}`, 400, "'snapshot' is a required property"},
		{"3.65", `{"snapshot":{"volume_id":"` + v.ID + `"}}`, 400,
			"Invalid volume: Volume " + v.ID + " status must be available, but current status is: in-use."},
		{"3.66", `{"snapshot":{"volume_id":"` + v.ID + `","force":false}}`, 400,
			"Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored."},
		{"3.0", `{"snapshot":{"volume_id":"` + v.ID + `","force":"true"}}`, 202, ""},
		{"3.66", `{"snapshot":{"volume_id":"` + v.ID + `"}}`, 202, ""},
		{"3.66", `{"snapshot":{"volume_id":"` + v.ID + `","force":true}}`, 202, ""},
	} {
		status, answer := l.askAt(c.version, "tenant", "POST", "snapshots", c.body)
		assert.Equal(t, c.status, status, c.body)
		assert.Equal(t, c.text, message(answer))
	}
}

func TestTheStatusOfASnapshotIsResetAndItIsForceDeleted(t *testing.T) {
	l := newLab(t, nil)
	s := l.snapshotOf(l.ownVolume())
	act := func(who, body string) (int, string) {
		status, answer := l.ask(who, "POST", "snapshots/"+s.ID+"/action", body)
		return status, message(answer)
	}
	status, text := act("admin", `{"os-reset_status":{"status":"nope"}}`)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Snapshot status: nope is invalid, valid statuses are: ('error', 'available', 'creating', 'deleting', 'deleted', 'updating', 'error_deleting', 'unmanaging', 'backing-up', 'restoring').", text)
	_, text = act("admin", `{"os-reset_status":{}}`)
	assert.Equal(t, "Invalid input for field/attribute os-reset_status. Value: {}. 'status' is a required property", text)
	status, text = act("tenant", `{"os-reset_status":{"status":"error"}}`)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "Policy doesn't allow volume_extension:snapshot_admin_actions:reset_status to be performed.", text)
	status, text = act("tenant", `{"os-force_delete":{}}`)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, "Policy doesn't allow volume_extension:snapshot_admin_actions:force_delete to be performed.", text)
	_, text = act("admin", `{"os-foo":{}}`)
	assert.Equal(t, "There is no such action: os-foo. Verify the request body and Content-Type header and try again.", text)

	status, _ = act("admin", `{"os-reset_status":{"status":"Deleting"}}`)
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, driverstate.SnapshotDeleting, l.snapshotRow(s.ID).Status)
	status, answer := l.ask("tenant", "DELETE", "snapshots/"+s.ID, "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Invalid snapshot: Snapshot status must be available or error and must not be part of a group.", message(answer))
	status, _ = act("admin", `{"os-force_delete":null}`)
	assert.Equal(t, http.StatusAccepted, status)
	_, err := os.Stat(s.Path)
	assert.ErrorIs(t, err, os.ErrNotExist)
	left, err := l.db.WorkerGetAll(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAForceDeleteStopsTheCopy(t *testing.T) {
	begun := make(chan struct{})
	l := newLab(t, func(c *manager.Config) {
		c.CopyVolume = func(ctx context.Context, from, to string, size int64) error {
			if err := os.WriteFile(to+volume.PartialSuffix, []byte("half"), 0o600); err != nil {
				return err
			}
			close(begun)
			<-ctx.Done()
			return context.Cause(ctx)
		}
	})
	v := l.ownVolume()
	status, answer := l.ask("tenant", "POST", "snapshots", `{"snapshot":{"volume_id":"`+v.ID+`"}}`)
	require.Equal(t, http.StatusAccepted, status)
	id := idOf(t, answer)
	<-begun
	for _, path := range []string{"snapshots/" + id, "volumes/" + v.ID} {
		status, _ = l.ask("tenant", "DELETE", path, "")
		assert.Equal(t, http.StatusBadRequest, status)
	}
	status, answer = l.ask("tenant", "DELETE", "volumes/"+v.ID+"?cascade=true", "")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "Invalid volume: Failed to update snapshot.", message(answer))
	assert.Equal(t, driverstate.VolumeAvailable, l.volume(v.ID).Status)
	status, _ = l.ask("admin", "POST", "snapshots/"+id+"/action", `{"os-force_delete":{}}`)
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, []string{filepath.Base(v.Path)}, l.files())
}

// A restore writes into the file that is being copied.
func TestNothingIsRestoredToAVolumeThatIsBeingCopied(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	l := newLab(t, func(c *manager.Config) {
		c.CopyVolume = func(ctx context.Context, from, to string, size int64) error {
			close(begun)
			<-end
			return volume.Copy(ctx, from, to, size)
		}
	})
	b, v := l.managed(nil, image(200<<10, 1)), l.newVolume()
	clone, err := l.CreateVolume(t.Context(), admin, driverstate.VolumeRequest{SourceVolID: v.ID})
	require.NoError(t, err)
	<-begun
	_, err = l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	requireText(t, err, driverstate.ErrInvalidStatus, "Volume to be restored to must be available, but its clone "+clone.ID+" is being created.")
	close(end)
	require.Eventually(t, func() bool { return l.volume(clone.ID).Status == driverstate.VolumeAvailable }, wait, tick)
	_, err = l.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{VolumeID: v.ID})
	require.NoError(t, err)
	l.until(b.ID, driverstate.StatusAvailable)
}

func TestAStartEndsWhatADeadProcessLeftOfSnapshots(t *testing.T) {
	dir := t.TempDir()
	l := openLab(t, dir, nil)
	l.start()
	v := l.ownVolume()
	half, gone := l.snapshotOf(v), l.snapshotOf(v)
	larger := l.ownVolume()
	for id, row := range map[string]struct {
		kind, status string
	}{half.ID: {"Snapshot", "creating"}, gone.ID: {"Snapshot", "deleting"}, larger.ID: {"Volume", "extending"}} {
		l.worker(row.kind, id, row.status, l.service(driverstate.BinaryVolume).ID)
	}
	half.Status = driverstate.SnapshotCreating
	require.NoError(t, l.db.SnapshotUpdate(t.Context(), half))
	require.NoError(t, os.Rename(half.Path, half.Path+volume.PartialSuffix))
	gone.Status = driverstate.SnapshotDeleting
	require.NoError(t, l.db.SnapshotUpdate(t.Context(), gone))
	larger.PreviousStatus, larger.Status = driverstate.VolumeInUse, "extending"
	require.NoError(t, l.db.VolumeUpdate(t.Context(), larger))
	require.NoError(t, os.Truncate(larger.Path, 3<<30))
	require.NoError(t, l.Stop(t.Context()))

	again, err := manager.New(l.conf)
	require.NoError(t, err)
	l.Manager = again
	l.start()
	assert.Equal(t, driverstate.SnapshotError, l.snapshotRow(half.ID).Status)
	_, err = l.db.SnapshotGet(t.Context(), gone.ID)
	assert.ErrorIs(t, err, driverstate.ErrNotFound)
	assert.Equal(t, driverstate.VolumeInUse, l.volume(larger.ID).Status)
	info, err := os.Stat(larger.Path)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<30, info.Size())
	assert.ElementsMatch(t, []string{filepath.Base(v.Path), filepath.Base(larger.Path)}, l.files())
	left, err := l.db.WorkerGetAll(t.Context(), 0)
	require.NoError(t, err)
	assert.Empty(t, left)
}
