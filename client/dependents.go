package client

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// An admin can filter backups by columns that no view shows, over all projects
// (cinder/db/sqlalchemy/api.py _backups_filter). One who is not admin is
// refused from 3.31 on, and silently given an unfiltered list before it.
const columnFilters = 31

func (c *Client) byColumn(ctx context.Context, column, value string) ([]Backup, error) {
	if value == "" {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, column+" is empty")
	}
	return c.BackupsWhere(ctx, map[string]string{column: value})
}

// Dependents returns the backups that stand on the backup id: those whose
// parent it is, in all projects. Cinder's own has_dependent_backups is a
// counter that drifts, and its check before a deletion looks into the caller's
// project only. The caller must be admin: anybody else gets ErrForbidden.
func (c *Client) Dependents(ctx context.Context, id string) ([]Backup, error) {
	if err := checkID("backup", id); err != nil {
		return nil, err
	}
	return c.byColumn(ctx, "parent_id", id)
}

// BackupsOnHost returns the backups whose row names this host, in all
// projects. The caller must be admin.
func (c *Client) BackupsOnHost(ctx context.Context, host string) ([]Backup, error) {
	return c.byColumn(ctx, "host", host)
}

// BackupsOfService returns the backups whose row names this driver class, in
// all projects. The caller must be admin.
func (c *Client) BackupsOfService(ctx context.Context, class string) ([]Backup, error) {
	return c.byColumn(ctx, "service", class)
}

// IsOnHost reports whether the row of the backup id names this host. The caller
// must be admin.
func (c *Client) IsOnHost(ctx context.Context, id, host string) (bool, error) {
	return c.has(ctx, id, "host", host)
}

// HasService reports whether the row of the backup id names a driver class. It
// does not before a service took the backup: Cinder accepts a reset of such a
// row and does nothing. The caller must be admin.
func (c *Client) HasService(ctx context.Context, id string) (bool, error) {
	return c.has(ctx, id, "service~", "") // every value matches, null does not
}

// IsOfDriver reports whether the row of the backup id names a driver class that
// contains part, such as "swift". The caller must be admin.
func (c *Client) IsOfDriver(ctx context.Context, id, part string) (bool, error) {
	return c.has(ctx, id, "service~", part)
}

// HasHost reports whether the row of the backup id names any host. The caller
// must be admin.
func (c *Client) HasHost(ctx context.Context, id string) (bool, error) {
	return c.has(ctx, id, "host~", "")
}

func (c *Client) has(ctx context.Context, id, column, value string) (bool, error) {
	if err := checkID("backup", id); err != nil {
		return false, err
	}
	list, err := c.BackupsWhere(ctx, map[string]string{"id": id, column: value})
	return slices.ContainsFunc(list, func(b Backup) bool { return b.ID == id }), err
}

// ChainNode is a backup in the tree of its volume's backups.
type ChainNode struct {
	Backup   Backup
	ParentID string   // empty for a full backup, and for one whose parent has no row
	Children []string // ids, the oldest first
}

// chainCalls bounds the questions that Chains has under way.
const chainCalls = 8

// Chains returns the backups of a volume with what stands on what, in all
// projects: parents before children, full backups by age. The caller must be
// admin.
func (c *Client) Chains(ctx context.Context, volumeID string) ([]ChainNode, error) {
	if err := checkID("volume", volumeID); err != nil {
		return nil, err
	}
	backups, err := c.byColumn(ctx, "volume_id", volumeID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(backups, ByAge)
	nodes := make([]ChainNode, len(backups))
	at := make(map[string]int, len(backups))
	for i, b := range backups {
		nodes[i].Backup, at[b.ID] = b, i
	}
	// Nothing can stand on any of them when none is incremental.
	if slices.ContainsFunc(backups, func(b Backup) bool { return b.IsIncremental }) {
		if err := c.children(ctx, nodes); err != nil {
			return nil, err
		}
	}
	for i := range nodes {
		for _, child := range nodes[i].Children {
			if j, ok := at[child]; ok {
				nodes[j].ParentID = nodes[i].Backup.ID
			}
		}
	}
	return parentsFirst(nodes, at), nil
}

func (c *Client) children(ctx context.Context, nodes []ChainNode) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(chainCalls)
	for i := range nodes {
		group.Go(func() error {
			found, err := c.Dependents(ctx, nodes[i].Backup.ID)
			if err != nil {
				return err
			}
			slices.SortFunc(found, ByAge)
			for _, b := range found {
				if b.ID != nodes[i].Backup.ID {
					nodes[i].Children = append(nodes[i].Children, b.ID)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// parentsFirst orders nodes depth first. Rows that make themselves their own
// ancestor come last, as they are.
func parentsFirst(nodes []ChainNode, at map[string]int) []ChainNode {
	out := make([]ChainNode, 0, len(nodes))
	placed := make([]bool, len(nodes))
	var place func(i int)
	place = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true
		out = append(out, nodes[i])
		for _, child := range nodes[i].Children {
			if j, ok := at[child]; ok {
				place(j)
			}
		}
	}
	for i := range nodes {
		if nodes[i].ParentID == "" {
			place(i)
		}
	}
	for i := range nodes {
		place(i)
	}
	return out
}
