package gcs_test

import (
	"crypto/rand"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/gcs"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// emulator is the address of the server that testdata/servers/gcs/up starts. It
// skips a test where there is none, and fails it in the lane that must have it.
func emulator(t *testing.T) string {
	t.Helper()
	const env = "STORAGE_EMULATOR_HOST"
	if url := os.Getenv(env); url != "" {
		return url
	}
	if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
		require.FailNow(t, "no Google Cloud Storage server", "%s is not set: start one with testdata/servers/up gcs", env)
	}
	t.Skipf("SKIPPED: no Google Cloud Storage server to test against: %s is not set (testdata/servers/up gcs)", env)
	return ""
}

// config is Cinder's defaults, with a bucket of the test's own.
func config(t *testing.T, values oslo.Values) gcs.Config {
	t.Helper()
	all := oslo.Values{
		"backup_gcs_bucket": "t" + strings.ToLower(rand.Text()[:12]), "backup_gcs_endpoint": emulator(t), "backup_gcs_project_id": "test",
	}
	for name, value := range values {
		all[name] = value
	}
	c, err := gcs.NewConfig(all)
	require.NoError(t, err)
	require.NoError(t, c.Validate())
	return c
}

func open(t *testing.T, c gcs.Config) *gcs.Store {
	t.Helper()
	s := gcs.NewStore(c)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// bucketStore is a store for the contract of drivers: one bucket.
type bucketStore struct {
	t     *testing.T
	cfg   gcs.Config
	store *gcs.Store
}

func newBucketStore(t *testing.T) *bucketStore {
	t.Helper()
	c := config(t, nil)
	return &bucketStore{t: t, cfg: c, store: open(t, c)}
}

func (b *bucketStore) Open(t *testing.T, s drivertest.Settings) driverstate.Driver {
	t.Helper()
	c := b.cfg
	c.Compression, c.ObjectSize, c.BlockSize = s.Compression, s.ObjectSize, s.BlockSize
	c.Runtime = chunked.Runtime{ReadOnly: s.ReadOnly, Workers: s.Workers}
	d, err := gcs.New(t.Context(), c)
	require.NoError(t, err)
	return d
}

func (b *bucketStore) Names(t *testing.T, bucket string) []string {
	t.Helper()
	var names []string
	for o, err := range b.store.List(t.Context(), bucket, "") {
		require.NoError(t, err)
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names
}

func (b *bucketStore) Read(t *testing.T, bucket, name string) []byte {
	t.Helper()
	r, err := b.store.Get(t.Context(), bucket, name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return content
}

func (b *bucketStore) Write(t *testing.T, bucket, name string, content []byte) {
	t.Helper()
	require.NoError(t, b.store.Put(t.Context(), bucket, name, strings.NewReader(string(content)), int64(len(content))))
}

func (b *bucketStore) Remove(t *testing.T, bucket, name string) {
	t.Helper()
	require.NoError(t, b.store.Delete(t.Context(), bucket, name))
}

// plain is a name that a bucket may have.
var plain = regexp.MustCompile(`^[a-z0-9]+$`)
