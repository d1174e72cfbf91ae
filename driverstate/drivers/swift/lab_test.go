package swift_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// authURL is where to log in at the Swift of testdata/servers. A test without
// it is skipped, but fails in the lane that must have it.
func authURL(t *testing.T) string {
	t.Helper()
	url := os.Getenv("CINDER_GO_SWIFT")
	if url != "" {
		return url
	}
	if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
		require.FailNow(t, "no Swift is there: CINDER_GO_SWIFT is not set", `eval "$(testdata/servers/up swift)"`)
	}
	t.Skip(`SKIPPED: no Swift to test against: eval "$(testdata/servers/up swift)" starts one and sets CINDER_GO_SWIFT`)
	return ""
}

// config is that of the reseller's admin, who may use every account, with
// backups in those of their projects.
func config(t *testing.T) swift.Config {
	t.Helper()
	auth := authURL(t)
	return swift.Config{
		URL:         strings.TrimSuffix(auth, "/auth/v1.0") + "/v1/AUTH_",
		Credentials: swift.Credentials{Version: "1", AuthURL: auth, User: "admin:admin", Key: "admin"},
		Container:   "volumebackups", ObjectSize: 52428800, BlockSize: 32768, Compression: "zlib",
		RetryAttempts: 3, RetryBackoff: time.Millisecond,
	}
}

// project is the id of a project whose account is empty.
func project(t *testing.T) string {
	t.Helper()
	id := make([]byte, 16)
	_, err := rand.Read(id)
	require.NoError(t, err)
	return hex.EncodeToString(id)
}

func openStore(t *testing.T, c swift.Config, project string) *swift.Store {
	t.Helper()
	s, err := swift.OpenStore(c, project)
	require.NoError(t, err)
	return s
}

// account is an account of Swift under the suite of drivers.
type account struct {
	cfg   swift.Config
	store *swift.Store
}

// newAccount is the account of a project that has none yet, as the only one of
// a driver.
func newAccount(t *testing.T, c swift.Config) *account {
	id := project(t)
	c.Credentials.ProjectID = id
	s := openStore(t, c, id)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return &account{cfg: c, store: s}
}

func (a *account) Open(t *testing.T, s drivertest.Settings) driverstate.Driver {
	t.Helper()
	c := a.cfg
	c.Compression, c.ObjectSize, c.BlockSize, c.ReadOnly, c.Workers = s.Compression, s.ObjectSize, s.BlockSize, s.ReadOnly, s.Workers
	d, err := swift.New(t.Context(), c)
	require.NoError(t, err)
	return d
}

func (a *account) Names(t *testing.T, container string) []string {
	t.Helper()
	var names []string
	for info, err := range a.store.List(t.Context(), container, "") {
		if errors.Is(err, objectstore.ErrNoContainer) {
			return nil
		}
		require.NoError(t, err)
		names = append(names, info.Name)
	}
	slices.Sort(names)
	return names
}

func (a *account) Read(t *testing.T, container, name string) []byte {
	t.Helper()
	r, err := a.store.Get(t.Context(), container, name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	return content
}

func (a *account) Write(t *testing.T, container, name string, content []byte) {
	t.Helper()
	require.NoError(t, a.store.Put(t.Context(), container, name, bytes.NewReader(content), int64(len(content))))
}

func (a *account) Remove(t *testing.T, container, name string) {
	t.Helper()
	require.NoError(t, a.store.Delete(t.Context(), container, name))
}

// write makes one full backup in the account of a project.
func write(t *testing.T, d driverstate.Driver, src driverstate.Source, id, project string) *driverstate.Backup {
	t.Helper()
	b := &driverstate.Backup{ID: id, VolumeID: "11111111-2222-4333-8444-555555555555", ProjectID: project, Size: 1,
		CreatedAt: time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC)}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
	require.NoError(t, err)
	_, err = d.Backup(t.Context(), b, nil, src, nil)
	require.NoError(t, err)
	return b
}

// imageSource is a volume in memory.
type imageSource string

func (s imageSource) Size() int64               { return int64(len(s)) }
func (s imageSource) Metadata() ([]byte, error) { return nil, nil }
func (s imageSource) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(s)).ReadAt(p, off)
}

func open(t *testing.T, c swift.Config) driverstate.Driver {
	t.Helper()
	d, err := swift.New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

func assertFile(t *testing.T, want []byte, path string) {
	t.Helper()
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, have), "%d bytes are not the %d of the image", len(have), len(want))
}
