package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	// watchEvery is the pause between two looks at whether anybody still works
	// on a backup; a service counts as down a minute after its last sign.
	watchEvery = 30 * time.Second
	// lostLooks bounds the search for a backup whose request lost its answer:
	// the API may still be at it.
	lostLooks = 15 * time.Second
	// settleVolume is how long a volume may take to get its status back after
	// its backup has ended.
	settleVolume = 10 * time.Second
)

// send asks for the backup, once, and returns its id.
func (o *backupCreateOptions) send(ctx context.Context, c backupCreateClient, volume client.Volume) (string, error) {
	before, err := o.alike(ctx, c)
	if err != nil {
		return "", err
	}
	made, err := c.CreateBackup(ctx, o.ask)
	switch {
	case err == nil:
		return made.ID, nil
	case client.Lost(err):
		return o.afterLost(ctx, c, volume, before, err)
	case errors.Is(err, driverstate.ErrUnavailable):
		// A failure of the server may come after the volume's status was set.
		return "", o.leftIn(ctx, c, volume, err)
	}
	return "", err
}

// alike are the backups of the volume that have the name which is asked for.
func (o *backupCreateOptions) alike(ctx context.Context, c backupCreateClient) ([]client.Backup, error) {
	found, err := c.ListBackups(ctx, client.ListOpts{VolumeID: o.ask.VolumeID, Name: o.ask.Name})
	return slices.DeleteFunc(found, func(b client.Backup) bool {
		return b.VolumeID != o.ask.VolumeID || nameOf(b) != o.ask.Name
	}), err
}

// afterLost looks for the backup that a request made whose answer was lost. It
// is not asked for again.
func (o *backupCreateOptions) afterLost(ctx context.Context, c backupCreateClient, volume client.Volume, before []client.Backup, lost error) (string, error) {
	var now []client.Backup
	since := o.now()
	_, err := c.WaitVolume(ctx, volume.ID, func(client.Volume) (bool, error) {
		var err error
		if now, err = o.alike(ctx, c); err != nil {
			return false, err
		}
		now = slices.DeleteFunc(now, func(b client.Backup) bool {
			return slices.ContainsFunc(before, func(old client.Backup) bool { return old.ID == b.ID })
		})
		return len(now) > 0 || o.now().Sub(since) >= lostLooks, nil
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; the answer was lost, and what came of it cannot be seen: %v", lost, err)
	case len(now) == 1:
		o.con.warn("", "the answer was lost (%v), but backup %s is there", lost, now[0].ID)
		return now[0].ID, nil
	case len(now) > 1:
		return "", withHint(fmt.Errorf("%w; the answer was lost, and several backups are new: %s", lost, idList(now)),
			"cinder-go backup-list --volume-id "+volume.ID)
	}
	return "", o.leftIn(ctx, c, volume, lostButSame(lost, "no such backup is there", "cinder-go backup-list --volume-id "+volume.ID))
}

// leftIn says in err what status the failed request left the volume in.
func (o *backupCreateOptions) leftIn(ctx context.Context, c backupCreateClient, volume client.Volume, err error) error {
	now, showErr := c.ShowVolume(ctx, volume.ID)
	if showErr != nil || now.Status == volume.Status {
		return err
	}
	return withHint(fmt.Errorf("%w; the volume is left in %s, and was %s", err, now.Status, volume.Status),
		fmt.Sprintf("if no backup of it is creating (cinder-go backup-list --volume-id %s): cinder-go volume-reset-state --state %s %s", volume.ID, volume.Status, volume.ID))
}

// await waits for the outcome, and gives up when nobody works on it any more.
// It returns the backup as it was last seen, also with an error.
func (o *backupCreateOptions) await(ctx context.Context, c backupCreateClient, b client.Backup) (client.Backup, error) {
	asked := o.now()
	looked := asked
	err := o.wait.within(ctx, "backup "+b.ID, func(ctx context.Context) error {
		_, err := c.WaitBackup(ctx, b.ID, func(seen client.Backup) (bool, error) {
			b = seen
			switch {
			case b.Status == driverstate.StatusAvailable:
				return true, nil
			case b.Status.Resting() || b.Status == driverstate.StatusDeleting:
				return true, o.failed(ctx, c, b)
			case o.now().Sub(looked) < watchEvery:
				return false, nil
			}
			looked = o.now()
			if text := o.abandoned(ctx, c, b.ID); text != "" {
				return true, withHint(backupError(b.ID, driverstate.ErrNotApplied, "is %s, and nobody works on it: %s", b.Status, text), o.freeing(b))
			}
			return false, nil
		})
		return err
	})
	var hinted *hintedError
	if errors.Is(err, driverstate.ErrNotApplied) && !errors.As(err, &hinted) {
		err = withHint(explained(ctx, c, b.ID, o.now(), err), "cinder-go backup-show "+b.ID+"; cinder-go volume-show "+b.VolumeID)
	}
	return b, err
}

// failed is the error of a backup that ended otherwise than available.
func (o *backupCreateOptions) failed(ctx context.Context, c messageLister, b client.Backup) error {
	return withHint(backupError(b.ID, driverstate.ErrNotApplied, "became %s, not available: %s%s",
		b.Status, strings.TrimSuffix(failReason(b), "."), toldSince(ctx, c, b.ID, b.CreatedAt)),
		"when the cause is mended: cinder-go backup-delete "+b.ID+", then make it again")
}

// abandoned says why nobody works on a backup; empty when somebody may.
func (o *backupCreateOptions) abandoned(ctx context.Context, c rowClient, id string) string {
	h, err := backupHosts(ctx, c)
	if err != nil || h.unknown {
		return ""
	}
	state, s, err := h.of(ctx, c, id)
	switch {
	case err != nil:
		return ""
	case len(h.up) == 0:
		return "no cinder-backup is up"
	}
	return absence(state, s, o.now())
}

// freeing is what frees a backup and its volume of a host that is gone.
func (o *backupCreateOptions) freeing(b client.Backup) string {
	return fmt.Sprintf("start cinder-backup again on its host, which ends it as error; or cinder-go backup-reset-state --state error %s, then cinder-go volume-reset-state --state available %s",
		b.ID, b.VolumeID)
}

// aftermath warns of what the outcome alone does not tell: a volume that did
// not get its status back, and a zone that was ignored.
func (o *backupCreateOptions) aftermath(ctx context.Context, c backupCreateClient, b client.Backup, volume client.Volume) {
	if ctx.Err() != nil || b.ID == "" {
		return
	}
	if o.ask.SnapshotID == "" {
		since := o.now()
		now, err := c.WaitVolume(ctx, volume.ID, func(v client.Volume) (bool, error) {
			return v.Status == volume.Status || !b.Status.Resting() || o.now().Sub(since) >= settleVolume, nil
		})
		if err == nil && now.Status != volume.Status {
			o.con.warn(b.ID, "the volume %s is %s, and was %s before", volume.ID, now.Status, volume.Status)
		}
	}
	want := o.ask.AvailabilityZone
	if want == "" {
		return
	}
	if h, err := backupHosts(ctx, c); err == nil && !h.unknown {
		if state, s, err := h.of(ctx, c, b.ID); err == nil && (state == hostUp || state == hostDown) {
			if s.Zone != want {
				o.con.warn(b.ID, "the zone %s was ignored: its host %s is in zone %s; this cloud goes by the zone of the volume", want, s.Host, s.Zone)
			}
			return
		}
	}
	if b.AvailabilityZone == nil || *b.AvailabilityZone != want {
		o.con.warn(b.ID, "its row does not name the zone %s: this cloud may have ignored it, and kept the backup elsewhere", want)
	}
}
