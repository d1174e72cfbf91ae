package manager_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// firstAlone starts a member and, when work has made it freeze, another one.
func (f *fleet) firstAlone(point string, prepare func(a *member) func()) (a, b *member, wake func()) {
	a = f.start("h1", blue)
	work := prepare(a)
	wake = f.dead(a, point, work)
	b = f.start("h2", blue)
	f.t.Cleanup(func() { // Stop waits for what is frozen
		if a.link.silent.Load() {
			wake()
		}
	})
	return a, b, wake
}

func TestADeadMembersBackupIsEndedByAnother(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var row *driverstate.Backup
		var v *driverstate.Volume
		a, b, wake := f.firstAlone(atBackup, func(a *member) func() {
			v = a.newVolume()
			require.NoError(t, fillVolume(v, image(256<<10, 9)))
			return func() {
				var err error
				row, err = a.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: v.ID})
				require.NoError(t, err)
				// What comes before the read that freezes is stored beside it.
				require.Eventually(t, func() bool { return len(a.stored(row.ID)) > 0 }, wait, tick)
			}
		})
		require.NotEmpty(t, a.stored(row.ID))
		got := b.cleanup()
		assert.Equal(t, []string{"cinder-backup h1", "cinder-volume h1@file"}, sorted(hosts(got.Cleaning)))
		assert.Empty(t, got.Unavailable)
		assert.Equal(t, "incomplete backup reset on manager restart", b.until(row.ID, driverstate.StatusError).FailReason)
		assert.Equal(t, driverstate.VolumeAvailable, b.volume(v.ID).Status)
		assert.Empty(t, b.objects(row.ID))
		f.noEntry()

		wake()
		require.Eventually(t, func() bool { return a.Running() == 0 }, wait, tick)
		assert.Equal(t, driverstate.StatusError, b.row(row.ID).Status, "who wakes too late writes nothing")
		assert.Empty(t, a.notified("backup.create.end", row.ID))
		assert.Empty(t, b.objects(row.ID), "and leaves nothing that nobody owns")
	})
}

func TestADeadMembersRestoreAndDeleteAndTheRestAreEnded(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		f.change = func(c *manager.Config) { c.Jobs = 8 }
		a := f.start("h1", blue)
		restoring, deleting, forced := a.managed(nil, image(64<<10, 1)), a.managed(nil, image(64<<10, 2)), a.managed(nil, image(64<<10, 3))
		resetting, verified := a.managed(nil, image(64<<10, 4)), a.managed(nil, image(64<<10, 5))
		v := a.newVolume()
		var points []*hold
		for _, p := range []string{atRestore, atDelete, atInspect} {
			points = append(points, a.driver.freeze(p))
		}
		_, err := a.RestoreBackup(t.Context(), admin, restoring.ID, driverstate.RestoreRequest{VolumeID: v.ID})
		require.NoError(t, err)
		require.NoError(t, a.DeleteBackup(t.Context(), admin, deleting.ID, false))
		require.NoError(t, a.DeleteBackup(t.Context(), admin, forced.ID, true))
		a.set(resetting.ID, driverstate.StatusErrorDeleting, nil)
		require.NoError(t, a.ResetBackupStatus(t.Context(), admin, resetting.ID, driverstate.StatusAvailable))
		look, err := a.CreateVerification(t.Context(), admin, driverstate.VerifyRequest{BackupIDs: []string{verified.ID}, Depth: driverstate.DepthStructure})
		require.NoError(t, err)
		for _, h := range points {
			h.wait(t)
		}
		require.Eventually(t, func() bool { // all five are claimed
			all, err := a.db.WorkerGetAll(t.Context(), a.service(driverstate.BinaryBackup).ID)
			require.NoError(t, err)
			return len(all) == 5
		}, wait, tick)
		a.link.silent.Store(true)
		f.pass()
		b := f.start("h2", blue)
		b.cleanup()

		b.untilGone(deleting.ID)
		b.untilGone(forced.ID)
		require.Eventually(t, func() bool { return len(b.notified("backup.delete.end", forced.ID)) == 1 }, wait, tick)
		assert.True(t, *b.announced("backup.delete.end", forced.ID).Payload.Force)
		assert.False(t, *b.announced("backup.delete.end", deleting.ID).Payload.Force)
		assert.Equal(t, "incomplete restore reset on manager restart", b.until(restoring.ID, driverstate.StatusAvailable).FailReason)
		assert.Equal(t, driverstate.VolumeErrorRestoring, b.volume(v.ID).Status)
		b.until(resetting.ID, driverstate.StatusAvailable)
		require.Eventually(t, func() bool {
			now, err := b.Verification(t.Context(), admin, look.ID)
			require.NoError(t, err)
			return now.Status == driverstate.VerificationFailed
		}, wait, tick)
		f.noEntry()

		a.link.silent.Store(false)
		for _, p := range []string{atRestore, atDelete, atInspect} {
			a.driver.open(p)
		}
		require.Eventually(t, func() bool { return a.Running() == 0 }, wait, tick)
		assert.Equal(t, driverstate.VolumeErrorRestoring, b.volume(v.ID).Status)
		assert.Empty(t, a.notified("backup.delete.end", deleting.ID), "nothing is done twice")
	})
}

func TestWorkThatADeadMemberHadNotBegunIsDoneByAnother(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		f.change = func(c *manager.Config) { c.Jobs, c.AutoCleanup = 1, true }
		a := f.start("h1", blue)
		row := a.managed(nil, image(64<<10, 1))
		a.link.mu.Lock()
		require.NoError(t, a.link.DB.Update(t.Context(), func(tx db.Tx) error {
			b, err := tx.BackupGet(t.Context(), row.ID)
			require.NoError(t, err)
			b.Status = driverstate.StatusDeleting
			require.NoError(t, tx.BackupUpdate(t.Context(), b))
			require.NoError(t, tx.WorkerCreate(t.Context(), &driverstate.Worker{ResourceType: "Backup", ResourceID: row.ID, Status: "deleting"}))
			return tx.JobInsert(t.Context(), &db.Job{Kind: db.JobDelete, Queue: "cluster blue", BackupID: row.ID, Args: []byte(`{}`)})
		}))
		require.Eventually(t, func() bool { return a.Running() == 1 }, wait, tick)
		a.link.silent.Store(true)
		f.pass()
		b := f.start("h2", blue)
		b.untilGone(row.ID)
		assert.Empty(t, b.objects(row.ID))
		require.Eventually(t, func() bool { return len(b.notified("backup.delete.end", row.ID)) == 1 }, wait, tick)
		f.noEntry()
		a.link.mu.Unlock()
		a.link.silent.Store(false)
		require.Eventually(t, func() bool { return a.Running() == 0 && !a.Fenced() }, wait, tick)
		assert.Empty(t, a.notified("backup.delete.start", row.ID))
	})
}

func TestAutomaticCleanupOfADeadMember(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		f.change = func(c *manager.Config) { c.AutoCleanup, c.AutoCleanupChecks = true, 3 }
		a := f.start("h1", blue)
		var rows []*driverstate.Backup
		for n := range 4 {
			rows = append(rows, a.managed(nil, image(64<<10, uint64(n))))
		}
		wake := f.dead(a, atDelete, func() {
			for _, row := range rows {
				require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false))
			}
		})
		b, c := f.start("h2", blue), f.start("h3", blue)
		for _, row := range rows {
			b.untilGone(row.ID)
			require.Eventually(t, func() bool {
				return len(b.notified("backup.delete.end", row.ID))+len(c.notified("backup.delete.end", row.ID)) == 1
			}, wait, tick, "one of them ended it")
		}
		f.noEntry()
		wake()
		require.Eventually(t, func() bool { return a.Running() == 0 && !a.Fenced() }, wait, tick)
	})
}

func TestWithoutTheOptionNothingIsCleanedUpUnasked(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var row *driverstate.Backup
		_, b, _ := f.firstAlone(atDelete, func(a *member) func() {
			row = a.managed(nil, image(64<<10, 1))
			return func() { require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false)) }
		})
		first := b.heartbeatAt()
		require.Eventually(t, func() bool { return b.heartbeatAt().After(first.Add(200 * time.Millisecond)) }, wait, tick)
		assert.Equal(t, driverstate.StatusDeleting, b.row(row.ID).Status)
	})
}

func TestAMemberThatIsNotHeardOfStopsItsWork(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a := f.start("h1", blue)
		row, v := a.managed(nil, image(64<<10, 1)), a.newVolume()
		running := a.driver.hold(atRestore)
		_, err := a.RestoreBackup(t.Context(), admin, row.ID, driverstate.RestoreRequest{VolumeID: v.ID})
		require.NoError(t, err)
		running.wait(t)
		a.link.silent.Store(true)
		f.pass()
		require.Eventually(t, func() bool { return a.Fenced() && a.Running() == 0 }, wait, tick)
		assert.Equal(t, driverstate.StatusRestoring, a.row(row.ID).Status, "it writes nothing while others may")
		a.driver.open(atRestore)

		a.link.silent.Store(false)
		assert.Equal(t, "incomplete restore reset on manager restart", a.until(row.ID, driverstate.StatusAvailable).FailReason)
		assert.Equal(t, driverstate.VolumeErrorRestoring, a.volume(v.ID).Status)
		f.noEntry()
		require.Eventually(t, func() bool { return !a.Fenced() }, wait, tick)
		require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false))
		a.untilGone(row.ID)
	})
}

// What it was writing is ended by itself when it is heard of again.
func TestAMemberThatWasNotHeardOfEndsItsBackups(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a := f.start("h1", blue)
		v := a.newVolume()
		require.NoError(t, fillVolume(v, image(256<<10, 3)))
		copying := a.driver.hold(atBackup)
		b, err := a.CreateBackup(t.Context(), tenant, driverstate.BackupRequest{VolumeID: v.ID})
		require.NoError(t, err)
		copying.wait(t)
		a.link.silent.Store(true)
		f.pass()
		require.Eventually(t, func() bool { return a.Fenced() && a.Running() == 0 }, wait, tick)
		a.driver.open(atBackup)

		a.link.silent.Store(false)
		assert.Equal(t, "incomplete backup reset on manager restart", a.until(b.ID, driverstate.StatusError).FailReason)
		assert.Empty(t, a.objects(b.ID))
		assert.Equal(t, driverstate.VolumeAvailable, a.volume(v.ID).Status)
		f.noEntry()
		require.Eventually(t, func() bool { return !a.Fenced() }, wait, tick)
	})
}

// A restore that waits is stopped by a reset. When its turn comes it leaves the
// next restore of the backup alone, which another member may take.
func TestAStoppedRestoreLeavesTheNextOneAlone(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		f.change = func(c *manager.Config) { c.Jobs = 1 }
		a := f.start("h1", blue)
		first, b := a.managed(nil, image(64<<10, 1)), a.managed(nil, image(64<<10, 2))
		busy := a.driver.hold(atRestore)
		restore := func(id string) string {
			answer, err := a.RestoreBackup(t.Context(), admin, id, driverstate.RestoreRequest{})
			require.NoError(t, err)
			return answer.VolumeID
		}
		restore(first.ID)
		busy.wait(t)
		stopped := restore(b.ID)
		require.NoError(t, a.ResetBackupStatus(t.Context(), admin, b.ID, driverstate.StatusAvailable))
		wanted := restore(b.ID)
		next := a.driver.hold(atRestore)
		close(busy.release)
		next.wait(t)
		f.start("h2", blue)
		a.driver.open(atRestore)
		a.until(b.ID, driverstate.StatusAvailable)
		assert.Equal(t, driverstate.VolumeAvailable, a.volume(wanted).Status)
		assert.Equal(t, driverstate.VolumeError, a.volume(stopped).Status)
		f.noEntry()
	})
}

func TestCleanupIsCarriedOutByAMemberThoughAnotherProcessWasAsked(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var row *driverstate.Backup
		_, b, _ := f.firstAlone(atDelete, func(a *member) func() {
			row = a.managed(nil, image(64<<10, 1))
			return func() { require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false)) }
		})
		alone := f.start("h3", "")
		status, answer := alone.ask("admin", "POST", "workers/cleanup", `{"resource_type":"Backup","host":"h1"}`)
		require.Equal(t, http.StatusAccepted, status, answer)
		assert.Len(t, answer["cleaning"], 2)
		b.untilGone(row.ID)
		require.Eventually(t, func() bool { return len(b.notified("backup.delete.end", row.ID)) == 1 }, wait, tick) // told after the commit
		assert.Empty(t, alone.notified("backup.delete.end", row.ID))
	})
}

func TestADeadServiceWithoutAClusterIsCleanedByItsOwnStartOnly(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a := f.start("h1", "")
		row := a.managed(nil, image(64<<10, 1))
		wake := f.dead(a, atDelete, func() { require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false)) })
		b := f.start("h2", blue)
		got := b.cleanup()
		assert.Empty(t, got.Cleaning)
		assert.Equal(t, []string{"cinder-backup h1", "cinder-volume h1@file"}, sorted(hosts(got.Unavailable)))
		assert.Equal(t, driverstate.StatusDeleting, b.row(row.ID).Status)
		wake()
		b.untilGone(row.ID)
		a.announced("backup.delete.end", row.ID)
		assert.Len(t, a.notified("backup.delete.end", row.ID), 1)
	})
}

func TestCleanupOfTheLivingLeavesTheirWorkAlone(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		a, b := f.start("h1", blue), f.start("h2", blue)
		row, v, who, other := f.running(a, b)
		got, err := other.CleanupWorkers(t.Context(), admin, driverstate.CleanupFilter{IsUp: true})
		require.NoError(t, err)
		assert.Len(t, got.Cleaning, 4)
		f.idleQueues()
		assert.Equal(t, driverstate.StatusCreating, a.row(row.ID).Status)
		who.driver.open(atBackup)
		a.until(row.ID, driverstate.StatusAvailable)
		assert.Equal(t, driverstate.VolumeAvailable, a.volume(v.ID).Status)
	})
}

// idleQueues waits until every cleanup was carried out.
func (f *fleet) idleQueues() {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		left := 0
		require.NoError(f.t, f.made[0].db.Update(f.t.Context(), func(tx db.Tx) error {
			jobs, err := tx.JobsOf(f.t.Context(), "")
			left = len(jobs)
			return err
		}))
		return left == 0
	}, wait, tick)
}

func TestAnEntryNewerThanTheRequestIsLeftAlone(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var row *driverstate.Backup
		_, b, _ := f.firstAlone(atDelete, func(a *member) func() {
			row = a.managed(nil, image(64<<10, 1))
			return func() { require.NoError(t, a.DeleteBackup(t.Context(), admin, row.ID, false)) }
		})
		dead := f.made[0].service(driverstate.BinaryBackup)
		early := db.Job{Kind: db.JobCleanup, Queue: "cleanup of cluster blue",
			Args: []byte(`{"service_id":` + itoa(dead.ID) + `,"until":"2001-01-01T00:00:00Z"}`)}
		require.NoError(t, b.db.Update(t.Context(), func(tx db.Tx) error { return tx.JobInsert(t.Context(), &early) }))
		f.idleQueues()
		assert.Equal(t, driverstate.StatusDeleting, b.row(row.ID).Status)
		b.cleanup()
		b.untilGone(row.ID)
	})
}

func TestCleanupOfOneBackup(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		var one, another *driverstate.Backup
		_, b, _ := f.firstAlone(atDelete, func(a *member) func() {
			one, another = a.managed(nil, image(64<<10, 1)), a.managed(nil, image(64<<10, 2))
			return func() {
				require.NoError(t, a.DeleteBackup(t.Context(), admin, one.ID, false))
				require.NoError(t, a.DeleteBackup(t.Context(), admin, another.ID, false))
				require.Eventually(t, func() bool { return a.Running() == 2 }, wait, tick)
			}
		})
		require.Eventually(t, func() bool {
			all, err := b.db.WorkerGetAll(t.Context(), f.made[0].service(driverstate.BinaryBackup).ID)
			require.NoError(t, err)
			return len(all) == 2
		}, wait, tick)
		status, answer := b.ask("admin", "POST", "workers/cleanup", `{"resource_id":"`+one.ID+`"}`)
		require.Equal(t, http.StatusAccepted, status, answer)
		b.untilGone(one.ID)
		f.idleQueues()
		assert.Equal(t, driverstate.StatusDeleting, b.row(another.ID).Status)
		status, answer = b.ask("admin", "POST", "workers/cleanup", `{"resource_id":"`+one.ID+`"}`)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "Invalid input received: There is no resource with UUID "+one.ID+" pending cleanup.", message(answer))
		b.cleanup()
		b.untilGone(another.ID)
	})
}
