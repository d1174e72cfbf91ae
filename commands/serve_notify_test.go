package commands

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/notify"
)

func TestNotifyURLsComeFromFlagsFileAndEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "urls")
	require.NoError(t, os.WriteFile(file, []byte("# brokers\n\n rabbit://u:secret@a/ \nrabbit://u:secret@b/\n"), 0o600))
	o := notifyFlags{urls: []string{"log:"}, file: file}
	all, err := o.all(envOf(map[string]string{"CINDER_GO_NOTIFY": " file:///a\tfile:///b "}))
	require.NoError(t, err)
	assert.Equal(t, []notify.URL{"log:", "rabbit://u:secret@a/", "rabbit://u:secret@b/", "file:///a", "file:///b"}, all)

	o = notifyFlags{urls: []string{"rabbit://u:secret@a/"}}
	_, err = o.all(envOf(nil))
	require.ErrorIs(t, err, errUsage)
	assert.Contains(t, err.Error(), "rabbit://u:***@a/")
	o = notifyFlags{file: file + ".missing"}
	_, err = o.all(envOf(nil))
	require.ErrorIs(t, err, errUsage)
}

func TestServeRefusesNotificationsToNowhere(t *testing.T) {
	for _, args := range [][]string{
		{"--notify", "http://h/"}, {"--log-level", "loud"}, {"--log-format", "xml"},
	} {
		code, _, stderr := invoke(t, nil, append([]string{"serve", "--store", "posix://" + t.TempDir(), "--state-dir", t.TempDir(), "--listen", "127.0.0.1:0"}, args...)...)
		assert.Equal(t, 2, code, "%s: %s", args, stderr)
	}
}

// process is a "cinder-go serve" of its own.
type process struct {
	base string
	log  *watched
}

// startProcess builds and starts one with the environment env.
func startProcess(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "cinder-go")
	build := exec.Command("go", "build", "-o", binary, "../cmd/cinder-go")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	log := &watched{match: regexp.MustCompile(`on (http://[0-9.:]+)/v3`), found: make(chan string, 1)}
	found := log.found
	cmd.Stderr = log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		assert.NoError(t, cmd.Wait(), "serve ends well")
	})
	select {
	case base := <-found:
		return &process{base: base, log: log}
	case <-time.After(time.Minute):
		t.Fatalf("serve does not come up: %s", log.text.String())
	}
	return nil
}

// heard is one notification as testdata/notify/consume.py prints it.
type heard struct {
	Priority    string         `json:"priority"`
	PublisherID string         `json:"publisher_id"`
	EventType   string         `json:"event_type"`
	Payload     map[string]any `json:"payload"`
	Context     map[string]any `json:"ctxt"`
}

// listen starts a consumer written with oslo.messaging.
func listen(t *testing.T, url, exchange string) <-chan heard {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-W", "ignore", "../testdata/notify/consume.py", url, "--exchange", exchange, "--topic", exchange)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	ready := &watched{match: regexp.MustCompile(`(listening)`), found: make(chan string, 1)}
	found := ready.found
	cmd.Stderr = ready
	require.NoError(t, cmd.Start())
	all := make(chan heard, 100)
	go func() {
		defer close(all)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var h heard
			if json.Unmarshal(lines.Bytes(), &h) == nil {
				all <- h
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		assert.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		_ = cmd.Wait() // Python's exit code is not what is tested
	})
	select {
	case <-found:
	case <-time.After(time.Minute):
		t.Fatalf("the consumer does not come up: %s", ready.text.String())
	}
	return all
}

func TestNotifyAnOsloConsumerHearsOfABackupAForceDeleteAndTheDriver(t *testing.T) {
	address := os.Getenv("CINDER_GO_AMQP")
	if address == "" {
		if os.Getenv("CINDER_GO_REQUIRE_AMQP") != "" {
			t.Fatal("CINDER_GO_AMQP names no RabbitMQ: export CINDER_GO_AMQP=$(testdata/rabbit/up)")
		}
		t.Skip("no RabbitMQ: export CINDER_GO_AMQP=$(testdata/rabbit/up)")
	}
	exchange := "cinder-go-serve-" + strings.ToLower(filepath.Base(t.TempDir())) + "-" + time.Now().Format("150405.000000")
	all := listen(t, strings.Replace(address, "amqp://", "rabbit://", 1), exchange)
	next := func(event string) heard {
		t.Helper()
		select {
		case h := <-all:
			t.Logf("%s %s %v", h.Priority, h.EventType, h.Payload)
			require.Equal(t, event, h.EventType)
			assert.Equal(t, "backup.lab", h.PublisherID)
			return h
		case <-time.After(time.Minute):
			t.Fatalf("%s was not published", event)
		}
		return heard{}
	}

	store := filepath.Join(t.TempDir(), "mount")
	file := filepath.Join(t.TempDir(), "n.jsonl")
	p := startProcess(t, []string{"CINDER_GO_NOTIFY=" + address + "?exchange=" + exchange + "&topic=" + exchange},
		"--store", "posix://"+store+"?object_size=67108864", "--state-dir", t.TempDir(), "--host", "lab", "--set", "periodic_interval=1",
		"--notify", "log:", "--notify", "file://"+file, "--log-format", "json")

	// The driver: down while the store is not mounted, then up.
	next("backup.driver_init.start")
	down := next("backup.driver_init.error")
	assert.Equal(t, "error", down.Priority)
	assert.Contains(t, down.Payload["fail_reason"], store)
	require.NoError(t, os.Mkdir(store, 0o755))
	up := next("backup.driver_init.end")
	assert.Equal(t, "info", up.Priority)
	assert.Equal(t, map[string]any{"host": "lab", "service": "cinder.backup.drivers.posix.PosixBackupDriver", "fail_reason": nil}, up.Payload)

	// A backup.
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := invoke(t, nil, append([]string{"--os-endpoint", p.base + "/v3", "-y"}, args...)...)
		require.Zero(t, code, stderr)
		return strings.TrimSpace(stdout)
	}
	volume := run("volume-create", "--name", "data", "-f", "value", "-c", "id", "1")
	id := run("backup-create", "--name", "night", "-f", "value", "-c", "id", volume)
	start := next("backup.create.start")
	assert.Equal(t, id, start.Payload["backup_id"])
	assert.Equal(t, "creating", start.Payload["status"])
	assert.Equal(t, "night", start.Payload["display_name"])
	assert.Equal(t, volume, start.Payload["volume_id"])
	assert.Regexp(t, `^req-`, start.Context["request_id"])
	assert.Zero(t, next("backup.createprogress").Payload["backup_percent"], "by the timer, which begins at once")
	tenth := next("backup.createprogress").Payload // of 16 objects
	assert.InDelta(t, 100*10.0/16, tenth["backup_percent"], 100*4.0/16, "several objects are copied at once")
	assert.Equal(t, 100.0, next("backup.createprogress").Payload["backup_percent"])
	end := next("backup.create.end")
	assert.Equal(t, "available", end.Payload["status"])
	assert.Equal(t, start.Context["request_id"], end.Context["request_id"])

	// A force delete says so.
	run("backup-force-delete", id)
	assert.Equal(t, true, next("backup.delete.start").Payload["force"])
	gone := next("backup.delete.end")
	assert.Equal(t, true, gone.Payload["force"])
	assert.Equal(t, "deleted", gone.Payload["status"])

	// The request can be found in the log, and the file has all of it too.
	p.log.mu.Lock()
	log := p.log.text.String()
	p.log.mu.Unlock()
	assert.Regexp(t, `"msg":"request","method":"POST","path":"[^"]*/backups","status":202,.*"request":"`+end.Context["request_id"].(string)+`"`, log)
	assert.Contains(t, log, `"msg":"notification","event":"backup.delete.end"`)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(raw), `"event_type":"backup.delete.end"`))
}
