package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// sample is a volume of text.
type sample struct{ *bytes.Reader }

func (sample) Metadata() ([]byte, error) { return []byte(`{"version": 2}`), nil }

func newSample() sample {
	var text bytes.Buffer
	for i := range 1 << 14 {
		fmt.Fprintf(&text, "line %d of %x, and %d more of the like\n", i, i*i*7919, i%97)
	}
	return sample{bytes.NewReader(text.Bytes()[:512<<10])}
}

// A tape is packed as hard as its URL says, else as the engine does.
func TestATapeIsPackedAsItsURLAndTheEngineSay(t *testing.T) {
	size := func(query, level string) int64 {
		path := filepath.Join(t.TempDir(), "x.cbk")
		s := newShipper(Config{Level: level}, slog.New(slog.DiscardHandler))
		r := driverstate.ShipRequest{To: "file://" + path + "?compression=zlib&object_size=65536&block_size=4096" + query}
		d, err := s.target(t.Context(), r, ship.NewLanding(""))
		require.NoError(t, err)
		require.NoError(t, ready(t.Context(), d, r.To))
		b := &driverstate.Backup{ID: "8036c677-02e9-40b2-bf80-6f50c454ef55", VolumeID: "11111111-2222-3333-4444-555555555555", Size: 1}
		b.Container, b.ServiceMetadata, err = d.Place(b, nil, time.Unix(1e9, 0))
		require.NoError(t, err)
		_, err = d.Backup(t.Context(), b, nil, newSample(), nil)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	normal, fastest := size("", ""), size("&level=fastest", "")
	assert.Less(t, normal, fastest)
	assert.Equal(t, fastest, size("", "fastest"), "the level of the engine")
	fast := size("&level=fast", "fastest")
	assert.NotEqual(t, fast, fastest, "that of the URL wins")
	assert.Equal(t, fast, size("&level=fast", ""))
}

func TestATapeIsWrittenWithinTheMemoryOfTheEngine(t *testing.T) {
	s := newShipper(Config{Memory: 1 << 20, Stdout: os.Stdout}, slog.New(slog.DiscardHandler))
	for _, to := range []string{"file://" + filepath.Join(t.TempDir(), "x.cbk"), "-"} {
		d, err := s.target(t.Context(), driverstate.ShipRequest{To: to}, ship.NewLanding(""))
		require.NoError(t, err, "objects that are copied need no packing")
		checker, ok := d.(driverstate.BackupChecker)
		require.True(t, ok, "%T", d)
		err = checker.CheckBackup()
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
		assert.ErrorContains(t, err, "memory of 1048576 bytes is too little for this")
	}
}
