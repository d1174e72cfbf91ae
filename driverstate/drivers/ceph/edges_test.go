package ceph_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/ceph"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

const volumeID = "11111111-2222-3333-4444-555555555555"

// content is a volume in memory, with a metadata object.
type content struct {
	*bytes.Reader
	reading func()
}

func (c content) Size() int64               { return c.Reader.Size() }
func (c content) Metadata() ([]byte, error) { return []byte(metaOf(volumeID)), nil }

func (c content) ReadAt(p []byte, off int64) (int, error) {
	if c.reading != nil {
		c.reading()
	}
	return c.Reader.ReadAt(p, off)
}

func metaOf(volumeID string) string {
	return `{"version": 2, "volume-base-metadata": {"id": "` + volumeID + `", "size": 1, "project_id": "p", "user_id": "u"}}`
}

func placed(t *testing.T, d driverstate.Driver, parent *driverstate.Backup) *driverstate.Backup {
	t.Helper()
	b := &driverstate.Backup{ID: uuid(), VolumeID: volumeID, Size: 1, Service: d.Service()}
	if parent != nil {
		b.ParentID = parent.ID
	}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, parent, time.Now())
	require.NoError(t, err)
	return b
}

func backUp(t *testing.T, d driverstate.Driver, parent *driverstate.Backup, image []byte) *driverstate.Backup {
	t.Helper()
	b := placed(t, d, parent)
	_, err := d.Backup(t.Context(), b, parent, content{Reader: bytes.NewReader(image)}, nil)
	require.NoError(t, err)
	return b
}

// pipe restores to memory.
func restored(t *testing.T, d driverstate.Driver, b *driverstate.Backup) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := d.Restore(t.Context(), driverstate.Chain{b}, volume.NewPipe(&out, 0), driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	return out.Bytes()
}

// stream is a diff for rbd import-diff. from and to may be empty; without end
// it is cut short.
func stream(from, to string, size uint64, off uint64, bytes []byte, end bool) string {
	s := []byte("rbd diff v1\n")
	for tag, name := range map[byte]string{'f': from, 't': to} {
		if name != "" {
			s = append(s, tag)
			s = binary.LittleEndian.AppendUint32(s, uint32(len(name)))
			s = append(s, name...)
		}
	}
	s = binary.LittleEndian.AppendUint64(append(s, 's'), size)
	s = binary.LittleEndian.AppendUint64(append(s, 'w'), off)
	s = append(binary.LittleEndian.AppendUint64(s, uint64(len(bytes))), bytes...)
	if end {
		s = append(s, 'e')
	}
	return string(s)
}

// importDiff has rbd read a stream and returns what it ended with.
func importDiff(t *testing.T, image, stream string) error {
	t.Helper()
	cmd := exec.Command("rbd", "--conf", conf(t), "--id", "admin", "import-diff", "--no-progress", "-", testPool+"/"+image)
	cmd.Stdin = strings.NewReader(stream)
	return cmd.Run()
}

func create(t *testing.T, image string) {
	t.Helper()
	tool(t, "", "rbd", "create", "--no-progress", "--size", "1G", testPool+"/"+image)
}

func imageOf(b *driverstate.Backup) string {
	return strings.TrimSuffix(strings.TrimPrefix(b.ServiceMetadata, `{"base": "`), `"}`)
}

func snapOf(t *testing.T, b *driverstate.Backup) string {
	t.Helper()
	for _, name := range names(t, testPool) {
		if _, snap, ok := strings.Cut(name, "@backup."+b.ID); ok {
			return "backup." + b.ID + snap
		}
	}
	require.FailNow(t, "no snapshot of "+b.ID)
	return ""
}

// What a write that was cut short left in the image would get into the next
// increment: rbd import-diff writes to the image as it is, not to the snapshot
// that it was told to begin at. Cinder's driver does not look.
func TestNothingOfACutWriteGetsIntoTheNextIncrement(t *testing.T) {
	pool(t)
	d := open(t)
	image := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	full := backUp(t, d, nil, image)
	stale := stream(snapOf(t, full), "backup."+uuid()+".snap.1.5", gib, 65536, bytes.Repeat([]byte("stale"), 20000), false)
	require.Error(t, importDiff(t, imageOf(full), stale))
	head := tool(t, "", "rbd", "diff", "--format", "json", "--from-snap", snapOf(t, full), testPool+"/"+imageOf(full))
	require.Contains(t, head, "65536", "the image differs from its snapshot")

	next := bytes.Clone(image)
	copy(next[300000:], "changed")
	inc := backUp(t, d, full, next)
	assert.True(t, bytes.Equal(next, restored(t, d, inc)))
	assert.True(t, bytes.Equal(image, restored(t, d, full)))
}

func TestAVolumeMayGrowAndShrinkByGiB(t *testing.T) {
	pool(t)
	d := open(t)
	image := noise(200000)
	full := backUp(t, d, nil, image)
	path := filepath.Join(t.TempDir(), "grown")
	require.NoError(t, os.WriteFile(path, image, 0o600))
	require.NoError(t, os.Truncate(path, gib+8192))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("the end"), gib+8192-7)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	src, err := volume.OpenSource(path, nil)
	require.NoError(t, err)
	defer src.Close()
	grown := placed(t, d, full)
	_, err = d.Backup(t.Context(), grown, full, src, nil)
	require.NoError(t, err)
	to := filepath.Join(t.TempDir(), "restored")
	target, err := volume.OpenTarget(to, volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	_, err = d.Restore(t.Context(), driverstate.Chain{full, grown}, target, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	requireSameFile(t, path, to, 0)

	found, err := d.(driverstate.Scanner).Inspect(t.Context(), grown)
	require.NoError(t, err)
	assert.Equal(t, int64(2), found.Backup.Size)
	less := image[:100]
	shrunk := backUp(t, d, grown, less)
	assert.Equal(t, less, restored(t, d, shrunk))
	assert.Equal(t, image, restored(t, d, full))
}

func TestImagesHaveTheStripesAndTheJournalOfTheConfiguration(t *testing.T) {
	pool(t)
	d := open(t, func(c *ceph.Config) { c.StripeUnit, c.StripeCount, c.ImageJournals = 65536, 4, true })
	image := noise(9 << 20)
	clear(image[1<<20 : 3<<20])
	full := backUp(t, d, nil, image)
	info := tool(t, "", "rbd", "info", "--format", "json", testPool+"/"+imageOf(full))
	assert.Contains(t, info, `"stripe_unit":65536,"stripe_count":4`)
	assert.Contains(t, info, `"journaling"`)
	next := bytes.Clone(image)
	copy(next[2<<20:], "changed")
	clear(next[8<<20:])
	inc := backUp(t, d, full, next)
	assert.True(t, bytes.Equal(image, restored(t, d, full)))
	assert.True(t, bytes.Equal(next, restored(t, d, inc)))
	require.NoError(t, d.Delete(t.Context(), inc))
	require.NoError(t, d.Delete(t.Context(), full))
	assert.Empty(t, names(t, testPool))
}

// Before Train all backups of a volume were snapshots of one image.
func TestBackupsFromBeforeTrain(t *testing.T) {
	pool(t)
	d := open(t)
	base := "volume-" + volumeID + ".backup.base"
	create(t, base)
	first := &driverstate.Backup{ID: uuid(), VolumeID: volumeID, Container: testPool}
	second := &driverstate.Backup{ID: uuid(), VolumeID: volumeID, Container: testPool}
	one, two := "backup."+first.ID+".snap.1400000000.12", "backup."+second.ID+".snap.1400000100.5"
	require.NoError(t, importDiff(t, base, stream("", one, gib, 0, []byte("first"), true)))
	require.NoError(t, importDiff(t, base, stream(one, two, gib, 3, []byte("second"), true)))
	tool(t, metaOf(volumeID), "rados", "--pool", testPool, "put", "backup."+first.ID+".meta", "-")

	var found []driverstate.Found
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
		require.NoError(t, err)
		assert.Equal(t, driverstate.ConditionWhole, f.Condition)
		assert.Empty(t, f.Backup.ServiceMetadata, "null, as in Cinder's row")
		found = append(found, f)
	}
	require.Len(t, found, 2)
	assert.Equal(t, [2]string{first.ID, second.ID}, [2]string{found[0].Backup.ID, found[1].Backup.ID}, "the oldest first")
	assert.Equal(t, first.ID, found[1].Backup.ParentID)
	assert.Equal(t, time.Unix(1400000000, 120000000).UTC(), found[0].Backup.CreatedAt)
	assert.Empty(t, found[0].Warnings)
	assert.Contains(t, found[1].Warnings[0], "metadata object backup."+second.ID+".meta is not there")
	assert.Equal(t, "firsecond\x00", string(restored(t, d, second)[:10]))
	assert.Equal(t, "first\x00", string(restored(t, d, first)[:6]))

	// Ours goes on from there.
	inc := backUp(t, d, second, []byte("third"))
	assert.Equal(t, []byte("third"), restored(t, d, inc))
	for _, b := range []*driverstate.Backup{first, inc, second} {
		assert.Equal(t, "firsecond\x00", string(restored(t, d, second)[:10]))
		require.NoError(t, d.Delete(t.Context(), b))
	}
	assert.Empty(t, names(t, testPool))
}

func TestDamageIsToldAndNothingIsGuessed(t *testing.T) {
	pool(t)
	d := open(t)
	scanner := d.(driverstate.Scanner)
	good := backUp(t, d, nil, []byte("good"))

	unfinished := placed(t, d, nil)
	create(t, imageOf(unfinished))
	require.Error(t, importDiff(t, imageOf(unfinished), stream("", "backup."+unfinished.ID+".snap.1.5", gib, 0, []byte("half"), false)))
	orphan := placed(t, d, nil)
	tool(t, metaOf(volumeID), "rados", "--pool", testPool, "put", "backup."+orphan.ID+".meta", "-")
	broken := backUp(t, d, nil, []byte("broken"))
	header := tool(t, "", "rbd", "info", "--format", "json", testPool+"/"+imageOf(broken))
	_, header, _ = strings.Cut(header, `"id":"`)
	header, _, _ = strings.Cut(header, `"`)
	tool(t, "", "rados", "--pool", testPool, "rm", "rbd_header."+header)

	conditions := map[string]driverstate.Condition{}
	for f, err := range scanner.Scan(t.Context(), testPool) {
		require.NoError(t, err)
		conditions[f.Backup.ID] = f.Condition
	}
	assert.Equal(t, map[string]driverstate.Condition{good.ID: driverstate.ConditionWhole,
		unfinished.ID: driverstate.ConditionPartial, broken.ID: driverstate.ConditionDamaged}, conditions)
	for b, reason := range map[*driverstate.Backup]string{
		unfinished: "its copy never finished", orphan: "only its metadata object is left", broken: "its image cannot be opened",
	} {
		f, err := scanner.Inspect(t.Context(), b)
		require.NoError(t, err)
		assert.Contains(t, f.Reason, reason)
		report, err := d.(driverstate.Verifier).Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, nil)
		require.NoError(t, err)
		assert.Equal(t, f.Condition, report.Condition)
		assert.Contains(t, report.Reason, reason)
		var out bytes.Buffer
		_, err = d.Restore(t.Context(), driverstate.Chain{b}, volume.NewPipe(&out, 0), driverstate.RestoreOptions{}, nil)
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		assert.ErrorContains(t, err, reason)
		assert.Empty(t, out.Bytes())
	}
	require.ErrorIs(t, d.Delete(t.Context(), broken), driverstate.ErrConflict, "what is in it cannot be told")
	require.NoError(t, d.Delete(t.Context(), unfinished))
	require.NoError(t, d.Delete(t.Context(), orphan))
	for _, name := range names(t, testPool) {
		assert.True(t, strings.Contains(name, good.ID) || strings.Contains(name, broken.ID), name)
	}
	tool(t, "", "rbd", "rm", "--no-progress", testPool+"/"+imageOf(broken))
	require.NoError(t, d.Delete(t.Context(), broken), "what is left of it")

	// A snapshot of somebody's keeps the image, and the error says so.
	tool(t, "", "rbd", "snap", "create", "--no-progress", testPool+"/"+imageOf(good)+"@by-hand")
	err := d.Delete(t.Context(), good)
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "by-hand")
	tool(t, "", "rbd", "snap", "rm", "--no-progress", testPool+"/"+imageOf(good)+"@by-hand")
	require.NoError(t, d.Delete(t.Context(), good))
	assert.Empty(t, names(t, testPool))

	_, err = scanner.Inspect(t.Context(), good)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}

// Cinder gives every backup of a snapshot of a volume the same image.
func TestTheImageThatBackupsOfSnapshotsShare(t *testing.T) {
	pool(t)
	d := open(t)
	base := "volume-" + volumeID + ".backup.base"
	create(t, base)
	require.NoError(t, importDiff(t, base, stream("", "", gib, 0, []byte("of a snapshot"), true)))
	row := func() *driverstate.Backup {
		return &driverstate.Backup{ID: uuid(), VolumeID: volumeID, Container: testPool, SnapshotID: uuid()}
	}
	owner, failed, gone := row(), row(), row()
	put := func(b *driverstate.Backup, volumeID string) {
		tool(t, metaOf(volumeID), "rados", "--pool", testPool, "put", "backup."+b.ID+".meta", "-")
	}
	put(owner, volumeID)
	put(row(), uuid()) // of another volume, without an image
	require.NoError(t, d.Delete(t.Context(), failed))
	assert.Equal(t, "of a snapshot\x00", string(restored(t, d, owner)[:14]))

	put(gone, volumeID) // as a delete in Cinder leaves the one before
	for _, b := range []*driverstate.Backup{owner, gone} {
		err := d.Delete(t.Context(), b)
		require.ErrorIs(t, err, driverstate.ErrConflict)
		assert.ErrorContains(t, err, owner.ID)
		assert.ErrorContains(t, err, gone.ID)
		f, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
		require.NoError(t, err)
		assert.Equal(t, driverstate.ConditionDamaged, f.Condition)
	}
	tool(t, "", "rados", "--pool", testPool, "rm", "backup."+gone.ID+".meta")
	require.NoError(t, d.Delete(t.Context(), owner))
	assert.NotContains(t, names(t, testPool), base)
}

func TestAnImageThatIsBeingWrittenIsNotRead(t *testing.T) {
	pool(t)
	d := open(t)
	b := placed(t, d, nil)
	b.ServiceMetadata = ""
	image := "volume-" + volumeID + ".backup." + b.ID
	create(t, image)
	tool(t, metaOf(volumeID), "rados", "--pool", testPool, "put", "backup."+b.ID+".meta", "-")
	held, hold := io.Pipe()
	cmd := exec.Command("rbd", "--conf", conf(t), "--id", "admin", "import-diff", "--no-progress", "-", testPool+"/"+image)
	cmd.Stdin = held
	require.NoError(t, cmd.Start())
	_, err := io.WriteString(hold, stream("", "", gib, 0, []byte("half"), false))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return strings.Contains(tool(t, "", "rbd", "status", "--format", "json", testPool+"/"+image), "address")
	}, time.Minute, 100*time.Millisecond)
	_, err = d.Restore(t.Context(), driverstate.Chain{b}, volume.NewPipe(io.Discard, 0), driverstate.RestoreOptions{}, nil)
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "is being written by")
	require.NoError(t, hold.Close())
	require.Error(t, cmd.Wait())
	assert.Equal(t, "half\x00", string(restored(t, d, b)[:5]))
}

func TestWhatIsWrongWithAClusterIsTold(t *testing.T) {
	pool(t)
	for _, c := range []struct {
		name   string
		change func(*ceph.Config)
		kind   error
		want   string
		step   string
	}{
		{"no such pool", func(c *ceph.Config) { c.Pool = "cinder-go-none" }, driverstate.ErrInvalidInput, "pool cinder-go-none", "container"},
		{"no such user", func(c *ceph.Config) { c.User = "nobody" }, driverstate.ErrForbidden, "keyring", "credentials"},
		{"no configuration", func(c *ceph.Config) { c.Conf = "/nowhere/ceph.conf" }, driverstate.ErrInvalidInput, "config file", "configuration"},
	} {
		d := open(t, c.change)
		err := d.CheckForSetupError(t.Context())
		require.ErrorIs(t, err, c.kind, c.name)
		assert.ErrorContains(t, err, c.want, c.name)
		var last driverstate.Step
		for s := range d.(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{}) {
			last = s
		}
		assert.Equal(t, c.step, last.Name, c.name)
		assert.Error(t, last.Err)
		assert.NotEmpty(t, last.Advice)
	}
	d := open(t)
	for _, err := range d.(driverstate.Scanner).Scan(t.Context(), "cinder-go-none") {
		require.ErrorIs(t, err, driverstate.ErrNotFound)
	}
	elsewhere := &driverstate.Backup{ID: uuid(), VolumeID: volumeID, Container: "cinder-go-none"}
	require.NoError(t, d.Delete(t.Context(), elsewhere), "as in Cinder: nothing of it is there")
	_, err := d.(driverstate.Scanner).Inspect(t.Context(), elsewhere)
	require.ErrorIs(t, err, driverstate.ErrNotFound)

	backUp(t, d, nil, []byte("x"))
	var steps []string
	for s := range d.(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{Write: true}) {
		require.NoError(t, s.Err, s.Name)
		steps = append(steps, s.Name)
	}
	assert.Equal(t, []string{"configuration", "credentials", "container", "list", "read", "write", "space"}, steps)
	assert.NotContains(t, names(t, testPool), "cinder-go.driver-check")
	readOnly := open(t, func(c *ceph.Config) { c.Runtime = chunked.Runtime{ReadOnly: true} })
	for s := range readOnly.(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{Write: true}) {
		assert.Equal(t, s.Name == "write", s.Err != nil, "%s: %v", s.Name, s.Err)
	}
}

// rbds are the programs that work on an image.
func rbds(t *testing.T, image string) (running []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range all {
		if line, err := os.ReadFile(path); err == nil && bytes.HasPrefix(line, []byte("rbd\x00")) && bytes.Contains(line, []byte(image)) {
			running = append(running, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return running
}

func TestACancelledBackupLeavesNoProgram(t *testing.T) {
	pool(t)
	d := open(t, func(c *ceph.Config) { c.ChunkSize = 65536 })
	full := backUp(t, d, nil, noise(1<<20))
	for _, parent := range []*driverstate.Backup{nil, full} {
		b := placed(t, d, parent)
		ctx, cancel := context.WithCancel(t.Context())
		reads := 0
		src := content{Reader: bytes.NewReader(noise(1 << 20)), reading: func() {
			if reads++; reads == 5 {
				assert.NotEmpty(t, rbds(t, imageOf(b)))
				cancel()
			}
		}}
		_, err := d.Backup(ctx, b, parent, src, nil)
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, rbds(t, imageOf(b)))
		require.NoError(t, d.Delete(t.Context(), b), "nothing holds the image")
	}
}

// killedImage is where the test tells its child what to do.
const killedBackup = "CINDER_GO_TEST_KILLED_BACKUP"

// TestMain plays the process that is killed.
func TestMain(m *testing.M) {
	if id := os.Getenv(killedBackup); id != "" {
		d, err := ceph.New(context.Background(), ceph.Config{Conf: os.Getenv("CEPH_CONF"), User: "admin", Pool: testPool, ChunkSize: 65536})
		if err != nil {
			panic(err)
		}
		b := &driverstate.Backup{ID: id, VolumeID: volumeID, Size: 1}
		if b.Container, b.ServiceMetadata, err = d.Place(b, nil, time.Now()); err != nil {
			panic(err)
		}
		reads := 0
		_, err = d.Backup(context.Background(), b, nil, content{Reader: bytes.NewReader(noise(8 << 20)), reading: func() {
			if reads++; reads == 40 {
				os.Stdout.WriteString("half\n")
				select {}
			}
		}}, nil)
		panic(errors.Join(err, errors.New("was not killed")))
	}
	os.Exit(m.Run())
}

func TestAKilledBackupIsFoundUnfinishedAndDeleted(t *testing.T) {
	pool(t)
	d := open(t)
	b := placed(t, d, nil)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedBackup+"="+b.ID, "CEPH_CONF="+conf(t))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, 5))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return len(rbds(t, imageOf(b))) == 0 }, time.Minute, 50*time.Millisecond, "its program ends by itself")
	f, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionPartial, f.Condition)
	require.NoError(t, d.Delete(t.Context(), b))
	assert.Empty(t, names(t, testPool))
}
