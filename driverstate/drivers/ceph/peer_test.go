package ceph_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/ceph"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// Cinder's pools and user on the cluster of testdata/servers/ceph/up.
const (
	backupPool, volumePool = "backups", "volumes"
	cinderUser             = "cinder"
	gib                    = 1 << 30
	python                 = "/usr/bin/python3"
)

// site is a cluster with Cinder's own driver and ours on it. Rows are kept in a
// file, in the place of Cinder's database.
type site struct {
	t      *testing.T
	dir    string
	script string
}

func newSite(t *testing.T) *site {
	t.Helper()
	conf(t)
	if err := exec.Command(python, "-c", "import cinder.backup.drivers.ceph, rbd, rados").Run(); err != nil {
		const how = "Cinder's own driver is not here to check against (Debian packages python3-cinder, python3-rbd and python3-rados)"
		if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" || os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
			t.Fatal(how)
		}
		t.Skip("SKIPPED: " + how)
	}
	script, err := filepath.Abs("../../../testdata/servers/ceph/cinder_ceph.py")
	require.NoError(t, err)
	return &site{t: t, dir: t.TempDir(), script: script}
}

func (s *site) rowsFile() string { return filepath.Join(s.dir, "rows.json") }

// try runs Cinder's driver.
func (s *site) try(args ...string) (string, error) {
	s.t.Helper()
	args = append([]string{s.script, args[0], "--rows", s.rowsFile()}, args[1:]...)
	cmd := exec.CommandContext(s.t.Context(), python, args...)
	cmd.Env = append(os.Environ(), "CEPH_CONF="+conf(s.t))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *site) cinder(args ...string) {
	s.t.Helper()
	out, err := s.try(args...)
	require.NoError(s.t, err, "cinder %q: %s", args, out)
}

// rows are those of Cinder's backups, by id.
func (s *site) rows() map[string]map[string]any {
	s.t.Helper()
	rows := map[string]map[string]any{}
	raw, err := os.ReadFile(s.rowsFile())
	if !os.IsNotExist(err) {
		require.NoError(s.t, err)
		require.NoError(s.t, json.Unmarshal(raw, &rows))
	}
	return rows
}

// row is a row of Cinder's as ours.
func (s *site) row(id string) *driverstate.Backup {
	s.t.Helper()
	row := s.rows()[id]
	require.NotNil(s.t, row, "row %s", id)
	text := func(name string) string { v, _ := row[name].(string); return v }
	return &driverstate.Backup{
		ID: id, VolumeID: text("volume_id"), ParentID: text("parent_id"), SnapshotID: text("snapshot_id"),
		Container: text("container"), ServiceMetadata: text("service_metadata"), Service: text("service"), Size: int64(row["size"].(float64)),
	}
}

// give puts a row into Cinder's database, as an import of its record does.
func (s *site) give(b *driverstate.Backup) {
	s.t.Helper()
	rows := s.rows()
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	rows[b.ID] = map[string]any{
		"id": b.ID, "volume_id": b.VolumeID, "parent_id": orNull(b.ParentID), "snapshot_id": orNull(b.SnapshotID),
		"container": b.Container, "service_metadata": orNull(b.ServiceMetadata), "object_count": b.ObjectCount, "size": b.Size,
		"service": b.Service, "display_name": nil, "display_description": nil, "status": "available",
		"created_at": "2026-11-21T05:54:23", "temp_volume_id": nil, "temp_snapshot_id": nil, "encryption_key_id": nil,
	}
	raw, err := json.Marshal(rows)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(s.rowsFile(), raw, 0o600))
}

func (s *site) ours() driverstate.Driver {
	s.t.Helper()
	d, err := ceph.New(s.t.Context(), ceph.Config{Conf: conf(s.t), User: cinderUser, Pool: backupPool})
	require.NoError(s.t, err)
	require.NoError(s.t, d.CheckForSetupError(s.t.Context()))
	return d
}

// uuid is one that no other run of the tests has.
func uuid() string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

// disk is the content of a volume: a sparse file.
type disk struct {
	t    *testing.T
	path string
}

func (s *site) disk(name string, size int64) *disk {
	s.t.Helper()
	d := &disk{s.t, filepath.Join(s.dir, name)}
	f, err := os.Create(d.path)
	require.NoError(s.t, err)
	require.NoError(s.t, f.Truncate(size))
	require.NoError(s.t, f.Close())
	return d
}

func (d *disk) write(off int64, content []byte) {
	d.t.Helper()
	f, err := os.OpenFile(d.path, os.O_RDWR, 0)
	require.NoError(d.t, err)
	_, err = f.WriteAt(content, off)
	require.NoError(d.t, err)
	require.NoError(d.t, f.Close())
}

// copy is the content as it is now.
func (d *disk) copy(name string) *disk {
	d.t.Helper()
	to := &disk{d.t, filepath.Join(filepath.Dir(d.path), name)}
	out, err := exec.Command("cp", "--sparse=always", d.path, to.path).CombinedOutput()
	require.NoError(d.t, err, "%s", out)
	return to
}

func noise(n int) []byte {
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	return content
}

// volumeImage is the disk as an RBD volume of Cinder's.
type volumeImage struct {
	*disk
	s  *site
	id string
}

func (s *site) volume(id string, d *disk) *volumeImage {
	s.t.Helper()
	tool(s.t, "", "rbd", "import", "--no-progress", "--image-feature", "layering,exclusive-lock,object-map,fast-diff", d.path, volumePool+"/volume-"+id)
	s.t.Cleanup(func() { s.removeImage(volumePool, "volume-"+id) })
	return &volumeImage{d, s, id}
}

// write writes to the volume what a virtual machine would, and to the disk.
func (v *volumeImage) write(off int64, content []byte) {
	v.t.Helper()
	v.disk.write(off, content)
	diff := []byte("rbd diff v1\ns")
	diff = binary.LittleEndian.AppendUint64(diff, gib)
	diff = append(diff, 'w')
	diff = binary.LittleEndian.AppendUint64(diff, uint64(off))
	diff = binary.LittleEndian.AppendUint64(diff, uint64(len(content)))
	tool(v.t, string(append(append(diff, content...), 'e')), "rbd", "import-diff", "--no-progress", "-", volumePool+"/volume-"+v.id)
}

func (s *site) removeImage(pool, name string) {
	run := func(args ...string) {
		_ = exec.CommandContext(context.WithoutCancel(s.t.Context()), "rbd", append([]string{"--conf", conf(s.t), "--id", "admin"}, args...)...).Run()
	}
	run("snap", "purge", "--no-progress", pool+"/"+name)
	run("rm", "--no-progress", pool+"/"+name)
}

// cleanUp removes what a test leaves of a volume in the pool of backups.
func (s *site) cleanUp(volumeID string) {
	s.t.Cleanup(func() {
		for _, name := range s.left(volumeID) {
			if strings.HasPrefix(name, "volume-") && !strings.Contains(name, "@") {
				s.removeImage(backupPool, name)
			}
		}
	})
}

// left are the images and snapshots of a volume in the pool of backups.
func (s *site) left(volumeID string) []string {
	var entries []struct{ Image, Snapshot string }
	cmd := exec.Command("rbd", "--conf", conf(s.t), "--id", "admin", "ls", "--long", "--format", "json", "--pool", backupPool)
	out, err := cmd.Output()
	if err != nil || json.Unmarshal(out, &entries) != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Image, "volume-"+volumeID) {
			names = append(names, strings.TrimSuffix(e.Image+"@"+e.Snapshot, "@"))
		}
	}
	return names
}

// hasMeta reports whether the metadata object of a backup is there.
func (s *site) hasMeta(id string) bool {
	return exec.Command("rados", "--conf", conf(s.t), "--id", "admin", "--pool", backupPool, "stat", "backup."+id+".meta").Run() == nil
}

// found are the backups of a volume, as a scan finds them.
func (s *site) found(d driverstate.Driver, volumeID string) map[string]driverstate.Found {
	s.t.Helper()
	var all []driverstate.Found
	for f, err := range d.(driverstate.Scanner).Scan(s.t.Context(), "") {
		require.NoError(s.t, err)
		if f.Backup.VolumeID == volumeID {
			all = append(all, f)
		}
	}
	driverstate.LinkChains(all)
	byID := map[string]driverstate.Found{}
	for _, f := range all {
		byID[f.Backup.ID] = f
	}
	return byID
}

// restores restores b with our driver to a new file and holds it against want.
func (s *site) restores(d driverstate.Driver, b *driverstate.Backup, want *disk) driverstate.Restored {
	s.t.Helper()
	path := filepath.Join(s.dir, "restored-"+b.ID)
	target, err := volume.OpenTarget(path, volume.TargetOptions{Size: gib})
	require.NoError(s.t, err)
	defer os.Remove(path)
	defer target.Close()
	done, err := d.Restore(s.t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{}, nil)
	require.NoError(s.t, err)
	require.NoError(s.t, target.Commit())
	requireSameFile(s.t, want.path, path, 0)
	for _, depth := range []driverstate.Depth{driverstate.DepthStructure, driverstate.DepthData} {
		report, err := d.(driverstate.Verifier).Verify(s.t.Context(), driverstate.Chain{b}, depth, nil)
		require.NoError(s.t, err)
		assert.Equal(s.t, driverstate.ConditionWhole, report.Condition, report.Reason)
		if depth == driverstate.DepthData {
			assert.Equal(s.t, done.Length, report.BytesRead)
			assert.Equal(s.t, "read", report.Method)
		}
	}
	return done
}

// cinderRestores restores with Cinder's driver to a file.
func (s *site) cinderRestores(id string, want *disk) {
	s.t.Helper()
	path := filepath.Join(s.dir, "cinder-"+id)
	defer os.Remove(path)
	s.cinder("restore", "--backup", id, "--to", "file:"+path, "--volume-id", uuid())
	requireSameFile(s.t, want.path, path, gib)
}

// requireSameFile compares two files; the first is taken to be size long, if
// that is not 0, with zeros at its end.
func requireSameFile(t *testing.T, want, got string, size int64) {
	t.Helper()
	a, err := os.Open(want)
	require.NoError(t, err)
	defer a.Close()
	b, err := os.Open(got)
	require.NoError(t, err)
	defer b.Close()
	wantInfo, err := a.Stat()
	require.NoError(t, err)
	gotInfo, err := b.Stat()
	require.NoError(t, err)
	require.Equal(t, cmp.Or(size, wantInfo.Size()), gotInfo.Size(), "length")
	x, y := make([]byte, 4<<20), make([]byte, 4<<20)
	for off := int64(0); off < gotInfo.Size(); off += int64(len(x)) {
		clear(x)
		if _, err := a.ReadAt(x, off); err != nil {
			require.ErrorIs(t, err, io.EOF)
		}
		clear(y)
		if _, err := b.ReadAt(y, off); err != nil {
			require.ErrorIs(t, err, io.EOF)
		}
		require.True(t, bytes.Equal(x, y), "bytes %d and on differ", off)
	}
}

// place writes a backup with our driver.
func (s *site) place(d driverstate.Driver, volumeID string, parent *driverstate.Backup, from *disk) *driverstate.Backup {
	s.t.Helper()
	b := &driverstate.Backup{ID: uuid(), VolumeID: volumeID, Service: d.Service(), Size: 1, Status: driverstate.StatusCreating}
	if parent != nil {
		b.ParentID = parent.ID
	}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, parent, time.Now())
	require.NoError(s.t, err)
	meta := fmt.Sprintf(`{"version": 2, "volume-base-metadata": {"id": %q, "size": 1, "display_name": "ours", "project_id": "p1", "user_id": "u1"}}`, volumeID)
	src, err := volume.OpenSource(from.path, []byte(meta))
	require.NoError(s.t, err)
	defer src.Close()
	_, err = d.Backup(s.t.Context(), b, parent, src, nil)
	require.NoError(s.t, err)
	return b
}

// padded is a disk as Cinder's image of it: a whole number of GiB.
func (s *site) padded(d *disk) *disk {
	s.t.Helper()
	to := d.copy("padded")
	require.NoError(s.t, os.Truncate(to.path, gib))
	return to
}

// follow runs the command that a warning ends in.
func (s *site) follow(warning string) {
	s.t.Helper()
	_, command, ok := strings.Cut(warning, "after: ")
	require.True(s.t, ok, warning)
	words := strings.Fields(command)
	tool(s.t, "", words[0], words[1:]...)
}
