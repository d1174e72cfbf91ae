package drivertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// Peer is Cinder's own driver on the store that a Store opens ours on.
type Peer struct {
	Class   string            // such as cinder.backup.drivers.s3.S3BackupDriver
	Options map[string]string // of cinder.conf, without codec and sizes
	Context map[string]any    // attributes of the request context
	// SizeOption and BlockOption are the driver's options for the sizes.
	SizeOption, BlockOption string
	// Codecs are those to try; all when empty.
	Codecs []chunked.Compression
	// Imports are what its Python needs besides cinder, such as boto3.
	Imports string
}

// debianPython has the cinder package; another python in PATH may not.
const debianPython = "/usr/bin/python3"

// need skips a test where Cinder's own driver is not installed, and fails it in
// the lane that must have it.
func (p Peer) need(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), debianPython, "-c", "import cinder.backup.drivers, zstd, "+p.Imports).CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" || os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
		require.FailNow(t, "Cinder's own driver is not installed", "%s", out)
	}
	t.Skipf("SKIPPED: Cinder's own driver is not here to check against (Debian packages python3-cinder, python3-zstd and that of %s)", p.Imports)
}

// cinder is a process with Cinder's drivers.
type cinder struct {
	Peer
	requests io.Writer
	answers  *bufio.Scanner
}

// start starts Cinder's drivers, which end with the test.
func (p Peer) start(t *testing.T) *cinder {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.Command(debianPython, filepath.Join(filepath.Dir(here), "..", "..", "..", "testdata", "peer", "driver.py"))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	c := &cinder{Peer: p, requests: in, answers: bufio.NewScanner(out)}
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		assert.NoError(t, cmd.Wait())
	})
	return c
}

// call makes one call of Cinder's driver. The last row is the one it is about;
// what the driver writes into it is written into the backup.
func (p *cinder) call(t *testing.T, s Settings, what, file string, rows ...*driverstate.Backup) {
	t.Helper()
	options := map[string]string{
		"backup_compression_algorithm": string(s.Compression),
		p.SizeOption:                   fmt.Sprint(s.ObjectSize), p.BlockOption: fmt.Sprint(s.BlockSize),
	}
	for name, value := range p.Options {
		options[name] = value
	}
	row := rows[len(rows)-1]
	var given []map[string]any
	for _, b := range rows {
		given = append(given, asRow(b))
	}
	request, err := json.Marshal(map[string]any{
		"driver": p.Class, "options": options, "context": p.Context, "call": what, "rows": given, "id": row.ID, "file": file,
	})
	require.NoError(t, err)
	_, err = p.requests.Write(append(request, '\n'))
	require.NoError(t, err)
	require.True(t, p.answers.Scan(), "Cinder's driver ended: %v", p.answers.Err())
	var answer struct {
		Error           string
		Container       string
		ServiceMetadata string `json:"service_metadata"`
		ObjectCount     int    `json:"object_count"`
	}
	require.NoError(t, json.Unmarshal(p.answers.Bytes(), &answer))
	require.Empty(t, answer.Error, "%s by Cinder", what)
	row.Container, row.ServiceMetadata, row.ObjectCount = answer.Container, answer.ServiceMetadata, answer.ObjectCount
}

func asRow(b *driverstate.Backup) map[string]any {
	row := map[string]any{
		"id": b.ID, "volume_id": b.VolumeID, "size": b.Size, "display_name": b.Name,
		"container": nil, "service_metadata": nil, "parent_id": nil, "object_count": b.ObjectCount,
	}
	for name, value := range map[string]string{"container": b.Container, "service_metadata": b.ServiceMetadata, "parent_id": b.ParentID} {
		if value != "" {
			row[name] = value
		}
	}
	return row
}

// RunPeer proves that ours and Cinder's own driver read, extend and delete what
// the other wrote: full backups and increments, in every codec.
func RunPeer(t *testing.T, h Harness, p Peer) {
	p.need(t)
	c := p.start(t)
	codecs := p.Codecs
	if len(codecs) == 0 {
		codecs = allCodecs
	}
	for _, codec := range codecs {
		t.Run(string(codec), func(t *testing.T) {
			s := Settings{Compression: codec, ObjectSize: peerObject, BlockSize: peerBlock}
			t.Run("what Cinder wrote is read here", func(t *testing.T) { readTheirs(t, &lab{store: h.New(t), chunked: true}, c, s) })
			t.Run("what was written here is read by Cinder", func(t *testing.T) { readOurs(t, &lab{store: h.New(t), chunked: true}, c, s) })
		})
	}
}

const (
	peerObject = 1 << 20
	peerBlock  = 32 << 10
	peerSize   = 3<<20 + 12345 // the last block is short
)

// versions are a volume at three times. The second zeroes and changes parts,
// also the short last block; the third changes one byte.
func versions() [3][]byte {
	first := mixed(peerSize, 77)
	second := changed(first, peerBlock/2, random(3*peerBlock, 5))
	clear(second[1<<20 : 1<<20+5*peerBlock])
	second[peerSize-1] ^= 0xff
	return [3][]byte{first, second, changed(second, 2<<20, []byte{^second[2<<20]})}
}

func readTheirs(t *testing.T, l *lab, p *cinder, s Settings) {
	d := l.open(t, s)
	images := versions()
	var chain driverstate.Chain
	for _, image := range images[:2] {
		b := l.peerRow(chain.Tip(), d.Service())
		p.call(t, s, "backup", l.file(t, image), append(chain, b)...)
		chain = append(chain, b)
	}
	// Ours stands on theirs.
	chain = append(chain, l.backup(t, d, chain.Tip(), images[2]))
	for i, b := range chain {
		found, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
		require.NoError(t, err)
		assert.Equal(t, driverstate.ConditionWhole, found.Condition, found.Reason)
		requireExported(t, b, &found.Backup)
		requireRestores(t, d, chain[:i+1], images[i])
	}
	requireScanned(t, d, chain)
	p.restores(t, l, s, chain, images[2])
	for _, b := range []*driverstate.Backup{chain[2], chain[1], chain[0]} {
		require.NoError(t, d.Delete(t.Context(), b))
	}
	assert.Empty(t, l.store.Names(t, chain[0].Container))
}

func readOurs(t *testing.T, l *lab, p *cinder, s Settings) {
	d := l.open(t, s)
	images := versions()
	full := l.backup(t, d, nil, images[0])
	chain := driverstate.Chain{full, l.backup(t, d, full, images[1])}
	p.restores(t, l, s, chain[:1], images[0])
	p.restores(t, l, s, chain, images[1])
	// Theirs stands on ours.
	b := l.peerRow(chain.Tip(), d.Service())
	p.call(t, s, "backup", l.file(t, images[2]), append(chain, b)...)
	chain = append(chain, b)
	requireRestores(t, d, chain, images[2])
	for _, b := range []*driverstate.Backup{chain[2], chain[1], chain[0]} {
		p.call(t, s, "delete", "", b)
	}
	assert.Empty(t, l.store.Names(t, full.Container))
}

// peerRow is a backup that Cinder is asked to write and to place.
func (l *lab) peerRow(parent *driverstate.Backup, service string) *driverstate.Backup {
	l.made++
	name := "peer"
	b := &driverstate.Backup{
		ID: fmt.Sprintf("%08d-aaaa-bbbb-cccc-eeeeeeeeeeee", l.made), VolumeID: volumeID, Name: &name, Size: 1,
		// As driver.py has it.
		CreatedAt: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Status: driverstate.StatusAvailable, Service: service,
	}
	if parent != nil {
		b.ParentID = parent.ID
	}
	return b
}

func (l *lab) file(t *testing.T, image []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.WriteFile(path, image, 0o600))
	return path
}

func (p *cinder) restores(t *testing.T, l *lab, s Settings, chain driverstate.Chain, image []byte) {
	t.Helper()
	path := l.file(t, nil)
	p.call(t, s, "restore", path, chain...)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	requireSame(t, image, got, "Cinder's restore")
}

// requireExported checks that what the store tells of a backup makes the record
// that its row would.
func requireExported(t *testing.T, row, found *driverstate.Backup) {
	t.Helper()
	for _, f := range []struct{ name, want, got string }{
		{"id", row.ID, found.ID}, {"volume", row.VolumeID, found.VolumeID}, {"parent", row.ParentID, found.ParentID},
		{"container", row.Container, found.Container}, {"prefix", row.ServiceMetadata, found.ServiceMetadata},
		{"service", row.Service, found.Service},
	} {
		assert.Equal(t, f.want, f.got, f.name)
	}
	assert.Equal(t, row.ObjectCount, found.ObjectCount)
	record, err := driverstate.EncodeRecord(found, nil)
	require.NoError(t, err)
	imported, err := driverstate.DecodeRecord(record)
	require.NoError(t, err)
	assert.Equal(t, row.ServiceMetadata, imported.Backup.ServiceMetadata)
}

// requireScanned checks that a scan of the container finds the chain, whole.
func requireScanned(t *testing.T, d driverstate.Driver, chain driverstate.Chain) {
	t.Helper()
	found := map[string]driverstate.Condition{}
	for f, err := range d.(driverstate.Scanner).Scan(t.Context(), chain[0].Container) {
		require.NoError(t, err)
		found[f.Backup.ID] = f.Condition
	}
	want := map[string]driverstate.Condition{}
	for _, b := range chain {
		want[b.ID] = driverstate.ConditionWhole
	}
	assert.Equal(t, want, found)
}
