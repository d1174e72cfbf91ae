package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// auditOff turns the audit log off.
const auditOff = "off"

// auditLog appends what is written to a target, and what came of it, to a file
// of JSON Lines: a line when a request was answered, and a line when a verb
// knows the outcome. It holds no secret: no header, and of a body the name of
// the action only. It is safe for concurrent use; each line is one write, so
// that several processes may share the file.
type auditLog struct {
	path     string // empty: none
	explicit bool   // asked for: without it nothing may be written
	now      func() time.Time
	warn     func(string)
	target   string // the cloud, or the store
	local    string // user of this machine
	verb     string

	mu       sync.Mutex
	who      client.Identity
	file     *os.File
	broken   error
	requests map[string][]string // ids of requests, by the id of what they changed
}

// auditLine is one line of the log.
type auditLine struct {
	Time      time.Time `json:"time"`
	Type      string    `json:"type"` // request, outcome
	Verb      string    `json:"verb"`
	LocalUser string    `json:"local_user,omitempty"`
	Target    string    `json:"target"`
	User      string    `json:"user,omitempty"`
	Project   string    `json:"project,omitempty"`
	ProjectID string    `json:"project_id,omitempty"`

	// of a request
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"`
	Action    string `json:"action,omitempty"`
	Host      string `json:"host,omitempty"` // of a service
	Binary    string `json:"binary,omitempty"`
	Status    int    `json:"status,omitempty"`
	RequestID string `json:"request_id,omitempty"`

	// of an outcome
	ID         string    `json:"id,omitempty"`
	Name       string    `json:"name,omitempty"`
	Result     outcome   `json:"result,omitempty"`
	Before     *auditRow `json:"before,omitempty"`
	After      *auditRow `json:"after,omitempty"`
	Detail     string    `json:"detail,omitempty"`
	RequestIDs []string  `json:"request_ids,omitempty"`

	Error string `json:"error,omitempty"`
}

// auditRow is what the log keeps of a row.
type auditRow struct {
	Status     driverstate.Status `json:"status"`
	VolumeID   string             `json:"volume_id,omitempty"`
	ProjectID  string             `json:"project_id,omitempty"`
	Size       int64              `json:"size,omitempty"`
	Container  string             `json:"container,omitempty"`
	FailReason string             `json:"fail_reason,omitempty"`
	UpdatedAt  time.Time          `json:"updated_at,omitzero"`
}

// auditRowOf is the row of a backup or a volume; nil when none is known.
func auditRowOf(row any) *auditRow {
	switch v := row.(type) {
	case *client.Backup:
		return auditBackup(v)
	case *client.Volume:
		return &auditRow{Status: driverstate.Status(v.Status), ProjectID: v.ProjectID, Size: v.Size, UpdatedAt: v.UpdatedAt}
	}
	return nil
}

func auditBackup(b *client.Backup) *auditRow {
	return &auditRow{Status: b.Status, VolumeID: b.VolumeID, ProjectID: b.ProjectID, Size: b.Size,
		Container: deref(b.Container), FailReason: deref(b.FailReason), UpdatedAt: b.UpdatedAt}
}

// open makes the file ready. Without a log that was asked for nothing may be
// changed; without the usual one a repair at night goes on, with a warning.
func (a *auditLog) open() error {
	if a.path == "" || a.file != nil || a.broken != nil {
		return a.refusal()
	}
	err := os.MkdirAll(filepath.Dir(a.path), 0o700)
	if err == nil {
		a.file, err = os.OpenFile(a.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
	if err != nil {
		a.fail(err)
	}
	return a.refusal()
}

func (a *auditLog) refusal() error {
	if a.broken != nil && a.explicit {
		return driverstate.Fail(driverstate.ErrInvalidInput, a.broken.Error())
	}
	return nil
}

func (a *auditLog) fail(err error) {
	a.broken = fmt.Errorf("audit log: %w", err)
	a.warn(a.broken.Error() + "; --audit-log FILE names another place")
}

func (a *auditLog) append(l auditLine) {
	if a.file == nil || a.broken != nil {
		return
	}
	l.Time, l.Verb, l.LocalUser, l.Target = a.now().UTC(), a.verb, a.local, a.target
	l.User, l.Project, l.ProjectID = a.who.User, a.who.Project, a.who.ProjectID
	line, err := json.Marshal(l)
	if err == nil {
		_, err = a.file.Write(append(line, '\n'))
	}
	if err != nil {
		a.fail(err)
	}
}

// outcome writes what became of one item, if a request was made for it.
func (a *auditLog) outcome(r result) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := a.requests[r.id]
	if len(ids) == 0 {
		return
	}
	l := auditLine{Type: "outcome", ID: r.id, Name: r.name, Result: r.outcome, Before: auditRowOf(r.before), After: auditRowOf(r.after),
		Detail: r.detail, RequestIDs: ids}
	if r.err != nil {
		l.Error = r.err.Error()
	}
	a.append(l)
}

func (a *auditLog) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// transport returns rt with every write told to the log.
func (a *auditLog) transport(rt http.RoundTripper) http.RoundTripper {
	if a.path == "" {
		return rt
	}
	if rt == nil {
		rt = http.DefaultTransport
	}
	return auditTransport{a, rt}
}

type auditTransport struct {
	log  *auditLog
	next http.RoundTripper
}

// maxAuditBody bounds what is read of a body to learn an id or an action.
const maxAuditBody = 64 << 10

func (t auditTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/auth/tokens") {
		return t.next.RoundTrip(r)
	}
	t.log.mu.Lock()
	err := t.log.open()
	t.log.mu.Unlock()
	if err != nil {
		return nil, err
	}
	l := auditLine{Type: "request", Method: r.Method, Path: r.URL.Path}
	l.name(r)
	resp, err := t.next.RoundTrip(r)
	changed := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if err != nil {
		l.Error = err.Error()
	} else {
		l.Status, l.RequestID = resp.StatusCode, resp.Header.Get("X-Openstack-Request-Id")
		changed = append(changed, idOf(resp)...)
	}
	t.log.mu.Lock()
	defer t.log.mu.Unlock()
	for _, id := range changed {
		t.log.requests[id] = append(t.log.requests[id], l.RequestID)
	}
	t.log.append(l)
	return resp, err
}

// name takes from a request's body what its path does not say: the name of an
// action, and which service is meant.
func (l *auditLine) name(r *http.Request) {
	action, service := strings.HasSuffix(r.URL.Path, "/action"), strings.Contains(r.URL.Path, "/os-services/")
	if !action && !service || r.GetBody == nil {
		return
	}
	body, err := r.GetBody()
	if err != nil {
		return
	}
	defer body.Close()
	var members map[string]json.RawMessage
	if json.NewDecoder(io.LimitReader(body, maxAuditBody)).Decode(&members) != nil {
		return
	}
	if service {
		_ = json.Unmarshal(members["host"], &l.Host) // what is no text is no host
		_ = json.Unmarshal(members["binary"], &l.Binary)
		return
	}
	for name := range members {
		l.Action = name
	}
}

// idOf is the id of what an answer says was made. The body can still be read.
func idOf(resp *http.Response) []string {
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxAuditBody))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), errorReader{err}, resp.Body), resp.Body}
	var made map[string]struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(head, &made) != nil {
		return nil
	}
	var ids []string
	for _, m := range made {
		if m.ID != "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// errorReader hands on an error of what was read before; nil is none.
type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}
