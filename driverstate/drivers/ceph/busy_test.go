package ceph

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// busyRBD is an rbd that finds the image in use as often as a file says.
const busyRBD = `#!/bin/sh
left=$(cat "$BUSY_LEFT")
[ "$left" -gt 0 ] || exit 0
echo $((left-1)) >"$BUSY_LEFT"
echo "rbd: error: image still has watchers" >&2
echo "Removing image: 0% complete...failed." >&2
exit 16
`

// Cinder tries three times more, five seconds apart.
func TestAnImageInUseIsRemovedWhenItIsLetGoOf(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/rbd", []byte(busyRBD), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("BUSY_LEFT", dir+"/left")
	made, err := New(t.Context(), Config{})
	require.NoError(t, err)
	d := made.(*Driver)
	for busy, wantErr := range map[string]bool{"0": false, "1": false, "3": false, "4": true} {
		require.NoError(t, os.WriteFile(dir+"/left", []byte(busy), 0o600))
		var pauses []time.Duration
		d.pause = func(_ context.Context, p time.Duration) error { pauses = append(pauses, p); return nil }
		err := d.removeImage(t.Context(), "backups", imageName(volumeV, backup1))
		if wantErr {
			require.ErrorIs(t, err, driverstate.ErrConflict)
			assert.ErrorContains(t, err, "still has watchers")
			assert.Len(t, pauses, busyRetries)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, busy, string(rune('0'+len(pauses))))
		for _, p := range pauses {
			assert.Equal(t, busyPause, p)
		}
	}
}

// A program that fails after sound output has failed, and one that says
// nothing more is not waited for beyond its context.
func TestBothEndsOfAPipeAreLookedAt(t *testing.T) {
	dir := t.TempDir()
	script := func(text string) {
		require.NoError(t, os.WriteFile(dir+"/rbd", []byte("#!/bin/sh\n"+text), 0o755))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	k := &cluster{conf: "/c", user: "u"}
	c := call{program: "rbd", verb: "ls", pool: "p"}

	script("echo '[]'; echo 'rbd: listing images failed: (5) Input/output error' >&2; exit 5")
	_, err := k.text(t.Context(), c, 100)
	require.ErrorIs(t, err, driverstate.ErrCorrupt)
	assert.ErrorContains(t, err, "rbd ls p: rbd: listing images failed")

	script("cat /dev/zero")
	_, err = k.text(t.Context(), c, 100)
	require.ErrorIs(t, err, driverstate.ErrCorrupt, "too long")

	script("printf 'rbd diff v1\\ns'; exit 110")
	err = k.read(t.Context(), c, readDiff)
	require.ErrorIs(t, err, driverstate.ErrUnavailable, "why the stream is short, not that it is")
	script("printf 'rbd diff v1\\ns'")
	err = k.read(t.Context(), c, readDiff)
	assert.ErrorContains(t, err, "cut short", "sound exit, short stream")

	// The shell has a child that holds the pipe open: the group is killed.
	script("sleep 1000 & sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = k.text(ctx, c, 100)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), stopGrace)

	t.Setenv("PATH", dir+"/none")
	_, err = k.text(t.Context(), c, 100)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "install ceph-common")
	var missing *exec.Error
	assert.NotErrorAs(t, err, &missing)
}

func TestArgumentsAreNeverRead(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/rbd", []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"; echo \"$CEPH_ARGS$TZ\"\n"), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("CEPH_ARGS", "--id admin")
	k := &cluster{conf: "/etc/ceph/my cluster.conf", user: "a b"}
	out, err := k.text(t.Context(), call{program: "rbd", verb: "snap ls", pool: "$(reboot) pool", image: "i", snap: "s", args: []string{"--format", "json"}}, 1000)
	require.NoError(t, err)
	assert.Equal(t, "--conf\n/etc/ceph/my cluster.conf\n--id\na b\nsnap\nls\n--pool\n$(reboot) pool\n--image\ni\n--snap\ns\n--format\njson\nUTC\n", string(out))
	k.readOnly = true
	for _, verb := range []string{"create", "import-diff", "rm", "snap rm", "snap create", "snap rollback", "image-meta set", "image-meta remove", "anything"} {
		_, err := k.text(t.Context(), call{program: "rbd", verb: verb, pool: "p"}, 1000)
		assert.ErrorIs(t, err, driverstate.ErrReadOnly, verb)
	}
	for _, verb := range []string{"put", "rm"} {
		_, err := k.text(t.Context(), call{program: "rados", verb: verb, pool: "p"}, 1000)
		assert.ErrorIs(t, err, driverstate.ErrReadOnly, verb)
	}
}
