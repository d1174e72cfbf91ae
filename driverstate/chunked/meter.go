package chunked

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// meter measures what the workers of an operation wait for. Its clocks are read
// once for each read, write or grain, of which there are some thousands a second.
type meter struct {
	begun   time.Time
	workers int

	source atomic.Int64 // ns, of workers
	target atomic.Int64 // ns, of workers; of a backup, of the stores
	// packing is what a backup computes in its workers; storing, what the
	// encoders and MD5s of its objects compute behind them.
	packing, storing atomic.Int64
	// idle is what workers waited for others that had all there was to do.
	idle atomic.Int64
	// before and after stand for times at which there are no workers: what was
	// read of the source, and what was read or written of the target.
	before, after atomic.Int64
}

func newMeter(workers int) *meter { return &meter{begun: time.Now(), workers: workers} }

// since adds the time since start to a counter of the meter.
func since(counter *atomic.Int64, start time.Time) { counter.Add(int64(time.Since(start))) }

// shareOf is how long of took, during which workers were at work for busy ns
// together, they were at what took part ns of that; in ns.
func shareOf(took time.Duration, part, busy int64) int64 {
	if busy <= 0 {
		return 0
	}
	return int64(float64(took) * float64(part) / float64(busy))
}

// load is that of workers which read, compute and wait for their turn to write.
func (m *meter) load() driverstate.Load { return m.loadOf(m.target.Load()) }

// backup is the load of a backup, whose objects are stored behind the backs of
// its workers: when those had nothing to do they waited for the store and for
// the encoders, as either was busy.
func (m *meter) backup() driverstate.Load {
	idle := max(0, m.total()-m.source.Load()-m.packing.Load())
	storing, target := float64(m.storing.Load()), float64(m.target.Load())
	if target <= 0 {
		return m.loadOf(0)
	}
	return m.loadOf(int64(float64(idle) * target / (storing + target)))
}

func (m *meter) loadOf(target int64) driverstate.Load {
	n := int64(m.workers)
	return driverstate.NewLoad(time.Duration(m.total()), time.Duration(m.source.Load()+n*m.before.Load()),
		time.Duration(target+n*m.after.Load()))
}

func (m *meter) total() int64 { return int64(time.Since(m.begun))*int64(m.workers) - m.idle.Load() }

// open opens an object whose reading is counted as waiting for the source.
func (w *worker) open(ctx context.Context, l *layer, e *Extent, taps ...io.Writer) (*extentReader, error) {
	return w.d.open(ctx, w.meter, l, e, taps...)
}

// timedReader is a reader whose time is counted.
type timedReader struct {
	io.Reader
	spent *atomic.Int64
}

func (t timedReader) Read(p []byte) (int, error) {
	defer since(t.spent, time.Now())
	return t.Reader.Read(p)
}
