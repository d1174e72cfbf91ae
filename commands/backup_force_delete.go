package commands

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newBackupForceDelete(f *Factory, run runner[deleteOptions]) *cobra.Command {
	o := newDeleteOptions(f, "backup-force-delete", true)
	cmd := o.command(f, run)
	cmd.Use = "backup-force-delete {BACKUP...|filters}"
	cmd.Short = "Delete backups in any status: data and row"
	cmd.Long = `Delete backups whatever their status (admin): the objects on the store and the
row. Work in progress on them is stopped. This cannot be undone.

A cloud asks the host of the row first, and hangs when that host is dead: so
the services are looked at before, and the way out is shown (exit 8).
` + deletionHelp
	cmd.Example = `  cinder-go backup-force-delete --dry-run nightly
  cinder-go backup-force-delete nightly
  cinder-go backup-force-delete --yes 8b3d499c-9301-44d3-a41f-414bf2c5f6a5 weekly
  cinder-go backup-force-delete --status deleting,error_deleting --older-than 1d --plan stuck.json`
	addAnyHost(cmd.Flags(), &o.anyHost)
	return cmd
}

// addAnyHost adds the flag that turns off the look at the services.
func addAnyHost(fs *pflag.FlagSet, to *bool) {
	fs.BoolVar(to, "any-host", false, "do not look first whether the host of the row is up")
}
