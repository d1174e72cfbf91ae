package volume_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

func TestAPipeGetsEveryByteOnce(t *testing.T) {
	var out bytes.Buffer
	target := open(t, volume.StdoutPath, volume.TargetOptions{Stdout: &out})
	assert.True(t, target.Sequential())
	assert.False(t, target.Blank())
	require.NoError(t, target.Begin(600_006))
	_, err := target.WriteAt([]byte("abc"), 0)
	require.NoError(t, err)
	require.NoError(t, target.ZeroRange(3, 600_000))
	_, err = target.WriteAt([]byte("d"), 10)
	require.Error(t, err, "a pipe cannot go back")
	_, err = target.WriteAt([]byte("def"), 600_003)
	require.NoError(t, err)
	require.NoError(t, target.Sync())
	require.NoError(t, target.Commit())
	want := append([]byte("abc"), make([]byte, 600_000)...)
	assert.True(t, bytes.Equal(append(want, "def"...), out.Bytes()))
}

func TestAPipeThatGotTooLittleIsNotCommitted(t *testing.T) {
	target := open(t, volume.StdoutPath, volume.TargetOptions{Stdout: &bytes.Buffer{}})
	require.NoError(t, target.Begin(4))
	_, err := target.WriteAt([]byte("abc"), 0)
	require.NoError(t, err)
	assert.ErrorContains(t, target.Sync(), "3 of 4 bytes")
	assert.Error(t, target.Commit())
}

func TestAPipeRefusesAnImageLongerThanTheVolume(t *testing.T) {
	target := open(t, volume.StdoutPath, volume.TargetOptions{Stdout: &bytes.Buffer{}, Size: 3})
	require.ErrorIs(t, target.Begin(4), driverstate.ErrTooSmall)
}

type full struct{}

var errFull = errors.New("no space")

func (full) Write(p []byte) (int, error) { return len(p) / 2, errFull }

func TestAPipeTellsTheErrorOfItsWriter(t *testing.T) {
	target := open(t, volume.StdoutPath, volume.TargetOptions{Stdout: full{}})
	require.NoError(t, target.Begin(4))
	_, err := target.WriteAt([]byte("abcd"), 0)
	require.ErrorIs(t, err, errFull)
}
