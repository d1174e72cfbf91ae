// Package trace carries in a context the request that work follows from, so
// that log lines and notifications of work in the background name it. It holds
// identifiers only: nothing decides by them.
package trace

import (
	"context"
	"log/slog"
	"regexp"
)

// Request names a request and who sent it. Empty fields are not known.
type Request struct {
	ID        string // req- and a UUID, made by the server that answers it
	GlobalID  string // the same form, made by the client: x-openstack-request-id
	UserID    string
	ProjectID string
}

type key struct{}

// With returns a context in which work follows from r.
func With(ctx context.Context, r Request) context.Context { return context.WithValue(ctx, key{}, r) }

// Of returns the request that work in ctx follows from; the zero Request when
// it follows from none.
func Of(ctx context.Context) Request {
	r, _ := ctx.Value(key{}).(Request)
	return r
}

// globalID is what oslo.middleware's request_id takes for a global request id.
var globalID = regexp.MustCompile(`^req-[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// GlobalID returns id if it is a global request id, else nothing: a client may
// send any text.
func GlobalID(id string) string {
	if globalID.MatchString(id) {
		return id
	}
	return ""
}

// Handler adds the request of its context to every record that next handles.
func Handler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, rec slog.Record) error {
	r := Of(ctx)
	for _, a := range []struct{ name, value string }{
		{"request", r.ID}, {"global_request", r.GlobalID}, {"user", r.UserID}, {"project", r.ProjectID},
	} {
		if a.value != "" {
			rec.AddAttrs(slog.String(a.name, a.value))
		}
	}
	return h.Handler.Handle(ctx, rec)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
