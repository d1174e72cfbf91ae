package chunked

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
	"github.com/cinder-go/cinder-go/testdata/corpus"
)

const (
	volumeID = "02af034b-7e17-4c19-b5f6-504f2ea7d8ad"
	backupID = "af741c8b-b2bb-4102-ab5f-488ac9852a78"
	otherID  = "11111111-2222-4333-8444-555555555555"
	fileP    = "volume_" + volumeID + "_20261121055423_backup_" + backupID
	objectP  = "volume_" + volumeID + "/20261121055423/az_nova_backup_" + backupID
	ownDir   = "af/74/" + backupID
	md5Text  = "0123456789abcdef0123456789abcdef"
)

// entry is one element of objects.
func entry(name string, offset, length any, compression string) string {
	return fmt.Sprintf(`{%q: {"compression": %q, "length": %v, "md5": %q, "offset": %v}}`,
		name, compression, length, md5Text, offset)
}

// document is a metadata document with these objects; override replaces parts
// of it by turns of old and new text.
func document(objects string, override ...string) string {
	text := `{"backup_description": null, "backup_id": "` + backupID + `", "backup_name": "nm",
 "created_at": "2026-11-21 05:54:23.946478+00:00", "objects": [` + objects + `], "parent_id": null,
 "version": "1.0.0", "volume_id": "` + volumeID + `", "volume_meta": null}`
	return strings.NewReplacer(override...).Replace(text)
}

func parse(text string) (*Metadata, error) {
	return parseMetadata(strings.NewReader(text), maxMetadata)
}

func TestMetadataIsReadInAnyOrderAndWhiteSpace(t *testing.T) {
	text := "\r\n\t{\"volume_id\":\"" + volumeID + "\",\"objects\":[\n\n" +
		`{"` + fileP + `-00001":{"offset":0,"md5":"` + md5Text + `","length":512,"compression":"gzip"}},` +
		`{"` + fileP + `-100000":{"offset":1024,"md5":"` + strings.ToUpper(md5Text) + `","length":1,"compression":"off"}}]` +
		`,"version":"1.0.0","created_at":"2026-11-21 05:54:23","backup_name":"N\u0061\ud83d\ude00\n\"",` +
		`"extra_metadata":{"a":[1,-2.5e3,true,null,{"b":"c"}]},"backup_id":"` + backupID + "\"}  \n"
	for _, reader := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		m, err := parseMetadata(reader, maxMetadata)
		require.NoError(t, err)
		assert.Equal(t, backupID, m.BackupID)
		assert.Equal(t, "Na😀\n\"", *m.Name)
		assert.Nil(t, m.Description)
		assert.Empty(t, m.ParentID, "an absent parent_id is a full backup's")
		assert.Nil(t, m.VolumeMeta)
		assert.Equal(t, time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC), m.CreatedAt)
		require.Len(t, m.Extents, 2)
		assert.Equal(t, CompressionZlib, m.Extents[0].Compression)
		assert.Equal(t, CompressionNone, m.Extents[1].Compression)
		assert.Equal(t, m.Extents[0].MD5, m.Extents[1].MD5)
	}
}

func TestMetadataThatMustNotBeUsedIsRefused(t *testing.T) {
	one := entry(fileP+"-00001", 0, 512, "zlib")
	two := func(second string) string { return document(one + "," + second) }
	for _, c := range []struct{ name, text, want string }{
		{"another version", document(one, "1.0.0", "2.0.0"), "version"},
		{"no version", document(one, `"version": "1.0.0",`, ""), "version"},
		{"a version that is a number", document(one, `"1.0.0"`, "1"), "due"},
		{"no objects", document("", `"objects": [],`, ""), "objects"},
		{"no creation time", document(one, `"created_at"`, `"created"`), "created_at"},
		{"a creation time that is none", document(one, "2026-11-21 05", "yesterday"), "not a time"},
		{"a creation time before 1970", document(one, "2026-11-21", "1969-01-01"), "not a time"},
		{"a backup id with capitals", document(one, `"`+backupID+`"`, `"`+strings.ToUpper(backupID)+`"`), "UUID"},
		{"a volume id that is a path", document(one, `"`+volumeID+`"`, `"../../etc/passwd"`), "UUID"},
		{"a parent id that is none", document(one, `"parent_id": null`, `"parent_id": "x"`), "UUID"},
		{"itself as its parent", document(one, `"parent_id": null`, `"parent_id": "`+backupID+`"`), "itself"},
		{"another backup's objects", document(one, `"backup_id": "`+backupID, `"backup_id": "`+otherID), "named for"},
		{"another volume's objects", document(one, `"volume_id": "`+volumeID, `"volume_id": "`+otherID), "named for"},
		{"a key twice", document(one, `"parent_id": null`, `"parent_id": null, "parent_id": null`), "twice"},
		{"a key twice in an entry", document(strings.Replace(one, `"md5"`, `"offset": 5, "md5"`, 1)), "twice"},
		{"something after it", document(one) + "{}", "follows"},
		{"an array", "[]", "due"},
		{"a control character in a string", document(one, "nm", "n\x01m"), "control"},
		{"a string that is not UTF-8", document(one, "nm", "n\xffm"), "UTF-8"},
		{"a name that is a path", document(entry("../../etc/passwd-00001", 0, 512, "zlib")), "unknown prefix"},
		{"a name that is a document's", document(entry(fileP+"_metadata", 0, 512, "zlib")), "not a chunk"},
		{"a name with four digits", document(entry(fileP+"-0001", 0, 512, "zlib")), "not a chunk"},
		{"a name with needless digits", document(entry(fileP+"-000001", 0, 512, "zlib")), "not a chunk"},
		{"chunk 0", document(entry(fileP+"-00000", 0, 512, "zlib")), "not a chunk"},
		{"two prefixes", two(entry("backup-00002", 512, 512, "zlib")), "another prefix"},
		{"a name twice", two(entry(fileP+"-00001", 512, 512, "zlib")), "twice"},
		{"two names in one entry", document(`{"` + fileP + `-00001": {}, "b": {}}`), "lacks"},
		{"an entry without a name", document("{}"), "without an object"},
		{"an entry without md5", document(strings.Replace(one, `"md5"`, `"md6"`, 1)), "lacks"},
		{"a short md5", document(strings.Replace(one, md5Text, "abc", 1)), "md5"},
		{"an md5 that is no hexadecimal", document(strings.Replace(one, md5Text, strings.Repeat("x", 32), 1)), "md5"},
		{"a compression that is not known", document(entry(fileP+"-00001", 0, 512, "rot13")), "not known"},
		{"a compression in capitals", document(entry(fileP+"-00001", 0, 512, "ZLIB")), "not known"},
		{"a fraction as offset", document(entry(fileP+"-00001", "0.0", 512, "zlib")), "integer"},
		{"an exponent as length", document(entry(fileP+"-00001", 0, "1e3", "zlib")), "integer"},
		{"a boolean as offset", document(entry(fileP+"-00001", true, 512, "zlib")), "number"},
		{"a string as offset", document(entry(fileP+"-00001", `"0"`, 512, "zlib")), "number"},
		{"a negative offset", document(entry(fileP+"-00001", -512, 512, "zlib")), "number"},
		{"a negative length", document(entry(fileP+"-00001", 0, -1, "zlib")), "number"},
		{"a length over the cap", document(entry(fileP+"-00001", 0, int64(maxExtent+1), "zlib")), "at most"},
		{"an offset beyond any volume", document(entry(fileP+"-00001", maxVolume, 512, "zlib")), "beyond"},
		{"an offset that overflows", document(entry(fileP+"-00001", "9223372036854775807", 512, "zlib")), "range"},
		{"a number without end", document(entry(fileP+"-00001", strings.Repeat("9", 100), 512, "zlib")), "range"},
		{"extents out of order", document(entry(fileP+"-00001", 512, 512, "zlib") + "," + entry(fileP+"-00002", 0, 512, "zlib")), "overlaps"},
		{"extents that overlap", two(entry(fileP+"-00002", 511, 512, "zlib")), "overlaps"},
		{"nesting without end", document(one, `"volume_meta": null`, `"x": `+strings.Repeat("[", 100)+strings.Repeat("]", 100)), "nested"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := parse(c.text)
			require.Error(t, err)
			assert.Nil(t, m)
			assert.ErrorIs(t, err, driverstate.ErrCorrupt)
			assert.ErrorContains(t, err, c.want)
			assert.False(t, isCut(err), "%v", err)
		})
	}
}

func TestMetadataCutAnywhereIsKnownAsCut(t *testing.T) {
	text := document(entry(fileP+"-00001", 0, 512, "zlib"), "nm", `n\u0061m`)
	for i := range len(text) {
		_, err := parse(text[:i])
		require.Error(t, err)
		require.True(t, isCut(err), "cut after %d bytes: %v", i, err)
		_, err = parse(text[:i] + strings.Repeat("\x00", len(text)-i))
		require.Error(t, err)
		// A number or an escape that zeros follow may look wrong first.
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
	}
}

func TestMetadataLongerThanItsLimitIsNotReadOn(t *testing.T) {
	r := io.MultiReader(strings.NewReader(`{"x": "`), endless{})
	_, err := parseMetadata(r, 1<<20)
	assert.ErrorIs(t, err, driverstate.ErrCorrupt)
	_, err = parseMetadata(io.MultiReader(strings.NewReader("  "), blanks{}), 1<<20)
	assert.ErrorContains(t, err, "longer than")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("a"), len(p))), nil }

type blanks struct{}

func (blanks) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func TestAReadErrorIsNoDamage(t *testing.T) {
	_, err := parseMetadata(iotest.ErrReader(os.ErrPermission), 1<<20)
	assert.ErrorIs(t, err, os.ErrPermission)
	assert.NotErrorIs(t, err, driverstate.ErrCorrupt)
}

func TestMetadataThatIsOfAnotherPrefixIsNotLoaded(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	other := strings.ReplaceAll(fileP, backupID, otherID)
	store.Set(ownDir, metadataName(fileP), document(entry(fileP+"-00001", 0, 512, "zlib")))
	store.Set(ownDir, metadataName(other), document(entry(fileP+"-00001", 0, 512, "zlib")))
	store.Set(ownDir, metadataName(strings.Replace(fileP, "2026", "2025", 1)), document(entry(fileP+"-00001", 0, 512, "zlib")))
	store.Set(ownDir, metadataName("empty"), document(""))
	store.Set("11/11/"+otherID, "backup_metadata", document(entry("backup-00001", 0, 512, "zlib")))
	store.Set("box", "backup_metadata", document(entry("backup-00001", 0, 512, "zlib")))
	ctx := t.Context()
	_, err := d.loadMetadata(ctx, ownDir, fileP)
	require.NoError(t, err)
	_, err = d.loadMetadata(ctx, "box", oldPrefix)
	require.NoError(t, err)
	for container, prefix := range map[string]string{ownDir: other, "11/11/" + otherID: oldPrefix} {
		_, err := d.loadMetadata(ctx, container, prefix)
		assert.ErrorIs(t, err, driverstate.ErrCorrupt, prefix)
	}
	_, err = d.loadMetadata(ctx, ownDir, strings.Replace(fileP, "2026", "2025", 1))
	assert.ErrorIs(t, err, driverstate.ErrCorrupt)
	_, err = d.loadMetadata(ctx, ownDir, "empty")
	assert.ErrorIs(t, err, driverstate.ErrCorrupt)
	_, err = d.loadMetadata(ctx, ownDir, objectP)
	assert.True(t, isAbsent(err), "%v", err)
}

func newDriver(t testing.TB, layout Layout) (*Driver, *storetest.Memory) {
	t.Helper()
	store := storetest.NewMemory()
	d, err := New(store, layout, Config{
		Service: "cinder.backup.drivers.posix.PosixBackupDriver", ObjectSize: 1 << 20, BlockSize: 32768,
		Compression: CompressionZlib, Workers: 3,
	})
	require.NoError(t, err)
	return d, store
}

// documents are the paths of the real documents whose names end in suffix.
func documents(t testing.TB, suffix string) (paths []string) {
	t.Helper()
	root := corpus.UnpackOnly(t, func(path string) bool { return strings.HasSuffix(path, suffix) })
	require.NoError(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, suffix) {
			paths = append(paths, path)
		}
		return err
	}))
	require.NotEmpty(t, paths)
	return paths
}

func TestWrittenMetadataIsByteForByteCinders(t *testing.T) {
	same := 0
	for _, path := range documents(t, metadataSuffix) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		m, err := parse(string(text))
		if err != nil {
			assert.True(t, isCut(err), "%s: %v", path, err)
			continue
		}
		var out bytes.Buffer
		require.NoError(t, writeMetadata(&out, m))
		if assert.Equal(t, string(text), out.String(), path) {
			same++
		}
	}
	assert.Greater(t, same, 70)
}

// The texts are those of Python's json.dumps.
func TestTextsAreEscapedAsPythonDoes(t *testing.T) {
	for text, want := range map[string]string{
		"a~\x7f\u0080": `"a~\u007f\u0080"`, "q\"b\\/": `"q\"b\\/"`, "\x00\b\t\n\v\f\r\x1f": `"\u0000\b\t\n\u000b\f\r\u001f"`,
		"é☃😀\u2028": `"\u00e9\u2603\ud83d\ude00\u2028"`,
	} {
		var out bytes.Buffer
		require.NoError(t, newEmitter(&out).text(text).flush())
		assert.Equal(t, want, out.String())
	}
}

func TestVolumeMetaTellsOnlyItsFacts(t *testing.T) {
	f, err := parseVolumeMeta([]byte(`{"version": 2, "volume-base-metadata": {"size": 7, "project_id": "p",
		"user_id": null, "provider_auth": "secret", "encryption_key_id": "k"}, "volume-metadata": {"a": "b"}}`))
	require.NoError(t, err)
	assert.Equal(t, volumeFacts{size: 7, project: "p", encryptionKey: "k"}, f)
	for _, bad := range []string{
		"x", "[]", `{"volume-base-metadata": {"size": 2.7}}`, `{"volume-base-metadata": {"size": -5}}`,
		`{"volume-base-metadata": {"size": 2147483648}}`, `{"a": 1, "a": 2}`, `{"a": 1`,
	} {
		_, err := parseVolumeMeta([]byte(bad))
		assert.ErrorIs(t, err, driverstate.ErrCorrupt, bad)
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(document(entry(fileP+"-00001", 0, 512, "zlib") + "," + entry(fileP+"-00002", 1024, 7, "none"))))
	f.Add([]byte(document(entry("backup-00001", 0, 512, "bz2"), `"volume_meta": null`, `"volume_meta": "{\"version\": 2}"`)))
	f.Add([]byte(document("")))
	f.Add([]byte(`{"x":"\ud800\u0041"}`))
	f.Add([]byte(document("", "2026-11-21 05:54:23.946478+00:00", "None")))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMetadata(bytes.NewReader(text), 1<<20)
		if err != nil {
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			return
		}
		require.True(t, driverstate.IsUUID(m.BackupID) && driverstate.IsUUID(m.VolumeID))
		var end int64
		for _, x := range m.Extents {
			require.GreaterOrEqual(t, x.Offset, end)
			require.LessOrEqual(t, x.Length, int64(maxExtent))
			end = x.Offset + x.Length
			require.LessOrEqual(t, end, maxVolume)
		}
		var out bytes.Buffer
		require.NoError(t, writeMetadata(&out, m))
		again, err := parseMetadata(&out, 1<<22)
		require.NoError(t, err)
		// A time is written to the microsecond, as Python does.
		m.CreatedAt = m.CreatedAt.Truncate(time.Microsecond)
		require.Equal(t, m, again)
		_, _ = parseVolumeMeta(m.VolumeMeta)
	})
}
