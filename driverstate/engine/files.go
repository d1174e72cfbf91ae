package engine

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/notify"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Source is a configuration file, or a directory of them.
type Source = oslo.Source

// Files is what Cinder's configuration files say of a backup service.
type Files struct {
	// Store is the one that backup_driver and its options describe.
	Store drivers.Store
	// DatabaseGiven: they name Cinder's own database, which no engine uses.
	DatabaseGiven bool

	config *oslo.Config
	given  []setting
}

// setting is one option of the engine that the files give.
type setting struct{ name, value, where string }

// notOurs are options of the engine that mean something else in a cinder.conf:
// a cluster there is of volume services.
var notOurs = []string{"cluster"}

// ReadFiles reads configuration files in their order, as oslo.config does, and
// the variables that it takes options from. ErrInvalidInput names the file,
// the line and the option that is wrong.
func ReadFiles(sources []Source, env func(string) (string, bool)) (*Files, error) {
	files, err := oslo.Load(sources)
	if err != nil {
		return nil, err
	}
	table := optionTable()
	f := &Files{config: oslo.NewConfig(files, env, drivers.ConfigTables(), table, messagingOptions, databaseOptions)}
	if f.Store, err = drivers.FromConfig(f.config, drivers.Options{Env: env}); err != nil {
		return nil, err
	}
	values, err := f.config.Values(slices.Concat(table, databaseOptions))
	if err != nil {
		return nil, err
	}
	for _, o := range table {
		if value := strings.TrimSpace(values[o.Name]); value != "" {
			f.given = append(f.given, setting{o.Name, value, f.config.Where(o)})
		}
	}
	f.DatabaseGiven = values["database.connection"] != ""
	return f, nil
}

// Warnings are older names that the files use, and what else is probably not
// meant.
func (f *Files) Warnings() []string { return f.config.Warnings() }

// optionTable is Options as the files have them: texts, to be judged by Set.
func optionTable() []oslo.Opt {
	var table []oslo.Opt
	for _, o := range Options {
		if slices.Contains(notOurs, o.Name) {
			continue
		}
		opt := oslo.Opt{Name: o.Name}
		for _, old := range o.Aliases {
			opt.Old = append(opt.Old, oslo.Name{Name: old})
		}
		table = append(table, opt)
	}
	return table
}

// EngineStore is Store as an engine takes it.
func (f *Files) EngineStore() Store { return Store{URL: f.Store.Label, described: &f.Store} }

// ApplyZone gives c the zone that the store's backups are in.
func (f *Files) ApplyZone(c *Config) error {
	return f.apply(c, func(name string) bool { return name == "storage_availability_zone" })
}

// Apply gives c the options of a service. Quotas are left out unless c has
// some: they are for tenants.
func (f *Files) Apply(c *Config) error {
	quotas := c.Quotas != nil
	return f.apply(c, func(name string) bool {
		return quotas || !strings.HasPrefix(name, "quota_") && name != "per_volume_size_limit"
	})
}

func (f *Files) apply(c *Config, wanted func(name string) bool) error {
	for _, s := range f.given {
		if !wanted(s.name) {
			continue
		}
		if err := c.Set(map[string]string{s.name: s.value}); err != nil {
			return &placedError{s.where, err}
		}
	}
	return nil
}

// placedError says where a wrong option stands.
type placedError struct {
	where string
	err   error
}

func (e *placedError) Error() string { return e.where + ": " + e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

var databaseOptions = []oslo.Opt{
	{Group: "database", Name: "connection", Secret: true, Old: []oslo.Name{{Name: "sql_connection"}, {Group: "DATABASE", Name: "sql_connection"}, {Group: "sql", Name: "connection"}}},
}

// messagingOptions are those of oslo.messaging that say where notifications go
// (oslo_messaging/notify/notifier.py, transport.py, _drivers/amqp.py and
// impl_rabbit.py).
var messagingOptions = []oslo.Opt{
	{Name: "transport_url", Default: "rabbit://", Secret: true},
	{Name: "control_exchange", Default: "openstack"},
	{Group: "oslo_messaging_notifications", Name: "driver", Kind: oslo.MultiString, Old: []oslo.Name{{Name: "notification_driver"}}},
	{Group: "oslo_messaging_notifications", Name: "transport_url", Secret: true, Old: []oslo.Name{{Name: "notification_transport_url"}}},
	{Group: "oslo_messaging_notifications", Name: "topics", Kind: oslo.List, Default: "notifications",
		Old: []oslo.Name{{Group: "rpc_notifier2", Name: "topics"}, {Name: "notification_topics"}}},
	rabbit("ssl", oslo.Bool, "rabbit_use_ssl"),
	rabbit("ssl_ca_file", oslo.String, "kombu_ssl_ca_certs"),
	rabbit("ssl_cert_file", oslo.String, "kombu_ssl_certfile"),
	rabbit("ssl_key_file", oslo.String, "kombu_ssl_keyfile"),
	rabbit("amqp_durable_queues", oslo.Bool),
	rabbit("amqp_auto_delete", oslo.Bool),
	rabbit("rabbit_quorum_queue", oslo.Bool),
}

const (
	rabbitGroup        = "oslo_messaging_rabbit"
	notificationsGroup = "oslo_messaging_notifications."
)

func rabbit(name string, kind oslo.Kind, old ...string) oslo.Opt {
	o := oslo.Opt{Group: rabbitGroup, Name: name, Kind: kind}
	if kind == oslo.Bool {
		o.Default = "false"
	}
	for _, was := range old {
		o.Old = append(o.Old, oslo.Name{Group: rabbitGroup, Name: was})
	}
	return o
}

// Notify are the drivers that the files want notifications published to, and
// the names of those that are not here.
func (f *Files) Notify() (urls []notify.URL, missing []string, err error) {
	values, err := f.config.Values(messagingOptions)
	if err != nil {
		return nil, nil, err
	}
	for driver := range strings.SplitSeq(values[notificationsGroup+"driver"], "\n") {
		switch driver {
		case "", "noop":
		case "log":
			urls = append(urls, "log:")
		case "messaging", "messagingv2":
			urls = append(urls, broker(values, driver))
		default:
			missing = append(missing, driver)
		}
	}
	return urls, missing, nil
}

// broker is the transport_url with what stands in other options.
func broker(v oslo.Values, driver string) notify.URL {
	transport := v[notificationsGroup+"transport_url"]
	if transport == "" {
		transport = v["transport_url"]
	}
	if transport == "" || transport == "rabbit://" {
		transport = "rabbit://localhost/" // what oslo.messaging falls back to
	}
	address, own, _ := strings.Cut(transport, "?")
	query := url.Values{"driver": {driver}}
	add := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	add("topics", v[notificationsGroup+"topics"])
	add("control_exchange", v["control_exchange"])
	for _, o := range messagingOptions {
		if o.Group == rabbitGroup {
			add(o.Name, v[o.Key()])
		}
	}
	// Options of the URL itself win over those of the group.
	given, err := url.ParseQuery(own)
	if err == nil {
		for name, values := range given {
			query[name] = values
		}
	}
	return notify.URL(address + "?" + query.Encode())
}
