package ceph

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Scan implements driverstate.Scanner. It lists the images of the pool and
// asks for the metadata object of every backup that their names tell. Only if
// the pool has an image that a backup of a snapshot may be, whose name tells
// no backup, are all objects listed; then metadata objects that are left of
// backups without an image are found too.
func (d *Driver) Scan(ctx context.Context, container string) iter.Seq2[driverstate.Found, error] {
	scan := sync.OnceValues(func() ([]driverstate.Found, error) { return d.scan(ctx, cmp.Or(container, d.cfg.Pool)) })
	return func(yield func(driverstate.Found, error) bool) {
		found, err := scan()
		if err != nil {
			yield(driverstate.Found{}, err)
			return
		}
		for _, f := range found {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (d *Driver) scan(ctx context.Context, pool string) ([]driverstate.Found, error) {
	if err := checkPool(pool); err != nil {
		return nil, err
	}
	images, err := d.images(ctx, pool)
	if err != nil {
		return nil, err
	}
	c, err := d.claimsOn(ctx, pool, images)
	if err != nil {
		return nil, err
	}
	seen := d.candidates(ctx, pool, images, c)
	metas, err := d.metas(ctx, pool, slices.Collect(maps.Keys(seen)))
	if err != nil {
		return nil, err
	}
	byVolume := map[string][]*image{}
	for _, i := range images {
		byVolume[i.volumeID] = append(byVolume[i.volumeID], i)
	}
	var found []driverstate.Found
	for id, volumeID := range seen {
		s := sighting{pool: pool, volumeID: volumeID, meta: metas[id], place: whereIs(id, byVolume[volumeID], c)}
		if s.nothing() {
			continue // a deleted full backup, in whose image the chain goes on
		}
		f, err := d.judge(ctx, id, s)
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b driverstate.Found) int {
		return cmp.Or(a.Backup.CreatedAt.Compare(b.Backup.CreatedAt), strings.Compare(a.Backup.ID, b.Backup.ID))
	})
	return found, nil
}

// candidates are the backups that images and claims name, with their volumes.
func (d *Driver) candidates(ctx context.Context, pool string, images []*image, c claims) map[string]string {
	seen := map[string]string{}
	for _, i := range images {
		if i.owner != sharedOwner {
			seen[i.owner] = i.volumeID
		}
		for _, s := range i.snaps {
			if s.backupID == "" {
				d.log.WarnContext(ctx, "snapshot left out of the scan: it names no backup", "snapshot", pool+"/"+i.name+"@"+s.name)
				continue
			}
			seen[s.backupID] = i.volumeID
		}
		if i.shares() && len(c[i.volumeID]) == 0 || i.owner == sharedOwner && i.fault != "" {
			d.log.WarnContext(ctx, "image left out of the scan: nothing says whose it is", "image", pool+"/"+i.name, "fault", i.fault)
		}
	}
	for volumeID, ids := range c {
		for _, id := range ids {
			seen[id] = volumeID
		}
	}
	return seen
}

// Inspect implements driverstate.Scanner.
func (d *Driver) Inspect(ctx context.Context, b *driverstate.Backup) (driverstate.Found, error) {
	f, _, err := d.sight(ctx, b)
	return f, named("verify", b, err)
}

// errNothing is driverstate.ErrNotFound for a backup; a pool that is not there
// answers to that too.
var errNothing = fmt.Errorf("nothing: %w", driverstate.ErrNotFound)

// sight looks for a backup and judges what it finds.
func (d *Driver) sight(ctx context.Context, b *driverstate.Backup) (driverstate.Found, sighting, error) {
	s, err := d.look(ctx, b)
	if err != nil {
		return driverstate.Found{}, s, err
	}
	if s.nothing() {
		return driverstate.Found{}, s, driverstate.Fail(errNothing, fmt.Sprintf("pool %s holds nothing of it", s.pool))
	}
	f, err := d.judge(ctx, b.ID, s)
	return f, s, err
}

// judge says what a sighting is worth, and rebuilds the row.
func (d *Driver) judge(ctx context.Context, id string, s sighting) (driverstate.Found, error) {
	f := driverstate.Found{Condition: driverstate.ConditionWhole}
	f.Backup = driverstate.Backup{ID: id, VolumeID: s.volumeID, Container: s.pool, Service: Service, Status: driverstate.StatusAvailable}
	warn := func(format string, args ...any) { f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...)) }
	condemn := func(c driverstate.Condition, object, format string, args ...any) {
		f.Condition, f.Reason, f.Backup.Status = c, fmt.Sprintf(format, args...), driverstate.StatusError
		f.Problems = append(f.Problems, driverstate.Problem{BackupID: id, Object: object, Reason: f.Reason})
	}
	if s.meta != nil {
		f.Backup.ProjectID, f.Backup.UserID = s.meta.base.ProjectID, s.meta.base.UserID
		f.Backup.Size = max(0, s.meta.base.Size)
	}
	p := s.place
	switch {
	case p.fault != "":
		condemn(driverstate.ConditionDamaged, p.image.name, "%s", p.fault)
		return f, nil
	case p.image == nil:
		condemn(driverstate.ConditionPartial, metaName(id), "only its metadata object is left: its image or snapshot is gone")
		return f, nil
	case p.snap == nil && s.meta == nil:
		condemn(driverstate.ConditionPartial, p.image.name, "image %s has neither a snapshot nor a metadata object: its copy never finished, or is older than Icehouse", p.image.name)
		return f, nil
	}
	var info imageInfo
	if p.snap == nil {
		var err error
		if info, err = d.info(ctx, s.pool, p.image.name); err != nil {
			return f, err
		}
		p.image.size = info.Size
	}
	size := (p.size() + gib - 1) / gib
	if f.Backup.Size != size && s.meta != nil && s.meta.base.Size > 0 {
		warn("its image has %d GiB, its metadata object says %d", size, s.meta.base.Size)
	}
	f.Backup.Size = max(f.Backup.Size, size)
	if p.snap != nil {
		f.Backup.CreatedAt = p.snap.at
		f.Backup.ParentID = parentIn(p.image, p.snap)
		if p.image.owner != sharedOwner {
			f.Backup.ServiceMetadata = baseText(p.image.name)
		}
	} else {
		f.Backup.CreatedAt = info.created()
		if p.image.owner != sharedOwner {
			warn("Cinder writes such a backup and cannot restore it; cinder-go can, and so can Cinder after: rbd snap create %s",
				s.pool+"/"+p.image.name+"@"+snapName(id, orNow(f.Backup.CreatedAt, d.now)))
		}
	}
	f.Backup.DataTimestamp = f.Backup.CreatedAt
	d.warnOfMeta(id, s, warn)
	return f, nil
}

func (d *Driver) warnOfMeta(id string, s sighting, warn func(string, ...any)) {
	switch m := s.meta; {
	case m == nil:
		warn("its metadata object %s is not there: the name and the owner of its volume are lost", metaName(id))
	case m.fault != "":
		warn("its metadata object %s %s", metaName(id), m.fault)
	case m.base.ID != "" && m.base.ID != s.volumeID:
		warn("its metadata object is of volume %.80q", m.base.ID)
	case m.base.EncryptionKey != "" && !s.keyed:
		warn("its own encryption key is lost; the volume's was %.80q", m.base.EncryptionKey)
	}
}

func orNow(t time.Time, now func() time.Time) time.Time {
	if t.IsZero() {
		return now()
	}
	return t
}

// parentIn is the backup whose snapshot was made before s, which is what s was
// a difference to. Its data does not depend on it any more.
func parentIn(i *image, s *snapshot) string {
	parent := ""
	for n := range i.snaps {
		if i.snaps[n].id < s.id && i.snaps[n].backupID != "" {
			parent = i.snaps[n].backupID
		}
	}
	return parent
}
