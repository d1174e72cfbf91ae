package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// asked is a limiter that notes what it was asked for, and lets the first most
// bytes pass.
type asked struct {
	steps []int
	most  int
}

var errFull = errors.New("no more")

func (a *asked) WaitN(_ context.Context, n int) error {
	if a.most -= n; a.most < 0 {
		return errFull
	}
	a.steps = append(a.steps, n)
	return nil
}

func TestALimitIsAskedForEveryByteOfAStream(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 20000)
	steps := []int{64 << 10, 64 << 10, 64 << 10, 200000 - 3*64<<10}

	var out bytes.Buffer
	a := &asked{most: 1 << 20}
	n, err := objectstore.LimitWriter(t.Context(), &out, a).Write(content)
	require.NoError(t, err)
	assert.Equal(t, []any{len(content), steps}, []any{n, a.steps})
	assert.True(t, bytes.Equal(content, out.Bytes()))

	a = &asked{most: 1 << 20}
	got, err := io.ReadAll(objectstore.LimitReader(t.Context(), &out, a))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, got))
	sum := 0
	for _, n := range a.steps {
		assert.LessOrEqual(t, n, 64<<10)
		sum += n
	}
	assert.Equal(t, len(content), sum)

	// Nothing is written that was not granted.
	a = &asked{most: 100 << 10}
	out.Reset()
	n, err = objectstore.LimitWriter(t.Context(), &out, a).Write(content)
	require.ErrorIs(t, err, errFull)
	assert.Equal(t, []int{64 << 10, 64 << 10}, []int{n, out.Len()})

	// Without a limit there is nothing between.
	assert.Same(t, &out, objectstore.LimitWriter(t.Context(), &out, objectstore.NewLimiter(0)))
	assert.Same(t, &out, objectstore.LimitReader(t.Context(), &out, objectstore.NewLimiter(0)))
}
