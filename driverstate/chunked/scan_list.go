package chunked

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

const (
	// scanReaders is how many documents are asked for at once at least: a store
	// behind a network keeps each of them waiting.
	scanReaders = 8
	// oneListing is how many names a container may have to be listed page after
	// page: one page of Swift's, ten of S3's and of GCS's.
	oneListing = 10_000
)

// scanPrefixes are listed side by side where a container is large. Whatever
// parsePrefix knows begins with one of them, and none begins with another.
var scanPrefixes = [...]string{
	oldPrefix,
	"volume_0", "volume_1", "volume_2", "volume_3", "volume_4", "volume_5", "volume_6", "volume_7",
	"volume_8", "volume_9", "volume_a", "volume_b", "volume_c", "volume_d", "volume_e", "volume_f",
}

// list sends the backups that container holds. Listings go by the page, each
// beginning where the one before ended: of a container of many pages the parts
// are listed at the same time.
func (s *scan) list(ctx context.Context, container string, to chan<- *group) error {
	large := false
	groups, err := s.readable(ctx, container, func() (found map[string]*group, err error) {
		found, large, err = s.d.listed(ctx, container, "", oneListing)
		return found, err
	})
	if err != nil {
		return err
	}
	if !large {
		return send(ctx, groups, to)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, prefix := range scanPrefixes {
		g.Go(func() error {
			groups, err := s.readable(ctx, container, func() (found map[string]*group, err error) {
				found, _, err = s.d.listed(ctx, container, prefix, 0)
				return found, err
			})
			if err != nil {
				return err
			}
			return send(ctx, groups, to)
		})
	}
	return g.Wait()
}

// listed is all the groups in container whose names begin with prefix, or none
// and large when it has more than most names. most 0 is no limit.
func (d *Driver) listed(ctx context.Context, container, prefix string, most int) (groups map[string]*group, large bool, err error) {
	all := grouping{container: container, groups: make(map[string]*group)}
	names := 0
	for info, err := range d.store.List(ctx, container, prefix) {
		if err != nil {
			return nil, false, err
		}
		if names++; most > 0 && names > most {
			return nil, true, nil
		}
		if p, kind, n, ok := splitName(info.Name); ok {
			all.add(info, p, kind, n)
		}
	}
	return all.result(), false, nil
}

func send(ctx context.Context, groups map[string]*group, to chan<- *group) error {
	for _, gr := range groups {
		select {
		case to <- gr:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readable is what collect finds in container; nothing if it is gone since it
// was walked past, or must be left out.
func (s *scan) readable(ctx context.Context, container string, collect func() (map[string]*group, error)) (map[string]*group, error) {
	groups, err := collect()
	switch {
	case errors.Is(err, objectstore.ErrNoContainer):
		return nil, nil
	case errors.Is(err, objectstore.ErrForbidden), errors.Is(err, objectstore.ErrBadName), errors.Is(err, objectstore.ErrDamaged):
		return nil, s.unreadable(ctx, container, err)
	}
	return groups, err
}
