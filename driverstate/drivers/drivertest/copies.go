package drivertest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

var allCodecs = []chunked.Compression{
	chunked.CompressionNone, chunked.CompressionZlib, chunked.CompressionBz2, chunked.CompressionZstd,
}

func sizes(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	for _, n := range l.few([]int{
		0, objectSize - 1, 5*objectSize + 1, 1, blockSize - 1, blockSize, blockSize + 1,
		objectSize, objectSize + 1, 5*objectSize - 1, 5 * objectSize,
	}, 3) {
		image := mixed(n, uint64(n))
		b := l.backup(t, d, nil, image)
		l.requireChunks(t, b, (n+objectSize-1)/objectSize)
		requireRestores(t, d, driverstate.Chain{b}, image)
	}
}

func codecs(t *testing.T, l *lab) {
	for _, c := range allCodecs {
		for _, workers := range []int{1, 4} {
			d := l.open(t, Settings{Compression: c, Workers: workers})
			image := mixed(9*objectSize+1234, 7)
			b := l.backup(t, d, nil, image)
			done := requireRestores(t, d, driverstate.Chain{b}, image)
			assert.Equal(t, "sha256", done.Method, "%s", c)
			assert.Equal(t, 10, done.ObjectsRead, "%s", c)
		}
	}
}

func mixedCodecs(t *testing.T, l *lab) {
	image := mixed(6*objectSize, 11)
	var chain driverstate.Chain
	for i, c := range allCodecs {
		d := l.open(t, Settings{Compression: c})
		image = changed(image, i*objectSize+100, text(objectSize, uint64(i)))
		chain = append(chain, l.backup(t, d, chain.Tip(), image))
	}
	requireRestores(t, l.open(t, Settings{}), chain, image)
}

func incompressible(t *testing.T, l *lab) {
	image := random(objectSize+100, 3)
	for _, c := range allCodecs {
		b := l.backup(t, l.open(t, Settings{Compression: c}), nil, image)
		names := l.chunks(t, b)
		require.Len(t, names, 2)
		assert.Equal(t, image[:objectSize], l.store.Read(t, b.Container, names[0]), "%s", c)
		assert.Equal(t, image[objectSize:], l.store.Read(t, b.Container, names[1]), "%s", c)
		requireRestores(t, l.open(t, Settings{}), driverstate.Chain{b}, image)
	}
}

// incrementExtents is what Cinder did with a volume of 236608 bytes that
// changed at byte 40000, 98309 and its last: extents (32768,32768),
// (98304,32768) and the short last block (229376,7232).
func incrementExtents(t *testing.T, l *lab) {
	d := l.open(t, Settings{ObjectSize: 65536, BlockSize: 32768, Compression: chunked.CompressionNone})
	image := random(236608, 5)
	full := l.backup(t, d, nil, image)
	next := changed(image, 40000, []byte{^image[40000]})
	next[98309] ^= 1
	next[len(next)-1] ^= 1
	inc := l.backup(t, d, full, next)
	names := l.chunks(t, inc)
	require.Len(t, names, 3)
	for i, extent := range [][2]int{{32768, 32768}, {98304, 32768}, {229376, 7232}} {
		assert.Equal(t, fmt.Sprintf("%s-%05d", inc.ServiceMetadata, i+1), names[i])
		assert.Equal(t, next[extent[0]:extent[0]+extent[1]], l.store.Read(t, inc.Container, names[i]))
	}
	requireRestores(t, d, driverstate.Chain{full, inc}, next)
}

func emptyIncrement(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(3*objectSize+17, 9)
	full := l.backup(t, d, nil, image)
	same := l.backup(t, d, full, image)
	l.requireChunks(t, same, 0)
	last := changed(image, 5, []byte("changed after all"))
	after := l.backup(t, d, same, last)
	requireRestores(t, d, driverstate.Chain{full, same}, image)
	requireRestores(t, d, driverstate.Chain{full, same, after}, last)
}

func zerosWin(t *testing.T, l *lab) {
	for _, c := range l.codecs() {
		for _, workers := range l.workers() {
			d := l.open(t, Settings{Compression: c, Workers: workers})
			image := text(7*objectSize+99, 1)
			full := l.backup(t, d, nil, image)
			zeroed := changed(image, objectSize/2, make([]byte, 3*objectSize))
			one := l.backup(t, d, full, zeroed)
			final := changed(zeroed, 2*objectSize+5, []byte("not all of it stays zero"))
			clear(final[len(final)-50:])
			two := l.backup(t, d, one, final)
			requireRestores(t, d, driverstate.Chain{full, one}, zeroed)
			requireRestores(t, d, driverstate.Chain{full, one, two}, final)
		}
	}
}

func otherObjectSizes(t *testing.T, l *lab) {
	image := mixed(8*objectSize+321, 13)
	full := l.backup(t, l.open(t, Settings{}), nil, image)
	image = changed(image, objectSize-blockSize, text(3*objectSize, 2))
	big := l.open(t, Settings{ObjectSize: 3 * objectSize, Workers: 3})
	one := l.backup(t, big, full, image)
	image = changed(image, 2*objectSize, text(objectSize, 3))
	two := l.backup(t, l.open(t, Settings{ObjectSize: 5 * blockSize}), one, image)
	for _, workers := range []int{1, 2, 8} {
		requireRestores(t, l.open(t, Settings{Workers: workers}), driverstate.Chain{full, one, two}, image)
	}
}

func shrunk(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	for _, n := range l.few([]int{4*objectSize + blockSize, 5 * objectSize, 5*objectSize + 700, 1, blockSize}, 1) {
		image := text(6*objectSize+10, 4)
		full := l.backup(t, d, nil, image)
		less := changed(image[:n], 0, []byte("!"))
		inc := l.backup(t, d, full, less)
		requireRestores(t, d, driverstate.Chain{full, inc}, less)
		same := l.backup(t, d, inc, less)
		requireRestores(t, d, driverstate.Chain{full, inc, same}, less)
	}
}

func otherBlockSize(t *testing.T, l *lab) {
	image := mixed(objectSize, 1)
	full := l.backup(t, l.open(t, Settings{}), nil, image)
	d := l.open(t, Settings{BlockSize: 2 * blockSize})
	_, err := d.Backup(t.Context(), l.row(t, d, full), full, &source{image: image}, nil)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "Hash block size has changed since the last backup. "+
		"New hash block size: 8192. Old hash block size: 4096. Do a full backup.")
}

func grown(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(objectSize, 1)
	full := l.backup(t, d, nil, image)
	const refusal = "Volume size increased since the last backup. Do a full backup."
	b := l.row(t, d, full)
	_, err := d.Backup(t.Context(), b, full, &source{image: mixed(objectSize+1, 1)}, nil)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, refusal)
	b.Size = full.Size + 1
	_, err = d.Backup(t.Context(), b, full, &source{image: image}, nil)
	assert.ErrorContains(t, err, refusal)
	assert.NotContains(t, fmt.Sprint(l.store.Names(t, b.Container)), b.ID, "nothing was written")
}

func noParentHashes(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(objectSize, 1)
	full := l.backup(t, d, nil, image)
	l.store.Remove(t, full.Container, full.ServiceMetadata+"_sha256file")
	_, err := d.Backup(t.Context(), l.row(t, d, full), full, &source{image: image}, nil)
	require.Error(t, err)
	assert.ErrorContains(t, err, full.ID)
}

func onlySurvivors(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := text(4*objectSize, 1)
	full := l.backup(t, d, nil, image)
	image = changed(image, objectSize, text(2*objectSize, 2))
	inc := l.backup(t, d, full, image)
	done, err := d.Restore(t.Context(), driverstate.Chain{full, inc}, &target{}, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	assert.Equal(t, 4, done.ObjectsRead, "two of the full's four objects and the two of the increment")
	assert.EqualValues(t, len(image), done.BytesWritten)
}

func strayObject(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(3*objectSize, 1)
	b := l.backup(t, d, nil, image)
	stray := b.ServiceMetadata + "-99999"
	l.store.Write(t, b.Container, stray, []byte("late"))
	l.store.Write(t, b.Container, b.ServiceMetadata+"-other", []byte("foreign"))
	done := requireRestores(t, d, driverstate.Chain{b}, image)
	assert.Contains(t, fmt.Sprint(done.Warnings), stray)
	assert.Contains(t, fmt.Sprint(verify(t, d, driverstate.Chain{b}).Warnings), stray)
}

func wrongChain(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(2*objectSize, 1)
	full := l.backup(t, d, nil, image)
	one := l.backup(t, d, full, changed(image, 0, []byte("one")))
	two := l.backup(t, d, one, changed(image, 0, []byte("two")))
	other := l.backup(t, d, nil, image)
	chains := map[string]driverstate.Chain{
		"empty":             {},
		"without the full":  {one},
		"a layer missing":   {full, two},
		"the wrong full":    {other, one},
		"in reverse":        {one, full},
		"a layer too often": {full, one, one},
	}
	if !l.chunked {
		delete(chains, "without the full") // each is read alone
	}
	for name, chain := range chains {
		target := &target{image: []byte("untouched")}
		_, err := d.Restore(t.Context(), chain, target, driverstate.RestoreOptions{}, nil)
		require.Error(t, err, name)
		assert.False(t, target.begun, "%s: the target was touched", name)
	}
}

func smallTarget(t *testing.T, l *lab) {
	d := l.open(t, Settings{})
	image := mixed(2*objectSize+1, 1)
	b := l.backup(t, d, nil, image)
	small := &target{limit: 2 * objectSize}
	_, err := d.Restore(t.Context(), driverstate.Chain{b}, small, driverstate.RestoreOptions{}, nil)
	require.ErrorIs(t, err, driverstate.ErrTooSmall)
	assert.Empty(t, small.ranges)
}
