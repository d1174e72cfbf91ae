package api

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// nullable is s, or null when it is empty.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// apiTime is a date as Cinder shows it: UTC, six digits, no zone; null for the
// zero time.
func apiTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}

// noKey is the key id of Cinder's fixed-key manager (FIXED_KEY_ID).
const noKey = "00000000-0000-0000-0000-000000000000"

func (q *request) backupSummary(b *driverstate.Backup) object {
	return object{
		{"id", b.ID},
		{"name", b.Name},
		{"links", q.links("backups", b.ID)},
	}
}

// backupDetail is what show and detail say of a backup
// (cinder/api/v3/views/backups.py, cinder/api/v3/backups.py).
func (q *request) backupDetail(b *driverstate.Backup) object {
	view := object{
		{"id", b.ID},
		{"status", b.Status},
		{"size", b.Size},
		{"object_count", b.ObjectCount},
		{"availability_zone", nullable(b.AvailabilityZone)},
		{"container", nullable(b.Container)},
		{"created_at", apiTime(b.CreatedAt)},
		{"updated_at", apiTime(b.UpdatedAt)},
		{"name", b.Name},
		{"description", b.Description},
		{"fail_reason", nullable(b.FailReason)},
		{"volume_id", b.VolumeID},
		{"links", q.links("backups", b.ID)},
		{"is_incremental", b.Incremental()},
		{"has_dependent_backups", b.NumDependentBackups > 0},
		{"snapshot_id", nullable(b.SnapshotID)},
		{"data_timestamp", apiTime(b.DataTimestamp)},
	}
	if q.version.since(43) {
		view = append(view, member{"metadata", orEmpty(b.Metadata)})
	}
	if q.version.since(64) && b.EncryptionKeyID != "" && b.EncryptionKeyID != noKey {
		view = append(view, member{"encryption_key_id", b.EncryptionKeyID})
	}
	if q.version.since(18) && q.caller.Admin {
		view = append(view, member{"os-backup-project-attr:project_id", nullable(b.ProjectID)})
	}
	if q.version.since(56) && q.caller.Admin {
		view = append(view, member{"user_id", nullable(b.UserID)})
	}
	return view
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (q *request) volumeSummary(v *driverstate.Volume) object {
	return object{
		{"id", v.ID},
		{"name", nullable(v.Name)},
		{"links", q.links("volumes", v.ID)},
	}
}

// volumeDetail is what show and detail say of a volume; listed is false for the
// answer to a create, which says less (cinder/api/v3/views/volumes.py, and the
// extensions of cinder/api/contrib).
func (q *request) volumeDetail(v *driverstate.Volume, listed bool) object {
	view := object{
		{"id", v.ID},
		{"status", v.Status},
		{"size", v.Size},
		{"availability_zone", nullable(v.AvailabilityZone)},
		{"created_at", apiTime(v.CreatedAt)},
		{"updated_at", apiTime(v.UpdatedAt)},
		{"name", nullable(v.Name)},
		{"description", nullable(v.Description)},
		{"volume_type", cmp.Or(v.VolumeType, driverstate.VolumeType)},
		{"snapshot_id", nullable(v.SnapshotID)},
		{"source_volid", nullable(v.SourceVolID)},
		{"metadata", orEmpty(v.Metadata)},
		{"links", q.links("volumes", v.ID)},
		{"user_id", nullable(v.UserID)},
		{"bootable", strconv.FormatBool(v.Bootable)}, // a string in Cinder
		{"encrypted", false},
		{"replication_status", nil},
		{"consistencygroup_id", nil},
		{"multiattach", false},
		{"attachments", attachmentViews(v)},
	}
	add := func(allowed bool, key string, value any) {
		if allowed {
			view = append(view, member{key, value})
		}
	}
	admin := q.caller.Admin
	add(admin, "migration_status", nil)
	add(q.version.since(13), "group_id", nil)
	add(q.version.since(21) && admin, "provider_id", nil)
	add(q.version.since(48), "shared_targets", false)
	add(q.version.since(48), "service_uuid", nil)
	add(q.version.since(61) && admin, "cluster_name", nil)
	add(q.version.since(63), "volume_type_id", q.typeID(v.VolumeType))
	add(q.version.since(65), "consumes_quota", true)
	add(listed, "os-vol-tenant-attr:tenant_id", nullable(v.ProjectID))
	add(listed && admin, "os-vol-host-attr:host", nullable(v.Host))
	add(listed && admin, "os-vol-mig-status-attr:migstat", nil)
	add(listed && admin, "os-vol-mig-status-attr:name_id", nil)
	return view
}

func attachmentViews(v *driverstate.Volume) []object {
	views := make([]object, 0, len(v.Attachments))
	for _, a := range v.Attachments {
		views = append(views, object{
			{"id", v.ID},
			{"attachment_id", a.AttachmentID},
			{"volume_id", v.ID},
			{"server_id", nullable(a.ServerID)},
			{"host_name", nullable(a.HostName)},
			{"device", nullable(a.Device)},
			{"attached_at", apiTime(a.AttachedAt)},
		})
	}
	return views
}

// serviceView is a row of os-services (cinder/api/contrib/services.py).
func (q *request) serviceView(s driverstate.ServiceState) object {
	state, status := "down", "enabled"
	if s.Up {
		state = "up"
	}
	if s.Disabled {
		status = "disabled"
	}
	view := object{
		{"binary", s.Binary},
		{"host", s.Host},
		{"zone", nullable(s.AvailabilityZone)},
		{"status", status},
		{"state", state},
		{"updated_at", apiTime(s.UpdatedAt)},
	}
	volume := s.Binary == driverstate.BinaryVolume
	if q.version.since(49) && volume {
		var backend any // which Cinder's scheduler knows of some services alone (cinder/scheduler/host_manager.py _update_backend_state_map)
		if s.Up && !s.Disabled && s.Cluster == "" {
			backend = state
		}
		view = append(view, member{"backend_state", backend})
	}
	if q.version.since(7) {
		view = append(view, member{"cluster", nullable(s.Cluster)})
	}
	// Cinder has no member for why a driver is not set up; here it is told where
	// clients show a reason.
	reason := s.DisabledReason
	if s.Reason != "" {
		reason = strings.TrimPrefix(reason+"; "+s.Reason, "; ")
	}
	view = append(view, member{"disabled_reason", nullable(reason)})
	if volume {
		view = append(view, member{"replication_status", "disabled"}, member{"active_backend_id", nil}, member{"frozen", s.Frozen()})
	}
	return view
}

func manageableView(m *driverstate.Manageable) object {
	b := &m.Backup
	return object{
		{"id", b.ID},
		{"volume_id", nullable(b.VolumeID)},
		{"parent_id", nullable(b.ParentID)},
		{"name", b.Name},
		{"description", b.Description},
		{"created_at", apiTime(b.CreatedAt)},
		{"size", b.Size},
		{"container", nullable(b.Container)},
		{"object_prefix", nullable(b.ServiceMetadata)},
		{"object_count", b.ObjectCount},
		{"bytes", m.Bytes},
		{"project_id", nullable(b.ProjectID)},
		{"condition", m.Condition},
		{"reason", nullable(m.Reason)},
		{"warnings", texts(m.Warnings)},
		{"problems", problemViews(m.Problems)},
		{"managed", m.Managed},
		{"host", m.Host},
	}
}

func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func problemViews(problems []driverstate.Problem) []object {
	views := make([]object, 0, len(problems))
	for _, p := range problems {
		views = append(views, object{
			{"backup_id", nullable(p.BackupID)},
			{"object", nullable(p.Object)},
			{"reason", p.Reason},
			{"offset", p.Offset},
			{"length", p.Length},
		})
	}
	return views
}
