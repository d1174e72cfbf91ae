package remotefs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
)

// Driver is the posix driver on a share.
type Driver struct {
	*chunked.Driver
	share    *Share
	readOnly bool
}

var (
	_ driverstate.Driver       = (*Driver)(nil)
	_ driverstate.Scanner      = (*Driver)(nil)
	_ driverstate.Verifier     = (*Driver)(nil)
	_ driverstate.ForceDeleter = (*Driver)(nil)
)

// New returns the driver that service names, with its files on share. files
// says the rest; its Path is not used. Nothing is mounted yet.
func New(service string, share *Share, files posix.Config) (*Driver, error) {
	share.Base = Base(share.Base)
	files.Path = share.Point()
	format, err := posix.NewGuarded(service, files, share.Guard)
	if err != nil {
		return nil, err
	}
	share.Logger = files.Logger
	return &Driver{Driver: format, share: share, readOnly: files.ReadOnly}, nil
}

// DoSetup mounts the share and, unless the store is opened for reading, lets
// the service's group write to it as Cinder does (nfs.py
// _init_backup_repo_path). What it may not change it leaves, and says so to the
// logger: reading needs no right to write.
func (d *Driver) DoSetup(ctx context.Context) error {
	if err := d.configured(); err != nil {
		return err
	}
	if err := d.share.Mount(ctx); err != nil {
		return err
	}
	if d.readOnly {
		return nil
	}
	if err := d.share.admit(ctx, os.Geteuid(), os.Getegid()); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.share.log().WarnContext(ctx, "the share's group and mode cannot be changed; backups may not be writable", "directory", d.share.Point(), "error", err)
	}
	return nil
}

// CheckForSetupError proves that the share is mounted and can be listed.
func (d *Driver) CheckForSetupError(ctx context.Context) error {
	if err := d.configured(); err != nil {
		return err
	}
	if err := d.share.Check(); err != nil {
		return err
	}
	return d.Driver.CheckForSetupError(ctx)
}

func (d *Driver) configured() error {
	if d.share.Name == "" {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("option %s is not set: it names the share of the backups", d.share.Option))
	}
	return nil
}

// admit gives the share the group gid and the right to write for it, where its
// root lacks them. Of root's own group nobody else is a member: run as root,
// the group stays as it is.
func (s *Share) admit(ctx context.Context, uid, gid int) error {
	root := s.Point()
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if uid != 0 && groupOf(info) != gid {
		if err := s.each(ctx, root, func(path string, _ fs.FileMode) error { return os.Lchown(path, -1, gid) }); err != nil {
			return fmt.Errorf("%w; chgrp -R %d %s", err, gid, root)
		}
	}
	if info.Mode()&0o020 == 0 {
		if err := s.each(ctx, root, writable); err != nil {
			return fmt.Errorf("%w; chmod -R g+w %s", err, root)
		}
	}
	return nil
}

// writable is chmod g+w, which passes over symbolic links.
func writable(path string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 || mode&0o020 != 0 {
		return nil
	}
	return os.Chmod(path, mode&^fs.ModeType|0o020)
}

// each calls change for the root, and for all below it if Recursive.
func (s *Share) each(ctx context.Context, root string, change func(path string, mode fs.FileMode) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a backup that is being deleted
		}
		if err != nil {
			return err
		}
		if err := change(path, info.Mode()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if entry.IsDir() && !s.Recursive {
			return fs.SkipAll
		}
		return nil
	})
}
