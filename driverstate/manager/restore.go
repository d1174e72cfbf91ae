package manager

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// Keys of a volume's metadata that restores set. The first is Cinder's.
const (
	metaSrcBackup        = "src_backup_id"
	metaRestoreError     = "restore_error"
	metaRestoreErrorKind = "restore_error_kind" // damaged, partial, invalid or failed
	// metaOverwrite marks a managed volume whose file may hold data.
	metaOverwrite = "overwrite"
	// metaResume marks a volume whose restore may be resumed, so that a part
	// of it is kept.
	metaResume = "restore_resume"
	// What a resumed restore found right already, and what it wrote; bytes.
	metaRestoreKept    = "restore_bytes_kept"
	metaRestoreWritten = "restore_bytes_written"
	// What came from other objects than those that were damaged; bytes.
	metaRestoreFilled = "restore_bytes_filled"
	// metaOfError marks a volume to which a backup is salvaged that was error.
	// What it is afterwards goes by intentSalvage: a volume may be gone by then.
	metaOfError = "restore_of_error"
)

// restoreMetadata are the keys by which the engine says something of a restore.
var restoreMetadata = []string{metaRestoreError, metaRestoreErrorKind, metaOverwrite, metaSrcBackup,
	metaResume, metaRestoreKept, metaRestoreWritten, metaRestoreFilled, metaOfError}

const restoreNamePrefix = "restore_backup_"

// RestoreBackup accepts a restore to a volume, or to a new one of the
// backup's size. Both rows and the job change in one transaction.
func (m *Manager) RestoreBackup(ctx context.Context, c driverstate.Caller, id string, r driverstate.RestoreRequest) (driverstate.RestoreAnswer, error) {
	var none driverstate.RestoreAnswer
	if err := r.Options.Validate(); err != nil {
		return none, err
	}
	b, err := m.visible(ctx, c, id)
	if err != nil {
		return none, err
	}
	if err := m.checkRestorable(ctx, b, r.Options); err != nil {
		return none, err
	}
	if r.VolumeID != "" {
		v, err := m.visibleVolume(ctx, c, r.VolumeID)
		if err != nil {
			return none, err
		}
		if err := checkTargetVolume(v, b); err != nil {
			return none, err
		}
		if err := m.checkMap(v, r); err != nil {
			return none, err
		}
		if err := m.requireUp(ctx); err != nil {
			return none, err
		}
		return m.acceptRestore(ctx, c, b.ID, v.ID, r)
	}
	if err := m.checkMap(nil, r); err != nil {
		return none, err
	}
	if err := m.requireUp(ctx); err != nil {
		return none, err
	}
	name := strings.TrimSpace(r.Name)
	if name == "" {
		name = restoreNamePrefix + b.ID
	}
	v, err := m.volumeKeeper().CreateVolume(ctx, c, driverstate.VolumeRequest{
		Size: b.Size, Name: name, Description: "auto-created_from_restore_from_backup",
	})
	if errors.Is(err, driverstate.ErrOverLimit) {
		return none, withoutClass(err)
	}
	if err != nil {
		return none, refuse("volume", "", driverstate.ErrInvalidStatus, fmt.Sprintf(
			"Error while creating volume for restoring backup %s: %v", b.ID, err))
	}
	if v.Status != driverstate.VolumeAvailable {
		err := refuse("volume", v.ID, driverstate.ErrInvalidStatus, fmt.Sprintf(
			"Error while creating volume %s for restoring backup %s.", v.ID, b.ID))
		return none, errors.Join(err, m.volumeKeeper().DeleteVolume(ctx, c, v.ID))
	}
	answer, err := m.acceptRestore(ctx, c, b.ID, v.ID, r)
	if err != nil {
		err = errors.Join(err, m.volumeKeeper().DeleteVolume(ctx, c, v.ID))
	}
	return answer, err
}

func (m *Manager) checkRestorable(ctx context.Context, b *driverstate.Backup, o driverstate.RestoreOptions) error {
	if _, err := b.Status.Next(restoreAction(o)); err != nil {
		return refuseBackup(b.ID, driverstate.ErrInvalidStatus, "Backup status must be available")
	}
	if b.Size <= 0 {
		return refuseBackup(b.ID, driverstate.ErrInvalidStatus, "Backup to be restored has invalid size")
	}
	if err := m.checkService(b, "Restore backup aborted"); err != nil {
		return err
	}
	_, err := m.rowChain(ctx, m.db, b)
	return err
}

func checkTargetVolume(v *driverstate.Volume, b *driverstate.Backup) error {
	if v.Status != driverstate.VolumeAvailable {
		return refuse("volume", v.ID, driverstate.ErrInvalidStatus, "Volume to be restored to must be available")
	}
	if v.Size < b.Size {
		return refuse("volume", v.ID, driverstate.ErrInvalidInput, fmt.Sprintf(
			"volume size %d is too small to restore backup of size %d.", v.Size, b.Size))
	}
	return nil
}

func (m *Manager) acceptRestore(ctx context.Context, c driverstate.Caller, id, volumeID string, r driverstate.RestoreRequest) (driverstate.RestoreAnswer, error) {
	answer := driverstate.RestoreAnswer{BackupID: id, VolumeID: volumeID}
	err := m.db.Update(ctx, func(tx db.Tx) error {
		b, err := tx.BackupGet(ctx, id)
		if err != nil {
			return named(err, backupNotFound(id))
		}
		v, err := tx.VolumeGet(ctx, volumeID)
		if err != nil {
			return named(err, volumeNotFound(volumeID))
		}
		if _, err := b.Status.Next(restoreAction(r.Options)); err != nil {
			return refuseBackup(id, driverstate.ErrInvalidStatus, "Backup status must be available")
		}
		if err := checkTargetVolume(v, b); err != nil {
			return err
		}
		if err := beingCopied(ctx, tx, volumeID); err != nil {
			return err
		}
		answer.VolumeName = v.Name
		v.PreviousStatus, v.Status = v.Status, driverstate.VolumeRestoring
		args := restoreArgs{RestoreOptions: r.Options, Map: r.Map, OfError: b.Status == driverstate.StatusError}
		args.mark(v)
		if err := tx.VolumeUpdate(ctx, v, driverstate.VolumeAvailable); err != nil {
			return err
		}
		_, err = move(ctx, tx, id, restoreAction(r.Options), func(b *driverstate.Backup) {
			b.RestoreVolumeID, b.Host = volumeID, m.cfg.Host
		})
		if err != nil {
			return err
		}
		job := db.Job{Kind: db.JobRestore, BackupID: id, VolumeID: volumeID, RequestID: c.RequestID, ProjectID: c.ProjectID}
		if err := setIntent(ctx, tx, id, args.intent()); err != nil {
			return err
		}
		if job.Queue, err = m.queueOf(ctx, tx, v); err != nil {
			return err
		}
		return m.enqueue(ctx, tx, &job, args)
	})
	return answer, m.lostRace(err, id, "Backup status must be available")
}

func (m *Manager) runRestore(ctx context.Context, j db.Job) error {
	w, b, err := m.takeRow(ctx, j, driverstate.StatusRestoring)
	if err != nil {
		return err
	}
	v, err := m.db.VolumeGet(ctx, j.VolumeID)
	if err == nil && v.Status == driverstate.VolumeDeleting {
		err = errVolumeDeleted
	}
	if err != nil {
		return m.finishRestore(ctx, j, w, driverstate.Restored{}, named(err, volumeNotFound(j.VolumeID)))
	}
	o, err := readRestoreArgs(j)
	if err != nil {
		return m.finishRestore(ctx, j, w, driverstate.Restored{}, err)
	}
	m.notify(ctx, eventRestoreStart, b)
	done, err := m.restoreTo(ctx, b, v, o, w)
	if err != nil && ctx.Err() != nil {
		err = stopCause(ctx)
	}
	return m.finishRestore(ctx, j, w, done, err)
}

// restoreTo writes the image of b to v. It becomes the volume's content only
// if the entry is still w then.
func (m *Manager) restoreTo(ctx context.Context, b *driverstate.Backup, v *driverstate.Volume, o restoreArgs, w *driverstate.Worker) (done driverstate.Restored, err error) {
	if !m.isReady() {
		return done, driverstate.Fail(driverstate.ErrServiceDown, "Restore backup is aborted due to backup service is down.")
	}
	chain, err := m.rowChain(ctx, m.db, b)
	if err != nil {
		return done, err
	}
	if v.Managed && v.Path != stdoutPath {
		// Again, because links may have changed since it was taken.
		if err := m.checkTargetDir(v.Path); err != nil {
			return done, err
		}
	}
	if o.Salvage {
		// Again: a map must not fail when all has been read.
		if err := m.checkMapPath(v, o.Map); err != nil {
			return done, err
		}
	}
	target, err := m.cfg.OpenTarget(v.Path, TargetOptions{
		Size:      targetSize(v, o.RestoreOptions),
		Overwrite: !v.Managed || v.Metadata[metaOverwrite] == "true",
		Resume:    o.Resume,
		Stdout:    m.cfg.Stdout,
	})
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil {
			err = joinQuiet(err, target.Abort())
		}
		if closing := target.Close(); err == nil {
			err = closing
		}
	}()
	if done, err = m.cfg.Driver.Restore(ctx, chainOnStore(chain), target, o.RestoreOptions, m.cfg.Observer); err != nil {
		return done, err
	}
	if err = target.Sync(); err != nil {
		return done, err
	}
	if err = m.ours(ctx, m.db, w); err != nil {
		return done, err
	}
	if o.Salvage {
		if err = m.writeMap(v, o.Map, target, done); err != nil {
			return done, err
		}
	}
	if err = target.Commit(); err != nil {
		return done, err
	}
	return done, incomplete(v, o.Map, done)
}

// dropPart does for the target of a restore whose process died what Abort would
// have done. On the disk of this host that path may be another restore's.
func (m *Manager) dropPart(v *driverstate.Volume) {
	if m.cfg.DropTarget == nil || !v.Managed || v.Path == stdoutPath || v.Metadata[metaResume] != "" {
		return
	}
	if !hostMatches(m.volumeHost(), v.Host) {
		m.log.Warn("a part of a restore may be left on another host", "volume", v.ID, "host", v.Host, "path", v.Path+".partial")
		return
	}
	err := m.checkTargetDir(v.Path)
	if err == nil {
		err = m.cfg.DropTarget(v.Path)
	}
	if err != nil {
		m.log.Error("a part of a restore is left beside its target", "volume", v.ID, "path", v.Path, "error", err)
	}
}

// joinQuiet keeps the kind and text of err and adds what went wrong after it.
func joinQuiet(err, then error) error {
	if then == nil {
		return err
	}
	return fmt.Errorf("%w (and then: %v)", err, then)
}

// finishRestore makes both rows final: the volume first, so that who waits for
// the backup finds the volume's outcome. Nothing is written if the entry is not w.
func (m *Manager) finishRestore(ctx context.Context, j db.Job, w *driverstate.Worker, done driverstate.Restored, cause error) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	for _, warning := range done.Warnings {
		m.log.WarnContext(ctx, "restore", "backup", j.BackupID, "volume", j.VolumeID, "warning", warning)
	}
	var b *driverstate.Backup
	err := m.db.Update(ctx, func(tx db.Tx) error {
		now, err := tx.BackupGet(ctx, j.BackupID)
		if err != nil {
			return err
		}
		if err := m.ours(ctx, tx, w); err != nil || now.Status != driverstate.StatusRestoring || now.RestoreVolumeID != j.VolumeID {
			b = now
			return ignoreSuperseded(err) // moved on by who cancelled it, the volume too
		}
		if err := m.settleTarget(ctx, tx, now, j.VolumeID, done, cause); err != nil {
			return err
		}
		b, err = move(ctx, tx, j.BackupID, restoredAction(j), func(b *driverstate.Backup) {
			b.FailReason = ""
			if cause != nil {
				b.FailReason = clip(text(cause))
			}
		})
		if err != nil {
			return err
		}
		if err := clearIntent(ctx, tx, j.BackupID); err != nil || cause == nil {
			return err
		}
		return m.tell(ctx, tx, j, driverstate.MessageBackupRestore, detailOf(cause, driverstate.MessageRestoreFailed))
	})
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	switch {
	case err == nil && (cause == nil || errors.Is(cause, errSuperseded)):
		m.notify(ctx, eventRestoreEnd, b)
	case err == nil && !errors.Is(cause, errFenced):
		markFailed(ctx)
		m.notify(ctx, eventRestoreError, b)
	}
	return err
}

func (m *Manager) settleTarget(ctx context.Context, tx db.Tx, b *driverstate.Backup, volumeID string, done driverstate.Restored, cause error) error {
	v, err := tx.VolumeGet(ctx, volumeID)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if v.Status != driverstate.VolumeRestoring {
		return nil
	}
	if cause != nil {
		markFailedRestore(v, driverstate.VolumeErrorRestoring, cause)
	} else {
		markRestored(v, b, done)
	}
	return tx.VolumeUpdate(ctx, v, driverstate.VolumeRestoring)
}

// markFailedRestore records on the volume that its bytes are no good, and why.
func markFailedRestore(v *driverstate.Volume, s driverstate.VolumeStatus, cause error) {
	v.PreviousStatus, v.Status = v.Status, s
	kind := "failed"
	switch {
	case errors.Is(cause, driverstate.ErrCorrupt):
		kind = "damaged"
	case errors.Is(cause, driverstate.ErrIncomplete):
		kind = "partial"
	case errors.Is(cause, driverstate.ErrInvalidInput):
		kind = "invalid"
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	v.Metadata[metaRestoreError] = clip(text(cause))
	v.Metadata[metaRestoreErrorKind] = kind
}

// markRestored gives the volume what the backup knows of its source
// (cinder/backup/api.py and cinder/backup/driver.py BackupMetadataAPI).
func markRestored(v *driverstate.Volume, b *driverstate.Backup, done driverstate.Restored) {
	v.PreviousStatus, v.Status = v.Status, driverstate.VolumeAvailable
	_, hadSource := v.Metadata[metaSrcBackup]
	overwrite, resumed := v.Metadata[metaOverwrite], v.Metadata[metaResume]+v.Metadata[metaOfError] != "" || done.BytesFilled > 0
	src := parseVolumeMeta(done.VolumeMeta)
	if src.metadata != nil {
		v.Metadata = src.metadata
	} else if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	// The store must not set what means something to the engine.
	for _, own := range restoreMetadata {
		delete(v.Metadata, own)
	}
	if overwrite != "" {
		v.Metadata[metaOverwrite] = overwrite
	}
	if resumed {
		v.Metadata[metaRestoreKept] = strconv.FormatInt(done.BytesKept, 10)
		v.Metadata[metaRestoreWritten] = strconv.FormatInt(done.BytesWritten, 10)
		v.Metadata[metaRestoreFilled] = strconv.FormatInt(done.BytesFilled, 10)
	}
	if hadSource || v.ID != b.VolumeID {
		v.Metadata[metaSrcBackup] = b.ID
	}
	if (v.Name == "" || strings.HasPrefix(v.Name, restoreNamePrefix)) && src.known {
		v.Name, v.Description = src.name, src.description
	}
}
