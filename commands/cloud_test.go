package commands

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCloud runs what an operator would type against the real Cinder that
// testdata/cloud brings up; its README says what a script can do. One script
// runs after the other: some of them stop services that the others need.
func TestCloud(t *testing.T) {
	c := needCloud(t)
	deadline, _ := t.Deadline()
	testscript.RunT(serial{t}, testscript.Params{
		Dir:      "../testdata/cloud/scripts",
		Deadline: deadline,
		Setup:    func(env *testscript.Env) error { return c.setup(env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"as":             oneWord(func(ts *testscript.TestScript, user string) { script(ts).as(ts.Setenv, user) }),
			"backup":         cmdBackup,
			"backup-service": cmdBackupService,
			"exits":          cmdExits,
			"service":        cmdService,
			"setenvout":      cmdSetenvout,
			"sha256":         cmdSHA256,
			"sha256vol":      cmdSHA256Vol,
			"sql":            cmdSQL,
			"track":          oneWord(func(ts *testscript.TestScript, id string) { script(ts).track(id) }),
			"volume":         cmdVolume,
			"waitsql":        cmdWaitSQL,
			"write":          cmdWrite,
		},
	})
}

// serial is testing.T without the parallel scripts.
type serial struct{ *testing.T }

func (serial) Parallel()     {}
func (serial) Verbose() bool { return testing.Verbose() }
func (s serial) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(serial{t}) })
}

type scriptKey struct{} // of a script's own values

// setup prepares one script, and its end.
func (c *cloud) setup(env *testscript.Env) error {
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	random := make([]byte, 3)
	_, _ = rand.Read(random) // which never fails
	s := &cloudScript{cloud: c, name: name, prefix: name + "-" + hex.EncodeToString(random), sums: map[string]string{}}
	env.Values[scriptKey{}] = s
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("U", s.prefix)
	for key, value := range c.vars {
		env.Setenv(key, value)
	}
	env.Setenv("POSIX_STORE", filepath.Join(c.dir, "posix"))
	env.Setenv("VOLUMES", filepath.Join(c.dir, "volumes"))
	s.as(env.Setenv, "admin")
	t := env.T().(serial).T
	env.Defer(func() { s.clean(t) })
	return nil
}

func script(ts *testscript.TestScript) *cloudScript {
	return ts.Value(scriptKey{}).(*cloudScript)
}

func oneWord(run func(*testscript.TestScript, string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		wants(ts, args, 1, 1)
		run(ts, args[0])
	}
}

func wants(ts *testscript.TestScript, args []string, least, most int) {
	if len(args) < least || len(args) > most {
		ts.Fatalf("%d arguments; see testdata/cloud/README.md", len(args))
	}
}

// as makes a user's variables those of the commands that follow.
func (s *cloudScript) as(setenv func(key, value string), user string) {
	vars := map[string]string{"OS_ENDPOINT": s.vars["CLOUD_NOAUTH_URL"]}
	s.project = s.vars["CLOUD_ADMIN_PROJECT"]
	if user != "noauth" {
		if user == "demo" {
			s.project = s.vars["CLOUD_DEMO_PROJECT"]
		}
		vars = map[string]string{
			"OS_AUTH_URL": s.vars["CLOUD_AUTH_URL"], "OS_USERNAME": user, "OS_PASSWORD": user, "OS_PROJECT_NAME": user,
			"OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne",
		}
	}
	s.user = user
	for _, key := range []string{"OS_ENDPOINT", "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME",
		"OS_USER_DOMAIN_ID", "OS_PROJECT_DOMAIN_ID", "OS_IDENTITY_API_VERSION", "OS_REGION_NAME"} {
		setenv(key, vars[key])
	}
}

func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 2, 1000)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdSQL(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 1, 1000)
	ts.Check(ts.Exec(script(ts).tool("sql"), strings.Join(args, " "), "-N"))
}

func cmdWaitSQL(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 3, 1000)
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var got string
	if !eventually(time.Duration(seconds)*time.Second, func() bool {
		got, err = script(ts).sql(strings.Join(args[2:], " "))
		return err != nil || want.MatchString(got)
	}) {
		ts.Fatalf("after %d s it is still:\n%s", seconds, got)
	}
	ts.Check(err)
}

func cmdService(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 2, 2)
	s := script(ts)
	if !slices.Contains(s.touched, args[1]) && args[0] != "state" {
		s.touched = append(s.touched, args[1])
	}
	ts.Check(ts.Exec(s.tool("service"), args...))
}

func cmdBackupService(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 2, 20)
	s := script(ts)
	if !slices.Contains(s.services, args[1]) {
		s.services = append(s.services, args[1])
	}
	ts.Check(ts.Exec(s.tool("backup-service"), args...))
}

// cmdVolume makes a volume of 1 GiB with bytes in it.
func cmdVolume(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 1, 3)
	s := script(ts)
	zone, kind := "", ""
	for _, arg := range args[1:] {
		if t, ok := strings.CutPrefix(arg, "type="); ok {
			kind = t
		} else {
			zone = arg
		}
	}
	id, err := s.createVolume(s.nameOf(args[0]), kind, zone)
	ts.Check(err)
	ts.Setenv(args[0], id)
	cmdWrite(ts, false, args[:1])
}

// cmdWrite writes other bytes to a volume that cmdVolume made.
func cmdWrite(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 1, 1)
	sum, err := script(ts).write(ts.Getenv(args[0]), args[0])
	ts.Check(err)
	ts.Setenv(args[0]+"_SHA256", sum)
}

func cmdBackup(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 2, 3)
	s := script(ts)
	if len(args) == 3 && args[2] != "incremental" {
		ts.Fatalf("incremental or nothing, not %s", args[2])
	}
	id, err := s.createBackup(s.nameOf(args[0]), args[1], len(args) == 3)
	ts.Check(err)
	ts.Setenv(args[0], id)
	ts.Setenv(args[0]+"_SHA256", s.sums[args[1]])
}

func cmdSetenvout(ts *testscript.TestScript, _ bool, args []string) {
	wants(ts, args, 2, 2)
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("nothing on stdout matches %s", args[1])
	}
	ts.Setenv(args[0], found[len(found)-1])
}

func cmdSHA256Vol(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, args, 2, 2)
	cmdSHA256(ts, neg, []string{script(ts).volumeFile(args[0]), args[1]})
}

func cmdSHA256(ts *testscript.TestScript, neg bool, args []string) {
	wants(ts, args, 2, 2)
	got, err := hashFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if (got == args[1]) == neg {
		ts.Fatalf("%s has SHA-256 %s, which is (not) %s", args[0], got, args[1])
	}
}

func hashFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// eventually asks until the answer is yes, or the time is over.
func eventually(limit time.Duration, ask func() bool) bool {
	end := time.Now().Add(limit)
	for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
		if ask() {
			tick.Stop()
			return true
		}
		if time.Now().After(end) {
			tick.Stop()
			return false
		}
	}
}
