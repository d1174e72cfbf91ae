package ceph

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Between the removal of the snapshot and the look at what is left, another
// program deletes the last other backup of the image, and the image with it.
func TestAnImageThatAnotherDeleteTookIsNoError(t *testing.T) {
	dir := t.TempDir()
	const image = "volume-" + volumeV + ".backup." + backup1
	require.NoError(t, os.WriteFile(dir+"/rbd", []byte(`#!/bin/sh
echo "rbd $*" >>"$CALLS"
case "$*" in
*" snap rm "*) touch "$CALLS.removed" ;;
*" snap ls "*)
	if [ -e "$CALLS.removed" ]; then
		echo "rbd: error opening image `+image+`: (2) No such file or directory" >&2
		exit 2
	fi
	echo '[{"id":4,"name":"backup.`+backup1+`.snap.1795244571.5","size":1073741824},{"id":5,"name":"backup.`+backup2+`.snap.1795244572.5","size":1073741824}]'
	;;
*) exit 1 ;;
esac
`), 0o755))
	require.NoError(t, os.WriteFile(dir+"/rados", []byte(`#!/bin/sh
echo "rados $*" >>"$CALLS"
case "$*" in
*" get "*) echo '{"version": 2, "volume-base-metadata": {}}' ;;
esac
`), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("CALLS", dir+"/calls")
	d, err := New(t.Context(), Config{})
	require.NoError(t, err)
	require.NoError(t, d.Delete(t.Context(), &driverstate.Backup{
		ID: backup1, VolumeID: volumeV, Container: "backups", ServiceMetadata: baseText(image),
	}))
	calls, err := os.ReadFile(dir + "/calls")
	require.NoError(t, err)
	assert.Contains(t, string(calls), "rados --conf /etc/ceph/ceph.conf --id cinder rm --pool backups backup."+backup1+".meta")
}
