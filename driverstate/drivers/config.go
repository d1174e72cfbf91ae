package drivers

import (
	"net"
	"os"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// driverOption is the option that chooses the driver (cinder/backup/manager.py).
// Before Queens its value was a module, and since then a class; both are
// taken, and so are the old names that Canonical knows. The option itself was
// backup_service in Grizzly, and for some releases after that could be called
// so still.
var driverOption = oslo.Opt{
	Name: "backup_driver", Default: driversPath + "swift.SwiftBackupDriver", Old: []oslo.Name{{Name: "backup_service"}},
}

// statePath is the default of state_path, which other defaults refer to
// (cinder/common/config.py).
const statePath = "/var/lib/cinder"

// ConfigTables are the options of cinder.conf that a store may depend on: those
// of the drivers, and those that values often refer to with a $
// (cinder/common/config.py).
func ConfigTables() []oslo.Opt {
	host, _ := os.Hostname()
	all := []oslo.Opt{
		driverOption,
		{Name: "state_path", Default: statePath},
		{Name: "host", Default: host},
		{Name: "my_ip", Default: ownAddress()},
		{Name: "storage_availability_zone", Default: "nova"},
		{Name: "rootwrap_config", Default: "/etc/cinder/rootwrap.conf"},
	}
	for _, s := range specs {
		all = append(all, s.options...)
	}
	return all
}

// ownAddress is what Cinder takes for my_ip: the address that packets to
// elsewhere leave from, of which none is sent here (oslo_utils/netutils.py).
func ownAddress() string {
	conn, err := net.Dial("udp4", "8.8.8.8:80")
	if err != nil {
		return "127.0.0.1"
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return "127.0.0.1"
	}
	return host
}

// FromConfig returns the store that configuration files describe, read with
// ConfigTables. What they leave open may come from o.Env, as beside a URL.
// ErrInvalidInput names the file, the line and the option that is wrong.
func FromConfig(c *oslo.Config, o Options) (Store, error) {
	s, err := configured(c)
	if err != nil {
		return Store{}, err
	}
	values, err := c.Values(s.options)
	if err != nil {
		return Store{}, err
	}
	label := s.label(values)
	s.fromEnv(values, o)
	if s.doubt != nil {
		if text := s.doubt(values); text != "" {
			c.Warn(text)
		}
	}
	return Store{Module: s.module, Values: values, Label: label}, nil
}

// configured is the driver that backup_driver names.
func configured(c *oslo.Config) (*spec, error) {
	chosen, err := c.Values([]oslo.Opt{driverOption})
	if err != nil {
		return nil, err
	}
	name, given := chosen[driverOption.Name]
	where := c.Where(driverOption)
	if !given {
		name, where = driverOption.Default, "its default, for the files do not set it"
	}
	class, err := Canonical(name)
	if err != nil {
		return nil, invalid("%s: option %s: %q is not a driver of Cinder; there are %s", where, driverOption.Name, name, strings.Join(modules(), ", "))
	}
	module, _, _ := strings.Cut(strings.TrimPrefix(class, driversPath), ".")
	i := slices.IndexFunc(specs, func(s spec) bool { return s.module == module })
	if i < 0 {
		return nil, invalid("%s: option %s: there is no driver for %s here; there are %s", where, driverOption.Name, module, strings.Join(modules(), ", "))
	}
	return &specs[i], nil
}

// modules are the drivers that are here and that Cinder has.
func modules() []string {
	var all []string
	for _, s := range specs {
		if _, ok := classes[s.module]; ok {
			all = append(all, s.module)
		}
	}
	return all
}
