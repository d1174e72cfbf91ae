package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestLockNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, lockFile)
	me := strconv.Itoa(os.Getpid())
	for _, c := range []struct{ listen, want string }{
		{"", "state directory " + dir + " is in use by process " + me},
		{"http://127.0.0.1:8776", "state directory " + dir + " is in use by process " + me + ", which serves http://127.0.0.1:8776"},
	} {
		held, err := lock(dir, path, c.listen)
		require.NoError(t, err)
		_, err = lock(dir, path, "")
		require.ErrorIs(t, err, driverstate.ErrConflict)
		assert.EqualError(t, err, c.want)
		require.NoError(t, held.Close())
	}
	again, err := lock(dir, path, "")
	require.NoError(t, err, "a lock ends with its holder")
	require.NoError(t, again.Close())
}

func TestLockWithoutASignatureIsStillALock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, lockFile)
	held, err := lock(dir, path, "")
	require.NoError(t, err)
	defer held.Close()
	require.NoError(t, held.Truncate(0))
	_, err = lock(dir, path, "")
	assert.EqualError(t, err, "state directory "+dir+" is in use by another process")
}

func TestHostStaysTheOneThatOwnsTheRows(t *testing.T) {
	dir := t.TempDir()
	machine, err := hostOf(dir, "")
	require.NoError(t, err)
	assert.NotEmpty(t, machine)
	named, err := hostOf(dir, "backup-1")
	require.NoError(t, err)
	assert.Equal(t, "backup-1", named)
	again, err := hostOf(dir, "")
	require.NoError(t, err)
	assert.Equal(t, "backup-1", again)
}
