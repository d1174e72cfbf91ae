package commands

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// midnight is when the doctor is called in these tests.
var midnight = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// ward is a cloud that the doctor looks at. What a row is beside the view of
// the backup is told by id.
type ward struct {
	backups   []client.Backup
	volumes   []client.Volume
	services  []client.Service
	clusters  []client.Cluster
	tempVols  map[string][]client.Volume
	tempSnaps map[string][]client.Snapshot
	messages  []client.Message
	store     []client.Manageable

	host      map[string]string
	driver    map[string]string // posix unless told; "-" for none
	parent    map[string]string
	restoreTo map[string]string // volume, by the backup that was restored to it
	meanwhile func()            // happens while the store is read; may be nil

	err   map[string]error // by call
	asked map[string]int
}

// healthy is a cloud with one host and nothing wrong.
func healthy() *ward {
	return &ward{services: []client.Service{wardService("cinder-backup", "bak-1", "up"), wardService("cinder-volume", "vol1@lvm", "up")},
		host: map[string]string{}, driver: map[string]string{}, parent: map[string]string{}, restoreTo: map[string]string{},
		tempVols: map[string][]client.Volume{}, tempSnaps: map[string][]client.Snapshot{}, err: map[string]error{}, asked: map[string]int{}}
}

func wardService(binary, host, state string) client.Service {
	return client.Service{Binary: driverstate.Binary(binary), Host: host, Status: "enabled", State: state, UpdatedAt: midnight.Add(-2 * time.Hour)}
}

// row adds a backup on bak-1 that was last written age ago.
func (w *ward) row(id string, status driverstate.Status, age time.Duration, change ...func(*client.Backup)) *ward {
	b := client.Backup{ID: id, Name: ptr("name-" + id), Status: status, VolumeID: "vol-1", ProjectID: "demo",
		CreatedAt: midnight.Add(-24 * time.Hour), UpdatedAt: midnight.Add(-age)}
	for _, c := range change {
		c(&b)
	}
	w.backups = append(w.backups, b)
	w.host[id] = "bak-1"
	return w
}

func increment(b *client.Backup) { b.IsIncremental = true }
func flagged(b *client.Backup)   { b.HasDependentBackups = true }

func (w *ward) volume(id, name string, status driverstate.VolumeStatus, change ...func(*client.Volume)) *ward {
	v := client.Volume{ID: id, Name: &name, Status: status, ProjectID: "demo", UpdatedAt: midnight.Add(-time.Hour)}
	for _, c := range change {
		c(&v)
	}
	w.volumes = append(w.volumes, v)
	return w
}

func (w *ward) pick(call string, match func(client.Backup) bool) ([]client.Backup, error) {
	var out []client.Backup
	for _, b := range w.backups {
		if match(b) {
			out = append(out, b)
		}
	}
	return out, w.err[call]
}

func (w *ward) FindBackup(_ context.Context, ref string) (client.Backup, error) {
	for _, b := range w.backups {
		if b.ID == ref || nameOf(b) == ref {
			return b, nil
		}
	}
	return client.Backup{}, notThere(ref)
}

func (w *ward) ListBackups(_ context.Context, o client.ListOpts) ([]client.Backup, error) {
	return w.pick("backups", func(b client.Backup) bool { return o.VolumeID == "" || b.VolumeID == o.VolumeID })
}

func (w *ward) Dependents(_ context.Context, id string) ([]client.Backup, error) {
	return w.pick("dependents", func(b client.Backup) bool { return w.parent[b.ID] == id })
}

func (w *ward) BackupsOnHost(_ context.Context, host string) ([]client.Backup, error) {
	return w.pick("host", func(b client.Backup) bool { return w.host[b.ID] == host })
}

// BackupsWhere filters as Cinder does: a part matches no null.
func (w *ward) BackupsWhere(_ context.Context, columns map[string]string) ([]client.Backup, error) {
	return w.pick("where", func(b client.Backup) bool {
		class := "cinder.backup.drivers.posix.PosixBackupDriver"
		switch d := w.driver[b.ID]; d {
		case "":
		case "-":
			class = ""
		default:
			class = "cinder.backup.drivers." + d + ".Driver"
		}
		values := map[string]string{"id": b.ID, "status": string(b.Status), "host": w.host[b.ID], "service": class, "restore_volume_id": w.restoreTo[b.ID]}
		for key, want := range columns {
			column, like := strings.CutSuffix(key, "~")
			have := values[column]
			if like && (have == "" || !strings.Contains(have, want)) || !like && have != want {
				return false
			}
		}
		return true
	})
}

func (w *ward) ListVolumes(_ context.Context, o client.VolumeListOpts) ([]client.Volume, error) {
	return slices.DeleteFunc(slices.Clone(w.volumes), func(v client.Volume) bool { return string(v.Status) != o.Status }), w.err["volumes"]
}

func (w *ward) ShowVolume(_ context.Context, id string) (client.Volume, error) {
	for _, v := range w.volumes {
		if v.ID == id {
			return v, nil
		}
	}
	return client.Volume{}, notThere(id)
}

func (w *ward) TemporaryVolumes(context.Context) (map[string][]client.Volume, error) {
	return w.tempVols, w.err["temporary"]
}

func (w *ward) TemporarySnapshots(context.Context) (map[string][]client.Snapshot, error) {
	return w.tempSnaps, w.err["temporary"]
}

func (w *ward) ListServices(context.Context, string, string) ([]client.Service, error) {
	return w.services, w.err["services"]
}

func (w *ward) ListClusters(context.Context, client.ClusterListOpts) ([]client.Cluster, error) {
	return w.clusters, w.err["clusters"]
}

func (w *ward) ListMessages(context.Context, client.MessageListOpts) ([]client.Message, error) {
	return w.messages, w.err["messages"]
}

func (w *ward) ManageableBackups(context.Context, client.ManageableOpts) ([]client.Manageable, error) {
	if w.meanwhile != nil {
		w.meanwhile()
	}
	return w.store, w.err["store"]
}

// see is the doctor before this ward. It has no store until told.
func (w *ward) see() (*doctorOptions, *bench) {
	b := newBench()
	o := &doctorOptions{con: b.con, print: b.print, now: func() time.Time { return midnight }, stuckAfter: 15 * time.Minute, questions: 100,
		parallel: parallelFlags{n: 4}, client: func(context.Context) (doctorClient, error) { return w, nil }}
	o.out.format = "table"
	o.store = func(context.Context) (storeClient, func(context.Context) error, error) { return nil, nil, nil }
	return o, b
}

// withStore makes the doctor compare with the ward's store.
func (w *ward) withStore(o *doctorOptions) {
	o.stores = storeList{urls: []string{"posix:///srv/backup"}}
	o.store = func(context.Context) (storeClient, func(context.Context) error, error) {
		return w, func(context.Context) error { return nil }, nil
	}
}

// examine returns what is found, ranked.
func (w *ward) examine(t *testing.T, stored bool) []finding {
	t.Helper()
	o, _ := w.see()
	if stored {
		w.withStore(o)
	}
	s := &sight{now: midnight, stuckAfter: o.stuckAfter, parallel: 4, questions: o.questions}
	require.NoError(t, s.look(t.Context(), w))
	list := s.findings()
	more, err := o.compare(t.Context(), w, s)
	require.NoError(t, err)
	require.Empty(t, s.gaps)
	return o.aim(rank(append(list, more...)))
}

// page is what the doctor writes, and how it ends.
func (w *ward) page(t *testing.T, change func(*doctorOptions)) (out *bytes.Buffer, errOut string, code int) {
	t.Helper()
	o, b := w.see()
	if change != nil {
		change(o)
	}
	err := runDoctor(t.Context(), o)
	return b.out, b.err.String(), exitCode(err)
}

func (w *ward) Verify(context.Context, string, driverstate.Depth) (client.Verification, error) {
	return client.Verification{}, w.err["verify"]
}
