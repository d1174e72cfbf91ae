package manager_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

type fullDriver interface {
	driverstate.Driver
	driverstate.Scanner
	driverstate.Sampler
	driverstate.ForceDeleter
}

// Points of the driver at which a gate can hold or fail.
const (
	atSetup   = "setup"
	atBackup  = "backup" // after the first object
	atRestore = "restore"
	atDelete  = "delete"
	atInspect = "inspect"
	atVerify  = "verify"
)

// gate is the real driver, held or failing at a named point.
type gate struct {
	fullDriver
	full fullDriver

	mu    sync.Mutex
	fails map[string]error
	holds map[string]*hold

	chosen atomic.Pointer[func()] // called once, when a verification has chosen what it reads
}

// hold stops whoever comes to its point until it is released or the context
// of the operation ends.
type hold struct {
	reached chan struct{}
	once    sync.Once
	release chan struct{}
	deaf    bool // of a process that does not run: its contexts end nothing
}

func newGate(t testing.TB, d driverstate.Driver) *gate {
	full, ok := d.(fullDriver)
	require.True(t, ok, "the posix driver implements everything")
	return &gate{fullDriver: full, full: full, fails: map[string]error{}, holds: map[string]*hold{}}
}

// fail lets every operation fail at a point; nil lets it work again.
func (g *gate) fail(point string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails[point] = err
}

func (g *gate) hold(point string) *hold { return g.holdAt(point, false) }

// freeze is hold for a process that is stopped.
func (g *gate) freeze(point string) *hold { return g.holdAt(point, true) }

func (g *gate) holdAt(point string, deaf bool) *hold {
	h := &hold{reached: make(chan struct{}), release: make(chan struct{}), deaf: deaf}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds[point] = h
	return h
}

func (g *gate) open(point string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.holds[point].release)
	delete(g.holds, point)
}

func (g *gate) pass(ctx context.Context, point string) error {
	g.mu.Lock()
	err, h := g.fails[point], g.holds[point]
	g.mu.Unlock()
	if err != nil || h == nil {
		return err
	}
	h.once.Do(func() { close(h.reached) })
	if h.deaf {
		<-h.release
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-h.release:
		return nil
	}
}

func (h *hold) wait(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	select {
	case <-h.reached:
	case <-ctx.Done():
		require.Fail(t, "the point was never reached")
	}
}

func (g *gate) CheckForSetupError(ctx context.Context) error {
	if err := g.pass(ctx, atSetup); err != nil {
		return err
	}
	return g.full.CheckForSetupError(ctx)
}

func (g *gate) Backup(ctx context.Context, b, parent *driverstate.Backup, src driverstate.Source, obs driverstate.Observer) (driverstate.Stored, error) {
	return g.full.Backup(ctx, b, parent, &gatedSource{Source: src, ctx: ctx, gate: g}, obs)
}

// gatedSource passes the gate when the second object is read.
type gatedSource struct {
	driverstate.Source
	ctx  context.Context
	gate *gate
}

func (s *gatedSource) ReadAt(p []byte, off int64) (int, error) {
	if off >= 128<<10 {
		if err := s.gate.pass(s.ctx, atBackup); err != nil {
			return 0, err
		}
	}
	return s.Source.ReadAt(p, off)
}

func (g *gate) Restore(ctx context.Context, c driverstate.Chain, dst driverstate.Target, o driverstate.RestoreOptions, obs driverstate.Observer) (driverstate.Restored, error) {
	if err := g.pass(ctx, atRestore); err != nil {
		return driverstate.Restored{}, err
	}
	return g.full.Restore(ctx, c, dst, o, obs)
}

func (g *gate) Delete(ctx context.Context, b *driverstate.Backup) error {
	if err := g.pass(ctx, atDelete); err != nil {
		return err
	}
	return g.full.Delete(ctx, b)
}

func (g *gate) Inspect(ctx context.Context, b *driverstate.Backup) (driverstate.Found, error) {
	if err := g.pass(ctx, atInspect); err != nil {
		return driverstate.Found{}, err
	}
	return g.full.Inspect(ctx, b)
}

func (g *gate) Verify(ctx context.Context, c driverstate.Chain, d driverstate.Depth, obs driverstate.Observer) (driverstate.Report, error) {
	obs.Observe(driverstate.Event{Type: driverstate.EventProgress, BytesDone: 1, BytesTotal: 2})
	if err := g.pass(ctx, atVerify); err != nil {
		return driverstate.Report{}, err
	}
	return g.full.Verify(ctx, c, d, obs)
}

func (g *gate) VerifyObjects(ctx context.Context, c driverstate.Chain, ledger driverstate.Ledger, obs driverstate.Observer) (driverstate.Report, error) {
	obs.Observe(driverstate.Event{Type: driverstate.EventProgress, BytesDone: 1, BytesTotal: 2})
	if err := g.pass(ctx, atVerify); err != nil {
		return driverstate.Report{}, err
	}
	return g.full.VerifyObjects(ctx, c, gatedLedger{ledger, g}, obs)
}

type gatedLedger struct {
	driverstate.Ledger
	gate *gate
}

func (l gatedLedger) Choose(of driverstate.Layout, needed []int) []int {
	read := l.Ledger.Choose(of, needed)
	if chosen := l.gate.chosen.Swap(nil); chosen != nil {
		(*chosen)()
	}
	return read
}
