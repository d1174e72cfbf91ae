package manager_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

const (
	project = "b2f3a1c4d5e64f7a8b9c0d1e2f3a4b5c"
	other   = "0123456789abcdef0123456789abcdef"
	host    = "lab"
	wait    = time.Minute
	tick    = 5 * time.Millisecond
)

var (
	admin  = driverstate.Caller{UserID: "0a1b2c3d4e5f60718293a4b5c6d7e8f9", ProjectID: project, Admin: true}
	tenant = driverstate.Caller{UserID: "1a1b2c3d4e5f60718293a4b5c6d7e8f9", ProjectID: project}
)

// lab is a manager over the real database and the real posix driver.
type lab struct {
	*manager.Manager
	t      testing.TB
	db     db.DB
	driver *gate
	store  string
	dir    string
	conf   manager.Config

	mu     sync.Mutex
	events []manager.Notification
}

// newLab starts a manager in a directory of its own. change may be nil.
func newLab(t testing.TB, change func(*manager.Config)) *lab {
	l := openLab(t, t.TempDir(), change)
	l.start()
	return l
}

// openLab opens a lab without starting it; dir may hold what an earlier one
// left.
func openLab(t testing.TB, dir string, change func(*manager.Config)) *lab {
	t.Helper()
	l := &lab{t: t, dir: dir, store: filepath.Join(dir, "store")}
	volumes := filepath.Join(dir, "volumes")
	require.NoError(t, os.MkdirAll(l.store, 0o755))
	require.NoError(t, os.MkdirAll(volumes, 0o755))
	inner, err := drivers.Open("posix://"+l.store+"?object_size=65536&block_size=32768", drivers.Options{Workers: 2})
	require.NoError(t, err)
	l.driver = newGate(t, inner)
	l.db = openDB(t, filepath.Join(dir, "db"))
	l.conf = manager.Config{
		DB: l.db, Driver: l.driver, Canonical: drivers.Canonical, Host: host,
		VolumeDir: volumes, OpenTarget: openTarget, OpenSource: openSource, CopyVolume: volume.Copy, Space: volume.Space,
		Notify: l.record, ReportInterval: 20 * time.Millisecond, InitInterval: 10 * time.Millisecond,
	}
	if change != nil {
		change(&l.conf)
	}
	l.Manager, err = manager.New(l.conf)
	require.NoError(t, err)
	return l
}

func (l *lab) start() {
	l.t.Helper()
	require.NoError(l.t, l.Start(l.t.Context()))
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		require.NoError(l.t, l.Stop(ctx))
	})
}

func (l *lab) record(n manager.Notification) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, n)
}

// notified returns the events of a type that were published for a backup.
func (l *lab) notified(event, id string) []manager.Notification {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []manager.Notification
	for _, n := range l.events {
		if n.EventType == event && n.Payload.BackupID == id {
			found = append(found, n)
		}
	}
	return found
}

// announced waits for a notification, which comes after what it tells of is there to
// be seen, and returns the first.
func (l *lab) announced(event, id string) manager.Notification {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return len(l.notified(event, id)) > 0 }, wait, tick, "%s of %s was never told", event, id)
	return l.notified(event, id)[0]
}

// image returns n bytes that do not compress.
func image(n int, seed uint64) []byte {
	content := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range content {
		content[i] = byte(r.Uint32())
	}
	return content
}

// put writes a backup to the store, without a row, as another Cinder would
// have. parent may be nil.
func (l *lab) put(parent *driverstate.Backup, content []byte) *driverstate.Backup {
	l.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	b := &driverstate.Backup{
		ID: uuid.NewString(), VolumeID: uuid.NewString(), ProjectID: project, UserID: admin.UserID,
		Size: 1, CreatedAt: now, DataTimestamp: now,
	}
	if parent != nil {
		b.ParentID, b.VolumeID = parent.ID, parent.VolumeID
	}
	var err error
	b.Container, b.ServiceMetadata, err = l.driver.Place(b, parent, now)
	require.NoError(l.t, err)
	stored, err := l.driver.full.Backup(l.t.Context(), b, parent, &memory{content: content}, driverstate.Discard)
	require.NoError(l.t, err)
	b.ObjectCount, b.Service = stored.ObjectCount, l.driver.Service()
	return b
}

// managed puts a backup on the store and takes it under management.
func (l *lab) managed(parent *driverstate.Backup, content []byte) *driverstate.Backup {
	l.t.Helper()
	b, err := l.ManageBackup(l.t.Context(), admin, driverstate.ManageRequest{BackupID: l.put(parent, content).ID})
	require.NoError(l.t, err)
	return b
}

// row returns the live row, nil when it is gone.
func (l *lab) row(id string) *driverstate.Backup {
	l.t.Helper()
	b, err := l.db.BackupGet(l.t.Context(), id)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	require.NoError(l.t, err)
	return b
}

// set forces a row into a status, as a dead process would have left it.
func (l *lab) set(id string, s driverstate.Status, edit func(*driverstate.Backup)) {
	l.t.Helper()
	b := l.row(id)
	require.NotNil(l.t, b)
	b.Status = s
	if edit != nil {
		edit(b)
	}
	require.NoError(l.t, l.db.BackupUpdate(l.t.Context(), b))
}

func (l *lab) volume(id string) *driverstate.Volume {
	l.t.Helper()
	v, err := l.db.VolumeGet(l.t.Context(), id)
	require.NoError(l.t, err)
	return v
}

func (l *lab) newVolume() *driverstate.Volume {
	l.t.Helper()
	v, err := l.CreateVolume(l.t.Context(), admin, driverstate.VolumeRequest{Size: 1, Name: "vol"})
	require.NoError(l.t, err)
	return v
}

// until waits for a status.
func (l *lab) until(id string, s driverstate.Status) *driverstate.Backup {
	l.t.Helper()
	var b *driverstate.Backup
	require.Eventually(l.t, func() bool {
		b = l.row(id)
		return b != nil && b.Status == s
	}, wait, tick, "backup %s never became %s", id, s)
	return b
}

func (l *lab) untilGone(id string) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.row(id) == nil }, wait, tick, "backup %s is still there", id)
}

// objects returns the files on the store whose path names the backup.
func (l *lab) objects(id string) []string {
	l.t.Helper()
	var found []string
	require.NoError(l.t, filepath.WalkDir(l.store, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, id) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// stored is objects without those that are being written. A listing beside the
// renaming of one may have neither of its names.
func (l *lab) stored(id string) []string {
	return slices.DeleteFunc(l.objects(id), func(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") })
}

// object returns the one file of the backup whose name ends so.
func (l *lab) object(id, suffix string) string {
	l.t.Helper()
	for _, path := range l.objects(id) {
		if strings.HasSuffix(path, suffix) {
			return path
		}
	}
	require.Fail(l.t, "no such object", "%s of %s", suffix, id)
	return ""
}

// requireText checks the kind and the text of a refusal.
func requireText(t testing.TB, err, kind error, text string) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	var e *driverstate.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	require.EqualError(t, err, text)
}

// memory is a volume in memory.
type memory struct {
	content []byte
	meta    []byte
}

func (s *memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(s.content)) {
		return 0, io.EOF
	}
	n := copy(p, s.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *memory) Size() int64               { return int64(len(s.content)) }
func (s *memory) Metadata() ([]byte, error) { return s.meta, nil }
func (s *memory) Close() error              { return nil }

// openSource reads the first 256 KiB of a volume's file, so that a backup of
// a whole GiB is not needed.
func openSource(path string, meta []byte) (manager.Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content := make([]byte, 256<<10)
	if _, err := io.ReadFull(file, content); err != nil {
		return nil, err
	}
	return &memory{content: content, meta: meta}, nil
}
