package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// stub answers what clients ask of a Cinder without Keystone, at once and out of
// memory: so that it is the clients that are measured. Every backup that is not
// deleted is available.
type stub struct {
	url string

	mu      sync.Mutex
	rows    []map[string]any
	deleted map[string]bool
	server  *http.Server
}

const stubProject = "00000000000000000000000000000000"

// openStub serves n backups on loopback.
func openStub(n int) (*stub, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &stub{url: "http://" + listener.Addr().String(), deleted: map[string]bool{}}
	for i := range n {
		s.rows = append(s.rows, s.row(id(i+1)))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.versions)
	mux.HandleFunc("GET /v3/backups", s.list)
	mux.HandleFunc("GET /v3/backups/detail", s.list)
	mux.HandleFunc("GET /v3/backups/{id}", s.show)
	mux.HandleFunc("POST /v3/backups/{id}/action", s.remove)
	mux.HandleFunc("DELETE /v3/backups/{id}", s.remove)
	mux.HandleFunc("GET /v3/os-services", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"services": []any{map[string]any{"binary": "cinder-backup", "host": "bak", "zone": "nova",
			"status": "enabled", "state": "up", "updated_at": time.Now().UTC().Format("2006-01-02T15:04:05.000000"), "disabled_reason": nil}}})
	})
	// Some clients say the project in the path, others leave it to the token.
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/v3/"+stubProject, "/v3", 1)
		mux.ServeHTTP(w, r)
	})}
	go s.server.Serve(listener) // until close
	return s, nil
}

func (s *stub) close() error { return s.server.Close() }

// restock brings back what was deleted, and tells how much that was.
func (s *stub) restock() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.deleted)
	clear(s.deleted)
	return n
}

func (s *stub) row(id string) map[string]any {
	self := s.url + "/v3/" + stubProject + "/backups/" + id
	return map[string]any{
		"id": id, "status": "available", "size": 1, "object_count": 22, "availability_zone": "nova", "container": "volumebackups",
		"created_at": "2024-01-02T03:04:05.000000", "updated_at": "2024-01-02T03:05:05.000000", "name": "nightly-" + id[:8], "description": nil,
		"fail_reason": nil, "volume_id": "6b0b468c-ee4a-46d5-be0f-fb34124f2d6a", "is_incremental": false, "has_dependent_backups": false,
		"snapshot_id": nil, "data_timestamp": "2024-01-02T03:04:05.000000", "metadata": map[string]any{}, "user_id": "admin",
		"os-backup-project-attr:project_id": stubProject,
		"links":                             []any{map[string]any{"rel": "self", "href": self}, map[string]any{"rel": "bookmark", "href": strings.Replace(self, "/v3", "", 1)}},
	}
}

func (s *stub) versions(w http.ResponseWriter, r *http.Request) {
	status := http.StatusMultipleChoices
	if strings.HasPrefix(r.URL.Path, "/v3") {
		status = http.StatusOK
	}
	if r.URL.Path != "/" && r.URL.Path != "/v3/" && r.URL.Path != "/v3" {
		fault(w, http.StatusNotFound)
		return
	}
	answer(w, status, map[string]any{"versions": []any{map[string]any{"id": "v3.0", "status": "CURRENT", "version": "3.70", "min_version": "3.0",
		"updated": "2022-08-31T00:00:00Z", "links": []any{map[string]any{"rel": "self", "href": s.url + "/v3/"}}, "media-types": []any{}}}})
}

// list has all rows, or the one that is asked for. None stands on another.
func (s *stub) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := r.URL.Query()
	rows := []map[string]any{}
	for _, row := range s.rows {
		if id := row["id"].(string); !s.deleted[id] && asked.Get("parent_id") == "" && (asked.Get("id") == "" || asked.Get("id") == id) {
			rows = append(rows, row)
		}
	}
	answer(w, http.StatusOK, map[string]any{"backups": rows})
}

func (s *stub) find(id string) map[string]any {
	for _, row := range s.rows {
		if row["id"] == id && !s.deleted[id] {
			return row
		}
	}
	return nil
}

func (s *stub) show(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if row := s.find(r.PathValue("id")); row != nil {
		answer(w, http.StatusOK, map[string]any{"backup": row})
		return
	}
	fault(w, http.StatusNotFound)
}

func (s *stub) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(r.PathValue("id")) == nil {
		fault(w, http.StatusNotFound)
		return
	}
	s.deleted[r.PathValue("id")] = true
	w.Header().Set("OpenStack-API-Version", "volume 3.70")
	w.WriteHeader(http.StatusAccepted)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("OpenStack-API-Version", "volume 3.70")
	w.Header().Set("Vary", "OpenStack-API-Version")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to who has gone there is nothing to say
}

func fault(w http.ResponseWriter, status int) {
	answer(w, status, map[string]any{"itemNotFound": map[string]any{"code": status, "message": fmt.Sprint(http.StatusText(status))}})
}
