package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// A field is one column of one struct, read and written through one value, so
// that a table's columns are listed once.
type field interface {
	Scan(any) error
	Value() (driver.Value, error)
}

// timeForm sorts as text in the order of time.
const timeForm = "2006-01-02 15:04:05.000000"

type text[T ~string] struct{ p *T } // empty is NULL

func (f text[T]) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		*f.p = ""
	case string:
		*f.p = T(s)
	default:
		return fmt.Errorf("want text, have %T", v)
	}
	return nil
}

func (f text[T]) Value() (driver.Value, error) {
	if *f.p == "" {
		return nil, nil
	}
	return string(*f.p), nil
}

type optional struct{ p **string } // nil is NULL, empty is not

func (f optional) Scan(v any) error {
	if v == nil {
		*f.p = nil
		return nil
	}
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("want text, have %T", v)
	}
	*f.p = &s
	return nil
}

func (f optional) Value() (driver.Value, error) {
	if *f.p == nil {
		return nil, nil
	}
	return **f.p, nil
}

type number[T ~int | ~int64] struct{ p *T }

func (f number[T]) Scan(v any) error {
	switch n := v.(type) {
	case nil:
		*f.p = 0
	case int64:
		*f.p = T(n)
	default:
		return fmt.Errorf("want a number, have %T", v)
	}
	return nil
}

func (f number[T]) Value() (driver.Value, error) { return int64(*f.p), nil }

type flag struct{ p *bool }

func (f flag) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("want 0 or 1, have %T", v)
	}
	*f.p = n != 0
	return nil
}

func (f flag) Value() (driver.Value, error) {
	if *f.p {
		return int64(1), nil
	}
	return int64(0), nil
}

type stamp struct{ p *time.Time } // zero is NULL

func (f stamp) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		*f.p = time.Time{}
		return nil
	case string:
		at, err := time.ParseInLocation(timeForm, s, time.UTC)
		*f.p = at
		return err
	default:
		return fmt.Errorf("want a time, have %T", v)
	}
}

func (f stamp) Value() (driver.Value, error) {
	if f.p.IsZero() {
		return nil, nil
	}
	return f.p.UTC().Format(timeForm), nil
}

type document struct{ p any } // JSON

func (f document) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("want a JSON text, have %T", v)
	}
	return json.Unmarshal([]byte(s), f.p)
}

func (f document) Value() (driver.Value, error) {
	raw, err := json.Marshal(f.p)
	return string(raw), err
}

// table is the columns of one table, in the order of its fields function. The
// first column is the key.
type table struct {
	name    string
	columns []string
}

func (t table) list() string { return `"` + strings.Join(t.columns, `", "`) + `"` }

func (t table) has(column string) bool {
	for _, c := range t.columns {
		if c == column {
			return true
		}
	}
	return false
}

func (t table) insert() string {
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (?%s)", t.name, t.list(), strings.Repeat(", ?", len(t.columns)-1))
}

// update sets every column but the key, for the row of the key, which is the
// last argument.
func (t table) update() string {
	return fmt.Sprintf(`UPDATE %s SET "%s" = ? WHERE "%s" = ?`, t.name,
		strings.Join(t.columns[1:], `" = ?, "`), t.columns[0])
}

// values are fields as arguments of a query.
func values(fields []field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = f
	}
	return out
}

var backupTable = table{"backups", []string{
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
		text[driverstate.Status]{&b.Status}, text[string]{&b.FailReason}, number[int64]{&b.Size}, number[int]{&b.ObjectCount},
		text[string]{&b.TempVolumeID}, text[string]{&b.TempSnapshotID}, number[int]{&b.NumDependentBackups},
		text[string]{&b.SnapshotID}, stamp{&b.DataTimestamp}, text[string]{&b.RestoreVolumeID}, document{&b.Metadata},
		text[string]{&b.EncryptionKeyID}, stamp{&b.CreatedAt}, stamp{&b.UpdatedAt}, stamp{&b.DeletedAt}, flag{&b.Deleted},
	}
}

var volumeTable = table{"volumes", []string{
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

var snapshotTable = table{"snapshots", []string{
	"id", "volume_id", "user_id", "project_id", "display_name", "display_description", "status", "volume_size",
	"metadata", "path", "created_at", "updated_at",
}}

func snapshotFields(s *driverstate.Snapshot) []field {
	return []field{
		text[string]{&s.ID}, text[string]{&s.VolumeID}, text[string]{&s.UserID}, text[string]{&s.ProjectID},
		text[string]{&s.Name}, text[string]{&s.Description}, text[driverstate.SnapshotStatus]{&s.Status},
		number[int64]{&s.Size}, document{&s.Metadata}, text[string]{&s.Path}, stamp{&s.CreatedAt}, stamp{&s.UpdatedAt},
	}
}

var serviceTable = table{"services", []string{
	"id", "binary", "host", "cluster_name", "availability_zone", "disabled", "disabled_reason", "reason",
	"created_at", "updated_at",
}}

func serviceFields(s *driverstate.Service) []field {
	return []field{
		number[int64]{&s.ID}, text[driverstate.Binary]{&s.Binary}, text[string]{&s.Host}, text[string]{&s.Cluster},
		text[string]{&s.AvailabilityZone}, flag{&s.Disabled}, text[string]{&s.DisabledReason}, text[string]{&s.Reason},
		stamp{&s.CreatedAt}, stamp{&s.UpdatedAt},
	}
}

var clusterTable = table{"clusters", []string{"name", "binary", "disabled", "disabled_reason", "created_at", "updated_at"}}

func clusterFields(c *driverstate.Cluster) []field {
	return []field{
		text[string]{&c.Name}, text[driverstate.Binary]{&c.Binary}, flag{&c.Disabled}, text[string]{&c.DisabledReason},
		stamp{&c.CreatedAt}, stamp{&c.UpdatedAt},
	}
}

var messageTable = table{"messages", []string{
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

var workerTable = table{"workers", []string{
	"id", "resource_type", "resource_id", "status", "service_id", "race_preventer", "updated_at",
}}

func workerFields(w *driverstate.Worker) []field {
	return []field{
		number[int64]{&w.ID}, text[string]{&w.ResourceType}, text[string]{&w.ResourceID}, text[string]{&w.Status},
		number[int64]{&w.ServiceID}, number[int]{&w.RacePreventer}, stamp{&w.UpdatedAt},
	}
}

var verificationTable = table{"verifications", []string{
	"id", "backup_id", "depth", "status", "report", "error", "bytes_done", "bytes_total", "created_at", "finished_at",
}}

func verificationFields(v *driverstate.Verification) []field {
	return []field{
		text[string]{&v.ID}, text[string]{&v.BackupID}, text[driverstate.Depth]{&v.Depth},
		text[driverstate.VerificationStatus]{&v.Status}, document{&v.Report}, text[string]{&v.Error},
		number[int64]{&v.BytesDone}, number[int64]{&v.BytesTotal}, stamp{&v.CreatedAt}, stamp{&v.FinishedAt},
	}
}
