package chunked

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// together is a store in which no object is stored before all of want are there
// to be.
type together struct {
	objectstore.Store
	meet *sync.WaitGroup
}

func (s together) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	if !strings.HasSuffix(name, metadataSuffix) && !strings.HasSuffix(name, hashesSuffix) {
		s.meet.Done()
		met := make(chan struct{})
		go func() { s.meet.Wait(); close(met) }()
		select {
		case <-met:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Store.Put(ctx, container, name, r, size)
}

func TestTheSmallObjectsOfAnIncrementWaitForTheStoreTogether(t *testing.T) {
	const block = 32768
	for _, c := range []Compression{CompressionZlib, CompressionZstd, CompressionNone, CompressionBz2} {
		t.Run(string(c), func(t *testing.T) {
			if testing.Short() && c == CompressionBz2 {
				t.Skip("its encoder takes a minute under the race detector")
			}
			d, _ := newDriver(t, FileLayout{})
			d.cfg.Compression, d.cfg.Workers = c, 1
			old := words(2 * smallObjects * block)
			full := row(ownDir, fileP)
			full.Size, full.CreatedAt = 1, time.Unix(1700000000, 0)
			_, err := d.Backup(t.Context(), full, nil, ram{old}, nil)
			require.NoError(t, err)

			changed := append([]byte(nil), old...)
			for i := range smallObjects {
				changed[2*i*block]++
			}
			// One of them does not pack.
			random := rand.New(rand.NewPCG(3, 5))
			for i := range block {
				changed[2*block+i] = byte(random.Uint32())
			}
			inc := row(strings.ReplaceAll(ownDir, backupID, otherID), strings.ReplaceAll(fileP, backupID, otherID))
			inc.ID, inc.Size, inc.ParentID, inc.CreatedAt = otherID, 1, full.ID, full.CreatedAt
			inc.Container = FileLayout{}.Container(inc)
			plain := d.store
			meet := &sync.WaitGroup{}
			meet.Add(smallObjects)
			d.store = together{plain, meet}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			stored, err := d.Backup(ctx, inc, full, ram{changed}, nil)
			require.NoError(t, err)
			assert.Equal(t, smallObjects, stored.ObjectCount)
			d.store = plain
			report, err := d.Verify(t.Context(), driverstate.Chain{full, inc}, driverstate.DepthData, nil)
			require.NoError(t, err)
			assert.Equal(t, driverstate.ConditionWhole, report.Condition, report.Problems)
		})
	}
}
