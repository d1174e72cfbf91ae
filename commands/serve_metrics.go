package commands

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"github.com/cinder-go/cinder-go/driverstate"
)

// metricsPath is where Prometheus asks.
const metricsPath = "/metrics"

// metricsFlags say where metrics can be had besides the API's own port, which
// gives them to its own machine only.
type metricsFlags struct{ listen string }

func (o *metricsFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.listen, "metrics", "", "`ADDRESS:PORT` to answer Prometheus on, without authentication; loopback may ask /metrics of --listen too")
}

// scrapes is the port of its own that metrics are had on; nil for none.
type scrapes struct{ listener net.Listener }

// bind takes the port, if one was asked for.
func (o *metricsFlags) bind(ctx context.Context) (*scrapes, error) {
	if o.listen == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return nil, withHint(driverstate.Fail(driverstate.ErrUnavailable, "--metrics: "+err.Error()), "another --metrics ADDRESS:PORT")
	}
	return &scrapes{listener}, nil
}

// close gives the port back; it may be called again.
func (s *scrapes) close() {
	if s != nil {
		s.listener.Close()
	}
}

// serve answers until the returned function is called.
func (s *scrapes) serve(con *console, metrics http.Handler) (stop func()) {
	if s == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, metrics)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readHeaderTimeout,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.listener) }()
	con.note("metrics on http://%s%s", s.listener.Addr(), metricsPath)
	return func() {
		server.Close()
		<-ended
	}
}

// withMetrics answers /metrics to this machine, and nothing to who asks through
// a proxy on it.
func withMetrics(next, metrics http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		forwarded := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
		if r.URL.Path == metricsPath && r.Method == http.MethodGet && err == nil && isLoopback(host) && !forwarded {
			metrics.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
