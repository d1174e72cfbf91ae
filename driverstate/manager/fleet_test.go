package manager_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres/pgtest"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

const blue = "blue"

// fleet is several managers on one database, one store and one directory of
// volumes, as several processes have them.
type fleet struct {
	t      *testing.T
	dir    string
	open   func() db.DB
	late   atomic.Int64 // by how much all clocks are ahead
	change func(*manager.Config)
	made   []*member
}

// member is one process of a fleet.
type member struct {
	*lab
	link *link
}

// onEach runs a test on SQLite and on PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, f *fleet)) {
	t.Run("sqlite", func(t *testing.T) {
		f := &fleet{t: t, dir: t.TempDir()}
		shared := openDBAt(t, filepath.Join(f.dir, "db"), f.now)
		f.open = func() db.DB { return shared }
		test(t, f)
	})
	t.Run("postgres", func(t *testing.T) {
		f, at := &fleet{t: t, dir: t.TempDir()}, pgtest.URL(t)
		f.open = func() db.DB {
			d, err := postgres.Open(t.Context(), at, postgres.Options{Now: f.now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			return d
		}
		test(t, f)
	})
}

func (f *fleet) now() time.Time { return time.Now().Add(time.Duration(f.late.Load())) }

// pass lets an hour go by. Who is not cut off is heard of at once again.
func (f *fleet) pass() { f.late.Add(int64(time.Hour)) }

// start starts a member of the cluster, of none when that is empty.
func (f *fleet) start(host, cluster string) *member {
	f.t.Helper()
	m := &member{lab: &lab{t: f.t, dir: f.dir, store: filepath.Join(f.dir, "store")}, link: &link{DB: f.open()}}
	volumes := filepath.Join(f.dir, "volumes")
	require.NoError(f.t, os.MkdirAll(m.store, 0o755))
	require.NoError(f.t, os.MkdirAll(volumes, 0o755))
	inner, err := drivers.Open("posix://"+m.store+"?object_size=65536&block_size=32768", drivers.Options{Workers: 2})
	require.NoError(f.t, err)
	m.driver, m.db = newGate(f.t, inner), m.link
	m.conf = manager.Config{
		DB: m.link, Driver: m.driver, Canonical: drivers.Canonical, Host: host, Cluster: cluster, Now: f.now,
		VolumeDir: volumes, OpenTarget: openTarget, OpenSource: openSource, CopyVolume: volume.Copy, Notify: m.record, Jobs: 2,
		ReportInterval: 20 * time.Millisecond, InitInterval: 10 * time.Millisecond, WatchInterval: 10 * time.Millisecond,
		CheckInterval: 10 * time.Millisecond,
	}
	if f.change != nil {
		f.change(&m.conf)
	}
	m.Manager, err = manager.New(m.conf)
	require.NoError(f.t, err)
	m.lab.start()
	f.made = append(f.made, m)
	return m
}

// link is the way of one member to the database.
type link struct {
	db.DB
	silent atomic.Bool  // heartbeats are not written
	mu     sync.RWMutex // held while changes wait
}

// Update waits as a process does that is stopped.
func (l *link) Update(ctx context.Context, f func(db.Tx) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.DB.Update(ctx, f)
}

func (l *link) ServiceUpsert(ctx context.Context, s *driverstate.Service) error {
	if l.silent.Load() {
		return errors.New("the database does not answer")
	}
	return l.DB.ServiceUpsert(ctx, s)
}

// runner waits until one of the members has reached the point.
func runner(t *testing.T, holds map[*member]*hold) *member {
	t.Helper()
	var who *member
	require.Eventually(t, func() bool {
		for m, h := range holds {
			select {
			case <-h.reached:
				who = m
				return true
			default:
			}
		}
		return false
	}, wait, tick, "nobody reached the point")
	return who
}

// dead has a member freeze in the middle of work at point, and the others take
// it for dead. wake lets it go on.
func (f *fleet) dead(m *member, point string, work func()) (wake func()) {
	f.t.Helper()
	h := m.driver.freeze(point)
	work()
	h.wait(f.t)
	m.link.silent.Store(true)
	f.pass()
	f.settled(m)
	return func() {
		m.link.silent.Store(false)
		m.driver.open(point)
	}
}

// settled waits until everyone but those left out is heard of.
func (f *fleet) settled(but ...*member) {
	f.t.Helper()
	for _, m := range f.made {
		out := false
		for _, o := range but {
			out = out || o == m
		}
		if !out {
			require.Eventually(f.t, func() bool { return m.heartbeatAt().After(f.now().Add(-time.Minute / 2)) }, wait, tick)
		}
	}
}

// heartbeatAt is when both services of this member were heard of: the volume
// service is the second that a heartbeat writes.
func (m *member) heartbeatAt() time.Time {
	backup, volume := m.service0().UpdatedAt, m.own(driverstate.BinaryVolume, m.conf.Host+"@file").UpdatedAt
	if volume.Before(backup) {
		return volume
	}
	return backup
}

// service0 is the row of this member's backup service.
func (m *member) service0() *driverstate.Service {
	return m.own(driverstate.BinaryBackup, m.conf.Host)
}

func (m *member) own(binary driverstate.Binary, host string) *driverstate.Service {
	rows, err := m.db.ServiceGetAll(m.t.Context())
	require.NoError(m.t, err)
	for _, s := range rows {
		if s.Binary == binary && s.Host == host {
			return s
		}
	}
	require.Fail(m.t, "no such service", host)
	return nil
}

// noEntry waits until no work is noted anywhere.
func (f *fleet) noEntry() {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		left, err := f.made[0].db.WorkerGetAll(f.t.Context(), 0)
		require.NoError(f.t, err)
		return len(left) == 0
	}, wait, tick, "an entry is left behind")
}

// cleanup asks m for the cleanup of backups.
func (m *member) cleanup() driverstate.CleanupResult {
	m.t.Helper()
	kind := "Backup"
	got, err := m.CleanupWorkers(m.t.Context(), admin, driverstate.CleanupFilter{ResourceType: &kind})
	require.NoError(m.t, err)
	return got
}

// only lets m alone take work of the cluster: the drivers of the others are
// down.
func (f *fleet) only(m *member) {
	f.t.Helper()
	for _, o := range f.made {
		if o != m {
			o.driver.fail(atSetup, fmt.Errorf("%s is not to work", o.conf.Host))
			require.Eventually(f.t, func() bool { return !o.up() && o.service0().Reason != "" }, wait, tick)
		}
	}
}

// up reports whether the driver of this member is set up.
func (m *member) up() bool { return m.SetUp() }

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
