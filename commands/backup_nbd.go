package commands

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type nbdClient interface {
	FindBackup(ctx context.Context, ref string) (client.Backup, error)
	CreateDevice(ctx context.Context, o client.DeviceOpts) (client.Device, error)
	WatchDevice(ctx context.Context, id string, see func(client.Device)) error
	DeleteDevice(ctx context.Context, id string) error
}

type nbdOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (nbdClient, error)

	out outputFlags
	ref string
	ask client.DeviceOpts
}

func newBackupNBD(f *Factory, run runner[nbdOptions]) *cobra.Command {
	o := &nbdOptions{con: f.con, client: func(ctx context.Context) (nbdClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-nbd BACKUP",
		Short: "Show a backup as a read-only disk, to copy single files out of it",
		Long: `Serve the image in a backup as a read-only network block device (NBD), until
interrupted, so that a file system in it can be mounted and single files copied
without restoring the volume. Of an incremental backup it is the image as the
whole chain makes it. It prints the address, and the commands that come next.

Only what is read is fetched and decoded. Every block is compared with its hash
before it is sent: a damaged one is answered with an I/O error and told here, and
the rest goes on being served. Nothing is written, neither to the store nor to
the image.

It listens on this machine only, at a free port or at --listen, or with --socket
at a Unix socket that only you can open. WHO CONNECTS CAN READ ALL OF THE BACKUP:
NBD asks for no password, and so --listen at another address needs --allow-remote.

It needs an engine in this process (--standalone), which keeps its state
directory to itself meanwhile. A backup in Ceph has no such way.

Exit 0 when interrupted.`,
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-nbd nightly
  cinder-go --standalone --store posix:///srv/backup backup-nbd nightly --listen 127.0.0.1:10809
  cinder-go --standalone --store posix:///srv/backup backup-nbd nightly --socket /run/nightly.sock`,
		Args: exactly(1, "one backup, by id or name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			if err := o.check(f, cmd.Flags().Changed("listen")); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.StringVar(&o.ask.Address, "listen", "127.0.0.1:0", "`HOST:PORT` to listen at; port 0 takes a free one")
	fs.StringVar(&o.ask.Socket, "socket", "", "`PATH` of a Unix socket to make instead")
	fs.BoolVar(&o.ask.AllowRemote, "allow-remote", false, "--listen may be an address that other machines reach")
	return cmd
}

func (o *nbdOptions) check(f *Factory, listen bool) (err error) {
	switch {
	case !f.g.standalone:
		return usagef("backup-nbd needs --standalone: the bytes do not travel over the API")
	case o.ask.Socket != "" && (listen || o.ask.AllowRemote):
		return usagef("--socket excludes --listen and --allow-remote")
	case o.ask.Socket != "":
		o.ask.Address = ""
		if o.ask.Socket, err = filepath.Abs(o.ask.Socket); err != nil {
			return err
		}
	default:
		if err := checkListen(o.ask.Address, o.ask.AllowRemote); err != nil {
			return err
		}
	}
	return o.out.check(nbdColumns())
}

// checkListen refuses early what an engine refuses.
func checkListen(address string, remote bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usagef("--listen %q is not HOST:PORT", address)
	}
	ip := net.ParseIP(host)
	if !remote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("--listen %s can be reached from other machines, and NBD asks for no password: say --allow-remote if that is meant, or use ssh -L", address)
	}
	return nil
}

func nbdColumns() []output.Column {
	return []output.Column{
		{Key: "backup_id", Title: "Backup ID"}, {Key: "uri", Title: "URI"}, {Key: "size", Title: "Size (bytes)"},
		{Key: "chain", Title: "Backups Read"},
	}
}

func runBackupNBD(ctx context.Context, o *nbdOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	o.ask.BackupID = o.ref
	b, err := c.FindBackup(ctx, o.ref)
	switch {
	case err == nil:
		o.ask.BackupID = b.ID
	case !errors.Is(err, driverstate.ErrNotFound) || !isID(o.ref):
		return err
	}
	d, err := c.CreateDevice(ctx, o.ask)
	if errors.Is(err, driverstate.ErrNotSupported) {
		err = withHint(err, "backup-restore --to FILE works with every store")
	}
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		if err := c.DeleteDevice(ctx, d.ID); err != nil {
			o.con.warn(d.BackupID, "%v", err)
		}
	}()
	for _, w := range d.Warnings {
		o.con.warn(d.BackupID, "%s", w)
	}
	err = o.print(output.View{Columns: nbdColumns(), Single: true, Rows: [][]any{{d.BackupID, d.URI, d.Size, len(d.Chain)}}})
	if err != nil {
		return err
	}
	for line := range strings.Lines(nextCommands(d.URI)) {
		o.con.note("%s", strings.TrimSuffix(line, "\n"))
	}
	told := 0
	err = c.WatchDevice(ctx, d.ID, func(now client.Device) {
		for ; told < len(now.Problems); told++ {
			p := now.Problems[told]
			o.con.warn(p.BackupID, "bytes %d to %d of the volume cannot be read: %s%s", p.Offset, p.Offset+p.Length, ofObject(p), p.Reason)
		}
		d = now
	})
	if ctx.Err() == nil {
		return err
	}
	o.con.note("backup-nbd: %d clients, %d bytes served, %d problems", d.Clients, d.Bytes, len(d.Problems)+d.MoreProblems)
	return nil
}

// ofObject names the object of a problem whose reason does not.
func ofObject(p client.DeviceProblem) string {
	if p.Object == "" || strings.Contains(p.Reason, p.Object) {
		return ""
	}
	return "object " + p.Object + ": "
}

// nextCommands are what an operator types next.
func nextCommands(uri string) string {
	path, _ := url.PathUnescape(strings.TrimPrefix(uri, "nbd+unix:///?socket="))
	attach := "nbd-client -unix '" + path + "' /dev/nbd0 -readonly"
	if address, ok := strings.CutPrefix(uri, "nbd://"); ok {
		host, port, _ := net.SplitHostPort(address)
		attach = fmt.Sprintf("nbd-client %s %s /dev/nbd0 -readonly", host, port)
	}
	return fmt.Sprintf(`serving until interrupted (ctrl-C). To mount a file system out of it, as root:
  modprobe nbd max_part=16
  %s
  lsblk -f /dev/nbd0
  mount -o ro,noload /dev/nbd0p1 /mnt        # ext4; for xfs -o ro,norecovery,nouuid
and afterwards:
  umount /mnt; nbd-client -d /dev/nbd0
Where there is no nbd-client:
  qemu-nbd --read-only --format=raw --connect=/dev/nbd0 '%[2]s'
Without the kernel's nbd:
  mkdir -p /tmp/disk && nbdfuse --readonly /tmp/disk '%[2]s' &
  mount -o ro,noload,loop /tmp/disk/nbd /mnt
All of it, without what is zeros:
  nbdcopy '%[2]s' disk.raw`, attach, uri)
}
