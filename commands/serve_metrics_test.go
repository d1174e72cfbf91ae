package commands

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/commands/iostreams"
)

// scrape returns the samples of a page of metrics by name and labels.
func scrape(t *testing.T, url string) map[string]float64 {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	all := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		line := lines.Text()
		if i := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && i > 0 {
			all[line[:i]], err = strconv.ParseFloat(line[i+1:], 64)
			require.NoError(t, err, line)
		}
	}
	return all
}

func TestMetricsTellOfJobsBytesRequestsAndTheService(t *testing.T) {
	base, _ := startServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--host", "h1", "--notify", "log:", "--metrics", "127.0.0.1:0")
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := invoke(t, nil, append([]string{"--os-endpoint", base + "/v3", "-y"}, args...)...)
		require.Zero(t, code, stderr)
		return strings.TrimSpace(stdout)
	}
	volume := run("volume-create", "--name", "data", "-f", "value", "-c", "id", "1")
	id := run("backup-create", "-f", "value", "-c", "id", volume)
	run("backup-delete", id)
	var m map[string]float64
	require.Eventually(t, func() bool {
		m = scrape(t, base+"/metrics")
		return m[`cinder_go_jobs_total{kind="backup_delete",result="done"}`] == 1
	}, time.Minute, 5*time.Millisecond)

	for sample, want := range map[string]float64{
		`cinder_go_jobs_total{kind="backup_create",result="done"}`:                       1,
		`cinder_go_job_duration_seconds_count{kind="backup_create",result="done"}`:       1,
		`cinder_go_volume_bytes_total{operation="backup"}`:                               1 << 30,
		`cinder_go_volume_bytes_total{operation="restore"}`:                              0,
		`cinder_go_jobs_waiting`:                                                         0,
		`cinder_go_jobs_oldest_waiting_seconds`:                                          0,
		`cinder_go_driver_up{host="h1"}`:                                                 1,
		`cinder_go_state_up`:                                                             1,
		`cinder_go_notifications_dropped_total{driver="log"}`:                            0,
		`cinder_go_http_requests_total{code="202",method="POST",route="backups"}`:        1,
		`cinder_go_http_request_duration_seconds_count{method="POST",route="backups"}`:   1,
		`cinder_go_http_requests_total{code="202",method="DELETE",route="backups/{id}"}`: 1,
	} {
		have, ok := m[sample]
		assert.True(t, ok, "no %s", sample)
		assert.Equal(t, want, have, sample)
	}
	assert.Positive(t, m[`cinder_go_stored_bytes_total`])
	assert.GreaterOrEqual(t, m[`cinder_go_notifications_sent_total{driver="log"}`], 6.0, "driver_init, create with its progress, delete")
	assert.Less(t, m[`cinder_go_heartbeat_age_seconds`], 30.0)
	assert.Positive(t, m[`go_goroutines`])
	label := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}`)
	for sample := range m {
		assert.False(t, label.MatchString(sample), "%s has an identifier", sample)
	}
}

func TestMetricsOfTheAPIsPortAreForThisMachineAlone(t *testing.T) {
	teapot := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics") })
	for _, c := range []struct {
		name, method, path, remote, forwarded string
		status                                int
	}{
		{"this machine", "GET", "/metrics", "127.0.0.1:1", "", 200},
		{"this machine, IPv6", "GET", "/metrics", "[::1]:1", "", 200},
		{"another", "GET", "/metrics", "192.0.2.1:1", "", 418},
		{"another, through a proxy here", "GET", "/metrics", "127.0.0.1:1", "192.0.2.1", 418},
		{"another path", "GET", "/metrics/x", "127.0.0.1:1", "", 418},
		{"another method", "POST", "/metrics", "127.0.0.1:1", "", 418},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		w := httptest.NewRecorder()
		withMetrics(teapot, page).ServeHTTP(w, r)
		assert.Equal(t, c.status, w.Code, c.name)
	}
}

func TestMetricsPortOfItsOwn(t *testing.T) {
	code, _, stderr := invoke(t, nil, "serve", "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:-1")
	assert.Equal(t, 8, code, stderr)

	w := &watched{match: regexp.MustCompile(`metrics on (http://[0-9.:]+/metrics)`), found: make(chan string, 1)}
	found := w.found
	streams, _, _ := iostreams.Buffers(strings.NewReader(""))
	streams.Err = w
	con := &console{io: streams}
	s, err := (&metricsFlags{listen: "127.0.0.1:0"}).bind(t.Context())
	require.NoError(t, err)
	stop := s.serve(con, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a_b 1\n") }))
	url := <-found
	assert.Equal(t, map[string]float64{"a_b": 1}, scrape(t, url))
	answer, err := http.Get(strings.TrimSuffix(url, "/metrics") + "/v3/backups")
	require.NoError(t, err)
	answer.Body.Close()
	assert.Equal(t, http.StatusNotFound, answer.StatusCode)
	stop()
	_, err = http.Get(url)
	require.Error(t, err)
}
