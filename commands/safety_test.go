package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// chain is a full backup, an increment on it, and one on that, of another
// project than the caller's.
func chain(n int) *fake {
	f := &fake{backups: map[string]client.Backup{}, rows: rows{parent: map[string]string{}, host: map[string]string{}}}
	for i := range n {
		id := fmt.Sprintf("c%d", i)
		f.backups[id] = client.Backup{ID: id, Name: ptr("n" + id), Status: driverstate.StatusAvailable, VolumeID: "v", Size: 1,
			IsIncremental: i > 0, CreatedAt: day(i + 1), ProjectID: fmt.Sprintf("p%d", i)}
		f.host[id] = "node1"
		if i > 0 {
			f.parent[id] = fmt.Sprintf("c%d", i-1)
		}
	}
	return f
}

func TestALiveBaseIsNotDeletedWhoeverOwnsWhatStandsOnIt(t *testing.T) {
	for _, verb := range []string{"backup-delete", "backup-force-delete"} {
		t.Run(verb, func(t *testing.T) {
			f, b := chain(2), newBench()
			o := forceDeleteOn(f, b, nil, true)
			o.verb, o.force, o.sel.refs = verb, verb == "backup-force-delete", []string{"c0"}
			assert.Equal(t, 6, exitCode(runBackupDelete(t.Context(), o)))
			assert.Empty(t, f.calls, "nothing was sent")
			assert.Contains(t, b.err.String(), "backup c0: not deleted: 1 backup stands on it, and could not be restored any more: c1 (available, of project p1)")
			assert.Contains(t, b.err.String(), "hint: look: cinder-go backup-chain c0; delete those as well, leaf first: cinder-go "+verb+" --cascade c0")
		})
	}
}

func TestWhatStandsBetweenStaysWhenTheLeafStays(t *testing.T) {
	f, b := chain(3), newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"c0", "c1"}
	assert.Equal(t, 6, exitCode(runBackupDelete(t.Context(), o)))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.err.String(), "backup c0: not deleted: 1 backup stands on it")
	assert.Contains(t, b.err.String(), "backup c1: not deleted: 1 backup stands on it")
}

func TestCascadeDeletesLeafFirstAlsoInParallel(t *testing.T) {
	f, b := chain(4), newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.cascade, o.par.n = []string{"c1"}, true, 8
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete c3", "wait-gone c3", "force-delete c2", "wait-gone c2", "force-delete c1", "wait-gone c1"}, f.calls)
	assert.Contains(t, b.err.String(), "--cascade adds 2 backups: c2, c3")
	assert.Contains(t, b.err.String(), "3 selected, 3 changed")
}

func TestWhenALeafCannotBeDeletedItsBaseStays(t *testing.T) {
	f, b := chain(3), newBench()
	f.err = map[string]error{"force-delete c2": driverstate.Fail(driverstate.ErrForbidden, "backup c2: not yours")}
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.cascade, o.par.n = []string{"c0"}, true, 2
	require.Error(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete c2"}, f.calls)
	assert.Contains(t, b.err.String(), "backup c1: not deleted: c2, which stands on it, is still there")
	assert.Contains(t, b.err.String(), "backup c0: not deleted: c1, which stands on it, is still there")
}

// Rows can be damaged like that, and each would wait for the other.
func TestBackupsThatStandOnEachOtherDoNotWaitForEver(t *testing.T) {
	f, b := chain(3), newBench()
	f.parent["c0"] = "c1"
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"c0", "c1", "c2"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, runBackupDelete(ctx, o))
	assert.Equal(t, []string{"force-delete c2", "wait-gone c2"}, f.calls[:2], "what stands on them still goes first")
	assert.Len(t, f.calls, 6)
}

func TestATenantLeavesTheDependentsToTheServer(t *testing.T) {
	f, b := chain(2), newBench()
	f.asTenant = driverstate.Fail(driverstate.ErrForbidden, "only an admin can ask for this")
	o := forceDeleteOn(f, b, nil, true)
	o.verb, o.force, o.sel.refs, o.par.n = "backup-delete", false, []string{"c0", "c1"}, 8
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"delete c1", "wait-gone c1", "delete c0", "wait-gone c0"}, f.calls, "the younger first, one at a time")
}

func TestDeleteRefusesAStatusThatNeedsForce(t *testing.T) {
	f, b := &fake{backups: chainOfTwo()}, newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.verb, o.force, o.sel.refs = "backup-delete", false, []string{idChild}
	assert.Equal(t, 6, exitCode(runBackupDelete(t.Context(), o)))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.err.String(), "not deleted: it is deleting, and must be available or error")
	assert.Contains(t, b.err.String(), "cinder-go backup-force-delete "+idChild)
}

func service(host, state string) client.Service {
	return client.Service{Binary: driverstate.BinaryBackup, Host: host, State: state, Status: "enabled", UpdatedAt: day(8)}
}

func TestForceDeleteDoesNotHangOnADeadHost(t *testing.T) {
	for _, c := range []struct {
		name     string
		host     string
		status   driverstate.Status
		services []client.Service
		code     int
		text     string
	}{
		{"up", "node1", driverstate.StatusCreating, []client.Service{service("node1", "up")}, 0, ""},
		{"down", "node1", driverstate.StatusCreating, []client.Service{service("node1", "down"), service("node2", "up")}, 8,
			"its host node1 is down (last heard of 24h0m0s ago)"},
		{"down, and resting", "node1", driverstate.StatusError, []client.Service{service("node1", "down"), service("node2", "up")}, 8,
			"hint: cinder-go backup-delete c0, which another service can do"},
		{"gone for good", "lost", driverstate.StatusCreating, []client.Service{service("node1", "up")}, 8,
			"its row names a host that is no cinder-backup of this cloud"},
		{"no host", "", driverstate.StatusCreating, []client.Service{service("node1", "up")}, 0, ""},
		{"nobody", "node1", driverstate.StatusCreating, []client.Service{service("node1", "down")}, 8, "no cinder-backup is up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := chain(1), newBench()
			row := f.backups["c0"]
			row.Status = c.status
			f.backups["c0"], f.host["c0"], f.services = row, c.host, c.services
			o := forceDeleteOn(f, b, nil, true)
			o.sel.refs, o.anyHost = []string{"c0"}, false
			assert.Equal(t, c.code, exitCode(runBackupDelete(t.Context(), o)), b.err.String())
			assert.Equal(t, c.code == 0, len(f.calls) > 0)
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

func TestAnAdminDoesNotLeaveATenantsObjectsInSwift(t *testing.T) {
	f, b := chain(1), newBench()
	f.driver = map[string]string{"c0": "cinder.backup.drivers.swift.SwiftBackupDriver"}
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.remote = []string{"c0"}, true
	assert.Equal(t, 6, exitCode(runBackupDelete(t.Context(), o)))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.err.String(), "leave its objects in that account")
	assert.Contains(t, b.err.String(), "--os-project-id p0")
	o.oneAccount = true
	require.NoError(t, runBackupDelete(t.Context(), o))

	f.driver["c0"], f.calls, o.oneAccount = "cinder.backup.drivers.posix.PosixBackupDriver", nil, false
	require.NoError(t, runBackupDelete(t.Context(), o))
}

func TestACloudTooOldToBeAskedByHostIsNotRefused(t *testing.T) {
	f, b := chain(1), newBench()
	f.services, f.asTenant = []client.Service{service("node1", "up")}, driverstate.Fail(driverstate.ErrNotSupported, "needs microversion 3.31")
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.anyHost = []string{"c0"}, false
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete c0", "wait-gone c0"}, f.calls)
}

func TestMoreThanMaxIsRefusedBeforeTheFirstCall(t *testing.T) {
	f, b := chain(3), newBench()
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs, o.guard.max = []string{"c2", "c1", "c0"}, 2
	err := runBackupDelete(t.Context(), o)
	assert.Equal(t, 6, exitCode(err))
	assert.ErrorContains(t, err, "3 would be changed, and --max is 2: nothing was done")
	assert.Empty(t, f.calls)
}

func TestADriverWithoutForcedDeletionIsTold(t *testing.T) {
	f, b := chain(1), newBench()
	f.err = map[string]error{"force-delete c0": driverstate.Fail(driverstate.ErrNotSupported, "backup c0: not supported")}
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"c0"}
	require.Error(t, runBackupDelete(t.Context(), o))
	assert.Contains(t, b.err.String(), "hint: the driver of its host has no forced deletion: cinder-go backup-reset-state --state error c0")
}

func TestAPlanIsAppliedToTheRowsThatAreAsItSays(t *testing.T) {
	f, b := chain(3), newBench()
	file := filepath.Join(t.TempDir(), "plan.json")
	o := forceDeleteOn(f, b, nil, false)
	o.sel.refs, o.guard.plan = []string{"c1", "c2"}, file
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Empty(t, f.calls, "a plan only reads")
	p, err := readPlan(file)
	require.NoError(t, err)
	require.Len(t, p.Rows, 2)
	assert.Equal(t, planRow{ID: "c2", Name: "nc2", VolumeID: "v", ProjectID: "p2", Size: 1, Status: "available"}, p.Rows[0])

	changed := f.backups["c1"]
	changed.UpdatedAt = day(5)
	f.backups["c1"] = changed
	apply := func(target string) error {
		remove := forceDeleteOn(f, b, nil, true)
		return runApply(t.Context(), &applyOptions{plan: p, path: file, remove: remove,
			target: func(context.Context) (string, error) { return target, nil }})
	}
	err = apply("elsewhere")
	assert.Equal(t, 6, exitCode(err))
	assert.ErrorContains(t, err, "was made for here, and this is elsewhere")
	assert.Empty(t, f.calls)

	assert.Equal(t, 3, exitCode(apply("here")))
	assert.Equal(t, []string{"force-delete c2", "wait-gone c2"}, f.calls)
	assert.Contains(t, b.err.String(), "backup c1: changed since the plan was made: it was available and is available, written 2026-03-05")

	delete(f.backups, "c2")
	assert.Equal(t, 3, exitCode(apply("here")))
	assert.Contains(t, b.out.String(), "c2 nc2 unchanged")
}

// What a plan was made with it is applied with, and what its hints tell can be
// said to apply as well.
func TestAPlanIsAppliedAsItWasMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan.json")
	world := func() *fake {
		f := chain(1)
		f.services = []client.Service{service("node1", "down"), service("node2", "up")}
		f.driver = map[string]string{"c0": "cinder.backup.drivers.swift.SwiftBackupDriver"}
		return f
	}
	for _, c := range []struct {
		name       string
		made, told bool
		code       int
		hint       string
	}{
		{name: "made with both", made: true},
		{name: "told both", told: true},
		{name: "neither", code: 8, hint: "--any-host asks all the same"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := world(), newBench()
			o := forceDeleteOn(f, b, nil, true)
			o.sel.refs, o.guard.plan, o.remote, o.anyHost, o.oneAccount = []string{"c0"}, file, true, true, true
			require.NoError(t, runBackupDelete(t.Context(), o))
			p, err := readPlan(file)
			require.NoError(t, err)
			if !c.made {
				p.AnyHost, p.SingleAccount = false, false
			}
			remove := forceDeleteOn(f, b, nil, true)
			remove.remote, remove.anyHost = true, false
			err = runApply(t.Context(), &applyOptions{plan: p, path: file, remove: remove, anyHost: c.told, oneAccount: c.told,
				target: func(context.Context) (string, error) { return "here", nil }})
			assert.Equal(t, c.code, exitCode(err), b.err.String())
			assert.Equal(t, c.code == 0, len(f.calls) > 0)
			assert.Contains(t, b.err.String(), c.hint)
		})
	}
	o, err := parse(t, newApply, nil, "apply", "--any-host", "--single-account", file)
	require.NoError(t, err)
	assert.True(t, o.anyHost && o.oneAccount)
}

func TestAPlanForAResetKeepsTheState(t *testing.T) {
	f, b := chain(1), newBench()
	f.after = map[string]client.Backup{"c0": {ID: "c0", Status: driverstate.StatusError}}
	file := filepath.Join(t.TempDir(), "plan.json")
	o := resetOn(f, b, driverstate.StatusError, "c0")
	o.guard.plan = file
	require.NoError(t, runBackupResetState(t.Context(), o))
	assert.Empty(t, f.calls)
	p, err := readPlan(file)
	require.NoError(t, err)
	asked := &fakePrompt{}
	apply := func() error {
		reset := resetOn(f, b, "")
		reset.confirm = func(what string, n int) error { return confirm(asked, false, what, n) }
		return runApply(t.Context(), &applyOptions{plan: p, reset: reset, target: func(context.Context) (string, error) { return "here", nil }})
	}
	assert.Equal(t, 10, exitCode(apply()))
	assert.Equal(t, []string{"Set the status of 1 backup to error?"}, asked.asked, "who applies a plan may not have made it")
	assert.Empty(t, f.calls)
	asked.yes = true
	require.NoError(t, apply())
	assert.Equal(t, []string{"reset c0 error", "wait c0"}, f.calls)
}

// No rows at all would be a selection of nothing, which is every backup.
func TestAPlanWithoutRowsIsDamagedAndOneOfNoRowsDoesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan.json")
	for _, rows := range []string{"", `,"rows":null`} {
		require.NoError(t, os.WriteFile(file, []byte(`{"version":1,"verb":"backup-delete","target":"here"`+rows+`}`), 0o600))
		_, err := readPlan(file)
		assert.Equal(t, 9, exitCode(err), rows)
		assert.ErrorContains(t, err, "plan "+file+": it has no rows")
	}
	require.NoError(t, os.WriteFile(file, []byte(`{"version":1,"verb":"backup-delete","target":"here","rows":[{"id":"a"},{"id":"a"}]}`), 0o600))
	_, err := readPlan(file)
	assert.Equal(t, 9, exitCode(err))
	assert.ErrorContains(t, err, "backup a is in it twice")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":1,"verb":"backup-delete","target":"here","rows":[]}`), 0o600))
	p, err := readPlan(file)
	require.NoError(t, err)
	f, b := chain(2), newBench()
	require.NoError(t, runApply(t.Context(), &applyOptions{plan: p, path: file, remove: forceDeleteOn(f, b, nil, true),
		target: func(context.Context) (string, error) { return "here", nil }}))
	assert.Empty(t, f.calls)
	assert.Contains(t, b.err.String(), "0 selected")
}

func TestAPlanThatIsNoneIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "x", "another version": `{"version":2}`, "an unknown member": `{"version":1,"surprise":true}`,
	} {
		file := filepath.Join(t.TempDir(), "plan.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := readPlan(file)
		assert.Error(t, err, name)
	}
	_, err := readPlan(filepath.Join(t.TempDir(), "absent"))
	assert.Equal(t, 2, exitCode(err))
}

func TestAResetThatACloudSwallowsIsTold(t *testing.T) {
	f, b := chain(1), newBench()
	f.untaken = map[string]bool{"c0": true}
	f.after = map[string]client.Backup{"c0": f.backups["c0"]}
	o := resetOn(f, b, driverstate.StatusError, "c0")
	start := day(9)
	o.remote, o.now = true, func() time.Time { start = start.Add(5 * time.Second); return start }
	assert.Equal(t, 4, exitCode(runBackupResetState(t.Context(), o)))
	assert.Contains(t, b.err.String(), "no backup service ever took it")
	assert.Contains(t, b.err.String(), "cinder-go backup-force-delete c0 removes it")
}

func TestAuditLinesTellWhoDidWhatAndWhatCameOfIt(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{"HOME": home, "USER": "ops", "CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": "posix://" + unpacked(t)}
	code, _, errOut := invoke(t, env, "backup-manage", "--all")
	require.Equal(t, 0, code, errOut)
	code, _, errOut = invoke(t, env, "backup-reset-state", "--state", "error", "root-disk")
	require.Equal(t, 0, code, errOut)
	text, err := os.ReadFile(filepath.Join(home, ".local/state/cinder-go/audit.jsonl"))
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(home, ".local/state/cinder-go/audit.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	var request, outcome auditLine
	for line := range strings.Lines(string(text)) {
		var l auditLine
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		switch {
		case l.Verb != "backup-reset-state":
		case l.Type == "request":
			request = l
		case l.Type == "outcome":
			outcome = l
		}
	}
	assert.Equal(t, "os-reset_status", request.Action)
	assert.Equal(t, 202, request.Status)
	assert.Equal(t, "ops", request.LocalUser)
	assert.Equal(t, env["CINDER_GO_STORE"], request.Target)
	assert.Equal(t, []string{request.RequestID}, outcome.RequestIDs)
	require.NotNil(t, outcome.Before)
	require.NotNil(t, outcome.After)
	assert.Equal(t, driverstate.StatusAvailable, outcome.Before.Status)
	assert.Equal(t, driverstate.StatusError, outcome.After.Status)
}

func TestWithoutTheAuditLogThatWasAskedForNothingIsWritten(t *testing.T) {
	env := map[string]string{"HOME": t.TempDir(), "CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": "posix://" + unpacked(t)}
	code, _, errOut := invoke(t, env, "backup-manage", "--all", "--audit-log", "/proc/nowhere/audit.jsonl")
	assert.NotEqual(t, 0, code)
	assert.Contains(t, errOut, "audit log")
	code, out, _ := invoke(t, env, "backup-list", "-f", "value", "-c", "id")
	assert.Equal(t, 0, code)
	assert.Empty(t, out)
}

func TestLostAnswersAreLookedAfterNotRepeated(t *testing.T) {
	lost := &client.Error{Status: 504, Message: "gateway time-out"}
	f, b := chain(1), newBench()
	f.err = map[string]error{"force-delete c0": lost}
	o := forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"c0"}
	require.Error(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete c0"}, f.calls)
	assert.Contains(t, b.err.String(), "the answer was lost, and the backup is still available")

	f, b = chain(1), newBench()
	row := f.backups["c0"]
	row.Status = driverstate.StatusDeleting
	f.backups["c0"] = row
	f.err = map[string]error{"force-delete c0": lost}
	o = forceDeleteOn(f, b, nil, true)
	o.sel.refs = []string{"c0"}
	require.NoError(t, runBackupDelete(t.Context(), o))
	assert.Equal(t, []string{"force-delete c0", "wait-gone c0"}, f.calls)
	assert.False(t, client.Lost(errors.New("x")))
}
