package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// pair is the services of a process with two posix stores, called near, which
// has no name and so the host's, and far, and one of objects.
type pair struct {
	*manager.Stores
	t                 *testing.T
	db                db.DB
	near, far, things *gate
	dir               string
}

const (
	farHost    = host + "@far"
	thingsHost = host + "@things"
)

func newPair(t *testing.T, dir string, change func(*manager.Config)) *pair {
	t.Helper()
	p := &pair{t: t, dir: dir}
	open := func(name, url string) *gate {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		inner, err := drivers.Open(url+filepath.Join(dir, name)+"?object_size=65536&block_size=32768", drivers.Options{Workers: 2})
		require.NoError(t, err)
		return newGate(t, inner)
	}
	p.near, p.far, p.things = open("near", "posix://"), open("far", "posix://"), open("things", "objects://")
	p.db = openDB(t, filepath.Join(dir, "db"))
	volumes := filepath.Join(dir, "volumes")
	require.NoError(t, os.MkdirAll(volumes, 0o755))
	c := manager.Config{
		DB: p.db, Canonical: drivers.Canonical, Host: host,
		VolumeDir: volumes, OpenTarget: openTarget, OpenSource: openSource, CopyVolume: volume.Copy, Space: volume.Space,
		ReportInterval: 20 * time.Millisecond, InitInterval: 10 * time.Millisecond,
	}
	if change != nil {
		change(&c)
	}
	var err error
	p.Stores, err = manager.NewStores(c, []manager.Store{
		{Driver: p.near}, {Name: "far", Driver: p.far}, {Name: "things", Driver: p.things, AvailabilityZone: "attic"},
	})
	require.NoError(t, err)
	return p
}

func (p *pair) start() *pair {
	p.t.Helper()
	require.NoError(p.t, p.Start(p.t.Context()))
	p.t.Cleanup(p.stop)
	return p
}

func (p *pair) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	require.NoError(p.t, p.Stop(ctx))
}

// lab is the one store of a driver, for the helpers of labs.
func (p *pair) lab(of *gate, name string) *lab {
	return &lab{Manager: p.Manager, t: p.t, db: p.db, driver: of, store: filepath.Join(p.dir, name), dir: p.dir}
}

func (p *pair) create(r driverstate.BackupRequest) *driverstate.Backup {
	p.t.Helper()
	b, err := p.CreateBackup(p.t.Context(), admin, r)
	require.NoError(p.t, err)
	return b
}

// volume is a new volume of the engine with content.
func (p *pair) volume(content []byte) *driverstate.Volume {
	p.t.Helper()
	v, err := p.CreateVolume(p.t.Context(), admin, driverstate.VolumeRequest{Size: 1, Name: "v"})
	require.NoError(p.t, err)
	p.fill(v, content)
	return v
}

func (p *pair) fill(v *driverstate.Volume, content []byte) {
	p.t.Helper()
	file, err := os.OpenFile(v.Path, os.O_WRONLY, 0)
	require.NoError(p.t, err)
	_, err = file.WriteAt(content, 0)
	require.NoError(p.t, err)
	require.NoError(p.t, file.Close())
}

func (p *pair) up(host string, up bool) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		services, err := p.Services(p.t.Context(), admin)
		require.NoError(p.t, err)
		for _, s := range services {
			if s.Binary == driverstate.BinaryBackup && s.Host == host {
				return s.Up == up
			}
		}
		return false
	}, wait, tick, "%s never became up=%t", host, up)
}

func TestEachStoreHasAServiceAndTheProcessOneForVolumes(t *testing.T) {
	p := newPair(t, t.TempDir(), func(c *manager.Config) { c.Cluster = "c" }).start()
	services, err := p.Services(t.Context(), admin)
	require.NoError(t, err)
	got := map[string]string{}
	for _, s := range services {
		require.True(t, s.Up)
		got[string(s.Binary)+" "+s.Host] = s.Cluster + " " + s.AvailabilityZone
	}
	assert.Equal(t, map[string]string{
		"cinder-backup lab": "c nova", "cinder-backup lab@far": "c@far nova", "cinder-backup lab@things": "c@things attic",
		"cinder-volume lab@file": "c nova",
	}, got)
	require.NoError(t, p.SetService(t.Context(), admin, driverstate.ServiceSetting{Host: farHost, Binary: driverstate.BinaryBackup, Disabled: true}))
	v := p.volume(image(64<<10, 1))
	assert.Equal(t, host, p.create(driverstate.BackupRequest{VolumeID: v.ID}).Host)
}

func TestABackupGoesToTheFirstStoreOfItsZoneThatIsUp(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	near, things := p.lab(p.near, "near"), p.lab(p.things, "things")
	first := p.create(driverstate.BackupRequest{VolumeID: p.volume(image(64<<10, 1)).ID})
	assert.Equal(t, host, first.Host)
	near.until(first.ID, driverstate.StatusAvailable)
	assert.NotEmpty(t, near.objects(first.ID))

	attic := p.create(driverstate.BackupRequest{VolumeID: p.volume(image(64<<10, 2)).ID, AvailabilityZone: "attic"})
	assert.Equal(t, thingsHost, attic.Host)
	assert.Equal(t, "attic", attic.AvailabilityZone)
	b := things.until(attic.ID, driverstate.StatusAvailable)
	assert.Equal(t, "cinder.backup.drivers.swift.SwiftBackupDriver", b.Service)
	assert.Empty(t, near.objects(attic.ID))

	nowhere := p.create(driverstate.BackupRequest{VolumeID: p.volume(nil).ID, AvailabilityZone: "cellar"})
	assert.Equal(t, driverstate.StatusError, nowhere.Status)
	assert.Equal(t, "Service not found for creating backup.", nowhere.FailReason)
	assert.Empty(t, nowhere.Host)

	require.NoError(t, p.SetService(t.Context(), admin, driverstate.ServiceSetting{Host: host, Binary: driverstate.BinaryBackup, Disabled: true}))
	assert.Equal(t, farHost, p.create(driverstate.BackupRequest{VolumeID: p.volume(nil).ID}).Host)
}

func TestAnIncrementGoesToTheStoreOfItsParent(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	far := p.lab(p.far, "far")
	content := image(256<<10, 3)
	v := p.volume(content)
	near := p.create(driverstate.BackupRequest{VolumeID: v.ID})
	far.until(near.ID, driverstate.StatusAvailable)
	setService(t, p, host, true)
	full := p.create(driverstate.BackupRequest{VolumeID: v.ID})
	far.until(full.ID, driverstate.StatusAvailable)
	setService(t, p, host, false)
	require.Equal(t, farHost, full.Host)

	copy(content[:32<<10], image(32<<10, 4))
	p.fill(v, content)
	b := p.create(driverstate.BackupRequest{VolumeID: v.ID, Incremental: true})
	assert.Equal(t, farHost, b.Host, "the newest backup of the volume is in far")
	assert.Equal(t, full.ID, b.ParentID)
	b = far.until(b.ID, driverstate.StatusAvailable)
	assert.Equal(t, 1, b.ObjectCount)

	answer, err := p.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{})
	require.NoError(t, err)
	far.until(b.ID, driverstate.StatusAvailable)
	restored := far.volume(answer.VolumeID)
	require.Equal(t, driverstate.VolumeAvailable, restored.Status)
	assert.Equal(t, host+"@file#file", restored.Host, "the volume is that of the volume service")
	got, err := os.ReadFile(restored.Path)
	require.NoError(t, err)
	assert.Equal(t, content, got[:len(content)])
}

func setService(t *testing.T, p *pair, of string, disabled bool) {
	t.Helper()
	require.NoError(t, p.SetService(t.Context(), admin, driverstate.ServiceSetting{Host: of, Binary: driverstate.BinaryBackup, Disabled: disabled}))
}

func TestAllStoresAreListedAndWhatIsFoundStaysWithItsStore(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	labs := map[string]*lab{host: p.lab(p.near, "near"), farHost: p.lab(p.far, "far"), thingsHost: p.lab(p.things, "things")}
	put := map[string]*driverstate.Backup{}
	for h, l := range labs {
		put[h] = l.put(nil, image(100<<10, 5))
	}
	list, err := p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{})
	require.NoError(t, err)
	require.Len(t, slices.Collect(list), 3)
	for m := range list {
		assert.Equal(t, put[m.Host].ID, m.Backup.ID)
	}
	list, err = p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Host: farHost})
	require.NoError(t, err)
	require.Len(t, slices.Collect(list), 1)
	_, err = p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Host: "lab@attic"})
	requireText(t, err, driverstate.ErrServiceDown, "Service cinder-backup could not be found on host lab@attic.")
	list, err = p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Containers: []string{put[farHost].Container, "volumebackups"}})
	require.NoError(t, err)
	require.Len(t, slices.Collect(list), 2, "of the stores that have such a container")
	_, err = p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Containers: []string{"none"}})
	require.ErrorIs(t, err, driverstate.ErrNotFound)

	for h, l := range labs {
		look, err := p.CreateVerification(t.Context(), admin, driverstate.VerifyRequest{BackupIDs: []string{put[h].ID}, Depth: driverstate.DepthData})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			look, err = p.Verification(t.Context(), admin, look.ID)
			return err == nil && look.Status == driverstate.VerificationDone
		}, wait, tick)
		assert.Equal(t, driverstate.ConditionWhole, look.Report.Condition, "%s, without a row", h)

		b, err := p.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: put[h].ID})
		require.NoError(t, err)
		assert.Equal(t, h, b.Host)
		record, err := p.ExportRecord(t.Context(), admin, b.ID)
		require.NoError(t, err)
		assert.Equal(t, b.Service, record.BackupService)
		require.NoError(t, p.DeleteBackup(t.Context(), admin, b.ID, true))
		l.untilGone(b.ID)
		assert.Empty(t, l.objects(b.ID))
	}
}

func TestAnImportGoesToTheStoreThatHasTheBackup(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	for _, of := range []struct {
		l  *lab
		at string
	}{{p.lab(p.far, "far"), farHost}, {p.lab(p.near, "near"), host}, {p.lab(p.things, "things"), thingsHost}} {
		b := of.l.put(nil, image(70<<10, 6))
		name := "n"
		b.Name, b.Status = &name, driverstate.StatusAvailable
		record, err := driverstate.EncodeRecord(b, nil)
		require.NoError(t, err)
		_, err = p.ImportRecord(t.Context(), admin, record)
		require.NoError(t, err)
		assert.Equal(t, of.at, of.l.until(b.ID, driverstate.StatusAvailable).Host)
	}
}

func TestAStoreThatIsDownLeavesTheOthersUp(t *testing.T) {
	p := newPair(t, t.TempDir(), nil)
	p.far.fail(atSetup, os.ErrPermission)
	p.start()
	p.up(farHost, false)
	p.up(host, true)
	far := p.lab(p.far, "far")
	b := far.put(nil, image(64<<10, 7))
	b.Status, b.Host = driverstate.StatusAvailable, farHost
	require.NoError(t, p.db.BackupCreate(t.Context(), b))
	lost := &driverstate.Backup{ID: uuid.NewString(), VolumeID: b.VolumeID, Size: 1, Status: driverstate.StatusAvailable,
		Service: b.Service, Host: host + "@gone", ProjectID: project, Container: "c", ServiceMetadata: "p"}
	require.NoError(t, p.db.BackupCreate(t.Context(), lost))

	_, err := p.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{})
	requireText(t, err, driverstate.ErrServiceDown, "Service cinder-backup could not be found.")
	requireText(t, p.DeleteBackup(t.Context(), admin, b.ID, false), driverstate.ErrServiceDown, "Service cinder-backup could not be found.")
	gone := "Service cinder-backup could not be found on host lab@gone."
	requireText(t, p.DeleteBackup(t.Context(), admin, lost.ID, false), driverstate.ErrServiceDown, gone)
	_, err = p.ExportRecord(t.Context(), admin, lost.ID)
	requireText(t, err, driverstate.ErrServiceDown, gone)
	require.NoError(t, p.ResetBackupStatus(t.Context(), admin, lost.ID, driverstate.StatusError), "which needs no store")
	_, err = p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{})
	require.ErrorIs(t, err, driverstate.ErrUnavailable, "a list without one of the stores would be taken for the whole")
	_, err = p.ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Host: host})
	require.NoError(t, err)

	other := *b
	other.ID = uuid.NewString()
	other.Container, other.ServiceMetadata, err = p.far.Place(&other, nil, time.Now())
	require.NoError(t, err)
	record, err := driverstate.EncodeRecord(&other, nil)
	require.NoError(t, err)
	_, err = p.ImportRecord(t.Context(), admin, record)
	requireText(t, err, driverstate.ErrServiceDown, "Service cinder.backup.drivers.posix.PosixBackupDriver could not be found.")

	p.far.fail(atSetup, nil)
	p.up(farHost, true)
	require.NoError(t, p.DeleteBackup(t.Context(), admin, b.ID, false))
	far.untilGone(b.ID)
}

func TestAChainLiesInOneStore(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	near, far := p.lab(p.near, "near"), p.lab(p.far, "far")
	full := near.put(nil, image(64<<10, 8))
	_, err := p.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: full.ID})
	require.NoError(t, err)

	// The same full backup in the other store, with an increment: as shipped.
	stored, err := p.far.full.Backup(t.Context(), full, nil, &memory{content: image(64<<10, 8)}, driverstate.Discard)
	require.NoError(t, err)
	require.NotZero(t, stored.ObjectCount)
	child := far.put(full, image(64<<10, 9))
	b, err := p.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: child.ID})
	require.NoError(t, err)
	assert.Equal(t, farHost, b.Host)
	_, err = p.RestoreBackup(t.Context(), admin, child.ID, driverstate.RestoreRequest{})
	requireText(t, err, driverstate.ErrInvalidStatus, "backup "+child.ID+" is in the store of service lab@far, and stands on "+
		full.ID+", which is in that of lab: a chain must lie in one store")
}

func TestRowsOfTwoStoresAreNoTwins(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	near, far := p.lab(p.near, "near"), p.lab(p.far, "far")
	b := near.put(nil, image(64<<10, 10))
	_, err := p.far.full.Backup(t.Context(), b, nil, &memory{content: image(64<<10, 10)}, driverstate.Discard)
	require.NoError(t, err)
	_, err = p.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: b.ID, Host: farHost})
	require.NoError(t, err)
	twin := *b
	twin.ID, twin.Host, twin.Status = uuid.NewString(), host, driverstate.StatusAvailable
	require.NoError(t, p.db.BackupCreate(t.Context(), &twin))
	require.NoError(t, p.DeleteBackup(t.Context(), admin, b.ID, false))
	far.untilGone(b.ID)
	assert.Empty(t, far.objects(b.ID), "what is in the other store is no reason to keep them")
	assert.NotEmpty(t, near.objects(b.ID))
}

func TestARestartResumesTheWorkOfEachStore(t *testing.T) {
	dir := t.TempDir()
	p := newPair(t, dir, nil).start()
	far := p.lab(p.far, "far")
	near := p.lab(p.near, "near")
	rows := map[*lab]*driverstate.Backup{}
	for l, h := range map[*lab]string{near: host, far: farHost} {
		b, err := p.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: l.put(nil, image(64<<10, 11)).ID})
		require.NoError(t, err)
		require.Equal(t, h, b.Host)
		rows[l] = b
	}
	p.stop()
	for l, b := range rows {
		l.set(b.ID, driverstate.StatusDeleting, nil) // as a process leaves it that is killed
	}
	require.NoError(t, p.db.Close())
	again := newPair(t, dir, nil).start()
	for l, b := range rows {
		l.db = again.db
		l.untilGone(b.ID)
		assert.Empty(t, l.objects(b.ID))
	}
}

func TestAForceDeletedVolumeStopsARestoreFromAnyStore(t *testing.T) {
	p := newPair(t, t.TempDir(), nil).start()
	far := p.lab(p.far, "far")
	b, err := p.ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: far.put(nil, image(64<<10, 12)).ID})
	require.NoError(t, err)
	held := p.far.hold(atRestore)
	answer, err := p.RestoreBackup(t.Context(), admin, b.ID, driverstate.RestoreRequest{})
	require.NoError(t, err)
	held.wait(t)
	require.NoError(t, p.ForceDeleteVolume(t.Context(), admin, answer.VolumeID))
	assert.Contains(t, far.until(b.ID, driverstate.StatusAvailable).FailReason, "its volume was deleted")
}
