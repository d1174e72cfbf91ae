package ceph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// place is where the bytes of a backup are. Without an image there are none.
type place struct {
	image *image
	snap  *snapshot // nil for the image itself
	// fault is why the place cannot be told or be used.
	fault string
}

// at is how ceph names the place.
func (p place) at(pool string) string {
	name := pool + "/" + p.image.name
	if p.snap != nil {
		name += "@" + p.snap.name
	}
	return name
}

func (p place) size() int64 {
	if p.snap != nil {
		return p.snap.size
	}
	return p.image.size
}

// claims are, by volume, the backups that have a metadata object and no image
// or snapshot of their own: one of them may be the volume's shared image.
type claims map[string][]string

// shares reports whether i is an image that a backup may be without being
// named in it: Cinder gives it to the backups of snapshots, one at a time.
func (i *image) shares() bool {
	return i.owner == sharedOwner && len(i.snaps) == 0 && i.fault == ""
}

// whereIs finds backup id among the images of its volume. What is proof is, in
// this order: a snapshot of the backup; an image named for it without any
// backup's snapshot, for in one with others the chain goes on after the full
// backup was deleted; the volume's shared image without snapshots, if this
// backup alone can be in it. Nothing is guessed.
func whereIs(id string, images []*image, c claims) place {
	var places []place
	for _, i := range images {
		for _, s := range i.of(id) {
			places = append(places, place{image: i, snap: s})
		}
	}
	if len(places) > 1 {
		return place{image: places[0].image, fault: fmt.Sprintf("it has %d snapshots, of which it should have one: %s and %s",
			len(places), places[0].at(""), places[1].at(""))}
	}
	if len(places) == 1 {
		return places[0]
	}
	for _, i := range images {
		if i.owner != id || len(i.snaps) > 0 {
			continue
		}
		if i.fault != "" {
			return place{image: i, fault: "its image cannot be opened: " + i.fault}
		}
		return place{image: i}
	}
	for _, i := range images {
		claimants := c[i.volumeID]
		if !i.shares() || !slices.Contains(claimants, id) {
			continue
		}
		if len(claimants) > 1 {
			return place{image: i, fault: fmt.Sprintf("image %s can be that of any of the backups %s", i.name, strings.Join(claimants, ", "))}
		}
		return place{image: i}
	}
	return place{}
}

// claimsOn are the claims on the shared images of a pool, of which images are
// all. Without such an image nothing is asked.
func (d *Driver) claimsOn(ctx context.Context, pool string, images []*image) (claims, error) {
	if !slices.ContainsFunc(images, (*image).shares) {
		return nil, nil
	}
	ids, err := d.allMetas(ctx, pool)
	if err != nil {
		return nil, err
	}
	placed := map[string]bool{}
	for _, i := range images {
		if len(i.snaps) == 0 {
			placed[i.owner] = true
		}
		for _, s := range i.snaps {
			placed[s.backupID] = true
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return placed[id] })
	metas, err := d.metas(ctx, pool, ids)
	if err != nil {
		return nil, err
	}
	c := claims{}
	for _, id := range slices.Sorted(maps.Keys(metas)) {
		if volumeID := metas[id].base.ID; driverstate.IsUUID(volumeID) {
			c[volumeID] = append(c[volumeID], id)
		}
	}
	return c, nil
}

// metas are the metadata objects of those of ids that have one.
func (d *Driver) metas(ctx context.Context, pool string, ids []string) (map[string]*volumeMeta, error) {
	all := make(map[string]*volumeMeta, len(ids))
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(d.cfg.Workers)
	for _, id := range ids {
		g.Go(func() error {
			m, err := d.meta(gctx, pool, id)
			if err == nil && m != nil {
				mu.Lock()
				defer mu.Unlock()
				all[id] = m
			}
			return err
		})
	}
	return all, g.Wait()
}

// sighting is a backup as a look at the pool found it.
type sighting struct {
	pool     string
	volumeID string // empty when nothing tells
	place    place
	meta     *volumeMeta // nil when there is none
	keyed    bool        // its row has its own encryption key
}

func (s sighting) nothing() bool { return s.place.image == nil && s.meta == nil }

// look looks for one backup, in the pool that its row names or in the driver's
// own.
func (d *Driver) look(ctx context.Context, b *driverstate.Backup) (sighting, error) {
	s := sighting{pool: b.Container, keyed: b.EncryptionKeyID != ""}
	if s.pool == "" {
		s.pool = d.cfg.Pool
	}
	if !driverstate.IsUUID(b.ID) {
		return s, invalid("backup id %.80q is not a UUID", b.ID)
	}
	if err := checkPool(s.pool); err != nil {
		return s, err
	}
	base, err := parseBase(b.ServiceMetadata, knownVolume(b))
	if err != nil {
		return s, err
	}
	if base != "" {
		if known, err := d.lookIn(ctx, b.ID, base, s); err != nil || known.place.snap != nil {
			return known, err
		}
	}
	var names []string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { names, err = d.names(gctx, s.pool); return err })
	g.Go(func() (err error) { s.meta, err = d.meta(gctx, s.pool, b.ID); return err })
	if err := g.Wait(); err != nil {
		return s, err
	}
	s.volumeID = volumeOf(b, base, names, s.meta)
	if s.volumeID == "" {
		return d.lookEverywhere(ctx, b.ID, s)
	}
	images, err := d.volumeImages(ctx, s.pool, s.volumeID, names)
	if err != nil {
		return s, err
	}
	s.place = whereIs(b.ID, images, nil)
	if s.place.image == nil && s.meta != nil && slices.ContainsFunc(images, (*image).shares) {
		return d.lookEverywhere(ctx, b.ID, s)
	}
	return s, nil
}

// lookIn looks in the image that the row names, where nearly every backup is.
func (d *Driver) lookIn(ctx context.Context, id, base string, s sighting) (sighting, error) {
	i := &image{name: base, size: -1}
	i.volumeID, i.owner, _ = parseImage(base)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := d.describe(gctx, s.pool, i)
		if errors.Is(err, driverstate.ErrNotFound) && !noPool(err) {
			return nil
		}
		return err
	})
	g.Go(func() (err error) { s.meta, err = d.meta(gctx, s.pool, id); return err })
	if err := g.Wait(); err != nil {
		return s, err
	}
	s.volumeID, s.place = i.volumeID, whereIs(id, []*image{i}, nil)
	return s, nil
}

// lookEverywhere looks at all images of the pool: for a backup whose volume is
// not known, and for one that may be a shared image.
func (d *Driver) lookEverywhere(ctx context.Context, id string, s sighting) (sighting, error) {
	images, err := d.images(ctx, s.pool)
	if err != nil {
		return s, err
	}
	var c claims
	if s.meta != nil {
		if c, err = d.claimsOn(ctx, s.pool, images); err != nil {
			return s, err
		}
	}
	s.place = whereIs(id, images, c)
	if s.place.image != nil {
		s.volumeID = s.place.image.volumeID
	}
	return s, nil
}

// knownVolume is the volume of b's row; empty when the row does not know it.
func knownVolume(b *driverstate.Backup) string {
	if b.VolumeID == "00000000-0000-0000-0000-000000000000" { // as an import without one leaves it
		return ""
	}
	return b.VolumeID
}

// volumeOf is the volume of b: what the row says, else what names tell, else
// what was written at the time of the backup.
func volumeOf(b *driverstate.Backup, base string, names []string, m *volumeMeta) string {
	if v := knownVolume(b); v != "" {
		return v
	}
	if v, _, ok := parseImage(base); ok {
		return v
	}
	for _, name := range names {
		if v, owner, ok := parseImage(name); ok && owner == b.ID {
			return v
		}
	}
	if m != nil && driverstate.IsUUID(m.base.ID) {
		return m.base.ID
	}
	return ""
}

// absent reports whether err says that the pool is not there, and so nothing
// of the backup.
func absent(err error) bool { return errors.Is(err, driverstate.ErrNotFound) && noPool(err) }
