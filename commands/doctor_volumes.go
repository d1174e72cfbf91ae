package commands

import (
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// volumeGrace is how long a volume may say that it is busy with a backup that
// says otherwise: the two rows are not written at once.
const volumeGrace = time.Minute

// restoredName is what Cinder calls the volume that a restore makes.
const restoredName = "restore_backup_"

// volumeFindings are the volumes that a backup or a restore left behind.
func (s *sight) volumeFindings() []finding {
	temporary := map[string]bool{}
	for _, list := range s.tempVols {
		for _, v := range list {
			temporary[v.ID] = true
		}
	}
	var out []finding
	for _, v := range s.volumes {
		if temporary[v.ID] || s.now.Sub(changedAt(v.UpdatedAt, v.CreatedAt)) < volumeGrace {
			continue
		}
		var f finding
		var found bool
		switch v.Status {
		case driverstate.VolumeBackingUp, volumeErrorBackingUp:
			f, found = s.leftBackingUp(v)
		case driverstate.VolumeRestoring, driverstate.VolumeCreating:
			f, found = s.leftRestoring(v)
		case driverstate.VolumeErrorRestoring, driverstate.VolumeError:
			f, found = s.restoreFailed(v)
		}
		if found {
			out = append(out, f)
		}
	}
	return append(out, s.leftovers()...)
}

// makingOf are the backups of a volume that are being made; busy says that
// somebody still is.
func (s *sight) makingOf(volumeID string) (making []client.Backup, busy bool) {
	for _, b := range s.backups {
		if b.VolumeID == volumeID && b.Status == driverstate.StatusCreating {
			making = append(making, b)
			busy = busy || !s.isStuck(b)
		}
	}
	return making, busy
}

func (s *sight) leftBackingUp(v client.Volume) (finding, bool) {
	making, busy := s.makingOf(v.ID)
	if busy {
		return finding{}, false
	}
	f := ofVolume(v, high, "left-backing-up")
	f.reason = "No backup of it is being made: it can be neither attached, deleted nor backed up until its status is put back."
	if len(making) > 0 {
		f.reason = "The backup that it waits for is stuck: it can be neither attached, deleted nor backed up until its status is put back."
		f.next = s.givenUp(making)
	}
	f.next = append(f.next, verb("volume-reset-state --state "+restingStatus(v), v.ID))
	return f, true
}

// givenUp ends stuck backups: Cinder then deletes what it made to read from.
func (s *sight) givenUp(stuck []client.Backup) []step {
	var out []step
	for _, b := range stuck {
		cause := "stuck-creating"
		if s.untaken[b.ID] {
			cause = "no-service"
		}
		state, _ := s.hostState(b)
		out = append(out, s.wayOut(b, cause, state)...)
	}
	return joined(out)
}

// restingStatus is what a volume is when nobody works on it.
func restingStatus(v client.Volume) string {
	if len(v.Attachments) > 0 {
		return string(driverstate.VolumeInUse)
	}
	return string(driverstate.VolumeAvailable)
}

func (s *sight) leftRestoring(v client.Volume) (finding, bool) {
	if v.Status == driverstate.VolumeCreating && !isRestored(v) {
		return finding{}, false
	}
	var stuck []client.Backup
	for _, b := range s.restoresTo[v.ID] {
		if b.Status != driverstate.StatusRestoring {
			continue
		}
		if !s.isStuck(b) {
			return finding{}, false
		}
		stuck = append(stuck, b)
	}
	if len(stuck) == 0 && !s.isOld(changedAt(v.UpdatedAt, v.CreatedAt)) {
		return finding{}, false
	}
	f := ofVolume(v, high, "left-restoring")
	f.reason = "Nobody restores to it any more. What it holds is half written: restore to it again, or delete it."
	for _, b := range stuck {
		f.next = append(f.next, verb("backup-reset-state --state available", b.ID))
	}
	f.next = append(f.next, s.again(v)...)
	return f, true
}

func (s *sight) restoreFailed(v client.Volume) (finding, bool) {
	if v.Status == driverstate.VolumeError && !isRestored(v) && len(s.restoresTo[v.ID]) == 0 {
		return finding{}, false // other work left it so
	}
	f := ofVolume(v, high, "restore-failed")
	f.reason = "A restore to it failed, and what it holds is not to be trusted. Cinder keeps the cause in the log of cinder-backup alone."
	if text := v.Metadata["restore_error"]; text != "" {
		f.detail = "Recorded: " + text
	}
	f.next = s.again(v)
	return f, true
}

// again deletes a volume that the restore had made, and makes any other ready
// to be restored to once more.
func (s *sight) again(v client.Volume) []step {
	if isRestored(v) {
		return []step{deletion(v)}
	}
	steps := []step{verb("volume-reset-state --state available", v.ID)}
	if list := s.restoresTo[v.ID]; len(list) == 1 {
		steps = append(steps, verb("backup-restore --yes --volume "+shellWord(v.ID), list[0].ID))
	}
	return steps
}

func isRestored(v client.Volume) bool {
	return v.Name != nil && strings.HasPrefix(*v.Name, restoredName)
}

// leftovers are the temporary volumes and snapshots of backups that are over.
func (s *sight) leftovers() []finding {
	var out []finding
	for source, list := range s.tempVols {
		making, busy := s.makingOf(source)
		for _, v := range list {
			if busy || s.now.Sub(changedAt(v.UpdatedAt, v.CreatedAt)) < volumeGrace {
				continue
			}
			f := ofVolume(v, low, "temporary-volume")
			f.reason = "cinder-backup cloned it to read from, and did not delete it afterwards. It takes space, and counts for no quota."
			f.detail = "It is a clone of volume " + source + "."
			f.next = append(s.givenUp(making), deletion(v))
			out = append(out, f)
		}
	}
	for source, list := range s.tempSnaps {
		making, busy := s.makingOf(source)
		for _, snap := range list {
			changed := changedAt(snap.UpdatedAt, snap.CreatedAt)
			if busy || s.now.Sub(changed) < volumeGrace {
				continue
			}
			f := finding{severity: low, cause: "temporary-snapshot", kind: "snapshot", id: snap.ID, name: *snap.Name,
				project: snap.ProjectID, status: snap.Status, since: changed}
			f.reason = "cinder-backup made it to read from, and did not delete it afterwards. Its volume cannot be deleted while it is there."
			f.detail = "It is of volume " + source + "."
			f.next = append(s.givenUp(making), step{"openstack volume snapshot delete --force", []string{shellWord(snap.ID)}})
			if snap.Status == "deleting" {
				f.next = append(s.givenUp(making), verb("workers-cleanup --resource-type Snapshot --resource-id", snap.ID))
			}
			out = append(out, f)
		}
	}
	return out
}

// deletion deletes a volume, whatever its status.
func deletion(v client.Volume) step {
	switch v.Status {
	case driverstate.VolumeAvailable, driverstate.VolumeError, driverstate.VolumeErrorRestoring:
		return verb("volume-delete --yes", v.ID)
	}
	return verb("volume-delete --force --yes", v.ID)
}
