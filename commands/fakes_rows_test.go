package commands

import (
	"context"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// rows is what a fake knows of rows beyond what the views show.
type rows struct {
	then     map[string]driverstate.Status // what a second look shows, by id
	parent   map[string]string             // of a backup, by id
	host     map[string]string             // of a backup, by id
	driver   map[string]string             // of a backup, by id
	untaken  map[string]bool               // rows that name no driver
	services []client.Service
	messages []client.Message
	asTenant error // what a caller who is not admin is answered
	volumes  []client.Volume
}

func (f *fake) Dependents(_ context.Context, id string) ([]client.Backup, error) {
	var out []client.Backup
	for _, b := range f.backups {
		if f.parent[b.ID] == id {
			out = append(out, b)
		}
	}
	return out, f.asTenant
}

func (f *fake) Chains(_ context.Context, volumeID string) ([]client.ChainNode, error) {
	var out []client.ChainNode
	for _, b := range f.backups {
		if b.VolumeID == volumeID {
			out = append(out, client.ChainNode{Backup: b, ParentID: f.parent[b.ID]})
		}
	}
	slices.SortFunc(out, func(a, b client.ChainNode) int { return a.Backup.CreatedAt.Compare(b.Backup.CreatedAt) })
	return out, f.asTenant
}

func (f *fake) IsOnHost(_ context.Context, id, host string) (bool, error) {
	return f.host[id] == host, f.asTenant
}

func (f *fake) HasHost(_ context.Context, id string) (bool, error) {
	return f.host[id] != "", f.asTenant
}

func (f *fake) HasService(_ context.Context, id string) (bool, error) {
	return !f.untaken[id], f.asTenant
}

func (f *fake) IsOfDriver(_ context.Context, id, part string) (bool, error) {
	return strings.Contains(f.driver[id], part), f.asTenant
}

func (f *fake) BackupsOnHost(_ context.Context, host string) ([]client.Backup, error) {
	var out []client.Backup
	for _, b := range f.backups {
		if f.host[b.ID] == host {
			out = append(out, b)
		}
	}
	return out, f.asTenant
}

func (f *fake) ListMessages(_ context.Context, o client.MessageListOpts) ([]client.Message, error) {
	return f.messages, nil
}

func (f *fake) FindVolume(_ context.Context, ref string) (client.Volume, error) {
	for _, v := range f.volumes {
		if v.ID == ref || v.Name != nil && *v.Name == ref {
			return v, nil
		}
	}
	return client.Volume{}, notThere(ref)
}

func (f *fake) DeleteBackup(_ context.Context, id string) error { return f.call("delete %s", id) }

func (f *fake) Identity() client.Identity {
	return client.Identity{User: "admin", Project: "admin", ProjectID: "own", Endpoint: "http://cloud/v3"}
}

func (f *fake) IsEngine(context.Context) bool { return false }

func (f *fake) ListVolumes(_ context.Context, o client.VolumeListOpts) ([]client.Volume, error) {
	return f.volumes, nil
}

func (f *fake) ShowVolume(ctx context.Context, id string) (client.Volume, error) {
	return f.FindVolume(ctx, id)
}
