package tape

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// tapeOf is a tape in memory with objects of one container.
func tapeOf(t *testing.T, container string, objects map[string]string) []byte {
	t.Helper()
	var raw bytes.Buffer
	pipe := NewPipe(&raw, nil, nil)
	d := newTape(t, Config{Out: pipe, Append: true})
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		content := objects[name]
		require.NoError(t, d.tape.Put(t.Context(), container, name, strings.NewReader(content), int64(len(content))))
	}
	require.NoError(t, pipe.Close())
	return raw.Bytes()
}

// textsOf are the contents of all objects of a container.
func textsOf(t *testing.T, s *store, container string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for name, o := range s.c.objects[container] {
		text, err := content1(t, s.media, s.c, o)
		require.NoError(t, err, name)
		texts[name] = text
	}
	return texts
}

func TestTapesOneAfterAnotherAreRead(t *testing.T) {
	first, _ := smallTape(t, filepath.Join(t.TempDir(), "x.cbk"))
	second := tapeOf(t, "other", map[string]string{"a": "second", "b": strings.Repeat("b", 3<<20)})
	third := tapeOf(t, "box", map[string]string{"object-00001": "again"})
	all := slices.Concat(first, second, third)
	path := filepath.Join(t.TempDir(), "all.cbk")
	require.NoError(t, os.WriteFile(path, all, 0o600))
	for _, c := range []Config{{Path: path}, {In: bytes.NewReader(all)}} {
		d := newTape(t, c)
		require.NoError(t, d.DoSetup(t.Context()))
		assert.Empty(t, d.Problems())
		assert.Equal(t, map[string]string{"a": "second", "b": strings.Repeat("b", 3<<20)}, textsOf(t, d.tape, "other"))
		box := textsOf(t, d.tape, "box")
		assert.Equal(t, "again", box[nameOf(0)], "the last of a name counts")
		assert.Equal(t, written()[1:], []string{box[nameOf(1)], box[nameOf(2)], box[nameOf(3)]})
		_, ok := d.KeptRecord(backupID)
		assert.True(t, ok)
	}
	d := newTape(t, Config{Path: path, Append: true})
	require.NoError(t, d.DoSetup(t.Context()))
	err := d.tape.Put(t.Context(), "box", "more", strings.NewReader("x"), 1)
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "is 3 tapes one after another and cannot be continued")
}

// Wherever the first tape was cut short: the second is read whole, or the
// operator is told where it begins.
func TestATapeBehindOneThatWasCutIsNeverLost(t *testing.T) {
	first, _ := smallTape(t, filepath.Join(t.TempDir(), "x.cbk"))
	second := tapeOf(t, "other", map[string]string{"a": "second", "b": "more of it"})
	read, refused := everyCut(t, first, second)
	assert.Positive(t, read)
	assert.Positive(t, refused)
}

// The byte that a tape was cut by is the one that the next begins with: the
// block is whole, and the next tape is not lost.
func TestATapeThatWasCutByWhatTheNextBeginsWith(t *testing.T) {
	second := tapeOf(t, "other", map[string]string{"a": "second", "b": "more of it"})
	t.Run("data", func(t *testing.T) {
		everyCut(t, tapeOf(t, "box", map[string]string{"o": "text" + string(second[:10])}), second)
	})
	t.Run("header", func(t *testing.T) {
		for range 10_000 { // the checksum of one header in 256 ends so
			first := tapeOf(t, "box", map[string]string{"o": "text"})
			for off := 0; off < len(first); {
				h, err := parseHeader(first[off:])
				require.NoError(t, err)
				if first[off+headerSize-1] == second[0] {
					everyCut(t, first, second)
					return
				}
				off += headerSize + h.length
			}
		}
		t.Fatal("no header ends so")
	})
}

// everyCut reads a tape behind each beginning of another.
func everyCut(t *testing.T, first, second []byte) (read, refused int) {
	t.Helper()
	for n := range len(first) + 1 {
		c, err := scan(of(slices.Concat(first[:n], second)))
		if err != nil {
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			require.ErrorContains(t, err, fmt.Sprintf("another tape begins at byte %d,", n))
			require.ErrorContains(t, err, fmt.Sprintf("head -c %d TAPE > FIRST.cbk; tail -c +%d TAPE > SECOND.cbk", n, n+1))
			refused++
			continue
		}
		require.Equal(t, []string{"a", "b"}, slices.Sorted(maps.Keys(c.objects["other"])), "%d bytes", n)
		read++
	}
	return read, refused
}

func TestAVolumeOfAnotherTapeIsRefused(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("x", 3<<20)
	for _, name := range []string{"a", "b"} {
		d := newTape(t, Config{Path: filepath.Join(dir, name), Append: true, VolumeSize: minVolume})
		require.NoError(t, d.tape.Put(t.Context(), "box", "o", strings.NewReader(large), int64(len(large))))
		require.NoError(t, d.Finish(t.Context()))
		require.NoError(t, d.Close())
	}
	require.NoError(t, os.Rename(filepath.Join(dir, "b.002"), filepath.Join(dir, "a.002")))
	err := newTape(t, Config{Path: filepath.Join(dir, "a")}).DoSetup(t.Context())
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "a.002: another tape at byte 0: this is its volume 2: bring the volumes of each tape in their order")
}

// A backup is on two tapes: the last that has its document counts, as a whole.
func TestOfABackupOnTwoTapesTheLastWholeOneCounts(t *testing.T) {
	long := map[string]string{"b-00001": "one", "b-00002": "two", "b_metadata": "{}"}
	short := map[string]string{"b-00001": "flat", "b_metadata": "{ }"}
	torn := map[string]string{"b-00001": "torn"}
	for _, c := range []struct{ tapes, want []map[string]string }{
		{[]map[string]string{long, short}, []map[string]string{short}},
		{[]map[string]string{short, long}, []map[string]string{long}},
		{[]map[string]string{long, torn}, []map[string]string{long}},
		{[]map[string]string{torn, short}, []map[string]string{short}},
	} {
		var raw []byte
		for _, objects := range c.tapes {
			raw = append(raw, tapeOf(t, "80/36/x", objects)...)
		}
		d := newTape(t, Config{In: bytes.NewReader(raw)})
		require.NoError(t, d.DoSetup(t.Context()))
		assert.Equal(t, c.want[0], textsOf(t, d.tape, "80/36/x"))
	}
}
