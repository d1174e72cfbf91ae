package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

var onStore = []string{"--standalone", "--store", "posix:///srv/backup"}

func TestForceDeleteFlags(t *testing.T) {
	o, err := parse(t, newBackupForceDelete, nil, "backup-force-delete", "a", "b", "a", "--dry-run", "--no-wait", "-f", "json", "-c", "id")
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, o.sel.refs)
	assert.True(t, o.guard.dryRun)
	assert.True(t, o.wait.noWait)
	assert.Equal(t, 10*time.Minute, o.wait.timeout)
	assert.Equal(t, output.JSON, o.out.format)
}

func TestResetStateHasNoDefault(t *testing.T) {
	_, err := parse(t, newBackupResetState, nil, "backup-reset-state", "a")
	assert.ErrorContains(t, err, "--state is needed")
	assert.Equal(t, 2, exitCode(err))
	_, err = parse(t, newBackupResetState, nil, "backup-reset-state", "--state", "creating", "a")
	assert.ErrorContains(t, err, "neither available nor error")
	o, err := parse(t, newBackupResetState, nil, "backup-reset-state", "--state", "ERROR", "a")
	require.NoError(t, err)
	assert.Equal(t, driverstate.StatusError, o.state)
}

func TestWrongUsageIsExitTwoBeforeAnythingIsCalled(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		text string
	}{
		{"no verb", []string{"frobnicate"}, `no verb "frobnicate"`},
		{"a verb misspelt", []string{"backup-shwo", "x"}, `no verb "backup-shwo"; there is backup-show`},
		{"a verb cut short", []string{"backup-rest", "x"}, "backup-restore"},
		{"long with columns", []string{"service-list", "--long", "-c", "host"}, "exclude each other"},
		{"unknown flag", []string{"backup-list", "--frob"}, "unknown flag"},
		{"argument to a verb without", []string{"backup-list", "x"}, ""},
		{"no backup", []string{"backup-show"}, "say which backup"},
		{"empty name", []string{"backup-show", " "}, "is empty"},
		{"no format", []string{"backup-list", "-f", "xml"}, `"xml" is none of`},
		{"no column", []string{"backup-list", "-c", "colour"}, `"colour" is none of`},
		{"no status", []string{"backup-list", "--status", "broken"}, "no backup status"},
		{"bad filter", []string{"backup-list", "--filters", "status"}, "not KEY=VALUE"},
		{"all and some", []string{"backup-verify", "--all", "x"}, "exclude each other"},
		{"neither all nor some", []string{"backup-manage"}, "or --all"},
		{"depth", []string{"backup-verify", "x", "--depth", "deep"}, "neither structure nor data"},
		{"subset", []string{"backup-verify", "x", "--subset", "half"}, "neither a group such as 2/7"},
		{"subset of no data", []string{"backup-verify", "x", "--subset", "5%", "--depth", "structure"}, "--depth structure reads none"},
		{"since", []string{"backup-verify", "x", "--not-verified-since", "ever"}, "is no age"},
		{"import of one word", []string{"backup-import", "x"}, "BACKUP_SERVICE"},
		{"import of both kinds", []string{"backup-import", "a", "b", "--from", "x"}, "BACKUP_SERVICE"},
		{"two targets", []string{"backup-restore", "x", "--to", "a", "--volume", "b"}, "exclude each other"},
		{"two backups to one target", []string{"backup-restore", "x", "y", "--to", "a"}, "one target takes one backup"},
		{"overwrite of nothing", []string{"backup-restore", "x", "--overwrite"}, "belongs to --to"},
		{"a part to a cloud", []string{"backup-restore", "x", "--volume", "v", "--offset", "1K"}, "belong to --to"},
		{"a part of no size", []string{"backup-restore", "x", "--to", "a", "--length", "4 KB"}, "--length is a number of bytes"},
		{"bytes of a backup over the API", []string{"backup-cat", "x", "--os-endpoint", "http://h"}, "needs --standalone"},
		{"a disk over the API", []string{"backup-nbd", "x", "--os-endpoint", "http://h"}, "needs --standalone"},
		{"a disk for everyone", []string{"backup-nbd", "x", "--standalone", "--listen", "0.0.0.0:10809"}, "--allow-remote if that is meant"},
		{"a disk at no port", []string{"backup-nbd", "x", "--standalone", "--listen", "127.0.0.1"}, "not HOST:PORT"},
		{"a disk at two places", []string{"backup-nbd", "x", "--standalone", "--listen", "127.0.0.1:1", "--socket", "s"}, "excludes --listen"},
		{"bytes over the API", []string{"backup-restore", "x", "--to", "-", "--os-endpoint", "http://h"}, "needs --standalone"},
		{"restore to nowhere", []string{"backup-restore", "x", "--standalone"}, "say where to"},
		{"a pipe read back", append([]string{"backup-ship", "x", "--to", "file:-", "--read-back"}, onStore...), "write a file, such as --to file:///srv/x.cbk"},
		{"no-wait in process", []string{"backup-force-delete", "x", "--standalone", "--no-wait"}, "--no-wait needs a server"},
		{"two kinds of target", []string{"backup-list", "--standalone", "--os-cloud", "x"}, "exclude each other"},
		{"quiet events", []string{"backup-list", "--quiet", "--json-events"}, "exclude each other"},
		{"colour", []string{"backup-list", "--color", "pink"}, `"pink" is none of`},
		{"standalone without a store", []string{"backup-list", "--standalone"}, "the engine needs a store: --config-file"},
		{"store of no kind", []string{"backup-list", "--standalone", "--store", "ftp://x"}, ""},
		{"cleanup of nobody", []string{"workers-cleanup", "--binary", "cinder-api"}, "none of cinder-volume, cinder-scheduler and"},
		{"cleanup type", []string{"work-cleanup", "--resource-type", "group"}, "none of Volume, Snapshot and Backup"},
		{"cleanup truth", []string{"workers-cleanup", "--is-up", "perhaps"}, "neither True nor False"},
		{"a migration from nowhere", []string{"engine-migrate", "--to", "postgres://h/db"}, "--from DIR"},
		{"a migration to nowhere", []string{"engine-migrate", "--from", "/x"}, "--to URL"},
		{"serve to the world", append([]string{"serve", "--listen", "0.0.0.0:8776"}, onStore...), "--allow-remote-noauth"},
		{"serve by name", append([]string{"serve", "--listen", "example.org:8776"}, onStore...), "--allow-remote-noauth"},
		{"serve on no port", append([]string{"serve", "--listen", "127.0.0.1"}, onStore...), "not ADDRESS:PORT"},
		{"serve with keystone nowhere", append([]string{"serve", "--auth", "keystone"}, onStore...), "authentication URL is missing"},
		{"serve with an unknown kind", append([]string{"serve", "--auth", "ldap"}, onStore...), "noauth"},
		{"no shell", []string{"completion", "tcsh"}, "no completion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := invoke(t, map[string]string{"HOME": t.TempDir()}, c.args...)
			assert.Equal(t, 2, code, errOut)
			assert.Contains(t, errOut, c.text)
			assert.Contains(t, errOut, "usage: cinder-go")
			assert.Empty(t, out)
		})
	}
}

// An empty text comes of a variable that is not set. Left out, a verb would take
// more than was meant, or do what it was to write down.
func TestAnEmptyChoiceOrPlaceIsWrongUsage(t *testing.T) {
	for _, c := range []struct{ flag, verb, rest string }{
		{"plan", "backup-delete", "x"}, {"plan", "backup-reset-state", "--state error x"},
		{"volume", "backup-delete", "--status error"}, {"status", "backup-force-delete", "--volume v"}, {"project", "backup-delete", "--status error"},
		{"host", "backup-delete", "--status error"}, {"az", "backup-delete", "--status error"}, {"name", "backup-delete", "--status error"},
		{"older-than", "backup-delete", "--status error"}, {"name", "backup-list", ""}, {"volume-id", "backup-list", ""},
		{"project", "backup-import", "--from x"}, {"output", "backup-export", "--all"},
		{"records", "backup-ship", "--all --to file:///x.cbk"}, {"to", "backup-restore", "--volume v x"}, {"volume", "backup-restore", "x"},
		{"of-volume", "backup-restore", "--status error"}, {"container", "backup-manageable-list", ""}, {"not-verified-since", "backup-verify", "--all"},
		{"subset", "backup-verify", "--all"}, {"status", "volume-list", ""}, {"resource-id", "workers-cleanup", ""},
	} {
		t.Run(c.verb+" "+c.flag, func(t *testing.T) {
			args := append([]string{c.verb, "--" + c.flag, ""}, strings.Fields(c.rest)...)
			code, _, errOut := invoke(t, map[string]string{"HOME": t.TempDir()}, append(args, "--os-endpoint", "http://127.0.0.1:1/v3")...)
			assert.Equal(t, 2, code, errOut)
			assert.Contains(t, errOut, "--"+c.flag+" is empty: leave it out")
		})
	}
	o, err := parse(t, newBackupUpdate, nil, "backup-update", "x", "--name", "", "--description", "")
	require.NoError(t, err, "no name is a name to give")
	assert.Equal(t, "", *o.ask.Name)
	_, err = parse(t, newBackupCreate, nil, "backup-create", "v", "--name", "", "--container", "")
	assert.NoError(t, err)
}

func TestRestoreTargetIsMadeAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	o, err := parse(t, newBackupRestore, nil, append([]string{"backup-restore", "x", "--to", "image.raw"}, onStore...)...)
	require.NoError(t, err)
	assert.Equal(t, dir+"/image.raw", o.to)
	o, err = parse(t, newBackupRestore, nil, append([]string{"backup-restore", "x", "--to", "-"}, onStore...)...)
	require.NoError(t, err)
	assert.Equal(t, "-", o.to)
}

func TestListOfACloudIsOnesOwnUnlessAsked(t *testing.T) {
	o, err := parse(t, newBackupList, nil, "backup-list")
	require.NoError(t, err)
	assert.False(t, o.sel.allProjects)
	for _, args := range [][]string{{"--all-tenants"}, {"--all-tenants=1"}, {"--all-projects"}} {
		o, err = parse(t, newBackupList, nil, append([]string{"backup-list"}, args...)...)
		require.NoError(t, err)
		assert.True(t, o.sel.allProjects)
	}
	o, err = parse(t, newBackupList, nil, "backup-list", "--os-endpoint", "http://127.0.0.1:8776/v3")
	require.NoError(t, err)
	assert.True(t, o.sel.allProjects, "an engine has one operator")
}

func TestCleanupFlagsAreThoseOfCinderclient(t *testing.T) {
	o, err := parse(t, newWorkersCleanup, nil, "work-cleanup", "--cluster", "c", "--host", "h@b", "--binary", "cinder-volume",
		"--is-up", "True", "--disabled", "false", "--resource-id", idFull, "--resource-type", "volume", "--service-id", "7")
	require.NoError(t, err)
	assert.Equal(t, "c", o.filter.ClusterName)
	assert.Equal(t, "h@b", o.filter.Host)
	assert.Equal(t, ptr(true), o.filter.IsUp)
	assert.Equal(t, ptr(false), o.filter.Disabled)
	assert.Equal(t, "Volume", o.filter.ResourceType)
	assert.EqualValues(t, 7, *o.filter.ServiceID)
	o, err = parse(t, newWorkersCleanup, nil, "workers-cleanup", "--resource-type", "backup")
	require.NoError(t, err)
	assert.Equal(t, "Backup", o.filter.ResourceType)
	o, err = parse(t, newWorkersCleanup, nil, "workers-cleanup")
	require.NoError(t, err)
	assert.Nil(t, o.filter.IsUp, "the server's own default is asked for by silence")
}

func TestAFlagBeatsTheEnvironment(t *testing.T) {
	env := map[string]string{"CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": "posix:///from-env", "OS_CLOUD": "env", "HOME": "/home/op"}
	for _, c := range []struct {
		name       string
		args       []string
		standalone bool
		store      string
		cloud      string
	}{
		{"environment", nil, true, "posix:///from-env", "env"},
		{"another store", []string{"--store", "posix:///flag"}, true, "posix:///flag", "env"},
		{"a cloud after all", []string{"--os-cloud", "prod"}, false, "posix:///from-env", "prod"},
		{"not in process", []string{"--standalone=false"}, false, "posix:///from-env", "env"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := factoryOf(t, env, append([]string{"version"}, c.args...)...)
			assert.Equal(t, c.standalone, f.g.standalone)
			assert.Equal(t, []string{c.store}, f.g.stores.urls)
			assert.Equal(t, c.cloud, f.g.cloud.Cloud)
		})
	}
}

func TestEndpointWithoutCredentialsNeedsNoKeystone(t *testing.T) {
	for _, c := range []struct {
		name   string
		env    map[string]string
		args   []string
		noauth bool
	}{
		{"endpoint alone", nil, []string{"--os-endpoint", "http://h/v3"}, true},
		{"endpoint in place of the catalogue's", map[string]string{"OS_AUTH_URL": "http://k"}, []string{"--os-endpoint", "http://h/v3"}, false},
		{"said to be without", map[string]string{"OS_AUTH_URL": "http://k"}, []string{"--os-endpoint", "http://h/v3", "--os-auth-type", "noauth"}, true},
		{"nothing", nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := factoryOf(t, c.env, append([]string{"version"}, c.args...)...)
			assert.Equal(t, c.noauth, f.g.isNoAuth())
		})
	}
}

func TestEveryStoreHasAStateDirectoryOfItsOwn(t *testing.T) {
	dir := func(env map[string]string, store string) string {
		cfg, err := factoryOf(t, env, "version", "--store", store).engineConfig()
		require.NoError(t, err)
		return cfg.StateDir
	}
	home := map[string]string{"HOME": "/home/op"}
	// The first 16 digits of the SHA-256 of the URL.
	assert.Equal(t, "/home/op/.local/state/cinder-go/4e13ee965cbbabdc", dir(home, "posix:///srv/backup"))
	assert.NotEqual(t, dir(home, "posix:///a"), dir(home, "posix:///b"))
	assert.Contains(t, dir(map[string]string{"XDG_STATE_HOME": "/state", "HOME": "/home/op"}, "posix:///a"), "/state/cinder-go/")
	assert.Contains(t, dir(map[string]string{"XDG_STATE_HOME": "relative", "HOME": "/home/op"}, "posix:///a"), "/home/op/.local")
}
