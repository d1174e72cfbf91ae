package posix

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

var _ objectstore.Surveyor = (*Store)(nil)

// surveyReaders is how many directories are read at once. Where the kernel
// knows them already the processors are the bound; a disk that must be asked
// wants many questions at a time.
const surveyReaders = 16

// Survey reads every directory once, through the descriptor of the one above
// it, and nothing by its path. Of a directory copy of an object store it is
// not supported.
func (s *Store) Survey(ctx context.Context, within string, visit objectstore.Visit) error {
	if s.objects {
		return errors.ErrUnsupported
	}
	v := &survey{ctx: ctx, store: s, visit: visit}
	v.change.L = &v.mu
	defer v.abandon()
	if err := v.begin(within); err != nil {
		return err
	}
	var readers sync.WaitGroup
	for range surveyReaders {
		readers.Go(v.work)
	}
	readers.Wait()
	return v.err
}

// survey is one pass over the tree. The directories that are known and not
// read yet are a stack, so that few are open at a time.
type survey struct {
	ctx   context.Context
	store *Store
	visit objectstore.Visit

	mu     sync.Mutex
	change sync.Cond
	todo   []unread
	busy   int // readers that may find more
	err    error
}

// unread is a directory that is to be read.
type unread struct {
	in         *parent
	name, path string
}

// parent is an open directory with something unread below it.
type parent struct {
	fd    int
	users atomic.Int64
}

func (p *parent) release() {
	if p.users.Add(-1) == 0 {
		unix.Close(p.fd)
	}
}

// begin finds the first directory.
func (v *survey) begin(within string) error {
	root, err := v.store.openRoot()
	if err != nil {
		return err
	}
	if within == "" {
		fd, err := duplicate(root)
		root.Close()
		if err != nil {
			return rootError(v.store.root, err)
		}
		return v.read(fd, "", make([]byte, entriesBuffer))
	}
	parts, err := v.store.containerPath(within)
	if err != nil {
		root.Close()
		return err
	}
	last := len(parts) - 1
	above, err := root.descend(parts[:last])
	if err != nil {
		return containerError(within, err)
	}
	defer above.Close()
	switch fd, err := openDirAt(int(above.Fd()), parts[last]); {
	case errors.Is(err, unix.ENOENT):
		return containerError(within, err)
	case err != nil:
		if linksToDir(int(above.Fd()), parts[last]) {
			err = unix.ELOOP
		}
		return v.visit(within, nil, containerError(within, err))
	default:
		return v.read(fd, within, make([]byte, entriesBuffer))
	}
}

func duplicate(d *dir) (int, error) {
	defer d.Close()
	return unix.FcntlInt(d.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

func openDirAt(at int, name string) (int, error) {
	return retry(func() (int, error) { return unix.Openat(at, name, openDirFlags|unix.O_NOFOLLOW, 0) })
}

// work reads directories until there are none or one fails.
func (v *survey) work() {
	var buf []byte
	for {
		next, ok := v.next()
		if !ok {
			return
		}
		if buf == nil {
			buf = make([]byte, entriesBuffer)
		}
		v.done(v.enter(next, buf))
	}
}

func (v *survey) next() (unread, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.todo) == 0 && v.busy > 0 && v.err == nil {
		v.change.Wait()
	}
	if len(v.todo) == 0 || v.err != nil {
		return unread{}, false
	}
	top := v.todo[len(v.todo)-1]
	v.todo = v.todo[:len(v.todo)-1]
	v.busy++
	return top, true
}

func (v *survey) done(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy--
	if v.err == nil {
		v.err = err
	}
	if v.err != nil || v.busy == 0 && len(v.todo) == 0 {
		v.change.Broadcast()
	}
}

// abandon closes what a survey that failed left unread.
func (v *survey) abandon() {
	for _, d := range v.todo {
		d.in.release()
	}
}

func (v *survey) enter(d unread, buf []byte) error {
	fd, err := openDirAt(d.in.fd, d.name)
	d.in.release()
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return v.visit(d.path, nil, containerError(d.path, err))
	}
	return v.read(fd, d.path, buf)
}

// read shows the directory at path if it is a container, remembers what is
// below it, and sees to it that fd is closed.
func (v *survey) read(fd int, path string, buf []byte) error {
	p := &place{Store: v.store, v: v, fd: fd, path: path, entries: entries{fd: fd, buf: buf}}
	err := p.show()
	if len(p.below) == 0 || err != nil {
		unix.Close(fd)
		return err
	}
	in := &parent{fd: fd}
	in.users.Store(int64(len(p.below)))
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range p.below {
		v.todo = append(v.todo, unread{in: in, name: name, path: join(path, name)})
	}
	v.change.Broadcast()
	return nil
}

// place is a directory while it is read: the store, with List and Get of the
// container that the directory is answered through its descriptor.
type place struct {
	*Store
	v       *survey
	fd      int
	path    string
	entries entries
	below   []string // directories in it
	listed  bool
}

// show reads until it is sure whether the directory is a container.
func (p *place) show() error {
	if err := p.v.ctx.Err(); err != nil {
		return err
	}
	name, err := p.file()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case isContextError(err) || errors.As(err, new(aborted)):
		return err
	case err != nil && p.path == "":
		return rootError(p.root, err)
	case err != nil:
		return p.v.visit(p.path, nil, containerError(p.path, err))
	}
	if p.path != "" {
		if err := p.visit(name); err != nil {
			return err
		}
	}
	for err == nil { // the rest, if nobody has listed it
		_, err = p.file()
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, new(aborted)):
		return err
	case p.path == "":
		return rootError(p.root, err)
	}
	return p.v.visit(p.path, nil, containerError(p.path, err))
}

func (p *place) visit(first string) error {
	if _, err := p.containerPath(p.path); err != nil {
		return p.v.visit(p.path, nil, err)
	}
	p.entries.again = first
	return p.v.visit(p.path, p, nil)
}

// aborted is an error of visit, which ends the survey.
type aborted struct{ error }

func (a aborted) Unwrap() error { return a.error }

// file returns the name of the next regular file, and remembers directories on
// the way.
func (p *place) file() (string, error) {
	for {
		if first := p.entries.again; first != "" {
			p.entries.again = ""
			return first, nil
		}
		name, kind, err := p.entries.next()
		if err != nil {
			return "", err
		}
		if bytes.HasPrefix(name, []byte(tempPrefix)) {
			continue
		}
		switch kind {
		case kindFile:
			return string(name), nil
		case kindDir:
			p.below = append(p.below, string(name))
		case kindLink:
			if err := p.link(string(name)); err != nil {
				return "", err
			}
		}
	}
}

// link reports a symbolic link that may hide backups.
func (p *place) link(name string) error {
	if !linksToDir(p.fd, name) {
		return nil
	}
	full := join(p.path, name)
	if err := p.v.visit(full, nil, containerError(full, unix.ELOOP)); err != nil {
		return aborted{err}
	}
	return nil
}

// List yields what is left of the directory, once.
func (p *place) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	if container != p.path || p.listed {
		return p.Store.List(ctx, container, prefix)
	}
	p.listed = true
	return func(yield func(objectstore.Info, error) bool) {
		for {
			name, err := p.file()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil {
				err = ctx.Err()
			}
			var info fileInfo
			ok := false
			if err == nil && strings.HasPrefix(name, prefix) {
				info, ok, err = statAt(p.fd, name)
			}
			if err != nil {
				if !isContextError(err) && !errors.As(err, new(aborted)) {
					err = containerError(p.path, unreadable(p.fd, err))
				}
				yield(objectstore.Info{}, err)
				return
			}
			if ok && !yield(objectstore.Info{Name: name, Size: info.size, Modified: info.modified}, nil) {
				return
			}
		}
	}
}

// Get opens a file of the directory. That it is a regular one the directory
// has told; who reads nothing of it may ask for what it has not shown.
func (p *place) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	if container != p.path || off < 0 || n == 0 || strings.IndexByte(name, '/') >= 0 || isTemp(name) {
		return p.Store.Get(ctx, container, name, off, n)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, err := retry(func() (int, error) {
		return openat(p.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, objectError(container, name, unreadable(p.fd, err))
	}
	if n < 0 {
		n = 1<<63 - 1
	}
	return &plainReader{ctx: ctx, fd: fd, at: off, left: n}, nil
}

// plainReader reads a regular file with as few calls as that takes: where one
// reads less than it might, the file ends.
type plainReader struct {
	ctx      context.Context
	fd       int
	at, left int64
	closed   bool
}

// Read implements io.Reader.
func (r *plainReader) Read(b []byte) (int, error) {
	if r.closed {
		return 0, errors.New("read of a file that was closed")
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if int64(len(b)) > r.left {
		b = b[:r.left]
	}
	if len(b) == 0 {
		return 0, io.EOF
	}
	n, err := retry(func() (int, error) { return unix.Pread(r.fd, b, r.at) })
	if err != nil {
		return 0, unreadable(r.fd, err)
	}
	r.at += int64(n)
	r.left -= int64(n)
	if n < len(b) {
		r.left = 0
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (r *plainReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return unix.Close(r.fd)
}

// entriesBuffer holds the entries of a directory of 200 backups' files.
const entriesBuffer = 32 << 10

// entries reads the entries of a directory as the kernel gives them
// (getdents64(2)).
type entries struct {
	fd       int
	buf      []byte
	pos, end int
	again    string // a file's name that is to be read once more
}

// next returns a name, valid until the next call, and what it is; io.EOF after
// the last.
func (e *entries) next() ([]byte, entryKind, error) {
	// struct linux_dirent64: inode 8, offset 8, length 2, type 1, name.
	const lengthAt, typeAt, nameAt = 16, 18, 19
	for {
		if e.pos == e.end {
			n, err := retry(func() (int, error) { return unix.Getdents(e.fd, e.buf) })
			if err != nil {
				return nil, 0, err
			}
			if n == 0 {
				return nil, 0, io.EOF
			}
			e.pos, e.end = 0, n
		}
		record := e.buf[e.pos:e.end]
		if len(record) < nameAt {
			return nil, 0, errors.New("the kernel gave half an entry")
		}
		length := int(binary.NativeEndian.Uint16(record[lengthAt:]))
		if length < nameAt || length > len(record) {
			return nil, 0, fmt.Errorf("the kernel gave an entry of %d bytes", length)
		}
		e.pos += length
		name := record[nameAt:length]
		if zero := bytes.IndexByte(name, 0); zero >= 0 {
			name = name[:zero]
		}
		if string(name) == "." || string(name) == ".." {
			continue
		}
		kind, err := e.kind(record[typeAt], name)
		return name, kind, err
	}
}

func (e *entries) kind(told byte, name []byte) (entryKind, error) {
	switch told {
	case unix.DT_REG:
		return kindFile, nil
	case unix.DT_DIR:
		return kindDir, nil
	case unix.DT_LNK:
		return kindLink, nil
	case unix.DT_UNKNOWN:
	default:
		return kindOther, nil
	}
	// Not every file system tells.
	var st unix.Stat_t
	err := unix.Fstatat(e.fd, string(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return kindOther, nil
	case err != nil:
		return kindOther, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return kindFile, nil
	case unix.S_IFDIR:
		return kindDir, nil
	case unix.S_IFLNK:
		return kindLink, nil
	}
	return kindOther, nil
}
