package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/trace"
)

// Served is what there is to count of a request that was answered.
type Served struct {
	Method string // as in the table of routes, else "other"
	Route  string // pattern such as backups/{id}; empty for what is not in the table
	Status int
	Took   time.Duration
}

// recorder keeps the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// served tells the log, and who counts, of one answer.
func (s *server) served(q *request, answer *recorder, began time.Time) {
	told := Served{Method: "other", Route: q.route, Status: answer.status, Took: time.Since(began)}
	if told.Status == 0 {
		told.Status = http.StatusOK // as net/http does
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		told.Method = q.Method
	}
	if s.cfg.Served != nil {
		s.cfg.Served(told)
	}
	level := slog.LevelInfo
	if q.URL.Path == healthPath {
		level = slog.LevelDebug
	}
	s.log.LogAttrs(q.Context(), level, "request", slog.String("method", q.Method), slog.String("path", q.URL.Path),
		slog.Int("status", told.Status), slog.Duration("took", told.Took), slog.String("remote", q.RemoteAddr))
}

// follow has the work of q, and what is logged of it, follow from this request.
func (q *request) follow(r trace.Request) {
	r.GlobalID = trace.GlobalID(q.Header.Get("X-Openstack-Request-Id"))
	q.Request = q.WithContext(trace.With(q.Context(), r))
}
