package drivers

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/gcs"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

var gcsSpec = spec{
	module:  "gcs",
	usage:   "gcs://BUCKET[?credential_file=FILE&project_id=ID&compression=zlib&endpoint=URL]",
	options: gcs.Options, prefixes: []string{"backup_gcs_", "backup_"},
	short: map[string]string{"compression": "backup_compression_algorithm", "container": "backup_gcs_bucket"},
	env: map[string][]string{
		"backup_gcs_credential_file": {"GOOGLE_APPLICATION_CREDENTIALS"},
		"backup_gcs_project_id":      {"GOOGLE_CLOUD_PROJECT"},
		"backup_gcs_endpoint":        {"STORAGE_EMULATOR_HOST"},
	},
	servers: []string{"backup_gcs_endpoint", "backup_gcs_proxy_url"},
	place: func(bucket, path string, v oslo.Values) error {
		if bucket == "" || path != "" && path != "/" {
			return invalid("store URL needs a bucket and no path, such as gcs://volumebackups; this one has bucket %q and path %q", bucket, path)
		}
		v["backup_gcs_bucket"] = bucket
		return nil
	},
	address: func(v oslo.Values) (host, path string, placed []string) {
		return v["backup_gcs_bucket"], "", []string{"backup_gcs_bucket"}
	},
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := gcs.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		return gcs.New(ctx, c)
	},
}
