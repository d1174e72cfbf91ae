package objectstore

import (
	"context"
	"io"
	"sync"
	"time"
)

// settlePatience is how long the answer to an object that was sent whole is
// waited for after its writer gave up.
const settlePatience = 20 * time.Second

// settled is a Put to s that, when ctx ends, either has not sent all of its
// bytes, which leaves nothing, or waits for the answer. Else an object might come
// to be after the call has returned, when a delete of the backup has listed what
// there is already.
func settled(ctx context.Context, s Store, container, name string, r io.ReadSeeker, size int64) error {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	sending, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	body := &settledBody{ctx: ctx, r: r, pos: start, end: start + size, giveUp: giveUp}
	defer context.AfterFunc(ctx, func() {
		body.ended()
		timer := time.NewTimer(settlePatience)
		defer timer.Stop()
		select {
		case <-timer.C:
			giveUp()
		case <-sending.Done(): // answered, or given up
		}
	})()
	err = s.Put(sending, container, name, body, size)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// settledBody is a body of which nothing is read once its context has ended.
type settledBody struct {
	ctx    context.Context
	giveUp context.CancelFunc

	mu       sync.Mutex
	r        io.ReadSeeker
	pos, end int64
}

// ended gives the call up unless all is sent.
func (b *settledBody) ended() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pos < b.end {
		b.giveUp()
	}
}

// left is why no more may be read; nil at the end, where a reader only finds
// out that it is there.
func (b *settledBody) left() error {
	if b.ctx.Err() == nil || b.pos >= b.end {
		return nil
	}
	b.giveUp()
	return b.ctx.Err()
}

func (b *settledBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.left(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	b.pos += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (b *settledBody) Seek(off int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.r.Seek(off, whence)
	if err == nil {
		b.pos = n
	}
	return n, err
}
