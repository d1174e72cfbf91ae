// Package progress shows how a long operation goes on: one line rewritten in
// place at a terminal, plain lines now and then elsewhere, JSON lines for a
// program, nothing when told to be quiet.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	plainEvery  = 30 * time.Second       // between lines off a terminal
	redrawEvery = 100 * time.Millisecond // between drawings at a terminal
	// A remaining time is shown only when it has stopped jumping: after this
	// long and this share of the bytes.
	stableAfter = 5 * time.Second
	stableShare = 0.05
)

// Mode says how events are shown.
type Mode int

// Modes.
const (
	ModePlain Mode = iota
	ModeLive
	ModeJSON
	ModeNone
)

// Renderer shows events. It is a driverstate.Observer and safe for concurrent
// use.
type Renderer struct {
	s    *iostreams.Streams
	mode Mode
	now  func() time.Time

	mu    sync.Mutex
	ops   map[string]*operation
	drawn bool // a live line is on the screen
}

type operation struct {
	started, shown time.Time
	bytesAtStart   int64
}

// New returns a Renderer that writes to s.Err. Mode ModePlain becomes ModeLive
// by itself when s.Err is a terminal.
func New(s *iostreams.Streams, mode Mode, now func() time.Time) *Renderer {
	if mode == ModePlain && s.Live() {
		mode = ModeLive
	}
	return &Renderer{s: s, mode: mode, now: now, ops: map[string]*operation{}}
}

// Observe shows e if it is time to.
func (r *Renderer) Observe(e driverstate.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.mode {
	case ModeNone:
	case ModeJSON:
		r.json(e)
	default:
		r.show(e)
	}
}

// Clear removes a live line, so that a message can be written. It is called
// once more when the command ends.
func (r *Renderer) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
}

func (r *Renderer) clear() {
	if r.drawn {
		io.WriteString(r.s.Err, "\r\x1b[K")
		r.drawn = false
	}
}

func (r *Renderer) show(e driverstate.Event) {
	key := e.Op + " " + e.BackupID
	now := r.now()
	if e.Type == driverstate.EventWarning {
		r.line(r.s.Yellow("warning: ") + subject(e) + ": " + iostreams.Escape(e.Message))
		return
	}
	op := r.ops[key]
	if op == nil {
		op = &operation{started: now, bytesAtStart: e.BytesDone}
		r.ops[key] = op
		if e.Type == driverstate.EventProgress {
			e.Type = driverstate.EventStart
		}
	}
	switch e.Type {
	case driverstate.EventEnd, driverstate.EventError:
		delete(r.ops, key)
		r.clear()
		if r.mode == ModePlain || e.Load.Bound() != "" {
			r.line(ended(e, now.Sub(op.started)))
		}
	case driverstate.EventStart:
		op.shown = now
		r.draw(started(e))
	default:
		every := plainEvery
		if r.mode == ModeLive {
			every = redrawEvery
		}
		if now.Sub(op.shown) < every {
			return
		}
		op.shown = now
		r.draw(going(e, op, now))
	}
}

func (r *Renderer) draw(text string) {
	if r.mode == ModePlain {
		r.line(text)
		return
	}
	if w := r.s.ErrWidth(); w > 1 && len(text) > w-1 {
		text = text[:w-1]
	}
	io.WriteString(r.s.Err, "\r\x1b[K"+text)
	r.drawn = true
}

func (r *Renderer) line(text string) {
	r.clear()
	io.WriteString(r.s.Err, text+"\n")
}

func subject(e driverstate.Event) string {
	if e.BackupID == "" {
		return e.Op
	}
	return e.Op + " " + e.BackupID
}

func started(e driverstate.Event) string {
	if e.BytesTotal > 0 {
		return fmt.Sprintf("%s: %s to go", subject(e), Bytes(e.BytesTotal))
	}
	return subject(e) + ": started"
}

func ended(e driverstate.Event, took time.Duration) string {
	if e.Type == driverstate.EventError {
		return fmt.Sprintf("%s: failed after %s: %s", subject(e), round(took), iostreams.Escape(e.Message))
	}
	parts := []string{"done in " + round(took).String()}
	if e.BytesDone > 0 {
		parts = append(parts, Bytes(e.BytesDone))
		if took > 0 {
			parts = append(parts, Bytes(int64(float64(e.BytesDone)/took.Seconds()))+"/s")
		}
	}
	if e.ObjectsDone > 0 {
		parts = append(parts, fmt.Sprintf("%d objects", e.ObjectsDone))
	}
	return subject(e) + ": " + strings.Join(parts, ", ") + bound(e)
}

func going(e driverstate.Event, op *operation, now time.Time) string {
	var parts []string
	took := now.Sub(op.started).Seconds()
	rate := 0.0
	if took > 0 {
		rate = float64(e.BytesDone-op.bytesAtStart) / took
	}
	switch {
	case e.BytesTotal > 0:
		parts = append(parts, fmt.Sprintf("%s of %s (%d %%)", Bytes(e.BytesDone), Bytes(e.BytesTotal), e.BytesDone*100/e.BytesTotal))
	case e.BytesDone > 0:
		parts = append(parts, Bytes(e.BytesDone))
	}
	if rate > 0 {
		parts = append(parts, Bytes(int64(rate))+"/s")
	}
	if e.ObjectsTotal > 0 {
		parts = append(parts, fmt.Sprintf("object %d of %d", e.ObjectsDone, e.ObjectsTotal))
	}
	share := 0.0
	if e.BytesTotal > 0 {
		share = float64(e.BytesDone) / float64(e.BytesTotal)
	}
	if rate > 0 && share >= stableShare && now.Sub(op.started) >= stableAfter {
		left := time.Duration(float64(e.BytesTotal-e.BytesDone) / rate * float64(time.Second))
		parts = append(parts, round(left).String()+" left")
	}
	return subject(e) + ": " + strings.Join(parts, ", ")
}

func round(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// Bytes says n in binary units, to two or three digits: "1.0 GiB".
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1023.95 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}
