package manager

import (
	"context"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// progressInterval is how often the progress of a verification or a shipment is
// written.
const progressInterval = time.Second

// progress passes events on and writes the counters, of all backups together,
// to a row now and then, in a goroutine of its own so that Observe never waits.
type progress struct {
	to     driverstate.Observer
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	bytes map[string]counters // by backup
}

type counters struct{ done, total int64 }

func (m *Manager) follow(ctx context.Context, write func(ctx context.Context, done, total int64) error) *progress {
	ctx, cancel := context.WithCancel(ctx)
	p := &progress{to: m.cfg.Observer, cancel: cancel, bytes: map[string]counters{}}
	p.done.Go(func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		var written counters
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := counters{}
			if now.done, now.total = p.counters(); now == written {
				continue
			}
			if err := write(ctx, now.done, now.total); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "progress not written", "error", err)
				continue
			}
			written = now
		}
	})
	return p
}

// Observe keeps the counters and passes e on.
func (p *progress) Observe(e driverstate.Event) {
	p.mu.Lock()
	seen := p.bytes[e.BackupID]
	p.bytes[e.BackupID] = counters{max(seen.done, e.BytesDone), max(seen.total, e.BytesTotal)}
	p.mu.Unlock()
	p.to.Observe(e)
}

func (p *progress) counters() (done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.bytes {
		done, total = done+c.done, total+c.total
	}
	return done, total
}

// stop ends the writing, waits for it, and returns the last counters.
func (p *progress) stop() (done, total int64) {
	p.cancel()
	p.done.Wait()
	return p.counters()
}
