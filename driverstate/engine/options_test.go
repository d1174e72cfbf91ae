package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
)

func TestOptionsUnderBothSetsOfNames(t *testing.T) {
	cases := []struct {
		name  string
		given map[string]string
		want  engine.Config
	}{
		{"the proposal's", map[string]string{
			"backup_periodic_initialization": "False", "backup_initialization_timeout": "7", "periodic_interval": "3", "service_down_time": "90",
		}, engine.Config{InitOnce: true, InitTimeout: 7 * time.Second, InitInterval: 3 * time.Second, ServiceDownTime: 90 * time.Second}},
		{"Cinder's", map[string]string{
			"backup_driver_init_check_interval": "5", "backup_driver_stats_polling_interval": "10", "report_interval": "2", "backup_max_operations": "15",
		}, engine.Config{InitInterval: 5 * time.Second, CheckInterval: 10 * time.Second, ReportInterval: 2 * time.Second, Jobs: 15}},
		{"Cinder's interval wins", map[string]string{"periodic_interval": "3", "backup_driver_init_check_interval": "30"}, engine.Config{InitInterval: 30 * time.Second}},
		{"an older name", map[string]string{"backup_driver_status_check_interval": "20"}, engine.Config{CheckInterval: 20 * time.Second}},
		{"today's name wins", map[string]string{"backup_driver_status_check_interval": "20", "backup_driver_stats_polling_interval": "30"}, engine.Config{CheckInterval: 30 * time.Second}},
		{"the timer of notifications", map[string]string{"backup_timer_interval": "30"}, engine.Config{ProgressInterval: 30 * time.Second}},
		{"cleanup", map[string]string{"auto_cleanup_enabled": "on", "auto_cleanup_checks": "2"}, engine.Config{AutoCleanup: true, AutoCleanupChecks: 2}},
		{"names", map[string]string{"host": "a", "cluster": "c", "storage_availability_zone": "z"}, engine.Config{Host: "a", Cluster: "c", AvailabilityZone: "z"}},
		{"the API's", map[string]string{"public_endpoint": "https://cloud.example:8776/volume/", "osapi_max_limit": "5"}, engine.Config{PublicURL: "https://cloud.example:8776/volume/", MaxLimit: 5}},
		{"an endpoint that is empty", map[string]string{"public_endpoint": ""}, engine.Config{}},
		{"no limit", map[string]string{"backup_max_operations": "0"}, engine.Config{Jobs: 1000}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got engine.Config
			require.NoError(t, got.Set(c.given))
			assert.Equal(t, c.want, got)
		})
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ option, value, text string }{
		"a name that is not there":       {"service_downtime", "60", `there is no option "service_downtime"; did you mean service_down_time?`},
		"less than Cinder takes":         {"backup_driver_init_check_interval", "4", `option backup_driver_init_check_interval: "4" is not a whole number from 5 to 2147483647`},
		"less than Cinder takes, too":    {"backup_driver_stats_polling_interval", "9", `option backup_driver_stats_polling_interval: "9" is not a whole number from 10 to 2147483647`},
		"no number":                      {"report_interval", "10s", `option report_interval: "10s" is not a whole number from 1 to 2147483647`},
		"a URL without its scheme":       {"public_endpoint", "cloud.example:8776", `option public_endpoint: "cloud.example:8776" is not a URL such as https://cloud.example.org:8776`},
		"a URL of another scheme":        {"public_endpoint", "ftp://h", `option public_endpoint: "ftp://h" is not a URL such as https://cloud.example.org:8776`},
		"a URL without a host":           {"public_endpoint", "https://:8776", `option public_endpoint: "https://:8776" is not a URL such as https://cloud.example.org:8776`},
		"a URL that asks":                {"public_endpoint", "https://h/?a=b", `option public_endpoint: "https://h/?a=b" is not a URL such as https://cloud.example.org:8776`},
		"pages of nothing":               {"osapi_max_limit", "0", `option osapi_max_limit: "0" is not a whole number from 1 to 2147483647`},
		"nothing":                        {"host", "", `option host: "" is not a name`},
		"neither true nor false":         {"auto_cleanup_enabled", "maybe", `option auto_cleanup_enabled: "maybe" is not true or false`},
		"so large that it would go over": {"periodic_interval", "9223372036854775807", `option periodic_interval: "9223372036854775807" is not a whole number from 1 to 2147483647`},
	} {
		var got engine.Config
		err := got.Set(map[string]string{c.option: c.value})
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, name)
		assert.EqualError(t, err, c.text, name)
		assert.Equal(t, engine.Config{}, got, name)
	}
}
