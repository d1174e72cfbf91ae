package gcs_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/gcs"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

func driver(t *testing.T, c gcs.Config) driverstate.Driver {
	t.Helper()
	d, err := gcs.New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

// Cinder reads one page of a listing (gcs.py get_container_entries): of such a
// backup it can restore nothing and delete the first 1,000 objects.
func TestABackupOfMoreThanAPageIsRestoredAndDeletedWhole(t *testing.T) {
	f := newFront(t)
	const chunks = 1203
	c := config(t, oslo.Values{
		"backup_gcs_endpoint": f.URL, "backup_gcs_object_size": "512", "backup_gcs_block_size": "512", "backup_compression_algorithm": "none",
	})
	c.Workers = 4
	d := driver(t, c)
	image := make([]byte, chunks*512)
	for i := range chunks {
		copy(image[i*512:], fmt.Sprintf("chunk %d", i+1))
	}
	b := &driverstate.Backup{
		ID: "11111111-2222-4333-8444-555555555555", VolumeID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", CreatedAt: time.Date(2026, 11, 21, 5, 54, 23, 0, time.UTC),
	}
	var err error
	b.Container, b.ServiceMetadata, err = d.Place(b, nil, b.CreatedAt)
	require.NoError(t, err)
	assert.Equal(t, "volume_aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/20261121055423/az_nova_backup_11111111-2222-4333-8444-555555555555", b.ServiceMetadata)
	src, err := volume.OpenSource(write(t, "image", image), nil)
	require.NoError(t, err)
	defer src.Close()
	stored, err := d.Backup(t.Context(), b, nil, src, nil)
	require.NoError(t, err)
	assert.Equal(t, chunks, stored.ObjectCount)

	var found []driverstate.Found
	for x, err := range d.(driverstate.Scanner).Scan(t.Context(), c.Bucket) {
		require.NoError(t, err)
		found = append(found, x)
	}
	require.Len(t, found, 1)
	assert.Equal(t, driverstate.ConditionWhole, found[0].Condition, found[0].Reason)
	assert.Equal(t, chunks, found[0].Backup.ObjectCount)
	report, err := d.(driverstate.Verifier).Verify(t.Context(), driverstate.Chain{b}, driverstate.DepthData, nil)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Reason)
	assert.EqualValues(t, len(image), report.BytesRead)

	pages := func(r *http.Request) bool { return isList(r) && strings.HasSuffix(r.URL.Path, "/o") }
	assert.Zero(t, f.seen(func(r *http.Request) bool { return pages(r) && r.URL.Query().Get("maxResults") != "1000" }), "every page asks for 1,000 names")
	assert.NotZero(t, f.seen(func(r *http.Request) bool { return pages(r) && r.URL.Query().Get("pageToken") != "" }), "there were second pages")

	to := filepath.Join(t.TempDir(), "restored")
	dst, err := volume.OpenTarget(to, volume.TargetOptions{Size: int64(len(image))})
	require.NoError(t, err)
	_, err = d.Restore(t.Context(), driverstate.Chain{b}, dst, driverstate.RestoreOptions{}, nil)
	require.NoError(t, err)
	require.NoError(t, dst.Commit())
	require.NoError(t, dst.Close())
	restored, err := os.ReadFile(to)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(image, restored))

	require.NoError(t, d.Delete(t.Context(), b))
	for o, err := range open(t, c).List(t.Context(), c.Bucket, "") {
		require.NoError(t, err)
		assert.Fail(t, "an object is left", o.Name)
	}
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func TestABucketIsMadeAsTheOptionsSay(t *testing.T) {
	f := newFront(t)
	var asked []string
	f.set(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/b") {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			asked = append(asked, r.URL.Query().Get("project")+" "+strings.TrimSpace(string(body)))
			r.Body = &closer{*bytes.NewReader(body)}
		}
		return false
	})
	c := config(t, oslo.Values{"backup_gcs_endpoint": f.URL, "backup_gcs_bucket_location": "EU", "backup_gcs_storage_class": "COLDLINE", "backup_gcs_project_id": "cloud-7"})
	s := open(t, c)
	require.NoError(t, s.PutContainer(t.Context(), c.Bucket))
	require.NoError(t, s.PutContainer(t.Context(), c.Bucket))
	assert.Equal(t, []string{`cloud-7 {"location":"EU","name":"` + c.Bucket + `","storageClass":"COLDLINE"}`}, asked, "once")
	assert.NotZero(t, f.seen(func(r *http.Request) bool { return strings.HasSuffix(r.UserAgent(), "gcscinder") }))
}

func TestAnAccountThatMayNotListBucketsHasItsOwn(t *testing.T) {
	f := newFront(t)
	var told bytes.Buffer
	c := config(t, oslo.Values{"backup_gcs_endpoint": f.URL})
	c.Logger = slog.New(slog.NewTextHandler(&told, nil))
	f.times(-1, func(r *http.Request) bool { return isList(r) && strings.HasSuffix(r.URL.Path, "/b") },
		refuse(403, "forbidden", "sa@x does not have storage.buckets.list access"))
	var buckets []string
	for bucket, err := range open(t, c).Containers(t.Context()) {
		require.NoError(t, err)
		buckets = append(buckets, bucket)
	}
	assert.Equal(t, []string{c.Bucket}, buckets)
	assert.Contains(t, told.String(), "storage.buckets.list")
}

func TestRequestsGoThroughTheProxy(t *testing.T) {
	c := config(t, nil)
	seen := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen++
		assert.Equal(t, "http://"+r.Host+"/storage/v1/b/"+c.Bucket, strings.Split(r.RequestURI, "?")[0])
		refuse(404, "notFound", "Not Found")(w, r)
	}))
	defer proxy.Close()
	c.Proxy = strings.Replace(proxy.URL, "http://", "http://user:hush@", 1)
	c.Endpoint = "http://storage.invalid:4443"
	require.NoError(t, c.Validate())
	err := open(t, c).RemoveContainer(t.Context(), c.Bucket)
	require.NoError(t, err)
	assert.Equal(t, 1, seen)
	proxy.Close()
	err = open(t, c).Delete(t.Context(), c.Bucket, "o")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hush")
}

func TestSetupErrorsSayWhatToChange(t *testing.T) {
	f := newFront(t)
	base := config(t, oslo.Values{"backup_gcs_endpoint": f.URL, "backup_gcs_num_retries": "0"})
	denied := refuse(403, "forbidden", "sa@x does not have storage.objects.list access")
	for name, x := range map[string]struct {
		change func(*gcs.Config)
		answer http.HandlerFunc
		kind   error
		want   string
	}{
		"a bucket to be made": {change: func(*gcs.Config) {}},
		"no bucket":           {change: func(c *gcs.Config) { c.Bucket = "" }, kind: driverstate.ErrInvalidInput, want: "option backup_gcs_bucket is not set"},
		"no credentials":      {change: func(c *gcs.Config) { c.Endpoint = "" }, kind: driverstate.ErrInvalidInput, want: "option backup_gcs_credential_file is not set"},
		"no file":             {change: func(c *gcs.Config) { c.CredentialFile = "/absent.json" }, kind: driverstate.ErrInvalidInput, want: "open /absent.json: no such file or directory"},
		"no JSON":             {change: func(c *gcs.Config) { c.CredentialFile = write(t, "key", []byte("hush")) }, kind: driverstate.ErrInvalidInput, want: "is not JSON"},
		"a user's credentials": {change: func(c *gcs.Config) {
			c.CredentialFile = write(t, "key", []byte(`{"type":"authorized_user","refresh_token":"hush"}`))
		}, kind: driverstate.ErrInvalidInput, want: `is of type "authorized_user"`},
		"half a key": {change: func(c *gcs.Config) {
			c.CredentialFile = write(t, "key", []byte(`{"type":"service_account","client_email":"a@b"}`))
		}, kind: driverstate.ErrInvalidInput, want: "lacks client_email or private_key"},
		"a bucket of another":    {change: func(*gcs.Config) {}, answer: denied, kind: driverstate.ErrForbidden, want: "does not have storage.objects.list access"},
		"a server that is down":  {change: func(*gcs.Config) {}, answer: reset, kind: driverstate.ErrUnavailable, want: "bucket " + base.Bucket},
		"a server in trouble":    {change: func(*gcs.Config) {}, answer: refuse(503, "backendError", "Backend Error"), kind: driverstate.ErrUnavailable, want: "503 Backend Error"},
		"no bucket to read from": {change: func(c *gcs.Config) { c.ReadOnly = true }, kind: driverstate.ErrNotFound, want: "does not exist; option backup_gcs_bucket names"},
		"no project to make it":  {change: func(c *gcs.Config) { c.Project = "" }, kind: driverstate.ErrInvalidInput, want: "set backup_gcs_project_id"},
	} {
		t.Run(name, func(t *testing.T) {
			c := base
			x.change(&c)
			f.set(nil)
			if x.answer != nil {
				f.times(-1, func(*http.Request) bool { return true }, x.answer)
			}
			err := driver(t, c).CheckForSetupError(t.Context())
			if x.kind == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, x.kind)
			assert.ErrorContains(t, err, x.want)
			assert.NotContains(t, err.Error(), "hush")
		})
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	for _, x := range []struct {
		values oslo.Values
		want   string
	}{
		{oslo.Values{"backup_gcs_bucket": "a/b"}, "slash"},
		{oslo.Values{"backup_gcs_num_retries": "-1"}, "backup_gcs_num_retries"},
		{oslo.Values{"backup_gcs_retry_error_codes": "429,often"}, `"often" is not an HTTP status code`},
		{oslo.Values{"backup_gcs_reader_chunk_size": "0"}, "neither a number of bytes nor -1"},
		{oslo.Values{"backup_gcs_writer_chunk_size": "-2"}, "neither a number of bytes nor -1"},
		{oslo.Values{"backup_gcs_object_size": "40000"}, "not a multiple of the block size"},
		{oslo.Values{"backup_gcs_proxy_url": "squid:hush"}, "backup_gcs_proxy_url is not a URL"},
		{oslo.Values{"backup_gcs_endpoint": "ftp://x"}, "backup_gcs_endpoint"},
		{oslo.Values{"backup_gcs_endpoint": "http://gcs.example:4443", "backup_gcs_credential_file": "/k"}, "in clear text"},
		{oslo.Values{"backup_compression_algorithm": "lz4"}, "lz4"},
	} {
		c, err := gcs.NewConfig(x.values)
		if err == nil {
			_, err = gcs.New(t.Context(), c)
		}
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, "%v", x.values)
		assert.ErrorContains(t, err, x.want)
		assert.NotContains(t, err.Error(), "hush")
	}
}

func TestTheDefaultsAreCinders(t *testing.T) {
	c, err := gcs.NewConfig(oslo.Values{"backup_gcs_endpoint": "127.0.0.1:4443"})
	require.NoError(t, err)
	assert.Equal(t, gcs.Config{
		ObjectSize: 52428800, BlockSize: 32768, ReaderChunk: 2097152, WriterChunk: 2097152, Retries: 3, RetryCodes: []int{429},
		Location: "US", StorageClass: "NEARLINE", UserAgent: "gcscinder", Zone: "nova", Compression: chunked.CompressionZlib,
		Endpoint: "http://127.0.0.1:4443",
	}, c)
}
