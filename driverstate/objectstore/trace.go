package objectstore

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"time"
)

// Trace returns s with every call told to log at debug level: what it was, how
// long it took, how many bytes or entries it moved, and how it failed. A Get is
// told of when its reader is closed.
func Trace(s Store, log *slog.Logger) Store {
	if log == nil || !log.Enabled(context.Background(), slog.LevelDebug) {
		return s
	}
	return tracing{passing{s}, log}
}

type tracing struct {
	passing
	log *slog.Logger
}

// tell logs one call; attrs are op, container and the like.
func (t tracing) tell(ctx context.Context, op, container, name string, begun time.Time, moved slog.Attr, err error) {
	attrs := []slog.Attr{slog.String("op", op), slog.String("container", container)}
	if name != "" {
		attrs = append(attrs, slog.String("name", name))
	}
	attrs = append(attrs, slog.Duration("took", time.Since(begun)), moved)
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	t.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelDebug, "store", attrs...)
}

func (t tracing) around(ctx context.Context, op, container, name string, bytes int64, call func() error) error {
	begun := time.Now()
	err := call()
	t.tell(ctx, op, container, name, begun, slog.Int64("bytes", bytes), err)
	return err
}

func (t tracing) Check(ctx context.Context) error {
	return t.around(ctx, "check", "", "", 0, func() error { return t.passing.Check(ctx) })
}

func (t tracing) PutContainer(ctx context.Context, container string) error {
	return t.around(ctx, "put-container", container, "", 0, func() error { return t.Store.PutContainer(ctx, container) })
}

func (t tracing) RemoveContainer(ctx context.Context, container string) error {
	return t.around(ctx, "remove-container", container, "", 0, func() error { return t.Store.RemoveContainer(ctx, container) })
}

func (t tracing) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	return t.around(ctx, "put", container, name, size, func() error { return t.Store.Put(ctx, container, name, r, size) })
}

func (t tracing) Delete(ctx context.Context, container, name string) error {
	return t.around(ctx, "delete", container, name, 0, func() error { return t.Store.Delete(ctx, container, name) })
}

func (t tracing) List(ctx context.Context, container, prefix string) iter.Seq2[Info, error] {
	return traced(ctx, t, "list", container, prefix, t.Store.List(ctx, container, prefix))
}

func (t tracing) Containers(ctx context.Context) iter.Seq2[string, error] {
	return traced(ctx, t, "containers", "", "", t.Store.Containers(ctx))
}

func traced[T any](ctx context.Context, t tracing, op, container, prefix string, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		begun, n := time.Now(), int64(0)
		var failed error
		defer func() { t.tell(ctx, op, container, prefix, begun, slog.Int64("entries", n), failed) }()
		for item, err := range all {
			if failed = err; err == nil {
				n++
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func (t tracing) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	begun := time.Now()
	body, err := t.Store.Get(ctx, container, name, off, n)
	if err != nil {
		t.tell(ctx, "get", container, name, begun, slog.Int64("bytes", 0), err)
		return nil, err
	}
	x := &watched{ReadCloser: body}
	x.closed = func(read int64, err error) {
		t.tell(ctx, "get", container, name, begun, slog.Int64("bytes", read), err)
	}
	return x, nil
}

// watched counts what is read.
type watched struct {
	io.ReadCloser
	read   int64
	err    error
	closed func(read int64, err error)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

func (w *watched) Close() error {
	err := w.ReadCloser.Close()
	if w.closed != nil {
		w.closed(w.read, w.err)
		w.closed = nil
	}
	return err
}
