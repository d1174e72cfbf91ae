package tape

import (
	"context"
	"crypto/md5" // what a store tells of an object
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// writer appends blocks to a tape.
type writer struct {
	c *content
	// out is the pipe that the tape goes to; nil for files.
	out io.Writer
	// file is the volume at the end; headless while its head is not written.
	file       *os.File
	headless   bool
	at         at
	volumeSize int64 // at most so many bytes in each; 0 for one volume
	// grown is told of a new volume, and how long the one before it became.
	grown func(f *os.File, path string, before int64)
	// pathOf names a volume.
	pathOf func(volume int) string
	now    func() time.Time
	broken error // of the pipe
	block  []byte
}

// begin makes the first volume of a new tape.
func (w *writer) begin() error {
	if _, err := rand.Read(w.c.tape[:]); err != nil {
		return err
	}
	w.c.known = true
	return w.volume()
}

// volume begins the next volume, or the one at the end whose head failed.
func (w *writer) volume() error {
	if !w.headless {
		if w.out == nil {
			if err := w.nextFile(); err != nil {
				return err
			}
		}
		w.c.volume++
		w.headless = true
	}
	err := w.put(kindVolume, volumeHead{
		Format: formatName, Version: formatVersion, Tape: hex.EncodeToString(w.c.tape[:]),
		Volume: w.c.volume, Created: w.now().UTC().Format(time.RFC3339),
	})
	w.headless = err != nil
	return err
}

func (w *writer) nextFile() error {
	path := w.pathOf(w.c.volume + 1)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return errors.Join(err, f.Close())
	}
	w.grown(f, path, w.at.offset)
	if w.file != nil {
		w.at.medium++
	}
	w.file, w.at.offset = f, 0
	return nil
}

// put writes a block with v as JSON.
func (w *writer) put(k kind, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(payload) > maxPayload {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%d bytes are more than a block of a tape holds", len(payload)))
	}
	return w.write(k, payload)
}

// write appends one block, on a new volume when this one is full. What a write
// that failed has left is written over by the next.
func (w *writer) write(k kind, payload []byte) error {
	if w.broken != nil {
		return w.broken
	}
	size := int64(headerSize + len(payload))
	if k != kindVolume && (w.headless || w.volumeSize > 0 && w.at.offset+size > w.volumeSize) {
		if err := w.sync(); err != nil {
			return err
		}
		if err := w.volume(); err != nil {
			return err
		}
	}
	h := header{kind: k, tape: w.c.tape, number: w.c.next, length: len(payload), payload: crc32.Checksum(payload, castagnoli)}
	w.block = append(h.append(w.block[:0]), payload...)
	if w.out != nil {
		if _, err := w.out.Write(w.block); err != nil {
			w.broken = fmt.Errorf("writing the tape: %w", err)
			return w.broken
		}
	} else if _, err := w.file.WriteAt(w.block, w.at.offset); err != nil {
		return fmt.Errorf("writing the tape: %w", err)
	}
	w.at.offset += size
	w.c.next, w.c.end = h.number+1, w.at
	return nil
}

func (w *writer) sync() error {
	if w.file == nil {
		return nil
	}
	return w.file.Sync()
}

// object appends an object of size bytes of r. Of one that fails nothing is
// left, but on a pipe, and where it reached into another volume.
func (w *writer) object(ctx context.Context, container, name string, r io.Reader, size int64) (*object, error) {
	from, number := w.at, w.c.next
	o, err := w.copy(ctx, container, name, r, size)
	if err != nil && w.out == nil && w.at.medium == from.medium {
		w.at, w.c.end, w.c.next = from, from, number
		w.headless = from.offset == 0 // a head that was missing went with it
		err = errors.Join(err, w.file.Truncate(from.offset))
	}
	return o, err
}

func (w *writer) copy(ctx context.Context, container, name string, r io.Reader, size int64) (*object, error) {
	o := &object{tape: w.c.tape, head: objectHead{Container: container, Name: name, Size: size, Modified: w.now().UTC().Truncate(time.Second)}}
	if err := w.put(kindObject, o.head); err != nil {
		return nil, err
	}
	o.at = at{w.at.medium, w.at.offset - int64(len(w.block))}
	buffer := payloads.Get().(*[maxPayload]byte)
	defer payloads.Put(buffer)
	plain, strong := md5.New(), sha256.New()
	r = objectstore.Until(ctx, r)
	for left := size; left > 0; {
		b := buffer[:min(maxPayload, left)]
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("reading what is to be written: %w", err)
		}
		plain.Write(b)
		strong.Write(b)
		if err := w.write(kindData, b); err != nil {
			return nil, err
		}
		left -= int64(len(b))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.end = objectEnd{Size: size, MD5: hex.EncodeToString(plain.Sum(nil)), SHA256: hex.EncodeToString(strong.Sum(nil))}
	if err := w.put(kindEnd, o.end); err != nil {
		return nil, err
	}
	if err := w.sync(); err != nil {
		return nil, err
	}
	w.c.put(o)
	return o, nil
}

// indexStep is how many objects one block of the index has at most: with names
// of maxName bytes they fit.
const indexStep = 64

// uncovered are the objects and records that the indexes do not name.
func (c *content) uncovered(indexes []index) (objects []*object, records []record) {
	var from at
	if n := len(indexes); n > 0 {
		from = indexes[n-1].at
	}
	for _, of := range c.objects {
		for _, o := range of {
			if !o.at.before(from) {
				objects = append(objects, o)
			}
		}
	}
	for _, r := range c.records {
		if !r.at.before(from) {
			records = append(records, r)
		}
	}
	return objects, records
}

// basis is the indexes that the next one adds to. It names again what those at
// their end name that are no larger than itself: so there are few of them, and
// they do not grow with the square of how many were written.
func (c *content) basis() []index {
	indexes := c.indexes
	objects, records := c.uncovered(indexes)
	entries := len(objects) + len(records)
	for n := len(indexes); n > 0 && indexes[n-1].entries <= entries; n-- {
		entries += indexes[n-1].entries
		indexes = indexes[:n-1]
	}
	return slices.Clip(indexes)
}

// finish writes an index and the final block. An index that is there is never
// written over: until the next is whole, what a walk does not find may be in it
// alone.
func (w *writer) finish(volumeOf func(medium int) int) error {
	toSpot := func(a at) spot { return spot{volumeOf(a.medium), a.offset} }
	basis := w.c.basis()
	all, records := w.c.uncovered(basis)
	slices.SortFunc(all, func(a, b *object) int {
		if a.at.medium != b.at.medium {
			return a.at.medium - b.at.medium
		}
		return int(a.at.offset - b.at.offset)
	})
	var begin *spot
	part := func(p indexPart) error {
		if err := w.put(kindIndex, p); err != nil {
			return err
		}
		if begin == nil {
			s := toSpot(at{w.at.medium, w.at.offset - int64(len(w.block))})
			begin = &s
		}
		return nil
	}
	head := indexPart{}
	for _, r := range records {
		head.Records = append(head.Records, toSpot(r.at))
	}
	if err := part(head); err != nil {
		return err
	}
	for some := range slices.Chunk(all, indexStep) {
		var p indexPart
		for _, o := range some {
			p.Objects = append(p.Objects, indexObject{objectHead: o.head, End: o.end, At: toSpot(o.at)})
		}
		if err := part(p); err != nil {
			return err
		}
	}
	objects, bytes := w.c.count()
	final := finalBlock{Objects: objects, Bytes: bytes, Records: len(w.c.records), Index: *begin}
	if n := len(basis); n > 0 {
		before := toSpot(basis[n-1].at)
		final.Before = &before
	}
	text, err := json.Marshal(final)
	if err != nil {
		return err
	}
	padding := finalSize - headerSize - len(text)
	if padding < 0 {
		return fmt.Errorf("the end of the tape takes %d bytes", len(text))
	}
	if err := w.write(kindFinal, append(text, strings.Repeat(" ", padding)...)); err != nil {
		return err
	}
	w.c.indexes = append(basis, index{at{w.at.medium, w.at.offset - finalSize}, len(all) + len(records)})
	return w.sync()
}

func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("tape %s is being written by another program", f.Name()))
	}
	return nil // file systems without locks have nothing to say
}

// syncDir puts a directory's entries on stable storage; some file systems need
// none and say EINVAL.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
