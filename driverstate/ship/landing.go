package ship

import (
	"bytes"
	"context"
	"crypto/md5" // what object stores tell of an object
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/cores"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Landing is worn by the stores that a shipment goes to. An object that is there
// with the size and the MD5 of what is to be written is not written again.
// Before the metadata document of a backup is written, and after it, all that
// was put under its prefix is compared with what the store has; what an earlier
// shipment left there and this one did not write is removed, because Cinder
// restores no backup with an object that its document does not list.
//
// It is for one shipment, and safe for concurrent use.
type Landing struct {
	// full reads everything back; otherwise only objects whose MD5 the listing
	// does not tell are read.
	full bool

	mu       sync.Mutex
	sentSize int64
	kept     int
}

// landingStore is one store that wears a Landing: a driver may have several,
// such as the accounts of Swift, with the same names in each.
type landingStore struct {
	objectstore.Store
	all *Landing

	mu      sync.Mutex
	backups map[place]*landed
}

// place is where the objects of one backup lie.
type place struct{ container, prefix string }

// landed is what is known of one place.
type landed struct {
	once  sync.Once
	err   error
	there map[string]objectstore.Info // before the shipment
	mu    sync.Mutex
	sent  map[string]*sent
}

// sent is one object that must be there.
type sent struct {
	size   int64
	md5    []byte
	proven bool
}

// NewLanding returns a Landing that is not worn yet: Wrap does that.
func NewLanding(v driverstate.ShipVerify) *Landing {
	return &Landing{full: v == driverstate.ShipVerifyFull}
}

// Wrap puts l around s.
func (l *Landing) Wrap(s objectstore.Store) objectstore.Store {
	return &landingStore{Store: s, all: l, backups: map[place]*landed{}}
}

// Check passes the question on.
func (l *landingStore) Check(ctx context.Context) error {
	if c, ok := l.Store.(objectstore.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// Sweep passes the work on.
func (l *landingStore) Sweep(ctx context.Context, container string) error {
	if s, ok := l.Store.(objectstore.Sweeper); ok {
		return s.Sweep(ctx, container)
	}
	return nil
}

// take returns what was sent since the last call, in bytes, and how many
// objects were there already.
func (l *Landing) take() (bytes int64, kept int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bytes, kept = l.sentSize, l.kept
	l.sentSize, l.kept = 0, 0
	return bytes, kept
}

func (l *Landing) count(bytes int64, kept int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sentSize += bytes
	l.kept += kept
}

// Endings of the names of a backup's objects (cinder/backup/chunkeddriver.py).
const (
	metadataEnd = "_metadata"
	hashesEnd   = "_sha256file"
)

// prefixOf is the part of an object's name that all objects of its backup have.
func prefixOf(name string) string {
	for _, end := range []string{metadataEnd, hashesEnd} {
		if p, ok := strings.CutSuffix(name, end); ok {
			return p
		}
	}
	return name[:max(0, strings.LastIndexByte(name, '-'))]
}

// isOwn reports whether name is that of an object of the backup of prefix.
func isOwn(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return false
	}
	digits, ok := strings.CutPrefix(rest, "-")
	return rest == metadataEnd || rest == hashesEnd || ok && len(digits) >= 5 && strings.Trim(digits, "0123456789") == ""
}

// at returns what is known of a place, having listed it once.
func (l *landingStore) at(ctx context.Context, p place) (*landed, error) {
	l.mu.Lock()
	b := l.backups[p]
	if b == nil {
		b = &landed{sent: map[string]*sent{}}
		l.backups[p] = b
	}
	l.mu.Unlock()
	b.once.Do(func() { b.there, b.err = l.list(ctx, p) })
	return b, b.err
}

func (l *landingStore) list(ctx context.Context, p place) (map[string]objectstore.Info, error) {
	there := map[string]objectstore.Info{}
	for info, err := range l.Store.List(ctx, p.container, p.prefix) {
		if errors.Is(err, objectstore.ErrNoContainer) {
			return there, nil
		}
		if err != nil {
			return nil, err
		}
		if isOwn(info.Name, p.prefix) {
			there[info.Name] = info
		}
	}
	return there, nil
}

// Put stores an object unless it is there.
func (l *landingStore) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	p := place{container, prefixOf(name)}
	b, err := l.at(ctx, p)
	if err != nil {
		return err
	}
	last := strings.HasSuffix(name, metadataEnd)
	if last {
		if err := l.prove(ctx, p, b); err != nil {
			return err
		}
	}
	if err := l.send(ctx, p, b, name, r, size); err != nil || !last {
		return err
	}
	return l.prove(ctx, p, b)
}

func (l *landingStore) send(ctx context.Context, p place, b *landed, name string, r io.ReadSeeker, size int64) error {
	if info, ok := b.there[name]; ok && info.Size == size {
		sum, err := md5Of(r)
		if err != nil {
			return err
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
		same, err := l.same(ctx, p.container, name, &info, sum)
		if err != nil {
			return err
		}
		if same {
			b.put(name, &sent{size: size, md5: sum, proven: true})
			l.all.count(0, 1)
			return nil
		}
	}
	tap := &tapped{ReadSeeker: r, hash: md5.New()}
	if err := l.Store.Put(ctx, p.container, name, tap, size); err != nil {
		return err
	}
	sum := tap.hash.Sum(nil)
	if tap.read != size { // the store has read it in another way
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
		var err error
		if sum, err = md5Of(r); err != nil {
			return err
		}
	}
	b.put(name, &sent{size: size, md5: sum})
	l.all.count(size, 0)
	return nil
}

func (b *landed) put(name string, s *sent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent[name] = s
}

// same reports whether the object has the MD5 sum, by the listing, or where
// that does not tell, or shall not be believed, by reading it.
func (l *landingStore) same(ctx context.Context, container, name string, info *objectstore.Info, sum []byte) (bool, error) {
	if info != nil && info.MD5 != nil && !l.all.full {
		return bytes.Equal(info.MD5, sum), nil
	}
	body, err := l.Store.Get(ctx, container, name, 0, -1)
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrDamaged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer body.Close()
	have, err := md5Of(body)
	if errors.Is(err, objectstore.ErrDamaged) {
		return false, nil
	}
	return bytes.Equal(have, sum), err
}

// prove compares what was sent to p with what is there, and removes strays.
func (l *landingStore) prove(ctx context.Context, p place, b *landed) error {
	now, err := l.list(ctx, p)
	if err != nil {
		return err
	}
	for name := range b.there {
		if b.sent[name] == nil && !strings.HasSuffix(name, metadataEnd) {
			if err := l.Store.Delete(ctx, p.container, name); err != nil {
				return fmt.Errorf("removing object %s of an earlier shipment: %w", name, err)
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cores.Count())
	for name, s := range b.sent {
		if s.proven {
			continue
		}
		// A listing may lag behind what was written: then reading decides.
		var info *objectstore.Info
		if i, ok := now[name]; ok && i.Size == s.size {
			info = &i
		}
		group.Go(func() error {
			ok, err := l.same(ctx, p.container, name, info, s.md5)
			if err == nil && !ok && info != nil && info.MD5 != nil && !l.all.full {
				// What a listing calls the MD5 is another digest where the
				// server encrypts: reading decides.
				ok, err = l.same(ctx, p.container, name, nil, s.md5)
			}
			if err != nil {
				return fmt.Errorf("object %s: reading it back: %w", name, err)
			}
			if !ok {
				return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf(
					"object %s is not at the target as it was sent: %d bytes with md5 %x", name, s.size, s.md5))
			}
			s.proven = true
			return nil
		})
	}
	return group.Wait()
}

// tapped hashes what is read since the last seek.
type tapped struct {
	io.ReadSeeker
	hash hash.Hash
	read int64
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.ReadSeeker.Read(p)
	t.hash.Write(p[:n])
	t.read += int64(n)
	return n, err
}

// Seek begins anew: a store seeks to the beginning to try again. Any other use
// shows in the number of bytes read.
func (t *tapped) Seek(off int64, whence int) (int64, error) {
	t.hash.Reset()
	t.read = 0
	return t.ReadSeeker.Seek(off, whence)
}

func md5Of(r io.Reader) ([]byte, error) {
	sum := md5.New()
	if _, err := io.Copy(sum, struct{ io.Reader }{r}); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}
