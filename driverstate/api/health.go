package api

import (
	"encoding/json"
	"net"
	"net/http"
)

// healthPath is where load balancers and their like ask.
const healthPath = "/healthcheck"

// health answers as oslo.middleware's healthcheck: 200 or 503, the reasons as
// text, or as JSON to whom prefers that; to HEAD 204 or 503 without any. Why something is wrong is told to this
// machine alone, which is what its option detailed is for.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	reason, detail := "OK", ""
	status := http.StatusOK
	if s.cfg.Health != nil {
		if err := s.cfg.Health(r.Context()); err != nil {
			status, reason, detail = http.StatusServiceUnavailable, "the database cannot be asked", err.Error()
			s.log.ErrorContext(r.Context(), "health check failed", "error", err)
		}
	}
	if r.Method == http.MethodHead {
		if status == http.StatusOK {
			status = http.StatusNoContent
		}
		w.WriteHeader(status)
		return
	}
	local := fromLoopback(r)
	if local && detail != "" {
		reason += ": " + detail
	}
	if prefers(r.Header.Get("Accept")) != formJSON {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(status)
		w.Write([]byte(reason)) // a client that is gone wants no answer
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	reasons, _ := json.Marshal([]string{reason}) // text can always be encoded
	w.Write([]byte(`{"detailed": ` + boolText(local && detail != "") + `, "reasons": ` + string(reasons) + `}`))
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// fromLoopback reports whether r comes from this machine, and from no proxy on
// it that speaks for others.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
}
