package engine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/driverstate/notify"
)

func cinderConf(t *testing.T, text string) []engine.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cinder.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return []engine.Source{{Path: path}}
}

func readConf(t *testing.T, text string) *engine.Files {
	t.Helper()
	f, err := engine.ReadFiles(cinderConf(t, text), func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	return f
}

const posixConf = "[DEFAULT]\nbackup_driver = cinder.backup.drivers.posix\n"

func TestAnEngineWorksOnTheStoreOfItsConfigurationFile(t *testing.T) {
	root := strings.TrimPrefix(store(t), "posix://")
	f := readConf(t, posixConf+"backup_posix_path = "+root+"\nstorage_availability_zone = az7\n")
	c := engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{f.EngineStore()}, StoreReadOnly: true}
	require.NoError(t, f.ApplyZone(&c))
	assert.Equal(t, "az7", c.AvailabilityZone)
	found, err := start(t, c).Manager().ManageableBackups(t.Context(), driverstate.Caller{Admin: true}, driverstate.ManageableFilter{})
	require.NoError(t, err)
	assert.NotEmpty(t, slices.Collect(found))
}

func TestAServiceHasTheOptionsOfItsConfigurationFile(t *testing.T) {
	f := readConf(t, posixConf+`
host = backup-1
cluster = of-the-volume-services
report_interval = 5
service_down_time = 30
backup_driver_status_check_interval = 45
backup_max_operations = 0
quota_backups = 3
public_endpoint = https://cloud.example:8776
osapi_max_limit = 7
[database]
connection = mysql+pymysql://cinder:hidden@db/cinder
`)
	assert.True(t, f.DatabaseGiven)
	var c engine.Config
	require.NoError(t, f.Apply(&c))
	assert.Equal(t, "backup-1", c.Host)
	assert.Empty(t, c.Cluster)
	assert.Equal(t, 5*time.Second, c.ReportInterval)
	assert.Equal(t, 30*time.Second, c.ServiceDownTime)
	assert.Equal(t, 45*time.Second, c.CheckInterval)
	assert.Equal(t, 1000, c.Jobs)
	assert.Equal(t, "https://cloud.example:8776", c.PublicURL)
	assert.Equal(t, 7, c.MaxLimit)
	assert.Nil(t, c.Quotas, "there are no tenants")
	c.Quotas = map[string]int64{}
	require.NoError(t, f.Apply(&c))
	assert.Equal(t, map[string]int64{driverstate.QuotaBackups: 3}, c.Quotas)

	sources := cinderConf(t, posixConf+"report_interval = often\n")
	f, err := engine.ReadFiles(sources, func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	err = f.Apply(&c)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, sources[0].Path+`:3: option report_interval: "often" is not`)
}

func TestNotificationsGoWhereTheConfigurationFileSays(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		want    []notify.URL
		missing []string
	}{
		"nowhere": {text: "transport_url = rabbit://u:hidden@h//\n"},
		"as Cinder's services": {text: "transport_url = rabbit://u:hidden@h:5672,u:hidden@i:5672//\ncontrol_exchange = cinder\n[oslo_messaging_notifications]\ndriver = messagingv2\n",
			want: []notify.URL{"rabbit://u:hidden@h:5672,u:hidden@i:5672//?control_exchange=cinder&driver=messagingv2"}},
		"elsewhere": {text: "transport_url = rabbit://a//\n[oslo_messaging_notifications]\ndriver = noop\ndriver = log\ndriver = messaging\ndriver = routing\n" +
			"transport_url = rabbit://u:hidden@b:5671/v?amqp_durable_queues=true\ntopics = notifications, billing\n[oslo_messaging_rabbit]\nrabbit_use_ssl = True\nkombu_ssl_ca_certs = /ca.pem\namqp_durable_queues = false\n",
			want:    []notify.URL{"log:", "rabbit://u:hidden@b:5671/v?amqp_durable_queues=true&driver=messaging&ssl=true&ssl_ca_file=%2Fca.pem&topics=notifications%2Cbilling"},
			missing: []string{"routing"}},
		"under older names": {text: "notification_driver = messagingv2\nnotification_topics = n\n",
			want: []notify.URL{"rabbit://localhost/?driver=messagingv2&topics=n"}},
	} {
		t.Run(name, func(t *testing.T) {
			urls, missing, err := readConf(t, posixConf+c.text).Notify()
			require.NoError(t, err)
			assert.Equal(t, c.want, urls)
			assert.Equal(t, c.missing, missing)
		})
	}
}
