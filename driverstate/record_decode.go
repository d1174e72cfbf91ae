package driverstate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a record.
const (
	// MaxRecord is how long the base64 text of a record may be, in bytes.
	MaxRecord      = 1 << 20
	maxRecordDepth = 32
	maxColumn      = 255 // characters of a string column of Cinder's backups table
	maxIDColumn    = 36
	maxInt32       = math.MaxInt32
)

// DecodeRecord reads an export record of any release. A record comes from
// whoever sent it: every value is checked before it is returned, unlike in
// Cinder, which takes most of them as they are (cinder/backup/api.py
// import_record). White space in the base64 text, as Icehouse wrote it, is
// skipped; keys that are not known are ignored; keys that older releases did
// not write may be absent, and so may a driver_info.
//
// Id, volume and parent are UUIDs in lower case; container and
// service_metadata are safe to be used in paths and URLs and, where
// r.BackupService is one of Cinder's drivers, are the place of this very
// backup. Whether the service is known and the same as in the record is the
// caller's to check.
//
// Every error answers to ErrInvalidInput and names the key.
func DecodeRecord(r ExportedRecord) (*Record, error) {
	rec, err := decodeRecord(r)
	if err != nil {
		return nil, err
	}
	if err := checkPlace(r.BackupService, &rec.Backup); err != nil {
		return nil, err
	}
	return rec, nil
}

// DecodeTwin is DecodeRecord for one who can have several rows for the same
// objects: container and service_metadata are safe, and the place of the backup
// Backup.StoredID, which may be another.
func DecodeTwin(r ExportedRecord) (*Record, error) {
	rec, err := decodeRecord(r)
	if err != nil {
		return nil, err
	}
	stored := rec.Backup
	stored.ID = stored.StoredID()
	if err := checkPlace(r.BackupService, &stored); err != nil {
		return nil, err
	}
	return rec, nil
}

func decodeRecord(r ExportedRecord) (*Record, error) {
	if !utf8.ValidString(r.BackupService) || strings.ContainsFunc(r.BackupService, unicode.IsControl) || utf8.RuneCountInString(r.BackupService) > maxColumn {
		return nil, Fail(ErrInvalidInput, "backup_service is not the name of a driver class")
	}
	text, err := recordText(r.BackupURL)
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		return nil, Fail(ErrInvalidInput, "Can't parse backup record.")
	}
	members, err := recordMembers(text)
	if err != nil {
		return nil, err
	}
	for _, missing := range []struct{ key, text string }{
		{"id", "Provided backup record is missing an id"},
		{"size", "Provided backup record is missing size attribute"},
	} {
		if _, ok := members[missing.key]; !ok {
			return nil, Fail(ErrInvalidInput, missing.text)
		}
	}
	d := recordReader{members: members}
	rec := d.record()
	if d.err != nil {
		return nil, d.err
	}
	return rec, nil
}

// recordText takes the base64 off.
func recordText(encoded string) ([]byte, error) {
	if len(encoded) > MaxRecord {
		return nil, Fail(ErrInvalidInput, fmt.Sprintf("backup_url is longer than %d bytes", MaxRecord))
	}
	packed := strings.Map(func(c rune) rune {
		switch c {
		case ' ', '\t', '\n', '\r', '\v', '\f':
			return -1
		}
		return c
	}, encoded)
	if packed == "" {
		return nil, Fail(ErrInvalidInput, "Can't parse backup record: backup_url is empty")
	}
	text, err := base64.StdEncoding.Strict().DecodeString(packed)
	if err != nil {
		return nil, Fail(ErrInvalidInput, "Can't parse backup record: backup_url is not base64: "+err.Error())
	}
	return text, nil
}

// recordMembers takes the outer object of valid JSON apart, and refuses depth
// and duplicate keys anywhere in it. The values are those of encoding/json,
// numbers as json.Number.
func recordMembers(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	value, err := recordValue(dec, "", 0)
	if err != nil {
		return nil, err
	}
	switch members := value.(type) {
	case map[string]any:
		return members, nil
	case []any:
		return nil, Fail(ErrInvalidInput, "Provided backup record is missing an id")
	}
	return nil, Fail(ErrInvalidInput, "backup record is not a JSON object")
}

func recordValue(dec *json.Decoder, key string, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, recordError(key, err.Error())
	}
	open, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth++; depth > maxRecordDepth {
		return nil, recordError(key, fmt.Sprintf("is nested deeper than %d", maxRecordDepth))
	}
	if open == '[' {
		list := []any{}
		for dec.More() {
			v, err := recordValue(dec, key, depth)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	members := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, recordError(key, err.Error())
		}
		name := token.(string) // Token promises it between braces
		if _, again := members[name]; again {
			return nil, Fail(ErrInvalidInput, fmt.Sprintf("backup record: key %.80q occurs twice", name))
		}
		inner := key
		if depth == 1 {
			inner = fmt.Sprintf("key %.80q", name)
		}
		if members[name], err = recordValue(dec, inner, depth); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return members, err
}

// recordReader takes members out of a record. The first error sticks.
type recordReader struct {
	members map[string]any
	err     error
}

func (d *recordReader) fail(key, format string, args ...any) {
	if d.err == nil {
		d.err = recordError(key, fmt.Sprintf(format, args...))
	}
}

func (d *recordReader) record() *Record {
	// Cinder refuses a record without these, after it accepted it
	// (cinder/backup/manager.py import_record).
	var absent []string
	for _, key := range []string{"display_name", "display_description", "container", "service_metadata", "object_count"} {
		if _, ok := d.members[key]; !ok {
			absent = append(absent, key)
		}
	}
	if len(absent) > 0 {
		d.err = Fail(ErrInvalidInput, "backup record: there are missing fields ("+strings.Join(absent, ", ")+")")
		return nil
	}
	b := Backup{
		ID:                  d.uuid("id"),
		VolumeID:            d.uuid("volume_id"),
		ParentID:            d.uuid("parent_id"),
		UserID:              d.text("user_id", maxColumn),
		ProjectID:           d.text("project_id", maxColumn),
		Host:                d.text("host", maxColumn),
		AvailabilityZone:    d.text("availability_zone", maxColumn),
		Name:                d.optional("display_name"),
		Description:         d.optional("display_description"),
		Container:           d.text("container", maxColumn),
		ServiceMetadata:     d.text("service_metadata", maxColumn),
		Service:             d.text("service", maxColumn),
		Status:              d.status("status"),
		FailReason:          d.text("fail_reason", maxColumn),
		Size:                d.integer("size", 1),
		ObjectCount:         int(d.integer("object_count", 0)),
		NumDependentBackups: int(d.integer("num_dependent_backups", 0)),
		TempVolumeID:        d.text("temp_volume_id", maxIDColumn),
		TempSnapshotID:      d.text("temp_snapshot_id", maxIDColumn),
		SnapshotID:          d.text("snapshot_id", maxIDColumn),
		RestoreVolumeID:     d.text("restore_volume_id", maxIDColumn),
		EncryptionKeyID:     d.text("encryption_key_id", maxIDColumn),
		DataTimestamp:       d.date("data_timestamp"),
		CreatedAt:           d.date("created_at"),
		UpdatedAt:           d.date("updated_at"),
		DeletedAt:           d.date("deleted_at"),
		Deleted:             d.flag("deleted"),
		Metadata:            d.metadata("metadata"),
	}
	switch {
	case d.err != nil:
	case b.ID == "":
		d.fail("id", "is null")
	case b.ParentID == b.ID:
		d.fail("parent_id", "is the backup's own id")
	}
	return &Record{Backup: b, DriverInfo: d.object("driver_info")}
}

// pointer is the string of a member, nil when it is null or absent.
func (d *recordReader) pointer(key string, most int) *string {
	value, ok := d.members[key]
	if !ok || value == nil {
		return nil
	}
	s, ok := value.(string)
	switch {
	case !ok:
		d.fail(key, "is not a string")
	case utf8.RuneCountInString(s) > most:
		d.fail(key, "is longer than %d characters", most)
	case strings.ContainsRune(s, 0):
		d.fail(key, "holds a NUL")
	}
	return &s
}

func (d *recordReader) optional(key string) *string { return d.pointer(key, maxColumn) }

// text is the string of a column that flows into names, logs and queries: no
// control characters.
func (d *recordReader) text(key string, most int) string {
	p := d.pointer(key, most)
	if p == nil {
		return ""
	}
	if key != "fail_reason" && hasControl(*p) {
		d.fail(key, "holds a control character")
	}
	return *p
}

func (d *recordReader) uuid(key string) string {
	p := d.pointer(key, maxColumn)
	if p == nil {
		return ""
	}
	if !IsUUID(*p) {
		d.fail(key, "%.80q is not a UUID in lower case", *p)
	}
	return *p
}

func (d *recordReader) status(key string) Status {
	p := d.pointer(key, maxColumn)
	if p == nil {
		return ""
	}
	s, err := ParseStatus(*p)
	if err != nil {
		d.fail(key, "%.80q is no backup status", *p)
	}
	return s
}

// integer is a whole number from least to the largest of Cinder's columns.
// Null is 0, as Cinder loads it, where 0 is allowed.
func (d *recordReader) integer(key string, least int64) int64 {
	value, ok := d.members[key]
	if (!ok || value == nil) && least <= 0 {
		return 0
	}
	number, ok := value.(json.Number)
	if !ok {
		d.fail(key, "is not a number")
		return 0
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < least || n > maxInt32 {
		d.fail(key, "%.40s is not a whole number from %d to %d", number, least, maxInt32)
	}
	return n
}

func (d *recordReader) flag(key string) bool {
	switch v := d.members[key].(type) {
	case nil:
		return false
	case bool:
		return v
	case json.Number: // the plain row of Icehouse to Kilo, as MySQL gives it
		if v == "0" || v == "1" {
			return v == "1"
		}
	}
	d.fail(key, "is not a boolean")
	return false
}

// dateForms are those that some release wrote: the versioned object's, the
// plain row's, and Python's str. A date without a zone is UTC.
var dateForms = []string{
	time.RFC3339,
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05-07:00",
	"2006-01-02 15:04:05",
}

func (d *recordReader) date(key string) time.Time {
	p := d.pointer(key, maxColumn)
	if p == nil {
		return time.Time{}
	}
	for _, form := range dateForms {
		t, err := time.Parse(form, *p) // a fraction of a second is taken by every form
		if err != nil {
			continue
		}
		t = t.UTC()
		if t.Year() < 1970 || t.Year() > 9999 {
			d.fail(key, "%.80q is not between the years 1970 and 9999", *p)
		}
		return t
	}
	d.fail(key, "%.80q is not a date", *p)
	return time.Time{}
}

func (d *recordReader) object(key string) map[string]any {
	switch v := d.members[key].(type) {
	case nil:
		return map[string]any{}
	case map[string]any:
		return v
	}
	d.fail(key, "is not an object")
	return nil
}

// metadata may be absent, as before Pike; null leaves an imported row of Cinder
// in creating for ever, and is refused.
func (d *recordReader) metadata(key string) map[string]string {
	if v, ok := d.members[key]; ok && v == nil {
		d.fail(key, "is null")
		return nil
	}
	members := d.object(key)
	out := make(map[string]string, len(members))
	for k, v := range members {
		s, ok := v.(string)
		switch {
		case !ok:
			d.fail(key, "%.80q is not a string", k)
		case k == "" || utf8.RuneCountInString(k) > maxColumn || utf8.RuneCountInString(s) > maxColumn:
			d.fail(key, "%.80q is empty or longer than %d characters", k, maxColumn)
		case strings.ContainsRune(k, 0) || strings.ContainsRune(s, 0):
			d.fail(key, "%.80q holds a NUL", k)
		}
		out[k] = s
	}
	return out
}
