package s3_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

type refusal struct {
	name   string
	err    error
	kind   error
	advice string
}

func TestARefusalSaysWhatToChange(t *testing.T) {
	for _, s := range both {
		a := newBucket(t, s.config(t))
		wrongSecret, wrongKey := a.cfg, a.cfg
		wrongSecret.SecretKey, wrongKey.AccessKey = "wrong", "nobody"
		stranger := a.cfg
		stranger.AccessKey, stranger.SecretKey = s3.Secret(s.emptyAccess), s3.Secret(s.emptyKey)
		list := func(c s3.Config, bucket string) error {
			for _, err := range open(t, c).List(t.Context(), bucket, "") {
				return err
			}
			return nil
		}
		refusals := []refusal{
			{"secret", list(wrongSecret, a.cfg.Bucket), objectstore.ErrForbidden, "check backup_s3_store_secret_key"},
			{"check with a wrong secret", open(t, wrongSecret).Check(t.Context()), objectstore.ErrForbidden, "check backup_s3_store_secret_key"},
			{"access key", list(wrongKey, a.cfg.Bucket), objectstore.ErrForbidden, "backup_s3_store_access_key"},
			{"no bucket", list(a.cfg, "absent"), objectstore.ErrNoContainer, "check backup_s3_store_bucket"},
		}
		if s.name != "swift" { // where each account has buckets of its own
			refusals = append(refusals,
				refusal{"another's bucket", list(stranger, a.cfg.Bucket), objectstore.ErrForbidden, "whose bucket it is"},
				refusal{"another's object", open(t, stranger).Put(t.Context(), a.cfg.Bucket, "o", strings.NewReader("1"), 1),
					objectstore.ErrForbidden, "check what the key of backup_s3_store_access_key may do"})
		}
		for _, c := range refusals {
			t.Run(s.name+" "+c.name, func(t *testing.T) {
				require.ErrorIs(t, c.err, c.kind)
				assert.ErrorContains(t, c.err, c.advice)
				assert.ErrorContains(t, c.err, a.cfg.Endpoint)
				assert.NotContains(t, c.err.Error(), "cindersecret")
				assert.False(t, objectstore.Repeatable(c.err))
			})
		}
	}
}

// Amazon's own answer, which no server here gives.
func TestAnArchivedObjectIsToBeBroughtBack(t *testing.T) {
	amazon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the object's storage class</Message><StorageClass>GLACIER</StorageClass><RequestId>1</RequestId></Error>`))
	}))
	defer amazon.Close()
	_, err := open(t, s3.Config{Endpoint: amazon.URL, AccessKey: "a", SecretKey: "s", Region: "us-east-1"}).Get(t.Context(), "volumebackups", "o", 0, -1)
	require.ErrorIs(t, err, objectstore.ErrForbidden)
	assert.False(t, objectstore.Repeatable(err))
	assert.ErrorContains(t, err, "the object is in an archive: have it brought back")
	assert.NotContains(t, err.Error(), "backup_s3_sse_customer_key", "its rights and its encryption are not what is wrong")
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	c := s3.Config{Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "s"}
	d, err := s3.New(t.Context(), c)
	require.NoError(t, err, "nothing is asked yet")
	defer d.Close()
	require.NoError(t, d.DoSetup(t.Context()))
	err = d.CheckForSetupError(t.Context())
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "S3 server http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; "+refusedAdvice)

	c.Endpoint = "http://no-such-host.invalid"
	err = open(t, c).Check(t.Context())
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "check the name in backup_s3_endpoint_url")
}
