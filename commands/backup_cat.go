package commands

import (
	"context"
	"errors"
	"io"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
)

func newBackupCat(f *Factory, run runner[restoreOptions]) *cobra.Command {
	o := &restoreOptions{con: f.con, now: f.now, to: "-", client: func(ctx context.Context) (restoreClient, error) { return f.Client(ctx) }}
	var reader *readerWriter
	cmd := &cobra.Command{
		Use:   "backup-cat BACKUP",
		Short: "Write bytes of a backup to standard output",
		Long: `Write the image in a backup, or the part of it that --offset and --length name,
to standard output, without restoring it anywhere. Of an incremental backup it
is the image as the whole chain makes it.

Only the objects that have the wanted bytes are read. Every block is compared
with its hash before it is written, at the edges also the rest of the block: a
damaged one ends with exit 9, and what was written before it is good.

It needs an engine in this process (--standalone), refuses a terminal, and ends
well when its reader has enough, as of "| head -c 512".

It does not change the backup or the store.`,
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-cat nightly --length 1M | file -
  cinder-go --standalone --store posix:///srv/backup backup-cat nightly --offset 1M --length 4KiB | xxd`,
		Args: exactly(1, "one backup, by id or name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.checkCat(f, args); err != nil {
				return err
			}
			// Instead of the end of the process, the write tells.
			signal.Ignore(syscall.SIGPIPE)
			reader = &readerWriter{Writer: f.con.io.Out}
			f.con.io.Out, f.con.enough = reader, reader.gone.Load
			err := run(cmd.Context(), o)
			if reader.gone.Load() {
				return nil
			}
			return err
		},
	}
	fs := cmd.Flags()
	o.part.addFlags(fs)
	addSingleAccount(fs, &o.oneAccount)
	return cmd
}

func (o *restoreOptions) checkCat(f *Factory, args []string) error {
	switch {
	case !f.g.standalone:
		return usagef("backup-cat needs --standalone: the bytes do not travel over the API")
	case f.con.io.OutTTY:
		return usagef("backup-cat would write the image to the terminal: redirect standard output")
	}
	return first(o.part.check(), o.sel.check(&f.g, args))
}

func runBackupCat(ctx context.Context, o *restoreOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-cat")
	backups, err := o.sel.find(ctx, c, o.now(), items)
	if err != nil {
		return err
	}
	if len(backups) == 0 {
		return items.failures()
	}
	if err := restorable(backups[0]); err != nil {
		return err
	}
	_, err = o.restoreTo(ctx, c, backups[0], &result{})
	return err
}

// readerWriter writes to a reader that may have enough.
type readerWriter struct {
	io.Writer
	gone atomic.Bool
}

func (w *readerWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		w.gone.Store(true)
	}
	return n, err
}
