package ceph

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cinder-go/cinder-go/driverstate"
)

// The format that rbd export-diff writes and rbd import-diff reads, version 1
// (doc/dev/rbd-diff.rst of Ceph): a header, metadata records, data records, an
// end. Numbers are little-endian.
const (
	diffHeader = "rbd diff v1\n"

	tagFrom = 'f' // length 32 bits, name of the snapshot that it begins at
	tagTo   = 't' // length 32 bits, name of the snapshot that it ends at
	tagSize = 's' // size 64 bits of the image in the end
	tagData = 'w' // offset and length 64 bits, then the bytes
	tagZero = 'z' // offset and length 64 bits
	tagEnd  = 'e'
)

// maxDiffName bounds the name of a snapshot in a diff.
const maxDiffName = 4096

// extent is a data record.
type extent struct {
	off, n int64
	zero   bool
}

func (e extent) end() int64 { return e.off + e.n }

// diffReader reads a diff. It takes nothing on trust: what does not keep to
// the format answers to driverstate.ErrCorrupt, and a diff that ends before
// its end record to io.ErrUnexpectedEOF.
type diffReader struct {
	r        *bufio.Reader
	from, to string
	size     int64
	next     int64 // where the next extent begins at the earliest
	left     int64 // bytes of the last extent that were not read
	tag      byte  // of the record that comes next, when it was read already
}

func badDiff(format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrCorrupt, "rbd diff: "+fmt.Sprintf(format, args...))
}

// cut is the error of a diff that ends too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("rbd diff is cut short: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// newDiffReader reads everything up to the first data record.
func newDiffReader(r io.Reader) (*diffReader, error) {
	d := &diffReader{r: bufio.NewReaderSize(r, 256<<10), size: -1}
	header := make([]byte, len(diffHeader))
	if _, err := io.ReadFull(d.r, header); err != nil {
		return nil, cut(eof(err))
	}
	if string(header) != diffHeader {
		return nil, badDiff("it begins with %q", header)
	}
	seen := map[byte]bool{}
	for {
		tag, err := d.r.ReadByte()
		if err != nil {
			return nil, cut(err)
		}
		if tag != tagFrom && tag != tagTo && tag != tagSize {
			d.tag = tag
			if d.size < 0 {
				return nil, badDiff("record %q comes before the size", tag)
			}
			return d, nil
		}
		if seen[tag] {
			return nil, badDiff("record %q comes twice", tag)
		}
		seen[tag] = true
		if err := d.metadata(tag); err != nil {
			return nil, err
		}
	}
}

// eof makes one error of the two that a reader has for its end.
func eof(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

func (d *diffReader) metadata(tag byte) (err error) {
	if tag == tagSize {
		d.size, err = d.number()
		return err
	}
	var raw [4]byte
	if _, err := io.ReadFull(d.r, raw[:]); err != nil {
		return cut(eof(err))
	}
	n := binary.LittleEndian.Uint32(raw[:])
	if n == 0 || n > maxDiffName {
		return badDiff("name of %d bytes", n)
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(d.r, name); err != nil {
		return cut(eof(err))
	}
	if tag == tagFrom {
		d.from = string(name)
	} else {
		d.to = string(name)
	}
	return nil
}

func (d *diffReader) number() (int64, error) {
	var raw [8]byte
	if _, err := io.ReadFull(d.r, raw[:]); err != nil {
		return 0, cut(eof(err))
	}
	n := binary.LittleEndian.Uint64(raw[:])
	if n > math.MaxInt64 {
		return 0, badDiff("number %d", n)
	}
	return int64(n), nil
}

// extent returns the next data record; io.EOF after the last one. The bytes of
// the one before must have been read.
func (d *diffReader) extent() (extent, error) {
	if d.left > 0 {
		return extent{}, fmt.Errorf("%d bytes of an extent were not read", d.left)
	}
	tag := d.tag
	d.tag = 0
	if tag == 0 {
		var err error
		if tag, err = d.r.ReadByte(); err != nil {
			return extent{}, cut(err)
		}
	}
	switch tag {
	case tagData, tagZero:
	case tagEnd:
		return extent{}, d.atEnd()
	default:
		return extent{}, badDiff("record %q is not known, or not in its place", tag)
	}
	off, err := d.number()
	if err != nil {
		return extent{}, err
	}
	n, err := d.number()
	if err != nil {
		return extent{}, err
	}
	switch {
	case n == 0:
		return extent{}, badDiff("empty extent at byte %d", off)
	case off > d.size || n > d.size-off:
		return extent{}, badDiff("extent of %d bytes at byte %d of an image of %d", n, off, d.size)
	case off < d.next:
		return extent{}, badDiff("extent at byte %d after byte %d", off, d.next)
	}
	d.next = off + n
	e := extent{off: off, n: n, zero: tag == tagZero}
	if !e.zero {
		d.left = n
	}
	return e, nil
}

func (d *diffReader) atEnd() error {
	switch _, err := d.r.ReadByte(); {
	case err == nil:
		return badDiff("it goes on after its end")
	case !errors.Is(err, io.EOF):
		return err
	}
	d.tag = tagEnd
	return io.EOF
}

// Read reads the bytes of the extent that extent returned, if it is not zero;
// io.EOF at the end of the extent.
func (d *diffReader) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	n, err := d.r.Read(p[:min(int64(len(p)), d.left)])
	d.left -= int64(n)
	if err != nil {
		return n, cut(err)
	}
	return n, nil
}

// imageReader reads the image that a diff from nothing describes, from its
// beginning to its end: what no record covers is zero.
type imageReader struct {
	d    *diffReader
	at   int64  // of the next byte
	e    extent // the extent that at lies in or before
	done bool   // there is none any more
}

// next fills p with the bytes that follow and reports whether all of them are
// holes. Beyond the end of the image there are only holes.
func (i *imageReader) next(p []byte) (holes bool, err error) {
	clear(p)
	holes = true
	end := i.at + int64(len(p))
	for i.at < end {
		if i.e.end() <= i.at && !i.done {
			i.e, err = i.d.extent()
			if errors.Is(err, io.EOF) {
				i.done = true
			} else if err != nil {
				return false, err
			}
		}
		if i.done || i.e.off >= end {
			i.at = end
			break
		}
		i.at = max(i.at, i.e.off)
		n := min(i.e.end(), end) - i.at
		if !i.e.zero {
			holes = false
			part := p[int64(len(p))-(end-i.at):][:n]
			if _, err := io.ReadFull(i.d, part); err != nil {
				return false, cut(eof(err))
			}
		}
		i.at += n
	}
	return holes, nil
}

// rest reads what is left of the diff and calls f for each range of it that
// holds data.
func (i *imageReader) rest(f func(off, n int64) error) error {
	for {
		if !i.done && !i.e.zero && i.e.end() > i.at {
			off := max(i.at, i.e.off)
			if err := f(off, i.e.end()-off); err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, i.d); err != nil {
				return err
			}
		}
		if i.done {
			return nil
		}
		var err error
		i.e, err = i.d.extent()
		if errors.Is(err, io.EOF) {
			i.done = true
		} else if err != nil {
			return err
		}
	}
}

// diffWriter writes a diff.
type diffWriter struct {
	w    *bufio.Writer
	sent int64 // bytes of data records
}

// newDiffWriter begins a diff that ends at snapshot to of an image of size
// bytes, and begins at snapshot from if that is not empty.
func newDiffWriter(w io.Writer, from, to string, size int64) (*diffWriter, error) {
	d := &diffWriter{w: bufio.NewWriterSize(w, 64<<10)}
	d.w.WriteString(diffHeader)
	if from != "" {
		d.name(tagFrom, from)
	}
	d.name(tagTo, to)
	d.w.WriteByte(tagSize)
	return d, d.number(size)
}

func (d *diffWriter) name(tag byte, name string) {
	d.w.WriteByte(tag)
	d.w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(name))))
	d.w.WriteString(name)
}

func (d *diffWriter) number(n int64) error {
	_, err := d.w.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	return err
}

// data writes p as the bytes at off.
func (d *diffWriter) data(off int64, p []byte) error {
	d.w.WriteByte(tagData)
	d.number(off)
	d.number(int64(len(p)))
	d.sent += int64(len(p))
	_, err := d.w.Write(p)
	return err
}

// zero makes n bytes at off read as zeros.
func (d *diffWriter) zero(off, n int64) error {
	d.w.WriteByte(tagZero)
	d.number(off)
	return d.number(n)
}

// close ends the diff. Without it the reader knows that it is not whole.
func (d *diffWriter) close() error {
	d.w.WriteByte(tagEnd)
	return d.w.Flush()
}
