package commands

import (
	"bytes"
	"context"
	"errors"
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

const (
	posixService = "cinder.backup.drivers.posix.PosixBackupDriver"
	recordVolume = "4fd38e46-1ea1-4ad3-8fd6-3c57e6e1e3cb"
	ownProject   = "4541a82ba7d4418bbab2990a56efa113"
	tenant       = "6579b5ed3baf4f71832361a0ffca7f9b"
)

// recordsFake is a cloud that exports and imports.
type recordsFake struct {
	fake
	engine   bool
	quota    client.Quota
	quotaErr error
	up       []client.Service
	sent     []*driverstate.Record
	listBy   func(client.ListOpts) ([]client.Backup, error)
	answer   error // to every import
}

func (f *recordsFake) IsEngine(context.Context) bool { return f.engine }

func (f *recordsFake) Identity() client.Identity {
	return client.Identity{User: "admin", UserID: "u-admin", Project: "admin", ProjectID: ownProject, Endpoint: "http://cloud/v3"}
}

func (f *recordsFake) BackupQuota(context.Context, string) (client.Quota, error) {
	if f.quota == (client.Quota{}) {
		return client.Quota{Backups: -1, Gigabytes: -1}, f.quotaErr
	}
	return f.quota, f.quotaErr
}

func (f *recordsFake) ListServices(context.Context, string, string) ([]client.Service, error) {
	if f.up == nil {
		return services("bak-posix nova"), nil
	}
	return f.up, nil
}

func (f *recordsFake) ListBackups(ctx context.Context, o client.ListOpts) ([]client.Backup, error) {
	if f.listBy != nil {
		return f.listBy(o)
	}
	return f.fake.ListBackups(ctx, o)
}

func (f *recordsFake) ImportRecord(ctx context.Context, r client.Record) (client.Imported, error) {
	decoded, err := driverstate.DecodeRecord(exported(r))
	if err != nil {
		return client.Imported{}, err
	}
	f.sent = append(f.sent, decoded)
	return client.Imported{ID: decoded.Backup.ID}, errors.Join(f.answer, f.call("import %s", decoded.Backup.ID))
}

// services are backup services that are up, each "HOST ZONE".
func services(texts ...string) []client.Service {
	var out []client.Service
	for _, text := range texts {
		host, zone, _ := strings.Cut(text, " ")
		out = append(out, client.Service{Binary: "cinder-backup", Host: host, Zone: zone, Status: "enabled", State: "up"})
	}
	return out
}

// recordFor is an export record of a backup with this id and parent.
func recordFor(t *testing.T, id, parent, name string) client.Record {
	t.Helper()
	children := 0
	if parent == "" && name == "base" {
		children = 1
	}
	r, err := driverstate.EncodeRecord(&driverstate.Backup{
		ID: id, ParentID: parent, Name: &name, VolumeID: recordVolume, Size: 1, ProjectID: ownProject, UserID: "u-admin",
		Status: driverstate.StatusAvailable, Service: posixService, ObjectCount: 1, NumDependentBackups: children,
		Container: id[:2] + "/" + id[2:4] + "/" + id, ServiceMetadata: "backup", CreatedAt: day(1), DataTimestamp: day(1),
	}, nil)
	require.NoError(t, err)
	return client.Record{BackupService: r.BackupService, BackupURL: r.BackupURL}
}

// with is a record with members changed.
func with(t *testing.T, r client.Record, members map[string]any) client.Record {
	t.Helper()
	edited, err := driverstate.EditRecord(exported(r),
		func(m map[string]any) bool {
			for k, v := range members {
				m[k] = v
			}
			return true
		})
	require.NoError(t, err)
	return client.Record{BackupService: edited.BackupService, BackupURL: edited.BackupURL}
}

func lines(t *testing.T, records ...client.Record) string {
	t.Helper()
	var b strings.Builder
	for _, r := range records {
		line, err := lineOf(r)
		require.NoError(t, err)
		b.Write(line)
	}
	return b.String()
}

func importOn(f importClient, b *bench, stdin string) *importOptions {
	return &importOptions{con: b.con, print: b.print, from: "-", stdin: strings.NewReader(stdin), par: parallelFlags{1},
		now: func() time.Time { return day(9) }, client: func(context.Context) (importClient, error) { return f, nil }}
}

func exportOn(f exportClient, b *bench, path string) *exportOptions {
	return &exportOptions{con: b.con, print: b.print, path: path, par: parallelFlags{1}, now: func() time.Time { return day(9) },
		client: func(context.Context) (exportClient, error) { return f, nil },
		open:   func() (recordSink, error) { return newRecordSink(path, b.out) }}
}

func available(ids ...string) map[string]client.Backup {
	m := map[string]client.Backup{}
	for _, id := range ids {
		m[id] = client.Backup{ID: id, Status: driverstate.StatusAvailable, VolumeID: recordVolume, Size: 1}
	}
	return m
}

func TestRecordsOfADirectoryAreReadInOrderOfTheirFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records [a-z]*") // no pattern
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.json"), []byte(lines(t, recordFor(t, idFull, "", "a"))), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.jsonl"), []byte(lines(t, recordFor(t, idOther, "", "a"), recordFor(t, idChild, "", "b"))), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no record"), 0o600))
	got, err := readRecords(dir, nil)
	require.NoError(t, err)
	require.Len(t, got, 3)
	assert.Equal(t, recordFor(t, idFull, "", "a").BackupURL, got[2].BackupURL)
	require.NoError(t, os.WriteFile(filepath.Join(dir, idFull+".json"), nil, 0o600))
	others, err := dirSink{dir}.others(map[string]bool{idOther: true})
	require.NoError(t, err)
	assert.Equal(t, []string{idFull}, others)
	_, err = readRecords(t.TempDir(), nil)
	assert.Equal(t, 5, exitCode(err))
	_, err = readRecords("-", bytes.NewReader([]byte(`{"backup_service":"s"}`)))
	assert.ErrorContains(t, err, "standard input: record 1: backup_service or backup_url is missing")
}

func TestAnIDThatIsAPathNamesNoFile(t *testing.T) {
	s := dirSink{t.TempDir()}
	for _, id := range []string{"../x", "a/b", "", ".hidden", `a\b`} {
		_, err := s.write(client.Backup{ID: id}, recordFor(t, idFull, "", "a"))
		assert.ErrorIs(t, err, driverstate.ErrCorrupt, id)
	}
}
