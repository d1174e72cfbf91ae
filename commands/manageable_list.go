package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type manageableListClient interface {
	manageableLister
	Verify(ctx context.Context, id string, d driverstate.Depth) (client.Verification, error)
}

type manageableListOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (manageableListClient, error)

	out       outputFlags
	container string
	verify    bool
}

func newManageableList(f *Factory, run runner[manageableListOptions]) *cobra.Command {
	o := &manageableListOptions{con: f.con, client: func(ctx context.Context) (manageableListClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-manageable-list",
		Short: "List what the store holds, with or without a row",
		Long: `List every backup on the store of the engine, as found there, without any
database, and say in what condition each is:

  whole      documents sound, every object there, chain complete
  partial    never finished, or its metadata document is gone
  damaged    an object is missing or wrong, of it or of one it stands on
  orphaned   a backup that it stands on is not in the store

It is judged by structure: documents, presence and size of objects, the chain.
--verify also reads and hashes the data of what looks whole.

It changes nothing: the store is read, and no row is made. Backups that have a
row already are listed too, with managed = true. A cloud cannot do this; the
engine can (--standalone, or "cinder-go serve").

It ends with exit 0 whatever it finds; backup-verify ends with 9.`,
		Example: `  cinder-go --standalone --store posix:///srv/backup backup-manageable-list
  cinder-go --standalone --store posix:///srv/backup backup-manageable-list --verify -f json
  cinder-go --standalone --store posix:///srv/backup backup-manageable-list -f value -c id -c condition`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.check(manageableColumns()); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	o.out.addFlags(fs)
	fs.StringVar(&o.container, "container", "", "only those in this `CONTAINER`")
	fs.BoolVar(&o.verify, "verify", false, "also read and hash the data")
	return cmd
}

func manageableColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "volume_id", Title: "Volume ID"},
		{Key: "parent_id", Title: "Parent ID", Wide: true}, {Key: "name", Title: "Name"},
		{Key: "created_at", Title: "Created At"}, {Key: "size", Title: "Size"},
		{Key: "container", Title: "Container", Wide: true}, {Key: "object_prefix", Title: "Object Prefix", Wide: true},
		{Key: "condition", Title: "Condition"}, {Key: "reason", Title: "Reason"},
		{Key: "managed", Title: "Managed"}, {Key: "description", Title: "Description", Wide: true},
		{Key: "project_id", Title: "Project ID", Wide: true}, {Key: "object_count", Title: "Object Count", Wide: true},
		{Key: "bytes", Title: "Bytes", Wide: true}, {Key: "warnings", Title: "Warnings", Wide: true},
		{Key: "problems", Title: "Problems", Wide: true},
	}
}

func runManageableList(ctx context.Context, o *manageableListOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	found, err := c.ManageableBackups(ctx, o.container)
	if err != nil {
		return engineOnly(err)
	}
	if o.verify {
		if err := verifyFound(ctx, c, found); err != nil {
			return err
		}
	}
	v := output.View{Columns: manageableColumns()}
	for _, m := range found {
		v.Rows = append(v.Rows, []any{
			m.ID, orNil(m.VolumeID), orNil(m.ParentID), m.Name, m.CreatedAt, m.Size,
			orNil(m.Container), orNil(m.ObjectPrefix), string(m.Condition), orNil(m.Reason), m.Managed,
			m.Description, orNil(m.ProjectID), m.ObjectCount, m.Bytes, list(m.Warnings), list(m.Problems),
		})
	}
	return o.print(v)
}

// verifyFound reads the data of what looks whole, and corrects found.
func verifyFound(ctx context.Context, c manageableListClient, found []client.Manageable) error {
	for i := range found {
		m := &found[i]
		if m.Condition != driverstate.ConditionWhole {
			continue
		}
		v, err := c.Verify(ctx, m.ID, driverstate.DepthData)
		if err != nil {
			return err
		}
		m.Condition, m.Reason, m.Problems = v.Condition, v.Reason, v.Problems
	}
	return nil
}

// engineOnly explains why a cloud has no answer.
func engineOnly(err error) error {
	return withHint(err, hintOr(err, "this needs the engine: --standalone --store URL, or the endpoint of cinder-go serve"))
}
