package nfs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/nfs"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func TestSharesAreHostsWithPaths(t *testing.T) {
	for share, good := range map[string]bool{
		"nas.example.org:/export": true, "192.0.2.30:/": true, "[fd00::1]:/export": true, "[fe80::1%eth0]:/x": true, "nas:/with blank": true, "nas:/a:b": true,
		"nas": false, "nas:export": false, ":/export": false, "/export": false, "fd00::1:/export": false, "[fd00::1]": false,
		"-oremount:/x": false, "nas :/x": false, "nas/x:/y": false, "nas:/a\nb": false, "nfs://nas/export": false,
	} {
		_, err := nfs.New(t.Context(), nfs.Config{Share: share, Config: posix.Config{Compression: chunked.CompressionZlib}})
		if good {
			assert.NoError(t, err, share)
			continue
		}
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, share)
		assert.ErrorContains(t, err, "it is host:/path, address:/path or [ipv6 address]:/path")
	}
}

// The expected options are what os-brick made of the given ones
// (RemoteFsClient._nfs_mount_type_opts), in the order in which it mounts, but
// that it leaves blanks in, which mount refuses.
func TestMountOptionsAreThoseOfOsBrick(t *testing.T) {
	for given, want := range map[string][]string{
		"":                      {"vers=4,minorversion=1", ""},
		"rw,hard":               {"rw,hard,vers=4,minorversion=1", "rw,hard"},
		"rw, hard":              {"rw,hard,vers=4,minorversion=1", "rw,hard"},
		"vers=4.1,proto=tcp":    {"vers=4.1,proto=tcp"},
		"rw,nfsvers=3":          {"rw,nfsvers=3"},
		"v3":                    {"v3"},
		"rw,minorversion=2":     {"rw,vers=4,minorversion=1", "rw,minorversion=2"},
		"verbose,vers=3,nolock": {"verbose,vers=3,nolock"},
	} {
		assert.Equal(t, want, nfs.Versions(given), given)
	}
}

func TestTheDefaultsAreCinders(t *testing.T) {
	c, err := nfs.NewConfig(oslo.Values{"backup_share": "nas:/export"})
	require.NoError(t, err)
	assert.Equal(t, nfs.Config{
		Share: "nas:/export", Base: "/var/lib/cinder/backup_mount", Attempts: 3,
		Config: posix.Config{ObjectSize: 1999994880, BlockSize: 32768, Compression: chunked.CompressionZlib},
	}, c)
	_, err = nfs.NewConfig(oslo.Values{"backup_mount_attempts": "0"})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
}

func TestAShareIsNeeded(t *testing.T) {
	d, err := nfs.New(t.Context(), nfs.Config{Config: posix.Config{Compression: chunked.CompressionZlib}})
	require.NoError(t, err)
	assert.Equal(t, "cinder.backup.drivers.nfs.NFSBackupDriver", d.Service())
	for _, err := range []error{d.DoSetup(t.Context()), d.CheckForSetupError(t.Context())} {
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
		assert.ErrorContains(t, err, "option backup_share is not set")
	}
	_, err = nfs.New(t.Context(), nfs.Config{Share: "nas:/x", Base: "relative"})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
}
