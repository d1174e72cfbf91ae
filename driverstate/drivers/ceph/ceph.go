// Package ceph is Cinder's Ceph backup driver (cinder/backup/drivers/ceph.py):
// a backup is an RBD image, or a snapshot of one. It works through the programs
// rbd and rados of a Ceph host, and needs no Ceph library.
//
// What it writes, full backups and increments of any volume, Cinder restores.
// What Cinder wrote, of every generation, is found, verified, restored and
// deleted, and so are the backups that Cinder itself cannot restore. Ceph keeps
// no hashes of backups: a verification proves that every byte can be read.
package ceph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Service is the class path that Cinder records for the ceph driver.
const Service = "cinder.backup.drivers.ceph.CephBackupDriver"

const (
	gib = 1 << 30
	// objectSize is that of the images that Cinder makes.
	objectSize = 4 << 20
	// maxPiece is what is read of a volume at once: an object, so that each
	// record of a diff is written in one go.
	maxPiece = objectSize
	// blockSize is the grain in which zeros and changes are found.
	blockSize = 64 << 10
	// defaultWorkers is how many programs of a scan run at once. They mostly
	// wait: 30 ms to connect.
	defaultWorkers = 8
)

// Driver implements driverstate.Driver, Scanner, Verifier, ForceDeleter,
// Examiner and PartialRemover.
type Driver struct {
	cfg     Config
	cluster cluster
	log     *slog.Logger
	now     func() time.Time
	// pause waits between two attempts to remove an image that is in use.
	pause func(context.Context, time.Duration) error
}

// New returns the ceph driver. Nothing is run: CheckForSetupError does that.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Driver{
		cfg: c, log: log, now: time.Now, pause: pause,
		cluster: cluster{conf: c.Conf, user: c.User, readOnly: c.ReadOnly, limit: c.Limit},
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Service is the class path that Cinder records for this driver.
func (d *Driver) Service() string { return Service }

// DoSetup has nothing to prepare: every program connects by itself.
func (d *Driver) DoSetup(ctx context.Context) error { return ctx.Err() }

// CheckForSetupError proves that the programs are there and that the pool can
// be listed.
func (d *Driver) CheckForSetupError(ctx context.Context) error {
	for _, program := range []string{"rbd", "rados"} {
		if _, err := exec.LookPath(program); err != nil {
			return notStarted(call{program: program}, err)
		}
	}
	_, err := d.names(ctx, d.cfg.Pool)
	if noPool(err) {
		return fmt.Errorf("pool %s of backup_ceph_pool: %w", d.cfg.Pool, &asKind{err, driverstate.ErrInvalidInput})
	}
	return err
}

// asKind is an error that answers to another kind than its own.
type asKind struct {
	error
	kind error
}

func (e *asKind) Unwrap() error { return e.kind }

// SupportsForceDelete is false, as in Cinder (driver.py support_force_delete).
func (d *Driver) SupportsForceDelete() bool { return false }

// Close has nothing to release.
func (d *Driver) Close() error { return nil }

// Place names the image that b will be in: its own, or that of its parent. A
// backup of a snapshot gets an image of its own too, where Cinder gives all of
// a volume one name between them.
func (d *Driver) Place(b, parent *driverstate.Backup, _ time.Time) (container, serviceMetadata string, err error) {
	if !driverstate.IsUUID(b.ID) || !driverstate.IsUUID(b.VolumeID) {
		return "", "", invalid("backup id %.80q or volume id %.80q is not a UUID", b.ID, b.VolumeID)
	}
	pool := b.Container
	if parent != nil {
		if pool == "" {
			pool = parent.Container
		}
		if pool != parent.Container {
			return "", "", invalid("an incremental backup lies in the pool of its parent, %s, and cannot go to %s: do a full backup", parent.Container, pool)
		}
	}
	if pool == "" {
		pool = d.cfg.Pool
	}
	if err := checkPool(pool); err != nil {
		return "", "", err
	}
	if parent == nil {
		return pool, baseText(imageName(b.VolumeID, b.ID)), nil
	}
	base, err := parseBase(parent.ServiceMetadata, b.VolumeID)
	if err != nil {
		return "", "", err
	}
	if base == "" { // before Train
		base = imageName(b.VolumeID, sharedOwner)
	}
	return pool, baseText(base), nil
}

// checkChain refuses a chain whose backups do not stand on each other. It may
// begin anywhere: the last alone is read, and is whole by itself.
func checkChain(c driverstate.Chain) (*driverstate.Backup, error) {
	if len(c) == 0 || len(c) > driverstate.MaxChain {
		return nil, invalid("a chain of %d backups", len(c))
	}
	for i, b := range c[1:] {
		if b.ParentID != c[i].ID {
			return nil, invalid("backup %s names %q as its parent, not %q", b.ID, b.ParentID, c[i].ID)
		}
	}
	return c.Tip(), nil
}

// named says which backup an error is about.
func named(op string, b *driverstate.Backup, err error) error {
	var e *driverstate.Error
	if err == nil || errors.As(err, &e) && e.ID == b.ID {
		return err
	}
	return &driverstate.Error{Op: op, Resource: "backup", ID: b.ID, Err: err}
}

// progressInterval bounds how often progress is told.
const progressInterval = 200 * time.Millisecond

// progress tells an observer how far an operation is.
type progress struct {
	obs   driverstate.Observer
	event driverstate.Event
	now   func() time.Time
	mu    sync.Mutex
	told  time.Time
}

func (d *Driver) watch(op string, b *driverstate.Backup, length int64, obs driverstate.Observer) *progress {
	if obs == nil {
		obs = driverstate.Discard
	}
	p := &progress{obs: obs, now: d.now, event: driverstate.Event{Op: op, BackupID: b.ID, VolumeID: b.VolumeID, BytesTotal: length}}
	p.told = p.now()
	p.tell(driverstate.EventStart, "")
	return p
}

// reached tells, now and then, that the bytes before at are done.
func (p *progress) reached(at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event.BytesDone = max(p.event.BytesDone, min(at, p.event.BytesTotal))
	if now := p.now(); now.Sub(p.told) >= progressInterval {
		p.told = now
		p.tell(driverstate.EventProgress, "")
	}
}

func (p *progress) tell(t driverstate.EventType, message string) {
	e := p.event
	e.Type, e.Message, e.Time = t, message, p.now()
	p.obs.Observe(e)
}

func (p *progress) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.tell(driverstate.EventError, err.Error())
		return
	}
	p.tell(driverstate.EventEnd, "")
}

var (
	_ driverstate.Driver       = (*Driver)(nil)
	_ driverstate.Scanner      = (*Driver)(nil)
	_ driverstate.Verifier     = (*Driver)(nil)
	_ driverstate.ForceDeleter = (*Driver)(nil)
	_ driverstate.Examiner     = (*Driver)(nil)

	_ driverstate.PartialRemover = (*Driver)(nil)
)
