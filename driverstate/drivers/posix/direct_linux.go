package posix

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// directLeast is the size of the objects for which writing past the page
	// cache pays.
	directLeast = 4 << 20
	// directBytes is what is written at once, from one of directBuffers: one is
	// filled meanwhile.
	directBytes   = 1 << 20
	directBuffers = 2
	// directAlign is what direct I/O wants of addresses, offsets and lengths:
	// the largest sector that disks have.
	directAlign = 4096
)

var zeros [directBytes]byte

// alignedBuffers are of directBytes, at a multiple of directAlign.
var alignedBuffers = sync.Pool{New: func() any {
	raw := make([]byte, directBytes+directAlign)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % directAlign
	return (*[directBytes]byte)(raw[skip:])
}}

// direct is a second way to write a new file of a known size: past the page
// cache, which costs the processor a fifth.
type direct struct {
	*os.File
	plain *os.File // the file, for what cannot be written directly
	off   bool     // the file system does not take it after all
}

// openDirect opens f a second time and reserves size bytes for it, which read as
// zeros until they are written. It is nil where that is not to be had or does
// not pay: over a network each write would wait for the other side.
func openDirect(f *os.File, size int64) (*direct, error) {
	if size < directLeast || network(int(f.Fd())) {
		return nil, nil
	}
	fd, err := retry(func() (int, error) {
		return unix.Open("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, nil
	}
	d := &direct{File: os.NewFile(uintptr(fd), f.Name()), plain: f}
	_, err = retry(func() (int, error) { return 0, unix.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = f.Truncate(size)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// network reports whether the file system of fd is that of another machine, or
// cannot be told from one.
func network(fd int) bool {
	var s unix.Statfs_t
	if unix.Fstatfs(fd, &s) != nil {
		return true
	}
	switch s.Type {
	case unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC:
		return true
	}
	return false
}

// mediumErrors are those of a disk, and of a file system that finds itself
// damaged: ext4 and XFS call that a bad message, or that it needs cleaning.
var mediumErrors = []error{unix.EIO, unix.EBADMSG, unix.EUCLEAN}

// copy writes r, one buffer while the next is filled. Zeros are there already.
func (d *direct) copy(r io.Reader) (n int64, err error) {
	type piece struct {
		buf *[directBytes]byte
		n   int
	}
	free, full := make(chan *[directBytes]byte, directBuffers), make(chan piece, directBuffers)
	for range directBuffers {
		buf := alignedBuffers.Get().(*[directBytes]byte)
		defer alignedBuffers.Put(buf)
		free <- buf
	}
	var group errgroup.Group // ends when full is closed
	group.Go(func() (err error) {
		for at := int64(0); ; {
			p, ok := <-full
			if !ok {
				return err
			}
			if err == nil {
				err = d.write(p.buf[:p.n], at)
			}
			at += int64(p.n)
			free <- p.buf
		}
	})
	for err == nil {
		buf := <-free
		var got int
		if got, err = io.ReadFull(r, buf[:]); got > 0 {
			full <- piece{buf, got}
			n += int64(got)
		}
	}
	close(full)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, errors.Join(group.Wait(), err)
}

func (d *direct) write(b []byte, off int64) error {
	if bytes.Equal(b, zeros[:len(b)]) {
		return nil
	}
	whole := len(b) / directAlign * directAlign
	if d.off {
		whole = 0
	}
	if whole > 0 {
		_, err := d.WriteAt(b[:whole], off)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
			d.off, whole, err = true, 0, nil
		}
		if err != nil {
			return err
		}
	}
	_, err := d.plain.WriteAt(b[whole:], off+int64(whole))
	return err
}
