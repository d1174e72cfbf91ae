// Package manager does what the API asks: it changes rows, runs the jobs that
// follow from a change, and answers with Cinder's words (cinder/backup/api.py
// and cinder/backup/manager.py).
//
// A change of status and the job that follows from it are written in one
// transaction, so no backup is left in a status that nobody works on. What a
// process leaves behind when it dies is finished by the next Start.
package manager

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Target is a restore target that is opened for one restore. Exactly one of
// Commit and Abort is called, then Close.
type Target interface {
	driverstate.Target
	// Commit makes what was written the content of the target.
	Commit() error
	// Abort leaves no good name on what was written.
	Abort() error
	// Keep has Abort leave what was written, and returns the file that it is in.
	Keep() string
	Close() error
}

// Source is a volume opened for one backup.
type Source interface {
	driverstate.Source
	Close() error
}

// TargetOptions say how a target may be opened.
type TargetOptions struct {
	// Size is the size of the volume in bytes: the image must fit, and a
	// file of the engine's own keeps it.
	Size int64
	// Overwrite allows a file that holds data already.
	Overwrite bool
	// Resume keeps what an interrupted restore has left.
	Resume bool
	// Stdout is what the path "-" writes to; nil forbids it.
	Stdout io.Writer
}

// DefaultReportInterval is how often a service is heard of unless told otherwise
// (report_interval of cinder/service.py).
const DefaultReportInterval = 10 * time.Second

// Config is what a Manager is made of. DB, Driver, Canonical, OpenTarget and
// Host must be set; every other zero field has a default.
type Config struct {
	DB     db.DB
	Driver driverstate.Driver
	// Canonical maps a driver name of any release to its class path of today,
	// or answers ErrInvalidInput.
	Canonical func(service string) (string, error)

	Host string
	// VolumeHost is that of the volume service, when it is not Host.
	VolumeHost       string
	AvailabilityZone string // "nova" when empty
	// Cluster is that of the services, whose members do each other's work and
	// share DB, store and VolumeDir; empty for none.
	Cluster string

	VolumeDir  string    // the engine's own volumes are files in it
	TargetDirs []string  // managed volumes must lie in one of them; nil allows any path
	Stdout     io.Writer // what the managed volume "-" writes to; nil forbids it
	OpenTarget func(path string, o TargetOptions) (Target, error)
	OpenSource func(path string, volumeMeta []byte) (Source, error)
	// CopyVolume makes the file to a copy of size bytes of a volume, all of it
	// or nothing; nil when snapshots and clones cannot be made.
	CopyVolume func(ctx context.Context, from, to string, size int64) error
	// Space tells the bytes of the file system of VolumeDir; nil for unknown.
	Space func(dir string) (total, free int64, err error)

	// Quotas are the limits of a project by resource, until others are set for
	// it. What is not in it is not limited.
	Quotas map[string]int64
	// Ship carries out shipments from the store of source; nil when that cannot
	// be. line is what is to be shipped, nil for a comparison. The result is as
	// far as it came, also beside an error.
	Ship func(ctx context.Context, source driverstate.Driver, r driverstate.ShipRequest, line []driverstate.ShipItem, obs driverstate.Observer) (driverstate.ShipResult, error)
	// Device listens as r says, to serve image; nil when that cannot be: it is
	// for who is on this machine, as a path is.
	Device func(ctx context.Context, r driverstate.DeviceRequest, image driverstate.Image) (DeviceServer, error)
	// KeepHost answers an error while it is in doubt whether this process is its
	// host; nil where no other can be.
	KeepHost func(ctx context.Context) error
	// DropTarget removes what a restore that was killed has written beside
	// path, if nobody writes there now. nil for a target that has no such.
	DropTarget func(path string) error

	// CheckMap refuses a path that WriteMap could not write. WriteMap writes
	// which bytes of an image of length bytes are holes. nil when nothing can be
	// salvaged.
	CheckMap func(path string) error
	WriteMap func(path string, length int64, holes []driverstate.Range) error

	Observer driverstate.Observer
	Notify   func(Notification) // must not block
	JobDone  func(Outcome)      // must not block
	Logger   *slog.Logger
	Now      db.Clock
	NewID    func() string

	ReportInterval  time.Duration // between heartbeats; DefaultReportInterval
	ServiceDownTime time.Duration // after which a silent service is down; 60 s
	InitInterval    time.Duration // between attempts to set up a driver that is down; 60 s
	InitTimeout     time.Duration // of one attempt; 60 s
	InitOnce        bool          // a driver that is down is not tried again
	CheckInterval   time.Duration // between looks at a driver that is up; 60 s
	WatchInterval   time.Duration // between looks of a cluster's member at its work; 500 ms
	// ProgressInterval is between notifications of a backup's progress besides
	// those of its objects, the first when it begins; 0 for none.
	ProgressInterval time.Duration
	Jobs             int // how many jobs run at once, of each queue; 4

	// AutoCleanup takes over the work of a member of the cluster that was
	// found dead at AutoCleanupChecks heartbeats in a row; 3.
	AutoCleanup       bool
	AutoCleanupChecks int
}

func (c *Config) setDefaults() error {
	switch {
	case c.DB == nil, c.Driver == nil, c.Canonical == nil, c.OpenTarget == nil:
		return errors.New("manager: DB, Driver, Canonical and OpenTarget must be set")
	case c.Host == "":
		return driverstate.Fail(driverstate.ErrInvalidInput, "host must not be empty")
	}
	if c.VolumeHost == "" {
		c.VolumeHost = c.Host
	}
	if c.AvailabilityZone == "" {
		c.AvailabilityZone = "nova"
	}
	if c.Observer == nil {
		c.Observer = driverstate.Discard
	}
	if c.Notify == nil {
		c.Notify = func(Notification) {}
	}
	if c.JobDone == nil {
		c.JobDone = func(Outcome) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func() string { return uuid.Must(uuid.NewRandomFromReader(rand.Reader)).String() }
	}
	if c.KeepHost == nil {
		c.KeepHost = func(context.Context) error { return nil }
	}
	if c.ReportInterval <= 0 {
		c.ReportInterval = DefaultReportInterval
	}
	if c.ServiceDownTime <= 0 {
		c.ServiceDownTime = time.Minute
	}
	if c.ServiceDownTime <= c.ReportInterval { // cinder/service.py basic_config_check
		down := c.ReportInterval * 5 / 2
		c.Logger.Warn("service_down_time is not greater than report_interval and was raised", "was", c.ServiceDownTime, "is", down)
		c.ServiceDownTime = down
	}
	for _, d := range []*time.Duration{&c.InitInterval, &c.InitTimeout, &c.CheckInterval} {
		if *d <= 0 {
			*d = time.Minute
		}
	}
	if c.WatchInterval <= 0 {
		c.WatchInterval = 500 * time.Millisecond
	}
	if c.Jobs <= 0 {
		c.Jobs = 4
	}
	if c.AutoCleanupChecks <= 0 {
		c.AutoCleanupChecks = 3
	}
	return nil
}

// Manager is the backup service of one host. It is safe for concurrent use.
type Manager struct {
	cfg   Config
	db    db.DB
	log   *slog.Logger
	group *Stores // of the process; nil for a Manager that is alone
	// portion is proofPortion, but for tests.
	portion int64

	mu       sync.Mutex
	tasks    map[string]map[*task]struct{} // by backup id
	volumes  map[string]bool               // volumes and snapshots this process is making or removing
	copies   map[string]*copyWork          // copies of volumes under way, by what they are for
	driver   driverState
	devices  devices
	services map[driverstate.Binary]int64 // ids of our rows
	reported time.Time                    // when they were written last
	stopped  bool

	beat       time.Time     // of the last heartbeat written; zero before the first
	fenced     bool          // no work may be done
	refenced   bool          // it was silent again since reclaim began
	unsaid     bool          // a job ended without writing its outcome
	reclaiming bool          // what was left unsaid is looked through
	missed     map[int64]int // heartbeats at which a service of the cluster was dead in a row
	cleaning   bool          // an automatic cleanup is under way

	unrun           map[int64]time.Time // jobs that the database has us run and we do not, since when
	lookedForStrays time.Time

	reporting sync.Mutex // held while the rows of our services are written

	cancel context.CancelFunc
	ctx    context.Context // of work that outlives a request; set by Start
	wg     sync.WaitGroup
	queue  db.Queue
}

// New returns a Manager that is not started: it answers reads, and refuses
// whatever needs the backup service.
func New(c Config) (*Manager, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	return &Manager{
		cfg: c, db: c.DB, log: c.Logger, portion: proofPortion,
		tasks:    map[string]map[*task]struct{}{},
		volumes:  map[string]bool{},
		copies:   map[string]*copyWork{},
		services: map[driverstate.Binary]int64{},
		driver:   driverState{reason: "not started"},
		missed:   map[int64]int{},
	}, nil
}

// settleTime bounds the database writes that leave rows true after a job was
// cancelled.
const settleTime = 30 * time.Second

// settle returns a context for those writes.
func settle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), settleTime)
}

// clip shortens s to what Cinder's string columns hold. The middle goes: an
// error begins with what it is about, and ends with its cause.
func clip(s string) string {
	const most, half = 255, 127
	if r := []rune(s); len(r) > most {
		return string(r[:half]) + "…" + string(r[len(r)-half:])
	}
	return s
}

func refuse(resource, id string, kind error, text string) error {
	return &driverstate.Error{Resource: resource, ID: id, Err: driverstate.Fail(kind, text)}
}

func refuseBackup(id string, kind error, text string) error {
	return refuse("backup", id, kind, text)
}

func backupNotFound(id string) error {
	return refuseBackup(id, driverstate.ErrNotFound, "Backup "+id+" could not be found.")
}

func volumeNotFound(id string) error {
	return refuse("volume", id, driverstate.ErrNotFound, "Volume "+id+" could not be found.")
}

// named gives a database error for a missing row Cinder's text.
func named(err, missing error) error {
	if errors.Is(err, driverstate.ErrNotFound) {
		return missing
	}
	return err
}

// allow answers ErrForbidden, naming Cinder's policy rule, unless c is admin.
func allow(c driverstate.Caller, rule string) error {
	if c.Admin {
		return nil
	}
	return driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf("Policy doesn't allow %s to be performed.", rule))
}

// visible returns the backup if c may know of it.
func (m *Manager) visible(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Backup, error) {
	b, err := m.db.BackupGet(ctx, id)
	if err != nil {
		return nil, named(err, backupNotFound(id))
	}
	if !c.Admin && b.ProjectID != c.ProjectID {
		return nil, backupNotFound(id)
	}
	return b, nil
}

// Backups lists the rows that f selects and c may see.
func (m *Manager) Backups(ctx context.Context, c driverstate.Caller, f driverstate.BackupFilter) ([]*driverstate.Backup, error) {
	if f.Marker != "" { // whose place in the order would tell of it
		if _, err := m.visible(ctx, c, f.Marker); err != nil {
			return nil, err
		}
	}
	rows, err := m.db.BackupGetAll(ctx, mine(c, f))
	if f.Marker != "" {
		err = named(err, backupNotFound(f.Marker))
	}
	return rows, err
}

// BackupCount counts them, without limit, offset and marker.
func (m *Manager) BackupCount(ctx context.Context, c driverstate.Caller, f driverstate.BackupFilter) (int, error) {
	return m.db.BackupCount(ctx, mine(c, f))
}

func mine(c driverstate.Caller, f driverstate.BackupFilter) driverstate.BackupFilter {
	if !c.Admin {
		f.ProjectID = c.ProjectID
	}
	return f
}

// listed is the project that a list is of, empty for all; none when it is of the
// caller's own and they have no project, as with a token for the system.
func listed(c driverstate.Caller, allProjects bool) (project string, none bool) {
	if c.Admin && allProjects {
		return "", false
	}
	return c.ProjectID, c.ProjectID == ""
}

// Backup returns one row.
func (m *Manager) Backup(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Backup, error) {
	return m.visible(ctx, c, id)
}

// move takes a backup through a in tx, with edit applied to the row first.
func move(ctx context.Context, tx db.Tx, id string, a driverstate.Action, edit func(*driverstate.Backup)) (*driverstate.Backup, error) {
	b, err := tx.BackupGet(ctx, id)
	if err != nil {
		return nil, named(err, backupNotFound(id))
	}
	from := b.Status
	to, err := from.Next(a)
	if err != nil {
		return b, &driverstate.Error{Resource: "backup", ID: id, Err: err}
	}
	if edit != nil {
		edit(b)
	}
	b.Status = to
	if err := tx.BackupUpdate(ctx, b, from); err != nil || from != driverstate.StatusCreating {
		return b, err
	}
	return b, recount(ctx, tx, b.ParentID) // it counts when it is not being copied any more
}

// recount sets the number of dependents of a backup to the rows that stand on
// it. One that is still being copied does not count yet (cinder/backup/manager.py
// _finish_backup). An absent row is success.
func recount(ctx context.Context, tx db.Tx, id string) error {
	if id == "" {
		return nil
	}
	b, err := tx.BackupGet(ctx, id)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := dependents(ctx, tx, id)
	if err != nil || n == b.NumDependentBackups {
		return err
	}
	b.NumDependentBackups = n
	return tx.BackupUpdate(ctx, b)
}

func dependents(ctx context.Context, rows db.Backups, id string) (int, error) {
	all, err := rows.BackupCount(ctx, driverstate.BackupFilter{Columns: map[string]string{"parent_id": id}})
	if err != nil || all == 0 {
		return 0, err
	}
	copying, err := rows.BackupCount(ctx, driverstate.BackupFilter{
		Columns: map[string]string{"parent_id": id, "status": string(driverstate.StatusCreating)},
	})
	return all - copying, err
}
