// Package metrics counts what an engine does, for Prometheus. A Set has a
// registry of its own. No label holds an identifier: their values are kinds,
// results, routes and drivers, of which there are few.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cinder-go/cinder-go/driverstate"
)

const namespace = "cinder_go"

// scrapeTimeout bounds what one scrape asks of the database.
const scrapeTimeout = 5 * time.Second

// Set are the metrics of one engine. It is safe for concurrent use.
type Set struct {
	registry *prometheus.Registry

	jobs     *prometheus.CounterVec
	duration *prometheus.HistogramVec
	volume   *prometheus.CounterVec
	stored   prometheus.Counter
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec

	mu   sync.Mutex
	done map[operation]int64 // bytes of operations under way
}

// operation is one that an observer is told of.
type operation struct{ op, backup string }

// Buckets: of an operation on a volume, from a moment to a day; of an answer.
var (
	jobBuckets     = []float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400}
	latencyBuckets = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 30}
)

// New returns a Set that also reads state at every scrape. version and commit
// are of the program.
func New(version, commit string, state func(context.Context) (State, error)) *Set {
	s := &Set{registry: prometheus.NewRegistry(), done: map[operation]int64{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
		s.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
		s.registry.MustRegister(h)
		return h
	}
	s.jobs = counter("jobs_total", "Jobs that ended: backups, restores, deletes and so on.", "kind", "result")
	s.duration = histogram("job_duration_seconds", "How long jobs took.", jobBuckets, "kind", "result")
	s.volume = counter("volume_bytes_total", "Bytes of volumes read by a backup, written by a restore, proven by a verification, copied by a shipment.", "operation")
	s.stored = counter("stored_bytes_total", "Bytes that finished backups wrote to the store.").WithLabelValues()
	s.requests = counter("http_requests_total", "Requests answered by the API.", "method", "route", "code")
	s.latency = histogram("http_request_duration_seconds", "How long the API took to answer.", latencyBuckets, "method", "route")
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "The program; always 1."},
		[]string{"version", "commit", "goversion"})
	info.WithLabelValues(version, commit, runtime.Version()).Set(1)
	s.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), asked{state})
	for _, op := range []string{"backup", "restore", "verify", "ship"} {
		s.volume.WithLabelValues(op)
	}
	return s
}

// Handler answers scrapes.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

// Job counts a job that ended. stored is what it wrote to the store, bytes.
func (s *Set) Job(kind, result string, took time.Duration, stored int64) {
	s.jobs.WithLabelValues(kind, result).Inc()
	s.duration.WithLabelValues(kind, result).Observe(took.Seconds())
	s.stored.Add(float64(stored))
}

// Request counts an answer. route is a pattern; empty for what has none.
func (s *Set) Request(method, route string, status int, took time.Duration) {
	if route == "" {
		route = "other"
	}
	s.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	s.latency.WithLabelValues(method, route).Observe(took.Seconds())
}

// Observer counts the bytes of what next is told of.
func (s *Set) Observer(next driverstate.Observer) driverstate.Observer {
	if next == nil {
		next = driverstate.Discard
	}
	return driverstate.ObserverFunc(func(e driverstate.Event) {
		s.observe(e)
		next.Observe(e)
	})
}

func (s *Set) observe(e driverstate.Event) {
	switch e.Op {
	case "backup", "restore", "verify", "ship":
	default:
		return
	}
	key := operation{e.Op, e.BackupID}
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := e.BytesDone - s.done[key]; more > 0 {
		s.volume.WithLabelValues(e.Op).Add(float64(more))
		s.done[key] = e.BytesDone
	}
	if e.Type == driverstate.EventEnd || e.Type == driverstate.EventError {
		delete(s.done, key)
	}
}
