package ship_test

import (
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// unhashed is a driver that is not of the chunked format, as Ceph's: its images
// are read to be compared.
type unhashed struct{ driverstate.Driver }

func (u unhashed) Scan(ctx context.Context, container string) iter.Seq2[driverstate.Found, error] {
	return u.Driver.(driverstate.Scanner).Scan(ctx, container)
}

func (u unhashed) Inspect(ctx context.Context, b *driverstate.Backup) (driverstate.Found, error) {
	return u.Driver.(driverstate.Scanner).Inspect(ctx, b)
}

func TestDamageThatOnlyAnImageShowsIsADifference(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	var drivers []driverstate.Driver
	for _, dir := range dirs {
		d := open(t, posixURL(dir), nil)
		for i, image := range images() { // full ones
			b := &driverstate.Backup{ID: ids()[i], VolumeID: volumeID, Size: 1, CreatedAt: time.Unix(int64(i), 0).UTC()}
			var err error
			b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
			require.NoError(t, err)
			_, err = d.Backup(t.Context(), b, nil, volume{bytes.NewReader(image), "p"}, nil)
			require.NoError(t, err)
		}
		drivers = append(drivers, d)
	}
	for i, store := range []string{"first", "second"} {
		line := lineOf(t, drivers[i], ids()[i])
		path := filepath.Join(dirs[i], line[0].At.Container, line[0].At.ServiceMetadata+"-00001")
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		raw[len(raw)/2] ^= 1
		require.NoError(t, os.WriteFile(path, raw, 0o600))

		out, err := ship.Compare(t.Context(), unhashed{drivers[0]}, drivers[1], driverstate.DepthData, driverstate.Discard)
		require.NoError(t, err)
		require.Len(t, out.Differences, i+1)
		assert.Equal(t, ids()[i], out.Differences[i].BackupID)
		assert.Equal(t, store, out.Differences[i].Store)
		assert.Contains(t, out.Differences[i].Reason, "damaged: ")
		assert.Equal(t, []int{3, 2 - i}, []int{out.Compared, out.Equal})
	}
}

// Cinder takes the number from a record as it is (manager.py import_record), and
// shows has_dependent_backups by it: on a target without chains none stands on
// another.
func TestNothingStandsOnABackupWhereThereAreNoChains(t *testing.T) {
	from := open(t, posixURL(t.TempDir()), nil)
	aChain(t, from)
	line := lineOf(t, from, ids()[2])
	for i := range line {
		line[i].Row.NumDependentBackups = 2 - i
	}
	to := unhashed{open(t, posixURL(t.TempDir()), nil)}
	out, err := (&ship.Job{Source: from, Target: to, Request: driverstate.ShipRequest{Chain: true}, Observer: driverstate.Discard}).Ship(t.Context(), line)
	require.NoError(t, err)
	require.Len(t, out.Landed, 3)
	for _, l := range out.Landed {
		r, err := driverstate.DecodeRecord(l.Record)
		require.NoError(t, err)
		assert.Empty(t, r.Backup.ParentID)
		assert.Zero(t, r.Backup.NumDependentBackups)
	}
}
