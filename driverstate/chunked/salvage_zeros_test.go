package chunked

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Of a volume most is zeros: what the hash list proves to be that is no hole,
// whatever became of its object. What it does not prove stays one, however often
// the restore goes on over the zeros that it left there itself.
func TestZerosThatTheHashListProvesAreNoHoles(t *testing.T) {
	const piece, block = 1 << 20, 32768
	content := words(5*piece + 100)
	clear(content[piece : 2*piece])
	clear(content[3*piece+2*block : 3*piece+4*block])
	clear(content[5*piece:])
	holes := []driverstate.Range{{Offset: 2 * piece, Length: piece + 2*block}, {Offset: 3*piece + 4*block, Length: piece - 4*block}}
	want := bytes.Clone(content)
	for _, h := range holes {
		clear(want[h.Offset:][:h.Length])
	}
	for name, held := range map[string]int{"a list that is held": heldDigests, "a long list": 1} {
		t.Run(name, func(t *testing.T) {
			d, store := newDriver(t, FileLayout{})
			b := stored(t, d, content)
			for _, n := range []int{2, 3, 4, 6} { // the last of 100 bytes
				require.NoError(t, store.Delete(t.Context(), b.Container, chunkName(b.ServiceMetadata, n)))
			}
			d.held = held
			for _, old := range [][]byte{nil, bytes.Repeat([]byte("old data"), 1<<20)} {
				path := filepath.Join(t.TempDir(), "disk")
				if old != nil {
					require.NoError(t, os.WriteFile(path, old, 0o600))
				}
				for _, o := range []driverstate.RestoreOptions{{Salvage: true}, {Salvage: true, Resume: true}, {Salvage: true, Resume: true}} {
					got, done, err := restoredTo(t, d, driverstate.Chain{b}, path, o)
					require.NoError(t, err)
					assert.Equal(t, holes, done.Holes)
					assert.True(t, bytes.Equal(want, got))
					assert.Zero(t, done.BytesFilled, "no other object gave them")
					if !o.Resume {
						assert.Equal(t, []string{"1114212 bytes of what is missing or damaged are zeros by the hash list"}, done.Warnings)
					} else {
						assert.EqualValues(t, int64(len(content))-done.Holes[0].Length-done.Holes[1].Length, done.BytesKept)
						assert.Empty(t, done.Warnings)
					}
				}
			}
			// A range that ends within blocks of zeros.
			got, done, err := restoredTo(t, d, driverstate.Chain{b}, filepath.Join(t.TempDir(), "part"),
				driverstate.RestoreOptions{Salvage: true, Offset: piece + 100, Length: 3 * block})
			require.NoError(t, err)
			assert.Empty(t, done.Holes)
			assert.Equal(t, make([]byte, 3*block), got)

			require.NoError(t, store.Delete(t.Context(), b.Container, hashesName(b.ServiceMetadata)))
			_, done, err = restoredTo(t, d, driverstate.Chain{b}, filepath.Join(t.TempDir(), "unproven"), driverstate.RestoreOptions{Salvage: true})
			require.NoError(t, err)
			assert.Equal(t, []driverstate.Range{{Offset: piece, Length: 3 * piece}, {Offset: 5 * piece, Length: 100}}, done.Holes)
		})
	}
}
