package rows

import (
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// table is the columns of one table, in the order of its fields function. The
// first column is the key.
type table struct {
	resource string // what a row is called
	name     string
	columns  []string
}

// withoutKey is t for a row whose key the database makes.
func (t table) withoutKey() table { return table{t.resource, t.name, t.columns[1:]} }

func (t table) list() string { return `"` + strings.Join(t.columns, `", "`) + `"` }

func (t table) insert() string {
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)", t.name, t.list(), strings.Repeat(", ?", len(t.columns)-1))
}

// update sets every column but the key, for the row of the key, which is the
// last argument.
func (t table) update() string {
	return fmt.Sprintf(`UPDATE %s SET "%s" = ? WHERE "%s" = ?`, t.name,
		strings.Join(t.columns[1:], `" = ?, "`), t.columns[0])
}

var backupTable = table{"backup", "backups", []string{
	"id", "volume_id", "user_id", "project_id", "host", "availability_zone", "display_name", "display_description",
	"container", "service_metadata", "service", "parent_id", "status", "fail_reason", "size", "object_count",
	"temp_volume_id", "temp_snapshot_id", "num_dependent_backups", "snapshot_id", "data_timestamp",
	"restore_volume_id", "metadata", "encryption_key_id", "created_at", "updated_at", "deleted_at", "deleted",
}}

func backupFields(b *driverstate.Backup) []field {
	return []field{
		text[string]{&b.ID}, text[string]{&b.VolumeID}, text[string]{&b.UserID}, text[string]{&b.ProjectID},
		text[string]{&b.Host}, text[string]{&b.AvailabilityZone}, optional{&b.Name}, optional{&b.Description},
		text[string]{&b.Container}, text[string]{&b.ServiceMetadata}, text[string]{&b.Service}, text[string]{&b.ParentID},
		text[driverstate.Status]{&b.Status}, prose{&b.FailReason}, number[int64]{&b.Size}, number[int]{&b.ObjectCount},
		text[string]{&b.TempVolumeID}, text[string]{&b.TempSnapshotID}, number[int]{&b.NumDependentBackups},
		text[string]{&b.SnapshotID}, stamp{&b.DataTimestamp}, text[string]{&b.RestoreVolumeID}, document{&b.Metadata},
		text[string]{&b.EncryptionKeyID}, stamp{&b.CreatedAt}, stamp{&b.UpdatedAt}, stamp{&b.DeletedAt}, flag{&b.Deleted},
	}
}

var volumeTable = table{"volume", "volumes", []string{
	"id", "user_id", "project_id", "host", "display_name", "display_description", "size", "status",
	"previous_status", "availability_zone", "metadata", "path", "managed", "created_at", "updated_at",
	"bootable", "attachments", "snapshot_id", "source_volid", "volume_type",
}}

func volumeFields(v *driverstate.Volume) []field {
	return []field{
		text[string]{&v.ID}, text[string]{&v.UserID}, text[string]{&v.ProjectID}, text[string]{&v.Host},
		text[string]{&v.Name}, text[string]{&v.Description}, number[int64]{&v.Size},
		text[driverstate.VolumeStatus]{&v.Status}, text[driverstate.VolumeStatus]{&v.PreviousStatus},
		text[string]{&v.AvailabilityZone}, document{&v.Metadata}, text[string]{&v.Path}, flag{&v.Managed},
		stamp{&v.CreatedAt}, stamp{&v.UpdatedAt},
		flag{&v.Bootable}, document{&v.Attachments}, text[string]{&v.SnapshotID}, text[string]{&v.SourceVolID}, text[string]{&v.VolumeType},
	}
}

var snapshotTable = table{"snapshot", "snapshots", []string{
	"id", "volume_id", "user_id", "project_id", "display_name", "display_description", "status", "volume_size",
	"metadata", "path", "created_at", "updated_at", "progress",
}}

func snapshotFields(s *driverstate.Snapshot) []field {
	return []field{
		text[string]{&s.ID}, text[string]{&s.VolumeID}, text[string]{&s.UserID}, text[string]{&s.ProjectID},
		text[string]{&s.Name}, text[string]{&s.Description}, text[driverstate.SnapshotStatus]{&s.Status},
		number[int64]{&s.Size}, document{&s.Metadata}, text[string]{&s.Path}, stamp{&s.CreatedAt}, stamp{&s.UpdatedAt},
		text[string]{&s.Progress},
	}
}

var serviceTable = table{"service", "services", []string{
	"id", "binary", "host", "cluster_name", "availability_zone", "disabled", "disabled_reason", "reason",
	"rpc_current_version", "created_at", "updated_at",
}}

func serviceFields(s *driverstate.Service) []field {
	return []field{
		number[int64]{&s.ID}, text[driverstate.Binary]{&s.Binary}, text[string]{&s.Host}, text[string]{&s.Cluster},
		text[string]{&s.AvailabilityZone}, flag{&s.Disabled}, text[string]{&s.DisabledReason}, prose{&s.Reason},
		number[int64]{&s.Version}, stamp{&s.CreatedAt}, stamp{&s.UpdatedAt},
	}
}

var clusterTable = table{"cluster", "clusters", []string{"name", "binary", "disabled", "disabled_reason", "created_at", "updated_at"}}

func clusterFields(c *driverstate.Cluster) []field {
	return []field{
		text[string]{&c.Name}, text[driverstate.Binary]{&c.Binary}, flag{&c.Disabled}, text[string]{&c.DisabledReason},
		stamp{&c.CreatedAt}, stamp{&c.UpdatedAt},
	}
}

var messageTable = table{"message", "messages", []string{
	"id", "project_id", "request_id", "resource_type", "resource_uuid", "action_id", "detail_id", "message_level",
	"created_at", "expires_at",
}}

func messageFields(m *driverstate.Message) []field {
	return []field{
		text[string]{&m.ID}, text[string]{&m.ProjectID}, text[string]{&m.RequestID}, text[string]{&m.ResourceType},
		text[string]{&m.ResourceID}, text[driverstate.MessageAction]{&m.Action}, text[driverstate.MessageDetail]{&m.Detail},
		text[string]{&m.Level}, stamp{&m.CreatedAt}, stamp{&m.ExpiresAt},
	}
}

var workerTable = table{"worker", "workers", []string{
	"id", "resource_type", "resource_id", "status", "service_id", "race_preventer", "updated_at",
}}

func workerFields(w *driverstate.Worker) []field {
	return []field{
		number[int64]{&w.ID}, text[string]{&w.ResourceType}, text[string]{&w.ResourceID}, text[string]{&w.Status},
		number[int64]{&w.ServiceID}, number[int]{&w.RacePreventer}, stamp{&w.UpdatedAt},
	}
}

var verificationTable = table{"verification", "verifications", []string{
	"id", "backup_id", "depth", "status", "report", "error", "bytes_done", "bytes_total", "created_at", "finished_at",
	"request", "results",
}}

func verificationFields(v *driverstate.Verification) []field {
	return []field{
		text[string]{&v.ID}, text[string]{&v.BackupID}, text[driverstate.Depth]{&v.Depth},
		text[driverstate.VerificationStatus]{&v.Status}, document{&v.Report}, prose{&v.Error},
		number[int64]{&v.BytesDone}, number[int64]{&v.BytesTotal}, stamp{&v.CreatedAt}, stamp{&v.FinishedAt},
		document{&v.Request}, document{&v.Results},
	}
}
