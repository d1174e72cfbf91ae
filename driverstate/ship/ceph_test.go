package ship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// cephPool is the pool of these tests alone.
const cephPool = "cinder-go-ship"

// cephTool runs one of Ceph's programs as the administrator.
func cephTool(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, append([]string{"--conf", os.Getenv("CEPH_CONF"), "--id", "admin"}, args...)...).Output()
	require.NoError(t, err, "%s %q", program, args)
	return string(out)
}

// aPool is an empty pool of the cluster that testdata/servers/ceph/up has
// started, as a store.
func aPool(t *testing.T) driverstate.Driver {
	t.Helper()
	if os.Getenv("CEPH_CONF") == "" {
		const how = `no Ceph cluster: eval "$(testdata/servers/up ceph)" first`
		if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
			require.FailNow(t, how)
		}
		t.Skip("SKIPPED: " + how)
	}
	if !slices.Contains(strings.Fields(cephTool(t, "rados", "lspools")), cephPool) {
		cephTool(t, "ceph", "osd", "pool", "create", cephPool, "8", "8")
		cephTool(t, "ceph", "osd", "pool", "set", cephPool, "size", "1", "--yes-i-really-mean-it")
		cephTool(t, "ceph", "osd", "pool", "application", "enable", cephPool, "rbd")
	}
	for _, image := range strings.Fields(cephTool(t, "rbd", "ls", "--pool", cephPool)) {
		cephTool(t, "rbd", "snap", "purge", "--no-progress", "--pool", cephPool, "--image", image)
		cephTool(t, "rbd", "rm", "--no-progress", "--pool", cephPool, "--image", image)
	}
	for _, object := range cephObjects(t) {
		cephTool(t, "rados", "--pool", cephPool, "rm", object)
	}
	return openPool(t)
}

func openPool(t *testing.T) driverstate.Driver {
	t.Helper()
	d, err := drivers.Open("ceph://"+cephPool+"?user=admin&conf="+os.Getenv("CEPH_CONF"), drivers.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.CheckForSetupError(t.Context()))
	return d
}

// cephObjects are the objects of the pool that are of no image: those with the
// metadata of volumes.
func cephObjects(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(strings.Fields(cephTool(t, "rados", "--pool", cephPool, "ls")), func(name string) bool {
		return strings.HasPrefix(name, "rbd_")
	})
}

// anRBD puts a program before the real rbd, which it calls "$RBD".
func anRBD(t *testing.T, script string) {
	t.Helper()
	real, err := exec.LookPath("rbd")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rbd"), []byte("#!/bin/sh\nRBD="+real+"\n"+script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// lossy loses the bytes of a diff, makes its snapshot, and says that all is
// well.
const lossy = `case "$*" in
*" import-diff "*)
	snap=$(head -c 300 | grep -a -o 'backup\.[0-9a-f-]*\.snap\.[0-9.]*')
	cat >/dev/null
	while [ $# -gt 0 ]; do
		case $1 in --conf) conf=$2 ;; --id) id=$2 ;; --pool) pool=$2 ;; --image) image=$2 ;; esac
		shift
	done
	exec $RBD --conf "$conf" --id "$id" snap create --no-progress --pool "$pool" --image "$image" --snap "$snap"
	;;
esac
exec $RBD "$@"
`

// requireImage restores one backup.
func requireImage(t *testing.T, d driverstate.Driver, id string, want []byte) {
	t.Helper()
	var got disk
	f, err := d.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: id})
	require.NoError(t, err)
	_, err = d.Restore(t.Context(), driverstate.Chain{&f.Backup}, &got, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got.image), "backup %s", id)
}

func shipTo(ctx context.Context, from, to driverstate.Driver, r driverstate.ShipRequest, line []driverstate.ShipItem) (driverstate.ShipResult, error) {
	return (&ship.Job{Source: from, Target: to, Landing: ship.NewLanding(r.Verify), Request: r, Observer: driverstate.Discard}).Ship(ctx, line)
}

// Ceph keeps no hashes: what arrived there is read, whatever was asked for.
func TestBytesThatAnRBDLosesAreFound(t *testing.T) {
	pool := aPool(t)
	from := open(t, posixURL(t.TempDir()), nil)
	aChain(t, from)
	line := lineOf(t, from, ids()[0])
	t.Run("lossy", func(t *testing.T) {
		anRBD(t, lossy)
		for _, verify := range []driverstate.ShipVerify{"", driverstate.ShipVerifyFull} {
			out, err := shipTo(t.Context(), from, pool, driverstate.ShipRequest{Verify: verify}, line)
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			assert.ErrorContains(t, err, "backup "+ids()[0]+": what the target has is not what was sent: the image has sha256 ")
			assert.ErrorContains(t, err, "; it was removed there")
			assert.Empty(t, out.Landed, "it does not count as shipped")
			assert.Empty(t, cephTool(t, "rbd", "ls", "--pool", cephPool), "and nothing takes it for a backup")
			assert.Empty(t, cephObjects(t))
		}
	})
	out, err := shipTo(t.Context(), from, pool, driverstate.ShipRequest{Chain: true}, lineOf(t, from, ids()[2]))
	require.NoError(t, err)
	require.Len(t, out.Landed, 3)
	for i, want := range images() {
		assert.False(t, out.Landed[i].There)
		requireImage(t, pool, ids()[i], want)
	}
}

// A backup that is there counts only when its image is that of the original,
// in both directions.
func TestWhatCephHasAlreadyIsCompared(t *testing.T) {
	pool := aPool(t)
	dir := t.TempDir()
	from := open(t, posixURL(filepath.Join(dir, "a")), nil)
	aChain(t, from)
	line := lineOf(t, from, ids()[0])
	_, err := shipTo(t.Context(), from, pool, driverstate.ShipRequest{}, line)
	require.NoError(t, err)
	back := open(t, posixURL(filepath.Join(dir, "b")), nil)
	_, err = shipTo(t.Context(), pool, back, driverstate.ShipRequest{Verify: driverstate.ShipVerifyFull}, lineOf(t, pool, ids()[0]))
	require.NoError(t, err)
	requireImage(t, back, ids()[0], images()[0])

	again := func(a, b driverstate.Driver) (driverstate.ShipResult, error) {
		return shipTo(t.Context(), a, b, driverstate.ShipRequest{}, lineOf(t, a, ids()[0]))
	}
	for _, pair := range [][2]driverstate.Driver{{from, pool}, {pool, back}} {
		out, err := again(pair[0], pair[1])
		require.NoError(t, err)
		require.Len(t, out.Landed, 1)
		assert.True(t, out.Landed[0].There)
	}

	// Somebody writes to the image, and calls it by its name again.
	image := strings.TrimSpace(cephTool(t, "rbd", "ls", "--pool", cephPool))
	var snaps []struct{ Name string }
	require.NoError(t, json.Unmarshal([]byte(cephTool(t, "rbd", "snap", "ls", "--format", "json", "--pool", cephPool, "--image", image)), &snaps))
	require.Len(t, snaps, 1)
	at := []string{"--pool", cephPool, "--image", image}
	snap := append(slices.Clone(at), "--snap", snaps[0].Name, "--no-progress")
	cephTool(t, "rbd", append([]string{"snap", "rm"}, snap...)...)
	cephTool(t, "rbd", append([]string{"bench", "--io-type", "write", "--io-size", "4096", "--io-total", "4096"}, at...)...)
	cephTool(t, "rbd", append([]string{"snap", "create"}, snap...)...)
	for _, pair := range [][2]driverstate.Driver{{from, pool}, {pool, back}} {
		out, err := again(pair[0], pair[1])
		require.ErrorIs(t, err, driverstate.ErrConflict)
		assert.ErrorContains(t, err, "the target has another backup of this id in container ")
		assert.ErrorContains(t, err, "its image is another, sha256 ")
		assert.Empty(t, out.Landed)
	}
	assert.Len(t, cephObjects(t), 1, "it was left alone")
	requireImage(t, back, ids()[0], images()[0])
}

// killing copies some of the bytes, and kills who runs it.
const killing = `case "$*" in
*" import-diff "*) head -c 100000 | $RBD "$@"; kill -9 $PPID; exit 1 ;;
esac
exec $RBD "$@"
`

// A shipment that is killed has no time to remove what it has begun: the next
// one does.
func TestAShipmentToCephThatIsKilledGoesOn(t *testing.T) {
	if dir := os.Getenv("SHIP_AND_BE_KILLED"); dir != "" {
		from := open(t, posixURL(dir), nil)
		_, err := shipTo(t.Context(), from, openPool(t), driverstate.ShipRequest{}, lineOf(t, from, ids()[0]))
		t.Fatal("it lives", err)
	}
	pool := aPool(t)
	dir := t.TempDir()
	from := open(t, posixURL(dir), nil)
	aChain(t, from)
	line := lineOf(t, from, ids()[0])
	t.Run("killed", func(t *testing.T) {
		anRBD(t, killing)
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAShipmentToCephThatIsKilledGoesOn$")
		child.Env = append(os.Environ(), "SHIP_AND_BE_KILLED="+dir)
		out, err := child.CombinedOutput()
		require.ErrorContains(t, err, "signal: killed", string(out))
	})
	f, err := pool.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: ids()[0]})
	require.NoError(t, err)
	require.Equal(t, driverstate.ConditionPartial, f.Condition)

	out, err := shipTo(t.Context(), from, pool, driverstate.ShipRequest{}, line)
	require.NoError(t, err)
	require.Len(t, out.Landed, 1)
	assert.False(t, out.Landed[0].There)
	requireImage(t, pool, ids()[0], images()[0])
	assert.Len(t, cephObjects(t), 1, "the metadata of the volume came along")
}

// waiting tells that it was begun, and reads nothing before it is told to.
const waiting = `case "$*" in
*" import-diff "*) echo begun >"$BEGUN"; cat "$GO_ON" ;;
esac
exec $RBD "$@"
`

func TestAShipmentToCephThatIsCancelledGoesOn(t *testing.T) {
	pool := aPool(t)
	from := open(t, posixURL(t.TempDir()), nil)
	aChain(t, from)
	line := lineOf(t, from, ids()[0])
	t.Run("cancelled", func(t *testing.T) {
		anRBD(t, waiting)
		begun, goOn := filepath.Join(t.TempDir(), "begun"), filepath.Join(t.TempDir(), "go-on")
		for name, path := range map[string]string{"BEGUN": begun, "GO_ON": goOn} {
			require.NoError(t, syscall.Mkfifo(path, 0o600))
			t.Setenv(name, path)
		}
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 1)
		go func() {
			_, err := os.ReadFile(begun)
			cancel()
			told <- errors.Join(err, os.WriteFile(goOn, nil, 0o600))
		}()
		out, err := shipTo(ctx, from, pool, driverstate.ShipRequest{}, line)
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, out.Landed)
		require.NoError(t, <-told)
		assert.Empty(t, cephTool(t, "rbd", "ls", "--pool", cephPool))
	})
	_, err := shipTo(t.Context(), from, pool, driverstate.ShipRequest{}, line)
	require.NoError(t, err)
	requireImage(t, pool, ids()[0], images()[0])
}

// Somebody else who writes the same backup is not disturbed: what is in the
// way when the shipment begins is not its own.
func TestWhatAnotherShipmentIsWritingStays(t *testing.T) {
	pool := aPool(t)
	from := open(t, posixURL(t.TempDir()), nil)
	aChain(t, from)
	anRBD(t, `case "$*" in *" create "*) $RBD "$@" || exit ;; esac
exec $RBD "$@"
`)
	_, err := shipTo(t.Context(), from, pool, driverstate.ShipRequest{}, lineOf(t, from, ids()[0]))
	require.ErrorIs(t, err, driverstate.ErrConflict)
	assert.ErrorContains(t, err, "File exists")
	assert.NotEmpty(t, cephTool(t, "rbd", "ls", "--pool", cephPool))
}
