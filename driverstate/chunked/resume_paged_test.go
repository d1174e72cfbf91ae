package chunked

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// plain is a volume in memory.
type plain struct{ *bytes.Reader }

func (plain) Metadata() ([]byte, error) { return nil, nil }

// stored writes a backup of content to the store of d.
func stored(t *testing.T, d *Driver, content []byte) *driverstate.Backup {
	t.Helper()
	b := row("", "")
	b.Size, b.CreatedAt = 1, time.Now()
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, nil, time.Now())
	require.NoError(t, err)
	_, err = d.Backup(t.Context(), b, nil, plain{bytes.NewReader(content)}, nil)
	require.NoError(t, err)
	return b
}

// pattern is n bytes of which no block is like another.
func pattern(n int) []byte {
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(i>>15 + i*7)
	}
	return content
}

func TestATargetIsComparedWithALongList(t *testing.T) {
	d, _ := newDriver(t, FileLayout{})
	content := pattern(5<<20 + 100)
	b := stored(t, d, content)
	d.held = 1
	path := filepath.Join(t.TempDir(), "disk")
	have := bytes.Clone(content)
	have[3<<20] ^= 1
	have[len(have)-1] ^= 1
	require.NoError(t, os.WriteFile(path, have, 0o600))
	target, err := volume.OpenTarget(path, volume.TargetOptions{Overwrite: true})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{Resume: true}, nil)
	require.NoError(t, err)
	require.NoError(t, target.Commit())
	assert.EqualValues(t, 32768+100, done.BytesWritten)
	assert.EqualValues(t, len(content)-32768-100, done.BytesKept)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, got))
}
