package engine

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// memory is a volume.
type memory struct{ *bytes.Reader }

func (memory) Metadata() ([]byte, error) { return nil, nil }

// A byte in a second is what nobody can wait for: the limit says so at once to
// who has an hour.
func TestTheLimitHoldsEveryStore(t *testing.T) {
	dir := t.TempDir()
	for _, program := range []string{"rbd", "rados"} {
		require.NoError(t, os.WriteFile(dir+"/"+program, []byte("#!/bin/sh\nexec cat >/dev/null\n"), 0o700))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	logger := slog.New(slog.DiscardHandler)
	for _, url := range []string{"ceph://backups", "posix://" + t.TempDir() + "?compression=none"} {
		for name, open := range map[string]func() (driverstate.Driver, error){
			"store": func() (driverstate.Driver, error) {
				s, err := openStore(Config{BytesPerSec: 1}, Store{URL: url}, logger)
				return s.Driver, err
			},
			"target": func() (driverstate.Driver, error) {
				return (&shipper{log: logger}).target(t.Context(), driverstate.ShipRequest{To: url, BytesPerSec: 1}, ship.NewLanding(""))
			},
		} {
			t.Run(name+" "+url[:5], func(t *testing.T) {
				d, err := open()
				require.NoError(t, err)
				defer func() { require.NoError(t, d.Close()) }()
				b := &driverstate.Backup{ID: "00000001-aaaa-bbbb-cccc-dddddddddddd", VolumeID: "11111111-2222-3333-4444-555555555555", Size: 1}
				b.Container, b.ServiceMetadata, err = d.Place(b, nil, time.Now())
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				volume := memory{bytes.NewReader(bytes.Repeat([]byte("some text"), 100000))}
				_, err = d.Backup(ctx, b, nil, volume, driverstate.Discard)
				assert.ErrorContains(t, err, "would exceed context deadline")
			})
		}
	}
}
