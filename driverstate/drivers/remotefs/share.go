// Package remotefs is the posix driver on a share of a network file system: it
// mounts the share as os-brick's RemoteFsClient does for Cinder's nfs and
// glusterfs drivers (os_brick/remotefs/remotefs.py), and sees to it that
// nothing is read from or written to the bare directory below when it is not
// mounted.
package remotefs

import (
	"bytes"
	"context"
	"crypto/md5" // os-brick's name of the directory
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
)

// DefaultBase is the default of backup_mount_point_base and of
// glusterfs_backup_mount_point with Cinder's default state_path.
const DefaultBase = "/var/lib/cinder/backup_mount"

// ConfigBase is DefaultBase as Cinder's definitions have it.
const ConfigBase = "$state_path/backup_mount"

// Base is the directory that an option names: DefaultBase when it is empty or
// ConfigBase.
func Base(option string) string {
	if option == "" || option == ConfigBase {
		return DefaultBase
	}
	return option
}

// Share is a share and how it is mounted.
type Share struct {
	Type   string // of the file system, as mount -t takes it
	Name   string // as the configuration spells it: the directory depends on it
	Option string // of cinder.conf, that names the share
	Base   string // directory that holds the mount point, absolute; DefaultBase when empty
	// Options are the mount options that are tried, in this order; an empty
	// text gives mount none.
	Options []string
	// Attempts is how often all of them are tried, with pauses of 1, 2, 4 and
	// so on seconds between; at least once.
	Attempts int
	// Program mounts: it gets the arguments of mount(8). "mount" when empty.
	Program []string
	// Recursive: the group and the right to write that the service needs are
	// given to all that the share holds, not to its root alone.
	Recursive bool
	// Same reports whether the kernel's name of what is mounted is the share's;
	// nil compares without slashes at the end.
	Same func(source, share string) bool
	// Wait lets the pause between attempts pass; nil waits by the clock.
	Wait   func(ctx context.Context, d time.Duration) error
	Logger *slog.Logger // nil discards

	device atomic.Uint64 // of the mounted file system, when it was last looked up
}

// Point is the directory on which the share is mounted: named for the MD5 of
// the share (remotefs.py get_mount_point).
func (s *Share) Point() string {
	sum := md5.Sum([]byte(s.Name))
	return filepath.Join(s.Base, hex.EncodeToString(sum[:]))
}

// Command is the first of the mount commands, for an operator to type; before it
// the mount point is made if it is not there. The share must not be mounted: to
// look at a dead server's would hang.
func (s *Share) Command() string {
	options := ""
	if len(s.Options) > 0 {
		options = s.Options[0]
	}
	command := strings.Join(append([]string{"mount"}, s.arguments(options)...), " ")
	if _, err := os.Lstat(s.Point()); errors.Is(err, fs.ErrNotExist) {
		return "mkdir -p " + s.Point() + " && " + command
	}
	return command
}

func (s *Share) arguments(options string) []string {
	args := []string{"-t", s.Type}
	if options != "" {
		args = append(args, "-o", options)
	}
	return append(args, s.Name, s.Point())
}

// Mount mounts the share unless it is mounted already. Nothing ever unmounts
// it, as in Cinder: other processes of the host may have found it mounted too.
func (s *Share) Mount(ctx context.Context) error {
	mounted, err := s.mounted()
	if mounted || err != nil {
		return err
	}
	if err := os.MkdirAll(s.Point(), 0o777); err != nil {
		return s.refused(fmt.Errorf("its mount point cannot be made: %w", err))
	}
	pause := time.Second
	for failed := 1; ; failed++ {
		err := s.attempt(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failed >= s.Attempts || errors.Is(err, exec.ErrNotFound) {
			if failed > 1 {
				err = fmt.Errorf("%w (%d attempts)", err, failed)
			}
			return s.refused(err)
		}
		s.log().WarnContext(ctx, "share could not be mounted, will be tried again", "share", s.Name, "attempt", failed, "pause", pause, "error", err)
		if err := s.wait(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// attempt tries all options once.
func (s *Share) attempt(ctx context.Context) error {
	options := s.Options
	if len(options) == 0 {
		options = []string{""}
	}
	var failures []error
	for _, o := range options {
		err := s.run(ctx, o)
		if err == nil {
			s.log().InfoContext(ctx, "share mounted; it stays mounted", "share", s.Name, "directory", s.Point(), "options", o)
			return nil
		}
		// Another process may have mounted it in this moment.
		if mounted, lookup := s.mounted(); mounted || lookup != nil {
			return lookup
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// run runs the mount program and proves that it did what it says.
func (s *Share) run(ctx context.Context, options string) error {
	program := s.Program
	if len(program) == 0 {
		program = []string{"mount"}
	}
	args := append(append([]string{}, program[1:]...), s.arguments(options)...)
	command := exec.CommandContext(ctx, program[0], args...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.WaitDelay = time.Second
	out, err := command.CombinedOutput()
	if err != nil {
		said := strings.Join(strings.Fields(string(bytes.TrimSpace(out))), " ")
		return fmt.Errorf("%s: %w: %.500s", strings.Join(append(program, s.arguments(options)...), " "), err, said)
	}
	mounted, err := s.mounted()
	if err == nil && !mounted {
		err = fmt.Errorf("%s ended without an error, and nothing is mounted", program[0])
	}
	return err
}

// refused is the error of a share that cannot be mounted.
func (s *Share) refused(err error) error {
	kind, advice := driverstate.ErrUnavailable, ""
	if os.Geteuid() != 0 {
		kind, advice = driverstate.ErrForbidden, "; only root mounts: have it mounted with \""+s.Command()+"\", or run this as root"
	}
	return driverstate.Fail(kind, fmt.Sprintf("share %s of option %s cannot be mounted: %v%s", s.Name, s.Option, err, advice))
}

// Check returns nil when the share is mounted. ErrUnavailable: it is not;
// ErrInvalidInput: something else is in its place.
func (s *Share) Check() error {
	mounted, err := s.mounted()
	if err == nil && !mounted {
		err = s.absent()
	}
	return err
}

func (s *Share) absent() error {
	return driverstate.Fail(driverstate.ErrUnavailable,
		fmt.Sprintf("share %s is not mounted on %s: %s", s.Name, s.Point(), s.Command()))
}

// mounted looks the mount point up in the kernel's table.
func (s *Share) mounted() (bool, error) {
	e, found, err := s.entry()
	if err != nil || !found {
		return false, err
	}
	same := s.Same
	if same == nil {
		same = SamePath
	}
	if !same(e.source, s.Name) {
		return false, driverstate.Fail(driverstate.ErrInvalidInput,
			fmt.Sprintf("%s, the mount point of share %s, is mounted from %s (%s): unmount that, or correct option %s", s.Point(), s.Name, e.source, e.kind, s.Option))
	}
	return true, nil
}

// SamePath compares but for slashes at the end, which the kernel leaves out.
func SamePath(source, share string) bool {
	trim := func(name string) string {
		if short := strings.TrimRight(name, "/"); !strings.HasSuffix(short, ":") {
			return short
		}
		return strings.TrimRight(name, "/") + "/"
	}
	return trim(source) == trim(share)
}

// Guard refuses the root of the store when the share is not mounted on it.
func (s *Share) Guard(root *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &st); err != nil {
		return err
	}
	there := uint64(st.Dev) // not of this type everywhere
	if device := s.device.Load(); device != 0 && device == there {
		return nil
	}
	if err := s.Check(); err != nil {
		return err
	}
	e, found, err := s.entry()
	if err != nil {
		return err
	}
	if !found || e.device != fmt.Sprintf("%d:%d", unix.Major(there), unix.Minor(there)) {
		return s.absent()
	}
	s.device.Store(there)
	return nil
}

func (s *Share) wait(ctx context.Context, d time.Duration) error {
	if s.Wait != nil {
		return s.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (s *Share) log() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}
