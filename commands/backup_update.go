package commands

import (
	"context"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type backupUpdateClient interface {
	finder
	ShowBackup(ctx context.Context, id string) (client.Backup, error)
	UpdateBackup(ctx context.Context, id string, o client.UpdateBackupOpts) (client.Backup, error)
}

type backupUpdateOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (backupUpdateClient, error)

	standalone bool
	out        outputFlags
	ref        string
	ask        client.UpdateBackupOpts
}

func newBackupUpdate(f *Factory, run runner[backupUpdateOptions]) *cobra.Command {
	o := &backupUpdateOptions{con: f.con, client: func(ctx context.Context) (backupUpdateClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	var name, description string
	var metadata []string
	cmd := &cobra.Command{
		Use:   "backup-update BACKUP",
		Short: "Change what a backup is called",
		Long: `Change the name, the description (API 3.9) or the metadata (API 3.43) of a backup,
by id or name. What is not given stays; --metadata replaces all of the metadata.

It changes the row alone: the store keeps the name that the backup was made
with, and a record that was exported before keeps it too.`,
		Example: `  cinder-go backup-update nightly --name monday-full
  cinder-go backup-update nightly --metadata ticket=4711 --metadata keep=yes`,
		Args: exactly(1, "say which backup, by id or name"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.standalone, o.ref = f.g.standalone, args[0]
			changed := cmd.Flags().Changed
			if changed("name") {
				o.ask.Name = &name
			}
			if changed("description") {
				o.ask.Description = &description
			}
			if o.ask.Metadata, err = keyValues("metadata", metadata); err != nil {
				return err
			}
			if o.ask.Name == nil && o.ask.Description == nil && o.ask.Metadata == nil {
				return usagef("say what to change: --name, --description or --metadata")
			}
			if err := first(o.out.check(backupColumns()), storable(&f.g, "--name", name),
				storable(&f.g, "--description", description), storable(&f.g, "--metadata", metadata...)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.StringVar(&name, "name", "", "new `NAME`")
	fs.StringVar(&description, "description", "", "new `TEXT` that describes it")
	fs.StringArrayVar(&metadata, "metadata", nil, "`KEY=VALUE` in place of all that there is; may be repeated")
	return cmd
}

func runBackupUpdate(ctx context.Context, o *backupUpdateOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	items := newBulk(o.con, "backup-update")
	before, err := find(ctx, c, o.ref)
	if err != nil {
		return failOne(items, o.ref, err)
	}
	b, outcome := before, unchanged
	if o.missing(before) != "" {
		outcome = changed
		if b, err = c.UpdateBackup(ctx, before.ID, o.ask); client.Lost(err) {
			lost := err
			if b, err = c.ShowBackup(ctx, before.ID); err != nil || o.missing(b) != "" {
				err = lostButSame(lost, "the backup is not as asked", "cinder-go backup-show "+before.ID)
			}
		}
		if err != nil {
			return failOne(items, before.ID, notHere(err, o.standalone))
		}
	}
	r := result{id: b.ID, name: nameOf(b), outcome: outcome, status: string(b.Status), before: &before, after: &b}
	if what := o.missing(b); what != "" {
		r.err = backupError(b.ID, driverstate.ErrNotApplied, "accepted, but not as asked: %s", what)
	}
	if err := o.print(output.View{Columns: backupColumns(), Rows: [][]any{backupRow(b)}, Single: true}); err != nil {
		return err
	}
	items.add(r)
	return items.finish()
}

// missing names what b does not have as it is asked for; empty when it has all.
func (o *backupUpdateOptions) missing(b client.Backup) string {
	is := func(want, has *string) bool {
		return want == nil || has != nil && *has == *want || has == nil && *want == ""
	}
	var what []string
	if !is(o.ask.Name, b.Name) {
		what = append(what, "name")
	}
	if !is(o.ask.Description, b.Description) {
		what = append(what, "description")
	}
	if o.ask.Metadata != nil && !maps.Equal(o.ask.Metadata, b.Metadata) {
		what = append(what, "metadata")
	}
	return strings.Join(what, ", ")
}
