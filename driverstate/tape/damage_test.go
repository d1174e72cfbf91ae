package tape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

const backupID = "8036c677-02e9-40b2-bf80-6f50c454ef55"

func aRecord(t testing.TB) driverstate.ExportedRecord {
	t.Helper()
	r, err := driverstate.EncodeRecord(&driverstate.Backup{
		ID: backupID, VolumeID: "11111111-2222-3333-4444-555555555555", Size: 1, Service: Service, Container: "80/36/" + backupID,
		ServiceMetadata: "volume_11111111-2222-3333-4444-555555555555_20261121055423_backup_" + backupID, Status: driverstate.StatusAvailable,
	}, nil)
	require.NoError(t, err)
	return r
}

// written are the objects of a small tape, in their order.
func written() []string {
	return []string{"a", strings.Repeat("b", 3000), "", strings.Repeat("c", 500)}
}

func nameOf(i int) string { return fmt.Sprintf("object-%05d", i+1) }

// smallTape is a tape with a record and a few objects, and where each of them
// ends.
func smallTape(t testing.TB, path string) (raw []byte, ends []int64) {
	t.Helper()
	d, err := New(t.Context(), Config{Path: path, Append: true, ObjectSize: 4096, BlockSize: 4096, Compression: "none"})
	require.NoError(t, err)
	require.NoError(t, d.KeepRecord(t.Context(), aRecord(t)))
	for i, content := range written() {
		require.NoError(t, d.tape.Put(t.Context(), "box", nameOf(i), strings.NewReader(content), int64(len(content))))
		ends = append(ends, d.tape.c.end.offset)
	}
	require.NoError(t, d.Finish(t.Context()))
	require.NoError(t, d.Close())
	raw, err = os.ReadFile(path)
	require.NoError(t, err)
	return raw, ends
}

func of(raw []byte) []*medium {
	return []*medium{{bytes.NewReader(raw), "tape", int64(len(raw))}}
}

func content1(t testing.TB, media []*medium, c *content, o *object) (string, error) {
	t.Helper()
	r := newReader(media, o, 0, -1)
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestATapeIsReadByItsIndexAndWithoutItAlike(t *testing.T) {
	raw, _ := smallTape(t, filepath.Join(t.TempDir(), "x.cbk"))
	fast, err := indexed(of(raw))
	require.NoError(t, err)
	slow, err := scan(of(raw))
	require.NoError(t, err)
	assert.Empty(t, slow.problems)
	assert.Equal(t, slow.objects, fast.objects)
	assert.Equal(t, slow.records, fast.records)
	assert.Equal(t, []any{slow.next, slow.end, slow.volume, slow.tape}, []any{fast.next, fast.end, fast.volume, fast.tape})
	assert.Equal(t, aRecord(t), fast.records[0].ExportedRecord)
	for i, want := range written() {
		have, err := content1(t, of(raw), fast, fast.objects["box"][nameOf(i)])
		require.NoError(t, err)
		assert.Equal(t, want, have)
	}
}

// Every byte of a tape, flipped: it is found, no wrong byte is read, and what
// lies before the damage is whole.
func TestAFlippedByteIsFoundAndTheRestIsRead(t *testing.T) {
	raw, ends := smallTape(t, filepath.Join(t.TempDir(), "x.cbk"))
	for at := range raw {
		bad := bytes.Clone(raw)
		bad[at] ^= 0x40
		c, err := scan(of(bad))
		if at >= headerSize && err != nil && at < int(ends[0]) {
			assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
			continue // the volume's own head
		}
		require.NoError(t, err, "byte %d", at)
		damaged := len(c.problems)
		for i, want := range written() {
			o := c.objects["box"][nameOf(i)]
			whole := i > 0 && at < int(ends[i-1]) || at >= int(ends[i])
			if o == nil {
				assert.False(t, whole && at >= int(ends[0]), "byte %d: object %d is gone", at, i)
				continue
			}
			have, err := content1(t, of(bad), c, o)
			if err != nil {
				damaged++
				assert.ErrorIs(t, err, objectstore.ErrDamaged, "byte %d", at)
				assert.False(t, whole, "byte %d: object %d: %v", at, i, err)
				continue
			}
			assert.Equal(t, want, have, "byte %d: object %d", at, i)
		}
		assert.Positive(t, damaged, "byte %d is found", at)
	}
}

// A tape that ends anywhere holds what was written before, and is continued.
func TestATapeThatWasCutIsContinued(t *testing.T) {
	dir := t.TempDir()
	raw, ends := smallTape(t, filepath.Join(dir, "x.cbk"))
	head, err := parseHeader(raw)
	require.NoError(t, err)
	for n := headerSize + head.length; n < len(raw); n += 41 {
		path := filepath.Join(dir, "cut.cbk")
		require.NoError(t, os.WriteFile(path, raw[:n], 0o600))
		d := newTape(t, Config{Path: path, Append: true})
		require.NoError(t, d.DoSetup(t.Context()), "%d bytes", n)
		for i := range written() {
			assert.Equal(t, ends[i] <= int64(n), d.tape.c.objects["box"][nameOf(i)] != nil, "%d bytes, object %d", n, i)
		}
		require.NoError(t, d.tape.Put(t.Context(), "box", "later", strings.NewReader("later"), 5))
		require.NoError(t, d.Finish(t.Context()))
		require.NoError(t, d.Close())
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		c, err := indexed(of(whole))
		require.NoError(t, err)
		text, err := content1(t, of(whole), c, c.objects["box"]["later"])
		require.NoError(t, err)
		assert.Equal(t, "later", text)
		again, err := scan(of(whole))
		require.NoError(t, err)
		assert.Empty(t, again.problems, "what was torn is gone")
		assert.Equal(t, c.objects, again.objects)
	}
}

func TestATapeOfVolumes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.cbk")
	d := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
	large := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MiB: in three volumes
	require.NoError(t, d.KeepRecord(t.Context(), aRecord(t)))
	for i := range 3 {
		require.NoError(t, d.tape.Put(t.Context(), "box", nameOf(i), bytes.NewReader(large), int64(len(large))))
	}
	for i := range 3 {
		text, err := content1(t, d.tape.media, d.tape.c, d.tape.c.objects["box"][nameOf(i)])
		require.NoError(t, err, "while it is written")
		assert.True(t, string(large) == text)
	}
	require.NoError(t, d.Finish(t.Context()))
	require.NoError(t, d.Close())
	files, err := filepath.Glob(path + ".*")
	require.NoError(t, err)
	require.Greater(t, len(files), 7)
	var all []byte
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(b), minVolume)
		all = append(all, b...)
	}
	check := func(d *Driver) {
		require.NoError(t, d.DoSetup(t.Context()))
		assert.Empty(t, d.Problems())
		for i := range 3 {
			r, err := d.tape.Get(t.Context(), "box", nameOf(i), 3<<20+5, 1<<20)
			require.NoError(t, err)
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(large[3<<20+5:][:1<<20], b))
			text, err := content1(t, d.tape.media, d.tape.c, d.tape.c.objects["box"][nameOf(i)])
			require.NoError(t, err)
			assert.True(t, string(large) == text)
		}
	}
	check(newTape(t, Config{Path: path}))
	check(newTape(t, Config{In: bytes.NewReader(all)}))

	// One that is lost takes what lies on it, and no more.
	require.NoError(t, os.Remove(files[1]))
	lost := newTape(t, Config{Path: path})
	require.NoError(t, lost.DoSetup(t.Context()))
	assert.Contains(t, strings.Join(lost.Problems(), "\n"), "volume 2 is missing before "+files[2])
	assert.Equal(t, []string{nameOf(1), nameOf(2)}, slices.Sorted(maps.Keys(lost.tape.c.objects["box"])))
	_, ok := lost.KeptRecord(backupID)
	assert.True(t, ok)
	broken := newTape(t, Config{Path: path, Append: true, VolumeSize: minVolume})
	require.NoError(t, broken.DoSetup(t.Context()))
}

func TestATapeInAPipeIsWrittenOnceAndReadFromAnother(t *testing.T) {
	var pipe bytes.Buffer
	out := NewPipe(&pipe, nil, nil)
	d := newTape(t, Config{Out: out, Append: true})
	require.NoError(t, d.tape.Put(t.Context(), "box", "o", strings.NewReader("content"), 7))
	_, err := d.tape.Get(t.Context(), "box", "o", 0, -1)
	assert.ErrorIs(t, err, driverstate.ErrNotSupported)
	for info, err := range d.tape.List(t.Context(), "box", "") {
		require.NoError(t, err)
		assert.Equal(t, "9a0364b9e99bb480dd25e1f0284c8555", fmt.Sprintf("%x", info.MD5), "what was written is known without reading it")
	}
	require.NoError(t, out.Close())
	r := newTape(t, Config{In: &pipe})
	require.NoError(t, r.DoSetup(t.Context()))
	text, err := content1(t, r.tape.media, r.tape.c, r.tape.c.objects["box"]["o"])
	require.NoError(t, err)
	assert.Equal(t, "content", text)
}

func TestATapeIsNotMixedUpWithAnother(t *testing.T) {
	dir := t.TempDir()
	inner, _ := smallTape(t, filepath.Join(dir, "inner.cbk"))
	path := filepath.Join(dir, "outer.cbk")
	d := newTape(t, Config{Path: path, Append: true})
	require.NoError(t, d.tape.Put(t.Context(), "box", "tape", bytes.NewReader(inner), int64(len(inner))))
	require.NoError(t, d.tape.Put(t.Context(), "box", "behind", strings.NewReader("behind"), 6))
	require.NoError(t, d.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.Index(raw, inner[:headerSize])
	raw[at-1] ^= 1 // the header of the block that holds the other tape
	c, err := scan(of(raw))
	require.NoError(t, err)
	assert.Equal(t, []string{"behind"}, slices.Sorted(maps.Keys(c.objects["box"])))
}

func TestWhatIsNoTapeIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, raw := range map[string][]byte{"text": []byte("no tape at all"), "zeros": make([]byte, 1<<20)} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		for _, write := range []bool{false, true} {
			err := newTape(t, Config{Path: path, Append: write}).DoSetup(t.Context())
			assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.ErrorContains(t, err, "is no tape of cinder-go")
		}
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, raw, after)
	}
	err := newTape(t, Config{Path: filepath.Join(dir, "absent.cbk")}).DoSetup(t.Context())
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	err = newTape(t, Config{Path: filepath.Join(dir, "gone", "x.cbk")}).DoSetup(t.Context())
	assert.ErrorContains(t, err, "is the share mounted?")
}

func TestATapeIsWrittenByOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cbk")
	d := newTape(t, Config{Path: path, Append: true})
	require.NoError(t, d.tape.Put(t.Context(), "box", "o", strings.NewReader("content"), 7))
	err := newTape(t, Config{Path: path, Append: true}).DoSetup(t.Context())
	assert.ErrorIs(t, err, driverstate.ErrConflict)
	reader := newTape(t, Config{Path: path})
	require.NoError(t, reader.DoSetup(t.Context()), "it may be read meanwhile")
	assert.ErrorIs(t, reader.tape.Put(t.Context(), "box", "o", strings.NewReader("x"), 1), objectstore.ErrReadOnly)
}

func FuzzTape(f *testing.F) {
	raw, _ := smallTape(f, filepath.Join(f.TempDir(), "x.cbk"))
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add(raw[headerSize:])
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, read := range []func([]*medium) (*content, error){scan, indexed} {
			c, err := read(of(raw))
			if err != nil {
				if !errors.Is(err, driverstate.ErrInvalidInput) && !errors.Is(err, errNoIndex) {
					t.Fatalf("%v", err)
				}
				continue
			}
			for container, objects := range c.objects {
				for name, o := range objects {
					if !plainPath(container) || !plainPath(name) {
						t.Fatalf("object %q of %q", name, container)
					}
					text, err := content1(t, of(raw), c, o)
					if err == nil && int64(len(text)) != o.end.Size {
						t.Fatalf("object %s has %d bytes and not %d", name, len(text), o.end.Size)
					}
					if err != nil && !errors.Is(err, objectstore.ErrDamaged) {
						t.Fatalf("object %s: %v", name, err)
					}
				}
			}
		}
	})
}
