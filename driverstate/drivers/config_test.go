package drivers

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

const confs = "../../testdata/config/"

func noEnv(string) (string, bool) { return "", false }

// definition is one option as Cinder defines it (testdata/config/resolve.py).
type definition struct {
	Key, Kind  string
	Default    *string
	Secret     bool
	Min        *float64
	Choices    []string
	Deprecated [][2]string
}

func recorded[T any](t *testing.T, name string) T {
	t.Helper()
	raw, err := os.ReadFile(confs + name)
	require.NoError(t, err)
	var out T
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// sources are the files of one case.
func sources(name string) []oslo.Source {
	all := []oslo.Source{{Path: confs + name}}
	dir := confs + strings.TrimSuffix(name, ".conf") + ".d"
	if _, err := os.Stat(dir); err == nil {
		all = append(all, oslo.Source{Path: dir, Dir: true})
	}
	return all
}

func loaded(t *testing.T, name string) *oslo.Config {
	t.Helper()
	files, err := oslo.Load(sources(name))
	require.NoError(t, err)
	return oslo.NewConfig(files, noEnv, ConfigTables())
}

// TestConfigurationsResolveAsInOsloConfig compares every option of every driver
// in every configuration with what oslo.config was seen to make of it.
func TestConfigurationsResolveAsInOsloConfig(t *testing.T) {
	compared := 0
	for name, theirs := range recorded[map[string]map[string]*string](t, "resolved.json") {
		t.Run(name, func(t *testing.T) {
			c := loaded(t, name)
			for _, o := range ConfigTables() {
				want, there := theirs[o.Key()]
				if !there {
					continue // of cinder-go alone
				}
				v, err := c.Values([]oslo.Opt{o})
				require.NoError(t, err)
				got, given := v[o.Key()]
				switch {
				case want == nil && given:
					assert.Empty(t, got, o.Key())
				case want == nil: // none, or empty in the file
				case !given:
					assert.Equal(t, *want, canonical(t, o), "default of %s", o.Key())
				case o.AnyCase:
					assert.Equal(t, strings.ToLower(*want), got, o.Key())
				default:
					assert.Equal(t, *want, got, o.Key())
				}
				compared++
			}
		})
	}
	t.Logf("%d values are those of oslo.config", compared)
}

// canonical is the default as oslo.config would show it.
func canonical(t *testing.T, o oslo.Opt) string {
	t.Helper()
	r := oslo.Read([]oslo.Opt{o}, oslo.Values{})
	defer func() { require.NoError(t, r.Err()) }()
	switch o.Kind {
	case oslo.List:
		return strings.Join(r.List(o.Key()), ",")
	case oslo.Float:
		r.Float(o.Key())
	case oslo.Int:
		r.Int(o.Key())
	}
	return o.Default
}

var kinds = map[oslo.Kind]string{oslo.String: "String", oslo.Int: "Int", oslo.Float: "Float", oslo.Bool: "Bool", oslo.List: "List", oslo.MultiString: "MultiString"}

// TestTablesAreThoseOfCinder compares the tables of the drivers that are here
// with Cinder's definitions.
func TestTablesAreThoseOfCinder(t *testing.T) {
	defined := recorded[map[string][]definition](t, "definitions.json")
	for _, module := range modules() {
		i := slices.IndexFunc(specs, func(s spec) bool { return s.module == module })
		table := map[string]oslo.Opt{}
		for _, o := range specs[i].options {
			table[o.Key()] = o
		}
		for _, d := range defined[module] {
			o, ok := table[d.Key]
			if !assert.True(t, ok, "%s: option %s of Cinder's is not in the table", module, d.Key) {
				continue
			}
			assert.Equal(t, d.Kind, kinds[o.Kind], "type of %s", d.Key)
			assert.Equal(t, d.Secret, o.Secret, "%s is secret", d.Key)
			want := ""
			if d.Default != nil {
				want = *d.Default
			}
			assert.Equal(t, want, canonical(t, o), "default of %s", d.Key)
			if d.Min != nil {
				assert.Equal(t, int64(*d.Min), o.Min, "least of %s", d.Key)
			}
			if d.Choices != nil {
				assert.Equal(t, d.Choices, o.Choices, "choices of %s", d.Key)
			}
			for _, old := range d.Deprecated {
				assert.Contains(t, o.Old, oslo.Name{Group: old[0], Name: old[1]}, "older names of %s", d.Key)
			}
		}
	}
}

// TestPeerConfigurationsAreAsRecorded has oslo.config and Cinder resolve the
// files again.
func TestPeerConfigurationsAreAsRecorded(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import cinder.backup.drivers").Run(); err != nil {
		if os.Getenv("CINDER_GO_REQUIRE_PEER") != "" {
			t.Fatalf("a real Cinder is required and cannot be imported: %v", err)
		}
		t.Skip("SKIPPED, Cinder is not there: apt-get install python3-cinder (CINDER_GO_REQUIRE_PEER=1 makes this a failure)")
	}
	for name, args := range map[string][]string{"resolved.json": nil, "definitions.json": {"--definitions"}} {
		var out, stderr bytes.Buffer
		cmd := exec.Command(python, append([]string{confs + "resolve.py"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &stderr
		require.NoError(t, cmd.Run(), stderr.String())
		want, err := os.ReadFile(confs + name)
		require.NoError(t, err)
		assert.JSONEq(t, string(want), out.String())
	}
}

// TestEveryConfigurationGivesItsDriver opens the drivers, which touches no
// store, and reads their labels back.
func TestEveryConfigurationGivesItsDriver(t *testing.T) {
	for name, want := range map[string]string{
		"debian-defaults.conf": "swift", "devstack-swift.conf": "swift", "swift-single-user-v3.conf": "swift", "swift-service-token.conf": "swift", "swift-service-section.conf": "swift",
		"gcs-google.conf": "gcs", "glusterfs.conf": "glusterfs", "grizzly-ceph.conf": "ceph", "kolla-ceph.conf": "ceph",
		"kolla-nfs.conf": "nfs", "kolla-s3.conf": "s3", "s3-sse.conf": "s3", "posix-interpolation.conf": "posix", "tripleo-layered.conf": "posix",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := FromConfig(loaded(t, name), Options{Env: noEnv})
			if !slices.Contains(modules(), want) {
				require.ErrorIs(t, err, driverstate.ErrInvalidInput)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, want, s.Module)
			assert.NotContains(t, s.Label, "secret")
			again, err := ParseURL(s.Label, Options{Env: noEnv})
			require.NoError(t, err, s.Label)
			assert.Equal(t, s.Label, labelOf(again))
			for key, value := range s.Values {
				if _, public := again.Values[key]; public {
					assert.Equal(t, value, again.Values[key], key)
				}
			}
		})
	}
	cases := slices.Sorted(maps.Keys(recorded[map[string]any](t, "resolved.json")))
	files, err := filepath.Glob(confs + "*.conf")
	require.NoError(t, err)
	assert.Len(t, cases, len(files))
	assert.GreaterOrEqual(t, len(cases), 14)
}

const service = "backup_driver = cinder.backup.drivers.swift.SwiftBackupDriver\nbackup_swift_service_auth = true\n[service_user]\nsend_service_user_token = true\n"

// A store of which every backup can be read is not refused for a token that
// adds to the rights of the login.
func TestAServiceUserThatIsNotWholeIsWarnedOf(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"OS_AUTH_URL": "https://keystone.example.org/v3", "OS_USERNAME": "cinder", "OS_PASSWORD": "hush"}[name]
		return v, ok
	}
	whole := "auth_url = https://k/v3\n"
	for text, want := range map[string]string{
		"": "has no auth_url", whole: "has no username", "username = cinder\n": "has no auth_url",
		"auth_section = keystone_authtoken\nusername = cinder\n" + whole:             "has no auth_url",
		"auth_section = other\n[other]\n" + whole:                                    "has no username",
		"auth_section = other\n[other]\nuser_name = cinder\n" + whole:                "",
		"auth_section = other\n[OTHER]\nuser_id = 1\nauth_type=v3password\n" + whole: "",
		"auth_plugin = v3token\nusername = cinder\n" + whole:                         "has auth_type v3token, which is not known here",
	} {
		c := conf(t, service+text)
		s, err := FromConfig(c, Options{Env: env})
		require.NoError(t, err, text)
		d, err := s.Open(Options{})
		require.NoError(t, err, text)
		require.NoError(t, d.Close())
		told := strings.Join(c.Warnings(), "\n")
		assert.Equal(t, want != "", strings.Contains(told, "no service token is sent"), "%s: %s", text, told)
		assert.Contains(t, told, want, text)
	}
}

// The Cinder of Debian's package no longer knows the option's first name, so
// what is to come of it is said here and not recorded of oslo.config.
func TestTheDriverOptionHasItsFirstName(t *testing.T) {
	c := loaded(t, "older/grizzly-service.conf")
	s, err := FromConfig(c, Options{Env: noEnv})
	require.NoError(t, err)
	assert.Equal(t, "ceph", s.Module, "not Swift, which is the default")
	assert.Equal(t, oslo.Values{"backup_ceph_user": "cinder-backup"}, s.Values)
	assert.Equal(t, []string{confs + "older/grizzly-service.conf:6: option backup_service is deprecated, today it is backup_driver"}, c.Warnings())

	// Today's name counts more.
	s, err = FromConfig(conf(t, "backup_driver = cinder.backup.drivers.posix\nbackup_service = cinder.backup.services.ceph\n"), Options{Env: noEnv})
	require.NoError(t, err)
	assert.Equal(t, "posix", s.Module)
	_, err = FromConfig(conf(t, "backup_service = example.Driver\n"), Options{Env: noEnv})
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, `cinder.conf:2: option backup_driver: "example.Driver" is not a driver of Cinder`)
}

func labelOf(s Store) string {
	i := slices.IndexFunc(specs, func(d spec) bool { return d.module == s.Module })
	return specs[i].label(s.Values)
}

func TestOneStoreHasOneLabel(t *testing.T) {
	s, err := FromConfig(conf(t, "backup_driver = cinder.backup.drivers.posix\nbackup_file_size = 1999994880\n"), Options{})
	require.NoError(t, err)
	assert.Equal(t, "posix:///var/lib/cinder/backup", s.Label)
	s, err = FromConfig(conf(t, "backup_driver = cinder.backup.drivers.s3\nbackup_s3_endpoint_url = https://s3.example.org:8443/\n"+
		"backup_s3_store_secret_key = hidden\nbackup_compression_algorithm = bz2\n"), Options{})
	require.NoError(t, err)
	assert.Equal(t, "s3://s3.example.org:8443/volumebackups?compression_algorithm=bz2", s.Label)
	s, err = FromConfig(conf(t, "backup_driver = cinder.backup.drivers.s3\nbackup_s3_endpoint_url = http://127.0.0.1:9000\n"), Options{})
	require.NoError(t, err)
	assert.Equal(t, "s3:///volumebackups?endpoint_url=http%3A%2F%2F127.0.0.1%3A9000", s.Label)
}

func conf(t *testing.T, text string) *oslo.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cinder.conf")
	require.NoError(t, os.WriteFile(path, []byte("[DEFAULT]\n"+text), 0o600))
	files, err := oslo.Load([]oslo.Source{{Path: path}})
	require.NoError(t, err)
	return oslo.NewConfig(files, noEnv, ConfigTables())
}

func TestConfigurationsThatCannotWorkSayWhy(t *testing.T) {
	for text, want := range map[string]string{
		"backup_driver = cinder.backup.drivers.tsm.TSMBackupDriver\n":      ":2: option backup_driver: there is no driver for tsm here; there are ",
		"backup_driver = example.Driver\n":                                 `:2: option backup_driver: "example.Driver" is not a driver of Cinder; there are `,
		"backup_driver = cinder.backup.drivers.posix\nbackup_file_size=1G": `:3: option backup_file_size: "1G": it is not a whole number`,
	} {
		_, err := FromConfig(conf(t, text), Options{})
		require.ErrorIs(t, err, driverstate.ErrInvalidInput)
		assert.ErrorContains(t, err, want)
	}
}

func TestWhatTheFilesLeaveOpenMayComeFromTheEnvironment(t *testing.T) {
	env := map[string]string{"AWS_SECRET_ACCESS_KEY": "from-env", "AWS_ACCESS_KEY_ID": "from-env", "CINDER_GO_STORE_REGION": "north"}
	s, err := FromConfig(conf(t, "backup_driver = cinder.backup.drivers.s3\nbackup_s3_endpoint_url = https://h\nbackup_s3_store_access_key = from-file\n"),
		Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	require.NoError(t, err)
	assert.Equal(t, "from-file", s.Values["backup_s3_store_access_key"])
	assert.Equal(t, "from-env", s.Values["backup_s3_store_secret_key"])
	assert.Equal(t, "north", s.Values["backup_s3_region"])
	assert.Equal(t, "s3://h/volumebackups", s.Label)
}

func TestTheTimerOfProgressIsTheDriversOwnOption(t *testing.T) {
	for url, want := range map[string]bool{
		"posix:///srv": true,
		"posix:///srv?enable_progress_timer=false": false,
		"swift://?enable_progress_timer=0":         false,
		"swift://":                                 true,
		"s3://h/b?enable_progress_timer=false":     false,
		"s3://h/b":                                 true,
		"gcs://b?enable_progress_timer=no":         false,
		"gcs://b":                                  true,
		"nfs://h/e?enable_progress_timer=off":      false,
		"ceph://backups":                           false,
	} {
		s, err := ParseURL(url, Options{Env: noEnv})
		require.NoError(t, err, url)
		on, err := s.ProgressTimer()
		require.NoError(t, err, url)
		assert.Equal(t, want, on, url)
	}
	s, err := FromConfig(loaded(t, "tripleo-layered.conf"), Options{Env: noEnv})
	require.NoError(t, err)
	on, err := s.ProgressTimer()
	require.NoError(t, err)
	assert.False(t, on, "20-local.conf turns it off")
}
