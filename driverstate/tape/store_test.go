package tape

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

func newTape(t *testing.T, c Config) *Driver {
	t.Helper()
	if c.Path == "" && c.In == nil && c.Out == nil {
		c.Path = filepath.Join(t.TempDir(), "x.cbk")
	}
	if c.ObjectSize == 0 {
		c.ObjectSize, c.BlockSize = 64<<10, 4<<10
	}
	if c.Compression == "" {
		c.Compression = chunked.CompressionZlib
	}
	d, err := New(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestTapeAsAnObjectStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open:    func(t *testing.T) objectstore.Store { return newTape(t, Config{Append: true}).tape },
		Slashes: true, NestedContainers: true,
	})
}

func TestTapeOfVolumesAsAnObjectStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) objectstore.Store {
			return newTape(t, Config{Append: true, VolumeSize: minVolume}).tape
		},
		Slashes: true, NestedContainers: true,
	})
}

// shared is one tape that several drivers have open.
type shared struct{ *store }

func (shared) Close() error { return nil }

func (s shared) Open(t *testing.T, o drivertest.Settings) driverstate.Driver {
	t.Helper()
	if o.Compression == "" {
		o.Compression = chunked.CompressionZlib
	}
	d, err := chunked.New(chunked.Runtime{ReadOnly: o.ReadOnly}.Wrapped(s), chunked.FileLayout{}, chunked.Config{
		Service: Service, ObjectSize: o.ObjectSize, BlockSize: o.BlockSize, Compression: o.Compression, Workers: o.Workers,
	})
	require.NoError(t, err)
	return d
}

func (s shared) Names(t *testing.T, container string) []string {
	t.Helper()
	var names []string
	for info, err := range s.List(t.Context(), container, "") {
		if err != nil {
			return nil
		}
		names = append(names, info.Name)
	}
	slices.Sort(names)
	return names
}

func (s shared) Read(t *testing.T, container, name string) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), container, name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return b
}

func (s shared) Write(t *testing.T, container, name string, content []byte) {
	t.Helper()
	require.NoError(t, s.Put(t.Context(), container, name, bytes.NewReader(content), int64(len(content))))
}

func (s shared) Remove(t *testing.T, container, name string) {
	t.Helper()
	require.NoError(t, s.Delete(t.Context(), container, name))
}

func TestTapeAsADriver(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		return shared{newTape(t, Config{Append: true}).tape}
	}})
}
