package commands

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

func exportable(t *testing.T) *recordsFake {
	return &recordsFake{fake: fake{backups: available(idFull, idChild), records: map[string]client.Record{
		idFull: recordFor(t, idFull, "", "a"), idChild: recordFor(t, idChild, idFull, "b")}}}
}

func everything(o *exportOptions) *exportOptions {
	o.sel.allProjects = true
	return o
}

func TestExportWritesWhatImportReadsBack(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", filepath.Join(dir, "records.jsonl"), filepath.Join(dir, "records") + "/"} {
		b := newBench()
		require.NoError(t, runBackupExport(t.Context(), everything(exportOn(exportable(t), b, path))))
		from := path
		if path == "" {
			from = "-"
		}
		got, err := readRecords(from, bytes.NewReader(b.out.Bytes()))
		require.NoError(t, err)
		require.Len(t, got, 2)
		if path != "" {
			assert.Equal(t, 2, strings.Count(b.out.String(), " changed available"), "the report")
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

func TestAnIncrementIsExportedWithWhatItStandsOn(t *testing.T) {
	for _, noChain := range []bool{false, true} {
		f, b := exportable(t), newBench()
		f.backups[idOther] = client.Backup{ID: idOther, Status: driverstate.StatusAvailable}
		o := exportOn(f, b, "")
		o.sel.refs, o.noChain = []string{idChild}, noChain
		require.NoError(t, runBackupExport(t.Context(), o))
		got, err := readRecords("-", bytes.NewReader(b.out.Bytes()))
		require.NoError(t, err)
		if noChain {
			require.Len(t, got, 1)
			continue
		}
		require.Len(t, got, 2, "and nothing else")
		assert.Equal(t, f.records[idFull].BackupURL, got[0].BackupURL, "the parent first, though it was asked for last")
		assert.Contains(t, b.err.String(), "2 selected, 2 changed")
	}
}

func TestAChainWithoutItsBaseIsToldNotHidden(t *testing.T) {
	for _, c := range []struct {
		name string
		base client.Backup
		err  map[string]error
		text string
	}{
		{"no row", client.Backup{}, nil, "backup " + idFull + ": not there; " + idChild + " stands on it"},
		{"not available", client.Backup{ID: idFull, Status: driverstate.StatusError},
			map[string]error{"export " + idFull: driverstate.Fail(driverstate.ErrInvalidStatus, "status must be available and not error")}, "must be available and not error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := exportable(t), newBench()
			f.err = c.err
			delete(f.backups, idFull)
			if c.base.ID != "" {
				f.backups[idFull] = c.base
			}
			o := exportOn(f, b, "")
			o.sel.refs = []string{idChild}
			assert.Equal(t, 3, exitCode(runBackupExport(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.text)
			assert.Contains(t, b.err.String(), "backup "+idChild+": exported, but "+idFull+", which it stands on, was not")
			assert.Equal(t, 1, strings.Count(b.out.String(), "\n"))
		})
	}
}

func TestExportOfAllLeavesOutWhatHasNoRecord(t *testing.T) {
	f, b := exportable(t), newBench()
	f.backups[idOther] = client.Backup{ID: idOther, Status: driverstate.StatusError}
	require.NoError(t, runBackupExport(t.Context(), everything(exportOn(f, b, ""))))
	assert.Contains(t, b.err.String(), "warning: backup "+idOther+": left out: it is error")
	assert.Contains(t, b.err.String(), "3 selected, 2 changed, 0 unchanged, 1 skipped, 0 failed")
	assert.Equal(t, 2, strings.Count(b.out.String(), "\n"))
}

// Cinder writes updated_at whenever it exports a record, and so may not count.
func TestAFileIsRewrittenOnlyWhenItsRecordSaysSomethingElse(t *testing.T) {
	dir := t.TempDir()
	f := exportable(t)
	export := func() *bench {
		b := newBench()
		require.NoError(t, runBackupExport(t.Context(), everything(exportOn(f, b, dir))))
		return b
	}
	export()
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	path := filepath.Join(dir, idFull+".json")
	require.NoError(t, os.Chtimes(path, long, long))
	f.records[idFull] = with(t, f.records[idFull], map[string]any{"updated_at": "2026-11-21T11:35:59Z"})
	f.records[idChild] = with(t, f.records[idChild], map[string]any{"display_name": "renamed"})
	b := export()
	assert.Contains(t, b.out.String(), idFull+" - unchanged available")
	assert.Contains(t, b.out.String(), idChild+" - changed available")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, info.ModTime().Equal(long), "untouched")
}

func TestTheRecordOfABackupThatIsGoneIsLeftAndNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, idOther+".json")
	require.NoError(t, os.WriteFile(path, []byte(lines(t, recordFor(t, idOther, "", "old"))), 0o600))
	b := newBench()
	require.NoError(t, runBackupExport(t.Context(), everything(exportOn(exportable(t), b, dir))))
	assert.Contains(t, b.err.String(), idOther+".json: left alone; no backup has this id any more")
	assert.FileExists(t, path)

	b = newBench()
	o := exportOn(exportable(t), b, dir)
	o.sel.refs = []string{idFull}
	require.NoError(t, runBackupExport(t.Context(), o))
	assert.NotContains(t, b.err.String(), "left alone", "one who asks for some knows nothing of the others")
}

func TestAFailedExportLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	f := &recordsFake{fake: fake{backups: available(idFull), err: map[string]error{"export " + idFull: driverstate.ErrServiceDown}}}
	o := exportOn(f, newBench(), filepath.Join(dir, "records.jsonl"))
	o.sel.refs = []string{idFull}
	assert.Equal(t, 8, exitCode(runBackupExport(t.Context(), o)))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAFileOfRecordsIsNotReplacedByOneThatLacksSome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("yesterday's\n"), 0o600))
	f, b := exportable(t), newBench()
	f.err = map[string]error{"export " + idChild: driverstate.ErrServiceDown}
	err := runBackupExport(t.Context(), everything(exportOn(f, b, path)))
	assert.Equal(t, 6, exitCode(err))
	assert.ErrorContains(t, err, "left as it was, because 1 backup could not be exported now")
	text, readErr := os.ReadFile(path)
	require.NoError(t, readErr)
	assert.Equal(t, "yesterday's\n", string(text))
	assert.Contains(t, b.err.String(), "2 selected, 1 changed, 0 unchanged, 0 skipped, 1 failed")
}

// A backup that is restoring or in error for a night has no record then, and the
// file still has the one of the night before.
func TestAFileOfRecordsIsNotReplacedByOneThatLeavesOutWhatItHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.jsonl")
	f := exportable(t)
	f.backups[idOther], f.records[idOther] = client.Backup{ID: idOther, Status: driverstate.StatusError}, recordFor(t, idOther, "", "c")
	export := func() (*bench, error) {
		b := newBench()
		err := runBackupExport(t.Context(), everything(exportOn(f, b, path)))
		return b, err
	}
	_, err := export()
	require.NoError(t, err, "what the file never had, it does not lose")
	set := func(id string, status driverstate.Status) {
		row := f.backups[id]
		row.Status = status
		f.backups[id] = row
	}
	set(idOther, driverstate.StatusAvailable)
	_, err = export()
	require.NoError(t, err)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 3, bytes.Count(before, []byte("\n")))

	set(idOther, driverstate.StatusRestoring)
	b, err := export()
	assert.Equal(t, 6, exitCode(err))
	assert.ErrorContains(t, err, path+": left as it was, because it has records of backups that have none now: "+idOther)
	assert.Contains(t, b.err.String(), "3 selected, 2 changed, 0 unchanged, 1 skipped, 0 failed")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	delete(f.backups, idOther)
	_, err = export()
	require.NoError(t, err, "one that is gone needs no record")
	after, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(after, []byte("\n")))
}

func TestAnIncrementWhoseBaseHasNoRecordIsAFailureAlsoOfAll(t *testing.T) {
	f, b := exportable(t), newBench()
	f.backups[idFull] = client.Backup{ID: idFull, Status: driverstate.StatusError}
	assert.Equal(t, 3, exitCode(runBackupExport(t.Context(), everything(exportOn(f, b, "")))))
	assert.Contains(t, b.err.String(), "backup "+idFull+": it is error, and only available backups have records; "+idChild+" stands on it")
	assert.Contains(t, b.err.String(), "2 selected, 1 changed, 0 unchanged, 0 skipped, 1 failed")
	assert.Equal(t, 1, strings.Count(b.out.String(), "\n"), "the increment is there all the same")

	b = newBench()
	o := everything(exportOn(f, b, ""))
	o.noChain = true
	require.NoError(t, runBackupExport(t.Context(), o), "who wants no chains needs no base")
}

func TestExportSelects(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		ok   bool
	}{
		{"nothing", nil, false},
		{"a directory alone", []string{"--output", "x/"}, false},
		{"all", []string{"--all"}, true},
		{"all projects", []string{"--all-projects"}, true},
		{"a filter", []string{"--status", "available"}, true},
		{"one by name", []string{"nightly"}, true},
		{"all and one", []string{"--all", "nightly"}, false},
		{"a filter and one", []string{"--status", "available", "nightly"}, false},
		{"chain and no chain", []string{"nightly", "--chain", "--no-chain"}, false},
		{"a column of the report, without one", []string{"--all", "-c", "detail"}, false},
		{"a column of the report", []string{"--all", "--output", "x/", "-c", "detail"}, true},
		{"no parallel", []string{"--all", "--parallel", "0"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, newBackupExport, nil, append([]string{"backup-export"}, c.args...)...)
			if c.ok {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, 2, exitCode(err))
		})
	}
}

func TestExportInTwoWords(t *testing.T) {
	f, b := exportable(t), newBench()
	o := everything(exportOn(f, b, ""))
	o.open = func() (recordSink, error) {
		return &viewSink{print: output.Printer{Format: output.Value, Columns: []string{"backup_service"}, Out: b.out}.Print}, nil
	}
	require.NoError(t, runBackupExport(t.Context(), o))
	assert.Equal(t, posixService+"\n"+posixService+"\n", b.out.String())
}
