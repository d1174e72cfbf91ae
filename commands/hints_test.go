package commands

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What an error tells to type next works when it is pasted: it goes to the
// target that this command line named.
func TestTheNextCommandHasTheFlagsThatNameTheTarget(t *testing.T) {
	store, state := "posix://"+t.TempDir(), t.TempDir()
	flags := "--standalone --store " + store + " --state-dir " + state
	code, _, errOut := invoke(t, nil, "backup-show", "absent", "--standalone", "--store", store, "--state-dir", state)
	assert.Equal(t, 5, code)
	assert.Contains(t, errOut, "hint: cinder-go "+flags+" backup-list\n")
	code, _, errOut = invoke(t, nil, "backup-list", "--standalone", "--store", store, "--state-dir", state)
	assert.Equal(t, 0, code)
	assert.Contains(t, errOut, "what the store holds: cinder-go "+flags+" backup-manageable-list\n")
	code, _, errOut = invoke(t, map[string]string{"CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": store, "CINDER_GO_STATE_DIR": state}, "backup-show", "absent")
	assert.Equal(t, 5, code)
	assert.Contains(t, errOut, "hint: cinder-go backup-list\n", "the environment still says where")

	for text, want := range map[string]string{
		"look: cinder-go backup-show x; cinder-go volume-list": "look: cinder-go --os-cloud prod backup-show x; cinder-go --os-cloud prod volume-list",
		"cinder-go doctor x says why":                          "cinder-go --os-cloud prod doctor x says why",
		"cinder-go apply old.json does it":                     "cinder-go --os-cloud prod apply old.json does it",
		"cinder-go --standalone --store URL backup-list":       "cinder-go --standalone --store URL backup-list",
		"cinder-go serve --store URL":                          "cinder-go serve --store URL",
		"an engine of cinder-go can hold it":                   "an engine of cinder-go can hold it",
	} {
		assert.Equal(t, want, aimed(text, " --os-cloud prod"))
	}
}

// Beside an engine that serves a store which is not mounted, another engine on
// it would not see more.
func TestAServedStoreThatDoesNotWorkLeadsToDriverCheck(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	base, _ := startServer(t, "--store", "posix://"+gone, "--state-dir", t.TempDir())
	code, _, errOut := invoke(t, nil, "backup-manageable-list", "--os-endpoint", base+"/v3")
	assert.Equal(t, 8, code, errOut)
	assert.Contains(t, errOut, "hint: cinder-go --os-endpoint "+base+"/v3 driver-check shows step by step why\n")
	code, _, errOut = invoke(t, nil, "serve", "--store", "posix://"+gone, "--state-dir", t.TempDir(), "--listen", strings.TrimPrefix(base, "http://"))
	assert.Equal(t, 8, code)
	assert.Contains(t, errOut, "address already in use\nhint: another --listen ADDRESS:PORT; port 0 takes a free one\n")
	code, out, _ := invoke(t, nil, "doctor", "--os-endpoint", base+"/v3", "-f", "json")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "Recorded: store "+gone+": no such directory")
}

func TestAnErrorIsToldOnceWithTheCodeOfItsKind(t *testing.T) {
	env := map[string]string{"CINDER_GO_STANDALONE": "1", "CINDER_GO_STORE": "posix://" + t.TempDir(), "CINDER_GO_STATE_DIR": t.TempDir()}
	code, _, errOut := invoke(t, env, "backup-cat", "absent")
	assert.Equal(t, 5, code)
	assert.Equal(t, "error: backup absent: not found\nhint: cinder-go backup-list\n", errOut)

	code, _, errOut = invoke(t, env, "volume-create", "1", "--name", "disk")
	assert.Equal(t, 0, code, errOut)
	code, _, errOut = invoke(t, env, "backup-create", "disk", "--name", "full")
	assert.Equal(t, 0, code, errOut)
	code, _, errOut = invoke(t, env, "backup-restore", "full", "--to", filepath.Join(t.TempDir(), "none", "x.raw"))
	assert.Equal(t, 2, code, errOut)
	assert.NotContains(t, errOut, "source name", "the flag is --to")
	code, _, errOut = invoke(t, env, "backup-ship", "full", "--to", "s3://backup.example.org/vault")
	assert.Equal(t, 2, code, errOut)
}

// Who forgets --standalone is told, and not sent to Keystone alone.
func TestAStoreWithoutACloudLeadsToStandalone(t *testing.T) {
	code, _, errOut := invoke(t, nil, "backup-list", "--store", "posix://"+t.TempDir())
	assert.Equal(t, 2, code)
	assert.Contains(t, errOut, "error: authentication URL is missing\nhint: straight on the store: the same with --standalone; beside a cloud: set OS_AUTH_URL")
}
