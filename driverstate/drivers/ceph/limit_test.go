package ceph_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/ceph"
)

// counter is a limiter that counts what it is asked for, and calls after when
// that is more than most.
type counter struct {
	mu    sync.Mutex
	bytes int
	most  int
	after func()
}

func (c *counter) WaitN(ctx context.Context, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes += n; c.after != nil && c.bytes > c.most {
		c.after()
	}
	return ctx.Err()
}

func (c *counter) take() (n int) { n, c.bytes = c.bytes, 0; return n }

func TestTheLimitIsAskedForTheBytesOfBackups(t *testing.T) {
	pool(t)
	limit := &counter{}
	d := open(t, func(c *ceph.Config) { c.Limit = limit })
	image := noise(3 << 20)
	full := backUp(t, d, nil, image)
	written := len(stream("", snapOf(t, full), gib, 0, image, true))
	assert.Equal(t, written+len(metaOf(volumeID)), limit.take(), "the diff and the metadata object")

	assert.True(t, bytes.Equal(image, restored(t, d, full)))
	assert.Equal(t, written+len(metaOf(volumeID)), limit.take())

	changed := bytes.Clone(image)
	copy(changed[1<<20:], noise(blockSize))
	inc := backUp(t, d, full, changed)
	assert.Equal(t, written+len(stream(snapOf(t, full), snapOf(t, inc), gib, 0, changed[:blockSize], true))+len(metaOf(volumeID)), limit.take(),
		"the parent is read, and what differs is written")

	for _, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
		require.NoError(t, err)
	}
	assert.Equal(t, 2*len(metaOf(volumeID)), limit.take(), "listings are not counted")

	// Who waits for the limit stops when it is told to.
	ctx, cancel := context.WithCancel(t.Context())
	limit.most, limit.after = 1<<20, cancel
	b := placed(t, d, nil)
	_, err := d.Backup(ctx, b, nil, content{Reader: bytes.NewReader(image)}, nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.LessOrEqual(t, limit.take(), 1<<20+64<<10)
	f, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, driverstate.ConditionPartial, f.Condition)
}

// blockSize is the grain in which changes are found.
const blockSize = 64 << 10
