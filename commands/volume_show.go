package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/commands/output"
)

type volumeShowOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (volumeFinder, error)

	out  outputFlags
	refs []string
}

func newVolumeShow(f *Factory, run runner[volumeShowOptions]) *cobra.Command {
	o := &volumeShowOptions{con: f.con, client: func(ctx context.Context) (volumeFinder, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "volume-show VOLUME...",
		Short: "Show all that is known of a volume",
		Long: `Show one volume, or several, by id or name. Its host and the project are shown to
an admin only.

Changes nothing. One volume is an object in JSON and YAML, several are a list.
A name that several volumes have is refused (exit 6), with their ids.`,
		Example: `  cinder-go volume-show database
  cinder-go volume-show database -f value -c status -c host`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = o.out.check(volumeColumns()); err != nil {
				return err
			}
			if o.refs, err = atLeastOneVolume(args); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	return cmd
}

func runVolumeShow(ctx context.Context, o *volumeShowOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	v := output.View{Columns: volumeColumns()}
	if len(o.refs) == 1 {
		volume, err := findVolume(ctx, c, o.refs[0])
		if err != nil {
			return err
		}
		v.Single, v.Rows = true, [][]any{volumeRow(volume)}
		return o.print(v)
	}
	items := newBulk(o.con, "volume-show")
	for _, volume := range findVolumes(ctx, c, o.refs, items) {
		v.Rows = append(v.Rows, volumeRow(volume))
		items.add(result{id: volume.ID, name: volumeName(volume), outcome: unchanged})
	}
	if err := o.print(v); err != nil {
		return err
	}
	return items.finish()
}
