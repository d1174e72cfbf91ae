package commands

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/commands/prompt"
	"github.com/cinder-go/cinder-go/driverstate"
)

// fleetCloud is a cloud of which two services died: vol1, whose cluster lives
// on in vol2, and solo, which has none. A cinder-backup is down as well. Its
// answers are what Cinder 21.3.1 (Zed) answered then.
type fleetCloud struct {
	services []client.Service
	clusters []client.Cluster
	left     []client.Cleanable
	answer   client.Cleanup
	// after is the status of a resource once it was cleaned up; what is not
	// in it stays as it is.
	after   map[string]string
	volume  *client.Volume
	backups map[string][]client.Backup
	engine  bool // answers no numbers, and cleans up backups
	refuses error

	asked     []client.CleanupOpts
	backupsOf []string
}

const (
	clusterName = "labcluster@file"
	idOnVol1    = "3d9050a5-6da1-4a8c-a50b-be72aa184681"
	idOnSolo    = "0ebf3670-d01f-4e80-8466-2c16c7af17fd"
	idSnapshot  = "51cd5457-a058-4760-9aba-6909d4dce522"
)

func serviceOf(binary driverstate.Binary, host, state string, cluster *string) client.Service {
	return client.Service{Binary: binary, Host: host, Zone: "nova", Status: "enabled", State: state, Cluster: cluster}
}

func halfDead() *fleetCloud {
	c := ptr(clusterName)
	return &fleetCloud{
		services: []client.Service{
			serviceOf(driverstate.BinaryScheduler, "vm", "up", nil),
			serviceOf(driverstate.BinaryVolume, "solo@file", "down", nil),
			serviceOf(driverstate.BinaryVolume, "vol2@file", "up", c),
			serviceOf(driverstate.BinaryVolume, "vol1@file", "down", c),
			serviceOf(driverstate.BinaryBackup, "bak-posix", "up", nil),
			serviceOf(driverstate.BinaryBackup, "bak-old", "down", nil),
		},
		clusters: []client.Cluster{{Name: clusterName, Binary: driverstate.BinaryVolume, State: "up", Status: "disabled"}},
		left: []client.Cleanable{
			{Type: client.CleanableVolume, ID: idOnVol1, Name: "clean-v1", Status: "deleting", Host: "vol1@file"},
			{Type: client.CleanableVolume, ID: idOnSolo, Status: "deleting", Host: "solo@file"},
		},
		answer: client.Cleanup{
			Cleaning: []client.CleanupService{{ID: 4, Host: "vol1@file", Binary: driverstate.BinaryVolume, ClusterName: c}},
			Unavailable: []client.CleanupService{
				{ID: 1, Host: "solo@file", Binary: driverstate.BinaryVolume},
				{ID: 30, Host: "bak-old", Binary: driverstate.BinaryBackup},
			},
		},
		after: map[string]string{idOnVol1: ""},
	}
}

func (f *fleetCloud) CleanupWorkers(_ context.Context, o client.CleanupOpts) (client.Cleanup, error) {
	f.asked = append(f.asked, o)
	return f.answer, f.refuses
}

func (f *fleetCloud) IsEngine(context.Context) bool { return f.engine }

func (f *fleetCloud) ServiceNumbers(context.Context) ([]client.CleanupService, error) {
	if f.engine {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "there is no resource pending cleanup")
	}
	return []client.CleanupService{
		{ID: 1, Host: "solo@file", Binary: driverstate.BinaryVolume},
		{ID: 4, Host: "vol1@file", Binary: driverstate.BinaryVolume, ClusterName: ptr(clusterName)},
		{ID: 5, Host: "bak-posix", Binary: driverstate.BinaryBackup},
	}, nil
}

func (f *fleetCloud) ListServices(context.Context, string, string) ([]client.Service, error) {
	return f.services, nil
}

func (f *fleetCloud) ListClusters(context.Context, client.ClusterListOpts) ([]client.Cluster, error) {
	return f.clusters, nil
}

func (f *fleetCloud) Cleanables(context.Context) ([]client.Cleanable, error) { return f.left, nil }

func (f *fleetCloud) WaitCleaned(ctx context.Context, list []client.Cleanable, left func(client.Cleanable)) ([]client.Cleanable, error) {
	now, all := append([]client.Cleanable(nil), list...), true
	for i := range now {
		status, cleaned := f.after[now[i].ID]
		if !cleaned {
			all = false
			continue
		}
		now[i].Status = status
		left(now[i])
	}
	if all {
		return now, nil
	}
	<-ctx.Done()
	return now, ctx.Err()
}

func (f *fleetCloud) ShowVolume(_ context.Context, id string) (client.Volume, error) {
	if f.volume == nil {
		return client.Volume{}, driverstate.Fail(driverstate.ErrNotFound, "volume "+id+": not found")
	}
	return *f.volume, nil
}

func (f *fleetCloud) BackupsOnHost(_ context.Context, host string) ([]client.Backup, error) {
	f.backupsOf = append(f.backupsOf, host)
	return f.backups[host], nil
}

// cleanup runs the verb with these arguments.
func cleanup(t *testing.T, f *fleetCloud, p prompt.Prompter, args ...string) (*bench, error) {
	t.Helper()
	o, err := parse(t, newWorkersCleanup, nil, append([]string{"workers-cleanup"}, args...)...)
	require.NoError(t, err)
	b := newBench()
	o.con, o.print = b.con, output.Printer{Format: output.Value, Columns: o.out.columns, Out: b.out}.Print
	o.client = func(context.Context) (cleanupClient, error) { return f, nil }
	o.confirm = func(what string, n int) error { return confirm(p, p == nil, what, n) }
	return b, runWorkersCleanup(t.Context(), o)
}

func TestACleanupSaysAskedAndWhoWaitsForWhom(t *testing.T) {
	f := halfDead()
	b, err := cleanup(t, f, nil)
	assert.Equal(t, "cleaning 4 labcluster@file vol1@file cinder-volume 1\n"+
		"unavailable 1 - solo@file cinder-volume 1\n"+
		"nothing-to-do 30 - bak-old cinder-backup 0\n", b.out.String())
	assert.Equal(t, []client.CleanupOpts{{}}, f.asked)
	assert.Contains(t, b.err.String(), "without --is-up only services that are down are asked for\n")
	assert.Contains(t, b.err.String(), "asked, not done: there was 1 volume under way; --follow watches")
	assert.Contains(t, b.err.String(), "warning: volume "+idOnSolo+" is deleting on solo@file and stays so until cinder-volume on solo@file is started again\n")
	assert.Contains(t, b.err.String(), "workers-cleanup: 3 selected, 1 changed, 1 unchanged, 1 skipped, 0 failed\n")
	assert.Equal(t, 4, exitCode(err))
	require.EqualError(t, err, "no other service can clean up after cinder-volume on solo@file, and 1 volume waits for that")
	assert.Contains(t, hintFor(err), "start cinder-volume on solo@file again")
}

func TestExitCodeOfACleanup(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*fleetCloud)
		code   int
		says   string
	}{
		{"nobody can, and something waits", func(f *fleetCloud) { f.answer.Cleaning = nil }, 4, "stays so until"},
		{"nobody can, though nothing is seen to wait", func(f *fleetCloud) { f.answer.Cleaning, f.left = nil, nil }, 4, ""},
		{"asked, and nothing waits for the other", func(f *fleetCloud) { f.left = f.left[:1] }, 0, "1 volume under way"},
		{"asked, and nothing was under way", func(f *fleetCloud) { f.left = nil }, 0, "nothing under way"},
		{"only a cinder-backup is down", func(f *fleetCloud) {
			f.answer = client.Cleanup{Unavailable: f.answer.Unavailable[1:]}
		}, 0, "0 changed, 1 unchanged, 0 skipped"},
		{"none matched", func(f *fleetCloud) { f.answer = client.Cleanup{} }, 0, "no cleanable services matched"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := halfDead()
			c.change(f)
			b, err := cleanup(t, f, nil)
			assert.Equal(t, c.code, exitCode(err))
			assert.Contains(t, b.err.String(), c.says)
			assert.Contains(t, b.err.String(), "workers-cleanup: ", "the summary comes in any case")
		})
	}
}

func TestAClusterOfWhichNoneLivesCanBeHelpedByAnyMember(t *testing.T) {
	f := halfDead()
	f.left = f.left[:1]
	f.answer = client.Cleanup{Unavailable: f.answer.Cleaning}
	_, err := cleanup(t, f, nil)
	assert.Equal(t, 4, exitCode(err))
	assert.Contains(t, hintFor(err), "or another member of its cluster and then ask for this again")
}

func TestADeadServiceThatStillCountsAsUpIsExplained(t *testing.T) {
	f := halfDead()
	f.services[3].State, f.answer = "up", client.Cleanup{}
	b, err := cleanup(t, f, nil)
	require.NoError(t, err)
	assert.Contains(t, b.err.String(), "cinder-volume on vol1@file is up, with 1 volume under way; one that died counts as up")
}

func TestAPreviewShowsServicesAndWhatIsUnderWayThereAndAsksNothing(t *testing.T) {
	f := halfDead()
	f.left = append(f.left, client.Cleanable{Type: client.CleanableSnapshot, ID: idSnapshot, Name: "snap", Status: "creating", Host: "vol2@file"})
	b, err := cleanup(t, f, nil, "--dry-run")
	require.NoError(t, err)
	assert.Empty(t, f.asked)
	assert.Equal(t, "cleaning labcluster@file vol1@file cinder-volume Volume "+idOnVol1+" clean-v1 deleting vol1@file\n"+
		"cleaning labcluster@file vol1@file cinder-volume Snapshot "+idSnapshot+" snap creating vol2@file\n"+
		"unavailable - solo@file cinder-volume Volume "+idOnSolo+" - deleting solo@file\n"+
		"nothing-to-do - bak-old cinder-backup - - - - -\n", b.out.String())
	assert.Contains(t, b.err.String(), "snapshot "+idSnapshot+" (snap) is creating on vol2@file, which is up: it may be at work on it itself")
	assert.Contains(t, b.err.String(), "workers-cleanup: 3 selected, 0 changed, 0 unchanged, 3 skipped, 0 failed")
}

func TestWhatAFilterMatches(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--host", "vol1"}, "cleaning labcluster@file vol1@file"},
		{[]string{"--host", "vol1@file"}, "cleaning labcluster@file vol1@file"},
		{[]string{"--cluster_name", "labcluster"}, "cleaning labcluster@file vol1@file"},
		{[]string{"--binary", "cinder-scheduler", "--is_up", "yes"}, "cleaning - vm"},
		{[]string{"--disabled", "1"}, "cleaning labcluster@file vol1@file"},
		{[]string{"--disabled=false", "--binary", "cinder-volume"}, "unavailable - solo@file"},
		{[]string{"--is-up", "True", "--host", "bak-posix"}, "nothing-to-do - bak-posix"},
		{[]string{"--is-up", "True", "--host", "solo"}, ""},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			f := halfDead()
			f.left = nil
			b, err := cleanup(t, f, nil, append([]string{"--dry-run", "-c", "result", "-c", "cluster_name", "-c", "host"}, c.args...)...)
			require.NoError(t, err)
			if c.want != "" {
				c.want += "\n"
			}
			assert.Equal(t, c.want, b.out.String())
		})
	}
}

func TestAHostIsMatchedByItsPartsAsCinderDoes(t *testing.T) {
	for want, hosts := range map[string]map[string]bool{
		"node":      {"node": true, "node@a": true, "node#p": true, "node@a#p": true, "node1": false, "node1@a": false},
		"node@a":    {"node@a": true, "node@a#p": true, "node": false, "node@ab": false},
		"node@a#p":  {"node@a#p": true, "node@a": false, "node@a#p2": false},
		"NODE":      {"node": false},
		"node@a@b":  {"node@a": false},
		"other@abc": {"node": false},
	} {
		for host, match := range hosts {
			assert.Equal(t, match, namesHost(want, host), "%s for %s", want, host)
		}
	}
}

func TestBackupsThatACleanupPassesOverAreNamed(t *testing.T) {
	f := halfDead()
	f.backups = map[string][]client.Backup{"bak-old": {
		{ID: idFull, Status: driverstate.StatusCreating},
		{ID: idChild, Status: driverstate.StatusDeleting},
		{ID: idOther, Status: driverstate.StatusAvailable},
	}}
	b, err := cleanup(t, f, nil, "--dry-run")
	require.NoError(t, err)
	assert.Equal(t, []string{"bak-old"}, f.backupsOf, "a cinder-backup that lives works on its own")
	assert.Contains(t, b.err.String(), "backup "+idFull+": is creating on bak-old, where cinder-backup is down; a cleanup does not touch backups: "+
		"start that service again, or cinder-go backup-reset-state --state error "+idFull)
	assert.Contains(t, b.err.String(), "or cinder-go backup-force-delete "+idChild)
	assert.NotContains(t, b.err.String(), idOther)
	_, err = cleanup(t, f, nil, "--dry-run", "--host", "vol1@file")
	require.NoError(t, err)
	assert.Len(t, f.backupsOf, 1, "another machine was asked about")
}

func TestACloudThatCleansUpNoBackupsIsAskedAndItsAnswerExplained(t *testing.T) {
	f := halfDead()
	f.refuses = driverstate.Fail(driverstate.ErrInvalidInput, "resource type Backup not valid, must be Volume or Snapshot")
	_, err := cleanup(t, f, nil, "--resource-type", "Backup", "--resource-id", idFull)
	require.ErrorIs(t, err, f.refuses)
	assert.Equal(t, 1, exitCode(err))
	assert.Contains(t, hintFor(err), "cinder-go backup-reset-state --state error ID")
	assert.Equal(t, []client.CleanupOpts{{ResourceID: idFull, ResourceType: "Backup"}}, f.asked)
	_, err = cleanup(t, f, nil, "--resource-type", "Backup", "--dry-run")
	assert.Equal(t, 1, exitCode(err))
	assert.Contains(t, hintFor(err), "cinder-go backup-force-delete ID")
	assert.Len(t, f.asked, 1, "a preview asks for nothing")
}

func TestAnEngineCleansUpBackups(t *testing.T) {
	f := halfDead()
	f.engine, f.services[4].Cluster, f.services[5].Cluster = true, ptr("blue"), ptr("blue")
	f.left = []client.Cleanable{
		{Type: client.CleanableBackup, ID: idFull, Name: "b", Status: "restoring", Host: "bak-old"},
		{Type: client.CleanableBackup, ID: idChild, Status: "deleting", Host: "bak-old"},
		{Type: client.CleanableVolume, ID: idOnVol1, Status: "deleting", Host: "vol1@file"},
	}
	b, err := cleanup(t, f, nil, "--dry-run", "--resource-type", "backup", "--host", "bak-old", "-c", "result", "-c", "host", "-c", "resource_id")
	require.NoError(t, err)
	assert.Equal(t, "cleaning bak-old "+idFull+"\ncleaning bak-old "+idChild+"\n", b.out.String())
	assert.Empty(t, f.backupsOf, "none is passed over")

	f.answer = client.Cleanup{Cleaning: []client.CleanupService{{ID: 30, Host: "bak-old", Binary: driverstate.BinaryBackup, ClusterName: ptr("blue")}}}
	f.after = map[string]string{idFull: "available", idChild: ""}
	b, err = cleanup(t, f, nil, "--follow", "--resource-type", "Backup")
	require.NoError(t, err)
	assert.Equal(t, "Backup "+idFull+" b bak-old restoring cleaned available\nBackup "+idChild+" - bak-old deleting cleaned deleted\n", b.out.String())

	f.services[4].State = "down"
	f.answer = client.Cleanup{Unavailable: f.answer.Cleaning}
	_, err = cleanup(t, f, nil, "--resource-type", "Backup")
	assert.Equal(t, 4, exitCode(err))
	require.EqualError(t, err, "no other service can clean up after cinder-backup on bak-old, and 2 backups wait for that")
	assert.Equal(t, "1 volume, 1 snapshot and 2 backups", counted([]client.Cleanable{
		{Type: "Backup"}, {Type: "Volume"}, {Type: "Backup"}, {Type: "Snapshot"}}))
}

func TestACleanupDuringAnUpgradeIsExplained(t *testing.T) {
	f := halfDead()
	f.refuses = driverstate.Fail(driverstate.ErrInvalidStatus, "cannot perform workers cleanup during system upgrade.")
	_, err := cleanup(t, f, nil)
	assert.Equal(t, 6, exitCode(err))
	assert.Contains(t, hintFor(err), "bring it up to date")
}

func TestFollowShowsWhatBecameOfEachResource(t *testing.T) {
	f := halfDead()
	f.left = f.left[:1]
	b, err := cleanup(t, f, nil, "--follow")
	require.NoError(t, err)
	assert.Equal(t, "Volume "+idOnVol1+" clean-v1 vol1@file deleting cleaned deleted\n", b.out.String())
	assert.Contains(t, b.err.String(), "volume "+idOnVol1+": deleted (1 of 1)")
	assert.Contains(t, b.err.String(), "1 selected, 1 changed, 0 unchanged, 0 skipped, 0 failed")
}

func TestFollowIsExitFourWhenSomethingStays(t *testing.T) {
	f := halfDead()
	f.left = append(f.left, client.Cleanable{Type: client.CleanableSnapshot, ID: idSnapshot, Status: "creating", Host: "vol1@file"})
	b, err := cleanup(t, f, nil, "--follow", "--timeout", "1ns")
	assert.Equal(t, 4, exitCode(err))
	require.EqualError(t, err, "cleanup: of 1 volume and 1 snapshot, 1 did not leave their status within 1ns")
	assert.Equal(t, "Volume "+idOnVol1+" clean-v1 vol1@file deleting cleaned deleted\n"+
		"Snapshot "+idSnapshot+" - vol1@file creating not-cleaned creating\n"+
		"Volume "+idOnSolo+" - solo@file deleting unavailable deleting\n", b.out.String())
	assert.Contains(t, b.err.String(), "3 selected, 1 changed, 0 unchanged, 1 skipped, 1 failed")
}

func TestFollowDoesNotWaitForWhatNobodyCanDo(t *testing.T) {
	f := halfDead()
	f.answer.Cleaning, f.left = nil, f.left[1:]
	b, err := cleanup(t, f, nil, "--follow", "--timeout", "0")
	assert.Equal(t, 4, exitCode(err))
	assert.Contains(t, b.out.String(), "deleting unavailable deleting\n")
}

func TestFollowCanBeInterrupted(t *testing.T) {
	f := halfDead()
	f.after = nil
	o := &cleanupOptions{con: newBench().con, follow: true, wait: waitFlags{timeout: time.Hour},
		client: func(context.Context) (cleanupClient, error) { return f, nil }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, 130, exitCode(runWorkersCleanup(ctx, o)))
}

func TestNamesThatTheCloudDoesNotHaveAreRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--host", "no-such-host"}, 5, "host no-such-host: no service has it, known are bak-old, bak-posix, solo@file, vm, vol1@file, vol2@file"},
		{[]string{"--cluster", "c"}, 5, "cluster c: no service has it, known are labcluster@file"},
		{[]string{"--service-id", "9"}, 5, "service 9: no service has it, known are 1 (cinder-volume on solo@file), "},
		{[]string{"--service-id", "5"}, 6, "service 5: is cinder-backup on bak-posix, which has no work that is cleaned up"},
		{[]string{"--service-id", "1", "--host", "vol1"}, 5, "service 1: is cinder-volume on solo@file, which the other filters leave out"},
		{[]string{"--resource-id", idFull}, 5, "resource " + idFull + ": no volume or snapshot of this id"},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			f := halfDead()
			_, err := cleanup(t, f, nil, c.args...)
			assert.Equal(t, c.code, exitCode(err))
			require.ErrorContains(t, err, c.says)
			assert.Empty(t, f.asked)
		})
	}
}

func TestManyKnownNamesAreCutShort(t *testing.T) {
	var known []string
	for i := range 30 {
		known = append(known, fmt.Sprintf("node%02d", i))
	}
	assert.ErrorContains(t, unknownName("host", "x", known), "node18, node19 and 10 more")
	assert.ErrorContains(t, unknownName("cluster", "x", nil), "there is none")
}

func TestWhatCinderMatchesNothingByIsAskedForByName(t *testing.T) {
	for _, c := range []struct {
		args []string
		want client.CleanupOpts
	}{
		{[]string{"--service_id", "1"}, client.CleanupOpts{Host: "solo@file", Binary: "cinder-volume"}},
		{[]string{"--resource_id", idOnSolo}, client.CleanupOpts{Host: "solo@file", ResourceID: idOnSolo}},
		{[]string{"--resource-id", idOnVol1, "--resource-type", "volume"},
			client.CleanupOpts{ClusterName: clusterName, ResourceID: idOnVol1, ResourceType: "Volume"}},
		{[]string{"--resource-id", idOnVol1, "--host", "vol1@file"}, client.CleanupOpts{Host: "vol1@file", ResourceID: idOnVol1}},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			f := halfDead()
			f.answer = client.Cleanup{}
			_, err := cleanup(t, f, nil, c.args...)
			require.NoError(t, err)
			assert.Equal(t, []client.CleanupOpts{c.want}, f.asked)
		})
	}
	f := halfDead()
	f.engine = true
	_, err := cleanup(t, f, nil, "--service-id", "1")
	assert.Equal(t, 4, exitCode(err))
	assert.Equal(t, []client.CleanupOpts{{ServiceID: ptr(int64(1))}}, f.asked, "an engine matches by number")
}

func TestAResourceThatIsNotLeftBehindIsRefused(t *testing.T) {
	f := halfDead()
	f.volume = &client.Volume{ID: idFull, Status: driverstate.VolumeAvailable}
	_, err := cleanup(t, f, nil, "--resource-id", idFull)
	assert.Equal(t, 6, exitCode(err))
	require.ErrorContains(t, err, "is available, of which nothing is cleaned up")
	f.left[0].Host = "vol2@file"
	f.services[3].State = "up"
	_, err = cleanup(t, f, nil, "--resource-id", idOnVol1)
	assert.Equal(t, 6, exitCode(err))
	require.ErrorContains(t, err, "its service is up and may be at work on it")
	assert.Contains(t, hintFor(err), "--is-up True")
	assert.Empty(t, f.asked)
}

func TestWorkOfLivingServicesIsNotTakenForLeftBehindUnasked(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     prompt.Prompter
		code  int
		asked int
	}{
		{"declined", &fakePrompt{}, 10, 0},
		{"no terminal", &fakePrompt{err: prompt.ErrNoTerminal}, 2, 0},
		{"yes", &fakePrompt{yes: true}, 0, 1},
		{"--yes", nil, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := halfDead()
			f.left[0].Host, f.answer = "vol2@file", client.Cleanup{}
			b, err := cleanup(t, f, c.p, "--is-up", "True")
			assert.Equal(t, c.code, exitCode(err))
			assert.Len(t, f.asked, c.asked)
			assert.Contains(t, b.err.String(), "is deleting on vol2@file, and cinder-volume on vol2@file is up and may be at work on it")
		})
	}
	f := halfDead()
	f.left = f.left[1:]
	_, err := cleanup(t, f, &fakePrompt{}, "--is-up", "True")
	assert.NotEqual(t, 10, exitCode(err), "nothing is under way there, so nothing is asked")
}

func TestModesOfACleanupThatDoNotGoTogether(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--dry-run", "--follow"}, "exclude each other"},
		{[]string{"--dry-run", "--service-id", "4"}, "cannot be previewed"},
		{[]string{"--timeout", "5s"}, "belongs to --follow"},
		{[]string{"--follow", "--timeout", "-5s"}, "must not be negative"},
		{[]string{"--host", ""}, "--host is empty"},
		{[]string{"--disabled", "maybe"}, "neither True nor False"},
		{[]string{"--service-id", "four"}, "is no number"},
		{[]string{"-c", "result", "--follow", "-c", "binary"}, `"binary" is none of`},
	} {
		_, err := parse(t, newWorkersCleanup, nil, append([]string{"work-cleanup"}, c.args...)...)
		assert.Equal(t, 2, exitCode(err), c.args)
		assert.ErrorContains(t, err, c.says)
	}
}
