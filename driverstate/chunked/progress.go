package chunked

import (
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// progressInterval bounds how often progress is told, but for each
// driverstate.ObjectsPerProgress-th object.
const progressInterval = 200 * time.Millisecond

// progress tells an observer how far a run is.
type progress struct {
	obs   driverstate.Observer
	event driverstate.Event
	mu    sync.Mutex
	told  time.Time
	load  func() driverstate.Load // nil when nobody measures
}

func (p *progress) bytes(n int64) { p.add(n, 0) }
func (p *progress) object()       { p.add(0, 1) }

// left says how many objects are left to be read.
func (p *progress) left(objects int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event.ObjectsTotal = objects
}

func (p *progress) add(bytes int64, objects int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event.BytesDone = min(p.event.BytesDone+bytes, p.event.BytesTotal)
	p.event.ObjectsDone += objects
	due := objects > 0 && p.event.ObjectsDone%driverstate.ObjectsPerProgress == 0
	if now := time.Now(); due || now.Sub(p.told) >= progressInterval {
		p.told = now
		p.tell(driverstate.EventProgress, "")
	}
}

func (p *progress) tell(t driverstate.EventType, message string) {
	e := p.event
	e.Type, e.Message, e.Time = t, message, time.Now()
	p.obs.Observe(e)
}

// end tells the last event of an operation, err being its outcome.
func (p *progress) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.tell(driverstate.EventError, err.Error())
		return
	}
	if p.load != nil {
		p.event.Load = p.load()
	}
	p.tell(driverstate.EventEnd, "")
}
