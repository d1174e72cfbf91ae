package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type manageableListClient interface {
	manageableLister
	EachManageable(ctx context.Context, o client.ManageableOpts, use func(client.Manageable) error) error
	Verify(ctx context.Context, id string, d driverstate.Depth) (client.Verification, error)
}

type manageableListOptions struct {
	con    *console
	print  func([]output.Column, output.Rows) error
	client func(context.Context) (manageableListClient, error)

	out    outputFlags
	at     client.ManageableOpts
	verify bool
}

func newManageableList(f *Factory, run runner[manageableListOptions]) *cobra.Command {
	o := &manageableListOptions{con: f.con, client: func(ctx context.Context) (manageableListClient, error) { return f.Client(ctx) }}
	o.print = func(columns []output.Column, rows output.Rows) error { return f.printer(&o.out).Stream(columns, rows) }
	cmd := &cobra.Command{
		Use:   "backup-manageable-list",
		Short: "List what the store holds, with or without a row",
		Long: `List every backup on the stores of the engine, as found there, without any
database, and say in what condition each is:

  whole      documents sound, every object there, chain complete
  partial    never finished, or its metadata document is gone
  damaged    an object is missing or wrong, of it or of one it stands on
  orphaned   a backup that it stands on is not in the store

Every container of every store is looked at, also those that only some backups
were put in; --container and --host look at fewer.

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
	o.out.addLong(fs)
	fs.StringArrayVar(&o.at.Containers, "container", nil, "only those in this `CONTAINER`; may be repeated")
	fs.StringVar(&o.at.Host, "host", "", "only those in the store of the backup service on this `HOST`")
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
		{Key: "managed", Title: "Managed"}, {Key: "host", Title: "Host", Wide: true}, {Key: "description", Title: "Description", Wide: true},
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
	each := func(use func(client.Manageable) error) error { return c.EachManageable(ctx, o.at, use) }
	if o.verify { // for which the engine's answer does not wait
		found, err := c.ManageableBackups(ctx, o.at)
		if err != nil {
			return err
		}
		if err := verifyFound(ctx, c, found); err != nil {
			return err
		}
		each = func(use func(client.Manageable) error) error {
			for _, m := range found {
				if err := use(m); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return o.print(manageableColumns(), func(yield func([]any, error) bool) {
		err := each(func(m client.Manageable) error {
			if !yield(manageableRow(&m), nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	})
}

// errEnough ends a list that nobody reads on.
var errEnough = errors.New("enough")

func manageableRow(m *client.Manageable) []any {
	return []any{
		m.ID, orNil(m.VolumeID), orNil(m.ParentID), m.Name, m.CreatedAt, m.Size,
		orNil(m.Container), orNil(m.ObjectPrefix), string(m.Condition), orNil(m.Reason), m.Managed, orNil(m.Host),
		m.Description, orNil(m.ProjectID), m.ObjectCount, m.Bytes, list(m.Warnings), list(m.Problems),
	}
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
