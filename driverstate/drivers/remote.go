package drivers

import (
	"context"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/glusterfs"
	"github.com/cinder-go/cinder-go/driverstate/drivers/nfs"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

var nfsSpec = spec{
	module:  "nfs",
	usage:   "nfs://HOST/PATH[?mount_options=vers=4.1&mount_point_base=DIR&compression=zlib], nfs:///?share=HOST:/PATH",
	options: nfs.Options, prefixes: []string{"backup_"}, short: fileShort,
	place: placeShare("backup_share", ":/"), address: addressShare("backup_share", ":/"),
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := nfs.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		return nfs.New(ctx, c)
	},
}

var glusterfsSpec = spec{
	module:  "glusterfs",
	usage:   "glusterfs://HOST/VOLUME[?mount_point=DIR&compression=zlib], glusterfs:///?share=HOST:/VOLUME",
	options: glusterfs.Options, prefixes: []string{"glusterfs_backup_", "backup_"}, short: fileShort,
	place: placeShare("glusterfs_backup_share", ":"), address: addressShare("glusterfs_backup_share", ":"),
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := glusterfs.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		return glusterfs.New(ctx, c)
	},
}

// placeShare joins host and path of a URL to a share. Without a host the share
// is a parameter, for one that is spelled otherwise: the directory on which it
// is mounted depends on every letter of it.
func placeShare(option, colon string) func(host, path string, v oslo.Values) error {
	return func(host, path string, v oslo.Values) error {
		name := strings.TrimPrefix(path, "/")
		switch {
		case host == "" && name == "":
			return nil
		case host == "" || name == "" && colon == ":":
			return invalid("store URL needs a host and a path after it, or neither and the parameter share; this one has host %q and path %q", host, path)
		}
		v[option] = host + colon + name
		return nil
	}
}

// addressShare is the reverse of placeShare.
func addressShare(option, colon string) func(oslo.Values) (host, path string, placed []string) {
	return func(v oslo.Values) (string, string, []string) {
		share := v[option]
		i := strings.LastIndex(share, colon)
		if colon == ":/" {
			i = strings.Index(share, colon)
		}
		again := oslo.Values{}
		if i > 0 {
			host, path := share[:i], "/"+share[i+len(colon):]
			bare := !strings.ContainsAny(host, "%/") && (strings.HasPrefix(host, "[") || !strings.Contains(host, ":"))
			if bare && placeShare(option, colon)(host, path, again) == nil && again[option] == share && !strings.HasPrefix(path, "//") {
				return host, path, []string{option}
			}
		}
		return "", "/", nil
	}
}
