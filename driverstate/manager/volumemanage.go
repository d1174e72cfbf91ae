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
			if other.Path != v.Path || v.Path == stdoutPath {
				continue
			}
			released, err := m.releaseFailed(ctx, tx, other, v)
			if err != nil {
				return err
			}
			if !released {
				return refuse("volume", other.ID, driverstate.ErrConflict, v.Path+" is managed already, as volume "+other.ID)
			}
		}
		if err := m.admitVolume(ctx, tx, v.ProjectID, typeName(v), v.Size); err != nil {
			return err
		}
		return tx.VolumeCreate(ctx, v)
	})
}

// releaseFailed gives up the management of old, whose restore failed, so that
// next can have its path: who was to give it back has died, or wants to try
// again.
func (m *Manager) releaseFailed(ctx context.Context, tx db.Tx, old, next *driverstate.Volume) (bool, error) {
	if !old.Managed || old.Status != driverstate.VolumeErrorRestoring || old.ProjectID != next.ProjectID || len(old.Attachments) > 0 {
		return false, nil
	}
	snapshots, err := tx.SnapshotGetAll(ctx, "", old.ID)
	if err != nil || len(snapshots) > 0 {
		return false, err
	}
	_, err = m.moveVolumeToDeleting(ctx, tx, old.ID, []driverstate.VolumeStatus{old.Status})
	return err == nil, err
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
		return 0, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%s: %v", path, err))
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
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%s: %v", path, err))
	}
	real := filepath.Join(dir, filepath.Base(path))
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		real = resolved
	} else if _, there := os.Lstat(path); there == nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("%s: %v", path, err))
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
