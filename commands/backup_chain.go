package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

type backupChainClient interface {
	finder
	volumeFinder
	backupLister
	Chains(ctx context.Context, volumeID string) ([]client.ChainNode, error)
}

type backupChainOptions struct {
	con    *console
	print  func(output.View) error
	client func(context.Context) (backupChainClient, error)

	out outputFlags
	ref string
	// unicode: lines may be drawn with more than ASCII.
	unicode bool
}

func newBackupChain(f *Factory, run runner[backupChainOptions]) *cobra.Command {
	o := &backupChainOptions{con: f.con, client: func(ctx context.Context) (backupChainClient, error) { return f.Client(ctx) }}
	o.print = func(v output.View) error { return f.printer(&o.out).Print(v) }
	cmd := &cobra.Command{
		Use:   "backup-chain {VOLUME|BACKUP}",
		Short: "Show which backups stand on which",
		Long: `Show the backups of a volume, over all projects, as the tree of what stands on
what (admin); of a backup, the tree that it is in. The volume may be gone when
its id is given.

The notes say which backups cannot be restored because of another one: an
incremental whose parent has no row, or one that stands on a backup which is
not available. They say so by the rows: backup-verify looks at the data.

Changes nothing. The table draws the tree; the machine formats have parent_id
and children. Cinder tells parents to an admin only: anybody else gets the
backups of the volume by age.`,
		Example: `  cinder-go backup-chain database
  cinder-go backup-chain 8b3d499c-9301-44d3-a41f-414bf2c5f6a5 -f json`,
		Args: exactly(1, "say which volume or backup, by id or name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref, o.unicode = args[0], f.con.io.OutTTY && isUTF8(f.env)
			if err := o.out.check(chainColumns(false)); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
	o.out.addFlags(cmd.Flags())
	return cmd
}

// isUTF8 reports whether the locale's characters are.
func isUTF8(env lookup) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, _ := env(name); v != "" {
			v = strings.ToLower(strings.ReplaceAll(v, "-", ""))
			return strings.Contains(v, "utf8")
		}
	}
	return false
}

// chainColumns are the columns; several says that the backups are not all of
// one project.
func chainColumns(several bool) []output.Column {
	return []output.Column{
		{Key: "id", Title: "Backup"}, {Key: "name", Title: "Name"}, {Key: "status", Title: "Status"},
		{Key: "is_incremental", Title: "Incremental"}, {Key: "created_at", Title: "Created At"}, {Key: "size", Title: "Size"},
		{Key: "project_id", Title: "Project ID", Wide: !several}, {Key: "note", Title: "Note"},
		{Key: "parent_id", Title: "Parent ID", Wide: true}, {Key: "children", Title: "Children", Wide: true},
		{Key: "volume_id", Title: "Volume ID", Wide: true},
	}
}

func runBackupChain(ctx context.Context, o *backupChainOptions) error {
	c, err := o.client(ctx)
	if err != nil {
		return err
	}
	volume, backup, err := o.resolve(ctx, c)
	if err != nil {
		return err
	}
	nodes, err := c.Chains(ctx, volume)
	if errors.Is(err, driverstate.ErrForbidden) {
		return o.flat(ctx, c, volume)
	}
	if err != nil {
		return err
	}
	if len(nodes) == 0 && volume == o.ref {
		if _, err := findVolume(ctx, c, volume); err != nil {
			return o.absent()
		}
	}
	if backup != "" {
		nodes = relatives(nodes, backup)
	}
	return o.print(o.tree(nodes))
}

// resolve finds the volume that is meant, and the backup if one is.
func (o *backupChainOptions) resolve(ctx context.Context, c backupChainClient) (volume, backup string, err error) {
	v, volumeErr := c.FindVolume(ctx, o.ref)
	if volumeErr != nil && !errors.Is(volumeErr, driverstate.ErrNotFound) {
		return "", "", volumeErr
	}
	isID := uuid.Validate(o.ref) == nil
	if volumeErr == nil && isID {
		return v.ID, "", nil
	}
	b, backupErr := find(ctx, c, o.ref)
	switch {
	case volumeErr == nil && backupErr == nil:
		return "", "", driverstate.Fail(driverstate.ErrConflict,
			fmt.Sprintf("%s: volume %s and backup %s have this name: say the id", o.ref, v.ID, b.ID))
	case volumeErr == nil && errors.Is(backupErr, driverstate.ErrNotFound):
		return v.ID, "", nil
	case backupErr == nil:
		return b.VolumeID, b.ID, nil
	case errors.Is(backupErr, driverstate.ErrNotFound) && isID:
		return o.ref, "", nil // perhaps a volume that is gone
	case errors.Is(backupErr, driverstate.ErrNotFound):
		return "", "", o.absent()
	}
	return "", "", backupErr
}

func (o *backupChainOptions) absent() error {
	return withHint(driverstate.Fail(driverstate.ErrNotFound, o.ref+": neither a volume nor a backup has this id or name"),
		"cinder-go backup-list; cinder-go volume-list")
}

// flat shows the backups of a volume to one who may not see what stands on
// what.
func (o *backupChainOptions) flat(ctx context.Context, c backupChainClient, volume string) error {
	backups, err := c.ListBackups(ctx, client.ListOpts{VolumeID: volume})
	if err != nil {
		return err
	}
	if len(backups) == 0 && volume == o.ref {
		if _, err := findVolume(ctx, c, volume); err != nil {
			return o.absent()
		}
	}
	slices.SortStableFunc(backups, client.ByAge)
	o.con.note("only an admin sees what stands on what: these are the backups of the volume by age, the oldest first")
	v := output.View{Columns: chainColumns(false)}
	for _, b := range backups {
		v.Rows = append(v.Rows, []any{b.ID, b.Name, string(b.Status), b.IsIncremental, b.CreatedAt, b.Size,
			orNil(b.ProjectID), nil, nil, nil, b.VolumeID})
	}
	return o.print(v)
}

func (o *backupChainOptions) tree(nodes []client.ChainNode) output.View {
	several := slices.ContainsFunc(nodes, func(n client.ChainNode) bool { return n.Backup.ProjectID != nodes[0].Backup.ProjectID })
	v := output.View{Columns: chainColumns(several)}
	t := newChainTree(nodes)
	for _, n := range nodes {
		b, id := n.Backup, n.Backup.ID
		if o.out.format == output.Table {
			id = t.branch(id, o.unicode) + id
		}
		v.Rows = append(v.Rows, []any{id, b.Name, string(b.Status), b.IsIncremental, b.CreatedAt, b.Size,
			orNil(b.ProjectID), orNil(t.note(n)), orNil(n.ParentID), list(n.Children), b.VolumeID})
	}
	return v
}
