package commands

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cloud is the running cloud of testdata/cloud. It speaks to it without any
// code of this module, which is what is being tested.
type cloud struct {
	dir    string
	vars   map[string]string // what testdata/cloud/up wrote down
	tokens map[string]string // of admin, by project
}

// cloudScript is what one script has made and touched.
type cloudScript struct {
	*cloud
	name, prefix  string
	user, project string
	ids           []string          // volumes and backups
	sums          map[string]string // SHA-256 by volume
	writes        int
	touched       []string // services that may be down
	services      []string // services that were added
}

// needCloud skips a test outside of the lane that has a cloud (make
// test-cloud), and fails it there when none is up.
func needCloud(t *testing.T) *cloud {
	t.Helper()
	if os.Getenv("CINDER_GO_REQUIRE_CLOUD") == "" {
		t.Skip("SKIPPED: this needs a real cloud; make cloud-up test-cloud runs it")
	}
	dir := os.Getenv("CLOUD_DIR")
	if dir == "" {
		dir = "/tmp/cinder-go-cloud"
	}
	c := &cloud{dir: dir, vars: map[string]string{}, tokens: map[string]string{}}
	require.NoError(t, c.find(), "there is no cloud; make cloud-up starts one")
	return c
}

func (c *cloud) find() error {
	text, err := os.ReadFile(filepath.Join(c.dir, "run", "env"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		c.vars[key] = value
	}
	if _, err := c.request("GET", c.vars["CLOUD_API"]+"/healthcheck", nil, nil, nil); err != nil {
		return err
	}
	_, err = c.token(c.vars["CLOUD_ADMIN_PROJECT"])
	return err
}

func (c *cloud) tool(name string) string {
	path, _ := filepath.Abs(filepath.Join("..", "testdata", "cloud", name)) // fails only without a working directory
	return path
}

func (c *cloud) run(tool string, args ...string) (string, error) {
	cmd := exec.Command(c.tool(tool), args...)
	cmd.Env = append(os.Environ(), "CLOUD_DIR="+c.dir, "CLOUD_BASE="+c.vars["CLOUD_BASE"])
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, failed.Stderr)
	}
	return string(out), err
}

func (c *cloud) sql(statement string) (string, error) { return c.run("sql", statement, "-N") }

// request sends one request; an answer of 400 and more is an error.
func (c *cloud) request(method, url string, header map[string]string, body, answer any) (http.Header, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, url, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	for key, value := range header {
		req.Header.Set(key, value)
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	return resp.Header, err
}

// token is the admin's for a project, asked for once: it lives for hours.
func (c *cloud) token(project string) (string, error) { return c.tokenOf("admin", project) }

func (c *cloud) tokenOf(user, project string) (string, error) {
	if token := c.tokens[user+project]; token != "" {
		return token, nil
	}
	type object = map[string]any
	header, err := c.request("POST", c.vars["CLOUD_AUTH_URL"]+"/auth/tokens", nil, object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{
			"user": object{"name": user, "password": user, "domain": object{"id": "default"}}}},
		"scope": object{"project": object{"id": project}},
	}}, nil)
	if err != nil {
		return "", err
	}
	c.tokens[user+project] = header.Get("X-Subject-Token")
	return c.tokens[user+project], nil
}

// api calls Cinder as a user.
func (c *cloud) api(user, project, method, path string, body, answer any) error {
	token, err := c.tokenOf(user, project)
	if err != nil {
		return err
	}
	_, err = c.request(method, c.vars["CLOUD_API"]+"/v3/"+project+path,
		map[string]string{"X-Auth-Token": token, "OpenStack-API-Version": "volume 3.64"}, body, answer)
	return err
}

// owner is who makes the things of a script: the noauth API has no users, and
// what the admin makes is as good.
func (s *cloudScript) owner() string {
	if s.user == "noauth" {
		return "admin"
	}
	return s.user
}

// nameOf is the name in the cloud of what a script calls VOL or FULL.
func (s *cloudScript) nameOf(variable string) string {
	return s.prefix + "-" + strings.ReplaceAll(strings.ToLower(variable), "_", "-")
}

// track remembers what clean shall remove.
func (s *cloudScript) track(id string) { s.ids = append(s.ids, id) }

type cloudObject struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	FailReason string `json:"fail_reason"`
}

// create posts to /volumes or /backups, and waits until what was made is
// available.
func (s *cloudScript) create(collection, kind string, body map[string]any) (string, error) {
	answer := map[string]cloudObject{}
	if err := s.api(s.owner(), s.project, "POST", collection, map[string]any{kind: body}, &answer); err != nil {
		return "", err
	}
	id := answer[kind].ID
	s.track(id)
	var err error
	eventually(2*time.Minute, func() bool {
		err = s.api(s.owner(), s.project, "GET", collection+"/"+id, nil, &answer)
		return err != nil || answer[kind].Status != "creating"
	})
	if now := answer[kind]; err == nil && now.Status != "available" {
		err = fmt.Errorf("%s %s is %s: %s", kind, id, now.Status, now.FailReason)
	}
	return id, err
}

func (s *cloudScript) createVolume(name, volumeType, zone string) (string, error) {
	body := map[string]any{"name": name, "size": 1}
	if volumeType != "" {
		body["volume_type"] = volumeType
	}
	id, err := s.create("/volumes", "volume", body)
	if err == nil && zone != "" {
		// Cinder would look for a cinder-volume in that zone.
		_, err = s.sql(fmt.Sprintf("UPDATE volumes SET availability_zone='%s' WHERE id='%s'", zone, id))
	}
	return id, err
}

func (s *cloudScript) createBackup(name, volume string, incremental bool) (string, error) {
	return s.create("/backups", "backup", map[string]any{"name": name, "volume_id": volume, "incremental": incremental})
}

func (c *cloud) volumeFile(id string) string { return filepath.Join(c.dir, "volumes", id) }

// write puts 4 MiB of noise on a volume, all over it and across the limit of
// the first chunk, and returns the SHA-256 of the whole. The noise depends on
// the script's name, the seed and how much the script wrote before.
func (s *cloudScript) write(volume, seed string) (string, error) {
	name := s.volumeFile(volume)
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	s.writes++
	random := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s %s %d", s.name, seed, s.writes)))
	noise := make([]byte, 1<<20)
	for _, at := range []int64{0, 50<<20 - 1<<19, 512<<20 + int64(s.writes)<<20, 1<<30 - 1<<20} {
		_, _ = random.Read(noise) // which never fails
		if _, err := file.WriteAt(noise, at); err != nil {
			return "", err
		}
	}
	s.sums[volume], err = hashFile(name)
	return s.sums[volume], err
}
