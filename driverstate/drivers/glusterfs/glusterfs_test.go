package glusterfs_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/glusterfs"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func TestSharesAreHostsWithVolumes(t *testing.T) {
	for share, good := range map[string]bool{
		"gluster1:backups": true, "192.0.2.30:/backup_vol": true, "fd00::1:backups": true, "g.example.org:/vol/sub": true,
		"gluster1": false, "gluster1:": false, ":vol": false, "/vol": false, "-o:vol": false, "g :vol": false, "g:vol/a\nb": false,
	} {
		_, err := glusterfs.New(t.Context(), glusterfs.Config{Share: share})
		if good {
			assert.NoError(t, err, share)
			continue
		}
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, share)
		assert.ErrorContains(t, err, "it is host:volume or address:volume")
	}
}

func TestAVolumeHasASlashOrNone(t *testing.T) {
	assert.True(t, glusterfs.Same("gluster1:/backups", "gluster1:backups"))
	assert.True(t, glusterfs.Same("gluster1:backups", "gluster1:/backups/"))
	assert.True(t, glusterfs.Same("fd00::1:/vol", "fd00::1:vol"))
	assert.False(t, glusterfs.Same("gluster1:backups", "gluster2:backups"))
	assert.False(t, glusterfs.Same("gluster1:backups", "gluster1:backup"))
}

func TestTheDefaultsAreCinders(t *testing.T) {
	c, err := glusterfs.NewConfig(oslo.Values{"glusterfs_backup_share": "gluster1:backups"})
	require.NoError(t, err)
	assert.Equal(t, glusterfs.Config{
		Share: "gluster1:backups", Base: "/var/lib/cinder/backup_mount",
		Config: posix.Config{ObjectSize: 1999994880, BlockSize: 32768, Compression: chunked.CompressionZlib},
	}, c)
	d, err := glusterfs.New(t.Context(), glusterfs.Config{})
	require.NoError(t, err)
	assert.Equal(t, "cinder.backup.drivers.glusterfs.GlusterfsBackupDriver", d.Service())
	require.ErrorContains(t, d.DoSetup(t.Context()), "option glusterfs_backup_share is not set")
}
