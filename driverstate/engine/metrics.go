package engine

import (
	"context"
	"net/http"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/api"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/metrics"
	"github.com/cinder-go/cinder-go/driverstate/notify"
)

// newMetrics counts for e; it may be scraped once e.manager is set.
func newMetrics(e *Engine, c Config, n *notify.Notifier) *metrics.Set {
	now := c.Now
	if now == nil {
		now = time.Now
	}
	return metrics.New(c.Version, c.Commit, func(ctx context.Context) (metrics.State, error) {
		services, err := e.manager.States(ctx)
		told := metrics.State{Ready: map[string]bool{}}
		for host, s := range services {
			told.Ready[host] = s.Ready
			told.Running += s.Running
			told.Waiting += s.Waiting
			told.Reported = max(told.Reported, since(now, s.Reported))
			told.Oldest = max(told.Oldest, since(now, s.Oldest))
		}
		for _, d := range n.Stats() {
			told.Drivers = append(told.Drivers, metrics.Notified(d))
		}
		return told, err
	})
}

// since is how long ago t was; 0 for no time.
func since(now db.Clock, t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(now().Sub(t), 0)
}

func countJobs(s *metrics.Set) func(manager.Outcome) {
	return func(o manager.Outcome) { s.Job(string(o.Kind), o.Result, o.Duration, o.StoredBytes) }
}

func countRequests(s *metrics.Set) func(api.Served) {
	return func(r api.Served) { s.Request(r.Method, r.Route, r.Status, r.Took) }
}

// Metrics answers Prometheus.
func (e *Engine) Metrics() http.Handler { return e.metrics }
