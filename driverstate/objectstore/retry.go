package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"
)

// Retries say how often a call that failed is made again.
type Retries struct {
	Attempts int           // after the first
	Backoff  time.Duration // before the second attempt; doubles up to a minute
	// Wait lets time pass; nil waits by the clock.
	Wait   func(ctx context.Context, d time.Duration) error
	Logger *slog.Logger // is told of every failure that is not the last; nil for none
}

// maxWait bounds a pause, also one that a server asks for: who asks for more
// is not waited for.
const maxWait = time.Minute

// Retry returns s with every call made again when it fails and may succeed
// later. All calls of a Store may be repeated: a Put starts at the same byte of
// the same reader, and a Get that breaks off goes on from the byte where it
// did. A Put whose context ends leaves nothing behind that is not known of: see
// settled. A listing is repeated by the page if s is a Pager, else only while it
// has yielded nothing.
func Retry(s Store, r Retries) Store {
	if r.Wait == nil {
		r.Wait = sleep
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	return &retrying{passing{s}, r}
}

type retrying struct {
	passing
	Retries
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// do calls f until it succeeds, cannot, or has failed too often.
func (r *retrying) do(ctx context.Context, op string, f func() error) error {
	for failed := 0; ; {
		err := f()
		if err == nil {
			return nil
		}
		failed++
		if err := r.pause(ctx, op, failed, err); err != nil {
			return err
		}
	}
}

// pause waits before the next attempt, or returns the error to give up with.
func (r *retrying) pause(ctx context.Context, op string, failed int, err error) error {
	var asked *later
	wait := min(r.Backoff<<min(failed-1, 10), maxWait)
	if errors.As(err, &asked) {
		wait = max(wait, asked.after)
	}
	switch {
	case ctx.Err() != nil || !Repeatable(err):
		return err
	case failed > r.Attempts && failed > 1:
		return fmt.Errorf("%w (%d attempts)", err, failed)
	case failed > r.Attempts:
		return err
	case wait > maxWait:
		return fmt.Errorf("%w (the server asks for a pause of %s)", err, wait)
	}
	r.Logger.LogAttrs(ctx, slog.LevelWarn, "store call failed, will be repeated",
		slog.String("op", op), slog.Int("attempt", failed), slog.Duration("pause", wait), slog.Any("err", err))
	if r.Wait(ctx, wait) != nil {
		return err
	}
	return nil
}

func (r *retrying) Check(ctx context.Context) error {
	return r.do(ctx, "check", func() error { return r.passing.Check(ctx) })
}

func (r *retrying) PutContainer(ctx context.Context, container string) error {
	return r.do(ctx, "put-container", func() error { return r.Store.PutContainer(ctx, container) })
}

func (r *retrying) Delete(ctx context.Context, container, name string) error {
	return r.do(ctx, "delete", func() error { return r.Store.Delete(ctx, container, name) })
}

func (r *retrying) RemoveContainer(ctx context.Context, container string) error {
	return r.do(ctx, "remove-container", func() error { return r.Store.RemoveContainer(ctx, container) })
}

func (r *retrying) Put(ctx context.Context, container, name string, body io.ReadSeeker, size int64) error {
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	again := false
	return r.do(ctx, "put", func() error {
		if again {
			if _, err := body.Seek(start, io.SeekStart); err != nil {
				return Permanent(err)
			}
		}
		again = true
		return settled(ctx, r.Store, container, name, body, size)
	})
}

func (r *retrying) List(ctx context.Context, container, prefix string) iter.Seq2[Info, error] {
	return repeated(ctx, r, r.Store.List(ctx, container, prefix), func(p Pager) iter.Seq2[Info, error] {
		return ListPages(ctx, repeatedPages{p, r}, container, prefix)
	})
}

func (r *retrying) Containers(ctx context.Context) iter.Seq2[string, error] {
	return repeated(ctx, r, r.Store.Containers(ctx), func(p Pager) iter.Seq2[string, error] {
		return ContainerPages(ctx, repeatedPages{p, r})
	})
}

// repeated is a listing: by the pages of a Pager, else all of it while it has
// yielded nothing.
func repeated[T any](ctx context.Context, r *retrying, all iter.Seq2[T, error], paged func(Pager) iter.Seq2[T, error]) iter.Seq2[T, error] {
	if p, ok := r.Store.(Pager); ok {
		return paged(p)
	}
	return func(yield func(T, error) bool) {
		failed := 0
		for again := true; again; {
			again = false
			begun := false
			for item, err := range all {
				if err != nil && !begun {
					failed++
					if err = r.pause(ctx, "list", failed, err); err == nil {
						again = true
						break
					}
				}
				begun = true
				if !yield(item, err) {
					return
				}
			}
		}
	}
}

// repeatedPages is a Pager whose pages are asked for again.
type repeatedPages struct {
	Pager
	r *retrying
}

func (p repeatedPages) Page(ctx context.Context, container, prefix, after string) (page []Info, next string, err error) {
	err = p.r.do(ctx, "list", func() error {
		page, next, err = p.Pager.Page(ctx, container, prefix, after)
		return err
	})
	return page, next, err
}

func (p repeatedPages) ContainerPage(ctx context.Context, after string) (page []string, next string, err error) {
	err = p.r.do(ctx, "containers", func() error {
		page, next, err = p.Pager.ContainerPage(ctx, after)
		return err
	})
	return page, next, err
}
