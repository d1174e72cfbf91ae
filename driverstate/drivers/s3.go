package drivers

import (
	"context"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

var s3Spec = spec{
	module:   "s3",
	usage:    "s3://HOST[:PORT]/BUCKET[?region=R&addressing_style=path|virtual&compression=zlib&ca_cert_file=FILE], s3:///BUCKET?endpoint_url=http://HOST:PORT",
	options:  s3.Options,
	prefixes: []string{"backup_s3_store_", "backup_s3_", "backup_"},
	short: map[string]string{
		"compression": "backup_compression_algorithm", "object_size": "backup_s3_object_size",
		"block_size": "backup_s3_block_size", "container": "backup_s3_store_bucket",
	},
	// Those that Cinder's library and its like read (boto3).
	env: map[string][]string{
		"backup_s3_endpoint_url":     {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
		"backup_s3_store_access_key": {"AWS_ACCESS_KEY_ID"},
		"backup_s3_store_secret_key": {"AWS_SECRET_ACCESS_KEY"},
		"backup_s3_region":           {"AWS_REGION", "AWS_DEFAULT_REGION"},
		"backup_s3_ca_cert_file":     {"AWS_CA_BUNDLE"},
	},
	servers: []string{"backup_s3_endpoint_url", "backup_s3_http_proxy", "backup_s3_https_proxy"},
	place:   placeS3, address: addressS3,
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := s3.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		return s3.New(ctx, c)
	},
}

// placeS3 takes the host of a URL for a server with TLS, and the path for the
// bucket. Without a host the server comes from the option.
func placeS3(host, path string, v oslo.Values) error {
	bucket := strings.Trim(path, "/")
	if strings.Contains(bucket, "/") {
		return invalid("path %q of the store URL is more than the name of a bucket", path)
	}
	if host != "" {
		v["backup_s3_endpoint_url"] = "https://" + host
	}
	if bucket != "" {
		v["backup_s3_store_bucket"] = bucket
	}
	return nil
}

// addressS3 is the reverse of placeS3.
func addressS3(v oslo.Values) (host, path string, placed []string) {
	if endpoint, ok := strings.CutPrefix(strings.TrimRight(v["backup_s3_endpoint_url"], "/"), "https://"); ok && !strings.ContainsAny(endpoint, "/?#@") {
		host, placed = endpoint, []string{"backup_s3_endpoint_url"}
	}
	return host, "/" + v["backup_s3_store_bucket"], append(placed, "backup_s3_store_bucket")
}
