// Package drivertest is the contract of a backup driver as tests: one case per
// sentence of driverstate.Driver's comments. Every driver runs it on its real
// server. Only tests import it.
package drivertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// Settings are how a driver is opened. Zero fields are the suite's own
// defaults: 64 KiB objects of 4 KiB blocks, zlib.
type Settings struct {
	Compression           chunked.Compression
	ObjectSize, BlockSize int64
	ReadOnly              bool
	Workers               int
}

// Store is one store, empty when the harness returns it, on which drivers are
// opened and whose objects can be damaged behind their back.
type Store interface {
	Open(t *testing.T, s Settings) driverstate.Driver
	// Names are the objects of container, sorted; none if it is not there.
	Names(t *testing.T, container string) []string
	Read(t *testing.T, container, name string) []byte
	Write(t *testing.T, container, name string, content []byte)
	Remove(t *testing.T, container, name string)
}

// Harness makes stores of the kind under test.
type Harness struct {
	New func(t *testing.T) Store
}

// Run runs every case on a store of its own.
func Run(t *testing.T, h Harness) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, &lab{store: h.New(t), chunked: true}) })
	}
}

// RunImages runs the cases that hold for a driver that keeps a backup as one
// image, not in chunks, and names the others with the reason.
func RunImages(t *testing.T, h Harness) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.chunksOnly != "" {
				t.Skip("does not apply to images: " + c.chunksOnly)
			}
			c.run(t, &lab{store: h.New(t)})
		})
	}
}

// Why a case is of the chunked format alone.
const (
	noCodecs  = "they are not compressed"
	noObjects = "they have no objects that could be lost or changed one by one; what the cluster cannot read it does not give"
	noHashes  = "they have no hashes; a difference is made to the parent's own bytes"
	noParents = "a backup is read alone, whatever its parent is"
)

var cases = []struct {
	name       string
	run        func(*testing.T, *lab)
	chunksOnly string
}{
	{"a backup of any size restores to equal bytes", sizes, ""},
	{"every codec restores to equal bytes", codecs, noCodecs},
	{"codecs may be mixed in one chain", mixedCodecs, noCodecs},
	{"what cannot be compressed is stored plain", incompressible, noCodecs},
	{"an increment holds what changed and no more", incrementExtents, noObjects},
	{"an increment may hold nothing", emptyIncrement, ""},
	{"zeros of an increment win over older data on every target", zerosWin, ""},
	{"a chain of layers with other object sizes restores", otherObjectSizes, noObjects},
	{"a volume that shrank restores to its own length", shrunk, ""},
	{"an increment with another block size is refused", otherBlockSize, noHashes},
	{"an increment of a volume that grew is refused", grown, "an increment resizes the image"},
	{"a parent without a hash list is refused", noParentHashes, noHashes},
	{"a restore reads only objects that own surviving bytes", onlySurvivors, noParents},
	{"a flipped byte is damage, and no wrong byte is written", flippedByte, noObjects},
	{"a truncated object is damage", truncatedObject, noObjects},
	{"an object with a tail is damage", tailedObject, noObjects},
	{"a missing object is damage", missingObject, noObjects},
	{"swapped objects are damage", swappedObjects, noObjects},
	{"every problem is reported", everyProblem, noObjects},
	{"a missing metadata document is no backup", missingMetadata, "the snapshot is the backup; its metadata object is of the volume"},
	{"a foreign metadata document is refused", foreignMetadata, "the snapshot is the backup; its metadata object is of the volume"},
	{"a missing hash list leaves md5 as the proof", missingHashes, noHashes},
	{"an md5 of the stored bytes is accepted", storedMD5, noHashes},
	{"damage without a hash list is found before a byte is written", damageWithoutHashes, noHashes},
	{"a stray object does not stop a restore", strayObject, noObjects},
	{"a chain that does not fit together is refused", wrongChain, ""},
	{"a target that is too small is refused untouched", smallTarget, ""},
	{"progress only grows and ends complete", progress, ""},
	{"a backup that is cancelled is no backup", cancelledBackup, ""},
	{"a restore that is cancelled ends", cancelledRestore, ""},
	{"a target that fails ends the restore with its error", failingTarget, ""},
	{"a backup is deleted whole and its neighbour stays", deleteOne, ""},
	{"delete refuses a prefix that is empty or not its own", deleteForged, ""},
	{"a store that is opened read-only refuses every write", readOnly, ""},
}

const (
	objectSize = 64 << 10
	blockSize  = 4 << 10
	volumeID   = "11111111-2222-3333-4444-555555555555"
)

// lab is a store with the backups that a case makes on it.
type lab struct {
	store   Store
	chunked bool
	made    int
}

func (l *lab) open(t *testing.T, s Settings) driverstate.Driver {
	t.Helper()
	if s.ObjectSize == 0 {
		s.ObjectSize = objectSize
	}
	if s.BlockSize == 0 {
		s.BlockSize = blockSize
	}
	if s.Compression == "" {
		s.Compression = chunked.CompressionZlib
	}
	d := l.store.Open(t, s)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	require.NoError(t, d.DoSetup(t.Context()))
	return d
}

// row is a backup that is placed and not yet written.
func (l *lab) row(t *testing.T, d driverstate.Driver, parent *driverstate.Backup) *driverstate.Backup {
	t.Helper()
	l.made++
	created := time.Date(2026, 11, 21, 5, 54, l.made, 946478000, time.UTC)
	name := fmt.Sprintf("backup %d ☃", l.made)
	b := &driverstate.Backup{
		ID:       fmt.Sprintf("%08d-aaaa-bbbb-cccc-dddddddddddd", l.made),
		VolumeID: volumeID, Name: &name, Size: 1, CreatedAt: created,
		Status: driverstate.StatusCreating, Service: d.Service(),
	}
	if parent != nil {
		b.ParentID = parent.ID
	}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, parent, created)
	require.NoError(t, err)
	return b
}

// backup writes image as a backup on parent, which may be nil.
func (l *lab) backup(t *testing.T, d driverstate.Driver, parent *driverstate.Backup, image []byte) *driverstate.Backup {
	t.Helper()
	b := l.row(t, d, parent)
	stored, err := d.Backup(t.Context(), b, parent, &source{image: image}, nil)
	require.NoError(t, err)
	l.requireChunks(t, b, stored.ObjectCount)
	if !l.chunked {
		assert.Zero(t, stored.ObjectCount)
	}
	b.ObjectCount, b.Status = stored.ObjectCount, driverstate.StatusAvailable
	return b
}

// chunks are the names of b's chunks in order.
func (l *lab) chunks(t *testing.T, b *driverstate.Backup) []string {
	t.Helper()
	var names []string
	for _, name := range l.store.Names(t, b.Container) {
		if strings.HasPrefix(name, b.ServiceMetadata+"-") {
			names = append(names, name)
		}
	}
	return names
}

// requireChunks checks how many chunks b has; images have none.
func (l *lab) requireChunks(t *testing.T, b *driverstate.Backup, n int) {
	t.Helper()
	if l.chunked {
		assert.Len(t, l.chunks(t, b), n)
	}
}

// requireNothing checks that no name on the store is of b.
func (l *lab) requireNothing(t *testing.T, b *driverstate.Backup) {
	t.Helper()
	for _, name := range l.store.Names(t, b.Container) {
		assert.NotContains(t, name, b.ID)
	}
}

// few are the first n of sizes for images, where each backup and restore runs
// a handful of programs and the edges of chunks are no edges.
func (l *lab) few(sizes []int, n int) []int {
	if l.chunked {
		return sizes
	}
	return sizes[:n]
}

// codecs are those that make a difference.
func (l *lab) codecs() []chunked.Compression {
	if l.chunked {
		return allCodecs
	}
	return allCodecs[:1]
}

// workers are how many a driver shall have, one after the other.
func (l *lab) workers() []int {
	if l.chunked {
		return []int{1, 4}
	}
	return []int{4}
}

// requireRestores restores the chain to every kind of target and verifies it.
func requireRestores(t *testing.T, d driverstate.Driver, c driverstate.Chain, image []byte) driverstate.Restored {
	t.Helper()
	var done driverstate.Restored
	for name, target := range targets(len(image)) {
		var err error
		done, err = d.Restore(t.Context(), c, target, driverstate.RestoreOptions{}, nil)
		require.NoError(t, err, "%s target", name)
		require.Equal(t, int64(len(image)), done.Length, "%s target", name)
		requireSame(t, image, target.image, name+" target")
		assert.True(t, target.synced, "%s target: synced", name)
	}
	report := verify(t, d, c)
	require.Equal(t, driverstate.ConditionWhole, report.Condition, "%s: %+v", report.Reason, report.Problems)
	assert.Empty(t, report.Problems)
	assert.Equal(t, int64(len(image)), report.BytesRead)
	assert.Equal(t, done.Method, report.Method)
	requireImage(t, d, c, image)
	return done
}

func verify(t *testing.T, d driverstate.Driver, c driverstate.Chain) driverstate.Report {
	t.Helper()
	report, err := d.(driverstate.Verifier).Verify(t.Context(), c, driverstate.DepthData, nil)
	require.NoError(t, err)
	return report
}

// requireDamaged checks that a chain is condemned for object, and that no
// restore of it writes a byte that differs from image.
func requireDamaged(t *testing.T, d driverstate.Driver, c driverstate.Chain, image []byte, object string) driverstate.Report {
	t.Helper()
	for name, target := range targets(len(image)) {
		_, err := d.Restore(t.Context(), c, target, driverstate.RestoreOptions{}, nil)
		require.ErrorIs(t, err, driverstate.ErrCorrupt, "%s target", name)
		assert.ErrorContains(t, err, c.Tip().ID, "%s target", name)
		for _, r := range target.ranges {
			requireSame(t, image[r[0]:r[1]], target.image[r[0]:r[1]], name+" target: what was written")
		}
	}
	report := verify(t, d, c)
	require.Equal(t, driverstate.ConditionDamaged, report.Condition)
	assert.NotEmpty(t, report.Reason)
	var objects []string
	for _, p := range report.Problems {
		objects = append(objects, p.Object)
	}
	assert.Contains(t, objects, object)
	requireDamagedImage(t, d, c, image, report.Problems)
	return report
}

func requireSame(t *testing.T, want, got []byte, what string) {
	t.Helper()
	require.Equal(t, len(want), len(got), what)
	for i := range want {
		if want[i] != got[i] {
			require.FailNow(t, "bytes differ", "%s: from byte %d on", what, i)
		}
	}
}

// cancelAfter returns a context that ends when its function was called n times.
func cancelAfter(t *testing.T, n int64) (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, countdown(n, cancel)
}
