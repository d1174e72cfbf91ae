package s3_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// server is one that testdata/servers starts. The account is for backups; the
// empty one is for the tests of a whole account, and no other test's.
type server struct {
	name, env             string
	access, secret        string
	emptyAccess, emptyKey string
	// encrypts: SSE-C is not ignored.
	encrypts bool
}

var (
	rgw   = server{name: "rgw", env: "S3_RGW", access: "cinder", secret: "cindersecret", emptyAccess: "empty", emptyKey: "emptysecret", encrypts: true}
	swift = server{name: "swift", env: "S3_SWIFT", access: "project:cinder", secret: "cinder", emptyAccess: "other:cinder", emptyKey: "other"}
	both  = []server{rgw, swift}
)

// endpoint skips a test whose server does not run, and fails it in the lane
// that must have it.
func (s server) endpoint(t *testing.T) string {
	t.Helper()
	if url := os.Getenv(s.env); url != "" {
		return url
	}
	if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
		require.FailNow(t, "no S3 server", "%s is not set: start it with testdata/servers/up", s.env)
	}
	t.Skipf("SKIPPED: no S3 server to test against: %s is not set (testdata/servers/up)", s.env)
	return ""
}

func (s server) config(t *testing.T) s3.Config {
	t.Helper()
	return s3.Config{Endpoint: s.endpoint(t), AccessKey: s3.Secret(s.access), SecretKey: s3.Secret(s.secret)}
}

// emptyAccount is the server's account for a test of a whole account, with
// nothing in it.
func (s server) emptyAccount(t *testing.T) s3.Config {
	t.Helper()
	c := s.config(t)
	c.AccessKey, c.SecretKey = s3.Secret(s.emptyAccess), s3.Secret(s.emptyKey)
	store := open(t, c)
	for bucket, err := range store.Containers(t.Context()) {
		require.NoError(t, err)
		wipe(t, store, bucket)
	}
	return c
}

func wipe(t *testing.T, store *s3.Store, bucket string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var g errgroup.Group
	g.SetLimit(8)
	for o, err := range store.List(ctx, bucket, "") {
		require.NoError(t, err)
		g.Go(func() error { return store.Delete(ctx, bucket, o.Name) })
	}
	require.NoError(t, g.Wait())
	require.NoError(t, store.RemoveContainer(ctx, bucket))
}

// remove is wipe for the end of a test, when its context has ended.
func remove(t *testing.T, c s3.Config) {
	store, err := s3.NewStore(c)
	require.NoError(t, err)
	defer store.Close()
	wipe(t, store, c.Bucket)
}

func open(t *testing.T, c s3.Config) *s3.Store {
	t.Helper()
	require.NoError(t, c.Validate())
	store, err := s3.NewStore(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

var _ objectstore.Store = (*s3.Store)(nil)
