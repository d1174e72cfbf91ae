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

func attached(v client.Volume) client.Volume {
	v.Attachments = []client.Attachment{{ServerID: "server-1"}, {HostName: "bak-posix"}}
	return v
}

func volumeDeleteOn(f *cloudFake, b *bench, refs ...string) *volumeDeleteOptions {
	return &volumeDeleteOptions{con: b.con, print: b.print, refs: refs,
		client:  func(context.Context) (volumeDeleteClient, error) { return f, nil },
		confirm: func(string, int) error { return nil }}
}

func TestAVolumeIsDeletedAndGone(t *testing.T) {
	for force, call := range map[bool]string{false: "delete-volume ", true: "force-delete-volume "} {
		f, b := newCloudFake(volumeIn(driverstate.VolumeErrorRestoring)), newBench()
		o := volumeDeleteOn(f, b, "database", volumeOne)
		o.force = force
		require.NoError(t, runVolumeDelete(t.Context(), o))
		assert.Equal(t, []string{call + volumeOne, "wait-volume-gone " + volumeOne}, f.calls)
		assert.Equal(t, volumeOne+" database changed deleted was error_restoring\n", b.out.String())
	}
}

func TestAVolumeThatMustNotGoIsNotAskedFor(t *testing.T) {
	for _, c := range []struct {
		name      string
		volume    client.Volume
		force     bool
		snapshots int
		text      string
	}{
		{"attached", attached(volumeIn(driverstate.VolumeInUse)), false, 0, "it is in-use, attached to server-1, bak-posix"},
		{"attached, by force", attached(volumeIn(driverstate.VolumeInUse)), true, 0, "it is in-use, attached to server-1, bak-posix"},
		{"attached, called available", attached(volumeIn(driverstate.VolumeAvailable)), true, 0, "it is available, attached to"},
		{"being backed up", volumeIn(driverstate.VolumeBackingUp), false, 0, "cinder-go volume-delete --force " + volumeOne},
		{"with snapshots", volumeIn(driverstate.VolumeAvailable), true, 2, "it has 2 snapshots"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(c.volume), newBench()
			f.snapshots = make([]client.Snapshot, c.snapshots)
			o := volumeDeleteOn(f, b, "database")
			o.force = c.force
			refused(t, f, 6, runVolumeDelete(t.Context(), o))
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

func TestVolumeDeleteAsksLooksAndCountsFirst(t *testing.T) {
	two := []client.Volume{volumeIn(driverstate.VolumeAvailable), {ID: volumeTwo, Status: driverstate.VolumeError}}
	for _, c := range []struct {
		name   string
		change func(*volumeDeleteOptions)
		code   int
	}{
		{"declined", func(o *volumeDeleteOptions) {
			o.confirm = func(what string, n int) error { return confirm(&fakePrompt{}, false, what, n) }
		}, 10},
		{"no terminal", func(o *volumeDeleteOptions) {
			o.confirm = func(what string, n int) error {
				return confirm(&fakePrompt{err: prompt.ErrNoTerminal}, false, what, n)
			}
		}, 2},
		{"dry run", func(o *volumeDeleteOptions) { o.guard.dryRun = true }, 0},
		{"too many", func(o *volumeDeleteOptions) { o.guard.max = 1 }, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(two...), newBench()
			o := volumeDeleteOn(f, b, volumeOne, volumeTwo)
			c.change(o)
			refused(t, f, c.code, runVolumeDelete(t.Context(), o))
		})
	}
	assert.Equal(t, "Delete volume "+volumeOne+" (database, available, 1 GiB) and its data", volumeQuestion(two[:1]))
	assert.Equal(t, "Delete 2 volumes and their data", volumeQuestion(two))
}

func TestWhatBecameOfAVolumesDeletionIsTold(t *testing.T) {
	gone := driverstate.Fail(driverstate.ErrNotFound, "volume: not found")
	stays := driverstate.Fail(driverstate.ErrNotApplied, "volume: not deleted, it is error_deleting")
	for _, c := range []struct {
		name   string
		err    map[string]error
		status driverstate.VolumeStatus // of the volume, when the answer was lost
		code   int
		text   string
	}{
		{"gone already", map[string]error{"delete-volume " + volumeOne: gone}, "", 0, "1 unchanged"},
		{"given up", map[string]error{"wait-volume-gone " + volumeOne: stays}, "", 4, "not deleted, it is error_deleting"},
		{"answer lost, done", map[string]error{"delete-volume " + volumeOne: badGateway}, driverstate.VolumeDeleting, 0, "1 changed"},
		{"answer lost, not done", map[string]error{"delete-volume " + volumeOne: badGateway}, driverstate.VolumeAvailable, 1, "the volume is still available"},
		{"not permitted", map[string]error{"delete-volume " + volumeOne: driverstate.Fail(driverstate.ErrForbidden, "no")}, "", 7, "1 failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
			f.err = c.err
			o := volumeDeleteOn(f, b, "database")
			o.confirm = func(string, int) error { f.volumes[0].Status = c.status; return nil }
			assert.Equal(t, c.code, exitCode(runVolumeDelete(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

func volumeResetOn(f *cloudFake, b *bench, to driverstate.VolumeStatus, refs ...string) *volumeResetOptions {
	return &volumeResetOptions{con: b.con, print: b.print, state: to, refs: refs,
		client: func(context.Context) (volumeResetClient, error) { return f, nil }}
}

func TestAVolumesResetIsLookedAtAfterwards(t *testing.T) {
	for _, c := range []struct {
		name    string
		becomes driverstate.VolumeStatus
		err     error
		code    int
		out     string
	}{
		{"done", "", nil, 0, "database changed backing-up available was backing-up"},
		{"not done", driverstate.VolumeBackingUp, nil, 4, "is backing-up, not available"},
		{"answer lost, done", "", badGateway, 0, "database changed backing-up available"},
		{"answer lost, not done", driverstate.VolumeBackingUp, badGateway, 1, "the volume is still backing-up"},
		{"not permitted", driverstate.VolumeBackingUp, driverstate.Fail(driverstate.ErrForbidden, "no"), 7, "failed backing-up backing-up no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(volumeIn(driverstate.VolumeBackingUp)), newBench()
			f.resetTo, f.err = c.becomes, map[string]error{"reset-volume " + volumeOne + " available": c.err}
			assert.Equal(t, c.code, exitCode(runVolumeResetState(t.Context(), volumeResetOn(f, b, driverstate.VolumeAvailable, "database"))))
			assert.Contains(t, b.out.String(), c.out)
		})
	}
}

func TestSomeVolumesResetSomeNotIsExitThree(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeBackingUp), client.Volume{ID: volumeTwo, Status: driverstate.VolumeAvailable}), newBench()
	err := runVolumeResetState(t.Context(), volumeResetOn(f, b, driverstate.VolumeAvailable, "absent", volumeTwo, volumeOne))
	assert.Equal(t, 3, exitCode(err))
	assert.Equal(t, []string{"list-backups", "reset-volume " + volumeOne + " available"}, f.calls, "one has the status already")
	assert.Contains(t, b.err.String(), "3 selected, 1 changed, 1 unchanged, 0 skipped, 1 failed")
}

func TestAVolumesResetWarnsOfWhatItHides(t *testing.T) {
	for _, c := range []struct {
		name   string
		volume client.Volume
		to     driverstate.VolumeStatus
		text   string
	}{
		{"attached", attached(volumeIn(driverstate.VolumeInUse)), driverstate.VolumeAvailable, "it is attached to server-1, bak-posix, and stays so"},
		{"in use of nobody", volumeIn(driverstate.VolumeInUse), driverstate.VolumeAvailable, "it is in-use, although no attachment is known"},
		{"a backup under way", volumeIn(driverstate.VolumeBackingUp), driverstate.VolumeAvailable, "its backup " + made + " is still creating"},
		{"attached again", attached(volumeIn(driverstate.VolumeBackingUp)), driverstate.VolumeInUse, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(c.volume), newBench()
			if c.text != "" {
				f.lists = [][]client.Backup{{{ID: made}}}
			}
			o := volumeResetOn(f, b, c.to, "database")
			o.guard.dryRun = true
			refused(t, f, 0, runVolumeResetState(t.Context(), o))
			if c.text == "" {
				assert.NotContains(t, b.err.String(), "warning")
			}
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

func TestNeighboursRefuseWhatCannotBeMeant(t *testing.T) {
	for _, c := range []struct {
		text string
		args []string
	}{
		{"--state is needed", []string{"volume-reset-state", "v"}},
		{"say which volume", []string{"volume-reset-state", "--state", "error"}},
		{"say which volume", []string{"volume-show"}},
		{"id or name is empty", []string{"volume-delete", ""}},
		{"no number of GiB", []string{"volume-create", "ten"}},
		{"no number of GiB", []string{"volume-create", "0"}},
		{"not KEY=VALUE", []string{"volume-create", "1", "--metadata", "k"}},
		{"not KEY=VALUE", []string{"volume-list", "--filters", "=v"}},
		{"must not be negative", []string{"volume-list", "--limit", "-1"}},
		{"must not be negative", []string{"message-list", "--limit", "-1"}},
		{"neither True nor False", []string{"cluster-list", "--is-up", "perhaps"}},
		{"say which volume", []string{"backup-create"}},
		{"say the host and the binary", []string{"service-disable", "bak1"}},
		{"say which volume or backup", []string{"backup-chain"}},
		{"is none of", []string{"snapshot-list", "-c", "flavor"}},
	} {
		code, out, errOut := invoke(t, map[string]string{"HOME": t.TempDir()}, c.args...)
		assert.Equal(t, 2, code, c.args)
		assert.Contains(t, errOut, c.text)
		assert.Empty(t, out)
	}
}

func TestListsAreOnesOwnUnlessAsked(t *testing.T) {
	for _, c := range []struct {
		args    []string
		scope   *bool
		filters map[string]string
	}{
		{nil, ptr(false), nil},
		{[]string{"--all-projects"}, ptr(true), nil},
		{[]string{"--all-tenants=1"}, ptr(true), nil},
		{[]string{"--project", "p", "--filters", "name~=x"}, ptr(true), map[string]string{"project_id": "p", "name~": "x"}},
		{[]string{"--os-endpoint", "http://127.0.0.1/v3"}, nil, nil},
	} {
		o, err := parse(t, newVolumeList, nil, append([]string{"volume-list"}, c.args...)...)
		require.NoError(t, err)
		assert.Equal(t, c.scope, o.filter.scope, c.args)
		assert.Equal(t, c.filters, o.filter.filters, c.args)
		s, err := parse(t, newSnapshotList, nil, append([]string{"snapshot-list"}, c.args...)...)
		require.NoError(t, err)
		assert.Equal(t, c.scope, s.filter.scope, c.args)
	}
	m, err := parse(t, newMessageList, nil, "message-list", "--resource_uuid", "id", "--resource-type", "volume_backup", "--level", "error")
	require.NoError(t, err, "as cinderclient spells it")
	assert.Equal(t, client.MessageListOpts{ResourceID: "id", ResourceType: "VOLUME_BACKUP", Level: "ERROR"}, m.filter)
}

func TestListsShowWhatTheyGet(t *testing.T) {
	f, b := newCloudFake(attached(volumeIn(driverstate.VolumeInUse))), newBench()
	f.snapshots = []client.Snapshot{{ID: "s", VolumeID: volumeOne, Status: "available", Size: 1}}
	f.clusters = []client.Cluster{{Name: "c", Binary: driverstate.BinaryVolume, State: "up", Status: "enabled", NumHosts: 2, NumDownHosts: 1}}
	f.messages = []client.Message{{ID: "m", EventID: "e", UserMessage: "text", CreatedAt: day(1)}}
	require.NoError(t, runVolumeList(t.Context(), &volumeListOptions{print: b.print, client: func(context.Context) (volumeListClient, error) { return f, nil }}))
	require.NoError(t, runVolumeShow(t.Context(), &volumeShowOptions{con: b.con, print: b.print, refs: []string{"database"},
		client: func(context.Context) (volumeFinder, error) { return f, nil }}))
	require.NoError(t, runSnapshotList(t.Context(), &snapshotListOptions{print: b.print, client: func(context.Context) (snapshotListClient, error) { return f, nil }}))
	require.NoError(t, runClusterList(t.Context(), &clusterListOptions{print: b.print, client: func(context.Context) (clusterListClient, error) { return f, nil }}))
	require.NoError(t, runMessageList(t.Context(), &messageListOptions{print: b.print, client: func(context.Context) (messageLister, error) { return f, nil }}))
	for _, text := range []string{volumeOne + " in-use database 1", "s " + volumeOne + " available", "c cinder-volume up enabled 2 1", "2026-03-01T12:00:00Z"} {
		assert.Contains(t, b.out.String(), text)
	}
	err := runVolumeShow(t.Context(), &volumeShowOptions{con: b.con, print: b.print, refs: []string{"database", "absent"},
		client: func(context.Context) (volumeFinder, error) { return f, nil }})
	assert.Equal(t, 3, exitCode(err))
}

func TestATargetWithoutTheCallIsNamed(t *testing.T) {
	f, b := newCloudFake(), newBench()
	f.err = map[string]error{"clusters": driverstate.Fail(driverstate.ErrNotSupported, "no such call")}
	o := &clusterListOptions{print: b.print, client: func(context.Context) (clusterListClient, error) { return f, nil }}
	assert.EqualError(t, runClusterList(t.Context(), o), "no such call")
	l := listFlags{}
	assert.Contains(t, hintFor(l.explain(driverstate.Fail(driverstate.ErrInvalidInput, "invalid filters host"), false)), "are for an admin")
	o.standalone = true
	err := runClusterList(t.Context(), o)
	assert.ErrorContains(t, err, "the engine has no such call")
	assert.Contains(t, hintFor(err), "without --standalone")
	assert.Equal(t, 1, exitCode(err))
}

func serviceSetOn(f *cloudFake, b *bench, status, host string) *serviceSetOptions {
	return &serviceSetOptions{con: b.con, print: b.print, verb: "service-" + status[:len(status)-1], status: status, host: host, binary: "cinder-backup",
		client: func(context.Context) (serviceSetClient, error) { return f, nil }}
}

func TestAServiceIsSetAndLookedAtAgain(t *testing.T) {
	f, b := newCloudFake(), newBench()
	o := serviceSetOn(f, b, serviceDisabled, "bak-swift")
	o.reason = "disk full"
	require.NoError(t, runServiceSet(t.Context(), o))
	assert.Contains(t, b.out.String(), "disabled")
	assert.NotContains(t, b.err.String(), "warning")
	require.NoError(t, runServiceSet(t.Context(), o), "again")
	require.NoError(t, runServiceSet(t.Context(), serviceSetOn(f, b, serviceEnabled, "bak-swift")))
	assert.Equal(t, []string{"disabled bak-swift", "enabled bak-swift"}, f.calls)
}

func TestAServiceIsNamedInFull(t *testing.T) {
	f, b := newCloudFake(), newBench()
	f.services = []client.Service{{Binary: "cinder-backup", Host: "node1@file", Status: "enabled", State: "up"}}
	refused(t, f, 5, runServiceSet(t.Context(), serviceSetOn(f, b, serviceDisabled, "node1")))
	assert.Contains(t, b.err.String(), "hint: cinder-go service-disable node1@file cinder-backup")
}

func TestWhatAServicesNewStatusDoesNotDoIsTold(t *testing.T) {
	for _, c := range []struct {
		name, status string
		change       func([]client.Service)
		text         string
	}{
		{"the last one", serviceDisabled, func(s []client.Service) { s[1].State = "down" }, "nobody takes new work then"},
		{"of a cluster", serviceDisabled, func(s []client.Service) { s[0].Cluster = ptr("c") }, "belongs to cluster c"},
		{"down", serviceEnabled, func(s []client.Service) { s[0].State, s[0].Status = "down", "disabled" }, "is down: it takes work when it is started"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(), newBench()
			c.change(f.services)
			o := serviceSetOn(f, b, c.status, "bak-posix")
			o.guard.dryRun = true
			refused(t, f, 0, runServiceSet(t.Context(), o))
			assert.Contains(t, b.err.String(), c.text)
			assert.Contains(t, b.err.String(), "1 skipped")
		})
	}
}

func TestAServiceWhoseAnswerWasLostIsLookedAt(t *testing.T) {
	f, b := newCloudFake(), newBench()
	f.err = map[string]error{"disabled bak-posix": badGateway}
	require.NoError(t, runServiceSet(t.Context(), serviceSetOn(f, b, serviceDisabled, "bak-posix")))
	assert.Contains(t, b.err.String(), "1 changed")
	f.err["disabled bak-swift"] = driverstate.Fail(driverstate.ErrForbidden, "no")
	assert.Equal(t, 7, exitCode(runServiceSet(t.Context(), serviceSetOn(f, b, serviceDisabled, "bak-swift"))))
}

func TestMessagesOfAnEarlierFailureAreNotTakenForThisOne(t *testing.T) {
	f := newCloudFake()
	f.messages = []client.Message{{UserMessage: "old.", CreatedAt: day(1)}}
	assert.Empty(t, toldSince(t.Context(), f, "id", day(2)))
	assert.Equal(t, " (the cloud's message: old)", toldSince(t.Context(), f, "id", time.Time{}))
}
