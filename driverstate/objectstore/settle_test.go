package objectstore_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

// slowServer is a store that reads of a body what it is told to, and stores it
// when it is told to, as a server does that goes on when its client has gone.
type slowServer struct {
	*storetest.Memory
	reads  int64
	read   chan struct{} // closed when it has read as much
	answer chan struct{}
	body   error // of reading what is left
}

func (s *slowServer) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	var all bytes.Buffer
	if _, err := io.CopyN(&all, r, s.reads); err != nil {
		return err
	}
	close(s.read)
	select {
	case <-s.answer:
	case <-ctx.Done():
	}
	if s.body = ctx.Err(); s.body != nil {
		return s.body
	}
	if _, s.body = io.Copy(&all, r); s.body != nil {
		return s.body
	}
	return s.Memory.Put(context.WithoutCancel(ctx), container, name, bytes.NewReader(all.Bytes()), size)
}

func TestAPutThatIsGivenUpHasHappenedOrNot(t *testing.T) {
	const content = "0123456789"
	for name, c := range map[string]struct {
		reads  int64
		stored bool
	}{
		"all is sent: its answer is waited for": {10, true},
		"a part is sent: it fails":              {4, false},
		"nothing is sent: it fails":             {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := &slowServer{Memory: storetest.NewMemory(), reads: c.reads, read: make(chan struct{}), answer: make(chan struct{})}
			require.NoError(t, server.PutContainer(t.Context(), "box"))
			store := objectstore.Retry(server, objectstore.Retries{Attempts: 3})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- store.Put(ctx, "box", "o", bytes.NewReader([]byte(content)), int64(len(content))) }()
			<-server.read
			cancel()
			if c.stored {
				close(server.answer)
				require.NoError(t, <-done)
			} else {
				require.ErrorIs(t, <-done, context.Canceled)
				require.ErrorIs(t, server.body, context.Canceled)
			}
			_, err := server.Get(t.Context(), "box", "o", 0, -1)
			assert.Equal(t, c.stored, err == nil)
		})
	}
}
