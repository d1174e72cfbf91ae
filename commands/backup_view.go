package commands

import (
	"cmp"
	"context"
	"errors"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// backupColumns are the fields of a backup, in Cinder's words.
func backupColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"},
		{Key: "volume_id", Title: "Volume ID"},
		{Key: "status", Title: "Status"},
		{Key: "name", Title: "Name"},
		{Key: "size", Title: "Size"},
		{Key: "object_count", Title: "Object Count"},
		{Key: "container", Title: "Container"},
		{Key: "is_incremental", Title: "Incremental"},
		{Key: "description", Title: "Description", Wide: true},
		{Key: "fail_reason", Title: "Fail Reason", Wide: true},
		{Key: "has_dependent_backups", Title: "Has Dependents", Wide: true},
		{Key: "availability_zone", Title: "Availability Zone", Wide: true},
		{Key: "snapshot_id", Title: "Snapshot ID", Wide: true},
		{Key: "created_at", Title: "Created At", Wide: true},
		{Key: "updated_at", Title: "Updated At", Wide: true},
		{Key: "data_timestamp", Title: "Data Timestamp", Wide: true},
		{Key: "project_id", Title: "Project ID", Wide: true},
		{Key: "user_id", Title: "User ID", Wide: true},
		{Key: "encryption_key_id", Title: "Encryption Key ID", Wide: true},
		{Key: "metadata", Title: "Metadata", Wide: true},
	}
}

func backupRow(b client.Backup) []any {
	return []any{
		b.ID, b.VolumeID, string(b.Status), b.Name, b.Size, b.ObjectCount, b.Container, b.IsIncremental,
		b.Description, b.FailReason, b.HasDependentBackups, b.AvailabilityZone, b.SnapshotID,
		b.CreatedAt, b.UpdatedAt, b.DataTimestamp, b.ProjectID, b.UserID, b.EncryptionKeyID, b.Metadata,
	}
}

func nameOf(b client.Backup) string { return deref(b.Name) }

func failReason(b client.Backup) string {
	return cmp.Or(deref(b.FailReason), "no reason was recorded")
}

// finder resolves an id or a name to a backup.
type finder interface {
	FindBackup(ctx context.Context, nameOrID string) (client.Backup, error)
}

// manageableLister can look into the store.
type manageableLister interface {
	ManageableBackups(ctx context.Context, o client.ManageableOpts) ([]client.Manageable, error)
}

// find resolves ref. When no row has it but the store does, the error says
// how to get one: right after a lost database every name is such a case.
func find(ctx context.Context, c finder, ref string) (client.Backup, error) {
	b, err := c.FindBackup(ctx, ref)
	if !errors.Is(err, driverstate.ErrNotFound) {
		return b, err
	}
	store, ok := c.(manageableLister)
	if !ok {
		return b, err
	}
	found, lookErr := store.ManageableBackups(ctx, client.ManageableOpts{})
	if lookErr != nil {
		return b, err // the target has no such extension, or its store is away
	}
	for _, m := range found {
		if !m.Managed && (m.ID == ref || m.Name != nil && *m.Name == ref) {
			return b, withHint(err, "the store holds it: "+takeHint(m))
		}
	}
	return b, err
}

// findAll resolves every ref, in order, and tells b of those it cannot. A
// backup named twice is returned once.
func findAll(ctx context.Context, c finder, refs []string, b *bulk) []client.Backup {
	return findEach(ctx, refs, b, func(ref string) (client.Backup, string, error) {
		found, err := find(ctx, c, ref)
		return found, found.ID, err
	})
}

// findEach resolves every ref with find, which returns the id as well, in
// order, and tells items of those it cannot. What is named twice is returned
// once. It ends early when ctx does.
func findEach[T any](ctx context.Context, refs []string, items *bulk, find func(ref string) (T, string, error)) []T {
	seen := map[string]bool{}
	var out []T
	for _, ref := range refs {
		found, id, err := find(ref)
		if err != nil {
			items.fail(ref, err)
			if ctx.Err() != nil {
				return out
			}
			continue
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, found)
		}
	}
	return out
}
