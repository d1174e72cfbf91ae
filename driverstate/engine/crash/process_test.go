package crash

import (
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/driverstate/fault"
)

// asProgram makes this test binary the program cinder-go.
const asProgram = "CRASH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		debug.SetTraceback("all")
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := commands.Main(ctx, os.Args[1:], iostreams.System(os.LookupEnv))
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// place is a directory with everything that a server has.
type place struct{ dir string }

func (p place) store() string   { return filepath.Join(p.dir, "store") }
func (p place) state() string   { return filepath.Join(p.dir, "state-"+host) } // of the only server
func (p place) targets() string { return filepath.Join(p.dir, "targets") }
func (p place) volumes() string { return filepath.Join(p.dir, "volumes") }
func (p place) control() string { return filepath.Join(p.dir, "control") }

// log is the standard error of all servers of a host.
func (p place) log(host string) string { return filepath.Join(p.dir, "log-"+host) }

// published is where the server of a host publishes notifications.
func (p place) published(host string) string { return filepath.Join(p.dir, "notify-"+host) }

// host is that of a server which is the only one.
const host = "crash"

// storeURL has the smallest objects that the format allows, so that a small
// backup has several.
func (p place) storeURL() string {
	return "posix://" + p.store() + "?object_size=65536&block_size=32768&compression=none"
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{t.TempDir()}
	for _, dir := range []string{p.store(), p.targets()} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	return p
}

// arm has the process that lives in p, now or later, killed at the nth passage
// of a point from now on; an empty name disarms it.
func (p place) arm(t *testing.T, k killAt) {
	t.Helper()
	text := ""
	if k.point != "" {
		text = "kill:" + k.String()
	}
	require.NoError(t, os.WriteFile(p.control(), []byte(text), 0o600))
}

// passed returns the points passed since the last call.
func (p place) passed(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(p.control() + fault.TraceSuffix)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	require.NoError(t, os.Truncate(p.control()+fault.TraceSuffix, 0))
	return strings.Fields(string(raw))
}

// process is a server that runs, or did.
type process struct {
	cmd  *exec.Cmd
	base string        // http://host:port
	dead chan struct{} // closed when it has ended

	log  *os.File // its standard error, behind that of those before it
	from int64    // where its own begins

	mu  sync.Mutex
	out []byte // until it serves
	up  chan string
}

var serving = regexp.MustCompile(`on (http://[0-9.:]+)/v3`)

// Write takes the standard error of the process.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base == "" {
		p.out = append(p.out, b...)
		if m := serving.FindSubmatch(p.out); m != nil {
			p.base = string(m[1])
			p.up <- p.base
		}
	}
	return p.log.Write(b)
}

// said is its standard error.
func (p *process) said() string {
	b, err := io.ReadAll(io.NewSectionReader(p.log, p.from, 1<<30))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// launch starts the server of a host, with more arguments than every one has.
// It is killed when the test ends at the latest. up is false when it ended
// before it served.
func launch(t *testing.T, p place, host string, more ...string) (s *process, up bool) {
	t.Helper()
	log, err := os.OpenFile(p.log(host), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	from, err := log.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	t.Cleanup(func() { log.Close() })
	s = &process{dead: make(chan struct{}), up: make(chan string, 1), log: log, from: from}
	args := append(append([]string{"serve", "--debug", "--listen", "127.0.0.1:0", "--host", host}, p.stores()...),
		"--state-dir", filepath.Join(p.dir, "state-"+host), "--volume-dir", p.volumes(), "--target-dir", p.targets(),
		"--notify", "file://"+p.published(host))
	args = append(args, more...)
	s.cmd = exec.Command(os.Args[0], args...) // outlives t.Context, which ends before Cleanup
	s.cmd.Env = []string{asProgram + "=1", "HOME=" + p.dir, "TMPDIR=" + p.dir}
	if _, err := os.Stat(p.control()); err == nil {
		s.cmd.Env = append(s.cmd.Env, fault.Env+"=@"+p.control())
	}
	s.cmd.Stderr = s
	require.NoError(t, s.cmd.Start())
	go func() {
		_ = s.cmd.Wait() // how it ended is seen by what it left
		close(s.dead)
	}()
	t.Cleanup(s.kill)
	select {
	case <-s.up:
		return s, true
	case <-s.dead:
		return s, false
	}
}

// kill ends the process as kill -9 does, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended already
	<-p.dead
}

func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// keepLogs keeps the logs of hosts in the directory CRASH_LOGS, if there is one.
func (p place) keepLogs(t *testing.T, hosts ...string) {
	t.Helper()
	dir := os.Getenv("CRASH_LOGS")
	for _, host := range hosts {
		raw, err := os.ReadFile(p.log(host))
		if dir == "" || err != nil {
			continue
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(p.log(host))), raw, 0o600))
	}
}
