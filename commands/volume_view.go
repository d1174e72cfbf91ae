package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// volumeColumns are the fields of a volume, in Cinder's words.
func volumeColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"},
		{Key: "status", Title: "Status"},
		{Key: "name", Title: "Name"},
		{Key: "size", Title: "Size"},
		{Key: "volume_type", Title: "Volume Type"},
		{Key: "bootable", Title: "Bootable"},
		{Key: "attached_to", Title: "Attached To"},
		{Key: "host", Title: "Host", Wide: true},
		{Key: "availability_zone", Title: "Availability Zone", Wide: true},
		{Key: "project_id", Title: "Project ID", Wide: true},
		{Key: "user_id", Title: "User ID", Wide: true},
		{Key: "description", Title: "Description", Wide: true},
		{Key: "snapshot_id", Title: "Snapshot ID", Wide: true},
		{Key: "created_at", Title: "Created At", Wide: true},
		{Key: "updated_at", Title: "Updated At", Wide: true},
		{Key: "metadata", Title: "Metadata", Wide: true},
		{Key: "attachments", Title: "Attachments", Wide: true},
	}
}

func volumeRow(v client.Volume) []any {
	return []any{
		v.ID, string(v.Status), v.Name, v.Size, v.VolumeType, orNil(v.Bootable), attachedTo(v), orNil(v.Host),
		v.AvailabilityZone, orNil(v.ProjectID), orNil(v.UserID), v.Description, v.SnapshotID, v.CreatedAt, v.UpdatedAt,
		v.Metadata, list(v.Attachments),
	}
}

// attachedTo names what a volume is attached to: servers, or the hosts of those
// who are none.
func attachedTo(v client.Volume) []string {
	names := []string{}
	for _, a := range v.Attachments {
		names = append(names, cmp.Or(a.ServerID, a.HostName, a.Device))
	}
	return names
}

func volumeName(v client.Volume) string { return deref(v.Name) }

// volumeFinder resolves an id or a name to a volume.
type volumeFinder interface {
	FindVolume(ctx context.Context, nameOrID string) (client.Volume, error)
}

func findVolume(ctx context.Context, c volumeFinder, ref string) (client.Volume, error) {
	v, err := c.FindVolume(ctx, ref)
	if errors.Is(err, driverstate.ErrNotFound) {
		err = withHint(err, "cinder-go volume-list")
	}
	return v, err
}

// findVolumes resolves every ref, in order, and tells items of those it cannot.
// A volume named twice is returned once.
func findVolumes(ctx context.Context, c volumeFinder, refs []string, items *bulk) []client.Volume {
	return findEach(ctx, refs, items, func(ref string) (client.Volume, string, error) {
		v, err := findVolume(ctx, c, ref)
		return v, v.ID, err
	})
}

// volumeError is a failure of one volume that the verb itself found.
func volumeError(id string, kind error, format string, args ...any) error {
	return &driverstate.Error{Resource: "volume", ID: id, Err: driverstate.Fail(kind, fmt.Sprintf(format, args...))}
}

// backupLister reads rows of backups.
type backupLister interface {
	ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error)
}

// messageLister reads what the cloud told the caller of failed operations.
type messageLister interface {
	ListMessages(ctx context.Context, o client.MessageListOpts) ([]client.Message, error)
}

// toldSince is the cloud's last message about the resource id since then, in
// parentheses after a space; empty when there is none or it may not be seen.
func toldSince(ctx context.Context, c messageLister, id string, since time.Time) string {
	told, err := c.ListMessages(ctx, client.MessageListOpts{ResourceID: id, Limit: 1})
	if err != nil || len(told) == 0 || told[0].CreatedAt.Before(since) {
		return ""
	}
	return " (the cloud's message: " + strings.TrimSuffix(told[0].UserMessage, ".") + ")"
}

// volumeOutcome adds what can be seen of the reason to an error that says that
// nothing came of what was asked of the volume id.
func volumeOutcome(ctx context.Context, c messageLister, id string, err error) error {
	if !errors.Is(err, driverstate.ErrNotApplied) || ctx.Err() != nil {
		return err
	}
	if told := toldSince(ctx, c, id, time.Time{}); told != "" {
		err = fmt.Errorf("%w%s", err, told)
	}
	return withHint(err, "cinder-go volume-show "+id+" shows the status; cinder-go message-list --resource-uuid "+id+" what the cloud told")
}

// failOne ends a verb that works on one thing with the failure of that.
func failOne(items *bulk, ref string, err error) error {
	items.fail(ref, err)
	return items.finish()
}

// lostButSame says that the answer to a write was lost and that nothing came of
// it. It is not asked for again.
func lostButSame(lost error, still, look string) error {
	return withHint(fmt.Errorf("%w; the answer was lost, and %s", lost, still), "look again before you repeat it: "+look)
}

// aboutVolumes words the shared flags for verbs that work on volumes.
func aboutVolumes(fs *pflag.FlagSet) {
	for _, name := range []string{"timeout", "parallel"} {
		if f := fs.Lookup(name); f != nil {
			f.Usage = strings.ReplaceAll(f.Usage, "backup", "volume")
		}
	}
}

// atLeastOneVolume takes the positional arguments of verbs for volumes.
func atLeastOneVolume(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, usagef("say which volume, by id or name")
	}
	list, err := refs(args)
	if err != nil {
		return nil, usagef("a volume's id or name is empty")
	}
	return list, nil
}

// notHere explains that a target lacks a call which clouds have.
func notHere(err error, standalone bool) error {
	if !errors.Is(err, driverstate.ErrNotSupported) {
		return err
	}
	if standalone {
		return withHint(driverstate.Fail(driverstate.ErrNotSupported, "the engine has no such call: this verb is for a cloud"),
			"name the cloud, without --standalone: --os-cloud NAME, or the OS_* variables")
	}
	var answered *client.Error
	if errors.As(err, &answered) && answered.Status == http.StatusNotFound {
		return withHint(err, "this verb is for a cloud; the engine (cinder-go serve) has no such call")
	}
	return err
}

// keyValues reads KEY=VALUE pairs; nil when there are none.
func keyValues(what string, pairs []string) (map[string]string, error) {
	var out map[string]string
	for _, kv := range pairs {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, usagef("%s %q is not KEY=VALUE", what, kv)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out, nil
}
