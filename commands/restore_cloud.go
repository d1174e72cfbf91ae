package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// restorable says why a backup cannot be restored as it is; nil when it can.
func restorable(b client.Backup) error {
	if b.Status == driverstate.StatusAvailable {
		return nil
	}
	return withHint(backupError(b.ID, driverstate.ErrInvalidStatus, "not restored: it is %s, and must be available", b.Status),
		"cinder-go doctor "+b.ID+" says why; cinder-go backup-reset-state --state available "+b.ID+" when its data is whole")
}

// ready looks at what a restore on a cloud would meet, and asks before it
// replaces the data of a volume.
func (o *restoreOptions) ready(ctx context.Context, c restoreClient, backups []client.Backup) error {
	if o.to != "" || len(backups) == 0 {
		return nil
	}
	if o.remote {
		services, err := backupHosts(ctx, c)
		if err != nil {
			return err
		}
		if len(services.up) == 0 && !services.unknown {
			// Cinder would make the new volume first and leave it behind.
			return services.noneUp(driverstate.Fail(driverstate.ErrServiceDown, "no cinder-backup is up: nothing was restored"),
				"cinder-go service-list; without the cloud: cinder-go --standalone --store URL backup-restore --to FILE")
		}
	}
	mine := c.Identity().ProjectID
	for _, b := range backups {
		if o.remote && !o.oneAccount && foreignSwift(ctx, c, mine, b) {
			return withHint(backupError(b.ID, driverstate.ErrConflict,
				"not restored: it is in Swift and belongs to project %s, in whose account another project finds nothing", b.ProjectID), ownerHint(b))
		}
		if mine != "" && b.ProjectID != "" && b.ProjectID != mine && o.volume == "" {
			o.con.warn(b.ID, "it belongs to project %s, and the new volume will belong to %s", b.ProjectID, mine)
		}
	}
	if o.volume == "" {
		return nil
	}
	v, err := c.ShowVolume(ctx, o.volume)
	if err != nil {
		return err
	}
	b := backups[0]
	if v.Size < b.Size {
		return driverstate.Fail(driverstate.ErrTooSmall, fmt.Sprintf("volume %s: %d GiB is too small for backup %s of %d GiB", v.ID, v.Size, b.ID, b.Size))
	}
	if o.guard.dryRun {
		return nil
	}
	return o.confirm(fmt.Sprintf("Replace the data of volume %s (%s, %s, %d GiB) with backup %s", v.ID, cmp.Or(volumeName(v), "no name"), v.Status, v.Size, b.ID), 1)
}

// clockSkew is how far the clocks of a cloud and of this machine may differ
// when a volume is looked for that was made since a request.
const clockSkew = 5 * time.Minute

// since returns the volumes that a restore of b asked for at asked may have
// made, by the name that Cinder gives them (cinder/backup/api.py restore).
func (o *restoreOptions) since(ctx context.Context, c restoreClient, b client.Backup, asked time.Time) []client.Volume {
	name := o.name
	if name == "" {
		name = "restore_backup_" + b.ID
	}
	own := false
	list, err := c.ListVolumes(ctx, client.VolumeListOpts{Name: name, AllProjects: &own})
	if err != nil {
		return nil // it only adds to another error
	}
	var out []client.Volume
	for _, v := range list {
		if volumeName(v) == name && v.CreatedAt.After(asked.Add(-clockSkew)) {
			out = append(out, v)
		}
	}
	return out
}

// afterLost looks for what became of a restore whose answer was lost. It is not
// asked for again.
func (o *restoreOptions) afterLost(ctx context.Context, c restoreClient, b client.Backup, asked time.Time, lost error) (client.Restore, error) {
	r := client.Restore{BackupID: b.ID, VolumeID: o.volume, VolumeName: o.name}
	now, err := c.ShowBackup(ctx, b.ID)
	if err != nil {
		return r, lost
	}
	if now.Status == driverstate.StatusRestoring {
		if r.VolumeID != "" {
			return r, nil
		}
		if made := o.since(ctx, c, b, asked); len(made) == 1 {
			r.VolumeID = made[0].ID
			return r, nil
		}
	}
	return r, withHint(fmt.Errorf("%w; the answer was lost, and the backup is %s", lost, now.Status),
		"look before you repeat it: cinder-go backup-show "+b.ID+"; cinder-go volume-list")
}

// leftBehind names the empty volume that Cinder made for a restore that it then
// refused.
func (o *restoreOptions) leftBehind(ctx context.Context, c restoreClient, b client.Backup, asked time.Time, err error) error {
	if !errors.Is(err, driverstate.ErrServiceDown) || o.volume != "" {
		return err
	}
	for _, v := range o.since(ctx, c, b, asked) {
		if v.Status == driverstate.VolumeAvailable || v.Status == driverstate.VolumeCreating {
			return withHint(fmt.Errorf("%w; the cloud left the new, empty volume %s behind", err, v.ID),
				"cinder-go volume-delete "+v.ID+"; cinder-go service-list shows which services are up")
		}
	}
	return err
}

// explained adds what the cloud tells its user of a restore that failed: the
// row of the backup says nothing of it.
func (o *restoreOptions) explained(ctx context.Context, c restoreClient, backupID, volumeID string, err error) error {
	if !errors.Is(err, driverstate.ErrNotApplied) || ctx.Err() != nil {
		return err
	}
	for _, id := range []string{volumeID, backupID} {
		if told := cloudTold(ctx, c, id); told != "" {
			return fmt.Errorf("%w; %s", err, told)
		}
	}
	h, lookErr := backupHosts(ctx, c)
	if lookErr != nil {
		return err
	}
	if state, s, lookErr := h.of(ctx, c, backupID); lookErr == nil {
		switch text := absence(state, s, o.now()); {
		case text != "":
			return fmt.Errorf("%w; %s", err, text)
		case state == hostUp:
			return withHint(fmt.Errorf("%w; the reason is in the log of cinder-backup on a host such as %s", err, s.Host),
				"cinder-go doctor "+backupID)
		}
	}
	return err
}
