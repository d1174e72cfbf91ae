package drivers_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func TestS3URLs(t *testing.T) {
	env := map[string]string{
		"AWS_ACCESS_KEY_ID": "hush1", "AWS_SECRET_ACCESS_KEY": "not it", "CINDER_GO_STORE_SECRET_KEY": "hush2", "AWS_DEFAULT_REGION": "eu",
	}
	o := drivers.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	fromEnv := oslo.Values{"backup_s3_store_access_key": "hush1", "backup_s3_store_secret_key": "hush2", "backup_s3_region": "eu"}
	for url, want := range map[string]oslo.Values{
		"s3://s3.example.com": {"backup_s3_endpoint_url": "https://s3.example.com"},
		"s3://s3.example.com:8443/mine?region=us&compression=bz2": {
			"backup_s3_endpoint_url": "https://s3.example.com:8443", "backup_s3_store_bucket": "mine",
			"backup_s3_region": "us", "backup_compression_algorithm": "bz2"},
		"s3:///mine?endpoint_url=http://127.0.0.1:7480&addressing_style=virtual&object_size=65536": {
			"backup_s3_endpoint_url": "http://127.0.0.1:7480", "backup_s3_store_bucket": "mine",
			"backup_s3_addressing_style": "virtual", "backup_s3_object_size": "65536"},
		"s3://h/?container=mine&sse_customer_algorithm=AES256&md5_validation=false": {
			"backup_s3_endpoint_url": "https://h", "backup_s3_store_bucket": "mine",
			"backup_s3_sse_customer_algorithm": "AES256", "backup_s3_md5_validation": "false"},
	} {
		s, err := drivers.ParseURL(url, o)
		require.NoError(t, err, url)
		all := maps.Clone(fromEnv)
		maps.Copy(all, want)
		assert.Equal(t, all, s.Values, url)
		d, err := s.Open(drivers.Options{})
		require.NoError(t, err, url)
		assert.Equal(t, "cinder.backup.drivers.s3.S3BackupDriver", d.Service())
		assert.NoError(t, d.Close())
	}
	for url, want := range map[string]string{
		"s3://h/a/b":                            "more than the name of a bucket",
		"s3:///mine":                            "backup_s3_endpoint_url is not set",
		"s3://h/mine?access_key=hush":           "CINDER_GO_STORE_ACCESS_KEY",
		"s3://h/mine?secret_key=hush":           "CINDER_GO_STORE_SECRET_KEY",
		"s3://h/mine?sse_customer_key=hush":     "CINDER_GO_STORE_SSE_CUSTOMER_KEY",
		"s3://hush:hush@h/mine":                 "secrets come from the environment",
		"s3://h/mine?endpoint_url=http://other": `"endpoint_url" is not known`,
		"s3://h/mine?bucket=other":              `"bucket" is not known`,
		"s3://h/x":                              "cannot be shorter than 3 characters",
		"s3://h/mine?addressing_style=dns":      "auto, path, virtual",
		"s3://h/mine?ca_cert_file=/no/such.pem": "backup_s3_ca_cert_file /no/such.pem cannot be read",
		"s3://h/mine?timeout=soon":              "is not a number",
	} {
		_, err := drivers.Open(url, o)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, url)
		assert.ErrorContains(t, err, want, url)
		assert.NotContains(t, err.Error(), "hush")
	}
	_, err := drivers.Open("s3://h/mine", drivers.Options{})
	assert.ErrorContains(t, err, "AWS_ACCESS_KEY_ID")
}
