package chunked

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Scan yields every backup of the store, or of container and what lies below
// it, ordered by creation time, those without one last. Chunks are listed, never
// read. What cannot be listed is left out and told to the logger; if it is the
// directory of one backup, that backup is partial.
//
// Of several copies of one backup the best is yielded, with a warning that
// names the others: a whole one before a damaged or partial one, then the one
// whose copy started later.
func (d *Driver) Scan(ctx context.Context, container string) iter.Seq2[driverstate.Found, error] {
	scan := sync.OnceValues(func() (*sightings, error) {
		found, err := d.scan(ctx, container)
		if err == nil {
			found.choose()
		}
		return found, err
	})
	return func(yield func(driverstate.Found, error) bool) {
		found, err := scan()
		if err != nil {
			yield(driverstate.Found{}, storeError(err))
			return
		}
		for _, x := range found.best {
			if !yield(found.full(x).Found, nil) {
				return
			}
		}
	}
}

func (d *Driver) scan(ctx context.Context, container string) (*sightings, error) {
	if container != "" {
		if err := d.layout.CheckContainer(container); err != nil {
			return nil, err
		}
	}
	s := scan{d: d, found: sightings{d: d}}
	if err := s.run(ctx, container); err != nil {
		return nil, err
	}
	return &s.found, nil
}

// scan is one pass over the store: one goroutine walks the containers, some
// list them, some read the documents of what they hold.
type scan struct {
	d     *Driver
	found sightings
}

// copyFound is one copy of a backup: a Found and when its writing began.
type copyFound struct {
	driverstate.Found
	start int64
	// doubtful: a document that was read well says what is not so, or cannot be.
	doubtful bool
}

func (s *scan) run(ctx context.Context, container string) error {
	if store, ok := s.d.store.(objectstore.Surveyor); ok {
		err := store.Survey(ctx, container, func(container string, in objectstore.Store, err error) error {
			return s.visit(ctx, container, in, err)
		})
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	containers := make(chan string)
	groups := make(chan *group)
	g.Go(func() error {
		defer close(containers)
		return s.walk(ctx, container, containers)
	})
	var listers sync.WaitGroup
	for range s.d.cfg.Workers {
		listers.Add(1)
		g.Go(func() error {
			defer listers.Done()
			for c := range containers {
				if err := s.list(ctx, c, groups); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range max(s.d.cfg.Workers, scanReaders) {
		g.Go(func() error {
			for gr := range groups {
				f, err := s.d.judge(ctx, gr)
				if err != nil {
					return err
				}
				s.add(f)
			}
			return nil
		})
	}
	g.Go(func() error {
		listers.Wait()
		close(groups)
		return nil
	})
	return g.Wait()
}

// walk sends the containers to be listed.
func (s *scan) walk(ctx context.Context, within string, to chan<- string) error {
	matched := within == ""
	for name, err := range s.d.store.Containers(ctx) {
		if name != "" && within != "" && name != within && !strings.HasPrefix(name, within+"/") {
			continue
		}
		switch {
		case err != nil && name != "":
			matched = true
			if err := s.unreadable(ctx, name, err); err != nil {
				return err
			}
			continue
		case err != nil && within != "" && errors.Is(err, objectstore.ErrForbidden):
			// Whoever may not list containers may still know one.
			return s.named(ctx, within, to)
		case err != nil:
			return err
		}
		matched = true
		select {
		case to <- name:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !matched {
		return s.named(ctx, within, to)
	}
	return nil
}

// named sends a container that was named and not yielded: a file system's that
// holds no file, or an object store's that another account shares.
func (s *scan) named(ctx context.Context, container string, to chan<- string) error {
	for _, err := range s.d.store.List(ctx, container, "") {
		if err != nil {
			return err
		}
		select {
		case to <- container:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// unreadable reports a container that cannot be listed. Only an error that
// concerns it alone lets the scan go on.
func (s *scan) unreadable(ctx context.Context, container string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, driverstate.ErrUnavailable) {
		return err
	}
	s.d.cfg.Logger.WarnContext(ctx, "container left out of the scan", "container", container, "error", err)
	id := directoryOwner(container)
	if id == "" {
		return nil
	}
	f := &copyFound{}
	f.Backup = driverstate.Backup{ID: id, Container: container, Service: s.d.cfg.Service, Status: driverstate.StatusError}
	f.Condition = driverstate.ConditionPartial
	f.Reason = fmt.Sprintf("its directory cannot be read: %v", err)
	s.add(f)
	return nil
}

// visit judges the backups of a container that a survey shows.
func (s *scan) visit(ctx context.Context, container string, in objectstore.Store, err error) error {
	if err != nil {
		return s.unreadable(ctx, container, err)
	}
	d := *s.d
	d.store = in
	groups, err := s.readable(ctx, container, func() (map[string]*group, error) { return d.collect(ctx, container, "", "") })
	if err != nil {
		return err
	}
	judge := func(ctx context.Context, gr *group) error {
		f, err := d.judge(ctx, gr)
		if err == nil {
			s.add(f)
		}
		return err
	}
	if len(groups) == 1 {
		for _, gr := range groups {
			return judge(ctx, gr)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(d.cfg.Workers)
	for _, gr := range groups {
		g.Go(func() error { return judge(ctx, gr) })
	}
	return g.Wait()
}

func (s *scan) add(f *copyFound) {
	id := f.Backup.ID
	if id == "" {
		s.d.cfg.Logger.Warn("objects that name no backup left out of the scan",
			"container", f.Backup.Container, "object_prefix", f.Backup.ServiceMetadata, "reason", f.Reason)
		return
	}
	s.found.add(f)
}

// preferred picks one of several copies of a backup, as a retry after a failed
// copy leaves them, and warns of the others.
func preferred(copies []*copyFound) *copyFound {
	if len(copies) == 1 {
		return copies[0]
	}
	rank := map[driverstate.Condition]int{driverstate.ConditionWhole: 0, driverstate.ConditionDamaged: 1}
	order := func(f *copyFound) int {
		if r, ok := rank[f.Condition]; ok {
			return r
		}
		return len(rank)
	}
	slices.SortFunc(copies, func(a, b *copyFound) int {
		return cmp.Or(order(a)-order(b), cmp.Compare(b.start, a.start),
			strings.Compare(a.Backup.Container+a.Backup.ServiceMetadata, b.Backup.Container+b.Backup.ServiceMetadata))
	})
	best := copies[0]
	for _, other := range copies[1:] {
		state := string(other.Condition)
		if other.Reason != "" {
			state += ": " + other.Reason
		}
		best.Warnings = append(best.Warnings, fmt.Sprintf("another copy of it, in container %s under %s, is %s",
			other.Backup.Container, other.Backup.ServiceMetadata, state))
	}
	return best
}

// Inspect is Scan for b alone. With b.ServiceMetadata it looks at that prefix
// only, which must be b's own; else at everything in b.Container, or in the
// container where b would lie by default, that carries b's id.
func (d *Driver) Inspect(ctx context.Context, b *driverstate.Backup) (driverstate.Found, error) {
	f, err := d.inspect(ctx, b)
	if err != nil {
		return driverstate.Found{}, &driverstate.Error{Op: "verify", Resource: "backup", ID: b.ID, Err: storeError(err)}
	}
	return f.Found, nil
}

func (d *Driver) inspect(ctx context.Context, b *driverstate.Backup) (*copyFound, error) {
	if !driverstate.IsUUID(b.ID) {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("backup id %.80q is not a UUID", b.ID))
	}
	container := b.Container
	if container == "" {
		container = d.layout.Container(b)
	}
	if err := d.layout.CheckContainer(container); err != nil {
		return nil, err
	}
	if b.ServiceMetadata != "" {
		if _, err := ownPrefix(b, b.ServiceMetadata); err != nil {
			return nil, err
		}
	}
	groups, err := d.collect(ctx, container, b.ServiceMetadata, b.ID)
	if err != nil && !errors.Is(err, objectstore.ErrNoContainer) {
		return nil, err
	}
	if len(groups) == 0 && err == nil && b.ServiceMetadata != "" {
		// The listing may lack all of it.
		gr := newGroup(container, b.ServiceMetadata, b.ID)
		if gr.metadata, err = d.unlisted(ctx, container, metadataName(gr.prefix)); err != nil {
			return nil, err
		}
		if gr.metadata != nil {
			groups = map[string]*group{gr.prefix: gr}
		}
	}
	var copies []*copyFound
	for _, gr := range groups {
		gr.keyed = b.EncryptionKeyID != ""
		f, err := d.judge(ctx, gr)
		if err != nil {
			return nil, err
		}
		if f.Backup.ID == b.ID {
			copies = append(copies, f)
		}
	}
	if len(copies) == 0 {
		return nil, driverstate.Fail(driverstate.ErrNotFound, fmt.Sprintf("the store holds nothing of it in container %s", container))
	}
	return preferred(copies), nil
}

// group is the objects of one prefix in one container.
type group struct {
	container, prefix string
	id                identity
	metadata, hashes  *objectstore.Info
	chunks            []chunkInfo
	keyed             bool // its row has its own encryption key
}

// chunkInfo is one listed chunk.
type chunkInfo struct {
	n    int
	size int64
}

// collect lists container and groups what it holds by prefix: the one prefix
// given, or all that are of backup id, or all when that is empty too. What has
// no chunked driver's name is passed over.
func (d *Driver) collect(ctx context.Context, container, prefix, id string) (map[string]*group, error) {
	all := grouping{container: container, wanted: id, groups: make(map[string]*group)}
	for info, err := range d.store.List(ctx, container, prefix) {
		if err != nil {
			return nil, err
		}
		if p, kind, n, ok := splitName(info.Name); ok && (prefix == "" || p == prefix) {
			all.add(info, p, kind, n)
		}
	}
	return all.result(), nil
}

// grouping sorts the objects of a container by their prefixes.
type grouping struct {
	container, wanted string
	groups            map[string]*group // nil for prefixes that are not wanted
}

func (a *grouping) add(info objectstore.Info, prefix string, kind objectKind, n int) {
	gr, seen := a.groups[prefix]
	if !seen {
		gr = newGroup(a.container, prefix, a.wanted)
		a.groups[prefix] = gr
	}
	if gr == nil {
		return
	}
	switch kind {
	case kindMetadata:
		gr.metadata = &info
	case kindHashes:
		gr.hashes = &info
	default:
		gr.chunks = append(gr.chunks, chunkInfo{n, info.Size})
	}
}

func (a *grouping) result() map[string]*group {
	for p, gr := range a.groups {
		if gr == nil {
			delete(a.groups, p)
		}
	}
	return a.groups
}

// newGroup returns nil for a prefix that is not one of Cinder's, or names
// another backup than the one wanted.
func newGroup(container, prefix, wanted string) *group {
	id, ok := parsePrefix(prefix)
	if !ok || wanted != "" && !id.old && id.backupID != wanted {
		return nil
	}
	if id.old {
		id.backupID = directoryOwner(container)
	}
	return &group{container: container, prefix: prefix, id: id}
}
