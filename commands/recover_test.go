package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

const posixService = "cinder.backup.drivers.posix.PosixBackupDriver"

// recordFor is an export record of a backup with this id and parent.
func recordFor(t *testing.T, id, parent, name string) client.Record {
	t.Helper()
	r, err := driverstate.EncodeRecord(&driverstate.Backup{
		ID: id, ParentID: parent, Name: &name, VolumeID: "4fd38e46-1ea1-4ad3-8fd6-3c57e6e1e3cb", Size: 1,
		Status: driverstate.StatusAvailable, Service: posixService, ObjectCount: 1,
		Container: id[:2] + "/" + id[2:4] + "/" + id, ServiceMetadata: "backup", CreatedAt: day(1), DataTimestamp: day(1),
	}, nil)
	require.NoError(t, err)
	return client.Record{BackupService: r.BackupService, BackupURL: r.BackupURL}
}

func lines(t *testing.T, records ...client.Record) string {
	t.Helper()
	var b strings.Builder
	for _, r := range records {
		line, err := lineOf(r)
		require.NoError(t, err)
		b.Write(line)
	}
	return b.String()
}

func importOn(f *fake, b *bench, stdin string) *importOptions {
	return &importOptions{con: b.con, print: b.print, from: "-", stdin: strings.NewReader(stdin),
		client: func(context.Context) (importClient, error) { return f, nil }}
}

func available(ids ...string) map[string]client.Backup {
	m := map[string]client.Backup{}
	for _, id := range ids {
		m[id] = client.Backup{ID: id, Status: driverstate.StatusAvailable}
	}
	return m
}

func TestImportSendsParentsBeforeChildrenAndWaits(t *testing.T) {
	f, b := &fake{after: available(idFull, idChild, idOther)}, newBench()
	in := lines(t, recordFor(t, idOther, idChild, "c"), recordFor(t, idChild, idFull, "b"), recordFor(t, idFull, "", "a"))
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
	assert.Equal(t, []string{"import " + idFull, "wait " + idFull, "import " + idChild, "wait " + idChild,
		"import " + idOther, "wait " + idOther}, f.calls)
	assert.Contains(t, b.err.String(), "3 selected, 3 changed")
}

func TestImportLeavesAloneWhatIsThere(t *testing.T) {
	f, b := &fake{backups: available(idFull), after: available(idChild)}, newBench()
	in := lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idChild, idFull, "b"), recordFor(t, idFull, "", "a"))
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
	assert.Equal(t, []string{"import " + idChild, "wait " + idChild}, f.calls)
	assert.Contains(t, b.err.String(), "3 selected, 1 changed, 1 unchanged, 1 skipped, 0 failed")
}

func TestImportDoesNotSendTheChildrenOfWhatFailed(t *testing.T) {
	f, b := &fake{after: map[string]client.Backup{idFull: {ID: idFull, Status: driverstate.StatusError, FailReason: ptr("no such driver")}}}, newBench()
	in := lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idChild, idFull, "b"))
	err := runBackupImport(t.Context(), importOn(f, b, in))
	assert.Error(t, err)
	assert.Equal(t, []string{"import " + idFull, "wait " + idFull}, f.calls)
	assert.Contains(t, b.err.String(), "backup "+idFull+": imported, but it is error: no such driver")
	assert.Contains(t, b.err.String(), "backup "+idChild+": not imported, as its parent "+idFull+" was not")
}

func TestBadRecordsAreRefusedBeforeAnythingIsSent(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"no base64", `{"backup_service":"s","backup_url":"%%%"}`},
		{"no JSON inside", `{"backup_service":"s","backup_url":"aGVsbG8="}`},
		{"no id inside", `{"backup_service":"s","backup_url":"e30="}`},
		{"not an object", `[1,2]`},
		{"a word missing", `{"backup_service":"s"}`},
		{"cut short", `{"backup_service":"s","backup`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &fake{}, newBench()
			err := runBackupImport(t.Context(), importOn(f, b, c.in))
			assert.Equal(t, 9, exitCode(err))
			assert.Empty(t, f.calls)
		})
	}
}

func TestRecordsThatStandOnEachOtherInACircleAreRefused(t *testing.T) {
	f, b := &fake{after: available(idOther)}, newBench()
	in := lines(t, recordFor(t, idFull, idChild, "a"), recordFor(t, idChild, idFull, "b"), recordFor(t, idOther, "", "c"))
	assert.Equal(t, 3, exitCode(runBackupImport(t.Context(), importOn(f, b, in))))
	assert.Equal(t, []string{"import " + idOther, "wait " + idOther}, f.calls)
	assert.Contains(t, b.err.String(), "its own ancestor")
}

func exportOn(f *fake, b *bench, path string) *exportOptions {
	return &exportOptions{con: b.con, print: b.print, path: path,
		client: func(context.Context) (exportClient, error) { return f, nil },
		open:   func(p string) (recordSink, error) { return openRecordSink(p, b.out) }}
}

func TestExportWritesWhatImportReadsBack(t *testing.T) {
	f := &fake{backups: available(idFull, idChild), records: map[string]client.Record{
		idFull: recordFor(t, idFull, "", "a"), idChild: recordFor(t, idChild, idFull, "b")}}
	dir := t.TempDir()
	for _, path := range []string{"", filepath.Join(dir, "records.jsonl"), filepath.Join(dir, "records") + "/"} {
		b := newBench()
		o := exportOn(f, b, path)
		o.all = true
		require.NoError(t, runBackupExport(t.Context(), o))
		from := path
		if path == "" {
			from = "-"
		}
		got, err := readRecords(from, bytes.NewReader(b.out.Bytes()))
		require.NoError(t, err)
		require.Len(t, got, 2)
		if path != "" {
			assert.Empty(t, b.out.String())
		}
	}
	assert.FileExists(t, filepath.Join(dir, "records", idFull+".json"))
	var line struct {
		Record map[string]any `json:"record"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, "records", idChild+".json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &line))
	assert.Equal(t, idFull, line.Record["parent_id"], "the record is there decoded")
}

func TestExportOfAllLeavesOutWhatHasNoRecord(t *testing.T) {
	f := &fake{backups: available(idFull), records: map[string]client.Record{idFull: recordFor(t, idFull, "", "a")}}
	f.backups[idOther] = client.Backup{ID: idOther, Status: driverstate.StatusError}
	b := newBench()
	o := exportOn(f, b, "")
	o.all = true
	require.NoError(t, runBackupExport(t.Context(), o))
	assert.Contains(t, b.err.String(), "warning: backup "+idOther+": left out: it is error")
	assert.Contains(t, b.err.String(), "1 skipped, 0 failed")
	assert.Equal(t, 1, strings.Count(b.out.String(), "\n"))
}

func TestAFailedExportLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	f := &fake{backups: available(idFull), err: map[string]error{"export " + idFull: driverstate.ErrServiceDown}}
	o := exportOn(f, newBench(), filepath.Join(dir, "records.jsonl"))
	o.refs = []string{idFull}
	assert.Equal(t, 8, exitCode(runBackupExport(t.Context(), o)))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAnIDThatIsAPathNamesNoFile(t *testing.T) {
	s := &dirSink{dir: t.TempDir()}
	for _, id := range []string{"../x", "a/b", "", ".hidden", `a\b`} {
		assert.ErrorIs(t, s.write(id, recordFor(t, idFull, "", "a")), driverstate.ErrCorrupt, id)
	}
}

func manageOn(f *fake, b *bench) *manageOptions {
	return &manageOptions{con: b.con, print: b.print, client: func(context.Context) (manageClient, error) { return f, nil }}
}

func storeOfAllKinds() []client.Manageable {
	return []client.Manageable{
		{ID: idFull, Name: ptr("nightly"), Condition: driverstate.ConditionWhole},
		{ID: idChild, Name: ptr("twin"), Condition: driverstate.ConditionDamaged, Reason: "chunk 3 is missing"},
		{ID: idOther, Name: ptr("twin"), Condition: driverstate.ConditionPartial, Reason: "never finished"},
		{ID: "d07e5a17-1c41-42f3-825d-4c298457eb6d", Condition: driverstate.ConditionOrphaned, Reason: "its parent is gone"},
		{ID: "8b3d499c-9301-44d3-a41f-414bf2c5f6a5", Condition: driverstate.ConditionWhole, Managed: true},
	}
}

func TestManageAllTakesWhatItMayAndSkipsTheRest(t *testing.T) {
	f, b := &fake{store: storeOfAllKinds()}, newBench()
	o := manageOn(f, b)
	o.all = true
	require.NoError(t, runBackupManage(t.Context(), o))
	assert.Equal(t, []string{"manageable ", "manage " + idFull + " orphaned=false damaged=false"}, f.calls)
	assert.Contains(t, b.err.String(), "5 selected, 1 changed, 1 unchanged, 3 skipped, 0 failed")
}

func TestManageIncludesOnlyWhatItIsToldTo(t *testing.T) {
	f, b := &fake{store: storeOfAllKinds()}, newBench()
	o := manageOn(f, b)
	o.all, o.orphaned, o.damaged = true, true, true
	require.NoError(t, runBackupManage(t.Context(), o))
	assert.Len(t, f.calls, 4, "never the unfinished one")
}

func TestManageByNameRefusesWhatItMayNotTake(t *testing.T) {
	for _, c := range []struct {
		name, ref string
		code      int
		text      string
	}{
		{"damaged", idChild, 6, "--include-damaged"},
		{"unfinished", idOther, 6, "never finished"},
		{"unknown", "absent", 5, "the store holds none of this id or name"},
		{"name of two", "twin", 6, "several have this name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &fake{store: storeOfAllKinds()}, newBench()
			o := manageOn(f, b)
			o.refs = []string{c.ref}
			assert.Equal(t, c.code, exitCode(runBackupManage(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.text)
			assert.Len(t, f.calls, 1)
		})
	}
}
