package drivertest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// requireImage checks that the image of a chain, if the driver has such, reads
// as a restore of it: from its beginning, and anywhere from several goroutines.
func requireImage(t *testing.T, d driverstate.Driver, c driverstate.Chain, want []byte) {
	t.Helper()
	imager, ok := d.(driverstate.Imager)
	if !ok {
		return
	}
	image, err := imager.OpenImage(t.Context(), c)
	require.NoError(t, err)
	defer func() { assert.NoError(t, image.Close()) }()
	require.Equal(t, int64(len(want)), image.Size())
	var group errgroup.Group
	for seed := range 3 {
		group.Go(func() error {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			for range 20 {
				off := r.IntN(len(want) + 1)
				got := make([]byte, r.IntN(min(3*objectSize, len(want)-off)+1))
				if err := image.ReadAt(t.Context(), got, int64(off)); err != nil {
					return err
				}
				if !slices.Equal(want[off:off+len(got)], got) {
					return errors.New("bytes of the image differ")
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	got := make([]byte, len(want))
	for off := 0; off < len(got); off += 10_007 {
		require.NoError(t, image.ReadAt(t.Context(), got[off:min(off+10_007, len(got))], int64(off)))
	}
	requireSame(t, want, got, "image")
	for off := int64(0); off < image.Size(); {
		zero, until := image.Zeros(off, image.Size())
		require.Greater(t, until, off)
		if zero {
			requireSame(t, make([]byte, until-off), want[off:until], "what the image calls zeros")
		}
		off = until
	}
	require.ErrorIs(t, image.ReadAt(t.Context(), make([]byte, 2), image.Size()-1), driverstate.ErrInvalidInput)
}

// requireDamagedImage checks that of a damaged chain no wrong byte is read, and
// that what cannot be read is of an object that a verification has reported.
func requireDamagedImage(t *testing.T, d driverstate.Driver, c driverstate.Chain, want []byte, problems []driverstate.Problem) {
	t.Helper()
	imager, ok := d.(driverstate.Imager)
	if !ok {
		return
	}
	image, err := imager.OpenImage(t.Context(), c)
	if err != nil {
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		return
	}
	defer func() { assert.NoError(t, image.Close()) }()
	for off := int64(0); off < image.Size(); off += blockSize {
		end := min(off+blockSize, image.Size())
		got := make([]byte, end-off)
		err := image.ReadAt(t.Context(), got, off)
		if err == nil {
			requireSame(t, want[off:end], got, "what was read of a damaged image")
			continue
		}
		require.ErrorIs(t, err, driverstate.ErrCorrupt)
		var fault driverstate.Damaged
		require.ErrorAs(t, err, &fault)
		lost := fault.Damage()
		assert.True(t, lost.Offset < end && off < lost.Offset+lost.Length, "bytes %d to %d: %+v", off, end, lost)
		assert.True(t, slices.ContainsFunc(problems, func(p driverstate.Problem) bool { return p.Object == lost.Object }),
			"bytes %d to %d: %+v is none of %+v", off, end, lost, problems)
	}
}
