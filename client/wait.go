package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxMissed is how many looks in a row may go unanswered before a wait gives
// up: the work goes on in the server, and a restore may take a day.
const maxMissed = 5

// poll calls look until it is done, it fails, or ctx ends. A server that does
// not answer is asked again, maxMissed times in a row.
func (c *Client) poll(ctx context.Context, look func(context.Context) (done bool, err error)) error {
	pause, missed := c.o.PollInterval, 0
	for {
		done, err := look(ctx)
		switch {
		case done:
			return err
		case err == nil:
			missed = 0
		case !errors.Is(err, driverstate.ErrUnavailable):
			return err
		default:
			if missed++; missed > maxMissed {
				return err
			}
			c.log.Debug("no answer, still waiting", "missed", missed, "error", err)
		}
		if err := c.sleep(ctx, pause); err != nil {
			return &Error{Message: err.Error(), cause: context.Cause(ctx)}
		}
		pause = min(pause+pause/8, 5*c.o.PollInterval)
	}
}

// WaitBackup looks at a backup until the function says that it is done, or
// fails, and returns the backup as it was then. It ends with ctx.
func (c *Client) WaitBackup(ctx context.Context, id string, until func(Backup) (done bool, err error)) (Backup, error) {
	var b Backup
	err := c.poll(ctx, func(ctx context.Context) (bool, error) {
		seen, err := c.ShowBackup(ctx, id)
		if err != nil {
			return false, err
		}
		b = seen
		done, err := until(b)
		return done || err != nil, err
	})
	return b, err
}

// WaitGone returns when a backup that is being deleted is gone. If its deletion
// was given up it is an error that answers to ErrNotApplied.
func (c *Client) WaitGone(ctx context.Context, id string) error {
	_, err := c.WaitBackup(ctx, id, func(b Backup) (bool, error) {
		switch {
		case b.Status == driverstate.StatusDeleted:
			return true, nil
		case b.Status.Resting():
			return false, notApplied("delete", "backup", id, fmt.Sprintf("not deleted, it is %s: %s", b.Status, reason(b)))
		}
		return false, nil
	})
	if isNotFound(err) {
		return nil
	}
	return err
}

// finalLooks is how often a backup that is still restoring is looked at after
// its volume has failed: its reason comes last.
const finalLooks = 3

// WaitRestore returns when a restore has ended. It looks at the volume too,
// because Cinder calls the backup available again also after a failure
// (cinder/backup/manager.py restore_backup). A failure that an engine blames on
// damaged data answers to ErrCorrupt, one that salvaged a part to ErrIncomplete,
// one that asked for what the image does not have to ErrInvalidInput, any other
// to ErrNotApplied.
func (c *Client) WaitRestore(ctx context.Context, backupID, volumeID string) (Backup, Volume, error) {
	var (
		b     Backup
		v     Volume
		looks int
	)
	err := c.poll(ctx, func(ctx context.Context) (bool, error) {
		var err error
		if v, err = c.ShowVolume(ctx, volumeID); err != nil {
			return false, err
		}
		if b, err = c.ShowBackup(ctx, backupID); err != nil {
			return false, err
		}
		working := b.Status == driverstate.StatusRestoring
		switch v.Status {
		case driverstate.VolumeError, driverstate.VolumeErrorRestoring:
			if looks++; working && looks < finalLooks {
				return false, nil
			}
			return true, restoreFailed(b, v)
		case driverstate.VolumeDeleting:
			return true, notApplied("restore", "volume", volumeID, "it is being deleted")
		case driverstate.VolumeAvailable, driverstate.VolumeInUse:
			if working {
				return false, nil
			}
			if b.Status != driverstate.StatusAvailable && v.Metadata[metaWritten] == "" {
				return true, notApplied("restore", "backup", backupID, fmt.Sprintf("it became %s: %s", b.Status, reason(b)))
			}
			return true, nil
		}
		return false, nil
	})
	return b, v, err
}

// Metadata that an engine leaves on a volume that it could not restore to.
const (
	metaRestoreError = "restore_error"
	metaRestoreKind  = "restore_error_kind"
	// metaWritten is on a volume whose restore was resumed or salvaged, and is
	// done.
	metaWritten = "restore_bytes_written"
)

// restoreKinds are what the values of metaRestoreKind stand for.
var restoreKinds = map[string]error{
	"damaged": driverstate.ErrCorrupt,
	"partial": driverstate.ErrIncomplete,
	"invalid": driverstate.ErrInvalidInput,
}

func restoreFailed(b Backup, v Volume) error {
	text := cmp.Or(v.Metadata[metaRestoreError], reason(b))
	if kind := restoreKinds[v.Metadata[metaRestoreKind]]; kind != nil {
		return &driverstate.Error{Op: "restore", Resource: "backup", ID: b.ID, Err: driverstate.Fail(kind, text)}
	}
	return notApplied("restore", "backup", b.ID, fmt.Sprintf("restore to volume %s failed, the volume is %s: %s", v.ID, v.Status, text))
}

func notApplied(op, resource, id, text string) error {
	return &driverstate.Error{Op: op, Resource: resource, ID: id, Err: driverstate.Fail(driverstate.ErrNotApplied, text)}
}

func reason(b Backup) string {
	if b.FailReason == nil || *b.FailReason == "" {
		return "the server gives no reason"
	}
	return *b.FailReason
}
