package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

// fake is an Operations that answers with what it is given and remembers what
// it was asked.
type fake struct {
	err        error // of every method
	backups    []*driverstate.Backup
	count      int
	volumes    []*driverstate.Volume
	services   []driverstate.ServiceState
	restored   driverstate.RestoreAnswer
	exported   driverstate.ExportedRecord
	cleanup    driverstate.CleanupResult
	manageable []driverstate.Manageable
	look       *driverstate.Verification
	shipment   *driverstate.Shipment
	ship       driverstate.ShipRequest

	clusters []driverstate.ClusterState
	messages []*driverstate.Message
	volumeFake

	panics bool
	device *driverstate.Device
	serve  driverstate.DeviceRequest

	called  []string // methods, in order
	caller  driverstate.Caller
	filter  driverstate.BackupFilter
	cleaned driverstate.CleanupFilter
	create  driverstate.BackupRequest
	update  driverstate.BackupUpdate
	setting driverstate.ServiceSetting
	cluster driverstate.ClusterSetting
	reset   driverstate.VolumeStatus
	restore driverstate.RestoreRequest
	manage  driverstate.ManageRequest
	volume  driverstate.VolumeRequest
	record  driverstate.ExportedRecord
	id      string
	force   bool
	status  driverstate.Status
	verify  driverstate.VerifyRequest
	all     bool
}

var _ api.Operations = (*fake)(nil)

func (f *fake) call(c driverstate.Caller, method, id string) error {
	if f.panics {
		panic("secret of the engine")
	}
	f.called, f.caller, f.id = append(f.called, method), c, id
	return f.err
}

func (f *fake) first() *driverstate.Backup {
	if len(f.backups) == 0 {
		return nil
	}
	return f.backups[0]
}

func (f *fake) Backups(_ context.Context, c driverstate.Caller, filter driverstate.BackupFilter) ([]*driverstate.Backup, error) {
	f.filter = filter
	return f.backups, f.call(c, "Backups", "")
}

func (f *fake) BackupCount(_ context.Context, c driverstate.Caller, filter driverstate.BackupFilter) (int, error) {
	return f.count, f.call(c, "BackupCount", "")
}

func (f *fake) Backup(_ context.Context, c driverstate.Caller, id string) (*driverstate.Backup, error) {
	return f.first(), f.call(c, "Backup", id)
}

func (f *fake) CreateBackup(_ context.Context, c driverstate.Caller, r driverstate.BackupRequest) (*driverstate.Backup, error) {
	f.create = r
	return f.first(), f.call(c, "CreateBackup", r.VolumeID)
}

func (f *fake) UpdateBackup(_ context.Context, c driverstate.Caller, id string, u driverstate.BackupUpdate) (*driverstate.Backup, error) {
	f.update = u
	return f.first(), f.call(c, "UpdateBackup", id)
}

func (f *fake) DeleteBackup(_ context.Context, c driverstate.Caller, id string, force bool) error {
	f.force = force
	return f.call(c, "DeleteBackup", id)
}

func (f *fake) ResetBackupStatus(_ context.Context, c driverstate.Caller, id string, to driverstate.Status) error {
	f.status = to
	return f.call(c, "ResetBackupStatus", id)
}

func (f *fake) RestoreBackup(_ context.Context, c driverstate.Caller, id string, r driverstate.RestoreRequest) (driverstate.RestoreAnswer, error) {
	f.restore = r
	return f.restored, f.call(c, "RestoreBackup", id)
}

func (f *fake) ExportRecord(_ context.Context, c driverstate.Caller, id string) (driverstate.ExportedRecord, error) {
	return f.exported, f.call(c, "ExportRecord", id)
}

// ImportRecord decodes the record, so that what Cinder says of a bad one is
// compared with what is really said here.
func (f *fake) ImportRecord(_ context.Context, c driverstate.Caller, r driverstate.ExportedRecord) (*driverstate.Backup, error) {
	f.record = r
	if err := f.call(c, "ImportRecord", ""); err != nil {
		return nil, err
	}
	rec, err := driverstate.DecodeRecord(r)
	if err != nil {
		return nil, err
	}
	rec.Backup.Name = nil // Cinder does not know it yet
	return &rec.Backup, nil
}

func (f *fake) ManageableBackups(_ context.Context, c driverstate.Caller, filter driverstate.ManageableFilter) (iter.Seq[driverstate.Manageable], error) {
	return slices.Values(f.manageable), f.call(c, "ManageableBackups", strings.Join(append(filter.Containers, filter.Host), " "))
}

func (f *fake) ManageBackup(_ context.Context, c driverstate.Caller, r driverstate.ManageRequest) (*driverstate.Backup, error) {
	f.manage = r
	return f.first(), f.call(c, "ManageBackup", r.BackupID)
}

func (f *fake) CreateVerification(_ context.Context, c driverstate.Caller, r driverstate.VerifyRequest) (*driverstate.Verification, error) {
	f.verify = r
	return f.look, f.call(c, "CreateVerification", strings.Join(r.BackupIDs, " "))
}

func (f *fake) Examine(_ context.Context, c driverstate.Caller, r driverstate.ExamineRequest) ([]driverstate.Examination, error) {
	return []driverstate.Examination{{Host: "h", Service: "s", Steps: []driverstate.Step{
		{Name: "credentials", Detail: "d"}, {Name: "write", Err: driverstate.Fail(driverstate.ErrForbidden, "denied"), Advice: "a"},
	}}}, f.call(c, "Examine", r.Host)
}

func (f *fake) Verification(_ context.Context, c driverstate.Caller, id string) (*driverstate.Verification, error) {
	return f.look, f.call(c, "Verification", id)
}

func (f *fake) CreateShipment(_ context.Context, c driverstate.Caller, r driverstate.ShipRequest) (*driverstate.Shipment, error) {
	f.ship = r
	return f.shipment, f.call(c, "CreateShipment", r.BackupID)
}

func (f *fake) Shipment(_ context.Context, c driverstate.Caller, id string) (*driverstate.Shipment, error) {
	return f.shipment, f.call(c, "Shipment", id)
}

func (f *fake) CreateDevice(_ context.Context, c driverstate.Caller, r driverstate.DeviceRequest) (*driverstate.Device, error) {
	f.serve = r
	return f.device, f.call(c, "CreateDevice", r.BackupID)
}

func (f *fake) Device(_ context.Context, c driverstate.Caller, id string) (*driverstate.Device, error) {
	return f.device, f.call(c, "Device", id)
}

func (f *fake) DeleteDevice(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "DeleteDevice", id)
}

func (f *fake) CancelShipment(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "CancelShipment", id)
}

func (f *fake) Services(_ context.Context, c driverstate.Caller) ([]driverstate.ServiceState, error) {
	return f.services, f.call(c, "Services", "")
}

func (f *fake) SetService(_ context.Context, c driverstate.Caller, s driverstate.ServiceSetting) error {
	f.setting = s
	return f.call(c, "SetService", s.Host)
}

func (f *fake) Clusters(_ context.Context, c driverstate.Caller) ([]driverstate.ClusterState, error) {
	return f.clusters, f.call(c, "Clusters", "")
}

func (f *fake) Cluster(_ context.Context, c driverstate.Caller, name string, binary driverstate.Binary) (driverstate.ClusterState, error) {
	f.cluster.Binary = binary
	err := f.call(c, "Cluster", name)
	if err != nil || len(f.clusters) == 0 {
		return driverstate.ClusterState{}, err
	}
	return f.clusters[0], nil
}

func (f *fake) SetCluster(_ context.Context, c driverstate.Caller, s driverstate.ClusterSetting) (driverstate.ClusterState, error) {
	f.cluster = s
	err := f.call(c, "SetCluster", s.Name)
	if err != nil || len(f.clusters) == 0 {
		return driverstate.ClusterState{}, err
	}
	return f.clusters[0], nil
}

func (f *fake) Messages(_ context.Context, c driverstate.Caller) ([]*driverstate.Message, error) {
	return f.messages, f.call(c, "Messages", "")
}

func (f *fake) Message(_ context.Context, c driverstate.Caller, id string) (*driverstate.Message, error) {
	err := f.call(c, "Message", id)
	if err != nil || len(f.messages) == 0 {
		return nil, err
	}
	return f.messages[0], nil
}

func (f *fake) DeleteMessage(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "DeleteMessage", id)
}

func (f *fake) ForceDeleteVolume(_ context.Context, c driverstate.Caller, id string) error {
	f.force = true
	return f.call(c, "ForceDeleteVolume", id)
}

func (f *fake) ResetVolumeStatus(_ context.Context, c driverstate.Caller, id string, to driverstate.VolumeStatus) error {
	f.reset = to
	return f.call(c, "ResetVolumeStatus", id)
}

func (f *fake) CleanupWorkers(_ context.Context, c driverstate.Caller, filter driverstate.CleanupFilter) (driverstate.CleanupResult, error) {
	f.cleaned = filter
	return f.cleanup, f.call(c, "CleanupWorkers", "")
}

func (f *fake) CreateVolume(_ context.Context, c driverstate.Caller, r driverstate.VolumeRequest) (*driverstate.Volume, error) {
	f.volume = r
	err := f.call(c, "CreateVolume", "")
	if err != nil || len(f.volumes) == 0 {
		return nil, err
	}
	return f.volumes[0], nil
}

func (f *fake) Volume(_ context.Context, c driverstate.Caller, id string) (*driverstate.Volume, error) {
	return f.volumeOne(), f.call(c, "Volume", id)
}

func (f *fake) Volumes(_ context.Context, c driverstate.Caller, all bool) ([]*driverstate.Volume, error) {
	f.all = all
	return append([]*driverstate.Volume(nil), f.volumes...), f.call(c, "Volumes", "")
}

func (f *fake) DeleteVolume(_ context.Context, c driverstate.Caller, id string) error {
	return f.call(c, "DeleteVolume", id)
}

const (
	project    = "6579b5ed3baf4f71832361a0ffca7f9b"
	backupID   = "97f10361-8e72-4465-8d43-72a5ba8c372d"
	anotherID  = "72825793-830a-4ee9-a5f6-e8e468bba57b"
	volumeID   = "6b0b468c-ee4a-46d5-be0f-fb34124f2d6a"
	jsonType   = "application/json"
	serverHost = "127.0.0.1:27011"
)

// ask is a request to be sent with send.
type ask struct {
	method, path string
	version      string // microversion; no header when empty
	body         string
	query        string            // as it is, after what path holds
	header       map[string]string // replaces; an empty value removes
}

func send(t testing.TB, h http.Handler, a ask) *http.Response {
	t.Helper()
	if a.method == "" {
		a.method = http.MethodGet
	}
	var body io.Reader = http.NoBody
	if a.body != "" {
		body = bytes.NewBufferString(a.body)
	}
	r := httptest.NewRequest(a.method, "http://"+serverHost+a.path, body)
	if a.query != "" {
		r.URL.RawQuery = a.query
	}
	r.Header.Set("X-Auth-Token", "someone:"+project)
	r.Header.Set("Accept", jsonType)
	if a.body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	if a.version != "" {
		r.Header.Set("OpenStack-API-Version", "volume "+a.version)
	}
	for k, v := range a.header {
		if v == "" {
			r.Header.Del(k)
			continue
		}
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func read(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// decode reads a JSON answer.
func decode(t testing.TB, r *http.Response) map[string]any {
	t.Helper()
	var m map[string]any
	text := read(t, r)
	require.NoError(t, json.Unmarshal([]byte(text), &m), text)
	return m
}

// fault reads a fault body: its name and its message.
func fault(t testing.TB, r *http.Response) (name, message string) {
	t.Helper()
	m := decode(t, r)
	require.Len(t, m, 1)
	for name, v := range m {
		inner, ok := v.(map[string]any)
		require.True(t, ok, m)
		require.EqualValues(t, r.StatusCode, inner["code"])
		message, _ = inner["message"].(string)
		return name, message
	}
	return "", ""
}

func sampleBackup() *driverstate.Backup {
	name := "p-1"
	at := time.Date(2026, 11, 21, 6, 24, 58, 0, time.UTC)
	return &driverstate.Backup{
		ID: backupID, VolumeID: volumeID, ProjectID: project, UserID: "u", Name: &name,
		Status: driverstate.StatusAvailable, Size: 1, ObjectCount: 2, Container: "97/f1/" + backupID,
		CreatedAt: at, DataTimestamp: at, ParentID: anotherID,
	}
}

func serve(f *fake) http.Handler { return api.New(f, api.Config{}) }
