package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// importTarget is what was seen of a target before the first record is sent.
type importTarget struct {
	engine   bool
	who      client.Identity
	rows     map[string]client.Backup // by id: those of the records and of their parents
	services hosts
	refused  map[string]error // by id
}

// look reads all that the verdicts need. It changes nothing.
func (o *importOptions) look(ctx context.Context, c importClient, queue []pending) (*importTarget, error) {
	t := &importTarget{engine: c.IsEngine(ctx), who: c.Identity(), rows: map[string]client.Backup{}, refused: map[string]error{}}
	ids := map[string]bool{}
	for _, p := range queue {
		ids[p.id] = true
		if p.parent != "" {
			ids[p.parent] = true
		}
	}
	var mu sync.Mutex
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(o.par.n)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		group.Go(func() error {
			b, err := c.ShowBackup(asking, id)
			if err == nil {
				mu.Lock()
				t.rows[id] = b
				mu.Unlock()
			} else if !errors.Is(err, driverstate.ErrNotFound) {
				return fmt.Errorf("looking for what is there already: %w", err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return t, o.judge(ctx, c, t, queue)
}

// judge decides which records are not sent.
func (o *importOptions) judge(ctx context.Context, c importClient, t *importTarget, queue []pending) error {
	coming := map[string]bool{}
	places := map[string]string{}
	for _, p := range queue {
		coming[p.id] = true
	}
	for _, p := range queue {
		if _, there := t.rows[p.id]; there {
			continue
		}
		err := o.judgeOne(t, p, coming, places)
		if err == nil && !namesItself(p) && !t.engine {
			if err = otherOwner(ctx, c, p); err != nil && !errors.Is(err, driverstate.ErrConflict) {
				return err
			}
		}
		if err != nil {
			t.refused[p.id] = err
		}
	}
	return nil
}

func (o *importOptions) judgeOne(t *importTarget, p pending, coming map[string]bool, places map[string]string) error {
	_, parentThere := t.rows[p.parent]
	switch {
	case p.parent == "" || parentThere:
	case t.refused[p.parent] != nil:
		return withoutParent(p, t.refused[p.parent])
	case !coming[p.parent] && !o.orphans && !t.engine: // an engine looks for it on the store
		return withHint(backupError(p.id, driverstate.ErrNotFound,
			"not imported: its parent %s is neither among the records nor in the database, and without it, it cannot be restored", p.parent),
			"where its row still is, backup-export "+p.parent+" writes that record; --allow-missing-parents imports this one all the same")
	}
	if what := wideText(&p.row); what != "" && !t.engine {
		return withHint(backupError(p.id, driverstate.ErrCorrupt,
			"not imported: its %s holds a character of four bytes (such as an emoji), which Cinder's tables in MySQL cannot hold: the row would stay in creating for ever", what),
			wideHint(what, p))
	}
	if namesItself(p) {
		return nil
	}
	place := p.record.BackupService + "\x00" + p.row.Container + "\x00" + p.row.ServiceMetadata
	if owner := places[place]; owner != "" {
		return backupError(p.id, driverstate.ErrConflict,
			"not imported: the record of %s names the same objects; deleting one would remove the data of the other", owner)
	}
	places[place] = p.id
	return nil
}

// withoutParent is the failure of a record whose parent's failed; it is of the
// same kind.
func withoutParent(p pending, err error) error {
	return backupError(p.id, err, "not imported, as its parent %s was not", p.parent)
}

func wideHint(what string, p pending) string {
	switch what {
	case "name":
		return fmt.Sprintf("give it another name: --map 'name=%s:NEW'", p.name)
	case "description":
		return fmt.Sprintf("give it another description: --map 'description=%s:NEW'", *p.row.Description)
	}
	return "an engine of cinder-go can hold it"
}

// namesItself reports whether the objects of a backup have its id in their
// name or directory, so that no other backup can own them; on Ceph the id is
// the name.
func namesItself(p pending) bool {
	parts := strings.Split(p.record.BackupService, ".")
	return strings.Contains(p.row.ServiceMetadata, p.id) || strings.HasSuffix(p.row.Container, "/"+p.id) ||
		len(parts) > 3 && parts[0] == "cinder" && parts[3] == "ceph"
}

// otherOwner refuses a record whose objects another row owns already.
func otherOwner(ctx context.Context, c importClient, p pending) error {
	everywhere := true
	list, err := c.ListBackups(ctx, client.ListOpts{AllProjects: &everywhere,
		Filters: map[string]string{"container": p.row.Container, "service_metadata": p.row.ServiceMetadata}})
	if err != nil {
		if unanswerable(err) {
			return nil
		}
		return fmt.Errorf("looking for another owner of its objects: %w", err)
	}
	for _, b := range list {
		if b.ID != p.id && b.Container != nil && *b.Container == p.row.Container {
			return withHint(backupError(p.id, driverstate.ErrConflict,
				"not imported: backup %s owns the same objects (%s); deleting one would remove the data of the other", b.ID, p.row.Container),
				"look: cinder-go backup-show "+b.ID)
		}
	}
	return nil
}

// admit looks at what the target as a whole must allow, for the records that
// are to be sent. An error means that none is.
func (o *importOptions) admit(ctx context.Context, c importClient, t *importTarget, going []pending) error {
	if len(going) == 0 {
		return nil
	}
	if err := o.guard.allows(len(going)); err != nil {
		return err
	}
	if err := o.admitServices(ctx, c, t); err != nil {
		return err
	}
	if err := o.admitOwner(t, going); err != nil {
		return err
	}
	return o.admitQuota(ctx, c, t, going)
}

func (o *importOptions) admitServices(ctx context.Context, c importClient, t *importTarget) error {
	var err error
	if t.services, err = backupHosts(ctx, c); err != nil || t.services.unknown {
		return err
	}
	up := slices.DeleteFunc(slices.Clone(t.services.up), func(s client.Service) bool { return s.Status != "enabled" })
	t.services.up = up
	if len(up) == 0 {
		return t.services.noneUp(driverstate.Fail(driverstate.ErrServiceDown, "nothing was sent: no cinder-backup is up and enabled to take the records"),
			"cinder-go service-list shows them; cinder-go service-enable HOST cinder-backup")
	}
	for _, want := range []struct {
		field string
		of    func(client.Service) string
	}{
		{"az", func(s client.Service) string { return s.Zone }},
		{"host", func(s client.Service) string { return s.Host }},
	} {
		for _, value := range o.maps.targets(want.field) {
			if !slices.ContainsFunc(up, func(s client.Service) bool { return want.of(s) == value }) {
				return withHint(driverstate.Fail(driverstate.ErrServiceDown,
					fmt.Sprintf("nothing was sent: no cinder-backup is up for %s %q, which --map asks for", want.field, value)),
					"cinder-go service-list --binary cinder-backup")
			}
		}
	}
	return nil
}

// admitOwner says whose the backups will be. Cinder drops the owner that a
// record names and gives the backup to the importer; the engine keeps it.
func (o *importOptions) admitOwner(t *importTarget, going []pending) error {
	me, myself := t.who.ProjectID, cmp.Or(t.who.UserID, t.who.User)
	if t.engine || me == "" {
		return nil
	}
	for _, want := range []struct{ field, is, flag string }{{"project", me, "--os-project-id"}, {"user", myself, "--os-username"}} {
		for _, value := range o.maps.targets(want.field) {
			if value != want.is {
				return withHint(usagef("--map %s: Cinder gives every imported backup to the %s that imports, which is %s and not %s",
					want.field, want.field, want.is, value),
					"import with the credentials of that "+want.field+" and the admin role: "+want.flag+" "+value)
			}
		}
	}
	count := map[string]int{}
	for _, p := range going {
		if p.row.ProjectID != "" && p.row.ProjectID != me {
			count[p.row.ProjectID]++
		}
	}
	for _, project := range slices.Sorted(maps.Keys(count)) {
		o.con.warn("", "%s of project %s will belong to project %s: Cinder gives what is imported to the project that imports, and has no way to change it; "+
			"to keep the owner: cinder-go --os-project-id %s backup-import --project %s --from ..., with the admin role there",
			plural(count[project], "backup"), project, me, project, project)
	}
	return nil
}

func (o *importOptions) admitQuota(ctx context.Context, c importClient, t *importTarget, going []pending) error {
	q, err := c.BackupQuota(ctx, "")
	if unanswerable(err) {
		return nil // an engine, and a cloud without quotas
	}
	if err != nil {
		return fmt.Errorf("looking at the quota: %w", err)
	}
	var size int64
	for _, p := range going {
		size += p.row.Size
	}
	var over []string
	for _, k := range []struct {
		what              string
		need, limit, used int64
	}{{"backups", int64(len(going)), q.Backups, q.BackupsInUse}, {"backup gigabytes", size, q.Gigabytes, q.GigabytesInUse}} {
		if k.limit >= 0 && k.need > k.limit-k.used {
			over = append(over, fmt.Sprintf("%d %s are needed, and %d of %d are free", k.need, k.what, max(k.limit-k.used, 0), k.limit))
		}
	}
	if len(over) == 0 {
		return nil
	}
	return withHint(driverstate.Fail(driverstate.ErrOverLimit, "nothing was sent: the quota of the project is too small: "+strings.Join(over, "; ")),
		fmt.Sprintf("openstack quota set --backups %d --backup-gigabytes %d %s", raised(q.Backups, q.BackupsInUse+int64(len(going))),
			raised(q.Gigabytes, q.GigabytesInUse+size), cmp.Or(t.who.ProjectID, "PROJECT")))
}

// raised is a limit that lets need in; none stays none.
func raised(limit, need int64) int64 {
	if limit < 0 {
		return limit
	}
	return max(limit, need)
}
