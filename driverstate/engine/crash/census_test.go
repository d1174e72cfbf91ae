package crash

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/db/postgres"
	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
)

// census is everything that there is: the rows as the database has them, and
// the store and the directories as they lie.
type census struct {
	place
	backups   map[string]*driverstate.Backup
	volumes   map[string]*driverstate.Volume
	snapshots map[string]*driverstate.Snapshot
	workers   []*driverstate.Worker
	jobs      []string // that are not finished
	shipments int      // that run
	found     map[string]driverstate.Found
}

// records reads the rows of a database.
type records struct {
	rows db.DB
	raw  *sql.DB // for what the interface does not tell
}

// openSQLite opens the database of a state directory beside its owner, to read.
func openSQLite(t *testing.T, p place) *records {
	t.Helper()
	path := filepath.Join(p.state(), "cinder-go.db")
	rows, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(30000)")
	require.NoError(t, err)
	return &records{rows, raw}
}

// openPostgres opens the database that servers share, to read.
func openPostgres(t *testing.T, url string) *records {
	t.Helper()
	rows, err := postgres.Open(t.Context(), url, postgres.Options{Host: "census"})
	require.NoError(t, err)
	raw, err := sql.Open("pgx", url)
	require.NoError(t, err)
	return &records{rows, raw}
}

func (r *records) close() {
	_ = r.raw.Close() // only read from
	_ = r.rows.Close()
}

// rows is the census of the database alone.
func (r *records) census(t *testing.T, p place) *census {
	t.Helper()
	ctx := context.Background() // also while the test is being cleaned up
	c := &census{place: p, backups: map[string]*driverstate.Backup{}, volumes: map[string]*driverstate.Volume{}}
	backups, err := r.rows.BackupGetAll(ctx, driverstate.BackupFilter{})
	require.NoError(t, err)
	for _, b := range backups {
		c.backups[b.ID] = b
	}
	volumes, err := r.rows.VolumeGetAll(ctx, "")
	require.NoError(t, err)
	for _, v := range volumes {
		c.volumes[v.ID] = v
	}
	snapshots, err := r.rows.SnapshotGetAll(ctx, "", "")
	require.NoError(t, err)
	c.snapshots = map[string]*driverstate.Snapshot{}
	for _, s := range snapshots {
		c.snapshots[s.ID] = s
	}
	c.workers, err = r.rows.WorkerGetAll(ctx, 0)
	require.NoError(t, err)
	c.jobs = r.jobs(t, `state NOT IN ('completed', 'cancelled', 'discarded')`)
	require.NoError(t, r.raw.QueryRowContext(ctx, `SELECT COUNT(*) FROM shipments WHERE status = 'running'`).Scan(&c.shipments))
	return c
}

// jobs are those of River that a condition selects, oldest first.
func (r *records) jobs(t *testing.T, where string) []string {
	t.Helper()
	rows, err := r.raw.QueryContext(context.Background(), `SELECT id, kind, state, CAST(args AS TEXT), CAST(errors AS TEXT) FROM river_job WHERE `+where+` ORDER BY id`)
	require.NoError(t, err)
	defer rows.Close()
	var found []string
	for rows.Next() {
		var id int64
		var kind, state, args string
		var failures sql.NullString
		require.NoError(t, rows.Scan(&id, &kind, &state, &args, &failures))
		found = append(found, fmt.Sprintf("%d %s %s %s %.300s", id, kind, state, args, failures.String))
	}
	require.NoError(t, rows.Err())
	return found
}

// restless says what is in the middle of work; empty at rest.
func (c *census) restless() string {
	for _, b := range c.backups {
		if !b.Status.Resting() {
			return fmt.Sprintf("backup %s (%s) of host %s is %s since %s%s", b.ID, name(b), b.Host, b.Status, b.UpdatedAt.Format(time.TimeOnly), c.workOn(b.ID))
		}
	}
	for _, v := range c.volumes {
		if !restingVolume(v.Status) {
			return fmt.Sprintf("volume %s (%s) is %s", v.ID, v.Name, v.Status)
		}
	}
	for _, s := range c.snapshots {
		if s.Status != driverstate.SnapshotAvailable && s.Status != driverstate.SnapshotError {
			return fmt.Sprintf("snapshot %s is %s", s.ID, s.Status)
		}
	}
	if len(c.jobs) > 0 {
		return "a job is not finished: " + c.jobs[0]
	}
	if len(c.workers) > 0 {
		return fmt.Sprintf("a workers entry is left: %+v", *c.workers[0])
	}
	if c.shipments > 0 {
		return "a shipment runs, and nobody works on it"
	}
	return ""
}

// workOn is what there is to tell of the work on a backup.
func (c *census) workOn(id string) string {
	said := ""
	for _, w := range c.workers {
		if w.ResourceID == id {
			said += fmt.Sprintf("; entry %+v", *w)
		}
	}
	for _, j := range c.jobs {
		if strings.Contains(j, id) {
			said += "; job " + j
		}
	}
	return said
}

// forget removes the row of a backup, as the loss of a database does.
func (r *records) forget(t *testing.T, id string) {
	t.Helper()
	_, err := r.raw.ExecContext(context.Background(), "DELETE FROM backups WHERE id = '"+id+"'")
	require.NoError(t, err)
}

func restingVolume(s driverstate.VolumeStatus) bool {
	switch s {
	case driverstate.VolumeAvailable, driverstate.VolumeError, driverstate.VolumeErrorRestoring, driverstate.VolumeInUse,
		"awaiting-transfer": // until somebody takes it
		return true
	}
	return false
}

// settled is the census when all is at rest, or restless when patience ended.
func (r *records) settled(t *testing.T, p place, longest time.Duration) *census {
	t.Helper()
	for end := time.Now().Add(longest); ; time.Sleep(pace) {
		c := r.census(t, p)
		if c.restless() == "" || time.Now().After(end) {
			return c
		}
	}
}

func name(b *driverstate.Backup) string {
	if b.Name == nil {
		return ""
	}
	return *b.Name
}

// look adds what is on the store.
func (c *census) look(t *testing.T) driverstate.Driver {
	t.Helper()
	driver, err := drivers.Open(c.storeURL(), drivers.Options{ReadOnly: true, Workers: 1})
	require.NoError(t, err)
	c.found = map[string]driverstate.Found{}
	var all []driverstate.Found
	for f, err := range driver.(driverstate.Scanner).Scan(context.Background(), "") {
		require.NoError(t, err)
		all = append(all, f)
	}
	driverstate.LinkChains(all)
	for _, f := range all {
		c.found[f.Backup.ID] = f
	}
	return driver
}

// violations are everything that is wrong. known is what the world knows
// besides; it may be empty.
func (c *census) violations(t *testing.T, w *world) []string {
	t.Helper()
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if s := c.restless(); s != "" {
		add("not at rest: %s", s)
		for _, w := range c.workers {
			add("an entry is left: %+v", *w)
		}
		for _, j := range c.jobs {
			add("a job is left: %s", j)
		}
	}
	driver := c.look(t)
	defer driver.Close()
	named := map[string]string{}
	for id, b := range c.backups {
		if s := c.rowAgainstStore(driver, b, w); s != "" {
			add("backup %s (%s) is %s %q: %s", id, name(b), b.Status, b.FailReason, s)
		}
		if other := named[name(b)]; other != "" {
			add("backup %s has two rows: %s and %s", name(b), id, other)
		}
		named[name(b)] = id
		n, children := 0, ""
		for _, child := range c.backups {
			if child.ParentID == id {
				n++
				children += fmt.Sprintf(" %s (%s %q)", child.ID, child.Status, child.FailReason)
			}
		}
		if n != b.NumDependentBackups {
			add("backup %s (%s) says that %d stand on it, %d do:%s", id, name(b), b.NumDependentBackups, n, children)
		}
	}
	wrong = append(wrong, c.publishedTwice(t)...)
	wrong = append(wrong, c.unowned(t, w.loose)...)
	wrong = append(wrong, c.volumeFiles(t, w)...)
	for _, p := range w.promises {
		if s := p.kept(c); s != "" {
			add("promise broken: %s, but %s", p.what, s)
		}
	}
	return wrong
}

// rowAgainstStore says where a row is not true.
func (c *census) rowAgainstStore(driver driverstate.Driver, b *driverstate.Backup, w *world) string {
	if !b.Status.Resting() || w.hurt[b.ID] {
		return ""
	}
	f, there := c.found[b.ID]
	if b.Status != driverstate.StatusAvailable {
		// Objects that it has are its own by name, see unowned, and are found.
		if b.Status == driverstate.StatusErrorDeleting && b.FailReason == "" {
			return "it says no reason"
		}
		return ""
	}
	switch {
	case !there:
		return "the store holds nothing of it"
	case f.Condition != driverstate.ConditionWhole:
		return "on the store it is " + string(f.Condition) + ": " + f.Reason
	case len(f.Warnings) > 0:
		return "on the store: " + f.Warnings[0]
	case f.Backup.ServiceMetadata != b.ServiceMetadata || f.Backup.Container != b.Container:
		return "it lies elsewhere: " + f.Backup.Container + "/" + f.Backup.ServiceMetadata
	case f.Backup.ObjectCount != b.ObjectCount:
		return fmt.Sprintf("it has %d objects, the row says %d", f.Backup.ObjectCount, b.ObjectCount)
	}
	var chain driverstate.Chain
	for at := b; at != nil; at = c.backups[at.ParentID] {
		chain = append(chain, at)
		if at.ParentID != "" && c.backups[at.ParentID] == nil {
			return "its parent " + at.ParentID + " has no row"
		}
	}
	slices.Reverse(chain)
	var image memory
	if _, err := driver.Restore(context.Background(), chain, &image, driverstate.RestoreOptions{}, driverstate.Discard); err != nil {
		return err.Error()
	}
	if want, known := w.content[name(b)]; known && !slices.Equal(image.content, want) {
		return "it restores to something else than was backed up"
	}
	return ""
}

// unowned are the files of the store that belong to no row and to no backup
// that may be without, temporary files, and directories that nothing is in.
func (c *census) unowned(t *testing.T, loose map[string]bool) []string {
	t.Helper()
	var wrong []string
	owners := slices.Collect(mapsKeys(loose))
	for id := range c.backups {
		owners = append(owners, id)
	}
	err := filepath.WalkDir(c.store(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.store(), path)
		if err != nil || rel == "." {
			return err
		}
		owned := slices.ContainsFunc(owners, func(id string) bool { return strings.Contains(rel, id) })
		switch {
		case strings.HasPrefix(entry.Name(), ".cinder-go-") && !c.goesWithItsRow(rel):
			wrong = append(wrong, "a temporary file is left: "+rel)
		case !entry.IsDir() && !owned:
			wrong = append(wrong, "an object that nothing owns: "+rel)
		case entry.IsDir() && !owned:
			if inside, err := os.ReadDir(path); err != nil || len(inside) == 0 {
				wrong = append(wrong, "an empty directory is left: "+rel)
			}
		}
		return nil
	})
	require.NoError(t, err)
	for id, f := range c.found {
		if c.backups[id] == nil && f.Condition != driverstate.ConditionWhole {
			wrong = append(wrong, fmt.Sprintf("backup %s on the store is %s and has no row", id, f.Condition))
		}
	}
	return wrong
}

// goesWithItsRow reports whether a temporary file lies in the directory of a
// backup that is error, whose delete removes it (see cleared).
func (c *census) goesWithItsRow(rel string) bool {
	b := c.backups[filepath.Base(filepath.Dir(rel))]
	return b != nil && b.Status == driverstate.StatusError
}

// mapsKeys yields the keys of a set.
func mapsKeys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// memory is a target that keeps an image.
type memory struct{ content []byte }

func (m *memory) Begin(n int64) error { m.content = make([]byte, n); return nil }
func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	return copy(m.content[off:], p), nil
}
func (m *memory) ZeroRange(off, n int64) error { clear(m.content[off : off+n]); return nil }
func (m *memory) Sequential() bool             { return false }
func (m *memory) Blank() bool                  { return true }
func (m *memory) Depth() int                   { return 2 }
func (m *memory) Sync() error                  { return nil }
