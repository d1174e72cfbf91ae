package commands

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	idFull  = "31136ebd-183c-4c85-9249-b1a09f4e2cd7"
	idChild = "ef47d7b2-d70a-44fe-a65e-bfeed28da7fd"
	idOther = "1f75bec1-f620-49c6-92e2-4dd7cacede24"
)

func ptr[T any](v T) *T { return &v }

// fake stands in for a server at the small interfaces of the verbs.
type fake struct {
	mu      sync.Mutex
	calls   []string
	backups map[string]client.Backup
	store   []client.Manageable
	found   map[string]client.Verification
	records map[string]client.Record
	err     map[string]error // by call, such as "force-delete <id>"

	// after is what a backup becomes when it is waited for.
	after  map[string]client.Backup
	volume client.Volume
	clean  client.Cleanup
	listed client.ListOpts

	rows
}

func (f *fake) call(format string, args ...any) error {
	c := fmt.Sprintf(format, args...)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	return f.err[c]
}

func notThere(id string) error {
	return driverstate.Fail(driverstate.ErrNotFound, "backup "+id+": not there")
}

func (f *fake) ListBackups(_ context.Context, o client.ListOpts) ([]client.Backup, error) {
	f.listed = o
	var out []client.Backup
	for _, b := range f.backups {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b client.Backup) int { return cmp.Compare(a.ID, b.ID) })
	return out, f.call("list")
}

func (f *fake) FindBackup(_ context.Context, ref string) (client.Backup, error) {
	for _, b := range f.backups {
		if b.ID == ref || b.Name != nil && *b.Name == ref {
			return b, nil
		}
	}
	return client.Backup{}, notThere(ref)
}

func (f *fake) ShowBackup(_ context.Context, id string) (client.Backup, error) {
	b, ok := f.backups[id]
	if !ok {
		return b, notThere(id)
	}
	if status, known := f.then[id]; known {
		b.Status = status
	}
	return b, nil
}

func (f *fake) ForceDeleteBackup(_ context.Context, id string) error {
	return f.call("force-delete %s", id)
}

func (f *fake) WaitGone(ctx context.Context, id string) error {
	if err := f.call("wait-gone %s", id); err != nil {
		return err
	}
	return ctx.Err()
}

func (f *fake) ResetBackupStatus(_ context.Context, id string, to driverstate.Status) error {
	return f.call("reset %s %s", id, to)
}

func (f *fake) WaitBackup(ctx context.Context, id string, until func(client.Backup) (bool, error)) (client.Backup, error) {
	if err := f.call("wait %s", id); err != nil {
		return client.Backup{}, err
	}
	b := f.after[id]
	done, err := until(b)
	if !done && err == nil {
		<-ctx.Done()
		err = ctx.Err()
	}
	return b, err
}

func (f *fake) ExportRecord(_ context.Context, id string) (client.Record, error) {
	return f.records[id], f.call("export %s", id)
}

func (f *fake) ImportRecord(_ context.Context, r client.Record) (client.Imported, error) {
	decoded, err := driverstate.DecodeRecord(driverstate.ExportedRecord{BackupService: r.BackupService, BackupURL: r.BackupURL})
	if err != nil {
		return client.Imported{}, err
	}
	return client.Imported{ID: decoded.Backup.ID}, f.call("import %s", decoded.Backup.ID)
}

func (f *fake) ManageableBackups(_ context.Context, o client.ManageableOpts) ([]client.Manageable, error) {
	return f.store, f.call("manageable %s", strings.TrimSpace(o.Host+" "+strings.Join(o.Containers, " ")))
}

func (f *fake) EachManageable(ctx context.Context, o client.ManageableOpts, use func(client.Manageable) error) error {
	found, err := f.ManageableBackups(ctx, o)
	for _, m := range found {
		if err == nil {
			err = use(m)
		}
	}
	return err
}

func (f *fake) ManageBackup(_ context.Context, o client.ManageOpts) (client.Backup, error) {
	return client.Backup{ID: o.ID, Status: driverstate.StatusAvailable},
		f.call("manage %s orphaned=%t damaged=%t", o.ID, o.AllowOrphaned, o.AllowDamaged)
}

func (f *fake) VerifyAll(_ context.Context, o client.VerifyOpts) (client.Verification, error) {
	ids := o.BackupIDs
	if o.All {
		ids = slices.Sorted(maps.Keys(f.backups))
	}
	var out client.Verification
	for _, id := range ids {
		v := f.found[id]
		out.Results = append(out.Results, client.Verified{BackupID: id, Condition: v.Condition, Reason: v.Reason, Problems: v.Problems,
			Method: v.Method, BytesRead: v.BytesRead, Skipped: v.ID == skippedLook})
	}
	return out, f.call("verify-all %s %s %s %s", strings.Join(ids, ","), o.Depth, o.Subset, o.NotSince.Format(time.DateOnly))
}

// skippedLook is the id of what a fake finds proven lately.
const skippedLook = "skipped"

func (f *fake) Verify(_ context.Context, id string, d driverstate.Depth) (client.Verification, error) {
	return f.found[id], f.call("verify %s %s", id, d)
}

func (f *fake) RestoreBackup(_ context.Context, id string, o client.RestoreOpts) (client.Restore, error) {
	volume := cmp.Or(o.VolumeID, "new-volume")
	return client.Restore{BackupID: id, VolumeID: volume, VolumeName: o.Name}, f.call("restore %s volume=%s name=%s", id, o.VolumeID, o.Name)
}

func (f *fake) WaitRestore(_ context.Context, backupID, volumeID string) (client.Backup, client.Volume, error) {
	return client.Backup{ID: backupID}, f.volume, f.call("wait-restore %s %s", backupID, volumeID)
}

func (f *fake) ManageVolume(_ context.Context, o client.ManageVolumeOpts) (client.Volume, error) {
	return client.Volume{ID: "lent"}, f.call("manage-volume %s size=%d overwrite=%t", o.SourceName, o.Size, o.Overwrite)
}

func (f *fake) DeleteVolume(_ context.Context, id string) error {
	return f.call("delete-volume %s", id)
}

func (f *fake) ForceDeleteVolume(_ context.Context, id string) error {
	return f.call("force-delete-volume %s", id)
}

func (f *fake) CleanupWorkers(_ context.Context, o client.CleanupOpts) (client.Cleanup, error) {
	return f.clean, f.call("cleanup")
}

func (f *fake) ListServices(_ context.Context, host, binary string) ([]client.Service, error) {
	if f.services != nil {
		return f.services, nil
	}
	return []client.Service{{Binary: "cinder-backup", Host: "node1", Zone: "nova", Status: "enabled", State: "up",
		UpdatedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}, f.call("services %s %s", host, binary)
}

// fakePrompt answers every question with yes.
type fakePrompt struct {
	yes   bool
	err   error
	asked []string
}

func (p *fakePrompt) Confirm(q string) (bool, error) {
	p.asked = append(p.asked, q)
	return p.yes, p.err
}

func (p *fakePrompt) Type(q, want string) (bool, error) {
	p.asked = append(p.asked, q+" ["+want+"]")
	return p.yes, p.err
}

// bench is a console and a printer whose output a test can look at.
type bench struct {
	con      *console
	out, err *bytes.Buffer
	print    func(output.View) error
	stream   func([]output.Column, output.Rows) error
}

func newBench() *bench {
	s, out, errOut := iostreams.Buffers(strings.NewReader(""))
	b := &bench{con: &console{io: s}, out: out, err: errOut}
	p := output.Printer{Format: output.Value, Out: out}
	b.print, b.stream = p.Print, p.Stream
	return b
}

// parse parses a command line of the verb that add makes, whose runner keeps
// the options, and returns the error of parsing.
func parse[O any](t *testing.T, add func(*Factory, runner[O]) *cobra.Command, env map[string]string, args ...string) (*O, error) {
	t.Helper()
	s, _, _ := iostreams.Buffers(strings.NewReader(""))
	f := newFactory(s, func(k string) (string, bool) { v, ok := env[k]; return v, ok }, time.Now)
	var got *O
	cmd := add(f, func(_ context.Context, o *O) error { got = o; return nil })
	root := newRoot(f)
	root.ResetCommands()
	root.AddCommand(cmd)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	if err == nil {
		require.NotNil(t, got)
	}
	return got, err
}
