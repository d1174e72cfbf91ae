package client

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Types of what a cleanup cleans up, in the API's words.
const (
	CleanableVolume   = "Volume"
	CleanableSnapshot = "Snapshot"
	CleanableBackup   = "Backup" // of an engine alone: Cinder cleans up no backups
)

// Cleanable is a volume, a snapshot or an engine's backup in a status in which
// a service works on it, and which a cleanup ends if that service died. The status is all that the
// API tells: whether the service is still at it, and which one it is, no call
// says.
type Cleanable struct {
	Type      string `json:"type"` // CleanableVolume, CleanableSnapshot or CleanableBackup
	ID        string `json:"id"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	ProjectID string `json:"project_id"`
	VolumeID  string `json:"volume_id"` // the volume, or that of the snapshot or backup
	// Host is that of the volume, without its pool, or that of the backup;
	// empty while a scheduler looks for one.
	Host      string    `json:"host"`
	UpdatedAt time.Time `json:"updated_at"`
}

// cleanableVolumes are the statuses that Cinder cleans up
// (cinder/objects/volume.py); of snapshots it is creating alone
// (cinder/objects/snapshot.py).
var cleanableVolumes = []driverstate.VolumeStatus{driverstate.VolumeCreating, driverstate.VolumeDeleting, "uploading", "downloading"}

const cleanableSnapshots = "creating"

// Cleanables returns the volumes and snapshots, and from an engine the backups,
// that services work on, or worked on when they died, in all projects. The
// caller must be admin.
func (c *Client) Cleanables(ctx context.Context) ([]Cleanable, error) {
	list, err := c.underWay(ctx)
	if err != nil {
		return nil, err
	}
	hosts := make(map[string]string)
	for i := range list {
		r := &list[i]
		switch r.Type {
		case CleanableVolume:
			hosts[r.ID] = r.Host
			continue
		case CleanableBackup:
			continue
		}
		host, known := hosts[r.VolumeID]
		if !known {
			v, err := c.ShowVolume(ctx, r.VolumeID)
			if err != nil && !isNotFound(err) {
				return nil, err
			}
			host = backend(v.Host)
			hosts[r.VolumeID] = host
		}
		r.Host = host
	}
	return list, c.placeBackups(ctx, list)
}

// underWay is Cleanables, volumes first, without the hosts of snapshots and
// backups.
func (c *Client) underWay(ctx context.Context) ([]Cleanable, error) {
	everywhere := true
	var list []Cleanable
	for _, status := range cleanableVolumes {
		volumes, err := c.ListVolumes(ctx, VolumeListOpts{AllProjects: &everywhere, Status: string(status)})
		if err != nil {
			return nil, err
		}
		for _, v := range volumes {
			list = append(list, cleanableFrom(v))
		}
	}
	snapshots, err := c.ListSnapshots(ctx, SnapshotListOpts{AllProjects: &everywhere, Status: cleanableSnapshots})
	if err != nil && !absent(err) {
		return nil, err
	}
	for _, s := range snapshots {
		list = append(list, Cleanable{
			Type: CleanableSnapshot, ID: s.ID, Name: deref(s.Name), Status: s.Status,
			ProjectID: s.ProjectID, VolumeID: s.VolumeID, UpdatedAt: s.UpdatedAt,
		})
	}
	if !c.IsEngine(ctx) {
		return list, nil
	}
	backups, err := c.backupsUnderWay(ctx)
	return append(list, backups...), err
}

// absent reports whether the server has no such call: an engine knows no
// snapshots.
func absent(err error) bool {
	return isNotFound(err) || errors.Is(err, driverstate.ErrNotSupported)
}

func cleanableFrom(v Volume) Cleanable {
	return Cleanable{
		Type: CleanableVolume, ID: v.ID, Name: deref(v.Name), Status: string(v.Status),
		ProjectID: v.ProjectID, VolumeID: v.ID, Host: backend(v.Host), UpdatedAt: v.UpdatedAt,
	}
}

// backend is a host without its pool.
func backend(host string) string {
	name, _, _ := strings.Cut(host, "#")
	return name
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// WaitCleaned looks at what Cleanables returned until each of list is in
// another status or gone, and returns it with the statuses it has then: empty
// for what is gone. left is told of each as it goes. When ctx ends first it
// returns what is known so far, and the error.
func (c *Client) WaitCleaned(ctx context.Context, list []Cleanable, left func(Cleanable)) ([]Cleanable, error) {
	now := append([]Cleanable(nil), list...)
	waiting := make(map[string]bool, len(list))
	for _, r := range list {
		waiting[r.ID] = true
	}
	err := c.poll(ctx, func(ctx context.Context) (bool, error) {
		if len(waiting) == 0 {
			return true, nil
		}
		seen, err := c.underWay(ctx)
		if err != nil {
			return false, err
		}
		still := make(map[string]string, len(seen))
		for _, r := range seen {
			still[r.ID] = r.Status
		}
		for i := range now {
			r := &now[i]
			if !waiting[r.ID] || still[r.ID] == r.Status {
				continue
			}
			status, err := c.statusOf(ctx, *r)
			if err != nil {
				return false, err
			}
			if status == r.Status { // seen between two pages of the list
				continue
			}
			r.Status = status
			delete(waiting, r.ID)
			left(*r)
		}
		return len(waiting) == 0, nil
	})
	return now, err
}

// statusOf is the status of r now, or empty when it is gone.
func (c *Client) statusOf(ctx context.Context, r Cleanable) (string, error) {
	switch r.Type {
	case CleanableVolume:
		v, err := c.ShowVolume(ctx, r.ID)
		if isNotFound(err) {
			return "", nil
		}
		return string(v.Status), err
	case CleanableBackup:
		b, err := c.ShowBackup(ctx, r.ID)
		if isNotFound(err) {
			return "", nil
		}
		return string(b.Status), err
	}
	everywhere := true
	snapshots, err := c.ListSnapshots(ctx, SnapshotListOpts{AllProjects: &everywhere, VolumeID: r.VolumeID})
	for _, s := range snapshots {
		if s.ID == r.ID {
			return s.Status, err
		}
	}
	return "", err
}
