package ship_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/ship"
	"github.com/cinder-go/cinder-go/driverstate/tape"
)

const (
	objectSize = 64 << 10
	blockSize  = 4 << 10
	volumeID   = "11111111-2222-3333-4444-555555555555"
	meta       = `{"version": 2, "volume-base-metadata": {"size": 1, "project_id": "%s"}}`
)

// volume is a source in memory.
type volume struct {
	*bytes.Reader
	owner string
}

func (v volume) Metadata() ([]byte, error) { return fmt.Appendf(nil, meta, v.owner), nil }

// disk is a target in memory.
type disk struct {
	mu    sync.Mutex
	image []byte
}

func (d *disk) Begin(n int64) error          { d.image = make([]byte, n); return nil }
func (d *disk) Sequential() bool             { return false }
func (d *disk) Blank() bool                  { return true }
func (d *disk) Depth() int                   { return 1 }
func (d *disk) Sync() error                  { return nil }
func (d *disk) ZeroRange(off, n int64) error { clear(d.image[off : off+n]); return nil }
func (d *disk) WriteAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return copy(d.image[off:], b), nil
}

// images are a volume as it changes: some of it cannot be compressed, and a
// part becomes zeros.
func images() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	full := make([]byte, 5*objectSize+777)
	for i := range full[:2*objectSize] {
		full[i] = byte(r.Uint32())
	}
	copy(full[3*objectSize:], bytes.Repeat([]byte("text that repeats "), 4000))
	second := bytes.Clone(full)
	copy(second[objectSize+100:], "changed")
	clear(second[3*objectSize : 3*objectSize+2*blockSize])
	third := bytes.Clone(second)
	copy(third[len(third)-10:], "the end")
	return [][]byte{full, second, third}
}

func ids() []string {
	var out []string
	for i := range 3 {
		out = append(out, fmt.Sprintf("%08d-aaaa-bbbb-cccc-dddddddddddd", i+1))
	}
	return out
}

// URLs of the stores below a directory.
func posixURL(dir string) string { return "posix://" + dir + "?object_size=65536&block_size=4096" }

func objectsURL(dir, service string) string {
	return "objects://" + dir + "?object_size=65536&block_size=4096&container=box&service=" + service
}

func open(t *testing.T, url string, wrap func(objectstore.Store) objectstore.Store) driverstate.Driver {
	t.Helper()
	var d driverstate.Driver
	if path, ok := strings.CutPrefix(url, "file://"); ok {
		var err error
		d, err = tape.New(t.Context(), tapeConfig(path, wrap))
		require.NoError(t, err)
	} else {
		require.NoError(t, os.MkdirAll(strings.Split(strings.SplitAfter(url, "://")[1], "?")[0], 0o700))
		var err error
		d, err = drivers.Open(url, drivers.Options{Wrap: wrap})
		require.NoError(t, err)
	}
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.DoSetup(t.Context()))
	require.NoError(t, d.CheckForSetupError(t.Context()))
	return d
}

func tapeConfig(path string, wrap func(objectstore.Store) objectstore.Store) tape.Config {
	c := tape.Config{Path: path, ObjectSize: objectSize, BlockSize: blockSize, Compression: "zlib", Append: wrap != nil}
	c.Wrap = wrap
	return c
}

// aChain writes three backups to a store, a full one and two increments.
func aChain(t *testing.T, d driverstate.Driver) {
	t.Helper()
	aChainOf(t, d, "", "p")
}

// aChainOf writes them as those of a project, the volume being that of owner.
func aChainOf(t *testing.T, d driverstate.Driver, project, owner string) {
	t.Helper()
	var parent *driverstate.Backup
	for i, image := range images() {
		name := fmt.Sprintf("backup %d ☃", i)
		created := time.Date(2026, 11, 21, 5, 54, i, 946478000, time.UTC)
		b := &driverstate.Backup{ID: ids()[i], VolumeID: volumeID, Name: &name, Size: 1, CreatedAt: created, ProjectID: project}
		if parent != nil {
			b.ParentID = parent.ID
		}
		var err error
		b.Container, b.ServiceMetadata, err = d.Place(b, parent, created.Add(time.Minute))
		require.NoError(t, err)
		_, err = d.Backup(t.Context(), b, parent, volume{bytes.NewReader(image), owner}, nil)
		require.NoError(t, err)
		parent = b
	}
}

// lineOf is the chain of a backup as a store has it.
func lineOf(t *testing.T, d driverstate.Driver, id string) []driverstate.ShipItem {
	t.Helper()
	return lineIn(t, d, id, "")
}

// lineIn is the chain of a backup whose row is that of a project.
func lineIn(t *testing.T, d driverstate.Driver, id, project string) []driverstate.ShipItem {
	t.Helper()
	var line []driverstate.ShipItem
	for id != "" {
		f, err := d.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: id, ProjectID: project})
		require.NoError(t, err)
		row := f.Backup
		row.ProjectID = cmp.Or(project, row.ProjectID)
		row.Metadata, row.EncryptionKeyID = map[string]string{"kept": "yes"}, "99999999-8888-7777-6666-555555555555"
		line = append([]driverstate.ShipItem{{At: f.Backup, Row: row}}, line...)
		id = f.Backup.ParentID
	}
	return line
}

func chainOf(line []driverstate.ShipItem) driverstate.Chain {
	var c driverstate.Chain
	for i := range line {
		c = append(c, &line[i].At)
	}
	return c
}

// requireImages restores the backups of a store, and proves their data.
func requireImages(t *testing.T, d driverstate.Driver) {
	t.Helper()
	for i, want := range images() {
		chain := chainOf(lineOf(t, d, ids()[i]))
		var got disk
		_, err := d.Restore(t.Context(), chain, &got, driverstate.RestoreOptions{}, nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got.image), "backup %d", i)
		report, err := d.(driverstate.Verifier).Verify(t.Context(), chain, driverstate.DepthData, nil)
		require.NoError(t, err)
		require.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
		require.Empty(t, report.Warnings)
		require.Equal(t, "sha256", report.Method)
	}
}

func shipping(t *testing.T, from driverstate.Driver, url string, r driverstate.ShipRequest) *ship.Job {
	t.Helper()
	l := ship.NewLanding(r.Verify)
	return &ship.Job{Source: from, Target: open(t, url, l.Wrap), Landing: l, Request: r, Observer: driverstate.Discard}
}

func TestAChainIsShippedFromStoreToStore(t *testing.T) {
	dir := t.TempDir()
	at := open(t, posixURL(filepath.Join(dir, "first")), nil)
	aChain(t, at)
	origin := at
	for _, verify := range []driverstate.ShipVerify{driverstate.ShipVerifyListed, driverstate.ShipVerifyFull} {
		for i, url := range []string{
			objectsURL(filepath.Join(dir, string(verify)+"swift"), "swift"),
			"file://" + filepath.Join(dir, string(verify)+"x.cbk"),
			objectsURL(filepath.Join(dir, string(verify)+"s3"), "s3"),
			posixURL(filepath.Join(dir, string(verify)+"last")),
		} {
			job := shipping(t, at, url, driverstate.ShipRequest{Chain: true, Verify: verify})
			out, err := job.Ship(t.Context(), lineOf(t, at, ids()[2]))
			require.NoError(t, err, url)
			require.Len(t, out.Landed, 3)
			require.Empty(t, out.Warnings)
			for k, landed := range out.Landed {
				r, err := driverstate.DecodeRecord(landed.Record)
				require.NoError(t, err)
				assert.Equal(t, ids()[k], r.Backup.ID)
				assert.Equal(t, job.Target.Service(), landed.Record.BackupService)
				assert.Equal(t, []string{landed.Container, landed.ServiceMetadata}, []string{r.Backup.Container, r.Backup.ServiceMetadata})
				assert.Equal(t, landed.Objects, r.Backup.ObjectCount)
				assert.Equal(t, map[string]string{"kept": "yes"}, r.Backup.Metadata)
				assert.Equal(t, "99999999-8888-7777-6666-555555555555", r.Backup.EncryptionKeyID)
				assert.Equal(t, driverstate.StatusAvailable, r.Backup.Status)
				assert.False(t, r.Backup.DataTimestamp.IsZero())
				assert.Contains(t, landed.ServiceMetadata, "20261121055", "the start of the copy is kept")
			}
			require.NoError(t, job.Target.Close())
			at = open(t, url, nil)
			requireImages(t, at)
			again := shipping(t, origin, url, driverstate.ShipRequest{Chain: true, Verify: verify})
			out, err = again.Ship(t.Context(), lineOf(t, origin, ids()[2]))
			require.NoError(t, err)
			for k, landed := range out.Landed {
				assert.True(t, landed.There, "stop %d, backup %d", i, k)
				assert.Zero(t, landed.Bytes)
			}
			require.NoError(t, again.Target.Close())
		}
	}
	// At the end of the road the files are those of the beginning.
	first, last := filesOf(t, filepath.Join(dir, "first")), filesOf(t, filepath.Join(dir, "fulllast"))
	assert.Equal(t, first, last)
}

// filesOf are the contents of all files below a directory.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(b)
		return err
	}))
	return files
}

func TestABackupWithoutItsParentIsRefused(t *testing.T) {
	dir := t.TempDir()
	from := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChain(t, from)
	to := objectsURL(filepath.Join(dir, "b"), "swift")
	line := lineOf(t, from, ids()[1])
	_, err := shipping(t, from, to, driverstate.ShipRequest{}).Ship(t.Context(), line)
	require.ErrorIs(t, err, driverstate.ErrInvalidStatus)
	assert.ErrorContains(t, err, "backup "+ids()[1]+": it stands on "+ids()[0]+", which is not at the target: ship the chain, or flatten it")
	assert.Empty(t, filesOf(t, filepath.Join(dir, "b")))
	_, err = shipping(t, from, to, driverstate.ShipRequest{}).Ship(t.Context(), lineOf(t, from, ids()[0]))
	require.NoError(t, err)
	out, err := shipping(t, from, to, driverstate.ShipRequest{}).Ship(t.Context(), line)
	require.NoError(t, err)
	assert.Len(t, out.Landed, 1, "the parent is there now")
}

func TestAFlattenedChainIsOneFullBackup(t *testing.T) {
	dir := t.TempDir()
	from := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChain(t, from)
	for _, to := range []string{objectsURL(filepath.Join(dir, "b"), "swift"), "file://" + filepath.Join(dir, "x.cbk")} {
		for _, compression := range []string{"zlib", "none"} {
			url := to
			if strings.HasPrefix(url, "objects") {
				url += "&compression=" + compression
			}
			_ = os.RemoveAll(filepath.Join(dir, "b"))
			_ = os.RemoveAll(filepath.Join(dir, "x.cbk"))
			job := shipping(t, from, url, driverstate.ShipRequest{Flatten: true, Compression: compression, Verify: driverstate.ShipVerifyFull})
			out, err := job.Ship(t.Context(), lineOf(t, from, ids()[2]))
			require.NoError(t, err)
			require.Len(t, out.Landed, 1)
			require.NoError(t, job.Target.Close())
			there := open(t, url, nil)
			line := lineOf(t, there, ids()[2])
			require.Len(t, line, 1, "it stands on nothing")
			var got disk
			_, err = there.Restore(t.Context(), chainOf(line), &got, driverstate.RestoreOptions{}, nil)
			require.NoError(t, err)
			require.True(t, bytes.Equal(images()[2], got.image))
			assert.Equal(t, "backup 2 ☃", *line[0].At.Name)
			assert.Equal(t, "p", line[0].At.ProjectID, "the volume's metadata came along")
			assert.Equal(t, 6, line[0].At.ObjectCount)
			r, err := driverstate.DecodeRecord(out.Landed[0].Record)
			require.NoError(t, err)
			assert.Empty(t, r.Backup.ParentID)
			assert.Equal(t, 6, r.Backup.ObjectCount)
			// An increment of the original can follow it.
			same, err := ship.Compare(t.Context(), from, there, driverstate.DepthData, driverstate.Discard)
			require.NoError(t, err)
			assert.Equal(t, 1, same.Equal)
			assert.Len(t, same.Differences, 2)
		}
	}
}

func TestCompressionOfTheCopy(t *testing.T) {
	dir := t.TempDir()
	from := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChain(t, from)
	for _, word := range []string{"none", "bz2", "zstd", "gzip"} {
		url := posixURL(filepath.Join(dir, word))
		out, err := shipping(t, from, url, driverstate.ShipRequest{Chain: true, Compression: word}).Ship(t.Context(), lineOf(t, from, ids()[2]))
		require.NoError(t, err)
		require.Len(t, out.Landed, 3)
		there := open(t, url, nil)
		requireImages(t, there)
		equal, err := ship.Compare(t.Context(), from, there, driverstate.DepthData, driverstate.Discard)
		require.NoError(t, err)
		assert.Equal(t, 3, equal.Equal)
		assert.Empty(t, equal.Differences)
	}
}

// counting counts what is sent, and can fail.
type counting struct {
	objectstore.Store
	mu     sync.Mutex
	puts   []string
	fails  func(name string) error
	stored func() // is told of each that is stored; nil for nobody
}

func (c *counting) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	c.mu.Lock()
	c.puts = append(c.puts, name)
	c.mu.Unlock()
	if c.fails != nil {
		if err := c.fails(name); err != nil {
			return err
		}
	}
	err := c.Store.Put(ctx, container, name, r, size)
	if err == nil && c.stored != nil {
		c.stored()
	}
	return err
}

func TestAnInterruptedShipmentGoesOn(t *testing.T) {
	for _, r := range []driverstate.ShipRequest{{Chain: true}, {Flatten: true}} {
		dir := t.TempDir()
		from := open(t, posixURL(filepath.Join(dir, "a")), nil)
		aChain(t, from)
		c := &counting{}
		target := func() (*ship.Job, *counting) {
			l := ship.NewLanding("")
			c := &counting{fails: c.fails, stored: c.stored}
			d := open(t, objectsURL(filepath.Join(dir, "b"), "s3"), func(s objectstore.Store) objectstore.Store {
				c.Store = s
				return l.Wrap(c)
			})
			return &ship.Job{Source: from, Target: d, Landing: l, Request: r, Observer: driverstate.Discard}, c
		}
		down := errors.New("the line is down")
		some := make(chan struct{})
		c.stored = sync.OnceFunc(func() { close(some) })
		c.fails = func(name string) error {
			if strings.HasSuffix(name, "-00004") {
				<-some // one that was begun before it ends
				return down
			}
			return nil
		}
		job, _ := target()
		_, err := job.Ship(t.Context(), lineOf(t, from, ids()[2]))
		require.ErrorIs(t, err, down)
		for name := range filesOf(t, filepath.Join(dir, "b")) {
			assert.NotContains(t, name, "_metadata", "it is no backup yet")
		}
		before := len(filesOf(t, filepath.Join(dir, "b")))
		require.Positive(t, before)
		// A stray of an earlier try with other objects.
		var prefix string
		for name := range filesOf(t, filepath.Join(dir, "b")) {
			prefix = name[:len(name)-len("-00001")]
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "b")+prefix+"-00099", []byte("stray"), 0o600))
		c.fails = nil
		job, puts := target()
		out, err := job.Ship(t.Context(), lineOf(t, from, ids()[2]))
		require.NoError(t, err)
		assert.Equal(t, before, out.Landed[0].Kept)
		total := 0
		for _, landed := range out.Landed {
			total += landed.Objects + 2
		}
		assert.Len(t, puts.puts, total-before, "what was there is not sent again")
		assert.NoFileExists(t, filepath.Join(dir, "b")+prefix+"-00099")
		if r.Chain {
			requireImages(t, job.Target)
		}
	}
}

func TestWhatArrivesDamagedIsFound(t *testing.T) {
	dir := t.TempDir()
	from := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChain(t, from)
	l := ship.NewLanding("")
	to := open(t, posixURL(filepath.Join(dir, "b")), func(s objectstore.Store) objectstore.Store { return l.Wrap(&garbling{Store: s}) })
	job := &ship.Job{Source: from, Target: to, Landing: l, Observer: driverstate.Discard}
	_, err := job.Ship(t.Context(), lineOf(t, from, ids()[0]))
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	assert.ErrorContains(t, err, "-00002 is not at the target as it was sent")
	for name := range filesOf(t, filepath.Join(dir, "b")) {
		assert.NotContains(t, name, "_metadata")
	}
}

// garbling changes a byte of an object on its way.
type garbling struct{ objectstore.Store }

func (g *garbling) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	if strings.HasSuffix(name, "-00002") {
		b := make([]byte, size)
		if _, err := r.Read(b); err != nil {
			return err
		}
		b[7] ^= 1
		r = bytes.NewReader(b)
	}
	return g.Store.Put(ctx, container, name, r, size)
}

func TestADamagedOriginalIsNotShipped(t *testing.T) {
	for _, r := range []driverstate.ShipRequest{{}, {Flatten: true}, {Compression: "zstd"}} {
		dir := t.TempDir()
		from := open(t, posixURL(filepath.Join(dir, "a")), nil)
		aChain(t, from)
		line := lineOf(t, from, ids()[0])
		path := filepath.Join(dir, "a", line[0].At.Container, line[0].At.ServiceMetadata+"-00002")
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		b[len(b)/2] ^= 1
		require.NoError(t, os.WriteFile(path, b, 0o600))
		_, err = shipping(t, from, posixURL(filepath.Join(dir, "b")), r).Ship(t.Context(), line)
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		assert.ErrorContains(t, err, "-00002")
		for name := range filesOf(t, filepath.Join(dir, "b")) {
			assert.False(t, strings.HasSuffix(name, "-00002") || strings.HasSuffix(name, "_metadata"), name)
		}
	}
}

func TestCompareSaysHowStoresDiffer(t *testing.T) {
	dir := t.TempDir()
	a := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChain(t, a)
	url := objectsURL(filepath.Join(dir, "b"), "swift")
	_, err := shipping(t, a, url, driverstate.ShipRequest{Chain: true}).Ship(t.Context(), lineOf(t, a, ids()[1]))
	require.NoError(t, err)
	b := open(t, url, nil)
	compare := func(x, y driverstate.Driver, d driverstate.Depth) driverstate.ShipResult {
		out, err := ship.Compare(t.Context(), x, y, d, driverstate.Discard)
		require.NoError(t, err)
		return out
	}
	out := compare(a, b, driverstate.DepthStructure)
	assert.Equal(t, []driverstate.Difference{{BackupID: ids()[2], Store: "second", Reason: "missing"}}, out.Differences)
	assert.Equal(t, []int{2, 2}, []int{out.Compared, out.Equal})
	assert.Equal(t, []driverstate.Difference{{BackupID: ids()[2], Store: "first", Reason: "missing"}}, compare(b, a, driverstate.DepthData).Differences)

	// A flipped byte is found by data only.
	line := lineOf(t, b, ids()[0])
	path := filepath.Join(dir, "b", "box", line[0].At.ServiceMetadata+"-00001")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	raw[len(raw)/2] ^= 1
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	assert.Len(t, compare(a, b, driverstate.DepthStructure).Differences, 1)
	out = compare(a, b, driverstate.DepthData)
	require.Len(t, out.Differences, 3)
	assert.Equal(t, "second", out.Differences[0].Store)
	assert.Contains(t, out.Differences[0].Reason, "damaged: object")
	assert.Zero(t, out.Equal)
}
