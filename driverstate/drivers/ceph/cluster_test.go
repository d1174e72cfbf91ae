package ceph_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/ceph"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
)

// testPool is the pool of these tests alone. Its user is the administrator,
// who may make it.
const testPool = "cinder-go-test"

// conf is the configuration of the cluster that testdata/servers/ceph/up has
// started.
func conf(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CEPH_CONF")
	if path != "" {
		return path
	}
	const how = `no Ceph cluster: eval "$(testdata/servers/ceph/up)" first`
	if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
		t.Fatal(how)
	}
	t.Skip("SKIPPED: " + how)
	return ""
}

// tool runs one of Ceph's programs as the administrator.
func tool(t *testing.T, stdin string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--conf", conf(t), "--id", "admin"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %q: %s", program, args, stderr.String())
	return string(out)
}

var makePool sync.Once

// pool is a pool without anything of a backup in it.
func pool(t *testing.T) string {
	t.Helper()
	conf(t)
	makePool.Do(func() {
		if !slices.Contains(strings.Fields(tool(t, "", "rados", "lspools")), testPool) {
			tool(t, "", "ceph", "osd", "pool", "create", testPool, "8", "8")
			tool(t, "", "ceph", "osd", "pool", "set", testPool, "size", "1", "--yes-i-really-mean-it")
			tool(t, "", "ceph", "osd", "pool", "application", "enable", testPool, "rbd")
		}
	})
	empty(t)
	return testPool
}

func empty(t *testing.T) {
	t.Helper()
	for _, name := range names(t, testPool) {
		if image, snap, ok := strings.Cut(name, "@"); ok {
			tool(t, "", "rbd", "snap", "rm", "--no-progress", "--pool", testPool, "--image", image, "--snap", snap)
		}
	}
	for _, name := range names(t, testPool) {
		if strings.HasPrefix(name, "volume-") {
			tool(t, "", "rbd", "rm", "--no-progress", "--pool", testPool, "--image", name)
		} else {
			tool(t, "", "rados", "--pool", testPool, "rm", name)
		}
	}
}

// names are the images, their snapshots and the metadata objects of a pool.
func names(t *testing.T, pool string) []string {
	t.Helper()
	all := strings.Fields(tool(t, "", "rbd", "ls", "--pool", pool))
	var images []struct{ Image, Snapshot string }
	// It ends with an error if an image cannot be opened, after the others.
	listing, _ := exec.CommandContext(t.Context(), "rbd", "--conf", conf(t), "--id", "admin", "ls", "--long", "--format", "json", "--pool", pool).Output()
	require.NoError(t, json.Unmarshal(listing, &images))
	for _, i := range images {
		if i.Snapshot != "" {
			all = append(all, i.Image+"@"+i.Snapshot)
		}
	}
	for _, object := range strings.Fields(tool(t, "", "rados", "--pool", pool, "ls")) {
		if !strings.HasPrefix(object, "rbd_") {
			all = append(all, object)
		}
	}
	slices.Sort(all)
	return all
}

// open returns the driver on the pool of these tests.
func open(t *testing.T, change ...func(*ceph.Config)) driverstate.Driver {
	t.Helper()
	c := ceph.Config{Conf: conf(t), User: "admin", Pool: testPool}
	for _, f := range change {
		f(&c)
	}
	d, err := ceph.New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

// images is a pool as a store of the contract suite.
type images struct{}

func (images) Open(t *testing.T, s drivertest.Settings) driverstate.Driver {
	return open(t, func(c *ceph.Config) {
		c.ChunkSize, c.Runtime = s.ObjectSize, chunked.Runtime{ReadOnly: s.ReadOnly, Workers: s.Workers}
	})
}

func (images) Names(t *testing.T, container string) []string {
	if container != testPool {
		return nil
	}
	return names(t, container)
}

func (images) Read(t *testing.T, container, name string) []byte {
	return []byte(tool(t, "", "rados", "--pool", container, "get", name, "-"))
}

func (images) Write(t *testing.T, container, name string, content []byte) {
	tool(t, string(content), "rados", "--pool", container, "put", name, "-")
}

func (images) Remove(t *testing.T, container, name string) {
	tool(t, "", "rados", "--pool", container, "rm", name)
}

func TestTheDriverKeepsTheContract(t *testing.T) {
	drivertest.RunImages(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		pool(t)
		return images{}
	}})
}
