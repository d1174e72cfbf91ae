package s3_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

var least = oslo.Values{
	"backup_s3_endpoint_url": "https://s3.example.org/", "backup_s3_store_access_key": "access", "backup_s3_store_secret_key": "secret",
}

func with(more oslo.Values) oslo.Values {
	v := oslo.Values{}
	for _, values := range []oslo.Values{least, more} {
		for name, value := range values {
			v[name] = value
		}
	}
	return v
}

func TestOptionsHaveCindersDefaults(t *testing.T) {
	c, err := s3.NewConfig(least)
	require.NoError(t, err)
	require.NoError(t, c.Validate())
	assert.Equal(t, s3.Config{
		Endpoint: "https://s3.example.org", AccessKey: "access", SecretKey: "secret", Bucket: "volumebackups",
		AddressingStyle: "auto", ObjectSize: 52428800, BlockSize: 32768, Compression: chunked.CompressionZlib, Zone: "nova",
		Timeout: time.Minute, PoolConnections: 10, Retries: 4,
	}, c)
}

func TestEveryOptionIsRead(t *testing.T) {
	c, err := s3.NewConfig(with(oslo.Values{
		"backup_s3_store_bucket": "mine", "backup_s3_object_size": "1048576", "backup_s3_block_size": "65536",
		"backup_s3_enable_progress_timer": "false", "backup_s3_http_proxy": "proxy:1", "backup_s3_https_proxy": "proxy:2",
		"backup_s3_timeout": "1.5", "backup_s3_max_pool_connections": "3", "backup_s3_retry_max_attempts": "0",
		"backup_s3_retry_mode": "standard", "backup_s3_verify_ssl": "no", "backup_s3_ca_cert_file": "/ca.pem",
		"backup_s3_md5_validation": "False", "backup_s3_sse_customer_key": customersKey, "backup_s3_sse_customer_algorithm": "AES256",
		"backup_s3_region": "eu", "backup_s3_addressing_style": "virtual", "storage_availability_zone": "az1",
		"backup_compression_algorithm": "bz2",
	}))
	require.NoError(t, err)
	require.NoError(t, c.Validate())
	assert.Equal(t, s3.Config{
		Endpoint: "https://s3.example.org", AccessKey: "access", SecretKey: "secret", Bucket: "mine", Region: "eu",
		AddressingStyle: "virtual", ObjectSize: 1048576, BlockSize: 65536, Compression: chunked.CompressionBz2, Zone: "az1",
		HTTPProxy: "proxy:1", HTTPSProxy: "proxy:2", Timeout: 1500 * time.Millisecond, PoolConnections: 3, Retries: 0,
		Insecure: true, CAFile: "/ca.pem", SkipMD5: true, SSEKey: customersKey, SSEAlgorithm: "AES256",
	}, c)
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, notPEM, []byte("no certificate"))
	for why, v := range map[string]oslo.Values{
		"backup_s3_endpoint_url is not set":                             {"backup_s3_endpoint_url": ""},
		"backup_s3_store_access_key is not set":                         {"backup_s3_store_access_key": ""},
		"backup_s3_store_secret_key is not set":                         {"backup_s3_store_secret_key": ""},
		`"s3.example.org" is not a URL such as https://`:                {"backup_s3_endpoint_url": "s3.example.org"},
		"has more than a host and a port":                               {"backup_s3_endpoint_url": "https://s3.example.org/path"},
		"backup_s3_sse_customer_key has 5 bytes and not 32":             {"backup_s3_sse_customer_key": "short", "backup_s3_sse_customer_algorithm": "AES256"},
		`backup_s3_sse_customer_algorithm "aws:kms" is not AES256`:      {"backup_s3_sse_customer_key": customersKey, "backup_s3_sse_customer_algorithm": "aws:kms"},
		`bucket name "a_" cannot be shorter than 3 characters`:          {"backup_s3_store_bucket": "a_"},
		"object size 1048577 is not a multiple of the block size 32768": {"backup_s3_object_size": "1048577"},
		"backup_s3_retry_max_attempts -1 is negative":                   {"backup_s3_retry_max_attempts": "-1"},
		`option backup_s3_retry_mode: "forever" is not one of`:          {"backup_s3_retry_mode": "forever"},
		"backup_s3_ca_cert_file /no/such/file cannot be read":           {"backup_s3_ca_cert_file": "/no/such/file"},
		"backup_s3_ca_cert_file " + notPEM + " holds no certificate":    {"backup_s3_ca_cert_file": notPEM},
		"backup_s3_https_proxy is not the URL of a proxy":               {"backup_s3_https_proxy": "http://"},
	} {
		c, err := s3.NewConfig(with(v))
		if err == nil {
			_, err = s3.New(t.Context(), c)
		}
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, why)
		assert.ErrorContains(t, err, why)
	}
}
