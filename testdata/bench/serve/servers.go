package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/db/sqlite"
)

// startTimeout is how long the engine may take to answer, and to end.
const startTimeout = 30 * time.Second

func newServer(name, root, project string, pid int) *server {
	return &server{
		name: name, base: root + "/v3/" + project, project: project, pid: pid,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
	}
}

// openEngine writes the rows into a state directory and starts serve on it.
func openEngine(ctx context.Context, program, dir string, set *fixtures) (*server, error) {
	state := filepath.Join(dir, "state")
	if err := fillEngine(ctx, state, set); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	var said bytes.Buffer
	cmd := exec.Command(program, "serve", "--listen", address, "--store", "posix://"+set.store, "--state-dir", state)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := newServer("cinder-go", "http://"+address, set.project, cmd.Process.Pid)
	s.close = func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		err := cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 130 {
			return nil // interrupted, as asked
		}
		return err
	}
	if err := answers(ctx, "http://"+address+"/healthcheck"); err != nil {
		return nil, errors.Join(err, s.close(), errors.New(said.String()))
	}
	return s, nil
}

func fillEngine(ctx context.Context, state string, set *fixtures) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	database, err := sqlite.Open(ctx, filepath.Join(state, "cinder-go.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	for _, b := range set.rows {
		if err := database.BackupCreate(ctx, b); err != nil {
			return errors.Join(err, database.Close())
		}
	}
	return database.Close()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// answers waits until url is answered with 200.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer", url)
		case <-tick.C:
		}
	}
}

// cloudVars are the state directory and the variables of the cloud;
// fs.ErrNotExist when none is up.
func cloudVars() (dir, vars string, err error) {
	dir = os.Getenv("CLOUD_DIR")
	if dir == "" {
		dir = "/tmp/cinder-go-cloud"
	}
	text, err := os.ReadFile(filepath.Join(dir, "run", "env"))
	return dir, string(text), err
}

// openCloud writes the rows into the database of the cloud, and takes them out
// at the end.
func openCloud(ctx context.Context, set *fixtures) (*server, error) {
	dir, vars, err := cloudVars()
	if err != nil {
		return nil, err
	}
	root := ""
	for line := range strings.Lines(vars) {
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "CLOUD_NOAUTH_URL="); ok {
			root, _, _ = strings.Cut(url, "/v3/")
		}
	}
	if err := answers(ctx, root+"/healthcheck"); err != nil {
		return nil, fmt.Errorf("the cloud in %s: %w", dir, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "pid", "cinder-api-noauth"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ") // its time of start follows
	pid, err := strconv.Atoi(first)
	if err != nil {
		return nil, fmt.Errorf("pid of cinder-api: %w", err)
	}
	s := newServer("cinder-api", root, set.project, pid)
	s.close = func() error {
		return sql(context.WithoutCancel(ctx), fmt.Sprintf(`DELETE FROM backup_metadata WHERE backup_id IN (SELECT id FROM backups WHERE project_id = '%[1]s');
DELETE FROM reservations WHERE project_id = '%[1]s'; DELETE FROM quota_usages WHERE project_id = '%[1]s';
DELETE FROM backups WHERE project_id = '%[1]s';`, set.project))
	}
	if err := sql(ctx, inserts(set)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func sql(ctx context.Context, statements string) error {
	cmd := exec.CommandContext(ctx, "testdata/cloud/sql")
	cmd.Stdin = strings.NewReader(statements)
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sql: %w: %s", err, out)
	}
	return err
}

// inserts are the rows as statements for MariaDB. No value comes from outside.
func inserts(set *fixtures) string {
	var out strings.Builder
	for i, b := range set.rows {
		if i%500 == 0 {
			if i > 0 {
				out.WriteString(";\n")
			}
			out.WriteString(`INSERT INTO backups (id, volume_id, user_id, project_id, host, availability_zone, display_name, container,
 service_metadata, service, status, size, object_count, num_dependent_backups, created_at, updated_at, data_timestamp, deleted) VALUES `)
		} else {
			out.WriteString(",\n")
		}
		at := b.CreatedAt.Format(time.DateTime)
		fmt.Fprintf(&out, "('%s','%s','%s','%s','%s','%s','%s','%s','%s','%s','%s',%d,%d,0,'%s','%s','%s',0)",
			b.ID, b.VolumeID, b.UserID, b.ProjectID, b.Host, b.AvailabilityZone, *b.Name, b.Container,
			b.ServiceMetadata, b.Service, b.Status, b.Size, b.ObjectCount, at, at, at)
	}
	out.WriteString(";\n")
	return out.String()
}

// residentSet is the memory of a process and its children, in bytes.
func residentSet(pid int) (int64, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	pages := map[int]int64{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// The name stands in parentheses and may hold anything.
		at := bytes.LastIndexByte(text, ')')
		fields := strings.Fields(string(text[at+1:]))
		if at < 0 || len(fields) < 22 {
			continue
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], id)
		pages[id], _ = strconv.ParseInt(fields[21], 10, 64)
	}
	if pages[pid] == 0 {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	var total int64
	for next := []int{pid}; len(next) > 0; {
		id := next[0]
		next = append(next[1:], children[id]...)
		total += pages[id]
	}
	return total * int64(os.Getpagesize()), nil
}
