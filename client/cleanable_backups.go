package client

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// cleanableBackups are the statuses of backups that an engine works on.
var cleanableBackups = []driverstate.Status{driverstate.StatusCreating, driverstate.StatusRestoring, driverstate.StatusDeleting}

// backupsUnderWay are the backups among Cleanables, without their hosts.
func (c *Client) backupsUnderWay(ctx context.Context) ([]Cleanable, error) {
	everywhere := true
	var list []Cleanable
	for _, status := range cleanableBackups {
		backups, err := c.ListBackups(ctx, ListOpts{AllProjects: &everywhere, Status: string(status)})
		if err != nil {
			return nil, err
		}
		for _, b := range backups {
			list = append(list, Cleanable{
				Type: CleanableBackup, ID: b.ID, Name: deref(b.Name), Status: string(b.Status),
				ProjectID: b.ProjectID, VolumeID: b.VolumeID, UpdatedAt: b.UpdatedAt,
			})
		}
	}
	return list, nil
}

// placeBackups sets the hosts of the backups in list. The API does not show
// them, but filters by them.
func (c *Client) placeBackups(ctx context.Context, list []Cleanable) error {
	backups, statuses := map[string]*Cleanable{}, map[string]bool{}
	for i := range list {
		if r := &list[i]; r.Type == CleanableBackup {
			backups[r.ID], statuses[r.Status] = r, true
		}
	}
	if len(backups) == 0 {
		return nil
	}
	services, err := c.ListServices(ctx, "", string(driverstate.BinaryBackup))
	if err != nil {
		return err
	}
	for _, s := range services {
		for status := range statuses {
			there, err := c.BackupsWhere(ctx, map[string]string{"host": s.Host, "status": status})
			if err != nil {
				return err
			}
			for _, b := range there {
				if r := backups[b.ID]; r != nil {
					r.Host = s.Host
				}
			}
		}
	}
	return nil
}
