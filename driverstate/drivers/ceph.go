package drivers

import (
	"context"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/ceph"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

var cephSpec = spec{
	module:   "ceph",
	usage:    "ceph://POOL[?conf=/etc/ceph/ceph.conf&user=cinder]",
	options:  ceph.Options,
	prefixes: []string{"backup_ceph_", "backup_"},
	address:  inHost("backup_ceph_pool"),
	env:      map[string][]string{"backup_ceph_conf": {"CEPH_CONF"}},
	place: func(host, path string, v oslo.Values) error {
		if host == "" || strings.Trim(path, "/") != "" {
			return invalid("store URL needs a pool and nothing after it, such as ceph://backups; this one has pool %q and path %q", host, path)
		}
		v["backup_ceph_pool"] = host
		return nil
	},
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := ceph.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		return ceph.New(ctx, c)
	},
}
