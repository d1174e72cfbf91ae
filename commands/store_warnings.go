package commands

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// mostStoreWarnings bounds what a store may warn of: one of many thousand
// containers may have as many that cannot be read.
const mostStoreWarnings = 10

// storeWarnings tells on a console what the stores of an engine in this process
// warn of: what they left out would be missed in silence. Each is told once.
type storeWarnings struct {
	con   *console
	attrs string // of the logger
	told  *toldWarnings
}

type toldWarnings struct {
	mu   sync.Mutex
	text map[string]bool
}

func newStoreWarnings(con *console) *slog.Logger {
	return slog.New(storeWarnings{con: con, told: &toldWarnings{text: map[string]bool{}}})
}

// Enabled implements slog.Handler. Of what is worse than a warning the verb tells.
func (w storeWarnings) Enabled(_ context.Context, level slog.Level) bool {
	return level == slog.LevelWarn
}

// Handle implements slog.Handler.
func (w storeWarnings) Handle(_ context.Context, r slog.Record) error {
	attrs := w.attrs
	r.Attrs(func(a slog.Attr) bool {
		attrs += attrText(a)
		return true
	})
	text := r.Message
	if attrs != "" {
		text += ":" + strings.TrimSuffix(attrs, ",")
	}
	w.told.mu.Lock()
	defer w.told.mu.Unlock()
	switch n := len(w.told.text); {
	case w.told.text[text], n > mostStoreWarnings:
	case n == mostStoreWarnings:
		w.told.text[""] = true
		w.con.warn("", "the store warns of more: --debug tells all of it")
	default:
		w.told.text[text] = true
		w.con.warn("", "%s", text)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (w storeWarnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		w.attrs += attrText(a)
	}
	return w
}

// WithGroup implements slog.Handler. No store groups what it says.
func (w storeWarnings) WithGroup(string) slog.Handler { return w }

func attrText(a slog.Attr) string { return fmt.Sprintf(" %s %s,", a.Key, a.Value) }
