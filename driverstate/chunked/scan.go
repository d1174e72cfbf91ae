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
// it, ordered by creation time. Chunks are listed, never read. What cannot be
// listed is left out and told to the logger; if it is the directory of one
// backup, that backup is partial.
//
// Of several copies of one backup the best is yielded, with a warning that
// names the others: a whole one before a damaged or partial one, then the one
// whose copy started later.
func (d *Driver) Scan(ctx context.Context, container string) iter.Seq2[driverstate.Found, error] {
	return func(yield func(driverstate.Found, error) bool) {
		found, err := d.scan(ctx, container)
		if err != nil {
			yield(driverstate.Found{}, storeError(err))
			return
		}
		for _, f := range found {
			if !yield(f.Found, nil) {
				return
			}
		}
	}
}

func (d *Driver) scan(ctx context.Context, container string) ([]*copyFound, error) {
	if container != "" {
		if err := d.layout.CheckContainer(container); err != nil {
			return nil, err
		}
	}
	s := scan{d: d, byID: make(map[string][]*copyFound)}
	if err := s.run(ctx, container); err != nil {
		return nil, err
	}
	return s.best(), nil
}

// scan is one pass over the store: one goroutine walks the containers, some
// list them, some read the documents of what they hold.
type scan struct {
	d    *Driver
	mu   sync.Mutex
	byID map[string][]*copyFound
}

// copyFound is one copy of a backup: a Found and when its writing began.
type copyFound struct {
	driverstate.Found
	start int64
}

func (s *scan) run(ctx context.Context, container string) error {
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
		// A file system's container that holds no file is not yielded.
		for _, err := range s.d.store.List(ctx, within, "") {
			return err
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

// list sends the backups that container holds.
func (s *scan) list(ctx context.Context, container string, to chan<- *group) error {
	groups, err := s.d.collect(ctx, container, "", "")
	switch {
	case errors.Is(err, objectstore.ErrNoContainer):
		return nil // gone since it was walked past
	case errors.Is(err, objectstore.ErrForbidden), errors.Is(err, objectstore.ErrBadName):
		return s.unreadable(ctx, container, err)
	case err != nil:
		return err
	}
	for _, gr := range groups {
		select {
		case to <- gr:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *scan) add(f *copyFound) {
	id := f.Backup.ID
	if id == "" {
		s.d.cfg.Logger.Warn("objects that name no backup left out of the scan",
			"container", f.Backup.Container, "object_prefix", f.Backup.ServiceMetadata, "reason", f.Reason)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = append(s.byID[id], f)
}

func (s *scan) best() []*copyFound {
	found := make([]*copyFound, 0, len(s.byID))
	for _, copies := range s.byID {
		found = append(found, preferred(copies))
	}
	slices.SortFunc(found, func(a, b *copyFound) int {
		return cmp.Or(a.Backup.CreatedAt.Compare(b.Backup.CreatedAt), strings.Compare(a.Backup.ID, b.Backup.ID))
	})
	return found
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
	if !isUUID(b.ID) {
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
	var copies []*copyFound
	for _, gr := range groups {
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
	groups := make(map[string]*group)
	for info, err := range d.store.List(ctx, container, prefix) {
		if err != nil {
			return nil, err
		}
		p, kind, n, ok := splitName(info.Name)
		if !ok || prefix != "" && p != prefix {
			continue
		}
		gr, seen := groups[p]
		if !seen {
			gr = newGroup(container, p, id)
			groups[p] = gr
		}
		if gr == nil {
			continue
		}
		switch kind {
		case kindMetadata:
			document := info
			gr.metadata = &document
		case kindHashes:
			document := info
			gr.hashes = &document
		default:
			gr.chunks = append(gr.chunks, chunkInfo{n, info.Size})
		}
	}
	for p, gr := range groups {
		if gr == nil {
			delete(groups, p)
		}
	}
	return groups, nil
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
