package api

import (
	"net/http"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// LogLevels are the levels of the engine's logger, by the part that logs
// (driverstate/loglevel).
type LogLevels interface {
	Get(prefix string) map[string]string
	Set(prefix, level string) error
}

// serviceActions are the other things that PUT os-services does, and since when
// (cinder/api/contrib/services.py update).
var serviceActions = map[string]struct {
	since  int
	handle func(*server, *request) (int, any, error)
}{
	"freeze":        {0, func(s *server, q *request) (int, any, error) { return s.freeze(q, true) }},
	"thaw":          {0, func(s *server, q *request) (int, any, error) { return s.freeze(q, false) }},
	"failover_host": {0, func(s *server, q *request) (int, any, error) { return s.failover(q, false) }},
	"failover":      {26, func(s *server, q *request) (int, any, error) { return s.failover(q, true) }},
	"set-log":       {32, (*server).setLog},
	"get-log":       {32, (*server).getLog},
}

func (s *server) freeze(q *request, frozen bool) (int, any, error) {
	rules := schema{members: map[string]rule{"host": poolRule, "cluster": nameRule}}
	if f := rules.check("", q.body); f != nil {
		return 0, nil, f
	}
	set, err := q.hostOrCluster(q.version.since(26))
	if err != nil {
		return 0, nil, err
	}
	set.Frozen = frozen
	return http.StatusOK, nil, s.ops.SetFrozen(q.Context(), q.caller, set)
}

func (s *server) failover(q *request, clustered bool) (int, any, error) {
	rules := schema{members: map[string]rule{"host": poolRule, "cluster": nameRule, "backend_id": nameRule}}
	if f := rules.check("", q.body); f != nil {
		return 0, nil, f
	}
	set, err := q.hostOrCluster(clustered)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, s.ops.Failover(q.Context(), q.caller, set)
}

// hostOrCluster is exactly one of the two, or, where a cluster cannot be named,
// the host (cinder/api/common.py get_cluster_host).
func (q *request) hostOrCluster(clustered bool) (set driverstate.FreezeSetting, err error) {
	body := q.body.(map[string]any)
	set.Host = word(body, "host")
	if clustered {
		set.Cluster = word(body, "cluster")
		if (set.Host == "") == (set.Cluster == "") {
			return set, invalidInput("One and only one of cluster and host must be set.")
		}
		return set, nil
	}
	if set.Host == "" {
		return set, invalidInput("Host field is missing.")
	}
	return set, nil
}

const binaryAPI driverstate.Binary = "cinder-api"

var logRules = map[string]rule{
	"binary": func(v any) string {
		if v == nil {
			return ""
		}
		return oneOf("cinder-scheduler", "cinder-volume", "cinder-backup", "cinder-api", "", "*")(v)
	},
	"server": nameRule, "prefix": nameRule,
}

// setLog sets the levels of this process, whichever of its services is named.
func (s *server) setLog(q *request) (int, any, error) {
	rules := schema{members: map[string]rule{"level": nameRule}}
	for key, r := range logRules {
		rules.members[key] = r
	}
	if f := rules.check("", q.body); f != nil {
		return 0, nil, f
	}
	body := q.body.(map[string]any)
	named, err := q.loggers(body)
	if err != nil {
		return 0, nil, err
	}
	if s.cfg.LogLevels == nil || len(named) == 0 {
		return http.StatusAccepted, nil, nil
	}
	return http.StatusAccepted, nil, s.cfg.LogLevels.Set(word(body, "prefix"), word(body, "level"))
}

func (s *server) getLog(q *request) (int, any, error) {
	if f := (schema{members: logRules}).check("", q.body); f != nil {
		return 0, nil, f
	}
	body := q.body.(map[string]any)
	named, err := q.loggers(body)
	if err != nil {
		return 0, nil, err
	}
	levels := map[string]string{}
	if s.cfg.LogLevels != nil {
		levels = s.cfg.LogLevels.Get(word(body, "prefix"))
	}
	views := []object{}
	for _, l := range named {
		views = append(views, object{{"host", l.host}, {"binary", string(l.binary)}, {"levels", levels}})
	}
	return http.StatusOK, object{{"log_levels", views}}, nil
}

// logger is a service that is part of this process.
type logger struct {
	host   string
	binary driverstate.Binary
}

// loggers are the services of this process that a request names: they log
// together. Those of other hosts are asked there.
func (q *request) loggers(body map[string]any) ([]logger, error) {
	binary, server := word(body, "binary"), word(body, "server")
	services, err := q.srv.ops.Services(q.Context(), q.caller)
	if err != nil {
		return nil, err
	}
	host := q.srv.cfg.Host
	all := []logger{{host, binaryAPI}}
	for _, row := range services {
		if own, _, _ := strings.Cut(row.Host, "@"); own == host {
			all = append(all, logger{row.Host, row.Binary})
		}
	}
	var named []logger
	for _, l := range all {
		if (binary == "" || binary == "*" || binary == string(l.binary)) && (server == "" || server == l.host || strings.HasPrefix(l.host, server+"@")) {
			named = append(named, l)
		}
	}
	return named, nil
}
