package engine_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

func TestAStoreIsGivenWithAName(t *testing.T) {
	for text, want := range map[string]engine.Store{
		"posix:///srv":               {URL: "posix:///srv"},
		"old=posix:///srv":           {Name: "old", URL: "posix:///srv"},
		"posix:///srv?compression=a": {URL: "posix:///srv?compression=a"},
		"a-1.b_c=s3://h/b?x=y=z":     {Name: "a-1.b_c", URL: "s3://h/b?x=y=z"},
		"no name=posix:///srv":       {URL: "no name=posix:///srv"},
	} {
		got := engine.ParseStore(text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, text, got.String())
	}
}

func TestStoresThatCannotBeToldApartAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		stores []string
		text   string
	}{
		"none":             {nil, "store URL must be given"},
		"the same twice":   {[]string{"posix:///a", "b=posix:///a/?compression=none"}, "given twice"},
		"a name twice":     {[]string{"a=posix:///a", "a=posix:///b"}, "has no name of its own"},
		"a kind twice":     {[]string{"posix:///a", "posix:///b", "posix:///c"}, "posix-2=posix:///c"},
		"the volumes'":     {[]string{"file=posix:///a"}, "volume service"},
		"an empty address": {[]string{"a="}, "must be given"},
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			config := engine.Config{StateDir: t.TempDir()}
			for _, s := range c.stores {
				config.Stores = append(config.Stores, engine.ParseStore(s))
			}
			_, err := engine.Start(t.Context(), config)
			require.ErrorIs(t, err, driverstate.ErrInvalidInput)
			assert.ErrorContains(t, err, c.text)
		})
	}
	at := engine.Config{StateDir: t.TempDir(), Host: "a@b", Stores: []engine.Store{{Name: "n", URL: "posix:///a"}}}
	_, err := engine.Start(t.Context(), at)
	require.ErrorContains(t, err, "--host NAME")
}

// services are the backup services of an engine and their zones.
func services(t *testing.T, e *engine.Engine) map[string]string {
	t.Helper()
	rows, err := e.Manager().Services(t.Context(), admin)
	require.NoError(t, err)
	got := map[string]string{}
	for _, s := range rows {
		if s.Binary == driverstate.BinaryBackup {
			got[s.Host] = s.AvailabilityZone
		}
	}
	return got
}

func TestAStoreKeepsItsServiceInAStateDirectory(t *testing.T) {
	dir, a, b := t.TempDir(), "posix://"+t.TempDir(), "posix://"+t.TempDir()
	run := func(stores ...string) (map[string]string, error) {
		c := engine.Config{StateDir: filepath.Join(dir, "state"), Host: "h"}
		for _, s := range stores {
			c.Stores = append(c.Stores, engine.ParseStore(s))
		}
		e, err := engine.Start(t.Context(), c)
		if err != nil {
			return nil, err
		}
		got := services(t, e)
		return got, e.Close(t.Context())
	}
	got, err := run(a, b)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"h": "nova", "h@posix": "nova"}, got)
	got, err = run("posix="+b+"?compression=none", a)
	require.NoError(t, err, "in another order, by name")
	assert.Len(t, got, 2)

	_, err = run(b, a)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "store "+b+" is that of service h@posix in state directory")
	assert.ErrorContains(t, err, "say --store posix="+b)
	_, err = run("main=" + a)
	assert.ErrorContains(t, err, "say --store "+a)
	_, err = run("posix=" + b)
	require.NoError(t, err, "without the other")
}

func TestAStoreHasAZoneOfItsOwn(t *testing.T) {
	c := engine.Config{StateDir: t.TempDir(), Host: "h", Stores: []engine.Store{{URL: "posix://" + t.TempDir()}, {URL: "objects://" + t.TempDir()}}}
	require.NoError(t, c.Set(map[string]string{"storage_availability_zone": "east", "objects.backend_availability_zone": " west "}))
	assert.Equal(t, map[string]string{"h": "east", "h@objects": "west"}, services(t, start(t, c)))
	require.ErrorContains(t, c.Set(map[string]string{"x.backend_availability_zone": "west"}), `there is no store "x"`)
	require.ErrorContains(t, c.Set(map[string]string{"objects.backend_availability_zone": ""}), "is not a name")
}

func TestACleanupAndAClusterOfOneAreWarnedOfOnce(t *testing.T) {
	const noCluster, noOther = "auto_cleanup_enabled does nothing", "alone in its cluster"
	for name, c := range map[string]struct {
		set  map[string]string
		want map[string]int
	}{
		"alone":                  {map[string]string{"auto_cleanup_enabled": "true"}, map[string]int{noCluster: 1, noOther: 0}},
		"in a cluster of itself": {map[string]string{"auto_cleanup_enabled": "true", "cluster": "blue"}, map[string]int{noCluster: 0, noOther: 1}},
		"not asked":              {map[string]string{"auto_cleanup_checks": "2"}, map[string]int{noCluster: 0, noOther: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var said strings.Builder
			config := engine.Config{StateDir: t.TempDir(), Host: "h", Logger: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})),
				Stores: []engine.Store{{URL: "posix://" + t.TempDir()}, {URL: "objects://" + t.TempDir()}}}
			require.NoError(t, config.Set(c.set))
			e, err := engine.Start(t.Context(), config)
			require.NoError(t, err)
			require.NoError(t, e.Close(t.Context()))
			for text, want := range c.want {
				assert.Equal(t, want, strings.Count(said.String(), text), said.String())
			}
		})
	}
}

func TestANamedStoreHasVariablesOfItsOwn(t *testing.T) {
	env := map[string]string{"CINDER_GO_STORE_FILE_SIZE": "65536", "CINDER_GO_STORE_FAR_AWAY_FILE_SIZE": "no number"}
	c := engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: "posix://" + t.TempDir()}, {Name: "far-away", URL: "posix://" + t.TempDir()}},
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	_, err := engine.Start(t.Context(), c)
	require.ErrorIs(t, err, driverstate.ErrInvalidInput)
	assert.ErrorContains(t, err, "no number")
	delete(env, "CINDER_GO_STORE_FAR_AWAY_FILE_SIZE")
	assert.Len(t, services(t, start(t, c)), 2)
}

// Two machines, a cluster, and one of two stores away on the first: what is
// asked of it there is done on the second.
func TestMembersOfAClusterDoEachOthersWorkInEachStore(t *testing.T) {
	database, near, far := shared(t), store(t), t.TempDir()
	require.NoError(t, drillstore.Unpack(far))
	require.NoError(t, os.RemoveAll(filepath.Join(strings.TrimPrefix(near, "posix://"), drillstore.Full[:2])))
	launch := func(host, farAt string) *engine.Engine {
		return start(t, engine.Config{StateDir: t.TempDir(), DatabaseURL: database, Host: host, Cluster: "c",
			VolumeDir: filepath.Join(t.TempDir(), "volumes"),
			Stores:    []engine.Store{{URL: near}, {Name: "far", URL: "posix://" + farAt}}})
	}
	two := launch("h2", far)
	b, err := two.Manager().ManageBackup(t.Context(), admin, driverstate.ManageRequest{BackupID: drillstore.Full})
	require.NoError(t, err)
	require.Equal(t, "h2@far", b.Host)

	one := launch("h1", filepath.Join(far, "not mounted"))
	clusters, err := one.Manager().Clusters(t.Context(), admin)
	require.NoError(t, err)
	var names []string
	for _, c := range clusters {
		names = append(names, c.Name+" "+string(c.Binary))
	}
	assert.ElementsMatch(t, []string{"c cinder-backup", "c cinder-volume", "c@far cinder-backup"}, names)
	look, err := two.Manager().CreateVerification(t.Context(), admin, driverstate.VerifyRequest{BackupIDs: []string{b.ID}, Depth: driverstate.DepthStructure})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		look, err = one.Manager().Verification(t.Context(), admin, look.ID)
		return err == nil && look.Status == driverstate.VerificationDone
	}, time.Minute, 5*time.Millisecond)
	assert.Equal(t, driverstate.ConditionWhole, look.Report.Condition)
	require.NoError(t, one.Manager().DeleteBackup(t.Context(), admin, b.ID, true), "asked where the store is away")
	require.Eventually(t, func() bool {
		_, err := one.Manager().Backup(t.Context(), admin, b.ID)
		return errors.Is(err, driverstate.ErrNotFound)
	}, time.Minute, 5*time.Millisecond)
	left, err := two.Manager().ManageableBackups(t.Context(), admin, driverstate.ManageableFilter{Host: "h2@far"})
	require.NoError(t, err)
	for m := range left {
		assert.NotEqual(t, b.ID, m.Backup.ID)
	}
}
