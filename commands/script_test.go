package commands

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cinder-go": func() {
		os.Exit(Main(context.Background(), os.Args[1:], iostreams.System(os.LookupEnv)))
	}})
}

// TestScripts runs what an operator would type, as processes of their own, on
// a store that a real Cinder wrote.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("processes of their own; the long run has them")
	}
	testscript.Run(t, testscript.Params{
		Dir: "../testdata/scripts",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("FULL", drillstore.Full)
			env.Setenv("TIP", drillstore.ChainTip)
			env.Setenv("WRONGLY_ERROR", drillstore.WronglyError)
			env.Setenv("MISSING", drillstore.MissingChunk)
			env.Setenv("FORGED", drillstore.ForgedChunk)
			env.Setenv("UNFINISHED", drillstore.Unfinished)
			env.Setenv("ORPHAN", drillstore.Orphan)
			for name, id := range map[string]string{"FULL_SHA256": drillstore.Full, "TIP_SHA256": drillstore.ChainTip} {
				env.Setenv(name, drillstore.Expected()[id])
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// store DIR unpacks the store and makes it the target.
			"store": func(ts *testscript.TestScript, neg bool, args []string) {
				dir := ts.MkAbs(args[0])
				ts.Check(os.MkdirAll(dir, 0o755))
				ts.Check(drillstore.Unpack(dir))
				ts.Setenv("CINDER_GO_STANDALONE", "1")
				ts.Setenv("CINDER_GO_STORE", "posix://"+dir)
			},
			"exits":  cmdExits,
			"sha256": cmdSHA256,
		},
	})
}
