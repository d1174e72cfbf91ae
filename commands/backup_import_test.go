package commands

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

func TestImportSendsParentsBeforeChildrenAndWaits(t *testing.T) {
	for _, parallel := range []int{1, 8} {
		f, b := &recordsFake{fake: fake{after: available(idFull, idChild, idOther)}}, newBench()
		in := lines(t, recordFor(t, idOther, idChild, "c"), recordFor(t, idChild, idFull, "b"), recordFor(t, idFull, "", "a"))
		o := importOn(f, b, in)
		o.par.n = parallel
		require.NoError(t, runBackupImport(t.Context(), o))
		assert.Equal(t, []string{"import " + idFull, "wait " + idFull, "import " + idChild, "wait " + idChild,
			"import " + idOther, "wait " + idOther}, f.calls)
		assert.Contains(t, b.err.String(), "3 selected, 3 changed")
		assert.Contains(t, b.err.String(), "warning: the cloud did not look at the data")
	}
}

func TestImportLeavesAloneWhatIsThere(t *testing.T) {
	f, b := &recordsFake{fake: fake{backups: available(idFull), after: available(idChild)}}, newBench()
	in := lines(t, recordFor(t, idFull, "", "base"), recordFor(t, idChild, idFull, "b"), recordFor(t, idFull, "", "base"))
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
	assert.Equal(t, []string{"import " + idChild, "wait " + idChild}, f.calls)
	assert.Contains(t, b.err.String(), "3 selected, 1 changed, 1 unchanged, 1 skipped, 0 failed")
	assert.NotContains(t, b.err.String(), "left alone")
}

func TestARowThatIsNotWhatTheRecordSaysIsAConflictThatIsTold(t *testing.T) {
	f, b := &recordsFake{fake: fake{backups: map[string]client.Backup{
		idFull:  {ID: idFull, Status: driverstate.StatusAvailable, VolumeID: "other", Size: 2},
		idOther: {ID: idOther, Status: driverstate.StatusError, VolumeID: recordVolume, Size: 1, FailReason: ptr("no such driver")},
	}}}, newBench()
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idOther, "", "b")))))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.out.String(), "conflict: the database has volume other instead of "+recordVolume+", size 2 instead of 1")
	assert.Contains(t, b.err.String(), "warning: backup "+idFull+": left alone, but it is not what the record says")
	assert.Contains(t, b.err.String(), "warning: backup "+idOther+": left alone, but it is error: no such driver")
}

func TestAnImportThatWasCutOffIsWaitedForAndNotRepeated(t *testing.T) {
	f, b := &recordsFake{fake: fake{after: available(idFull),
		backups: map[string]client.Backup{idFull: {ID: idFull, Status: driverstate.StatusCreating}}}}, newBench()
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, lines(t, recordFor(t, idFull, "", "a")))))
	assert.Equal(t, []string{"wait " + idFull}, f.calls)
	assert.Contains(t, b.out.String(), "unchanged available there already")
}

func TestImportDoesNotSendTheChildrenOfWhatFailed(t *testing.T) {
	f, b := &recordsFake{fake: fake{after: map[string]client.Backup{idFull: {ID: idFull, Status: driverstate.StatusError, FailReason: ptr("no such driver")}}}}, newBench()
	in := lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idChild, idFull, "b"))
	err := runBackupImport(t.Context(), importOn(f, b, in))
	assert.Equal(t, 4, exitCode(err), "both for the same reason")
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
			f, b := &recordsFake{}, newBench()
			err := runBackupImport(t.Context(), importOn(f, b, c.in))
			assert.Equal(t, 9, exitCode(err))
			assert.Empty(t, f.calls)
		})
	}
}

func TestRecordsThatStandOnEachOtherInACircleAreRefused(t *testing.T) {
	f, b := &recordsFake{fake: fake{after: available(idOther)}}, newBench()
	in := lines(t, recordFor(t, idFull, idChild, "a"), recordFor(t, idChild, idFull, "b"), recordFor(t, idOther, "", "c"))
	assert.Equal(t, 3, exitCode(runBackupImport(t.Context(), importOn(f, b, in))))
	assert.Equal(t, []string{"import " + idOther, "wait " + idOther}, f.calls)
	assert.Contains(t, b.err.String(), "its own ancestor")
}

func TestAnImportWhoseAnswerIsLostIsLookedForAndNotRepeated(t *testing.T) {
	for _, c := range []struct {
		name  string
		after []string // rows that are there when it is looked for
		done  bool
		text  string
	}{
		{"it took effect", []string{idFull}, true, "the answer was lost, but the row is there"},
		{"it did not", nil, false, "the answer was lost, and no row has its id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &recordsFake{fake: fake{after: available(idFull)}, answer: &client.Error{Status: http.StatusBadGateway, Message: "Bad Gateway"}}, newBench()
			o := importOn(&appearing{recordsFake: f, later: available(c.after...)}, b, lines(t, recordFor(t, idFull, "", "a")))
			err := runBackupImport(t.Context(), o)
			assert.Equal(t, c.done, err == nil)
			assert.Len(t, f.sent, 1, "sent once")
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

// appearing shows later rows once something was sent.
type appearing struct {
	*recordsFake
	later map[string]client.Backup
}

func (a *appearing) ShowBackup(ctx context.Context, id string) (client.Backup, error) {
	if len(a.sent) > 0 {
		a.backups = a.later
	}
	return a.recordsFake.ShowBackup(ctx, id)
}

func TestADryRunReadsAndSendsNothing(t *testing.T) {
	f, b := &recordsFake{}, newBench()
	o := importOn(f, b, lines(t, recordFor(t, idFull, "", "base"), recordFor(t, idChild, idFull, "b")))
	o.guard.dryRun = true
	require.NoError(t, runBackupImport(t.Context(), o))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.out.String(), "skipped - dry run: would be imported, 1 GiB")
	assert.Contains(t, b.err.String(), "2 selected, 0 changed, 0 unchanged, 2 skipped, 0 failed")
}

func TestTheCountOfDependentsIsThatOfTheDatabaseAfterwards(t *testing.T) {
	f, b := &recordsFake{fake: fake{after: available(idFull, idChild), backups: available(idOther),
		rows: rows{parent: map[string]string{idOther: idFull}}}}, newBench()
	in := lines(t, recordFor(t, idFull, "", "a"), recordFor(t, idChild, idFull, "b"))
	require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
	require.Len(t, f.sent, 2)
	assert.Equal(t, 2, f.sent[0].Backup.NumDependentBackups, "one that is there and one that comes")
	assert.Contains(t, b.out.String(), "num_dependent_backups is 2 instead of 0")

	engine := &recordsFake{engine: true, fake: fake{after: available(idFull, idChild)}}
	require.NoError(t, runBackupImport(t.Context(), importOn(engine, newBench(), in)))
	assert.Equal(t, 0, engine.sent[0].Backup.NumDependentBackups, "an engine counts by itself")
}

func TestABackupThatCameBackElsewhereIsTold(t *testing.T) {
	for _, c := range []struct {
		name, host, zone, took string
		want                   string
	}{
		{"its own host", "bak-a", "", "bak-a", ""},
		{"another host", "bak-a", "", "bak-b", "its record belongs to host bak-a, and another took it"},
		{"a host that is no more", "bak-old", "", "bak-b", ""},
		{"another zone", "", "az1", "bak-b", "its record belongs to zone az1, and a service of zone az2 took it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &recordsFake{up: services("bak-a az1", "bak-b az2"), fake: fake{after: available(idFull)}}, newBench()
			f.host = map[string]string{idFull: c.took}
			row := f.after[idFull]
			row.AvailabilityZone = ptr("az2")
			f.after[idFull] = row
			in := lines(t, with(t, recordFor(t, idFull, "", "a"), map[string]any{"host": orNil(c.host), "availability_zone": orNil(c.zone)}))
			require.NoError(t, runBackupImport(t.Context(), importOn(f, b, in)))
			if c.want == "" {
				assert.NotContains(t, b.err.String(), "its record belongs")
			} else {
				assert.Contains(t, b.err.String(), c.want)
			}
		})
	}
}

func TestImportRefusesWhatCannotBeMeant(t *testing.T) {
	for _, args := range [][]string{
		nil, {"one"}, {"a", "b", "--from", "x"}, {"--from", "x", "--map", "az"}, {"--from", "x", "--max", "-1"},
		{"--from", "x", "--parallel", "0"}, {"--from", "x", "--timeout", "-1s"},
	} {
		_, err := parse(t, newBackupImport, nil, append([]string{"backup-import"}, args...)...)
		assert.Equal(t, 2, exitCode(err), args)
	}
	o, err := parse(t, newBackupImport, nil, "backup-import", "--from", "x", "--map", "az=a:b", "--map", "host=c:d", "--project", "p")
	require.NoError(t, err)
	assert.Len(t, o.maps, 2)
	assert.Equal(t, "p", o.project)
}
