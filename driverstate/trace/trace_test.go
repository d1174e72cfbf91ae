package trace_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/driverstate/trace"
)

func TestHandlerAddsTheRequestOfTheContext(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(trace.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))).With("host", "a")
	ctx := trace.With(t.Context(), trace.Request{ID: "req-1", UserID: "u"})
	log.InfoContext(ctx, "done", "n", 1)
	log.InfoContext(t.Context(), "alone")
	assert.Equal(t, "level=INFO msg=done host=a n=1 request=req-1 user=u\nlevel=INFO msg=alone host=a\n", out.String())
}

func TestOnlyAGlobalRequestIDIsBelieved(t *testing.T) {
	const id = "req-7b1ee279-cc18-40e3-94a6-d8afa01111f5"
	assert.Equal(t, id, trace.GlobalID(id))
	for _, not := range []string{"", "req-1", id + "\n", "7b1ee279-cc18-40e3-94a6-d8afa01111f5", "req-zb1ee279-cc18-40e3-94a6-d8afa01111f5"} {
		assert.Empty(t, trace.GlobalID(not), "%q", not)
	}
}
