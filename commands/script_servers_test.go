package commands

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestServersScripts runs what an operator would type, as processes of their
// own, on stores behind the servers that testdata/servers/up has started.
func TestServersScripts(t *testing.T) {
	for name, server := range map[string]struct {
		up        string
		variables []string // the first tells whether it is there
	}{
		"ceph": {"ceph", []string{"CEPH_CONF"}},
		"s3":   {"rgw", []string{"S3_RGW", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(server.variables[0]) == "" {
				how := "no " + name + `: eval "$(testdata/servers/up ` + server.up + `)" first`
				if os.Getenv("CINDER_GO_REQUIRE_SERVERS") != "" {
					t.Fatal(how)
				}
				t.Skip("SKIPPED: " + how)
			}
			testscript.Run(t, testscript.Params{
				Files: []string{"../testdata/scripts/servers/" + name + ".txtar"},
				Setup: func(env *testscript.Env) error {
					env.Setenv("HOME", env.WorkDir)
					for _, variable := range server.variables {
						env.Setenv(variable, os.Getenv(variable))
					}
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": cmdExits},
			})
		})
	}
}
