package driverstate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is an export record, decoded: what backup_url carries
// (cinder/objects/backup.py Backup.encode_record).
type Record struct {
	// Backup is the row that the record describes. What an older record does
	// not say, and NULL, are zero values; the service is as it was written.
	Backup Backup
	// DriverInfo is the driver's own part; empty for every driver in Cinder's tree.
	DriverInfo map[string]any
}

// recordDate is the form of dates in a record: whole seconds, UTC
// (oslo.versionedobjects DateTimeField).
const recordDate = "2006-01-02T15:04:05Z"

// EncodeRecord returns the export record of b as the newest Cinder writes it:
// the same keys in the same order, dates in whole seconds, ASCII JSON text with
// the separators of Python's json.dumps, in base64 on one line. A nil
// driverInfo is written as the empty object that every driver in Cinder's tree
// writes; its values are null, strings, booleans, json.Number, []any and
// map[string]any of these.
//
// It answers to ErrInvalidInput if b has no service, or if a string is not
// UTF-8.
func EncodeRecord(b *Backup, driverInfo map[string]any) (ExportedRecord, error) {
	if b.Service == "" {
		return ExportedRecord{}, recordError("service", "is empty: no driver has written this backup")
	}
	w := recordWriter{}
	w.key("driver_info")
	w.object(driverInfo)
	w.text("id", b.ID)
	w.text("user_id", b.UserID)
	w.text("project_id", b.ProjectID)
	w.text("volume_id", b.VolumeID)
	w.text("host", b.Host)
	w.text("availability_zone", b.AvailabilityZone)
	w.text("container", b.Container)
	w.text("parent_id", b.ParentID)
	w.text("status", string(b.Status))
	w.text("fail_reason", b.FailReason)
	w.number("size", b.Size)
	w.optional("display_name", b.Name)
	w.optional("display_description", b.Description)
	w.text("service_metadata", b.ServiceMetadata)
	w.text("service", b.Service)
	w.number("object_count", int64(b.ObjectCount))
	w.text("temp_volume_id", b.TempVolumeID)
	w.text("temp_snapshot_id", b.TempSnapshotID)
	w.number("num_dependent_backups", int64(b.NumDependentBackups))
	w.text("snapshot_id", b.SnapshotID)
	w.date("data_timestamp", b.DataTimestamp)
	w.text("restore_volume_id", b.RestoreVolumeID)
	w.key("metadata")
	w.object(asAny(b.Metadata))
	w.text("encryption_key_id", b.EncryptionKeyID)
	w.date("created_at", b.CreatedAt)
	w.date("updated_at", b.UpdatedAt)
	w.date("deleted_at", b.DeletedAt)
	w.key("deleted")
	w.out.WriteString(strconv.FormatBool(b.Deleted))
	if w.err != nil {
		return ExportedRecord{}, w.err
	}
	text := "{" + w.out.String() + "}"
	return ExportedRecord{
		BackupService: b.Service,
		BackupURL:     base64.StdEncoding.EncodeToString([]byte(text)),
	}, nil
}

func asAny(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// recordWriter writes the members of one JSON object as Python's json.dumps
// does. The first error sticks.
type recordWriter struct {
	out  strings.Builder
	name string // of the member being written
	err  error
}

func (w *recordWriter) key(name string) {
	if w.out.Len() > 0 {
		w.out.WriteString(", ")
	}
	w.name = name
	w.out.WriteString(`"` + name + `": `)
}

func (w *recordWriter) fail(what string) {
	if w.err == nil {
		w.err = recordError(w.name, what)
	}
}

func (w *recordWriter) text(name, value string) {
	w.key(name)
	if value == "" {
		w.out.WriteString("null")
		return
	}
	w.quote(value)
}

func (w *recordWriter) optional(name string, value *string) {
	w.key(name)
	if value == nil {
		w.out.WriteString("null")
		return
	}
	w.quote(*value)
}

func (w *recordWriter) number(name string, n int64) {
	w.key(name)
	w.out.WriteString(strconv.FormatInt(n, 10))
}

func (w *recordWriter) date(name string, t time.Time) {
	w.key(name)
	if t.IsZero() {
		w.out.WriteString("null")
		return
	}
	w.quote(t.UTC().Format(recordDate))
}

func (w *recordWriter) object(m map[string]any) {
	w.out.WriteByte('{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			w.out.WriteString(", ")
		}
		w.quote(k)
		w.out.WriteString(": ")
		w.value(m[k])
	}
	w.out.WriteByte('}')
}

func (w *recordWriter) value(v any) {
	switch v := v.(type) {
	case nil:
		w.out.WriteString("null")
	case string:
		w.quote(v)
	case bool:
		w.out.WriteString(strconv.FormatBool(v))
	case map[string]any:
		w.object(v)
	case []any:
		w.out.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				w.out.WriteString(", ")
			}
			w.value(e)
		}
		w.out.WriteByte(']')
	case json.Number:
		w.out.WriteString(v.String())
	default:
		w.fail(fmt.Sprintf("holds a %T", v))
	}
}

// quote writes s as json.dumps does with ensure_ascii, its default: everything
// that is not printable ASCII becomes \uXXXX, in two halves beyond the basic
// plane (json.encoder.py_encode_basestring_ascii).
func (w *recordWriter) quote(s string) {
	if !utf8.ValidString(s) {
		w.fail("is not UTF-8")
		return
	}
	w.out.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			w.out.WriteByte('\\')
			w.out.WriteRune(r)
		case '\n':
			w.out.WriteString(`\n`)
		case '\r':
			w.out.WriteString(`\r`)
		case '\t':
			w.out.WriteString(`\t`)
		case '\f':
			w.out.WriteString(`\f`)
		case '\b':
			w.out.WriteString(`\b`)
		default:
			switch {
			case r >= 0x20 && r < 0x7f:
				w.out.WriteRune(r)
			case r > 0xffff:
				r -= 0x10000
				fmt.Fprintf(&w.out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
			default:
				fmt.Fprintf(&w.out, `\u%04x`, r)
			}
		}
	}
	w.out.WriteByte('"')
}

// recordError names the key of a record and what is wrong with it.
func recordError(key, what string) error {
	return Fail(ErrInvalidInput, "backup record: "+key+" "+what)
}
