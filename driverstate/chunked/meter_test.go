package chunked

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
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// slowly is a store that takes its time, by the clock of a synctest bubble.
type slowly struct {
	objectstore.Store
	get, put time.Duration
}

func (s *slowly) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	time.Sleep(s.get)
	return s.Store.Get(ctx, container, name, off, n)
}

func (s *slowly) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	time.Sleep(s.put)
	return s.Store.Put(ctx, container, name, r, size)
}

// slowVolume is a source and a target that take their time.
type slowVolume struct {
	ram
	read, write time.Duration
}

func (v *slowVolume) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(v.read)
	return v.ram.ReadAt(p, off)
}

func (v *slowVolume) WriteAt(p []byte, _ int64) (int, error) {
	time.Sleep(v.write)
	return len(p), nil
}

func (v *slowVolume) Begin(int64) error            { return nil }
func (v *slowVolume) ZeroRange(int64, int64) error { return nil }
func (v *slowVolume) Sequential() bool             { return false }
func (v *slowVolume) Depth() int                   { return 1 }
func (v *slowVolume) Blank() bool                  { return true }
func (v *slowVolume) Sync() error                  { return nil }

// loads runs a backup, a verification and a restore of 8 MiB in 8 objects, and
// returns the load that each told at its end.
func loads(t *testing.T, compression Compression, s slowly, v slowVolume) map[string]driverstate.Load {
	d, store := newDriver(t, FileLayout{})
	s.Store = store
	d.store, d.cfg.Compression = &s, compression
	v.content = make([]byte, 8<<20)
	for i := range v.content {
		v.content[i] = byte(i*i>>7) | 1
	}
	b := row(ownDir, fileP)
	b.Size, b.CreatedAt = 1, time.Unix(1700000000, 0)
	told := map[string]driverstate.Load{}
	obs := driverstate.ObserverFunc(func(e driverstate.Event) {
		if e.Type == driverstate.EventEnd {
			told[e.Op] = e.Load
		}
	})
	_, err := d.Backup(t.Context(), b, nil, &v, obs)
	require.NoError(t, err)
	chain := driverstate.Chain{b}
	_, err = d.Verify(t.Context(), chain, driverstate.DepthData, obs)
	require.NoError(t, err)
	_, err = d.Restore(t.Context(), chain, &v, driverstate.RestoreOptions{}, obs)
	require.NoError(t, err)
	require.Len(t, told, 3)
	return told
}

// In a bubble only waiting takes time, so what is waited for is all of the load.
func TestALoadTellsWhatAnOperationWaitsFor(t *testing.T) {
	for _, c := range []struct {
		name                    string
		store                   slowly
		volume                  slowVolume
		backup, verify, restore string
	}{
		{"a store that is slow to read", slowly{get: time.Second}, slowVolume{}, "", "source", "source"},
		{"a store that is slow to write", slowly{put: time.Second}, slowVolume{}, "target", "", ""},
		{"a volume that is slow to read", slowly{}, slowVolume{read: time.Second}, "source", "", ""},
		{"a volume that is slow to write", slowly{}, slowVolume{write: time.Second}, "", "", "target"},
	} {
		for _, compression := range []Compression{CompressionZlib, CompressionZstd, CompressionNone} {
			t.Run(c.name+", "+string(compression), func(t *testing.T) {
				// Pools may hold decoders that were made in no bubble, or in another.
				emptyPools()
				defer emptyPools()
				synctest.Test(t, func(t *testing.T) {
					told := loads(t, compression, c.store, c.volume)
					for op, want := range map[string]string{"backup": c.backup, "verify": c.verify, "restore": c.restore} {
						assert.Equal(t, want, told[op].Bound(), "%s: %+v", op, told[op])
					}
				})
			})
		}
	}
}

// emptyPools has every sync.Pool forget what it holds: the first collection
// makes victims, the second takes them.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// Outside a bubble what waits for nothing computes. A system that gives the
// processor to others while a piece is read or written has it wait there, which
// is as rare as these moments are short.
func TestWhatWaitsForNothingIsBoundByTheCPU(t *testing.T) {
	computed := map[string]bool{}
	for tries := 0; len(computed) < 3 && tries < 20; tries++ {
		for op, load := range loads(t, CompressionZlib, slowly{}, slowVolume{}) {
			assert.InDelta(t, 1, load.Source+load.CPU+load.Target, 1e-9)
			if load.Bound() == "CPU" {
				computed[op] = true
			} else {
				t.Logf("%s: %+v", op, load)
			}
		}
	}
	assert.Len(t, computed, 3)
}
