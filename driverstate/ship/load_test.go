package ship_test

import (
	"context"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// slow is a store that takes its time, by the clock of a synctest bubble: to
// begin a Get, to read each piece of what it gives, and to take a Put.
type slow struct {
	objectstore.Store
	get, read, put time.Duration
}

type slowBody struct {
	io.ReadCloser
	read time.Duration
}

func (s slow) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	time.Sleep(s.get)
	body, err := s.Store.Get(ctx, container, name, off, n)
	return slowBody{body, s.read}, err
}

func (b slowBody) Read(p []byte) (int, error) {
	time.Sleep(b.read)
	return b.ReadCloser.Read(p)
}

func (s slow) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	time.Sleep(s.put)
	return s.Store.Put(ctx, container, name, r, size)
}

func memoryDriver(t *testing.T, s objectstore.Store) *chunked.Driver {
	d, err := chunked.New(s, chunked.FileLayout{}, chunked.Config{
		Service: "cinder.backup.drivers.posix.PosixBackupDriver", ObjectSize: 65536, BlockSize: 4096,
		Compression: chunked.CompressionZlib, Workers: 2,
	})
	require.NoError(t, err)
	return d
}

// In a bubble only waiting takes time, so that what a shipment waits for is all
// of its load, the reading back and the documents included.
func TestALoadTellsWhatAShipmentWaitsFor(t *testing.T) {
	for _, c := range []struct {
		name           string
		from, to       slow
		source, target float64
	}{
		{"a source that is slow to read", slow{get: time.Second, read: time.Second}, slow{}, 1, 0},
		{"a target that is slow to write", slow{}, slow{put: time.Second}, 0, 1},
		{"a target that is slow to read back", slow{}, slow{get: time.Second, read: time.Second}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Pools may hold decoders that were made in no bubble, or in another.
			for range 2 {
				runtime.GC()
				defer runtime.GC()
			}
			synctest.Test(t, func(t *testing.T) {
				store := storetest.NewMemory()
				aChain(t, memoryDriver(t, store))
				c.from.Store, c.to.Store = store, storetest.NewMemory()
				landing := ship.NewLanding(driverstate.ShipVerifyFull)
				from, to := memoryDriver(t, c.from), memoryDriver(t, landing.Wrap(c.to))
				var loads []driverstate.Load
				job := &ship.Job{
					Source: from, Target: to, Landing: landing,
					Request: driverstate.ShipRequest{Verify: driverstate.ShipVerifyFull, Chain: true},
					Observer: driverstate.ObserverFunc(func(e driverstate.Event) {
						if e.Type == driverstate.EventEnd {
							loads = append(loads, e.Load)
						}
					}),
				}
				all := ids()
				_, err := job.Ship(t.Context(), lineOf(t, from, all[len(all)-1]))
				require.NoError(t, err)
				require.Len(t, loads, len(all))
				for _, load := range loads {
					assert.InDelta(t, c.source, load.Source, 1e-6, "%+v", load)
					assert.InDelta(t, c.target, load.Target, 1e-6, "%+v", load)
				}
			})
		})
	}
}
