package commands

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// holds puts a backup into the store of the ward.
func (w *ward) holds(id string, c driverstate.Condition) *ward {
	w.store = append(w.store, client.Manageable{ID: id, VolumeID: "vol-1", Condition: c, ProjectID: "demo", CreatedAt: midnight.Add(-time.Hour)})
	return w
}

func TestRowsAndStoreAreComparedInBothDirections(t *testing.T) {
	const url = "posix:///srv/backup"
	engine := "cinder-go --standalone --store " + url + " "
	for _, c := range []struct {
		name  string
		ward  *ward
		cause string // of the only finding; empty for none
		next  []string
	}{
		{"a row and its data", healthy().row("b", "available", time.Hour).holds("b", "whole"), "", nil},
		{"data without a row", healthy().holds("b", "whole"), "no-row",
			[]string{engine + "backup-manage b", engine + "backup-export --output recovered-records/ b", "cinder-go backup-import --from recovered-records/"}},
		{"part of one without a row", healthy().holds("b", "partial"), "no-row-partial", []string{engine + "backup-manageable-list -f json"}},
		{"an orphan without a row", healthy().holds("b", "orphaned"), "no-row-orphaned", []string{engine + "backup-verify b"}},
		{"a row without data, its neighbour there", healthy().row("a", "available", time.Hour).holds("a", "whole").row("b", "available", time.Hour),
			"data-missing", []string{"cinder-go backup-reset-state --state error b", "cinder-go backup-create vol-1"}},
		{"a row whose data is damaged", healthy().row("b", "available", time.Hour).holds("b", "damaged"), "data-damaged",
			[]string{engine + "backup-verify b", "cinder-go backup-create vol-1"}},
		{"creating, and whole", healthy().row("b", "creating", time.Hour).holds("b", "whole"), "whole-but-creating",
			[]string{"cinder-go --store " + url + " backup-reset-state --state available b"}},
		{"creating just now", healthy().row("b", "creating", time.Second).holds("b", "whole"), "", nil},
		{"error, and whole", healthy().row("b", "error", time.Hour).holds("b", "whole"), "whole-but-error",
			[]string{"cinder-go --store " + url + " backup-reset-state --state available b"}},
		{"error, and in part", healthy().row("b", "error", time.Hour).holds("b", "partial"), "failed", []string{"cinder-go backup-delete --yes b"}},
		{"whole, of a row that a reset does not move", func() *ward {
			w := healthy().row("b", "error", time.Hour).holds("b", "whole")
			w.driver["b"] = "-"
			return w
		}(), "whole-but-error", []string{engine + "backup-manage b", engine + "backup-export --output recovered-records/ b",
			"cinder-go backup-force-delete --yes b", "cinder-go backup-import --from recovered-records/"}},
		{"rows of another driver", func() *ward {
			w := healthy().row("b", "available", time.Hour)
			w.driver["b"] = "swift"
			return w
		}(), "", nil},
		{"rows of another host with a store of its own", func() *ward {
			w := healthy().row("a", "available", time.Hour).holds("a", "whole").row("b", "available", time.Hour)
			w.services = append(w.services, wardService("cinder-backup", "bak-2", "up"))
			w.host["b"] = "bak-2"
			return w
		}(), "", nil},
		{"another store altogether", healthy().row("b", "available", time.Hour), "store-is-another", []string{engine + "backup-manageable-list"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := c.ward.examine(t, true)
			if c.cause == "" {
				assert.Empty(t, list)
				return
			}
			require.Len(t, list, 1, "%v", list)
			assert.Equal(t, c.cause, list[0].cause)
			assert.Equal(t, c.next, commandsOf(list[0].next))
			typable(t, list[0].next)
		})
	}
}

// A look at a large store takes a while, and the cloud goes on.
func TestWhatMovedWhileTheStoreWasReadIsNotJudged(t *testing.T) {
	for name, w := range map[string]*ward{
		"a backup is made":                        healthy().row("b", "creating", time.Second),
		"a backup is made, half of which is seen": healthy().row("b", "creating", time.Second).holds("b", "partial"),
		"a backup is made from its beginning":     healthy(),
		"a backup is deleted":                     healthy().row("b", "available", time.Hour).holds("b", "whole"),
		"a backup is deleted, half of it is seen": healthy().row("b", "deleting", time.Second).holds("b", "partial"),
	} {
		t.Run(name, func(t *testing.T) {
			w.row("a", "available", time.Hour).holds("a", "whole")
			w.meanwhile = func() {
				w.backups = slices.DeleteFunc(w.backups, func(b client.Backup) bool { return b.ID == "b" })
				if strings.Contains(name, "made") {
					w.row("b", "available", 0)
				}
			}
			assert.Empty(t, w.examine(t, true))
		})
	}
}

func TestTheExitCodeSaysWhetherAllWasLookedAt(t *testing.T) {
	forbidden := driverstate.Fail(driverstate.ErrForbidden, "not for you")
	silent := driverstate.Fail(driverstate.ErrUnavailable, "no answer")
	for _, c := range []struct {
		name string
		ward *ward
		err  map[string]error
		code int
		says string
	}{
		{"nothing found", healthy(), nil, 0, "doctor: 0 found"},
		{"found", healthy().row("b", "error", time.Hour), nil, 1, "doctor: 1 found"},
		{"may not see all", healthy(), map[string]error{"services": forbidden, "clusters": forbidden}, 7, "warning: could not look at services: not for you"},
		{"may not see all, and no answer", healthy(), map[string]error{"services": forbidden, "volumes": silent}, 8, "volumes in backing-up: no answer"},
		{"found, although not all was seen", healthy().row("b", "error", time.Hour), map[string]error{"clusters": forbidden}, 1, "could not look at clusters"},
		{"the target has no such thing", healthy(), map[string]error{"clusters": driverstate.Fail(driverstate.ErrNotSupported, "no such call"), "temporary": driverstate.Fail(driverstate.ErrNotSupported, "no such call")},
			0, "doctor: could not look at clusters: the target has none (no such call)"},
		{"no backups to be had", healthy(), map[string]error{"backups": silent}, 8, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.ward.err = c.err
			_, errOut, code := c.ward.page(t, nil)
			assert.Equal(t, c.code, code)
			assert.Contains(t, errOut, c.says)
		})
	}
}

func TestAStoreThatCannotBeReadIsNotCalledSound(t *testing.T) {
	w := healthy()
	w.err["store"] = driverstate.Fail(driverstate.ErrUnavailable, "mount is gone")
	_, errOut, code := w.page(t, w.withStore)
	assert.Equal(t, 8, code)
	assert.Contains(t, errOut, "could not look at the store posix:///srv/backup: mount is gone")
}

func TestTheQuestionsAboutChainsAreBounded(t *testing.T) {
	w := healthy().row("full", "available", time.Hour, flagged).row("one", "available", time.Hour, increment, flagged).row("two", "available", time.Hour, increment)
	w.parent["one"], w.parent["two"] = "full", "one"
	out, errOut, code := w.page(t, func(o *doctorOptions) { o.questions = 1 })
	assert.Equal(t, 6, code)
	assert.Contains(t, errOut, "--chain-questions")
	assert.NotContains(t, out.String(), "base-missing", "what was not asked is not known")
}

func TestProgramsGetRowsWithRankAndCommands(t *testing.T) {
	w := healthy().row("b", "deleting", time.Hour)
	out, _, code := w.page(t, func(o *doctorOptions) {
		o.out.format = output.JSON
		o.print = output.Printer{Format: output.JSON, Out: o.con.io.Out}.Print
	})
	assert.Equal(t, 1, code)
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &rows))
	require.Len(t, rows, 1)
	assert.Equal(t, map[string]any{"rank": 1.0, "severity": "medium", "kind": "backup", "cause": "stuck-deleting", "id": "b", "name": "name-b",
		"project_id": "demo", "status": "deleting", "host": "bak-1", "since": "2026-11-21T02:00:00Z", "seconds": 3600.0,
		"reason": rows[0]["reason"], "next": []any{"cinder-go backup-force-delete --yes b"}}, rows[0])
}

func TestOneBackupIsExplainedWithTheWaysThatAreShut(t *testing.T) {
	chain := healthy().row("full", "available", time.Hour).row("one", "available", time.Hour, increment).row("two", "available", time.Hour, increment)
	chain.parent["one"], chain.parent["two"] = "full", "one"
	untaken := healthy().row("b", "creating", time.Hour).row("other", "creating", 2*time.Hour).volume("vol-1", "db", "backing-up")
	untaken.driver["b"] = "-"
	target := healthy().row("b", "restoring", time.Hour).volume("vol-9", "new", "restoring-backup")
	target.restoreTo["b"] = "vol-9"
	told := healthy().row("b", "error", time.Hour, func(b *client.Backup) { b.FailReason = ptr("disk full") })
	told.messages = []client.Message{{UserMessage: "backup failed", CreatedAt: midnight}}
	for _, c := range []struct {
		name string
		ward *ward
		ref  string
		code int
		says []string
	}{
		{"well", chain, "one", 1, []string{"stands on  full", "on it      two", "shut       backup-delete: 1 backup on top of it", "counter-drift"}},
		{"never taken", untaken, "name-b", 1, []string{"driver     none", "open       backup-force-delete",
			"backup-reset-state: its row names no driver: accepted (202)", "cinder-go backup-reset-state --state error other"}},
		{"its host is down", withDeadHost(healthy().row("b", "creating", time.Minute)), "b", 1,
			[]string{"host       bak-1 (down)", "backup-force-delete: its host bak-1 is down, and is asked first", "service-down"}},
		{"its host is gone", onGoneHost(healthy().row("b", "available", time.Hour), "b"), "b", 1, []string{"host       unknown (no cinder-backup)", "host-unknown"}},
		{"half restored", target, "b", 1, []string{"left-restoring", "backup-restore --yes --volume vol-9 b"}},
		{"what was recorded", told, "b", 1, []string{"recorded   disk full", "messages   2026-11-21T03:00:00Z backup failed", "volume     vol-1 (gone)"}},
		{"nothing wrong", healthy().row("b", "available", time.Hour), "b", 0, []string{"open       backup-delete, backup-force-delete, backup-reset-state,"}},
		{"not there", healthy(), "nightly", 5, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, _, code := c.ward.page(t, func(o *doctorOptions) { o.ref = c.ref })
			assert.Equal(t, c.code, code)
			for _, text := range c.says {
				assert.Contains(t, out.String(), text)
			}
		})
	}
}

func TestOneBackupIsLookedForInTheStoreToo(t *testing.T) {
	w := healthy().row("b", "error", time.Hour).holds("b", "whole").holds("lost", "whole")
	for ref, text := range map[string]string{"b": "whole-but-error", "lost": "no-row"} {
		out, _, code := w.page(t, func(o *doctorOptions) { w.withStore(o); o.ref = ref })
		assert.Equal(t, 1, code)
		assert.Contains(t, out.String(), text)
	}
}

func TestAnInterruptedLookSaysNothing(t *testing.T) {
	w := healthy().row("b", "error", time.Hour)
	w.err["host"] = errors.New("cut off")
	o, b := w.see()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, 130, exitCode(runDoctor(ctx, o)))
	assert.Empty(t, b.out.String())
}

func TestTheCommandsGoToTheTargetThatWasLookedAt(t *testing.T) {
	o, err := parse(t, newDoctor, nil, "doctor", "--os-cloud", "prod east", "--os-password", "secret", "--store", "posix:///srv")
	require.NoError(t, err)
	list := o.aim([]finding{{next: []step{verb("backup-delete --yes", "b"), {command: "systemctl start cinder-backup"}, (&shelf{at: o.stores}).engine("backup-verify", "b")}}})
	assert.Equal(t, []string{"cinder-go --os-cloud 'prod east' backup-delete --yes b", "systemctl start cinder-backup",
		"cinder-go --standalone --store posix:///srv backup-verify b"}, commandsOf(list[0].next))

	o, err = parse(t, newDoctor, nil, "doctor", "--standalone", "--store", "posix:///srv")
	require.NoError(t, err)
	assert.Equal(t, " --standalone --store posix:///srv", o.target)
}

func TestTheCommandsHaveEveryFlagThatNamesTheTargetAndNoSecret(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"a database", []string{"--standalone", "--store", "posix:///a", "--store", "two=posix:///b", "--parallel", "3", "--state-dir", "/s", "--db", "postgres://c@h/d?sslmode=disable"},
			" --standalone --store posix:///a --store two=posix:///b --state-dir /s --db 'postgres://c@h/d?sslmode=disable'"},
		{"its password", []string{"--standalone", "--store", "posix:///a", "--db", "postgres://c:secret@h/d?password=secret&sslmode=disable"},
			" --standalone --store posix:///a --db 'postgres://c@h/d?sslmode=disable'"},
		{"an endpoint in place of the catalogue's", []string{"--os-auth-url", "https://k", "--os-volume-endpoint-override", "https://o/v3", "--insecure"},
			" --os-block-storage-endpoint-override https://o/v3 --os-auth-url https://k --insecure"},
		{"an older spelling", []string{"--os-url", "http://e/v3"}, " --os-endpoint http://e/v3"},
		{"who", []string{"--os-cloud", "c", "--os-domain-id", "d", "--os-default-domain", "e", "--os-trust-id", "t", "--os-identity-api-version", "3", "--verify",
			"--os-application-credential-id", "a", "--os-application-credential-secret", "secret", "--os-token", "secret", "--os-password", "secret"},
			" --os-cloud c --os-identity-api-version 3 --os-domain-id d --os-default-domain e --os-trust-id t --os-application-credential-id a --verify"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := parse(t, newDoctor, nil, append([]string{"doctor"}, c.flags...)...)
			require.NoError(t, err)
			assert.Equal(t, c.want, o.target)
		})
	}
	o, err := parse(t, newDoctor, nil, "doctor", "--standalone", "--store", "posix:///srv", "--db", "postgres://c@h/d")
	require.NoError(t, err)
	list := o.aim([]finding{{next: []step{(&shelf{at: o.stores}).engine("backup-manage", "b")}}})
	assert.Equal(t, []string{"cinder-go --standalone --store posix:///srv --db postgres://c@h/d backup-manage b"}, commandsOf(list[0].next))
}

func TestWrongUsageOfTheDoctorIsRefused(t *testing.T) {
	for _, args := range [][]string{{"a", "b"}, {""}, {"--stuck-after", "-1s"}, {"--chain-questions", "-1"}, {"--parallel", "0"}, {"-c", "nonsense"}} {
		_, err := parse(t, newDoctor, nil, append([]string{"doctor"}, args...)...)
		assert.ErrorIs(t, err, errUsage, "%q", args)
	}
}

func TestTheDoctorLooksAtAnEngineAndItsStore(t *testing.T) {
	store := t.TempDir()
	env := map[string]string{"XDG_STATE_HOME": t.TempDir()}
	code, out, errOut := invoke(t, env, "doctor", "--standalone", "--store", "posix://"+store)
	assert.Zero(t, code, errOut)
	assert.Empty(t, out)
	assert.Contains(t, errOut, "doctor: 0 found")
}

func TestAnEngineBesideACloudLeavesNothingBehind(t *testing.T) {
	tmp, store := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	f := factoryOf(t, nil, "--store", "posix://"+store, "--os-endpoint", "http://127.0.0.1:1/v3", "version")
	c, end, err := f.openStore(t.Context())
	require.NoError(t, err)
	found, err := c.ManageableBackups(t.Context(), client.ManageableOpts{})
	require.NoError(t, err)
	assert.Empty(t, found)
	state, err := filepath.Glob(filepath.Join(tmp, "cinder-go-store-*"))
	require.NoError(t, err)
	assert.Len(t, state, 1)
	require.NoError(t, end(t.Context()))
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
	left, err = os.ReadDir(store)
	require.NoError(t, err)
	assert.Empty(t, left, "the store is only read")
	assert.False(t, strings.Contains(f.g.stateDir, tmp))
}
