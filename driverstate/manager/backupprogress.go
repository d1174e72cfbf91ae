package manager

import (
	"context"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// backupProgress is the observer of the copy of one backup. It passes events on
// and publishes how far the copy is, as Cinder does
// (cinder/backup/chunkeddriver.py backup): at each
// driverstate.ObjectsPerProgress-th object, with the default of
// backup_object_number_per_notification; at its beginning and every
// ProgressInterval, if there is one, which is all that is heard of a copy of few
// large objects; and at its end.
type backupProgress struct {
	m       *Manager
	ctx     context.Context // names the request; ends the timer
	cancel  context.CancelFunc
	timer   sync.WaitGroup
	payload Payload

	mu   sync.Mutex
	told int               // tens of objects
	last driverstate.Event // zero before the first
}

// notifyProgress begins; stop must be called when the copy is over.
func (m *Manager) notifyProgress(ctx context.Context, b *driverstate.Backup) *backupProgress {
	p := &backupProgress{m: m, payload: payloadOf(b)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	if m.cfg.ProgressInterval <= 0 {
		return p
	}
	p.timed()
	p.timer.Go(func() {
		tick := time.NewTicker(m.cfg.ProgressInterval)
		defer tick.Stop()
		for {
			select {
			case <-p.ctx.Done():
				return
			case <-tick.C:
				p.timed()
			}
		}
	})
	return p
}

// stop ends the timer and waits for it.
func (p *backupProgress) stop() {
	p.cancel()
	p.timer.Wait()
}

// Observe implements driverstate.Observer.
func (p *backupProgress) Observe(e driverstate.Event) {
	p.m.cfg.Observer.Observe(e)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = e
	tens := e.ObjectsDone / driverstate.ObjectsPerProgress
	switch {
	case e.Type == driverstate.EventEnd:
		p.publish(100)
	case tens > p.told: // also of a copy that has read all and waits for the store
		p.told = tens
		p.publish(p.percent())
	}
}

// timed publishes how far it is, but for 100, which is the end's alone.
func (p *backupProgress) timed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	over := p.last.Type == driverstate.EventEnd || p.last.Type == driverstate.EventError
	if percent := p.percent(); !over && percent < 100 {
		p.publish(percent)
	}
}

func (p *backupProgress) percent() float64 {
	if p.last.BytesTotal == 0 {
		return 0
	}
	return 100 * float64(p.last.BytesDone) / float64(p.last.BytesTotal)
}

func (p *backupProgress) publish(percent float64) {
	payload := p.payload
	payload.Progress = &Progress{ID: p.last.ObjectsDone + 1, Prefix: payload.ServiceMetadata, Percent: percent}
	p.m.publish(p.ctx, eventCreateProgress, payload)
}
