package chunked

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Delete removes every object of b: the metadata document first, so that what
// an interrupted delete leaves is no backup any more, then the hash list, then
// the chunks. Only names that carry b's own prefix are removed.
func (d *Driver) Delete(ctx context.Context, b *driverstate.Backup) error {
	if err := d.delete(ctx, b); err != nil {
		return &driverstate.Error{Op: "delete", Resource: "backup", ID: b.ID, Err: storeError(err)}
	}
	return nil
}

func (d *Driver) delete(ctx context.Context, b *driverstate.Backup) error {
	container, prefix := b.Container, b.ServiceMetadata
	if err := d.layout.CheckContainer(container); err != nil {
		return err
	}
	id, err := ownPrefix(b, prefix)
	if err != nil {
		return err
	}
	if id.old && !ownDirectory(container, b.ID) {
		if mine, err := d.oldIsOf(ctx, b); err != nil || !mine {
			return err
		}
	}
	for _, name := range []string{metadataName(prefix), hashesName(prefix)} {
		if err := d.store.Delete(ctx, container, name); err != nil && !isAbsent(err) {
			return fmt.Errorf("object %s: %w", name, err)
		}
	}
	if err := d.deleteChunks(ctx, container, prefix); err != nil {
		return err
	}
	// A directory that the user named stays, as in Cinder.
	if ownDirectory(container, b.ID) {
		return d.store.RemoveContainer(ctx, container)
	}
	if s, ok := d.store.(objectstore.Sweeper); ok {
		return s.Sweep(ctx, container)
	}
	return nil
}

// deleteChunks removes every chunk under prefix, also those that no document
// lists: a cancelled writer may leave one late.
func (d *Driver) deleteChunks(ctx context.Context, container, prefix string) error {
	var names []string
	for info, err := range d.store.List(ctx, container, prefix+"-") {
		if errors.Is(err, objectstore.ErrNoContainer) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("container %s: %w", container, err)
		}
		if p, kind, _, ok := splitName(info.Name); ok && kind == kindChunk && p == prefix {
			names = append(names, info.Name)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(d.cfg.Workers)
	for _, name := range names {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			if err := d.store.Delete(gctx, container, name); err != nil && !isAbsent(err) {
				return fmt.Errorf("object %s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// oldIsOf reports whether the objects named "backup" in a directory that
// several backups may share are b's: each overwrote the one before it, and
// only a document tells whose they are now.
func (d *Driver) oldIsOf(ctx context.Context, b *driverstate.Backup) (bool, error) {
	m, err := d.loadMetadata(ctx, b.Container, oldPrefix)
	var owner string
	switch {
	case err == nil:
		owner = m.BackupID
	case isAbsent(err):
		h, herr := d.readOwner(ctx, b.Container, oldPrefix)
		if isAbsent(herr) {
			return false, d.nothingOld(ctx, b)
		}
		if herr != nil {
			return false, herr
		}
		owner = h.BackupID
	default:
		return false, err
	}
	if owner != b.ID {
		return false, driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("the objects named %s in container %s are those of backup %s", oldPrefix, b.Container, owner))
	}
	return true, nil
}

// nothingOld refuses to delete chunks whose owner no document names.
func (d *Driver) nothingOld(ctx context.Context, b *driverstate.Backup) error {
	for _, err := range d.store.List(ctx, b.Container, oldPrefix+"-") {
		if errors.Is(err, objectstore.ErrNoContainer) {
			return nil
		}
		if err != nil {
			return err
		}
		return driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("no document in container %s says whose its objects named %s are", b.Container, oldPrefix))
	}
	return nil
}
