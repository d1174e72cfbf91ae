// Package glusterfs is Cinder's GlusterFS backup driver
// (cinder/backup/drivers/glusterfs.py): the posix driver on a volume that it
// mounts. A volume that is mounted already is used as it is.
package glusterfs

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/drivers/remotefs"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Service is the class path that Cinder records for the glusterfs driver.
const Service = "cinder.backup.drivers.glusterfs.GlusterfsBackupDriver"

// Options are those that the glusterfs driver reads.
var Options = append([]oslo.Opt{
	{Name: "glusterfs_backup_share", Help: "volume, as host:volume"},
	{Name: "glusterfs_backup_mount_point", Default: remotefs.ConfigBase, Help: "directory that holds the mount point, which is named for the MD5 of the share"},
}, posix.FileOptions...)

// Config is what the glusterfs driver can be told.
type Config struct {
	Share        string   // glusterfs_backup_share
	Base         string   // glusterfs_backup_mount_point, absolute; remotefs.DefaultBase when empty
	Program      []string // that mounts, with the arguments of mount(8); mount when empty
	posix.Config          // but for Path, which is the mount point
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	files, err := posix.NewFileConfig(v)
	if err != nil {
		return Config{}, err
	}
	r := oslo.Read(Options, v)
	c := Config{Share: r.String("glusterfs_backup_share"), Base: remotefs.Base(r.String("glusterfs_backup_mount_point")), Config: files}
	return c, r.Err()
}

// share is a host or an address, which may hold colons, and a volume. What
// could be taken for an option of mount is none.
var share = regexp.MustCompile(`^[^\s/-][^\s/]*:/?[\w.-]+(/[^\x00-\x1f\x7f]*)?$`)

// Validate answers driverstate.ErrInvalidInput to a share that cannot be
// mounted.
func (c Config) Validate() error {
	if c.Share != "" && !share.MatchString(c.Share) {
		return driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("option glusterfs_backup_share: %.300q is no share; it is host:volume or address:volume", c.Share))
	}
	return nil
}

// New returns the glusterfs driver. Nothing is mounted: DoSetup does that.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return remotefs.New(Service, &remotefs.Share{
		Type: "glusterfs", Name: c.Share, Option: "glusterfs_backup_share", Base: c.Base, Attempts: 1, Program: c.Program, Same: same,
	}, c.Config)
}

// same: GlusterFS shows a volume with a slash before it or without, whichever
// the configuration has.
func same(source, share string) bool {
	plain := func(name string) string {
		i := strings.LastIndexByte(name, ':')
		return name[:i+1] + strings.Trim(name[i+1:], "/")
	}
	return plain(source) == plain(share)
}
