package s3_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
)

// examine takes all steps; the last is the one that failed, if any did.
func examine(t *testing.T, c s3.Config, o driverstate.ExamineOptions) (names []string, last driverstate.Step) {
	t.Helper()
	d, err := s3.New(t.Context(), c)
	require.NoError(t, err)
	defer d.Close()
	for step := range d.(driverstate.Examiner).Examine(t.Context(), o) {
		require.NoError(t, last.Err, "a step was taken after one that failed")
		names, last = append(names, step.Name), step
	}
	return names, last
}

func TestAnExaminationTakesEveryStep(t *testing.T) {
	for _, s := range both {
		t.Run(s.name, func(t *testing.T) {
			a := newBucket(t, s.config(t))
			c := a.cfg
			names, last := examine(t, c, driverstate.ExamineOptions{})
			require.NoError(t, last.Err)
			assert.Equal(t, "configuration, name resolution, connection, clock, credentials, container, list, read", strings.Join(names, ", "))
			assert.Equal(t, "there is no backup to read", last.Detail)

			c.Endpoint, c.CAFile = withTLS(t, c.Endpoint)
			names, last = examine(t, c, driverstate.ExamineOptions{Write: true})
			require.NoError(t, last.Err)
			assert.Equal(t, "configuration, name resolution, TLS, clock, credentials, container, list, read, write", strings.Join(names, ", "))
			assert.Equal(t, "object cinder-go.driver-check was written, read back and removed", last.Detail)
			assert.Empty(t, a.Names(t, c.Bucket))

			absent := a.cfg
			absent.Bucket = "absent-" + c.Bucket
			_, last = examine(t, absent, driverstate.ExamineOptions{})
			assert.Equal(t, "container", last.Name)
			assert.ErrorIs(t, last.Err, driverstate.ErrNotFound)
			assert.Equal(t, "check backup_s3_store_bucket", last.Advice)
			assert.NotContains(t, last.Err.Error(), last.Advice)
			_, last = examine(t, absent, driverstate.ExamineOptions{Write: true})
			require.NoError(t, last.Err)
			for bucket, err := range a.store.Containers(t.Context()) {
				require.NoError(t, err)
				assert.NotEqual(t, absent.Bucket, bucket, "the bucket that was made for the check is removed")
			}
		})
	}
}

func TestAnExaminationReadsADocument(t *testing.T) {
	a := newBucket(t, rgw.config(t))
	a.Write(t, a.cfg.Bucket, "volume_x/20240102030405/az_nova_backup_y_metadata", []byte("{}"))
	_, last := examine(t, a.cfg, driverstate.ExamineOptions{})
	assert.Equal(t, "read", last.Name)
	assert.ErrorIs(t, last.Err, driverstate.ErrCorrupt)
}

const refusedAdvice = "check the host and the port in backup_s3_endpoint_url, that the server is running, and that no firewall refuses this host"

func TestAServerThatRefusesTheConnectionIsAdvisedOn(t *testing.T) {
	names, last := examine(t, s3.Config{Endpoint: "http://127.0.0.1:1", Bucket: "volumebackups", AccessKey: "a", SecretKey: "s"}, driverstate.ExamineOptions{})
	assert.Equal(t, "configuration, name resolution, connection", strings.Join(names, ", "))
	require.ErrorIs(t, last.Err, driverstate.ErrUnavailable)
	assert.Equal(t, refusedAdvice, last.Advice)
	assert.ErrorContains(t, last.Err, "connection refused")
	assert.NotContains(t, last.Err.Error(), last.Advice, "it is told once")
}

func TestAnExaminationEndsWhereSomethingIsWrong(t *testing.T) {
	good := newBucket(t, rgw.config(t)).cfg
	wrongSecret, noServer, noName, distrusted := good, good, good, good
	wrongSecret.SecretKey = "wrong"
	noServer.Endpoint = "http://127.0.0.1:1"
	noName.Endpoint = "http://no-such-host.invalid"
	distrusted.Endpoint, _ = withTLS(t, good.Endpoint)
	late := good
	proxy := httptest.NewServer(lateServer{front(t, good.Endpoint, nil)})
	t.Cleanup(proxy.Close)
	late.Endpoint = proxy.URL
	for _, c := range []struct {
		cfg          s3.Config
		step, advice string
		kind         error
	}{
		{noName, "name resolution", "check the name in backup_s3_endpoint_url", driverstate.ErrUnavailable},
		{noServer, "connection", refusedAdvice, driverstate.ErrUnavailable},
		{distrusted, "TLS", "set backup_s3_ca_cert_file to the authority of the server's certificate", driverstate.ErrUnavailable},
		{late, "clock", "set this host's clock, or the server's", driverstate.ErrForbidden},
		{wrongSecret, "credentials", "check backup_s3_store_secret_key and backup_s3_store_access_key, and that no proxy on the way changes the host's name", driverstate.ErrForbidden},
	} {
		_, last := examine(t, c.cfg, driverstate.ExamineOptions{})
		assert.Equal(t, c.step, last.Name)
		assert.Equal(t, c.advice, last.Advice, c.step)
		require.ErrorIs(t, last.Err, c.kind, c.step)
	}
}

// lateServer is one whose clock is a day behind.
type lateServer struct{ http.Handler }

func (s lateServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Handler.ServeHTTP(yesterday{w}, r)
}

type yesterday struct{ http.ResponseWriter }

func (w yesterday) WriteHeader(code int) {
	w.Header().Set("Date", time.Now().Add(-24*time.Hour).UTC().Format(http.TimeFormat))
	w.ResponseWriter.WriteHeader(code)
}
