package commands

import (
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// hostState says whether anybody answers for a row.
func (s *sight) hostState(b client.Backup) (hostState, client.Service) {
	if !s.hostsSeen {
		return hostUnseen, client.Service{}
	}
	if s.hostless[b.ID] {
		return hostNone, client.Service{}
	}
	host, known := s.hostOf[b.ID]
	for _, service := range s.services {
		if known && service.Binary == driverstate.BinaryBackup && service.Host == host {
			if isUp(service) {
				return hostUp, service
			}
			return hostDown, service
		}
	}
	return hostGone, client.Service{Host: host}
}

// isStuck reports whether nobody is working on a row that says that somebody
// is: its host is gone, or nothing was written for long.
func (s *sight) isStuck(b client.Backup) bool {
	if b.Status.Resting() {
		return false
	}
	state, _ := s.hostState(b)
	return state == hostDown || state == hostGone || s.isOld(changedAt(b.UpdatedAt, b.CreatedAt))
}

func (s *sight) isOld(changed time.Time) bool { return s.now.Sub(changed) >= s.stuckAfter }

// backupFindings are the causes by row.
func (s *sight) backupFindings() []finding {
	var out []finding
	for _, b := range s.backups {
		if f, ok := s.ofRow(b); ok {
			out = append(out, f)
		}
	}
	return out
}

// ofRow judges the row of one backup by itself.
func (s *sight) ofRow(b client.Backup) (finding, bool) {
	var f finding
	switch b.Status {
	case driverstate.StatusCreating, driverstate.StatusDeleting:
		f = ofBackup(b, medium, "stuck-"+string(b.Status))
		if b.Status == driverstate.StatusDeleting && isEncrypted(b) {
			f.cause = "stuck-deleting-encrypted"
		}
	case driverstate.StatusRestoring:
		f = ofBackup(b, high, "stuck-restoring")
	case driverstate.StatusErrorDeleting:
		f = ofBackup(b, medium, "error-deleting")
		if isEncrypted(b) {
			f.cause = "error-deleting-encrypted"
		}
	case driverstate.StatusError:
		f = ofBackup(b, low, "failed")
	default:
		return f, false
	}
	if !b.Status.Resting() && !s.isStuck(b) {
		return f, false
	}
	state, service := s.hostState(b)
	if s.untaken[b.ID] && b.Status != driverstate.StatusRestoring {
		f.cause = "no-service"
		f.severity = min(f.severity, medium)
	}
	f.host = service.Host
	f.reason = s.reasonOf(f.cause, state, service)
	f.next = s.wayOut(b, f.cause, state)
	if b.FailReason != nil && *b.FailReason != "" {
		f.detail = "Recorded: " + *b.FailReason
	}
	return f, true
}

func isEncrypted(b client.Backup) bool { return b.EncryptionKeyID != nil && *b.EncryptionKeyID != "" }

func isDead(state hostState) bool { return state == hostDown || state == hostGone }

// reasonOf is the cause in plain words.
func (s *sight) reasonOf(cause string, state hostState, service client.Service) string {
	text := map[string]string{
		"stuck-creating": "Its volume may still be backing-up. A reset to error frees the backup; its data may be whole all the same: " +
			"with --store that is looked at.",
		"stuck-deleting": "Part of its data may be gone. Force delete goes on where the deletion ended.",
		"stuck-deleting-encrypted": "It is encrypted: Cinder deletes its data first and its key after that, and when the key manager refuses that, it leaves the row as it is and records nothing. " +
			"After the reset, run the deletion as a user of its project. If the key is gone already, every deletion ends so, and only the database can remove the row.",
		"stuck-restoring": "The backup itself is as good as before; the volume that it was restored to is half written.",
		"error-deleting":  "Its deletion was given up because the backup service had no connection to its store. It can be deleted once more.",
		"error-deleting-encrypted": "It is encrypted, and a service that restarts may not delete its key: that needs a user of its project. " +
			"After the reset, run the deletion as such a user.",
		"no-service": "No service ever took it, as its row names no driver: a reset is accepted (202) and does nothing. A force delete takes the row away.",
		"failed":     "It failed. It holds quota, and cannot be restored as it is.",
	}[cause]
	working := strings.HasPrefix(cause, "stuck-")
	switch {
	case isDead(state):
		return s.deadWords(state, service) + " " + text
	case working && state == hostUp:
		return "Nothing was written to its row for " + shortly(s.stuckAfter) + " or longer, and its host " + service.Host +
			" is up: a large volume takes its time, so look at the log there first. If nobody works on it: " + lowerFirst(text)
	case working:
		return "Nothing was written to its row for " + shortly(s.stuckAfter) + " or longer. " + text
	}
	return text
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// deadWords say why the ways out are shut for a row of a dead host, and which
// one is left.
func (s *sight) deadWords(state hostState, service client.Service) string {
	name := "Its row names a host that is no cinder-backup of this cloud"
	switch {
	case state == hostDown:
		name = "Its host " + service.Host + " is down" + lastHeard(service, s.now)
	case service.Host != "":
		name = "Its host " + service.Host + " has no cinder-backup any more"
	}
	return name + ": force delete asks that host first and ends with 500 after the RPC time-out. Best is to start cinder-backup under that host name: it puts the row right by itself. " +
		"Else the reset below: with backup_use_same_host=False (Cinder's default) it moves the row to a host that is up; exit 8 says that it is True here."
}

func lastHeard(service client.Service, now time.Time) string {
	if service.UpdatedAt.IsZero() || now.Before(service.UpdatedAt) {
		return ""
	}
	return fmt.Sprintf(" (last heard of at %s)", service.UpdatedAt.UTC().Format(time.RFC3339))
}

func shortly(d time.Duration) string {
	text := d.String()
	for _, zeros := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zeros) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// wayOut is what to type.
func (s *sight) wayOut(b client.Backup, cause string, state hostState) []step {
	toError := verb("backup-reset-state --state error", b.ID)
	force := verb("backup-force-delete --yes", b.ID)
	switch cause {
	case "stuck-creating":
		return []step{toError}
	case "stuck-restoring":
		return []step{verb("backup-reset-state --state available", b.ID)}
	case "error-deleting-encrypted", "stuck-deleting-encrypted":
		return []step{toError, verb("backup-delete --yes", b.ID)}
	case "failed":
		if isDead(state) {
			return []step{force}
		}
		return []step{verb("backup-delete --yes", b.ID)}
	}
	if isDead(state) { // stuck-deleting, error-deleting, no-service
		return []step{toError, force}
	}
	return []step{force}
}
