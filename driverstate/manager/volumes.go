package manager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

const (
	volumeResource = "Volume"
	gib            = int64(1) << 30
	maxVolumeSize  = int64(1)<<31 - 1 // GiB; Cinder's column
	stdoutPath     = "-"
)

// Statuses of work on a volume in its workers entry.
const (
	volumeDownloading driverstate.VolumeStatus = "downloading"
	volumeUploading   driverstate.VolumeStatus = "uploading"
)

// CreateVolume makes a volume: a sparse file of the engine's own, or, with
// SourceName and for an admin, a file or device that is taken under management
// as it is. A blank or a managed one is available when this returns; one that
// is made from a snapshot or another volume is creating while it is copied, and
// one from a backup is being restored to. While the volume service is disabled
// a new one is error, as in Cinder, and nothing is taken under management. So is
// one of a type that asks for another back end.
func (m *Manager) CreateVolume(ctx context.Context, c driverstate.Caller, r driverstate.VolumeRequest) (*driverstate.Volume, error) {
	if r.BackupID != "" {
		return m.createFromBackup(ctx, c, r)
	}
	kind, err := m.findType(ctx, c, r.VolumeType)
	if err != nil {
		return nil, err
	}
	v := m.volumeRow(c, r)
	if r.VolumeType != "" {
		v.VolumeType = kind.Name
	}
	enabled, err := m.takesVolumes(ctx)
	if err != nil {
		return nil, err
	}
	if r.SourceName != "" {
		if err := allow(c, "volume_extension:volume_manage"); err != nil {
			return nil, err
		}
		if !enabled {
			return nil, driverstate.Fail(driverstate.ErrUnavailable, "Service is unavailable at this time.")
		}
		if err := m.manageVolume(ctx, v, r); err != nil {
			return nil, err
		}
		return v, nil
	}
	if m.cfg.VolumeDir == "" {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the engine has no directory for volumes")
	}
	v.Path = filepath.Join(m.cfg.VolumeDir, "volume-"+v.ID)
	if !enabled || !takesType(kind) {
		v.Host, v.Status = "", driverstate.VolumeError // nobody was chosen for it
		return v, m.db.Update(ctx, func(tx db.Tx) error {
			if _, err := m.insertVolume(ctx, tx, c, v); err != nil {
				return err
			}
			job := db.Job{VolumeID: v.ID, RequestID: c.RequestID, ProjectID: c.ProjectID}
			return m.tell(ctx, tx, job, driverstate.MessageAllocateVolume, driverstate.MessageNoBackend)
		})
	}
	if err := m.makeVolume(ctx, c, v); err != nil {
		return nil, err
	}
	return v, nil
}

// volumeRow is the row that r asks for.
func (m *Manager) volumeRow(c driverstate.Caller, r driverstate.VolumeRequest) *driverstate.Volume {
	return &driverstate.Volume{
		ID: m.cfg.NewID(), UserID: c.UserID, ProjectID: c.ProjectID,
		Host: m.volumeHost() + "#file", Name: r.Name, Description: r.Description,
		Size: r.Size, AvailabilityZone: cmp.Or(r.AvailabilityZone, m.cfg.AvailabilityZone), Metadata: r.Metadata,
		SnapshotID: r.SnapshotID, SourceVolID: r.SourceVolID, CreatedAt: m.cfg.Now().UTC(),
	}
}

// insertVolume writes the row of a volume that is made in the engine's
// directory and returns what it is to be a copy of, nil for a blank one.
func (m *Manager) insertVolume(ctx context.Context, tx db.Tx, c driverstate.Caller, v *driverstate.Volume) (from *driverstate.Volume, err error) {
	switch {
	case v.SnapshotID != "":
		from, err = snapshotOrigin(ctx, tx, c, v)
	case v.SourceVolID != "":
		from, err = volumeOrigin(ctx, tx, c, v)
	}
	if err != nil {
		return nil, err
	}
	if err := checkSize(v.Size); err != nil {
		return nil, err
	}
	if err := m.admitVolume(ctx, tx, v.ProjectID, typeName(v), v.Size); err != nil {
		return nil, err
	}
	return from, tx.VolumeCreate(ctx, v)
}

func checkSize(size int64) error {
	if size < 1 || size > maxVolumeSize {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("volume size %d GiB is not between 1 and %d", size, maxVolumeSize))
	}
	return nil
}

// makeVolume makes the file of a volume of the engine's own. That of a copy is
// still made when this returns.
func (m *Manager) makeVolume(ctx context.Context, c driverstate.Caller, v *driverstate.Volume) error {
	if (v.SnapshotID != "" || v.SourceVolID != "") && m.cfg.CopyVolume == nil {
		return driverstate.Fail(driverstate.ErrNotSupported, "the engine cannot copy volumes")
	}
	v.Status = driverstate.VolumeCreating
	work := m.beginCopy(ctx, v.ID)
	var from *driverstate.Volume
	err := m.db.Update(ctx, func(tx db.Tx) (err error) {
		if from, err = m.insertVolume(ctx, tx, c, v); err != nil {
			return err
		}
		return m.claimWork(ctx, tx, volumeResource, v.ID, string(v.Status))
	})
	if err != nil {
		work.end()
		return err
	}
	if from == nil {
		defer work.end()
		return m.finishVolume(ctx, v, makeFile(v.Path, v.Size*gib))
	}
	row := *v
	m.inBackground(work, func(ctx context.Context) error {
		cause := m.copyVolume(ctx, from, row.Path, row.Size)
		err := m.finishVolume(ctx, &row, cause)
		if errors.Is(err, driverstate.ErrNotFound) { // force deleted meanwhile
			return removeFiles(row.Path)
		}
		return err
	})
	return nil
}

// finishVolume makes the row of a volume final whose file was made, or not.
func (m *Manager) finishVolume(ctx context.Context, v *driverstate.Volume, cause error) error {
	v.Status = driverstate.VolumeAvailable
	if cause != nil {
		v.Status = driverstate.VolumeError
		m.log.Error("volume could not be made", "volume", v.ID, "error", cause)
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	err := m.db.Update(ctx, func(tx db.Tx) error {
		row, err := tx.VolumeGet(ctx, v.ID)
		if err != nil {
			return err
		}
		row.Status = v.Status
		if err := tx.VolumeUpdate(ctx, row, driverstate.VolumeCreating); err != nil {
			return err
		}
		v.UpdatedAt = row.UpdatedAt
		return tx.WorkerDestroy(ctx, volumeResource, v.ID)
	})
	return errors.Join(cause, err)
}

// makeFile makes a file of n bytes that holds no blocks.
func makeFile(path string, n int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(file.Truncate(n), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	// The row that says that it is there must not outlive it.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err = dir.Sync(); errors.Is(err, syscall.EINVAL) {
		err = nil // a file system that cannot, and need not
	}
	return errors.Join(err, dir.Close())
}

// volumeService returns the id of our cinder-volume row, 0 before Start.
func (m *Manager) volumeService() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.services[driverstate.BinaryVolume]
}

// holdVolume marks a volume as worked on by this process, so that a cleanup
// does not take it for left behind, until the returned function is called.
func (m *Manager) holdVolume(id string) (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.volumes[id] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.volumes, id)
	}
}

func (m *Manager) held(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.volumes[id]
}

// Volume returns one volume that c may see.
func (m *Manager) Volume(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Volume, error) {
	return m.visibleVolume(ctx, c, id)
}

func (m *Manager) visibleVolume(ctx context.Context, c driverstate.Caller, id string) (*driverstate.Volume, error) {
	v, err := m.db.VolumeGet(ctx, id)
	if err != nil {
		return nil, named(err, volumeNotFound(id))
	}
	if !c.Admin && v.ProjectID != c.ProjectID {
		return nil, volumeNotFound(id)
	}
	return v, nil
}

// Volumes lists the caller's volumes, or, for an admin who asks, all.
func (m *Manager) Volumes(ctx context.Context, c driverstate.Caller, allProjects bool) ([]*driverstate.Volume, error) {
	project, none := listed(c, allProjects)
	if none {
		return nil, nil
	}
	return m.db.VolumeGetAll(ctx, project)
}

// removeVolume ends the removal of a volume of the engine's own.
func (m *Manager) removeVolume(ctx context.Context, v *driverstate.Volume) error {
	if err := removeFiles(v.Path); err != nil {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := tx.WorkerDestroy(ctx, volumeResource, v.ID); err != nil {
			return err
		}
		if err := tx.VolumeDestroy(ctx, v.ID); !errors.Is(err, driverstate.ErrNotFound) {
			return err
		}
		return nil // another cleanup came first
	})
}
