package drivers

import (
	"context"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

var swiftSpec = spec{
	module:   "swift",
	usage:    "swift:///CONTAINER[?url=http://HOST:PORT/v1/AUTH_&auth=single_user&auth_url=URL&auth_version=3&compression=zlib], swift://HOST[:PORT]/v1/AUTH_?container=NAME",
	options:  swift.Options,
	prefixes: []string{"backup_swift_", "backup_"},
	short: map[string]string{
		"compression": "backup_compression_algorithm", "object_size": "backup_swift_object_size",
		"block_size": "backup_swift_block_size", "container": "backup_swift_container",
	},
	env:     swiftEnv(),
	servers: []string{"backup_swift_url", "backup_swift_auth_url", "os_auth_url", "service_user.auth_url"},
	place:   placeSwift, address: addressSwift,
	doubt: swift.Doubt,
	open: func(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
		c, err := swift.NewConfig(v)
		if err != nil {
			return nil, err
		}
		c.Runtime = rt
		return swift.New(ctx, c)
	},
}

// swiftEnv are the variables of an openrc file, and those of swiftclient for
// Swift's own login.
func swiftEnv() map[string][]string {
	env := map[string][]string{
		"backup_swift_auth_url": {"ST_AUTH"}, "backup_swift_user": {"ST_USER"}, "backup_swift_key": {"ST_KEY"},
	}
	for _, o := range swift.Login {
		if strings.HasPrefix(o.Name, "os_") {
			env[o.Name] = []string{strings.ToUpper(o.Name)}
		}
	}
	return env
}

// placeSwift takes the host and path of a URL for backup_swift_url, with TLS;
// without a host the path is the container.
func placeSwift(host, path string, v oslo.Values) error {
	if host != "" {
		v["backup_swift_url"] = "https://" + host + path
		return nil
	}
	container := strings.Trim(path, "/")
	if strings.Contains(container, "/") {
		return invalid("path %q of the store URL is more than the name of a container", path)
	}
	if container != "" {
		v["backup_swift_container"] = container
	}
	return nil
}

// addressSwift is the reverse of placeSwift.
func addressSwift(v oslo.Values) (host, path string, placed []string) {
	if at, ok := strings.CutPrefix(v["backup_swift_url"], "https://"); ok && !strings.ContainsAny(at, "?#@") {
		host, path, _ = strings.Cut(at, "/")
		return host, "/" + path, []string{"backup_swift_url"}
	}
	return "", "/" + v["backup_swift_container"], []string{"backup_swift_container"}
}
