package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what a scrape finds.
type State struct {
	Ready    map[string]bool // of each service by its host: the driver is set up
	Running  int             // jobs
	Waiting  int             // jobs
	Oldest   time.Duration   // for which the oldest of them has waited
	Reported time.Duration   // since the last heartbeat, of the service that is silent longest
	Drivers  []Notified
}

// Notified is what became of the notifications for one driver.
type Notified struct {
	Driver        string
	Sent, Dropped uint64
	Queued        int
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	driverUp    = description("driver_up", "Whether the driver of a backup service is set up; service-list --long says why not.", "host")
	running     = description("jobs_running", "Jobs at work in this process.")
	waiting     = description("jobs_waiting", "Jobs that wait for this process or its cluster.")
	oldest      = description("jobs_oldest_waiting_seconds", "For how long the oldest of the waiting jobs has waited; 0 when none waits.")
	heartbeat   = description("heartbeat_age_seconds", "Time since the service wrote its last heartbeat.")
	stateUp     = description("state_up", "Whether the database could be asked for this scrape; what it is asked for is missing when not.")
	notifySent  = description("notifications_sent_total", "Notifications delivered.", "driver")
	notifyLost  = description("notifications_dropped_total", "Notifications that were not delivered and never will be.", "driver")
	notifyQueue = description("notifications_queued", "Notifications that wait to be delivered.", "driver")
)

// asked collects what is read at every scrape.
type asked struct {
	state func(context.Context) (State, error)
}

// Describe sends nothing: the metrics are those that Collect finds.
func (asked) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state. Of a database that cannot be asked, the rest is
// told all the same.
func (a asked) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout) // the interface has none
	defer cancel()
	s, err := a.state(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(stateUp, truth(err == nil))
	for host, ready := range s.Ready {
		gauge(driverUp, truth(ready), host)
	}
	gauge(running, float64(s.Running))
	gauge(heartbeat, s.Reported.Seconds())
	if err == nil {
		gauge(waiting, float64(s.Waiting))
		gauge(oldest, s.Oldest.Seconds())
	}
	for _, d := range s.Drivers {
		to <- prometheus.MustNewConstMetric(notifySent, prometheus.CounterValue, float64(d.Sent), d.Driver)
		to <- prometheus.MustNewConstMetric(notifyLost, prometheus.CounterValue, float64(d.Dropped), d.Driver)
		gauge(notifyQueue, float64(d.Queued), d.Driver)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
