package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
// as it is. It is available when this returns; while the volume service is
// disabled a new one is error, as in Cinder, and nothing is taken under
// management.
func (m *Manager) CreateVolume(ctx context.Context, c driverstate.Caller, r driverstate.VolumeRequest) (*driverstate.Volume, error) {
	now := m.cfg.Now().UTC()
	v := &driverstate.Volume{
		ID: m.cfg.NewID(), UserID: c.UserID, ProjectID: c.ProjectID,
		Host: m.cfg.Host + volumeBackend + "#file", Name: r.Name, Description: r.Description,
		Size: r.Size, AvailabilityZone: r.AvailabilityZone, Metadata: r.Metadata, CreatedAt: now,
	}
	if v.AvailabilityZone == "" {
		v.AvailabilityZone = m.cfg.AvailabilityZone
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
	if err := checkSize(v.Size); err != nil {
		return nil, err
	}
	if m.cfg.VolumeDir == "" {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "the engine has no directory for volumes")
	}
	v.Path = filepath.Join(m.cfg.VolumeDir, "volume-"+v.ID)
	if !enabled {
		v.Host, v.Status = "", driverstate.VolumeError // nobody was chosen for it
		return v, m.db.Update(ctx, func(tx db.Tx) error {
			if err := tx.VolumeCreate(ctx, v); err != nil {
				return err
			}
			job := db.Job{VolumeID: v.ID, RequestID: c.RequestID, ProjectID: c.ProjectID}
			return m.tell(ctx, tx, job, driverstate.MessageAllocateVolume, driverstate.MessageNoBackend)
		})
	}
	if err := m.makeVolume(ctx, v); err != nil {
		return nil, err
	}
	return v, nil
}

func checkSize(size int64) error {
	if size < 1 || size > maxVolumeSize {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("volume size %d GiB is not between 1 and %d", size, maxVolumeSize))
	}
	return nil
}

// makeVolume makes the file of a volume of the engine's own.
func (m *Manager) makeVolume(ctx context.Context, v *driverstate.Volume) error {
	v.Status = driverstate.VolumeCreating
	defer m.holdVolume(v.ID)()
	err := m.db.Update(ctx, func(tx db.Tx) error {
		if err := tx.VolumeCreate(ctx, v); err != nil {
			return err
		}
		return m.claim(ctx, tx, v)
	})
	if err != nil {
		return err
	}
	cause := makeFile(v.Path, v.Size*gib)
	v.Status = driverstate.VolumeAvailable
	if cause != nil {
		v.Status = driverstate.VolumeError
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	err = m.db.Update(ctx, func(tx db.Tx) error {
		if err := tx.VolumeUpdate(ctx, v, driverstate.VolumeCreating); err != nil {
			return err
		}
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
	err = file.Truncate(n)
	return errors.Join(err, file.Close())
}

// claim writes the workers entry of work on v in its present status.
func (m *Manager) claim(ctx context.Context, tx db.Tx, v *driverstate.Volume) error {
	if err := tx.WorkerDestroy(ctx, volumeResource, v.ID); err != nil {
		return err
	}
	return tx.WorkerCreate(ctx, &driverstate.Worker{
		ResourceType: volumeResource, ResourceID: v.ID, Status: string(v.Status), ServiceID: m.volumeService(),
	})
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

// manageVolume takes the operator's file or device under management.
func (m *Manager) manageVolume(ctx context.Context, v *driverstate.Volume, r driverstate.VolumeRequest) error {
	bytes, err := m.checkSource(r)
	if err != nil {
		return err
	}
	if v.Size == 0 {
		v.Size = (bytes + gib - 1) / gib
	}
	if err := checkSize(v.Size); err != nil {
		return err
	}
	v.Path, v.Managed, v.Status = r.SourceName, true, driverstate.VolumeAvailable
	if r.Overwrite {
		meta := map[string]string{metaOverwrite: "true"}
		for k, val := range r.Metadata {
			if k != metaOverwrite {
				meta[k] = val
			}
		}
		v.Metadata = meta
	} else if _, forged := r.Metadata[metaOverwrite]; forged {
		return driverstate.Fail(driverstate.ErrInvalidInput, "metadata key "+metaOverwrite+" is reserved")
	}
	return m.db.Update(ctx, func(tx db.Tx) error {
		all, err := tx.VolumeGetAll(ctx, "")
		if err != nil {
			return err
		}
		for _, other := range all {
			if other.Path == v.Path && v.Path != stdoutPath {
				return refuse("volume", other.ID, driverstate.ErrConflict, v.Path+" is managed already, as volume "+other.ID)
			}
		}
		return tx.VolumeCreate(ctx, v)
	})
}

// checkSource says whether the path of r may be a target, and how many bytes
// it holds.
func (m *Manager) checkSource(r driverstate.VolumeRequest) (int64, error) {
	path := r.SourceName
	if path == stdoutPath {
		if m.cfg.Stdout == nil {
			return 0, driverstate.Fail(driverstate.ErrInvalidInput, `source name "-": this engine has no standard output to write to`)
		}
		return 0, nil
	}
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsRune(path, 0) {
		return 0, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("source name %q is not a clean absolute path", path))
	}
	if err := m.checkTargetDir(path); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("source name %s: %v", path, err))
	case info.IsDir():
		return 0, driverstate.Fail(driverstate.ErrInvalidInput, path+" is a directory")
	case info.Mode().IsRegular() && info.Size() > 0 && !r.Overwrite:
		return 0, refuse("volume", "", driverstate.ErrConflict, fmt.Sprintf(
			"%s holds %d bytes already and overwrite was not allowed", path, info.Size()))
	}
	return info.Size(), nil
}

// checkTargetDir refuses a path outside of the allowed directories, with
// links resolved.
func (m *Manager) checkTargetDir(path string) error {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("source name %s: %v", path, err))
	}
	real := filepath.Join(dir, filepath.Base(path))
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		real = resolved
	} else if _, there := os.Lstat(path); there == nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("source name %s: %v", path, err))
	}
	if m.cfg.TargetDirs == nil {
		return nil
	}
	for _, allowed := range m.cfg.TargetDirs {
		root, err := filepath.EvalSymlinks(allowed)
		if err != nil {
			continue
		}
		if rel, err := filepath.Rel(root, real); err == nil && rel != "." && filepath.IsLocal(rel) {
			return nil
		}
	}
	return driverstate.Fail(driverstate.ErrForbidden, path+" is in none of the directories that restores may write to")
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
	project := c.ProjectID
	if c.Admin && allProjects {
		project = ""
	}
	return m.db.VolumeGetAll(ctx, project)
}

// removeVolume ends the removal of a volume of the engine's own.
func (m *Manager) removeVolume(ctx context.Context, v *driverstate.Volume) error {
	if err := os.Remove(v.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	return m.db.Update(ctx, func(tx db.Tx) error {
		if err := tx.WorkerDestroy(ctx, volumeResource, v.ID); err != nil {
			return err
		}
		return tx.VolumeDestroy(ctx, v.ID)
	})
}
