package s3_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

func encrypted(c s3.Config) s3.Config {
	c.SSEKey, c.SSEAlgorithm = customersKey, "AES256"
	return c
}

func TestWithACustomersKeyTheServerEncrypts(t *testing.T) {
	a := newBucket(t, encrypted(rgw.config(t)))
	bucket := a.cfg.Bucket
	a.Write(t, bucket, "o", []byte("secret"))
	a.Write(t, bucket, "o2", []byte("secret too"))
	assert.Equal(t, "secret", string(a.Read(t, bucket, "o")))
	r, err := a.store.Get(t.Context(), bucket, "o2", 7, 3)
	require.NoError(t, err)
	defer r.Close()
	part := make([]byte, 4)
	n, _ := r.Read(part)
	assert.Equal(t, "too", string(part[:n]))

	other := a.cfg
	other.SSEKey = "another key, also of 32 letters."
	_, err = open(t, other).Get(t.Context(), bucket, "o", 0, -1)
	require.ErrorIs(t, err, objectstore.ErrForbidden)
	assert.ErrorContains(t, err, "check that backup_s3_sse_customer_key is the key that the object was written with")
	assert.NotContains(t, err.Error(), string(other.SSEKey))

	none := rgw.config(t)
	_, err = open(t, none).Get(t.Context(), bucket, "o", 0, -1)
	require.ErrorIs(t, err, objectstore.ErrForbidden)
	assert.ErrorContains(t, err, "if the object was encrypted, set backup_s3_sse_customer_key and backup_s3_sse_customer_algorithm")
}

func TestAServerThatOnlySeemsToEncryptIsFoundOut(t *testing.T) {
	a := newBucket(t, encrypted(swift.config(t)))
	for range 2 {
		err := a.store.Put(t.Context(), a.cfg.Bucket, "o", strings.NewReader("secret"), 6)
		require.ErrorIs(t, err, driverstate.ErrNotSupported)
		assert.ErrorContains(t, err, "accepted a customer's key (SSE-C) and stored the object in the clear; it was removed again")
		assert.ErrorContains(t, err, "unset backup_s3_sse_customer_key")
		assert.False(t, objectstore.Repeatable(err))
		assert.Empty(t, a.Names(t, a.cfg.Bucket))
	}
}

func TestHalfAnEncryptionIsWarnedOfAsInCinder(t *testing.T) {
	for _, c := range []s3.Config{{SSEKey: customersKey}, {SSEAlgorithm: "AES256"}} {
		var log strings.Builder
		c.Endpoint, c.AccessKey, c.SecretKey = "http://127.0.0.1:1", "a", "s"
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		d, err := s3.New(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		assert.Contains(t, log.String(), "options must be set to enable SSE. SSE is disabled.")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c := s3.Config{AccessKey: "hidden1", SecretKey: "hidden2", SSEKey: "hidden3"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		assert.NotContains(t, fmt.Sprintf(verb, c), "hidden", verb)
	}
}
