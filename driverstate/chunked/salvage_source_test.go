package chunked

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ids "github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// twins are two backups of one volume with the same content. The third object of
// the first is gone.
func twins(t *testing.T, content []byte) (d *Driver, store *storetest.Memory, b, sibling *driverstate.Backup) {
	t.Helper()
	d, store = newDriver(t, FileLayout{})
	b = stored(t, d, content)
	other := *b
	other.ID = ids.NewString()
	var err error
	other.Container, other.ServiceMetadata, err = d.Place(&other, nil, b.CreatedAt)
	require.NoError(t, err)
	_, err = d.Backup(t.Context(), &other, nil, plain{bytes.NewReader(content)}, nil)
	require.NoError(t, err)
	require.NoError(t, store.Delete(t.Context(), b.Container, chunkName(b.ServiceMetadata, 3)))
	return d, store, b, &other
}

// salvagedTo salvages b to path.
func salvagedTo(t *testing.T, ctx context.Context, d *Driver, b *driverstate.Backup, path string) (driverstate.Restored, error) {
	t.Helper()
	target, err := volume.OpenTarget(path, volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	done, err := d.Restore(ctx, driverstate.Chain{b}, target, driverstate.RestoreOptions{Salvage: true}, nil)
	if err == nil {
		require.NoError(t, target.Commit())
	}
	return done, err
}

// What cannot be had of another backup of the volume stays a hole; it takes
// nothing from what is salvaged.
func TestASalvageOutlivesAnotherBackupThatCannotBeRead(t *testing.T) {
	const piece = 1 << 20
	content := pattern(3*piece + 100)
	hole := []driverstate.Range{{Offset: 2 * piece, Length: piece}}
	for _, why := range []error{objectstore.ErrForbidden, errors.New("connection reset by peer")} {
		for _, c := range []struct {
			name, op, suffix string
			holes            []driverstate.Range
		}{
			{"document", "get", "_metadata", hole},
			{"hash list", "get", "_sha256file", nil},
			{"object", "get", "-00003", hole},
			{"walk", "containers", "", hole},
		} {
			t.Run(fmt.Sprintf("%s, %v", c.name, why), func(t *testing.T) {
				d, store, b, sibling := twins(t, content)
				store.Fail = func(op, container, name string) error {
					if op == c.op && (name == "" || name == sibling.ServiceMetadata+c.suffix) {
						return fmt.Errorf("%s %s: %w", op, name, why)
					}
					return nil
				}
				path := filepath.Join(t.TempDir(), "disk")
				done, err := salvagedTo(t, t.Context(), d, b, path)
				require.NoError(t, err)
				assert.Equal(t, c.holes, done.Holes)
				said := strings.Join(done.Warnings, "\n")
				assert.Contains(t, said, why.Error())
				if c.suffix == "_sha256file" || c.suffix == "-00003" {
					assert.Contains(t, said, sibling.ID)
				}
				want := bytes.Clone(content)
				for _, h := range c.holes {
					clear(want[h.Offset : h.Offset+h.Length])
				}
				got, err := os.ReadFile(path)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(want, got))
			})
		}
	}
}

// What --memory leaves may do for the backup, and not for another one of a codec
// that takes more.
func TestASalvageOutlivesAnotherBackupThatTakesMoreMemory(t *testing.T) {
	const piece = 1 << 20
	content := pattern(3*piece + 100)
	d, _, b, sibling := twins(t, content)
	require.NoError(t, d.Delete(t.Context(), sibling))
	other := *d
	other.cfg.Compression = CompressionZstd
	_, err := other.Backup(t.Context(), sibling, nil, plain{bytes.NewReader(content)}, nil)
	require.NoError(t, err)
	d.cfg.Memory = 8 << 20
	done, err := salvagedTo(t, t.Context(), d, b, filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	assert.Equal(t, []driverstate.Range{{Offset: 2 * piece, Length: piece}}, done.Holes)
	assert.Contains(t, strings.Join(done.Warnings, "\n"), "backup "+sibling.ID+" could not be looked through for what is missing: memory of")
}

// Of an object that breaks off, what came before is kept.
func TestWhatAnotherBackupGaveBeforeItBrokeOffIsKept(t *testing.T) {
	const piece = 1 << 20
	content := words(3*piece + 100)
	d, store, b, sibling := twins(t, content)
	d.store = sectors{store, chunkName(sibling.ServiceMetadata, 3), []int64{100_000}, errors.New("connection reset by peer")}
	path := filepath.Join(t.TempDir(), "disk")
	done, err := salvagedTo(t, t.Context(), d, b, path)
	require.NoError(t, err)
	require.Len(t, done.Holes, 1)
	assert.Greater(t, done.Holes[0].Offset, int64(2*piece))
	assert.EqualValues(t, 3*piece, done.Holes[0].Offset+done.Holes[0].Length)
	assert.Equal(t, done.Holes[0].Offset-2*piece, done.BytesFilled)
	clear(content[done.Holes[0].Offset : 3*piece])
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(content, got))
}

// Each answer that does not come is waited for: another backup is not worth that
// for all of its objects.
func TestABackupThatDoesNotAnswerIsNotAskedForAllOfItsObjects(t *testing.T) {
	d, store, b, sibling := twins(t, pattern(9<<20))
	d.cfg.Workers = 1
	for n := 4; n <= 9; n++ {
		require.NoError(t, store.Delete(t.Context(), b.Container, chunkName(b.ServiceMetadata, n)))
	}
	asked := 0
	store.Fail = func(op, _, name string) error {
		if op == "get" && strings.HasPrefix(name, sibling.ServiceMetadata+"-") {
			asked++
			return errors.New("no route to host")
		}
		return nil
	}
	done, err := salvagedTo(t, t.Context(), d, b, filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	assert.Equal(t, []driverstate.Range{{Offset: 2 << 20, Length: 7 << 20}}, done.Holes)
	assert.Equal(t, silences, asked)
}

// fullAt is a target that has no room for what lies from a byte on to another.
type fullAt struct {
	driverstate.Target
	segment
}

var errNoRoom = errors.New("no space left on device")

func (f fullAt) WriteAt(p []byte, off int64) (int, error) {
	if off < f.end && off+int64(len(p)) > f.off {
		return 0, errNoRoom
	}
	return f.Target.WriteAt(p, off)
}

// What ends a salvage while it reads another backup: its target, and whoever
// calls it off.
func TestASalvageEndsWithItsTargetAndItsContext(t *testing.T) {
	d, store, b, sibling := twins(t, pattern(3<<20))
	target, err := volume.OpenTarget(filepath.Join(t.TempDir(), "disk"), volume.TargetOptions{})
	require.NoError(t, err)
	defer target.Close()
	_, err = d.Restore(t.Context(), driverstate.Chain{b}, fullAt{target, segment{2 << 20, 3 << 20}}, driverstate.RestoreOptions{Salvage: true}, nil)
	require.ErrorIs(t, err, errNoRoom)

	for _, suffix := range []string{"_metadata", "-00003"} {
		ctx, cancel := context.WithCancel(t.Context())
		store.Fail = func(_, _, name string) error {
			if name == sibling.ServiceMetadata+suffix {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		_, err = salvagedTo(t, ctx, d, b, filepath.Join(t.TempDir(), "disk"))
		assert.ErrorIs(t, err, context.Canceled, suffix)
		cancel()
	}
}
