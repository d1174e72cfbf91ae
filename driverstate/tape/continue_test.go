package tape

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// put writes a small object.
func put(t *testing.T, d *Driver, name, content string) error {
	t.Helper()
	return d.tape.Put(t.Context(), "box", name, strings.NewReader(content), int64(len(content)))
}

// whole is the tape at path, which must be read by its index and tell the same
// when it is walked, with so many objects that were cut short.
func whole(t *testing.T, path string, short int) *Driver {
	t.Helper()
	d := newTape(t, Config{Path: path})
	require.NoError(t, d.DoSetup(t.Context()))
	fast, err := indexed(d.tape.media)
	require.NoError(t, err)
	slow, err := scan(d.tape.media)
	require.NoError(t, err)
	assert.Len(t, slow.problems, short)
	assert.Empty(t, slow.damage)
	assert.Equal(t, slow.objects, fast.objects)
	assert.Equal(t, slow.records, fast.records)
	return d
}

// A kill, or a full disk, between the file of the next volume and its head.
func TestATapeIsContinuedBeforeAVolumeWithoutItsHead(t *testing.T) {
	for name, head := range map[string]func(whole []byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"torn header":   func(b []byte) []byte { return b[:headerSize-7] },
		"torn payload":  func(b []byte) []byte { return b[:headerSize+20] },
		"never written": func(b []byte) []byte { return make([]byte, 160) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.cbk")
			d := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
			large := strings.Repeat("x", 3<<20) // in three volumes
			require.NoError(t, put(t, d, nameOf(0), large))
			require.NoFileExists(t, path+".004")
			require.NoError(t, d.Close())
			first, err := os.ReadFile(path + ".001")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path+".004", head(first), 0o600))

			again := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
			require.NoError(t, again.DoSetup(t.Context()))
			require.NoError(t, put(t, again, "later", large))
			require.NoError(t, again.Finish(t.Context()))
			require.NoError(t, again.Close())
			assert.True(t, maps.Equal(map[string]string{nameOf(0): large, "later": large}, textsOf(t, whole(t, path, 0).tape, "box")))
		})
	}
}

func TestAFileThatIsNoVolumeIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	d := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
	require.NoError(t, put(t, d, "o", "content"))
	require.NoError(t, d.Close())
	for _, other := range []string{"a note", strings.Repeat("\x00", 1<<20)} {
		require.NoError(t, os.WriteFile(path+".002", []byte(other), 0o600))
		again := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
		require.ErrorIs(t, put(t, again, "later", "later"), driverstate.ErrCorrupt)
		require.NoError(t, again.Close())
		kept, err := os.ReadFile(path + ".002")
		require.NoError(t, err)
		assert.Equal(t, other, string(kept))
	}
}

// The head of a volume that there was no room for is written before anything
// else, when there is room again.
func TestAVolumeWhoseHeadFailedGetsItLater(t *testing.T) {
	for _, objects := range []int{0, 1} {
		path := filepath.Join(t.TempDir(), "x.cbk")
		var d *Driver
		fail := objects == 0
		d = newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume, Now: func() time.Time {
			if n := len(d.tape.files); fail && n > objects { // the file was made, its head comes next
				require.NoError(t, d.tape.files[n-1].Close())
			}
			return time.Now()
		}})
		large := strings.Repeat("x", minVolume-1<<10)
		want := map[string]string{"later": large}
		if objects == 1 {
			require.NoError(t, put(t, d, "before", large))
			want["before"] = large
			fail = true
		}
		require.ErrorIs(t, put(t, d, "failed", large), os.ErrClosed)
		fail = false
		last := len(d.tape.files) - 1
		f, err := os.OpenFile(d.tape.files[last].Name(), os.O_RDWR, 0)
		require.NoError(t, err)
		d.tape.files[last], d.tape.media[last].ReaderAt, d.tape.w.file = f, f, f
		require.ErrorContains(t, d.tape.Put(t.Context(), "box", "cut", strings.NewReader("short"), 100), "reading what is to be written")
		require.NoError(t, put(t, d, "later", large))
		require.NoError(t, d.Finish(t.Context()))
		require.NoError(t, d.Close())
		assert.True(t, maps.Equal(want, textsOf(t, whole(t, path, objects).tape, "box")))
	}
}

// Damage that something whole lies behind: a new index would leave out what it
// covers, also if it can be read another time.
func TestATapeWithDamageBeforeItsEndIsNotContinued(t *testing.T) {
	dir := t.TempDir()
	raw, ends := smallTape(t, filepath.Join(dir, "x.cbk"))
	raw = raw[:ends[len(ends)-1]] // without its index
	head, err := parseHeader(raw)
	require.NoError(t, err)
	refused := 0
	for n := headerSize + head.length; n < len(raw); n += 61 {
		bad := bytes.Clone(raw)
		bad[n] ^= 0x40
		path := filepath.Join(dir, "bad.cbk")
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		d := newTape(t, Config{Path: path, Append: true})
		require.NoError(t, d.DoSetup(t.Context()))
		had := len(d.tape.c.objects["box"])
		err := put(t, d, "later", "later")
		require.NoError(t, d.Close())
		if err != nil {
			require.ErrorIs(t, err, driverstate.ErrCorrupt, "byte %d", n)
			require.ErrorContains(t, err, "cannot be continued")
			kept, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(bad, kept), "byte %d: it is left as it is", n)
			refused++
			continue
		}
		again := newTape(t, Config{Path: path})
		require.NoError(t, again.DoSetup(t.Context()))
		require.Len(t, again.tape.c.objects["box"], had+1, "byte %d", n)
		require.True(t, had == len(written()) || n >= int(ends[len(ends)-2]), "byte %d: it hides an object", n)
	}
	assert.Positive(t, refused)
}

func TestATapeThatLacksAVolumeIsNotContinued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	d := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
	large := strings.Repeat("x", 3<<20)
	for i := range 2 {
		require.NoError(t, put(t, d, nameOf(i), large))
	}
	require.NoError(t, d.Finish(t.Context()))
	require.NoError(t, d.Close())
	for n := 1; n <= 3; n++ {
		lost := fmt.Sprintf("%s.%03d", path, n)
		require.NoError(t, os.Rename(lost, path+".away"))
		again := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
		err := put(t, again, "later", "later")
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		assert.ErrorContains(t, err, fmt.Sprintf("volume %d is missing", n))
		require.NoError(t, again.Close())
		require.NoError(t, os.Rename(path+".away", lost))
	}
	assert.Len(t, whole(t, path, 0).tape.c.objects["box"], 2)
}

// What never ended goes, wherever it lies behind what did.
func TestWhatAPowerCutLeftOfAnObjectGoes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.cbk")
	d := newTape(t, Config{Path: path, Append: true})
	require.NoError(t, put(t, d, "before", "before"))
	end := d.tape.c.end.offset
	require.NoError(t, put(t, d, "large", strings.Repeat("x", 5<<20)))
	require.NoError(t, d.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	raw = raw[:len(raw)-200] // of its last block, and of its end
	clear(raw[end+1<<20 : end+3<<20])
	require.NoError(t, os.WriteFile(path, raw, 0o600))

	again := newTape(t, Config{Path: path, Append: true})
	require.NoError(t, again.DoSetup(t.Context()))
	assert.Equal(t, end, again.tape.c.end.offset)
	require.NoError(t, put(t, again, "later", "later"))
	require.NoError(t, again.Finish(t.Context()))
	require.NoError(t, again.Close())
	assert.Equal(t, map[string]string{"before": "before", "later": "later"}, textsOf(t, whole(t, path, 0).tape, "box"))
}
