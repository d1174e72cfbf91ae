package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// replayServer is a server that scenarios are asked of.
type replayServer struct {
	base  string
	users map[string]replayUser
	vars  map[string]string // of the scenario that runs
}

type replayUser struct{ token, project string }

// ask sends a step's request and returns the answer as it is compared.
func (s *replayServer) ask(t *testing.T, step *replayStep) replayAnswer {
	t.Helper()
	resp, raw := s.send(t, step)
	s.save(t, step, resp.StatusCode, raw)
	return s.normal(step, resp, raw)
}

// send sends a step's request and reads the answer.
func (s *replayServer) send(t *testing.T, step *replayStep) (*http.Response, []byte) {
	t.Helper()
	user := s.users[step.as]
	fill := s.filler()
	target, content := fill.Replace(step.target), fill.Replace(step.body)
	if below, ok := strings.CutPrefix(target, "~"); ok {
		target = "/v3/" + user.project + below
	}
	var body io.Reader
	if content != "" {
		body = strings.NewReader(content)
	}
	req, err := http.NewRequestWithContext(t.Context(), step.method, s.base+target, body)
	require.NoError(t, err)
	if user.token != "" {
		req.Header.Set("X-Auth-Token", user.token)
	}
	if step.version != "none" {
		req.Header.Set("OpenStack-API-Version", "volume "+step.version)
	}
	if content != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	for key, value := range step.header {
		if req.Header.Set(key, fill.Replace(value)); value == "" {
			req.Header.Del(key)
		}
	}
	resp, err := (&http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(req)
	require.NoError(t, err, step.name())
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, raw
}

// filler puts values for variables, the longest names first.
func (s *replayServer) filler() *strings.Replacer {
	var pairs []string
	names := slices.Collect(maps.Keys(s.vars))
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		pairs = append(pairs, "$"+name, s.vars[name])
	}
	return strings.NewReplacer(pairs...)
}

func (s *replayServer) save(t *testing.T, step *replayStep, status int, raw []byte) {
	t.Helper()
	if len(step.saves) == 0 {
		return
	}
	var doc any
	require.NoError(t, json.Unmarshal(raw, &doc), "%s: %d %s", step.name(), status, raw)
	for _, save := range step.saves {
		at := doc
		for key := range strings.SplitSeq(save[1], ".") {
			switch inner := at.(type) {
			case map[string]any:
				at = inner[key]
			case []any:
				n, _ := strconv.Atoi(key)
				require.Less(t, n, len(inner), step.name())
				at = inner[n]
			}
		}
		require.IsType(t, "", at, "%s has no %s: %d %s", step.name(), save[1], status, raw)
		s.vars[save[0]] = at.(string)
	}
}

// await asks until a resource has a status; "gone" is when it is not there, and
// "older" when the server's clock shows a later second than that in which it
// was made: Cinder keeps whole seconds, and lists what was made within one in
// the order of random ids.
func (s *replayServer) await(t *testing.T, step *replayStep) {
	t.Helper()
	now := ""
	ok := eventually(4*time.Minute, func() bool { // a cloud that is busy restores slowly
		probe := *step
		probe.method = "GET"
		resp, raw := s.send(t, &probe)
		if resp.StatusCode == http.StatusNotFound {
			now = "gone"
			return now == step.wait
		}
		var doc map[string]struct {
			Status  string `json:"status"`
			Created string `json:"created_at"`
		}
		require.NoError(t, json.Unmarshal(raw, &doc), "%s: %s", step.name(), raw)
		for _, item := range doc {
			if now = item.Status; step.wait == "older" && madeBefore(t, item.Created, resp) {
				now = step.wait
			}
		}
		return now == step.wait
	})
	require.True(t, ok, "%s: it is %s", step.name(), now)
}

// madeBefore is whether a time is of an earlier second than an answer.
func madeBefore(t *testing.T, created string, resp *http.Response) bool {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05", created)
	require.NoError(t, err)
	answered, err := http.ParseTime(resp.Header.Get("Date"))
	require.NoError(t, err)
	return at.Truncate(time.Second).Before(answered)
}

// Headers that are compared.
var replayHeaders = []string{
	"Content-Type", "Openstack-Api-Version", "Vary", "Location", "Retry-After", "X-Auth-Token", "X-Server-Management-Url",
}

func (s *replayServer) normal(step *replayStep, resp *http.Response, raw []byte) replayAnswer {
	a := replayAnswer{Status: resp.StatusCode, Headers: map[string]string{}}
	for _, key := range replayHeaders {
		if value := resp.Header.Get(key); value != "" {
			a.Headers[key] = s.words(value)
		}
	}
	ids := []string{resp.Header.Get("X-Openstack-Request-Id"), resp.Header.Get("X-Compute-Request-Id")}
	switch {
	case ids[0] != "" && ids[0] == ids[1]:
		a.Headers["request ids"] = "two, the same"
	case ids[0] != "" && ids[1] == "":
		a.Headers["request ids"] = "one"
	}
	var doc any
	if json.Unmarshal(raw, &doc) != nil {
		if len(raw) > 0 {
			a.Body = s.words(string(raw))
		}
		return a
	}
	a.Body = s.values("", doc)
	if step.shape {
		a.Body = shapeOf(a.Body)
	}
	return a
}

var (
	replayUUID = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	replayTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6})?`)
	noUUID     = regexp.MustCompile(`^[01]{8}-`)
)

// words replaces what differs from run to run in a text.
func (s *replayServer) words(text string) string {
	pairs := []string{s.base, "$base", strings.TrimPrefix(s.base, "http://"), "$host_of_base"}
	for name, value := range s.vars {
		if len(value) > 7 {
			pairs = append(pairs, value, "$"+name)
		}
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	text = setsOfCinder.Replace(text)
	text = replayUUID.ReplaceAllStringFunc(text, func(id string) string {
		if noUUID.MatchString(id) {
			return id
		}
		return "<uuid>"
	})
	return replayTime.ReplaceAllStringFunc(text, func(at string) string {
		return "<time" + strings.Repeat("0", len(replayTime.FindStringSubmatch(at)[1])) + ">"
	})
}

// setsOfCinder puts into one order what Cinder's processes print in one each.
var setsOfCinder = strings.NewReplacer(
	"must be Volume or Snapshot", "must be Snapshot or Volume",
	"filter keys: nonsense, more", "filter keys: more, nonsense",
)

var splitID = regexp.MustCompile(`^[0-9a-f]{2}/[0-9a-f]{2}/`)

// serverValues are members whose values are the server's own: not compared
// where both have one, or Cinder has null.
var serverValues = map[string]string{
	"availability_zone": "of a backup: Zed leaves it null, later releases fill it in as the engine does",
	"shared_targets":    "whether the volume driver shares a target between volumes",
	"service_uuid":      "the cinder-volume that has the volume; null where there is none",
	"cluster_name":      "the cluster of the cinder-volume that has the volume",
}

// hostKeys name a host of the server.
var hostKeys = []string{"os-vol-host-attr:host", "host"}

func (s *replayServer) values(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		_, isBackup := v["data_timestamp"]
		for k, inner := range v {
			if _, ok := serverValues[k]; ok && (isBackup || k != "availability_zone") {
				inner = "<server>"
			}
			out[k] = s.values(k, inner)
		}
		return out
	case float64:
		if key == "object_count" && v > 0 { // by the size of chunks
			return "<some>"
		}
	case []any:
		out := []any{}
		for _, inner := range v {
			out = append(out, s.values("", inner))
		}
		return out
	case string:
		if slices.Contains(hostKeys, key) {
			return "<host>"
		}
		if key == "backup_url" && len(v) > 40 {
			return "<record>"
		}
		if key == "user_id" {
			return "<user>"
		}
		if key == "container" { // posix splits the id into directories
			v = splitID.ReplaceAllString(v, "aa/bb/")
		}
		if key == "updated" { // of the version document: the date of the release
			return "<release>"
		}
		return s.words(v)
	}
	return v
}

// shapeOf is a value without its values: kinds of members and items.
func shapeOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			if out[k] = shapeOf(inner); k == "disabled_reason" {
				out[k] = "text or null"
			}
		}
		return out
	case []any:
		seen := map[string]any{}
		for _, inner := range v {
			shape := shapeOf(inner)
			key, _ := json.Marshal(shape) // of plain values: cannot fail
			seen[string(key)] = shape
		}
		out := []any{}
		for _, key := range slices.Sorted(maps.Keys(seen)) {
			out = append(out, seen[key])
		}
		return out
	case string:
		return "text"
	case float64:
		return "number"
	case bool:
		return "boolean"
	}
	return v
}

// differences are the places in which two values differ, a line each.
func differences(at string, want, got any) []string {
	if w, ok := want.(map[string]any); ok {
		if g, ok := got.(map[string]any); ok {
			var out []string
			keys := slices.Sorted(maps.Keys(w))
			for _, k := range slices.Sorted(maps.Keys(g)) {
				if _, ok := w[k]; !ok {
					out = append(out, fmt.Sprintf("%s.%s: Cinder has none, got %s", at, k, inJSON(g[k])))
				}
			}
			for _, k := range keys {
				if _, ok := g[k]; !ok {
					out = append(out, fmt.Sprintf("%s.%s: Cinder has %s, got none", at, k, inJSON(w[k])))
					continue
				}
				out = append(out, differences(at+"."+k, w[k], g[k])...)
			}
			return out
		}
	}
	if w, ok := want.([]any); ok {
		if g, ok := got.([]any); ok && len(w) == len(g) {
			var out []string
			for i := range w {
				out = append(out, differences(fmt.Sprintf("%s[%d]", at, i), w[i], g[i])...)
			}
			return out
		}
	}
	if a, b := inJSON(want), inJSON(got); a != b {
		return []string{fmt.Sprintf("%s: Cinder has %s, got %s", at, a, b)}
	}
	return nil
}

func inJSON(v any) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // of plain values: cannot fail
	return strings.TrimSpace(out.String())
}

func (a replayAnswer) differences(got replayAnswer) []string {
	whole := func(a replayAnswer) any {
		headers := map[string]any{}
		for k, v := range a.Headers {
			headers[k] = v
		}
		return map[string]any{"status": a.Status, "headers": headers, "body": a.Body}
	}
	if a.Status != got.Status {
		return []string{fmt.Sprintf("Cinder has %d %s, got %d %s", a.Status, inJSON(a.Body), got.Status, inJSON(got.Body))}
	}
	return differences("", whole(a), whole(got))
}
