package tape

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// shipped is a tape that shipments, each of which opens it, put the objects on.
func shipped(t *testing.T, path string, shipments ...[]string) []byte {
	t.Helper()
	for _, names := range shipments {
		d := newTape(t, Config{Path: path, Append: true})
		for _, name := range names {
			require.NoError(t, put(t, d, name, "content of "+name))
		}
		require.NoError(t, d.Finish(t.Context()))
		require.NoError(t, d.Close())
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// Each backup of backup-ship --all is a shipment of its own.
func TestATapeOfManyShipmentsGrowsAsWhatIsOnIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	size, n := map[int]int{}, 0
	for _, total := range []int{32, 64} {
		var some [][]string
		for ; n < total; n++ {
			some = append(some, []string{nameOf(n)})
		}
		size[total] = len(shipped(t, path, some...))
	}
	assert.Less(t, size[64], 5*size[32]/2)
	d := whole(t, path, 0)
	assert.Len(t, textsOf(t, d.tape, "box"), 64)
	assert.LessOrEqual(t, len(d.tape.c.indexes), 7, "it is found in a few steps")
}

// A kill anywhere in a shipment: what was there before is read, and the next
// shipment's index names it.
func TestAShipmentThatIsKilledLeavesTheTapeAsItWas(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.cbk")
	before := []string{"a", "b", "c", "d", "e"}
	from := len(shipped(t, path, before[:3], before[3:4], before[4:]))
	raw := shipped(t, path, []string{"f"}, []string{"g"})
	for n := from; n <= len(raw); n += 23 {
		c, err := indexed(of(raw[:n]))
		if err != nil {
			require.ErrorIs(t, err, errNoIndex)
			c, err = scan(of(raw[:n]))
			require.NoError(t, err)
		}
		require.Subset(t, slices.Collect(maps.Keys(c.objects["box"])), before, "%d bytes", n)
		if n%5 == 0 {
			cut := filepath.Join(dir, fmt.Sprint(n))
			require.NoError(t, os.WriteFile(cut, raw[:n], 0o600))
			shipped(t, cut, []string{"later"})
			require.Subset(t, slices.Collect(maps.Keys(whole(t, cut, 0).tape.c.objects["box"])), append(before, "later"))
		}
	}
}

// Bytes all over a tape of several shipments, flipped: an index that is used
// tells what is there.
func TestAnIndexIsSoundOrNotUsed(t *testing.T) {
	raw := shipped(t, filepath.Join(t.TempDir(), "x.cbk"), []string{"a", "b", "c", "d"}, []string{"e"}, []string{"a"})
	want, err := indexed(of(raw))
	require.NoError(t, err)
	require.Len(t, want.indexes, 2)
	unused := 0
	for n := 0; n < len(raw); n += 9 {
		bad := bytes.Clone(raw)
		bad[n] ^= 0x10
		c, err := indexed(of(bad))
		if err != nil {
			require.ErrorIs(t, err, errNoIndex)
			unused++
			continue
		}
		require.Equal(t, want.objects, c.objects, "byte %d", n)
	}
	assert.Positive(t, unused)
}

// The index names an object whose end is damaged, which a walk misses: no later
// shipment takes that away, nor from who reads the tape meanwhile.
func TestWhatTheIndexAloneKnowsStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	raw := shipped(t, path, []string{"a", "b"})
	at := bytes.Index(raw, []byte(`"md5"`)) // of the end of a
	raw[at] ^= 1
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	slow, err := scan(of(raw))
	require.NoError(t, err)
	require.Nil(t, slow.objects["box"]["a"])
	meanwhile := newTape(t, Config{Path: path})
	require.NoError(t, meanwhile.DoSetup(t.Context()))

	after := shipped(t, path, []string{"c"}, []string{"d"}, []string{"e", "f", "g"})
	assert.True(t, bytes.HasPrefix(after, raw), "what is on a tape is not written again")
	d := newTape(t, Config{Path: path})
	require.NoError(t, d.DoSetup(t.Context()))
	assert.Len(t, textsOf(t, d.tape, "box"), 7)
	assert.Equal(t, map[string]string{"a": "content of a", "b": "content of b"}, textsOf(t, meanwhile.tape, "box"))
}

func TestWhatIsReplacedOrDeletedAfterAnIndexIsSoByTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	shipped(t, path, []string{"a", "b", "c", "d"}, []string{"e"})
	d := newTape(t, Config{Path: path, Append: true})
	require.NoError(t, put(t, d, "a", "replaced"))
	require.NoError(t, d.KeepRecord(t.Context(), aRecord(t)))
	require.NoError(t, d.Finish(t.Context()))
	other := aRecord(t)
	decoded, err := driverstate.DecodeRecord(other)
	require.NoError(t, err)
	decoded.Backup.Size = 2
	other, err = driverstate.EncodeRecord(&decoded.Backup, nil)
	require.NoError(t, err)
	require.NoError(t, d.KeepRecord(t.Context(), other))
	require.NoError(t, d.Finish(t.Context()), "more can be written behind an end")
	require.NoError(t, d.Close())
	again := whole(t, path, 0)
	assert.Equal(t, "replaced", textsOf(t, again.tape, "box")["a"])
	kept, _ := again.KeptRecord(backupID)
	assert.Equal(t, other, kept)

	d = newTape(t, Config{Path: path, Append: true})
	require.NoError(t, d.tape.Delete(t.Context(), "box", "a"))
	require.NoError(t, d.Finish(t.Context()))
	require.NoError(t, d.Close())
	assert.Equal(t, []string{"b", "c", "d", "e"}, slices.Sorted(maps.Keys(whole(t, path, 0).tape.c.objects["box"])), "nor the a before it")
}

func TestTheIndexesOfATapeOfVolumes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	large := strings.Repeat("x", 1<<20)
	want := map[string]string{}
	for i := range 5 {
		d := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
		require.NoError(t, put(t, d, nameOf(i), large))
		require.NoError(t, d.Finish(t.Context()))
		require.NoError(t, d.Close())
		want[nameOf(i)] = large
	}
	require.FileExists(t, path+".004")
	assert.True(t, maps.Equal(want, textsOf(t, whole(t, path, 0).tape, "box")))
}

// What an index adds to lies before it.
func TestAnIndexThatAddsToItselfIsNotUsed(t *testing.T) {
	raw := shipped(t, filepath.Join(t.TempDir(), "x.cbk"), []string{"a", "b"}, []string{"c"})
	where := len(raw) - finalSize
	h, err := parseHeader(raw[where:])
	require.NoError(t, err)
	good, _, ok := strings.Cut(string(raw[where+headerSize:]), `,"before":`)
	require.True(t, ok)
	index := regexp.MustCompile(`"index":{"volume":1,"offset":\d+}`)
	require.Regexp(t, index, good)
	for _, text := range []string{
		good,
		index.ReplaceAllString(good, fmt.Sprintf(`"index":{"volume":1,"offset":%d}`, where+8)), // behind itself
	} {
		text += fmt.Sprintf(`,"before":{"volume":1,"offset":%d}}`, where)
		text += strings.Repeat(" ", h.length-len(text))
		h.payload = crc32.Checksum([]byte(text), castagnoli)
		raw = append(h.append(raw[:where]), text...)
		_, err = indexed(of(raw))
		require.ErrorIs(t, err, errNoIndex)
	}
}
