package ceph

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// raw builds diffs by hand, wrong ones too.
type raw struct{ bytes.Buffer }

func diff() *raw { r := &raw{}; r.WriteString(diffHeader); return r }

func (r *raw) n(v uint64) *raw {
	r.Write(binary.LittleEndian.AppendUint64(nil, v))
	return r
}

func (r *raw) name(tag byte, name string) *raw {
	r.WriteByte(tag)
	r.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(name))))
	r.WriteString(name)
	return r
}
func (r *raw) size(n uint64) *raw      { r.WriteByte(tagSize); return r.n(n) }
func (r *raw) zero(off, n uint64) *raw { r.WriteByte(tagZero); return r.n(off).n(n) }
func (r *raw) end() *raw               { r.WriteByte(tagEnd); return r }
func (r *raw) data(off uint64, text string) *raw {
	r.WriteByte(tagData)
	r.n(off).n(uint64(len(text)))
	r.WriteString(text)
	return r
}

// read is the image that a diff makes of zeros.
func read(r io.Reader) ([]byte, error) {
	d, err := newDiffReader(r)
	if err != nil {
		return nil, err
	}
	if d.size > 1<<20 {
		return nil, errors.New("too long for this test")
	}
	image := make([]byte, d.size)
	for {
		e, err := d.extent()
		if errors.Is(err, io.EOF) {
			return image, nil
		}
		if err != nil {
			return nil, err
		}
		if !e.zero {
			if _, err := io.ReadFull(d, image[e.off:e.end()]); err != nil {
				return nil, cut(eof(err))
			}
		}
	}
}

func TestADiffIsReadAsItWasWritten(t *testing.T) {
	whole := diff().name(tagTo, "s").size(100).data(10, "hello").zero(20, 5).data(95, "world").end()
	want := make([]byte, 100)
	copy(want[10:], "hello")
	copy(want[95:], "world")
	for _, r := range []io.Reader{bytes.NewReader(whole.Bytes()), iotest.OneByteReader(bytes.NewReader(whole.Bytes()))} {
		image, err := read(r)
		require.NoError(t, err)
		assert.Equal(t, want, image)
	}
	for _, step := range []int{1, 3, 7, 50, 100, 130} {
		d, err := newDiffReader(bytes.NewReader(whole.Bytes()))
		require.NoError(t, err)
		linear := &imageReader{d: d}
		var got []byte
		for len(got) < 130 {
			p := bytes.Repeat([]byte{0xff}, step)
			holes, err := linear.next(p)
			require.NoError(t, err)
			require.Equal(t, holes && !bytes.ContainsAny(p, "helowrd"), isZero(p), "step %d", step)
			got = append(got, p...)
		}
		assert.Equal(t, append(bytes.Clone(want), make([]byte, 30)...), got[:130], "step %d", step)
		require.NoError(t, linear.rest(func(int64, int64) error { return errors.New("nothing is left") }))
	}
	for at := 0; at < whole.Len(); at++ {
		_, err := read(bytes.NewReader(whole.Bytes()[:at]))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d bytes", at)
	}
}

func TestWhatIsLeftOfAnImageIsTold(t *testing.T) {
	for at, want := range map[int64][][2]int64{
		0: {{10, 5}, {30, 10}}, 12: {{12, 3}, {30, 10}}, 15: {{30, 10}}, 35: {{35, 5}}, 40: nil, 60: nil,
	} {
		d, err := newDiffReader(bytes.NewReader(diff().size(50).data(10, "hello").zero(20, 2).data(30, "worldworld").end().Bytes()))
		require.NoError(t, err)
		r := &imageReader{d: d}
		_, err = r.next(make([]byte, at))
		require.NoError(t, err)
		var got [][2]int64
		require.NoError(t, r.rest(func(off, n int64) error { got = append(got, [2]int64{off, n}); return nil }))
		assert.Equal(t, want, got, "from byte %d", at)
	}
}

func TestADiffThatIsNoneIsRefused(t *testing.T) {
	for name, r := range map[string]*raw{
		"another header":           {*bytes.NewBufferString("rbd diff v2\n" + strings.Repeat("x", 50))},
		"no size":                  diff().name(tagTo, "s").end(),
		"data before the size":     diff().data(0, "x").size(10).end(),
		"size twice":               diff().size(10).size(10).end(),
		"name twice":               diff().name(tagTo, "a").name(tagTo, "b").size(10).end(),
		"name after data":          diff().size(10).data(0, "x").name(tagTo, "a").end(),
		"a name without an end":    diff().name(tagTo, strings.Repeat("n", maxDiffName+1)).size(10).end(),
		"an empty name":            diff().name(tagTo, "").size(10).end(),
		"a size beyond all disks":  diff().size(math.MaxUint64).end(),
		"an extent beyond the end": diff().size(10).data(8, "xyz").end(),
		"an extent that overflows": diff().size(10).zero(8, math.MaxUint64).end(),
		"an offset that overflows": diff().size(10).zero(math.MaxUint64, 1).end(),
		"an offset past the end":   diff().size(10).zero(11, 1).end(),
		"an empty extent":          diff().size(10).data(1, "").end(),
		"extents that overlap":     diff().size(10).data(1, "abc").data(3, "d").end(),
		"extents in disorder":      diff().size(10).data(5, "a").zero(1, 1).end(),
		"an unknown record":        &raw{*bytes.NewBufferString(diff().size(10).String() + "q")},
		"something after the end":  &raw{*bytes.NewBufferString(diff().size(10).end().String() + "e")},
	} {
		_, err := read(&r.Buffer)
		assert.ErrorIs(t, err, driverstate.ErrCorrupt, name)
		assert.ErrorContains(t, err, "rbd diff: ", name)
	}
}

func TestADiffWithAnotherPlaceIsRefused(t *testing.T) {
	for name, r := range map[string]*raw{
		"another size": diff().name(tagTo, "s").size(11).end(), "no snapshot": diff().size(10).end(),
		"another snapshot": diff().name(tagTo, "t").size(10).end(), "a difference": diff().name(tagFrom, "r").name(tagTo, "s").size(10).end(),
	} {
		d, err := newDiffReader(&r.Buffer)
		require.NoError(t, err)
		assert.ErrorIs(t, checkDiff(d, "s", 10), driverstate.ErrCorrupt, name)
	}
}

func TestDataBeyondTheVolumeIsDamage(t *testing.T) {
	for text, ok := range map[string]bool{"xxxxx\x00\x00": true, "xxxxx\x00y": false} {
		d, err := newDiffReader(bytes.NewReader(diff().size(100).data(5, text).end().Bytes()))
		require.NoError(t, err)
		err = copyDiff(t.Context(), d, 10, make([]byte, 64), nowhere{}, func(int64) {})
		if ok {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, driverstate.ErrCorrupt)
			assert.ErrorContains(t, err, "beyond byte 10")
		}
	}
}

func FuzzDiff(f *testing.F) {
	f.Add(diff().name(tagTo, "s").size(100).data(10, "hello").zero(20, 5).data(95, "world").end().Bytes())
	f.Add(diff().name(tagFrom, "r").size(10).end().Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		image, err := read(bytes.NewReader(content))
		if err != nil {
			return
		}
		// What is read can be written, and is the same then.
		var out bytes.Buffer
		w, err := newDiffWriter(&out, "", "s", int64(len(image)))
		require.NoError(t, err)
		require.NoError(t, writeNew(w, 0, image))
		require.NoError(t, w.close())
		again, err := read(&out)
		require.NoError(t, err)
		require.Equal(t, image, again)
	})
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(`[{"image":"volume-` + volumeV + `.backup.base","id":"1","size":1073741824,"format":2},{"image":"volume-` + volumeV +
		`.backup.base","id":"1","snapshot":"backup.` + backup1 + `.snap.1.5","snapshot_id":4,"size":1073741824,"format":2,"protected":"false"}]` + "\n"))
	f.Add([]byte(`[{"offset":0,"length":4194304,"exists":"true"}]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		images := map[string]*image{}
		_ = readListing(bytes.NewReader(content), images)
		for name, i := range images {
			require.Equal(t, name, imageName(i.volumeID, i.owner))
		}
		_ = checkExtentList(bytes.NewReader(content), gib)
	})
}

// readDiff reads a diff to its end.
func readDiff(r io.Reader) error { _, err := read(r); return err }
