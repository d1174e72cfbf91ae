// Package loglevel lets the levels of a logger be changed while it is used, for
// one part of the program at a time: what Cinder's os-services set-log and
// get-log do (cinder/utils.py set_log_levels).
package loglevel

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/cinder-go/cinder-go/driverstate"
)

// critical is above every level that the engine logs at.
const critical = slog.LevelError + 4

// names are the levels in Cinder's words, the least first.
var names = []struct {
	name  string
	level slog.Level
}{
	{"DEBUG", slog.LevelDebug}, {"INFO", slog.LevelInfo}, {"WARNING", slog.LevelWarn}, {"ERROR", slog.LevelError}, {"CRITICAL", critical},
}

// Levels are the levels of a logger's parts. It is safe for concurrent use.
type Levels struct {
	base  *slog.Logger
	start slog.Level

	mu sync.Mutex
	of map[string]*slog.LevelVar
}

// New returns the levels of base, whose parts begin at its own level. What base
// does not enable reaches its handler when a level is lowered; a handler that
// discards goes on to do so.
func New(ctx context.Context, base *slog.Logger) *Levels {
	l := &Levels{base: base, start: critical, of: map[string]*slog.LevelVar{}}
	for _, n := range names {
		if base.Enabled(ctx, n.level) {
			l.start = n.level
			break
		}
	}
	return l
}

// Logger returns the logger of a part, which is made by it.
func (l *Levels) Logger(part string) *slog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	level, ok := l.of[part]
	if !ok {
		level = new(slog.LevelVar)
		level.Set(l.start)
		l.of[part] = level
	}
	return slog.New(&handler{Handler: l.base.Handler(), level: level})
}

// Get returns the levels of the parts whose names begin with prefix.
func (l *Levels) Get(prefix string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]string{}
	for part, level := range l.of {
		if strings.HasPrefix(part, prefix) {
			out[part] = nameOf(level.Level())
		}
	}
	return out
}

// Set sets them. ErrInvalidInput when level is none of Python's.
func (l *Levels) Set(prefix, level string) error {
	to := strings.ToUpper(level)
	switch to {
	case "WARN":
		to = "WARNING"
	case "FATAL":
		to = "CRITICAL"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range names {
		if n.name != to {
			continue
		}
		for part, v := range l.of {
			if strings.HasPrefix(part, prefix) {
				v.Set(n.level)
			}
		}
		return nil
	}
	return driverstate.Fail(driverstate.ErrInvalidInput, level+" is not a valid log level.")
}

func nameOf(level slog.Level) string {
	for _, n := range slices.Backward(names) {
		if level >= n.level {
			return n.name
		}
	}
	return names[0].name
}

// handler lets through what its level allows, whatever the one below says.
type handler struct {
	slog.Handler
	level *slog.LevelVar
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.level}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.level}
}
