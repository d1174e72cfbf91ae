package tape

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// store is a tape as an object store. It is opened by its first use.
type store struct {
	path       string // of the only volume, or what its volumes' names begin with
	volumeSize int64
	append     bool      // it may be written
	in         io.Reader // a tape to be read from a pipe; nil for none
	out        io.Writer // a pipe to write to; nil for none
	now        func() time.Time
	log        *slog.Logger

	mu     sync.Mutex
	made   map[string]bool // containers that were asked for, with or without an object
	opened bool
	media  []*medium
	files  []*os.File
	c      *content
	w      *writer // nil until something is written
}

var errPipe = driverstate.Fail(driverstate.ErrNotSupported, "a tape that is written to a pipe cannot be read back")

// newStore is s, ready to be opened.
func newStore(s *store) *store {
	s.made = map[string]bool{}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// volumePath is the name of a volume: the path itself when there is one only.
func (s *store) volumePath(n int) string {
	if s.volumeSize == 0 {
		return s.path
	}
	return fmt.Sprintf("%s.%03d", s.path, n)
}

// open finds the volumes and what is on them. s.mu is held.
func (s *store) open(ctx context.Context) error {
	if s.opened {
		return nil
	}
	err := s.mount(ctx)
	switch {
	case err != nil:
	case len(s.media) > 0:
		err = s.read()
	default:
		s.c = newContent() // a new tape
	}
	if err != nil {
		s.eject()
		return err
	}
	s.opened = true
	return nil
}

// read finds out what is on the tape: by its index, else by walking it.
func (s *store) read() error {
	if len(s.media) == 1 && s.media[0].size == 0 && s.append {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("tape %s is an empty file: remove it, and it is made anew", s.path))
	}
	c, err := indexed(s.media)
	if err != nil {
		if c, err = scan(s.media); err != nil {
			return err
		}
	}
	for _, p := range c.problems {
		s.log.Warn("the tape is not whole", "tape", s.path, "problem", p)
	}
	s.c = c
	return nil
}

// start makes s ready to be written. s.mu is held.
func (s *store) start(ctx context.Context) error {
	if !s.append {
		return objectstore.ErrReadOnly
	}
	if err := s.open(ctx); err != nil || s.w != nil {
		return err
	}
	w := &writer{c: s.c, out: s.out, volumeSize: s.volumeSize, now: s.now, pathOf: s.volumePath}
	w.grown = func(f *os.File, path string, before int64) {
		if n := len(s.media); n > 0 {
			s.media[n-1].size = before
		}
		s.files = append(s.files, f)
		s.media = append(s.media, &medium{f, path, 0})
	}
	if len(s.media) == 0 {
		err := w.begin()
		if w.file != nil || w.out != nil {
			s.w = w // a head that could not be written is by the next write
		}
		return err
	}
	if err := s.cannotContinue(); err != nil {
		return err
	}
	if err := s.dropUnwritten(); err != nil {
		return err
	}
	// What a writer that was killed has left of an object.
	last := len(s.media) - 1
	if err := s.files[last].Truncate(s.c.end.offset); err != nil {
		return err
	}
	s.media[last].size = s.c.end.offset
	w.file, w.at = s.files[last], s.c.end
	s.w = w
	return nil
}

// cannotContinue says why nothing may be written behind what is on the tape;
// nil if it may.
func (s *store) cannotContinue() error {
	if s.c.tapes > 1 {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("tape %s is %d tapes one after another and cannot be continued: write another", s.path, s.c.tapes))
	}
	why := s.c.damage
	last := s.c.end.medium + 1
	for last < len(s.media) && s.media[last].unwritten() {
		last++
	}
	switch {
	case why == "" && s.c.headless:
		why = s.media[0].name + " has lost its first block"
	case why == "" && last < len(s.media):
		why = s.media[last].name + " does not begin with a volume of it"
	case why == "":
		return nil
	}
	return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("tape %s is damaged and cannot be continued: %s: write another", s.path, why))
}

// dropUnwritten removes the files behind the end, which writers have made that
// got no further. Their locks are held.
func (s *store) dropUnwritten() error {
	for n := len(s.media) - 1; n > s.c.end.medium; n-- {
		if err := os.Remove(s.media[n].name); err != nil {
			return err
		}
		f := s.files[n]
		s.files, s.media = s.files[:n], s.media[:n]
		if err := errors.Join(f.Close(), syncDir(filepath.Dir(s.path))); err != nil {
			return err
		}
	}
	return nil
}

// grew notes how long the last volume is.
func (s *store) grew() {
	if n := len(s.media); n > 0 {
		s.media[n-1].size = s.w.at.offset
	}
}

func (s *store) PutContainer(ctx context.Context, container string) error {
	if err := checkNames(container); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[container] = true
	return ctx.Err()
}

func (s *store) RemoveContainer(ctx context.Context, container string) error {
	if err := checkNames(container); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil || len(s.c.objects[container]) == 0 {
		delete(s.made, container)
	}
	return ctx.Err()
}

// Check opens the tape.
func (s *store) Check(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open(ctx)
}

func (s *store) Containers(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.mu.Lock()
		err := s.open(ctx)
		var names []string
		if err == nil {
			for name := range s.c.objects {
				names = append(names, name)
			}
		}
		s.mu.Unlock()
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (s *store) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return func(yield func(objectstore.Info, error) bool) {
		s.mu.Lock()
		err := errors.Join(checkNames(container), ctx.Err(), s.open(ctx))
		var infos []objectstore.Info
		if err == nil {
			of, ok := s.c.objects[container]
			if !ok && !s.made[container] {
				err = objectstore.ErrNoContainer
			}
			for name, o := range of {
				if strings.HasPrefix(name, prefix) {
					infos = append(infos, s.info(o))
				}
			}
		}
		s.mu.Unlock()
		if err != nil {
			yield(objectstore.Info{}, err)
			return
		}
		for _, info := range infos {
			if err := ctx.Err(); err != nil {
				yield(info, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func checkNames(names ...string) error {
	for _, name := range names {
		if !plainPath(name) {
			return fmt.Errorf("%w: %.300q", objectstore.ErrBadName, name)
		}
	}
	return nil
}

// info tells no MD5 where the object can be read instead: what was meant to be
// written proves nothing.
func (s *store) info(o *object) objectstore.Info {
	info := objectstore.Info{Name: o.head.Name, Size: o.end.Size, Modified: o.head.Modified}
	if s.out != nil {
		info.MD5, _ = hex.DecodeString(o.end.MD5)
	}
	return info
}

func (s *store) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	if err := checkNames(container, name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.out != nil:
		return nil, errPipe
	case off < 0:
		return nil, fmt.Errorf("object %s: byte %d cannot be read", name, off)
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	of, ok := s.c.objects[container]
	if !ok && !s.made[container] {
		return nil, objectstore.ErrNoContainer
	}
	o, ok := of[name]
	if !ok {
		return nil, objectstore.ErrNotFound
	}
	// The media may grow meanwhile; what is written of them does not change.
	media := make([]*medium, len(s.media))
	for i, m := range s.media {
		seen := *m
		media[i] = &seen
	}
	return newReader(media, o, off, n), nil
}

func (s *store) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	if err := checkNames(container, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(ctx); err != nil {
		return err
	}
	_, err := s.w.object(ctx, container, name, r, size)
	s.grew()
	return err
}

func (s *store) Delete(ctx context.Context, container, name string) error {
	if err := checkNames(container, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(ctx); err != nil {
		return err
	}
	if s.c.objects[container][name] == nil {
		return nil
	}
	err := s.w.put(kindGone, objectHead{Container: container, Name: name, Modified: s.now().UTC()})
	if err == nil {
		s.c.remove(container, name)
		err = s.w.sync()
	}
	s.grew()
	return err
}

func (s *store) keepRecord(ctx context.Context, e driverstate.ExportedRecord) error {
	decoded, err := driverstate.DecodeRecord(e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(ctx); err != nil {
		return err
	}
	if old, ok := s.record(decoded.Backup.ID); ok && old == e {
		return nil
	}
	err = s.w.put(kindRecord, recordText(e))
	if err == nil {
		s.c.keep(record{e, decoded.Backup.ID, at{s.w.at.medium, s.w.at.offset - int64(len(s.w.block))}})
	}
	s.grew()
	return err
}

func (s *store) record(id string) (driverstate.ExportedRecord, bool) {
	if s.c == nil {
		return driverstate.ExportedRecord{}, false
	}
	i := slices.IndexFunc(s.c.records, func(r record) bool { return r.id == id })
	if i < 0 {
		return driverstate.ExportedRecord{}, false
	}
	return s.c.records[i].ExportedRecord, true
}

// finish writes the index and the end, if anything was written.
func (s *store) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return nil
	}
	err := s.w.finish(func(medium int) int { return s.c.volume - s.w.at.medium + medium })
	s.grew()
	return err
}

// eject closes the files.
func (s *store) eject() error {
	var err error
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	s.files, s.media, s.opened, s.w = nil, nil, false, nil
	return err
}

func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.eject()
}

var (
	_ objectstore.Store   = (*store)(nil)
	_ objectstore.Checker = (*store)(nil)
)
