package drivertest

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// edit changes the stored bytes of an object.
func (l *lab) edit(t *testing.T, b *driverstate.Backup, name string, change func([]byte) []byte) {
	t.Helper()
	l.store.Write(t, b.Container, name, change(bytes.Clone(l.store.Read(t, b.Container, name))))
}

func flip(content []byte) []byte {
	content[len(content)/2] ^= 0x10
	return content
}

func flippedByte(t *testing.T, l *lab) {
	for _, c := range allCodecs {
		d := l.open(t, Settings{Compression: c})
		image := mixed(4*objectSize, 21)
		b := l.backup(t, d, nil, image)
		object := l.chunks(t, b)[2]
		l.edit(t, b, object, flip)
		report := requireDamaged(t, d, driverstate.Chain{b}, image, object)
		for _, p := range report.Problems {
			assert.Equal(t, b.ID, p.BackupID)
			assert.NotEmpty(t, p.Reason)
			assert.GreaterOrEqual(t, p.Offset, int64(2*objectSize), "%s: %+v", c, p)
			assert.LessOrEqual(t, p.Offset+p.Length, int64(3*objectSize), "%s: %+v", c, p)
		}
	}
}

func truncatedObject(t *testing.T, l *lab) {
	for _, c := range allCodecs {
		d := l.open(t, Settings{Compression: c})
		image := text(3*objectSize, 1)
		for _, keep := range []func(n int) int{
			func(int) int { return 0 },
			func(n int) int { return n / 2 },
			func(n int) int { return n - 1 },
		} {
			b := l.backup(t, d, nil, image)
			object := l.chunks(t, b)[1]
			l.edit(t, b, object, func(content []byte) []byte { return content[:keep(len(content))] })
			requireDamaged(t, d, driverstate.Chain{b}, image, object)
		}
	}
}

func tailedObject(t *testing.T, l *lab) {
	for _, c := range allCodecs {
		d := l.open(t, Settings{Compression: c})
		image := text(3*objectSize, 1)
		b := l.backup(t, d, nil, image)
		object := l.chunks(t, b)[1]
		l.edit(t, b, object, func(content []byte) []byte { return append(content, "tail"...) })
		requireDamaged(t, d, driverstate.Chain{b}, image, object)
	}
}

func missingObject(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := text(3*objectSize, 1)
	full := l.backup(t, d, nil, image)
	image = changed(image, 0, []byte("changed"))
	inc := l.backup(t, d, full, image)
	object := l.chunks(t, full)[1]
	l.store.Remove(t, full.Container, object)
	report := requireDamaged(t, d, driverstate.Chain{full, inc}, image, object)
	require.Len(t, report.Problems, 1)
	want := driverstate.Problem{BackupID: full.ID, Object: object, Reason: "missing", Offset: objectSize, Length: objectSize}
	assert.Equal(t, want, report.Problems[0])

	dirty := &target{image: []byte("untouched")}
	_, err := d.Restore(t.Context(), driverstate.Chain{full, inc}, dirty, driverstate.RestoreOptions{}, nil)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	assert.False(t, dirty.begun, "what a listing shows is found before the target is touched")
}

func swappedObjects(t *testing.T, l *lab) {
	d := l.open(t, Settings{Compression: chunked.CompressionNone})
	image := random(4*objectSize, 1)
	b := l.backup(t, d, nil, image)
	names := l.chunks(t, b)
	first, last := l.store.Read(t, b.Container, names[0]), l.store.Read(t, b.Container, names[3])
	l.store.Write(t, b.Container, names[0], last)
	l.store.Write(t, b.Container, names[3], first)
	report := requireDamaged(t, d, driverstate.Chain{b}, image, names[0])
	assert.Equal(t, []driverstate.Problem{
		{BackupID: b.ID, Object: names[0], Reason: report.Problems[0].Reason, Offset: 0, Length: objectSize},
		{BackupID: b.ID, Object: names[3], Reason: report.Problems[0].Reason, Offset: 3 * objectSize, Length: objectSize},
	}, report.Problems)
}

func everyProblem(t *testing.T, l *lab) {
	for _, workers := range []int{1, 4} {
		d := l.open(t, Settings{Compression: chunked.CompressionNone, Workers: workers})
		image := random(8*objectSize, 1)
		b := l.backup(t, d, nil, image)
		names := l.chunks(t, b)
		l.store.Remove(t, b.Container, names[6])
		l.edit(t, b, names[1], func(content []byte) []byte {
			content[0] ^= 1
			content[blockSize] ^= 1
			content[9*blockSize] ^= 1
			return content
		})
		report := requireDamaged(t, d, driverstate.Chain{b}, image, names[1])
		got := map[[2]int64]string{}
		for _, p := range report.Problems {
			got[[2]int64{p.Offset, p.Length}] = p.Object
		}
		assert.Equal(t, map[[2]int64]string{
			{objectSize, 2 * blockSize}:           names[1],
			{objectSize + 9*blockSize, blockSize}: names[1],
			{6 * objectSize, objectSize}:          names[6],
		}, got)
		assert.EqualValues(t, 7*objectSize-3*blockSize, report.BytesRead, "all the rest was proven")
	}
}

func missingMetadata(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(objectSize, 1)
	b := l.backup(t, d, nil, image)
	l.store.Remove(t, b.Container, b.ServiceMetadata+"_metadata")
	untouched := &target{}
	_, err := d.Restore(t.Context(), driverstate.Chain{b}, untouched, driverstate.RestoreOptions{}, nil)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	assert.False(t, untouched.begun)
	assert.Equal(t, driverstate.ConditionPartial, verify(t, d, driverstate.Chain{b}).Condition)
}

func foreignMetadata(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(objectSize, 1)
	one, two := l.backup(t, d, nil, image), l.backup(t, d, nil, image)
	l.store.Write(t, one.Container, one.ServiceMetadata+"_metadata",
		l.store.Read(t, two.Container, two.ServiceMetadata+"_metadata"))
	untouched := &target{}
	_, err := d.Restore(t.Context(), driverstate.Chain{one}, untouched, driverstate.RestoreOptions{}, nil)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	assert.False(t, untouched.begun)
}

func missingHashes(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(4*objectSize+77, 1)
	full := l.backup(t, d, nil, image)
	next := changed(image, objectSize+5, text(objectSize, 1))
	inc := l.backup(t, d, full, next)
	l.store.Remove(t, inc.Container, inc.ServiceMetadata+"_sha256file")
	requireRestores(t, d, driverstate.Chain{full, inc}, next)

	l.store.Remove(t, full.Container, full.ServiceMetadata+"_sha256file")
	done := requireRestores(t, d, driverstate.Chain{full}, image)
	assert.Equal(t, "md5", done.Method)
	assert.NotEmpty(t, done.Warnings)
	requireRestores(t, d, driverstate.Chain{full, inc}, next)
}

// storedMD5 makes a backup as Kilo wrote it: the md5 is that of the stored
// bytes, and there is no hash list before Kilo.
func storedMD5(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := text(3*objectSize, 1)
	b := l.backup(t, d, nil, image)
	for i, object := range l.chunks(t, b) {
		plain := md5.Sum(image[i*objectSize : (i+1)*objectSize])
		stored := md5.Sum(l.store.Read(t, b.Container, object))
		l.edit(t, b, b.ServiceMetadata+"_metadata", func(document []byte) []byte {
			return bytes.Replace(document, []byte(hex.EncodeToString(plain[:])), []byte(hex.EncodeToString(stored[:])), 1)
		})
	}
	assert.Equal(t, "sha256", requireRestores(t, d, driverstate.Chain{b}, image).Method)
	l.store.Remove(t, b.Container, b.ServiceMetadata+"_sha256file")
	assert.Equal(t, "md5-stored", requireRestores(t, d, driverstate.Chain{b}, image).Method)
}

func damageWithoutHashes(t *testing.T, l *lab) {
	for _, c := range allCodecs {
		d := l.open(t, Settings{Compression: c})
		image := text(3*objectSize, 1)
		b := l.backup(t, d, nil, image)
		l.store.Remove(t, b.Container, b.ServiceMetadata+"_sha256file")
		object := l.chunks(t, b)[1]
		l.edit(t, b, object, flip)
		requireDamaged(t, d, driverstate.Chain{b}, image, object)
	}
}
