package engine

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Option is one setting of the engine under the name that it has in Cinder's
// configuration, or had in the proposals for it.
type Option struct {
	Name    string
	Aliases []string // older names that mean the same
	Default string
	Range   string // what a value may be; empty for any text
	Help    string
	set     func(c *Config, value string) error
}

// Options is every option, in the order in which they take effect: where two
// are about the same thing the later one wins.
var Options = []Option{
	{Name: "host", Default: "the machine's name", Help: "name of the backup service; it owns the rows", set: words(func(c *Config) *string { return &c.Host })},
	{Name: "cluster", Default: "none", Help: "cluster whose members do each other's work", set: words(func(c *Config) *string { return &c.Cluster })},
	{Name: "storage_availability_zone", Default: "nova", Help: "availability zone of the services; NAME." + storeZone + " is that of a store with a name", set: words(func(c *Config) *string { return &c.AvailabilityZone })},
	seconds("report_interval", "10", 1, "seconds between heartbeats", func(c *Config) *time.Duration { return &c.ReportInterval }),
	seconds("service_down_time", "60", 1, "seconds after which a service that was not heard of is down; one that is no more than report_interval is made 2.5 times that, as in Cinder",
		func(c *Config) *time.Duration { return &c.ServiceDownTime }),
	{Name: "backup_periodic_initialization", Default: "true", Range: "true or false", Help: "set up a driver that is down again and again",
		set: flag(func(c *Config, on bool) { c.InitOnce = !on })},
	seconds("backup_initialization_timeout", "60", 1, "seconds that one attempt to set up the driver, or to look at it, may take", func(c *Config) *time.Duration { return &c.InitTimeout }),
	seconds("periodic_interval", "60", 1, "seconds between attempts to set up a driver that is down", func(c *Config) *time.Duration { return &c.InitInterval }),
	seconds("backup_driver_init_check_interval", "60", 5, "the same under Cinder's name; it wins over periodic_interval", func(c *Config) *time.Duration { return &c.InitInterval }),
	seconds("backup_driver_stats_polling_interval", "60", 10, "seconds between looks at a driver that is up", func(c *Config) *time.Duration { return &c.CheckInterval },
		"backup_driver_status_check_interval"),
	{Name: "backup_max_operations", Default: "4", Range: "0 to 1000; 0 is 1000", Help: "backups, restores and deletes at once; of a member of a cluster so many of its own and so many of the cluster's",
		set: number(0, 1000, func(c *Config, n int64) {
			if n == 0 {
				n = 1000
			}
			c.Jobs = int(n)
		})},
	seconds("backup_timer_interval", "120", 1, "seconds between notifications of a backup's progress, besides those of every tenth object; a store's backup_enable_progress_timer, under the name that its driver has for it, turns them off",
		func(c *Config) *time.Duration { return &c.ProgressInterval }),
	{Name: "auto_cleanup_enabled", Default: "false", Range: "true or false", Help: "take over the work of a dead member of the cluster without being asked; nothing without a cluster",
		set: flag(func(c *Config, on bool) { c.AutoCleanup = on })},
	{Name: "auto_cleanup_checks", Default: "3", Range: "1 to 1000", Help: "heartbeats in a row at which a member must be found dead before that",
		set: number(1, 1000, func(c *Config, n int64) { c.AutoCleanupChecks = int(n) })},
	{Name: "public_endpoint", Default: "what the request was sent to", Range: "http://HOST or https://HOST, with a port or a path; empty for the default",
		Help: "what links in answers begin with, such as a proxy's URL that clients use", set: address(func(c *Config) *string { return &c.PublicURL })},
	{Name: "osapi_max_limit", Default: "1000", Range: "at least 1", Help: "items of a list in one answer",
		set: number(1, math.MaxInt32, func(c *Config, n int64) { c.MaxLimit = int(n) })},
	quota("quota_volumes", driverstate.QuotaVolumes, "volumes"),
	quota("quota_snapshots", driverstate.QuotaSnapshots, "snapshots"),
	quota("quota_gigabytes", driverstate.QuotaGigabytes, "GiB of volumes and snapshots together"),
	quota("quota_backups", driverstate.QuotaBackups, "backups"),
	quota("quota_backup_gigabytes", driverstate.QuotaBackupGigabytes, "GiB of backups"),
	quota("quota_groups", driverstate.QuotaGroups, "groups, of which the engine has none:"),
	quota("per_volume_size_limit", driverstate.QuotaPerVolume, "GiB of one volume"),
}

// names are the option's, today's first.
func (o *Option) names() []string { return append([]string{o.Name}, o.Aliases...) }

// storeZone is the option of one store, after its name and a dot: in Cinder it
// is one of a back end's group.
const storeZone = "backend_availability_zone"

// setZone sets the zone of the service of the store that begins name, and says
// whether name is such an option.
func (c *Config) setZone(name, value string) (bool, error) {
	store, ok := strings.CutSuffix(name, "."+storeZone)
	if !ok {
		return false, nil
	}
	if value == "" {
		return true, invalid("option %s: %q is not a name", name, value)
	}
	stores, err := nameStores(c.Stores)
	if err != nil {
		return true, err
	}
	for i := range stores {
		if stores[i].Name == store {
			c.Stores[i].AvailabilityZone = value
			return true, nil
		}
	}
	return true, invalid("option %s: there is no store %q", name, store)
}

// Set applies options that were given by name. ErrInvalidInput names one that
// is not there, with the nearest that is, or a value out of its range.
func (c *Config) Set(given map[string]string) error {
	known := map[string]bool{}
	for _, o := range Options {
		names := o.names()
		for i := len(names) - 1; i >= 0; i-- { // today's name wins over an older one
			known[names[i]] = true
			value, ok := given[names[i]]
			if !ok {
				continue
			}
			if err := o.set(c, strings.TrimSpace(value)); err != nil {
				return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("option %s: %q is not %v", names[i], value, err))
			}
		}
	}
	for name, value := range given {
		of, err := c.setZone(name, strings.TrimSpace(value))
		if err != nil {
			return err
		}
		if !of && !known[name] {
			return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("there is no option %q; did you mean %s?", name, nearest(name, known)))
		}
	}
	return nil
}

// wanted says what a value should have been.
type wanted string

func (w wanted) Error() string { return string(w) }

func words(to func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if value == "" {
			return wanted("a name")
		}
		*to(c) = value
		return nil
	}
}

// address takes the base of a URL, or nothing.
func address(to func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
			return wanted("a URL such as https://cloud.example.org:8776")
		}
		*to(c) = value
		return nil
	}
}

// flag takes what oslo.config takes for a boolean.
func flag(to func(*Config, bool)) func(*Config, string) error {
	return func(c *Config, value string) error {
		switch strings.ToLower(value) {
		case "true", "1", "yes", "on":
			to(c, true)
		case "false", "0", "no", "off":
			to(c, false)
		default:
			return wanted("true or false")
		}
		return nil
	}
}

func number(least, most int64, to func(*Config, int64)) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < least || n > most {
			return wanted(fmt.Sprintf("a whole number from %d to %d", least, most))
		}
		to(c, n)
		return nil
	}
}

func seconds(name, standard string, least int64, help string, to func(*Config) *time.Duration, aliases ...string) Option {
	const most = math.MaxInt32
	return Option{
		Name: name, Aliases: aliases, Default: standard, Range: fmt.Sprintf("at least %d", least), Help: help,
		set: number(least, most, func(c *Config, n int64) { *to(c) = time.Duration(n) * time.Second }),
	}
}

// nearest is the known name that takes the fewest edits to reach.
func nearest(name string, known map[string]bool) string {
	best, least := "", math.MaxInt
	for k := range known {
		if d := edits(name, k); d < least || d == least && k < best {
			best, least = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
