package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

func TestWrappedStoresKeepTheContract(t *testing.T) {
	for name, wrap := range map[string]func(objectstore.Store) objectstore.Store{
		"repeated": func(s objectstore.Store) objectstore.Store {
			return objectstore.Retry(s, objectstore.Retries{Attempts: 2})
		},
		"traced": func(s objectstore.Store) objectstore.Store { return objectstore.Trace(s, debug(io.Discard)) },
		"limited": func(s objectstore.Store) objectstore.Store {
			return objectstore.Limit(s, objectstore.NewLimiter(1<<30))
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{Slashes: true, NestedContainers: true, KeepsEmpty: true,
				Open: func(*testing.T) objectstore.Store { return wrap(storetest.NewMemory()) }})
		})
	}
}

func debug(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// flaky fails the first calls of each kind.
type flaky struct {
	*storetest.Memory
	fail   map[string][]error // by op, in order
	pauses []time.Duration
}

func newFlaky(op string, errs ...error) *flaky {
	f := &flaky{Memory: storetest.NewMemory(), fail: map[string][]error{op: errs}}
	f.Set("box", "o", "0123456789")
	f.Fail = func(op, _, _ string) error {
		if len(f.fail[op]) == 0 {
			return nil
		}
		err := f.fail[op][0]
		f.fail[op] = f.fail[op][1:]
		return err
	}
	return f
}

func (f *flaky) retries() objectstore.Retries {
	return objectstore.Retries{Attempts: 3, Backoff: 2 * time.Second, Wait: func(ctx context.Context, d time.Duration) error {
		f.pauses = append(f.pauses, d)
		return ctx.Err()
	}}
}

var errBroken = errors.New("connection reset by peer")

func TestACallThatFailsIsRepeatedWithGrowingPauses(t *testing.T) {
	calls := map[string]func(s objectstore.Store) error{
		"put-container":    func(s objectstore.Store) error { return s.PutContainer(t.Context(), "box") },
		"delete":           func(s objectstore.Store) error { return s.Delete(t.Context(), "box", "o") },
		"remove-container": func(s objectstore.Store) error { return s.RemoveContainer(t.Context(), "box") },
		"put": func(s objectstore.Store) error {
			return s.Put(t.Context(), "box", "n", strings.NewReader("new"), 3)
		},
		"get": func(s objectstore.Store) error {
			r, err := s.Get(t.Context(), "box", "o", 0, -1)
			if err == nil {
				r.Close()
			}
			return err
		},
		"list": func(s objectstore.Store) error {
			for _, err := range s.List(t.Context(), "box", "") {
				return err
			}
			return errors.New("nothing was listed")
		},
		"containers": func(s objectstore.Store) error {
			for _, err := range s.Containers(t.Context()) {
				return err
			}
			return errors.New("nothing was listed")
		},
	}
	for op, call := range calls {
		f := newFlaky(op, errBroken, errBroken, errBroken)
		require.NoError(t, call(objectstore.Retry(f, f.retries())), op)
		assert.Equal(t, []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}, f.pauses, op)

		f = newFlaky(op, errBroken, errBroken, errBroken, errBroken)
		err := call(objectstore.Retry(f, f.retries()))
		require.ErrorIs(t, err, errBroken, op)
		assert.ErrorContains(t, err, "4 attempts", op)

		for _, final := range []error{objectstore.ErrForbidden, objectstore.ErrBadName, objectstore.ErrReadOnly, objectstore.Permanent(errBroken)} {
			f = newFlaky(op, fmt.Errorf("wrapped: %w", final))
			require.ErrorIs(t, call(objectstore.Retry(f, f.retries())), final, op)
			assert.Empty(t, f.pauses, "%s: %v", op, final)
		}

		f = newFlaky(op, objectstore.Later(errBroken, 7*time.Second))
		require.NoError(t, call(objectstore.Retry(f, f.retries())), op)
		assert.Equal(t, []time.Duration{7 * time.Second}, f.pauses, op)

		f = newFlaky(op, objectstore.Later(errBroken, time.Hour))
		require.ErrorContains(t, call(objectstore.Retry(f, f.retries())), "the server asks for a pause of 1h0m0s", op)
	}
}

func TestAContextThatEndsIsNotWaitedOut(t *testing.T) {
	f := newFlaky("delete", errBroken)
	ctx, cancel := context.WithCancel(t.Context())
	r := objectstore.Retries{Attempts: 3, Backoff: time.Hour, Logger: slog.New(slog.NewTextHandler(cancelling{cancel}, nil))}
	require.ErrorIs(t, objectstore.Retry(f, r).Delete(ctx, "box", "o"), errBroken)
}

// cancelling ends a context when it is told that a pause begins.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) Write(p []byte) (int, error) {
	c.cancel()
	return len(p), nil
}

// halfway reads half of what it is given before it fails, once.
type halfway struct {
	objectstore.Store
	broken bool
	bodies []string
}

func (h *halfway) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	n := size
	if !h.broken {
		n = size / 2
	}
	body, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil {
		return err
	}
	h.bodies = append(h.bodies, string(body))
	if !h.broken {
		h.broken = true
		return errBroken
	}
	return h.Store.Put(ctx, container, name, bytes.NewReader(body), size)
}

func TestAPutIsRepeatedFromTheByteWhereItBegan(t *testing.T) {
	h := &halfway{Store: newFlaky("")}
	s := objectstore.Retry(h, objectstore.Retries{Attempts: 1, Wait: func(context.Context, time.Duration) error { return nil }})
	r := strings.NewReader("skip:0123456789:rest")
	_, err := r.Seek(5, io.SeekStart)
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), "box", "new", r, 10))
	assert.Equal(t, []string{"01234", "0123456789"}, h.bodies)
}

// torn is a store whose readers break off after a few bytes, or whose objects
// become others.
type torn struct {
	objectstore.Store
	every    int
	versions []string
	opened   int
}

func (s *torn) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, container, name, off, n)
	if err != nil {
		return nil, err
	}
	version := ""
	if len(s.versions) > 0 {
		version = s.versions[min(s.opened, len(s.versions)-1)]
	}
	s.opened++
	return &tornBody{ReadCloser: r, left: s.every, version: version}, nil
}

type tornBody struct {
	io.ReadCloser
	left    int
	version string
}

func (b *tornBody) Version() string { return b.version }

func (b *tornBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errBroken
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.left == 0 && err == nil {
		err = errBroken // with the last bytes
	}
	return n, err
}

func TestAReaderThatBreaksOffGoesOnWhereItDid(t *testing.T) {
	f := newFlaky("")
	for _, c := range []struct {
		off, n int64
		want   string
	}{{0, -1, "0123456789"}, {2, 7, "2345678"}, {3, -1, "3456789"}} {
		s := objectstore.Retry(&torn{Store: f, every: 4, versions: []string{"one"}}, f.retries())
		r, err := s.Get(t.Context(), "box", "o", c.off, c.n)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, c.want, string(got))
		require.NoError(t, r.Close())
	}

	s := objectstore.Retry(&torn{Store: f, every: 4, versions: []string{"one", "two"}}, f.retries())
	r, err := s.Get(t.Context(), "box", "o", 0, -1)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorContains(t, err, "object o changed while it was read")
	require.NoError(t, r.Close())

	s = objectstore.Retry(&torn{Store: f, every: 1}, f.retries())
	r, err = s.Get(t.Context(), "box", "o", 0, -1)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.ErrorIs(t, err, errBroken)
	assert.ErrorContains(t, err, "4 attempts")
	assert.Equal(t, "0123", string(got), "what was read before was good")
	require.NoError(t, r.Close())
}

func TestManyBreaksWithProgressAreSurvived(t *testing.T) {
	f := newFlaky("")
	big := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB
	f.Set("box", "big", big)
	store := &torn{Store: f, every: 300 << 10}
	r, err := objectstore.Retry(store, f.retries()).Get(t.Context(), "box", "big", 0, -1)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.True(t, string(got) == big)
	assert.Equal(t, 7, store.opened)
	require.NoError(t, r.Close())
}

// paged lists by twos.
type paged struct {
	objectstore.Store
	names []string
	fail  int // how often the second page fails
	asked []string
}

func (p *paged) Page(_ context.Context, _, _, after string) ([]objectstore.Info, string, error) {
	names, next, err := p.ContainerPage(context.Background(), after)
	var page []objectstore.Info
	for _, name := range names {
		page = append(page, objectstore.Info{Name: name})
	}
	return page, next, err
}

func (p *paged) ContainerPage(_ context.Context, after string) ([]string, string, error) {
	p.asked = append(p.asked, after)
	if after == "b" && p.fail > 0 {
		p.fail--
		return nil, "", errBroken
	}
	var page []string
	for _, name := range p.names {
		if name > after && len(page) < 2 {
			page = append(page, name)
		}
	}
	if len(page) == 0 {
		return nil, "", nil
	}
	return page, page[len(page)-1], nil
}

func TestOnlyThePageThatFailedIsListedAgain(t *testing.T) {
	f := newFlaky("")
	p := &paged{Store: f, names: []string{"a", "b", "c", "d", "e"}, fail: 2}
	s := objectstore.Retry(p, f.retries())
	assert.Equal(t, p.names, collect(t, s.Containers(t.Context())))
	assert.Equal(t, []string{"", "b", "b", "b", "d", "e"}, p.asked)

	p.fail, p.asked = 2, nil
	var names []string
	for info, err := range s.List(t.Context(), "box", "") {
		require.NoError(t, err)
		names = append(names, info.Name)
	}
	assert.Equal(t, p.names, names)
	assert.Equal(t, []string{"", "b", "b", "b", "d", "e"}, p.asked)
}

func collect(t *testing.T, all iter.Seq2[string, error]) []string {
	t.Helper()
	var names []string
	for name, err := range all {
		require.NoError(t, err)
		names = append(names, name)
	}
	return names
}

func TestATraceTellsEveryCall(t *testing.T) {
	f := newFlaky("delete", errBroken)
	var out bytes.Buffer
	s := objectstore.Trace(f, debug(&out))
	require.NoError(t, s.Put(t.Context(), "box", "n", strings.NewReader("four"), 4))
	r, err := s.Get(t.Context(), "box", "o", 2, 3)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.ErrorIs(t, s.Delete(t.Context(), "box", "o"), errBroken)
	for range s.List(t.Context(), "box", "") {
	}
	for _, want := range []string{"op=put container=box name=n took=", "bytes=4", "op=get", "bytes=3", "op=delete", `err="connection reset by peer"`, "op=list", "entries=2"} {
		assert.Contains(t, out.String(), want)
	}
	quiet := slog.New(slog.NewTextHandler(&out, nil))
	assert.Same(t, f, objectstore.Trace(f, quiet), "who does not listen pays nothing")
}

func TestALimitIsKeptByAllCallsTogether(t *testing.T) {
	f := newFlaky("")
	const n = 256 << 10
	l := objectstore.NewLimiter(1 << 20)
	s := objectstore.Limit(f, l)
	begun := time.Now()
	require.NoError(t, s.Put(t.Context(), "box", "big", bytes.NewReader(make([]byte, n)), n))
	r, err := s.Get(t.Context(), "box", "big", 0, -1)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Len(t, got, n)
	// 512 KiB at 1 MiB/s, the first 64 KiB at once.
	assert.GreaterOrEqual(t, time.Since(begun), 430*time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, s.Put(ctx, "box", "late", bytes.NewReader(make([]byte, n)), n), context.Canceled)
	assert.Same(t, f, objectstore.Limit(f, objectstore.NewLimiter(0)))
}
