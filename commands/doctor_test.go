package commands

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/driverstate"
)

func onGoneHost(w *ward, id string) *ward { w.host[id] = "bak-gone"; return w }

func withDeadHost(w *ward) *ward {
	w.services = append(w.services, wardService("cinder-backup", "bak-2", "up"))
	w.services[0].State = "down"
	return w
}

// What helps in each case was tried on a real Cinder.
var doctorCases = []struct {
	name     string
	ward     *ward
	severity severity
	cause    string
	id       string
	next     []string
}{
	{"stuck in creating, its host up", healthy().row("b", "creating", time.Hour), medium, "stuck-creating", "b",
		[]string{"cinder-go backup-reset-state --state error b"}},
	{"stuck in creating, its host down: at once", withDeadHost(healthy().row("b", "creating", time.Minute)), medium, "stuck-creating", "b",
		[]string{"cinder-go backup-reset-state --state error b"}},
	{"stuck in deleting", healthy().row("b", "deleting", time.Hour), medium, "stuck-deleting", "b",
		[]string{"cinder-go backup-force-delete --yes b"}},
	{"stuck in deleting on a host that is no service", onGoneHost(healthy().row("b", "deleting", 0), "b"), medium, "stuck-deleting", "b",
		[]string{"cinder-go backup-reset-state --state error b", "cinder-go backup-force-delete --yes b"}},
	{"stuck in restoring", healthy().row("b", "restoring", time.Hour), high, "stuck-restoring", "b",
		[]string{"cinder-go backup-reset-state --state available b"}},
	{"error_deleting", healthy().row("b", "error_deleting", 0), medium, "error-deleting", "b",
		[]string{"cinder-go backup-force-delete --yes b"}},
	{"error_deleting with a key", healthy().row("b", "error_deleting", 0, func(b *client.Backup) { b.EncryptionKeyID = ptr("k") }),
		medium, "error-deleting-encrypted", "b", []string{"cinder-go backup-reset-state --state error b", "cinder-go backup-delete --yes b"}},
	{"deleting with a key that would not go", healthy().row("b", "deleting", time.Hour, func(b *client.Backup) { b.EncryptionKeyID = ptr("k") }),
		medium, "stuck-deleting-encrypted", "b", []string{"cinder-go backup-reset-state --state error b", "cinder-go backup-delete --yes b"}},
	{"never taken", func() *ward { w := healthy().row("b", "creating", time.Hour); w.driver["b"] = "-"; return w }(),
		medium, "no-service", "b", []string{"cinder-go backup-force-delete --yes b"}},
	{"never taken, without a host", func() *ward {
		w := healthy().row("b", "creating", time.Hour)
		w.driver["b"], w.host["b"] = "-", ""
		return w
	}(),
		medium, "no-service", "b", []string{"cinder-go backup-force-delete --yes b"}},
	{"never taken, on a dead host: the reset moves the row", func() *ward {
		w := onGoneHost(healthy().row("b", "creating", time.Hour), "b")
		w.driver["b"] = "-"
		return w
	}(),
		medium, "no-service", "b", []string{"cinder-go backup-reset-state --state error b", "cinder-go backup-force-delete --yes b"}},
	{"failed", healthy().row("b", "error", time.Hour), low, "failed", "b", []string{"cinder-go backup-delete --yes b"}},
	{"available on a host that is no service", onGoneHost(healthy().row("b", "available", time.Hour), "b"), high, "host-unknown", "unknown",
		[]string{"cinder-go backup-reset-state --state error b", "cinder-go backup-reset-state --state available b"}},
	{"an increment whose base has no row", healthy().row("b", "available", time.Hour, increment), critical, "base-missing", "b",
		[]string{"cinder-go backup-chain vol-1", "cinder-go backup-create vol-1"}},
	{"a base in error", func() *ward {
		w := healthy().row("base", "error", time.Hour, flagged).row("b", "available", time.Hour, increment)
		w.parent["b"] = "base"
		return w
	}(), high, "base-in-error", "base", []string{"cinder-go backup-reset-state --state available base"}},
	{"a counter that says none", func() *ward {
		w := healthy().row("base", "available", time.Hour).row("b", "available", time.Hour, increment)
		w.parent["b"] = "base"
		return w
	}(), medium, "counter-drift", "base", []string{"cinder-go backup-chain vol-1"}},
	{"a counter that says some", healthy().row("base", "available", time.Hour, flagged), low, "counter-drift", "base",
		[]string{"cinder-go backup-chain vol-1"}},
	{"a volume left in backing-up", healthy().volume("vol-9", "db", "backing-up"), high, "left-backing-up", "vol-9",
		[]string{"cinder-go volume-reset-state --state available vol-9"}},
	{"an attached volume left in backing-up", healthy().volume("vol-9", "db", "backing-up", func(v *client.Volume) { v.Attachments = []client.Attachment{{ServerID: "s"}} }),
		high, "left-backing-up", "vol-9", []string{"cinder-go volume-reset-state --state in-use vol-9"}},
	{"a volume left in restoring-backup", func() *ward {
		w := healthy().row("b", "restoring", time.Hour).volume("vol-9", "db", "restoring-backup")
		w.restoreTo["b"] = "vol-9"
		return w
	}(), high, "left-restoring", "vol-9", []string{"cinder-go backup-reset-state --state available b",
		"cinder-go volume-reset-state --state available vol-9", "cinder-go backup-restore --yes --volume vol-9 b"}},
	{"error_restoring onto a volume", func() *ward {
		w := healthy().row("b", "available", time.Hour).volume("vol-9", "db", "error_restoring")
		w.restoreTo["b"] = "vol-9"
		return w
	}(), high, "restore-failed", "vol-9", []string{"cinder-go volume-reset-state --state available vol-9", "cinder-go backup-restore --yes --volume vol-9 b"}},
	{"error of a volume that the restore made", healthy().volume("vol-9", "restore_backup_b", "error"), high, "restore-failed", "vol-9",
		[]string{"cinder-go volume-delete --yes vol-9"}},
	{"a temporary volume", func() *ward {
		w := healthy().volume("tmp", "backup-vol-vol-1", "backing-up")
		w.tempVols["vol-1"] = w.volumes
		return w
	}(), low, "temporary-volume", "tmp", []string{"cinder-go volume-delete --force --yes tmp"}},
	{"a temporary snapshot", func() *ward {
		w := healthy()
		w.tempSnaps["vol-1"] = []client.Snapshot{{ID: "tmp", Name: ptr("backup-snap-vol-1"), Status: "deleting", CreatedAt: midnight.Add(-time.Hour)}}
		return w
	}(), low, "temporary-snapshot", "tmp", []string{"cinder-go workers-cleanup --resource-type Snapshot --resource-id tmp"}},
	{"a host that is down, and what stands on it", withDeadHost(healthy().row("b", "available", time.Hour)), high, "service-down", "cinder-backup@bak-1",
		[]string{"systemctl start cinder-backup # on bak-1", "cinder-go service-list --binary cinder-backup --host bak-1"}},
	{"a host that is down, and nothing on it", withDeadHost(healthy()), low, "service-down", "cinder-backup@bak-1",
		[]string{"cinder-manage service remove cinder-backup bak-1"}},
	{"an engine whose store is not mounted", func() *ward {
		w := withDeadHost(healthy())
		w.services[0].DisabledReason = ptr("store /srv/backup: no such directory; is the share mounted?")
		return w
	}(), high, "service-down", "cinder-backup@bak-1",
		[]string{"cinder-go driver-check --host bak-1", "cinder-go service-list --binary cinder-backup --host bak-1"}},
	{"no cinder-backup", func() *ward { w := healthy(); w.services = w.services[1:]; return w }(), critical, "no-backup-service", "cinder-backup",
		[]string{"systemctl start cinder-backup", "cinder-go service-list --binary cinder-backup"}},
	{"a service that is disabled", func() *ward {
		w := healthy()
		w.services = append(w.services, wardService("cinder-backup", "bak-2", "up"))
		w.services[1].Status = "enabled"
		w.services[2].Status = "disabled"
		return w
	}(), low, "service-disabled", "cinder-backup@bak-2", []string{"cinder-go service-enable bak-2 cinder-backup"}},
	{"a cluster that nobody is left of", func() *ward {
		w := healthy()
		w.clusters = []client.Cluster{{Name: "c@lvm", Binary: driverstate.BinaryVolume, State: "down", NumHosts: 2, NumDownHosts: 2}}
		return w
	}(), critical, "cluster-down", "c@lvm", []string{"systemctl start cinder-volume", "cinder-go cluster-list", "cinder-go workers-cleanup --cluster c@lvm"}},
}

func TestEachCauseIsFoundWithItsWayOut(t *testing.T) {
	for _, c := range doctorCases {
		t.Run(c.name, func(t *testing.T) {
			list := c.ward.examine(t, false)
			at := slices.IndexFunc(list, func(f finding) bool { return f.cause == c.cause && f.id == c.id })
			require.GreaterOrEqual(t, at, 0, "%v", list)
			assert.Equal(t, c.severity, list[at].severity)
			assert.Equal(t, c.next, commandsOf(list[at].next))
			assert.NotEmpty(t, list[at].reason)
			for _, f := range list {
				typable(t, f.next)
			}
		})
	}
}

// typable holds the commands against the verbs as they are.
func typable(t *testing.T, steps []step) {
	t.Helper()
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	for _, step := range steps {
		words := strings.Fields(step.String())
		if words[0] != "cinder-go" {
			continue
		}
		cmd, rest, err := newRoot(newFactory(s, envOf(nil), time.Now)).Find(words[1:])
		require.NoError(t, err, step)
		require.NoError(t, cmd.ParseFlags(rest), step)
		require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), step)
	}
}

func TestWhatIsRunningOrWellIsNotFound(t *testing.T) {
	busy := healthy().row("making", "creating", 5*time.Minute).row("restored", "restoring", time.Minute).
		volume("vol-1", "db", "backing-up").volume("vol-2", "new", "restoring-backup").volume("vol-3", "broken", "error")
	busy.restoreTo["restored"] = "vol-2"
	busy.tempVols["vol-1"] = []client.Volume{{ID: "tmp", Name: ptr("backup-vol-vol-1"), Status: "backing-up", CreatedAt: midnight.Add(-time.Hour)}}
	busy.tempSnaps["vol-1"] = []client.Snapshot{{ID: "tmp", Name: ptr("backup-snap-vol-1"), CreatedAt: midnight.Add(-time.Hour)}}
	chain := healthy().row("full", "available", time.Hour, flagged).row("one", "available", time.Hour, increment, flagged).
		row("two", "available", time.Hour, increment).row("three", "creating", time.Minute, increment)
	chain.parent["one"], chain.parent["two"], chain.parent["three"] = "full", "one", "two"
	for name, w := range map[string]*ward{"work under way": busy, "a sound chain": chain, "nothing at all": healthy()} {
		t.Run(name, func(t *testing.T) {
			assert.Empty(t, w.examine(t, false))
		})
	}
}

func TestAFailedBackupThatOthersStandOnIsNotToBeDeleted(t *testing.T) {
	w := healthy().row("base", "error", time.Hour, flagged).row("b", "available", time.Hour, increment)
	w.parent["b"] = "base"
	list := w.examine(t, false)
	require.Len(t, list, 1)
	assert.Equal(t, "base-in-error", list[0].cause)
	assert.Contains(t, list[0].detail, "On it stand: b")
}

func TestThePageIsRankedGroupedAndFitsATerminal(t *testing.T) {
	w := healthy().row("b1", "creating", time.Hour).row("b2", "creating", 26*time.Hour).row("b3", "restoring", 20*time.Minute).
		row("orphan", "available", time.Minute, increment, func(b *client.Backup) { b.VolumeID = "vol-2" })
	out, errOut, code := w.page(t, nil)
	assert.Equal(t, 1, code)
	assert.Contains(t, errOut, "doctor: 4 found (1 critical, 1 high, 2 medium, 0 low) in 4 backups and 2 services")
	text := out.String()
	order := []string{"1  CRITICAL  backup: base-missing", "2  HIGH  backup: stuck-restoring", "3-4  MEDIUM  2 backups: stuck-creating",
		"b2 name-b2: creating for 1d02h, host bak-1, project demo", "b1 name-b1: creating for 1h00m, host bak-1, project demo",
		"next: cinder-go backup-reset-state --state error b2 b1"}
	at := -1
	for _, part := range order {
		next := strings.Index(text, part)
		assert.Greater(t, next, at, "%q in its place of\n%s", part, text)
		at = next
	}
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), pageWidth)
	}
}

func TestAnIdFromARecordCannotRunACommand(t *testing.T) {
	list := healthy().row("x; rm -rf ~ 'y'", "error_deleting", time.Hour).examine(t, false)
	require.Len(t, list, 1)
	assert.Equal(t, []string{`cinder-go backup-force-delete --yes 'x; rm -rf ~ '\''y'\'''`}, commandsOf(list[0].next))
}

func TestAnIdFromARecordCannotWriteToTheTerminal(t *testing.T) {
	for id, word := range map[string]string{
		"x\x1b[2K'y z\n": `$'x\x1b\x5b2K\x27y\x20z\x0a'`,
		"ä\u202eb":       `$'\xc3\xa4\xe2\x80\xaeb'`,
	} {
		list := healthy().row(id, "error_deleting", time.Hour).examine(t, false)
		require.Len(t, list, 1)
		require.Equal(t, []string{"cinder-go backup-force-delete --yes " + word}, commandsOf(list[0].next))
		typed, err := exec.CommandContext(t.Context(), "bash", "-c", "printf %s "+word).Output()
		require.NoError(t, err)
		assert.Equal(t, id, string(typed))
	}
}

func TestALongCommandGoesOnAfterABackslash(t *testing.T) {
	var b strings.Builder
	writeCommand(&b, "    next: ", verb("backup-reset-state --state error", idFull, idChild), 80)
	assert.Equal(t, "    next: cinder-go backup-reset-state --state error \\\n            "+idFull+" \\\n            "+idChild+"\n", b.String())
}

// A line is not broken where the shell would take the break for a part of a name.
func TestALongCommandIsNotBrokenWithinQuotes(t *testing.T) {
	w := healthy().holds("lost", "whole")
	const dir = "/srv/backups of the cloud  that is gone/it's here/and a name that takes all of a line and more"
	out, _, _ := w.page(t, func(o *doctorOptions) {
		w.withStore(o)
		o.stores = storeList{urls: []string{"posix://" + dir}}
	})
	assert.Contains(t, out.String(), `'posix:///srv/backups of the cloud  that is gone/it'\''s here/and a name that takes all of a line and more'`)
}

func TestDurationsAreShortWithoutLosingADigit(t *testing.T) {
	for d, want := range map[time.Duration]string{15 * time.Minute: "15m", 20 * time.Minute: "20m", time.Hour: "1h", 10 * time.Hour: "10h",
		90 * time.Minute: "1h30m", 10 * time.Second: "10s", 0: "0s"} {
		assert.Equal(t, want, shortly(d))
	}
}
