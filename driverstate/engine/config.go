package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/notify"
)

// Config is what an engine is told. StateDir and Stores must be set.
type Config struct {
	// StateDir holds the database, the engine's own volumes and the lock. It
	// is made, for its owner alone, if it is not there.
	StateDir string
	// DatabaseURL is of the PostgreSQL database that engines on several
	// machines share, as postgres.Open takes it. Empty for one in StateDir,
	// which remains this process's own in any case.
	DatabaseURL string
	// Stores each have a service; a new backup goes to the first in its zone
	// that is up. Those without a name but the first are named for their kind.
	Stores        []Store
	StoreReadOnly bool // refuse every write to the stores
	// Env is the environment, for what a store's URL leaves open; nil for none.
	Env func(name string) (value string, ok bool)

	// Host is the name of the services, and owns the rows. Empty takes the one
	// that this state directory was first used with, at first the machine's.
	Host             string
	AvailabilityZone string // "nova" when empty
	// Cluster is that of the services, whose members do each other's work;
	// empty for none.
	Cluster string

	// TargetDirs are the directories that restores may write to; nil allows
	// any path, which only an engine without a network address should.
	TargetDirs []string
	// Stdout is what a volume with source name "-", or a tape that is shipped
	// to file:-, is written to; nil forbids it. Stdin is what a store file:- is
	// read from.
	Stdout io.Writer
	Stdin  io.Reader
	// Devices allows backups to be served as block devices, at addresses and
	// sockets that a request names; only an engine without a network address
	// should.
	Devices bool

	Observer        driverstate.Observer
	Logger          *slog.Logger
	StoreLogger     *slog.Logger // of the stores alone; nil for a part of Logger
	Version, Commit string       // of the program, for its metrics
	// Notify are the drivers that notifications are published to.
	Notify []notify.URL
	Now    db.Clock

	Workers int // objects at once per operation; 0 for one per CPU
	// Memory bounds the buffers of each operation, in bytes, as
	// chunked.Tuning says; 0 for no bound.
	Memory int64
	// BytesPerSec is at most what is read from and written to each store; 0
	// for no limit.
	BytesPerSec int64
	// Level is how hard new backups are packed: "fast", "fastest" or, for
	// Cinder's level, empty. That of a store's URL wins.
	Level string
	Jobs  int // operations at once; 0 for the manager's default

	ReportInterval  time.Duration // between heartbeats; 0 for 10 s
	ServiceDownTime time.Duration // after which a silent service is down; 0 for 60 s
	InitInterval    time.Duration // between attempts to set up a store that is down; 0 for 60 s
	InitTimeout     time.Duration // of one attempt; 0 for 60 s
	InitOnce        bool          // a store that is down is not tried again
	CheckInterval   time.Duration // between looks at a store that is up; 0 for 60 s

	// ProgressInterval is between notifications of a backup's progress by time,
	// where the store has them; 0 for 120 s.
	ProgressInterval time.Duration

	// AutoCleanup takes over the work of a dead member of the cluster when it
	// was found dead at so many heartbeats in a row; 0 for 3.
	AutoCleanup       bool
	AutoCleanupChecks int
	// VolumeDir holds the engine's own volumes; the members of a cluster share
	// it, at the same path. Empty for one in the state directory, which a cluster
	// on a DatabaseURL must not have.
	VolumeDir string

	// Quotas are the limits of each project by resource
	// (driverstate.QuotaResources), until others are set for it; what is not in
	// it is not limited.
	Quotas map[string]int64

	// Listen is the URL at which the handler will be served, recorded in the
	// lock so that another process can name it. Empty when it is not.
	Listen string
	// PublicURL is the base of links in answers; empty takes the request's.
	PublicURL string
	// MaxLimit is the most items of a list in one answer; 0 for 1000.
	MaxLimit int

	// Fault has this process killed at a fault point, as fault.Arm takes it.
	// For crash tests; empty for never.
	Fault string
	// Auth tells who sends a request; nil believes everyone (api.NoAuth).
	Auth        api.Authenticator
	MaxRequests int // worked on at once by the handler; 0 for no limit
}

// Validate answers ErrInvalidInput to a configuration that cannot work.
func (c *Config) Validate() error {
	switch {
	case c.StateDir == "":
		return driverstate.Fail(driverstate.ErrInvalidInput, "state directory must be given")
	case len(c.Stores) == 0:
		return driverstate.Fail(driverstate.ErrInvalidInput, "store URL must be given")
	}
	if _, err := nameStores(c.Stores); err != nil {
		return err
	}
	if c.DatabaseURL != "" {
		if _, err := postgres.Name(c.DatabaseURL); err != nil {
			return err
		}
	}
	if c.Cluster != "" && c.DatabaseURL != "" && c.VolumeDir == "" {
		// Each would restore to a file of its own, whose volume others read elsewhere.
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"cluster %s: its members do each other's work and must share their volumes: give each --volume-dir DIR, one directory at the same path", c.Cluster))
	}
	if c.VolumeDir != "" && !filepath.IsAbs(c.VolumeDir) {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("directory of volumes %q is not absolute", c.VolumeDir))
	}
	for _, dir := range c.TargetDirs {
		if !filepath.IsAbs(dir) {
			return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("target directory %q is not absolute", dir))
		}
	}
	return nil
}

// Files of a state directory.
const (
	lockFile     = "lock"
	databaseFile = "cinder-go.db"
	hostFile     = "host"
	storesFile   = "stores"
	volumesDir   = "volumes"
)

// prepare makes the state directory. One that others may write to is refused:
// who can write there can have any file of ours read or written.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"state directory %s can be written by others (mode %04o); use one of your own", dir, info.Mode().Perm()))
	}
	return nil
}

// hostOf returns the host to use: the one asked for, else the one that owns
// the rows of this state directory, so that they keep their owner when the
// machine is renamed.
func hostOf(dir, asked string) (string, error) {
	path := filepath.Join(dir, hostFile)
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	known := strings.TrimSpace(string(raw))
	switch {
	case asked == known && known != "":
		return known, nil
	case asked != "":
	case known != "":
		return known, nil
	default:
		if asked, err = os.Hostname(); err != nil || asked == "" {
			asked = "localhost"
		}
	}
	return asked, os.WriteFile(path, []byte(asked+"\n"), 0o600)
}
