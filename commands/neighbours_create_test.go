package commands

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

var (
	badGateway = &client.Error{Status: 502, Resource: "backup"}
	refusedByV = driverstate.Fail(driverstate.ErrInvalidStatus, "backup: refused")
)

func createOn(f *cloudFake, b *bench) *backupCreateOptions {
	return &backupCreateOptions{con: b.con, print: b.print, now: clock(time.Second), volume: "database",
		client: func(context.Context) (backupCreateClient, error) { return f, nil }}
}

func backupIn(status driverstate.Status) client.Backup { return client.Backup{Status: status} }

func TestABackupIsSeenThrough(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
	f.looks = []client.Backup{backupIn(driverstate.StatusCreating), backupIn(driverstate.StatusAvailable)}
	f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeBackingUp), volumeIn(driverstate.VolumeAvailable)}
	o := createOn(f, b)
	o.ask = client.CreateBackupOpts{Name: "nightly", Incremental: true, Metadata: map[string]string{"k": "v"}}
	require.NoError(t, runBackupCreate(t.Context(), o))
	assert.Equal(t, client.CreateBackupOpts{VolumeID: volumeOne, Name: "nightly", Incremental: true, Metadata: map[string]string{"k": "v"}}, f.asked)
	assert.Contains(t, b.out.String(), made)
	assert.Contains(t, b.err.String(), "backup-create: 1 selected, 1 changed, 0 unchanged, 0 skipped, 0 failed")
	assert.NotContains(t, b.err.String(), "warning")
}

func TestNoBackupIsAskedForWhenNobodyWouldMakeIt(t *testing.T) {
	down, disabled := backupService("bak-posix", "nova"), backupService("bak-posix", "nova")
	down.State, disabled.Status = "down", "disabled"
	away := down
	away.DisabledReason = ptr("store /srv/backup: no such directory")
	for _, c := range []struct {
		name     string
		services []client.Service
		text     string
	}{
		{"none", []client.Service{}, "no cinder-backup is up"},
		{"down", []client.Service{down}, "no cinder-backup is up"},
		{"an engine whose store is away", []client.Service{away}, "backing-up; bak-posix: store /srv/backup: no such directory\nhint: cinder-go driver-check --host bak-posix shows"},
		{"disabled", []client.Service{disabled}, "cinder-go service-enable bak-posix cinder-backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
			f.services = c.services
			refused(t, f, 8, runBackupCreate(t.Context(), createOn(f, b)))
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

// forbidding may not see the services.
type forbidding struct{ *cloudFake }

func (forbidding) ListServices(context.Context, string, string) ([]client.Service, error) {
	return nil, driverstate.Fail(driverstate.ErrForbidden, "not yours")
}

func TestATenantWhoSeesNoServicesIsNotHeldUp(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
	f.looks = []client.Backup{backupIn(driverstate.StatusAvailable)}
	f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeAvailable)}
	o := createOn(f, b)
	o.client = func(context.Context) (backupCreateClient, error) { return forbidding{f}, nil }
	o.ask.AvailabilityZone = "az-swift"
	require.NoError(t, runBackupCreate(t.Context(), o))
	assert.Contains(t, b.err.String(), "its row does not name the zone az-swift")
}

func TestABackupThatFailsIsExitFourWithWhatCanBeSeen(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
	f.looks = []client.Backup{{Status: driverstate.StatusError, FailReason: ptr("Service not found for creating backup."), CreatedAt: day(8)}}
	f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeAvailable)}
	f.messages = []client.Message{{UserMessage: "create backup:Backup failed to schedule.", CreatedAt: day(8)}}
	err := runBackupCreate(t.Context(), createOn(f, b))
	assert.Equal(t, 4, exitCode(err))
	assert.ErrorContains(t, err, "became error, not available: Service not found for creating backup (the cloud's message: create backup:Backup failed to schedule)")
	assert.Contains(t, b.out.String(), made, "the row that is left behind is shown")
	assert.Contains(t, b.err.String(), "hint: when the cause is mended: cinder-go backup-delete "+made)
}

func TestABackupThatNobodyWorksOnIsGivenUp(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
	f.services[0].State = "down"
	f.looks = []client.Backup{backupIn(driverstate.StatusCreating), backupIn(driverstate.StatusCreating)}
	f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeBackingUp)}
	o := createOn(f, b)
	o.now = clock(watchEvery)
	err := runBackupCreate(t.Context(), o)
	assert.Equal(t, 4, exitCode(err))
	assert.ErrorContains(t, err, "is creating, and nobody works on it: its host bak-posix is down")
	assert.Contains(t, b.err.String(), "cinder-go backup-reset-state --state error "+made)
	assert.Contains(t, b.err.String(), "the volume "+volumeOne+" is backing-up, and was available before")
}

func TestABackupOfAHostThatIsUpIsWaitedForUntilTheTimeIsOver(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
	f.looks = []client.Backup{backupIn(driverstate.StatusCreating), backupIn(driverstate.StatusCreating)}
	f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeBackingUp)}
	o := createOn(f, b)
	o.now, o.wait.timeout = clock(watchEvery), time.Millisecond
	err := runBackupCreate(t.Context(), o)
	assert.Equal(t, 4, exitCode(err))
	assert.ErrorContains(t, err, "still under way after 1ms")
}

func TestAZoneThatWasIgnoredIsTold(t *testing.T) {
	for zone, warned := range map[string]bool{"az-swift": true, "nova": false} {
		f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
		f.looks = []client.Backup{backupIn(driverstate.StatusAvailable)}
		f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeAvailable)}
		o := createOn(f, b)
		o.ask.AvailabilityZone = zone
		require.NoError(t, runBackupCreate(t.Context(), o))
		assert.Equal(t, warned, containsText(b, "the zone "+zone+" was ignored: its host bak-posix is in zone nova"))
	}
}

func TestABackupWhoseAnswerWasLostIsLookedForAndNotAskedForAgain(t *testing.T) {
	old := client.Backup{ID: idOther, VolumeID: volumeOne, Name: ptr("nightly")}
	fresh := client.Backup{ID: made, VolumeID: volumeOne, Name: ptr("nightly")}
	second := client.Backup{ID: idFull, VolumeID: volumeOne, Name: ptr("nightly")}
	foreign := client.Backup{ID: idChild, VolumeID: volumeOne, Name: ptr("weekly")}
	for _, c := range []struct {
		name  string
		lists [][]client.Backup
		left  driverstate.VolumeStatus
		code  int
		text  string
	}{
		{"there", [][]client.Backup{{old}, {old}, {foreign, fresh, old}}, driverstate.VolumeAvailable, 0, "but backup " + made + " is there"},
		{"not there", [][]client.Backup{{old}, {foreign, old}}, driverstate.VolumeAvailable, 1, "the answer was lost, and no such backup is there"},
		{"not there, and the volume is stuck", [][]client.Backup{{old}}, driverstate.VolumeBackingUp, 1, "the volume is left in backing-up, and was available"},
		{"two", [][]client.Backup{{old}, {fresh, second, old}}, driverstate.VolumeAvailable, 1, "several backups are new: " + made + ", " + idFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
			f.err = map[string]error{"create-backup": badGateway}
			f.lists = c.lists
			f.looks = []client.Backup{backupIn(driverstate.StatusAvailable)}
			f.volumeLooks = []client.Volume{volumeIn(c.left), volumeIn(c.left), volumeIn(c.left)}
			f.afterCreate = c.left
			o := createOn(f, b)
			o.now, o.ask.Name = clock(lostLooks/2), "nightly"
			assert.Equal(t, c.code, exitCode(runBackupCreate(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.text)
			sent := 0
			for _, call := range f.calls {
				if call == "create-backup" {
					sent++
				}
			}
			assert.Equal(t, 1, sent)
		})
	}
}

func TestAServerErrorThatLeavesTheVolumeBehindIsTold(t *testing.T) {
	f, b := newCloudFake(volumeIn(driverstate.VolumeAvailable)), newBench()
	f.err = map[string]error{"create-backup": driverstate.Fail(driverstate.ErrUnavailable, "backup: the server has erred (HTTP 500)")}
	f.afterCreate = driverstate.VolumeBackingUp
	assert.Equal(t, 8, exitCode(runBackupCreate(t.Context(), createOn(f, b))))
	assert.Contains(t, b.err.String(), "the volume is left in backing-up, and was available")
	assert.Contains(t, b.err.String(), "cinder-go volume-reset-state --state available "+volumeOne)
}

func TestARefusalComesWithWhatToTypeNext(t *testing.T) {
	for _, c := range []struct {
		name   string
		volume driverstate.VolumeStatus
		ask    client.CreateBackupOpts
		hint   string
	}{
		{"in use", driverstate.VolumeInUse, client.CreateBackupOpts{}, "--force"},
		{"stuck", driverstate.VolumeBackingUp, client.CreateBackupOpts{Force: true}, "volume-reset-state --state available " + volumeOne},
		{"no base", driverstate.VolumeAvailable, client.CreateBackupOpts{Incremental: true}, "without --incremental"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(volumeIn(c.volume)), newBench()
			f.err = map[string]error{"create-backup": refusedByV}
			o := createOn(f, b)
			o.ask = c.ask
			assert.Equal(t, 6, exitCode(runBackupCreate(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.hint)
		})
	}
}

func TestTextThatCinderCannotStoreIsNotSent(t *testing.T) {
	for _, args := range [][]string{
		{"backup-create", "v", "--name", "nightly \U0001F600"}, {"backup-create", "v", "--description", "\U0001F600"},
		{"backup-create", "v", "--metadata", "k=\U0001F600"}, {"backup-create", "v", "--container", "\U0001F600"},
		{"backup-update", "b", "--name", "\U0001F600"}, {"volume-create", "1", "--name", "\U0001F600"},
		{"service-disable", "h", "cinder-backup", "--reason", "\U0001F600"},
	} {
		code, _, errOut := invoke(t, map[string]string{"HOME": t.TempDir()}, args...)
		assert.Equal(t, 2, code, args)
		assert.Contains(t, errOut, "cannot be stored")
	}
	o, err := parse(t, newBackupCreate, nil, "backup-create", "v", "--name", "wöchentlich 每週 €")
	require.NoError(t, err, "3 bytes fit")
	assert.Equal(t, "wöchentlich 每週 €", o.ask.Name)
}

func TestABackupIsUpdatedOnlyWhenSomethingDiffers(t *testing.T) {
	for _, c := range []struct {
		name    string
		ask     client.UpdateBackupOpts
		err     error
		outcome string
		code    int
	}{
		{"another name", client.UpdateBackupOpts{Name: ptr("weekly")}, nil, "1 changed", 0},
		{"the same name", client.UpdateBackupOpts{Name: ptr("nightly")}, nil, "1 unchanged", 0},
		{"no description", client.UpdateBackupOpts{Description: ptr("")}, nil, "1 unchanged", 0},
		{"not done", client.UpdateBackupOpts{Description: ptr("text")}, nil, "1 failed", 4},
		{"refused", client.UpdateBackupOpts{Name: ptr("weekly")}, driverstate.Fail(driverstate.ErrForbidden, "no"), "1 failed", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(), newBench()
			f.backups = chainOfTwo()
			f.err = map[string]error{"update " + idFull: c.err}
			o := &backupUpdateOptions{con: b.con, print: b.print, ref: "nightly", ask: c.ask,
				client: func(context.Context) (backupUpdateClient, error) { return f, nil }}
			assert.Equal(t, c.code, exitCode(runBackupUpdate(t.Context(), o)))
			assert.Contains(t, b.err.String(), c.outcome)
			assert.Equal(t, c.outcome == "1 unchanged", len(f.calls) == 0)
		})
	}
	_, err := parse(t, newBackupUpdate, nil, "backup-update", "b")
	assert.ErrorContains(t, err, "say what to change")
}

func volumeCreateOn(f *cloudFake, b *bench) *volumeCreateOptions {
	return &volumeCreateOptions{con: b.con, print: b.print, ask: client.CreateVolumeOpts{Size: 1, Name: "target"},
		client: func(context.Context) (volumeCreateClient, error) { return f, nil }}
}

func TestAVolumeIsWaitedForUntilItIsAvailable(t *testing.T) {
	for _, c := range []struct {
		name  string
		looks []client.Volume
		code  int
		text  string
	}{
		{"available", []client.Volume{volumeIn(driverstate.VolumeCreating), volumeIn(driverstate.VolumeAvailable)}, 0, "1 changed"},
		{"error", []client.Volume{volumeIn(driverstate.VolumeError)}, 4, "became error, not available (the cloud's message: no host had room)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(), newBench()
			f.volumeLooks = c.looks
			f.messages = []client.Message{{UserMessage: "no host had room."}}
			assert.Equal(t, c.code, exitCode(runVolumeCreate(t.Context(), volumeCreateOn(f, b))))
			assert.Contains(t, b.err.String(), c.text)
			assert.NotEmpty(t, b.out.String())
		})
	}
}

func TestAVolumeWhoseAnswerWasLostIsLookedFor(t *testing.T) {
	fresh := client.Volume{ID: volumeTwo, Name: ptr("target"), Status: driverstate.VolumeCreating}
	for _, c := range []struct {
		name string
		born []client.Volume
		code int
		text string
	}{
		{"there", []client.Volume{fresh}, 0, "but volume " + volumeTwo + " is there"},
		{"not there", nil, 1, "what came of it is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := newCloudFake(client.Volume{ID: volumeOne, Name: ptr("target")}), newBench()
			f.err, f.born = map[string]error{"create-volume": badGateway}, c.born
			f.volumeLooks = []client.Volume{volumeIn(driverstate.VolumeAvailable)}
			assert.Equal(t, c.code, exitCode(runVolumeCreate(t.Context(), volumeCreateOn(f, b))))
			assert.Contains(t, b.err.String(), c.text)
			assert.Equal(t, []string{"create-volume"}, f.calls)
		})
	}
}
