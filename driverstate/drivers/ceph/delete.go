package ceph

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// As Cinder does for an image that is in use (_try_delete_base_image).
const (
	busyRetries = 3
	busyPause   = 5 * time.Second
)

// Delete implements driverstate.Driver. It removes the snapshot of b; the image
// when no backup's snapshot remains in it; and the metadata object last,
// because that is what proves whose an image without snapshots is.
//
// An image that is not proven to be b's stays, also where Cinder takes it for
// b's: it falls back from an image that is not there to one that all backups
// of the volume's snapshots share, and so a failed backup takes another with
// it.
func (d *Driver) Delete(ctx context.Context, b *driverstate.Backup) error {
	return named("delete", b, d.delete(ctx, b))
}

func (d *Driver) delete(ctx context.Context, b *driverstate.Backup) error {
	if !driverstate.IsUUID(b.VolumeID) {
		return invalid("volume id %.80q is not a UUID", b.VolumeID)
	}
	if err := checkPool(b.Container); err != nil {
		return err
	}
	base, err := parseBase(b.ServiceMetadata, b.VolumeID)
	if err != nil {
		return err
	}
	if err := d.cluster.mayRun(call{program: "rbd", verb: "snap rm", pool: b.Container}); err != nil {
		return err
	}
	s, err := d.look(ctx, b)
	switch {
	case absent(err):
		return nil
	case err != nil:
		return err
	}
	if err := mayDelete(s, base); err != nil {
		return err
	}
	if s.place.image != nil {
		if err := d.deletePlace(ctx, b, s); err != nil {
			return err
		}
	}
	return d.removeMeta(ctx, s.pool, b.ID)
}

func (d *Driver) removeMeta(ctx context.Context, pool, id string) error {
	err := d.cluster.run(ctx, call{program: "rados", verb: "rm", pool: pool, args: []string{metaName(id)}})
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	return err
}

// RemovePartial implements driverstate.PartialRemover: an image that is named
// for b and has no snapshot at all, or a metadata object whose image is gone.
// Ceph itself refuses to remove an image that got a snapshot meanwhile, and one
// that is being written.
func (d *Driver) RemovePartial(ctx context.Context, b *driverstate.Backup) error {
	return named("delete", b, d.removePartial(ctx, b))
}

func (d *Driver) removePartial(ctx context.Context, b *driverstate.Backup) error {
	base, err := parseBase(b.ServiceMetadata, b.VolumeID)
	if err != nil {
		return err
	}
	f, s, err := d.sight(ctx, b)
	switch {
	case absent(err) || errors.Is(err, errNothing):
		return nil
	case err != nil:
		return err
	case f.Condition == driverstate.ConditionWhole:
		return driverstate.Fail(driverstate.ErrConflict, "it is whole in pool "+s.pool+", and nothing was removed")
	case f.Condition != driverstate.ConditionPartial:
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("it is %s in pool %s, and nothing was removed: %s", f.Condition, s.pool, f.Reason))
	}
	if err := mayDelete(s, base); err != nil {
		return err
	}
	if i := s.place.image; i != nil {
		if i.owner != b.ID || len(i.snaps) > 0 || len(i.others) > 0 {
			return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf(
				"image %s/%s has more in it than an unfinished copy, and nothing was removed: look at it with rbd snap ls", s.pool, i.name))
		}
		if err := d.removeImage(ctx, s.pool, i.name); err != nil {
			return err
		}
	}
	if s.meta == nil {
		return nil
	}
	return d.removeMeta(ctx, s.pool, b.ID)
}

// mayDelete refuses a place that is not surely that of the backup.
func mayDelete(s sighting, base string) error {
	p := s.place
	switch {
	case p.fault != "":
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("%s: nothing was deleted; look at pool %s with rbd ls -l and remove by hand what is not needed", p.fault, s.pool))
	case p.image != nil && base != "" && p.image.name != base:
		return invalid("its row names image %s, and what is of it on the store is %s", base, p.at(s.pool))
	}
	return nil
}

func (d *Driver) deletePlace(ctx context.Context, b *driverstate.Backup, s sighting) error {
	i := s.place.image
	if s.place.snap != nil {
		err := d.cluster.run(ctx, call{program: "rbd", verb: "snap rm", pool: s.pool, image: i.name, snap: s.place.snap.name, args: []string{"--no-progress"}})
		if err != nil && !errors.Is(err, driverstate.ErrNotFound) {
			return err
		}
		// Again: another backup may have been made or deleted meanwhile.
		switch err := d.describe(ctx, s.pool, i); {
		case errors.Is(err, driverstate.ErrNotFound) && !noPool(err):
			return nil // it took the image with it
		case err != nil:
			return err
		}
		if len(i.snaps) > 0 {
			return d.dropLength(ctx, s.pool, i.name, b.ID)
		}
		if kept, err := d.claimed(ctx, s.pool, i); err != nil || kept {
			return err
		}
	}
	if len(i.others) > 0 {
		return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf(
			"image %s/%s has snapshots that no backup made: %s; remove them with rbd snap rm, then delete the backup again", s.pool, i.name, strings.Join(i.others, ", ")))
	}
	return d.removeImage(ctx, s.pool, i.name)
}

// claimed reports whether a shared image, of which no snapshot is left, may be
// that of a backup of a snapshot.
func (d *Driver) claimed(ctx context.Context, pool string, i *image) (bool, error) {
	if i.owner != sharedOwner {
		return false, nil
	}
	images, err := d.images(ctx, pool)
	if err != nil {
		return false, err
	}
	c, err := d.claimsOn(ctx, pool, images)
	if err != nil || len(c[i.volumeID]) == 0 {
		return false, err
	}
	d.log.WarnContext(ctx, "image kept: it may be that of another backup", "image", pool+"/"+i.name, "backups", c[i.volumeID])
	return true, nil
}

// removeImage removes an image, and waits for who has it in use as Cinder does.
func (d *Driver) removeImage(ctx context.Context, pool, name string) error {
	for left := busyRetries; ; left-- {
		err := d.cluster.run(ctx, call{program: "rbd", verb: "rm", pool: pool, image: name, args: []string{"--no-progress"}})
		if errors.Is(err, driverstate.ErrNotFound) {
			return nil
		}
		if !isBusy(err) || left == 0 {
			return err
		}
		d.log.InfoContext(ctx, "image is in use, its removal is tried again", "image", pool+"/"+name, "left", left)
		if err := d.pause(ctx, busyPause); err != nil {
			return err
		}
	}
}

// dropLength removes what keepLength noted.
func (d *Driver) dropLength(ctx context.Context, pool, name, id string) error {
	err := d.cluster.run(ctx, call{program: "rbd", verb: "image-meta remove", pool: pool, image: name, args: []string{lengthKey(id)}})
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	return err
}
