package driverstate_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/testdata/corpus"
)

const (
	posixClass = "cinder.backup.drivers.posix.PosixBackupDriver"
	swiftClass = "cinder.backup.drivers.swift.SwiftBackupDriver"
	cephClass  = "cinder.backup.drivers.ceph.CephBackupDriver"
	recordID   = "af741c8b-b2bb-4102-ab5f-488ac9852a78"
	recordVol  = "02af034b-7e17-4c19-b5f6-504f2ea7d8ad"
	otherID    = "dcb81aa0-33dc-4776-9c80-6ab2591189a7"
	filePlace  = "volume_" + recordVol + "_20261121055423_backup_" + recordID
	objPlace   = "volume_" + recordVol + "/20261121055423/az_nova_backup_" + recordID
)

// exports returns every record that a real Cinder exported.
func exports(t testing.TB) map[string]driverstate.ExportedRecord {
	t.Helper()
	out := map[string]driverstate.ExportedRecord{}
	for _, c := range corpus.Cases(t) {
		if doc, ok := corpus.Record(t, c.BackupID); ok && doc.Export.BackupURL != "" {
			out[c.BackupID] = driverstate.ExportedRecord{
				BackupService: doc.Export.BackupService, BackupURL: doc.Export.BackupURL,
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

func TestRecordsOfCinderAreDecodedAndEncodedToTheSameBytes(t *testing.T) {
	for id, r := range exports(t) {
		rec, err := driverstate.DecodeRecord(r)
		require.NoError(t, err, id)
		assert.Equal(t, id, rec.Backup.ID)
		again, err := driverstate.EncodeRecord(&rec.Backup, rec.DriverInfo)
		require.NoError(t, err, id)
		want, err := base64.StdEncoding.DecodeString(r.BackupURL)
		require.NoError(t, err)
		got, err := base64.StdEncoding.DecodeString(again.BackupURL)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))
		assert.Equal(t, r, again)
	}
}

func TestDecodedRecordHoldsWhatCinderSays(t *testing.T) {
	for id, r := range exports(t) {
		doc, _ := corpus.Record(t, id)
		rec, err := driverstate.DecodeRecord(r)
		require.NoError(t, err, id)
		b := rec.Backup
		assert.Equal(t, doc.Decoded["container"], b.Container)
		assert.Equal(t, doc.Decoded["service_metadata"], b.ServiceMetadata)
		assert.EqualValues(t, doc.Decoded["size"], b.Size)
		assert.EqualValues(t, doc.Decoded["object_count"], b.ObjectCount)
		assert.Equal(t, doc.Decoded["created_at"], b.CreatedAt.Format(time.RFC3339))
		assert.Equal(t, doc.Decoded["parent_id"] != nil, b.Incremental())
		if name, ok := doc.Decoded["display_name"].(string); ok {
			require.NotNil(t, b.Name)
			assert.Equal(t, name, *b.Name)
		} else {
			assert.Nil(t, b.Name)
		}
	}
}

func TestEncodingIsThatOfPython(t *testing.T) {
	name, empty := "q\"b\\ \x7f\x01\n☃ 😀 é", ""
	r, err := driverstate.EncodeRecord(&driverstate.Backup{
		ID: recordID, Service: posixClass, Name: &name, Description: &empty,
		CreatedAt: time.Date(2026, 11, 21, 6, 54, 23, 946478000, time.FixedZone("", 3600)),
		Metadata:  map[string]string{"b": "2", "a": "1"},
	}, nil)
	require.NoError(t, err)
	text, err := base64.StdEncoding.DecodeString(r.BackupURL)
	require.NoError(t, err)
	for _, part := range []string{
		// json.dumps('q"b\\ \x7f\x01\n☃ 😀 é')
		`"display_name": "q\"b\\ \u007f\u0001\n\u2603 \ud83d\ude00 \u00e9", "display_description": "", `,
		`{"driver_info": {}, "id": "` + recordID + `", "user_id": null, `,
		`"metadata": {"a": "1", "b": "2"}, `,
		`"created_at": "2026-11-21T05:54:23Z", "updated_at": null, "deleted_at": null, "deleted": false}`,
	} {
		assert.Contains(t, string(text), part)
	}
	assert.Equal(t, posixClass, r.BackupService)
}

func TestEncodeRefusesWhatIsNoRecord(t *testing.T) {
	_, err := driverstate.EncodeRecord(&driverstate.Backup{ID: recordID}, nil)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "service is empty")
	bad := "\xff"
	_, err = driverstate.EncodeRecord(&driverstate.Backup{Service: posixClass, Name: &bad}, nil)
	assert.ErrorContains(t, err, "display_name is not UTF-8")
	_, err = driverstate.EncodeRecord(&driverstate.Backup{Service: posixClass}, map[string]any{"x": 1})
	assert.ErrorContains(t, err, "driver_info holds a int")
}

func TestDriverInfoSurvives(t *testing.T) {
	in := sample(map[string]any{"service": posixClass, "driver_info": map[string]any{"n": json.Number("1.50"), "l": []any{"x", nil, true}}})
	rec, err := driverstate.DecodeRecord(record(t, posixClass, in))
	require.NoError(t, err)
	out, err := driverstate.EncodeRecord(&rec.Backup, rec.DriverInfo)
	require.NoError(t, err)
	text, err := base64.StdEncoding.DecodeString(out.BackupURL)
	require.NoError(t, err)
	assert.Contains(t, string(text), `{"driver_info": {"l": ["x", null, true], "n": 1.50}, "id"`)
}

// sample is the record of the smallest set of keys that any Cinder imports,
// changed: nil values in change become null, absent ones are deleted.
func sample(change map[string]any) map[string]any {
	m := map[string]any{
		"id": recordID, "volume_id": recordVol, "size": 1, "object_count": 3,
		"display_name": "nm", "display_description": nil,
		"container": "af/74/" + recordID, "service_metadata": filePlace,
	}
	for k, v := range change {
		if v == absent {
			delete(m, k)
			continue
		}
		m[k] = v
	}
	return m
}

const absent = "\x00absent"

func record(t testing.TB, service string, members map[string]any) driverstate.ExportedRecord {
	t.Helper()
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return plain(service, string(text))
}

func plain(service, text string) driverstate.ExportedRecord {
	return driverstate.ExportedRecord{
		BackupService: service, BackupURL: base64.StdEncoding.EncodeToString([]byte(text)),
	}
}

func TestRecordsOfOldReleasesAreAccepted(t *testing.T) {
	// Icehouse to Kilo: the plain row, base64 in lines of 76, dates without zone.
	text, err := json.Marshal(sample(map[string]any{
		"created_at": "2014-06-12T10:11:12.000000", "updated_at": "2014-06-12 10:11:12",
		"deleted": 0, "status": "available", "service": "cinder.backup.services.swift", "extra": []int{1},
		"container": "volumebackups", "service_metadata": objPlace,
	}))
	require.NoError(t, err)
	var lines strings.Builder
	for all := base64.StdEncoding.EncodeToString(text); all != ""; {
		n := min(76, len(all))
		lines.WriteString(all[:n] + "\n")
		all = all[n:]
	}
	rec, err := driverstate.DecodeRecord(driverstate.ExportedRecord{
		BackupService: "cinder.backup.services.swift", BackupURL: lines.String(),
	})
	require.NoError(t, err)
	assert.Equal(t, time.Date(2014, 6, 12, 10, 11, 12, 0, time.UTC), rec.Backup.CreatedAt)
	assert.Equal(t, time.Date(2014, 6, 12, 10, 11, 12, 0, time.UTC), rec.Backup.UpdatedAt)
	assert.Empty(t, rec.Backup.Metadata)
	assert.Empty(t, rec.DriverInfo)
	assert.True(t, rec.Backup.DataTimestamp.IsZero())
}

func TestDecodeAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		change  map[string]any
	}{
		"the smallest record":         {posixClass, nil},
		"date as Python's str":        {posixClass, map[string]any{"created_at": "2026-11-21 05:54:23.946478+00:00"}},
		"no volume":                   {posixClass, map[string]any{"volume_id": nil}},
		"null counts":                 {posixClass, map[string]any{"object_count": nil, "num_dependent_backups": nil}},
		"a directory for all":         {posixClass, map[string]any{"container": "shared"}},
		"the prefix before Pike":      {posixClass, map[string]any{"service_metadata": "backup"}},
		"swift":                       {swiftClass, map[string]any{"container": "c", "service_metadata": objPlace}},
		"s3":                          {"cinder.backup.drivers.s3", map[string]any{"container": "a.b-c", "service_metadata": objPlace}},
		"gcs by its old name":         {"cinder.backup.drivers.google", map[string]any{"container": "abc", "service_metadata": objPlace}},
		"ceph":                        {cephClass, map[string]any{"container": "backups", "service_metadata": `{"base": "volume-` + recordVol + `.backup.` + otherID + `"}`}},
		"ceph before Train":           {cephClass, map[string]any{"container": "backups", "service_metadata": nil}},
		"a driver without a grammar":  {"cinder.backup.drivers.tsm", map[string]any{"service_metadata": `{"backup_mode":"image"}`}},
		"an unknown service":          {"c", map[string]any{"service_metadata": nil, "container": nil}},
		"metadata with a snow man":    {posixClass, map[string]any{"metadata": map[string]string{"☃": ""}}},
		"a name with a line feed":     {posixClass, map[string]any{"display_name": "a\nb"}},
		"the largest size":            {posixClass, map[string]any{"size": 1<<31 - 1}},
		"a name of 255 wide letters":  {posixClass, map[string]any{"display_name": strings.Repeat("☃", 255)}},
		"deleted as MySQL's tiny int": {posixClass, map[string]any{"deleted": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			rec, err := driverstate.DecodeRecord(record(t, c.service, sample(c.change)))
			require.NoError(t, err)
			assert.Equal(t, recordID, rec.Backup.ID)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	ceph := func(base string) map[string]any {
		return map[string]any{"container": "backups", "service_metadata": base}
	}
	for name, c := range map[string]struct {
		service string
		change  map[string]any
		text    string
	}{
		"no id":                       {posixClass, map[string]any{"id": absent}, "Provided backup record is missing an id"},
		"no size":                     {posixClass, map[string]any{"size": absent}, "Provided backup record is missing size attribute"},
		"missing fields":              {posixClass, map[string]any{"container": absent, "object_count": absent}, "there are missing fields (container, object_count)"},
		"id null":                     {posixClass, map[string]any{"id": nil}, "id is null"},
		"id no UUID":                  {posixClass, map[string]any{"id": "1"}, "id "},
		"id in capitals":              {posixClass, map[string]any{"id": strings.ToUpper(recordID)}, "id "},
		"id a number":                 {posixClass, map[string]any{"id": 5}, "id is not a string"},
		"volume no UUID":              {posixClass, map[string]any{"volume_id": "../x"}, "volume_id "},
		"own parent":                  {posixClass, map[string]any{"parent_id": recordID}, "parent_id is the backup's own id"},
		"parent no UUID":              {posixClass, map[string]any{"parent_id": ""}, "parent_id "},
		"size zero":                   {posixClass, map[string]any{"size": 0}, "size 0 is not"},
		"size null":                   {posixClass, map[string]any{"size": nil}, "size is not a number"},
		"size negative":               {posixClass, map[string]any{"size": -5}, "size -5 is not"},
		"size broken":                 {posixClass, map[string]any{"size": 2.7}, "size 2.7 is not"},
		"size text":                   {posixClass, map[string]any{"size": "1"}, "size is not a number"},
		"size too large":              {posixClass, map[string]any{"size": 1 << 31}, "size 2147483648 is not"},
		"count negative":              {posixClass, map[string]any{"object_count": -1}, "object_count -1 is not"},
		"bad status":                  {posixClass, map[string]any{"status": "fine"}, `status "fine" is no backup status`},
		"bad date":                    {posixClass, map[string]any{"created_at": "yesterday"}, `created_at "yesterday" is not a date`},
		"date too early":              {posixClass, map[string]any{"created_at": "1969-12-31T23:59:59Z"}, "created_at"},
		"date too early by its zone":  {posixClass, map[string]any{"created_at": "1970-01-01T00:00:00+02:00"}, "between the years"},
		"date a number":               {posixClass, map[string]any{"data_timestamp": 1}, "data_timestamp is not a string"},
		"metadata null":               {posixClass, map[string]any{"metadata": nil}, "metadata is null"},
		"metadata value null":         {posixClass, map[string]any{"metadata": map[string]any{"k": nil}}, `metadata "k" is not a string`},
		"metadata list":               {posixClass, map[string]any{"metadata": []string{}}, "metadata is not an object"},
		"metadata value too long":     {posixClass, map[string]any{"metadata": map[string]any{"k": strings.Repeat("x", 256)}}, "metadata"},
		"name too long":               {posixClass, map[string]any{"display_name": strings.Repeat("x", 256)}, "display_name is longer"},
		"name with NUL":               {posixClass, map[string]any{"display_name": "a\x00"}, "display_name holds a NUL"},
		"key id too long":             {posixClass, map[string]any{"encryption_key_id": strings.Repeat("x", 37)}, "encryption_key_id is longer"},
		"host with a line feed":       {posixClass, map[string]any{"host": "a\nb"}, "host holds a control character"},
		"deleted a word":              {posixClass, map[string]any{"deleted": "no"}, "deleted is not a boolean"},
		"driver_info a list":          {posixClass, map[string]any{"driver_info": []int{}}, "driver_info is not an object"},
		"container absolute":          {posixClass, map[string]any{"container": "/etc"}, "container"},
		"container above the root":    {posixClass, map[string]any{"container": "../../etc"}, "container"},
		"container not clean":         {posixClass, map[string]any{"container": "a//b"}, "container"},
		"container null":              {posixClass, map[string]any{"container": nil}, "container"},
		"prefix null":                 {posixClass, map[string]any{"service_metadata": nil}, "service_metadata is empty"},
		"prefix short":                {posixClass, map[string]any{"service_metadata": "v"}, "service_metadata"},
		"prefix of another backup":    {posixClass, map[string]any{"service_metadata": strings.Replace(filePlace, recordID, otherID, 1)}, "prefix of backup " + otherID},
		"prefix of another volume":    {posixClass, map[string]any{"service_metadata": strings.Replace(filePlace, recordVol, otherID, 1)}, "of volume " + otherID},
		"prefix of the other layout":  {posixClass, map[string]any{"service_metadata": objPlace}, "service_metadata"},
		"old prefix, other directory": {posixClass, map[string]any{"service_metadata": "backup", "container": "dc/b8/" + otherID}, "that of backup " + otherID},
		"prefix too long":             {swiftClass, map[string]any{"container": "c", "service_metadata": strings.Replace(objPlace, "nova", strings.Repeat("n", 255), 1)}, "service_metadata is longer"},
		"prefix that leaves its path": {swiftClass, map[string]any{"container": "c", "service_metadata": strings.Replace(objPlace, "nova", "a/../../b", 1)}, "service_metadata"},
		"swift container with slash":  {swiftClass, map[string]any{"container": "a/b", "service_metadata": objPlace}, "container"},
		"bucket of two letters":       {"cinder.backup.drivers.s3.S3BackupDriver", map[string]any{"container": "ab", "service_metadata": objPlace}, "container"},
		"pool like a flag":            {cephClass, map[string]any{"container": "--pool", "service_metadata": nil}, "container"},
		"base not an image":           {cephClass, ceph(`{"base": "--help"}`), "is not a base image"},
		"base of another volume":      {cephClass, ceph(`{"base": "volume-` + otherID + `.backup.base"}`), "image of volume"},
		"base with more":              {cephClass, ceph(`{"base": "x", "y": "z"}`), "base"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := driverstate.DecodeRecord(record(t, c.service, sample(c.change)))
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.ErrorContains(t, err, c.text)
		})
	}
}

func TestDecodeRefusesWhatIsNoText(t *testing.T) {
	good := record(t, posixClass, sample(nil)).BackupURL
	for name, c := range map[string]struct{ url, text string }{
		"nothing":            {" \n", "backup_url is empty"},
		"no base64":          {"!!!!", "backup_url is not base64"},
		"no padding":         {strings.TrimRight(plain("", `{"a": 1}`).BackupURL, "="), "backup_url is not base64"},
		"letters after it":   {good + "====", "backup_url is not base64"},
		"no JSON":            {plain("", "hello").BackupURL, "Can't parse backup record."},
		"two documents":      {plain("", "{}{}").BackupURL, "Can't parse backup record."},
		"NaN":                {plain("", `{"size": NaN}`).BackupURL, "Can't parse backup record."},
		"not UTF-8":          {plain("", "\"\xff\"").BackupURL, "Can't parse backup record."},
		"a list":             {plain("", "[]").BackupURL, "missing an id"},
		"a string":           {plain("", `"id"`).BackupURL, "not a JSON object"},
		"a key twice":        {plain("", `{"id": "a", "id": "b"}`).BackupURL, `key "id" occurs twice`},
		"an inner key twice": {plain("", `{"metadata": {"k": "a", "k": "b"}}`).BackupURL, `key "k" occurs twice`},
		"too deep":           {plain("", `{"x": `+strings.Repeat("[", 40)+strings.Repeat("]", 40)+"}").BackupURL, `key "x" is nested deeper`},
		"too long":           {strings.Repeat("A", driverstate.MaxRecord+1), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := driverstate.DecodeRecord(driverstate.ExportedRecord{BackupService: posixClass, BackupURL: c.url})
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.ErrorContains(t, err, c.text)
		})
	}
}

func TestDecodeRefusesAServiceThatIsNoDriverClass(t *testing.T) {
	for _, service := range []string{"\xff", "cinder.backup\n", "cinder.backup.drivers.posix." + strings.Repeat("x", 228)} {
		_, err := driverstate.DecodeRecord(record(t, service, sample(nil)))
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
		assert.ErrorContains(t, err, "backup_service is not the name of a driver class")
	}
}

// FuzzDecodeRecord holds every accepted record to what the rest relies on, and
// to saying the same again when it is encoded.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range exports(f) {
		text, err := base64.StdEncoding.DecodeString(r.BackupURL)
		require.NoError(f, err)
		f.Add(r.BackupService, text)
	}
	f.Add(cephClass, []byte(`{"id": "`+recordID+`", "size": 1}`))
	// A class that only begins like posix: its names are not known, nor judged.
	other, err := base64.StdEncoding.DecodeString(record(f, posixClass, sample(map[string]any{"service_metadata": "its own"})).BackupURL)
	require.NoError(f, err)
	f.Add("cinder.backup.drivers.posix2.Driver", other)
	// A class that is longer than the row of a backup can hold.
	whole, err := base64.StdEncoding.DecodeString(record(f, posixClass, sample(nil)).BackupURL)
	require.NoError(f, err)
	f.Add("cinder.backup.drivers.posix."+strings.Repeat("x", 228), whole)
	f.Fuzz(func(t *testing.T, service string, text []byte) {
		rec, err := driverstate.DecodeRecord(plain(service, string(text)))
		if err != nil {
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			return
		}
		b := &rec.Backup
		require.Len(t, b.ID, 36)
		require.Positive(t, b.Size)
		if strings.HasPrefix(service, "cinder.backup.drivers.posix.") {
			require.NotContains(t, fmt.Sprintf("/%s/", b.Container), "/../")
			require.True(t, b.ServiceMetadata == "backup" || strings.HasSuffix(b.ServiceMetadata, "_backup_"+b.ID))
			b.Service = service
		}
		if b.Service == "" {
			b.Service = posixClass
		}
		once, err := driverstate.EncodeRecord(b, rec.DriverInfo)
		require.NoError(t, err)
		once.BackupService = service
		back, err := driverstate.DecodeRecord(once)
		require.NoError(t, err)
		twice, err := driverstate.EncodeRecord(&back.Backup, back.DriverInfo)
		require.NoError(t, err)
		require.Equal(t, once.BackupURL, twice.BackupURL)
	})
}
