package manager_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// types runs the program against the API over a member.
func (m *member) types(args ...string) (code int, out, errOut string) {
	m.t.Helper()
	server := httptest.NewServer(api.New(m.Manager, api.Config{}))
	defer server.Close()
	s, o, e := iostreams.Buffers(strings.NewReader(""))
	code = commands.Main(m.t.Context(), append([]string{"--os-endpoint", server.URL + "/v3"}, args...), s)
	return code, o.String(), e.String()
}

func TestTheVerbCleansUpTheBackupsOfADeadMember(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		f.change = func(c *manager.Config) { c.Jobs = 8 }
		a := f.start("h1", blue)
		restoring, deleting := a.managed(nil, image(64<<10, 1)), a.managed(nil, image(64<<10, 2))
		v, source := a.newVolume(), a.newVolume()
		require.NoError(t, fillVolume(source, image(256<<10, 9)))
		points := map[string]*hold{}
		for _, p := range []string{atBackup, atRestore, atDelete} {
			points[p] = a.driver.freeze(p)
		}
		t.Cleanup(func() { // Stop waits for what is frozen
			for p := range points {
				a.driver.open(p)
			}
		})
		_, err := a.RestoreBackup(t.Context(), admin, restoring.ID, driverstate.RestoreRequest{VolumeID: v.ID})
		require.NoError(t, err)
		require.NoError(t, a.DeleteBackup(t.Context(), admin, deleting.ID, false))
		creating, err := a.CreateBackup(t.Context(), admin, driverstate.BackupRequest{VolumeID: source.ID})
		require.NoError(t, err)
		for _, h := range points {
			h.wait(t)
		}
		b := f.start("h2", blue)

		code, out, errOut := b.types("workers-cleanup", "--resource-type", "backup", "--resource-id", creating.ID)
		assert.Equal(t, 6, code, errOut)
		assert.Empty(t, out)
		assert.Contains(t, errOut, "backup "+creating.ID+" is creating on h1: its service is up and may be at work on it")

		a.link.silent.Store(true)
		f.pass()
		f.settled(a)
		code, out, errOut = b.types("workers-cleanup", "--resource-type", "Backup", "--dry-run", "-f", "value",
			"-c", "result", "-c", "host", "-c", "resource_type", "-c", "resource_id", "-c", "status")
		assert.Zero(t, code, errOut)
		for _, line := range []string{
			"cleaning h1 Backup " + creating.ID + " creating", "cleaning h1 Backup " + restoring.ID + " restoring",
			"cleaning h1 Backup " + deleting.ID + " deleting", "cleaning h1@file - - -",
		} {
			assert.Contains(t, out, line+"\n")
		}
		assert.NotContains(t, errOut, "never cleaned up")
		assert.Equal(t, driverstate.StatusCreating, b.row(creating.ID).Status, "a preview changes nothing")

		follow := []string{"workers-cleanup", "--follow", "--timeout", "1m", "-f", "value", "-c", "resource_id", "-c", "host", "-c", "before", "-c", "result", "-c", "status"}
		code, out, errOut = b.types(append(follow, "--resource-type", "Backup", "--resource-id", creating.ID)...)
		assert.Zero(t, code, errOut)
		assert.Equal(t, creating.ID+" h1 creating cleaned error\n", out)
		assert.Contains(t, errOut, "1 selected, 1 changed, 0 unchanged, 0 skipped, 0 failed")
		assert.Equal(t, driverstate.StatusRestoring, b.row(restoring.ID).Status, "it was not asked for")

		code, out, errOut = b.types(follow...)
		assert.Zero(t, code, errOut)
		assert.ElementsMatch(t, []string{restoring.ID + " h1 restoring cleaned available", deleting.ID + " h1 deleting cleaned deleted"},
			strings.Split(strings.TrimSpace(out), "\n"))
		assert.Contains(t, errOut, "2 selected, 2 changed, 0 unchanged, 0 skipped, 0 failed")
		assert.Equal(t, driverstate.VolumeErrorRestoring, b.volume(v.ID).Status)
		assert.Empty(t, b.objects(creating.ID))
		f.noEntry()

		code, out, errOut = b.types("workers-cleanup", "--resource-type", "Backup", "-f", "value", "-c", "result", "-c", "host", "-c", "under_way")
		assert.Zero(t, code, errOut)
		assert.Equal(t, "cleaning h1 0\ncleaning h1@file 0\n", out)
		assert.Contains(t, errOut, "nothing under way that is cleaned up")

		old := &driverstate.Service{Binary: driverstate.BinaryBackup, Host: "old", Cluster: blue, Version: manager.ServiceVersion - 1}
		require.NoError(t, b.db.ServiceUpsert(t.Context(), old))
		code, _, errOut = b.types("workers-cleanup")
		assert.Equal(t, 6, code)
		assert.Contains(t, errOut, "annot perform workers cleanup during system upgrade")
		assert.Contains(t, errOut, "hint: a service of an older release lives")
	})
}
