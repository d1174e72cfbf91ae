package commands

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/prompt"
	"github.com/cinder-go/cinder-go/driverstate"
)

func day(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }

func chainOfTwo() map[string]client.Backup {
	return map[string]client.Backup{
		idFull:  {ID: idFull, Name: ptr("nightly"), Status: driverstate.StatusError, Size: 1, CreatedAt: day(1)},
		idChild: {ID: idChild, Name: ptr("increment"), Status: driverstate.StatusDeleting, Size: 1, CreatedAt: day(2)},
	}
}

func forceDeleteOn(f *fake, b *bench, p prompt.Prompter, yes bool) *deleteOptions {
	return &deleteOptions{
		con: b.con, print: b.print, now: func() time.Time { return day(9) }, verb: "backup-force-delete", force: true,
		par: parallelFlags{1}, anyHost: true, target: func(identified) string { return "here" },
		client:  func(context.Context) (deleteClient, error) { return f, nil },
		confirm: func(what string, n int) error { return confirm(p, yes, what, n) },
	}
}

func TestForceDeleteDeletesIncrementsBeforeTheirParentsAndWaits(t *testing.T) {
	f, b := &fake{backups: chainOfTwo(), rows: rows{parent: map[string]string{idChild: idFull}}}, newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"nightly", idChild, idFull}
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete " + idChild, "wait-gone " + idChild, "force-delete " + idFull, "wait-gone " + idFull}, f.calls)
	assert.Equal(t, idChild+" increment changed deleted deleted\n"+idFull+" nightly changed deleted deleted\n", b.out.String())
	assert.Equal(t, "backup-force-delete: 2 selected, 2 changed, 0 unchanged, 0 skipped, 0 failed\n", b.err.String())
}

func TestForceDeleteAsksAndTakesNoForAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name     string
		refs     []string
		prompt   *fakePrompt
		code     int
		question string
	}{
		{"one, declined", []string{"nightly"}, &fakePrompt{}, 10, "Delete backup " + idFull + " (nightly, error, 1 GiB), data and row?"},
		{"several, miscounted", []string{idFull, idChild}, &fakePrompt{}, 10, "Delete 2 backups, data and rows. [2]"},
		{"no terminal", []string{"nightly"}, &fakePrompt{err: prompt.ErrNoTerminal}, 2, ""},
		{"Ctrl-C", []string{"nightly"}, &fakePrompt{err: prompt.ErrInterrupted}, 130, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &fake{backups: chainOfTwo()}, newBench()
			o := forceDeleteOn(f, b, c.prompt, false)
			o.sel.refs = c.refs
			err := runBackupDelete(t.Context(), o)
			assert.Equal(t, c.code, exitCode(err))
			if c.code == 2 {
				assert.ErrorContains(t, err, "--yes")
			}
			if c.question != "" {
				assert.Equal(t, []string{c.question}, c.prompt.asked)
			}
			assert.Empty(t, f.calls, "nothing was sent")
		})
	}
}

func TestForceDeleteGoesOnAfterYes(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	o := forceDeleteOn(f, b, &fakePrompt{yes: true}, false)
	o.sel.refs = []string{"nightly"}
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Len(t, f.calls, 2)
}

func TestDryRunOnlyReadsAndDoesNotAsk(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	p := &fakePrompt{}
	o := forceDeleteOn(f, b, p, false)
	o.sel.refs, o.guard.dryRun = []string{"nightly"}, true
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Empty(t, f.calls)
	assert.Empty(t, p.asked)
	assert.Contains(t, b.out.String(), "skipped error dry run: would be deleted")
}

func TestSomeDeletedSomeNotIsExitThree(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	f.err = map[string]error{"force-delete " + idChild: driverstate.Fail(driverstate.ErrForbidden, "backup "+idChild+": not yours")}
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{idFull, idChild, "absent"}
	err := runBackupDelete(t.Context(), o)
	assert.Equal(t, 3, exitCode(err))
	assert.Contains(t, b.err.String(), "error: backup absent: not there")
	assert.Contains(t, b.err.String(), "error: backup "+idChild+": not yours")
	assert.Contains(t, b.err.String(), "3 selected, 1 changed, 0 unchanged, 0 skipped, 2 failed")
}

func TestForceDeleteThatDoesNotEndIsExitFour(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	f.err = map[string]error{"wait-gone " + idFull: context.DeadlineExceeded}
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.wait.timeout = []string{idFull}, time.Nanosecond
	err := runBackupDelete(t.Context(), o)
	assert.Equal(t, 4, exitCode(err))
	assert.ErrorContains(t, err, "still under way after 1ns")
}

func TestNoWaitEndsWhenTheRequestIsAccepted(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.wait.noWait = []string{idFull}, true
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete " + idFull}, f.calls)
	assert.Contains(t, b.out.String(), "deleting accepted")
}

func TestABackupThatOnlyTheStoreHasIsHintedAt(t *testing.T) {
	f, b := &fake{store: []client.Manageable{{ID: idFull, Name: ptr("nightly")}, {ID: idOther, Managed: true}}}, newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"nightly"}
	assert.Equal(t, 5, exitCode(runBackupDelete(t.Context(), o)))
	assert.Contains(t, b.err.String(), "hint: the store holds it: cinder-go backup-manage "+idFull)
	for condition, want := range map[driverstate.Condition]string{
		driverstate.ConditionDamaged:  "cinder-go backup-manage --include-damaged " + idFull,
		driverstate.ConditionOrphaned: "cinder-go backup-manage --include-orphaned " + idFull,
		driverstate.ConditionPartial:  "it was never finished: other backups of the volume may be whole",
	} {
		f.store[0].Condition, b = condition, newBench()
		o = forceDeleteOn(f, b, nil, true)
		o.sel.refs = []string{"nightly"}
		assert.Equal(t, 5, exitCode(runBackupDelete(t.Context(), o)))
		assert.Contains(t, b.err.String(), "hint: the store holds it: "+want, condition)
	}
}

func resetOn(f *fake, b *bench, to driverstate.Status, refs ...string) *resetStateOptions {
	now := day(9)
	return &resetStateOptions{
		con: b.con, print: b.print, state: to, sel: selectionFlags{refs: refs}, par: parallelFlags{1},
		target: func(identified) string { return "here" },
		now:    func() time.Time { now = now.Add(2 * time.Second); return now },
		client: func(context.Context) (resetStateClient, error) { return f, nil },
	}
}

func TestResetWaitsForTheOutcome(t *testing.T) {
	for _, c := range []struct {
		name   string
		to     driverstate.Status
		after  client.Backup
		code   int
		stderr string
	}{
		{"reached", driverstate.StatusAvailable, client.Backup{ID: idChild, Status: driverstate.StatusAvailable}, 0, "1 changed"},
		{"refused by the data", driverstate.StatusAvailable,
			client.Backup{ID: idChild, Status: driverstate.StatusError, FailReason: ptr("chunk 3 is missing")}, 4,
			"backup " + idChild + ": is error, not available: chunk 3 is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &fake{backups: chainOfTwo(), after: map[string]client.Backup{idChild: c.after}}, newBench()
			err := runBackupResetState(t.Context(), resetOn(f, b, c.to, "increment"))
			assert.Equal(t, c.code, exitCode(err))
			assert.Equal(t, []string{"reset " + idChild + " available", "wait " + idChild}, f.calls)
			assert.Contains(t, b.err.String(), c.stderr)
		})
	}
}

func TestResetToTheStatusItHasSendsNothing(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	require.NoError(t, runBackupResetState(t.Context(), resetOn(f, b, driverstate.StatusError, idFull)))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.err.String(), "1 unchanged")
}

func TestWhatIsTakenForTheOutcomeOfAReset(t *testing.T) {
	before := client.Backup{Status: driverstate.StatusError, FailReason: ptr("old"), UpdatedAt: day(1)}
	with := func(change func(*client.Backup)) client.Backup { b := before; change(&b); return b }
	for _, c := range []struct {
		name  string
		b     client.Backup
		since time.Duration
		want  bool
	}{
		{"the status asked for", with(func(b *client.Backup) { b.Status = driverstate.StatusAvailable }), 0, true},
		{"nothing yet", before, time.Second, false},
		{"nothing for long", before, settleSilent, true},
		{"another reason", with(func(b *client.Backup) { b.FailReason = ptr("chunk 3 is missing") }), 0, true},
		{"the same reason, just written", with(func(b *client.Backup) { b.UpdatedAt = day(2) }), 0, false},
		{"the same reason, written a while ago", with(func(b *client.Backup) { b.UpdatedAt = day(2) }), settleWritten, true},
		{"on the way to something else", with(func(b *client.Backup) { b.Status = driverstate.StatusDeleting }), time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, settled(before, c.b, driverstate.StatusAvailable, c.since))
		})
	}
}

// An engine reads all the data first, for as long as that takes; a row that is
// written meanwhile, as when an increment comes or goes, is no outcome.
func TestTheProofOfAnEngineIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		before driverstate.Status
		b      client.Backup
		want   bool
	}{
		{"available", driverstate.StatusError, client.Backup{Status: driverstate.StatusAvailable}, true},
		{"still reading", driverstate.StatusError, client.Backup{Status: driverstate.StatusError, UpdatedAt: day(2)}, false},
		{"still reading one that was creating", driverstate.StatusCreating, client.Backup{Status: driverstate.StatusCreating, UpdatedAt: day(2)}, false},
		{"not whole", driverstate.StatusError, client.Backup{Status: driverstate.StatusError, FailReason: ptr("old")}, true},
		{"somebody else reset it", driverstate.StatusCreating, client.Backup{Status: driverstate.StatusError}, true},
		{"somebody deletes it", driverstate.StatusError, client.Backup{Status: driverstate.StatusDeleting, FailReason: ptr("old")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, proved(client.Backup{Status: c.before, FailReason: ptr("old"), UpdatedAt: day(1)}, c.b))
		})
	}
}
