// Package nfs is Cinder's NFS backup driver (cinder/backup/drivers/nfs.py): the
// posix driver on a share that it mounts. A share that is mounted already is
// used as it is, so that root is needed only where nobody has mounted it.
package nfs

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/drivers/remotefs"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Service is the class path that Cinder records for the nfs driver.
const Service = "cinder.backup.drivers.nfs.NFSBackupDriver"

// Options are those that the nfs driver reads.
var Options = append([]oslo.Opt{
	{Name: "backup_share", Help: "share, as host:/path or [ipv6 address]:/path"},
	{Name: "backup_mount_point_base", Default: remotefs.ConfigBase, Help: "directory that holds the mount point, which is named for the MD5 of the share"},
	{Name: "backup_mount_options", Help: "options of mount -t nfs, such as vers=4.1"},
	{Name: "backup_mount_attempts", Kind: oslo.Int, Default: "3", Min: 1, Help: "how often it is tried to mount the share"},
}, posix.FileOptions...)

// Config is what the nfs driver can be told.
type Config struct {
	Share        string   // backup_share
	Base         string   // backup_mount_point_base, absolute; remotefs.DefaultBase when empty
	Options      string   // backup_mount_options
	Attempts     int      // backup_mount_attempts
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
	c := Config{
		Share: r.String("backup_share"), Base: remotefs.Base(r.String("backup_mount_point_base")), Options: r.String("backup_mount_options"),
		Attempts: int(r.Int("backup_mount_attempts")), Config: files,
	}
	return c, r.Err()
}

// share is a host, or an address, and an absolute path. What could be taken for
// an option of mount is none.
var share = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]|[^\s:/\[\]-][^\s:/\[\]]*):/([^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*)?$`)

// Validate answers driverstate.ErrInvalidInput to a share or options that
// cannot be mounted.
func (c Config) Validate() error {
	if c.Share != "" && !share.MatchString(c.Share) {
		return driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("option backup_share: %.300q is no share; it is host:/path, address:/path or [ipv6 address]:/path", c.Share))
	}
	if strings.ContainsAny(c.Options, "\n\x00") {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("option backup_mount_options: %.300q holds a line break", c.Options))
	}
	return nil
}

// New returns the nfs driver. Nothing is mounted: DoSetup does that.
func New(_ context.Context, c Config) (driverstate.Driver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return remotefs.New(Service, &remotefs.Share{
		Type: "nfs", Name: c.Share, Option: "backup_share", Base: c.Base, Options: versions(c.Options),
		Attempts: c.Attempts, Program: c.Program, Recursive: true,
	}, c.Config)
}

var version = regexp.MustCompile(`^(nfsvers|vers|v\d)`)

// versions are the options that are tried in turn: those given if they name a
// version, else first with NFS 4.1, for pNFS (remotefs.py _check_nfs_options).
func versions(given string) []string {
	var options []string
	for o := range strings.SplitSeq(given, ",") {
		if o = strings.TrimSpace(o); o != "" {
			options = append(options, o)
		}
	}
	plain := strings.Join(options, ",")
	if slices.ContainsFunc(options, version.MatchString) {
		return []string{plain}
	}
	pnfs := slices.DeleteFunc(slices.Clone(options), func(o string) bool { return strings.HasPrefix(o, "minorversion") })
	return []string{strings.Join(append(pnfs, "vers=4", "minorversion=1"), ","), plain}
}
