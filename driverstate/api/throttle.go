package api

import (
	"net/http"
	"time"
)

// patience is how long a request waits for its turn.
const patience = 5 * time.Second

// enter takes a slot for a request, or answers 503. Cinder has no such limit;
// its clients send reads again after 503.
func (s *server) enter(w http.ResponseWriter, r *http.Request) bool {
	if s.slots == nil {
		return true
	}
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-late.C:
	case <-r.Context().Done():
	}
	w.Header().Set("Retry-After", "1")
	s.answerFault(w, newFault(http.StatusServiceUnavailable, "Too many requests are worked on at once. Try again later."))
	return false
}

func (s *server) leave() {
	if s.slots != nil {
		<-s.slots
	}
}
