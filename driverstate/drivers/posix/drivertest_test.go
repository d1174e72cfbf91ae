package posix_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
)

// directory is a store in a directory; service names the driver of a copied
// object store, empty for posix itself.
type directory struct{ root, service string }

func (d *directory) Open(t *testing.T, s drivertest.Settings) driverstate.Driver {
	t.Helper()
	c := posix.Config{
		Path: d.root, Compression: s.Compression, ObjectSize: s.ObjectSize, BlockSize: s.BlockSize,
		Runtime: chunked.Runtime{ReadOnly: s.ReadOnly, Workers: s.Workers},
	}
	if d.service == "" {
		driver, err := posix.New(t.Context(), c)
		require.NoError(t, err)
		return driver
	}
	c.Container = "volumebackups"
	driver, err := posix.NewObjects(t.Context(), d.service, c)
	require.NoError(t, err)
	return driver
}

func (d *directory) Names(t *testing.T, container string) []string {
	t.Helper()
	top := filepath.Join(d.root, container)
	var names []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(top, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return names
}

func (d *directory) Read(t *testing.T, container, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(d.root, container, name))
	require.NoError(t, err)
	return content
}

func (d *directory) Write(t *testing.T, container, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(d.root, container, name), content, 0o600))
}

func (d *directory) Remove(t *testing.T, container, name string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(d.root, container, name)))
}

func TestPosixDriverKeepsTheContract(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		return &directory{root: t.TempDir()}
	}})
}

func TestACopyOfAnObjectStoreKeepsTheContract(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		return &directory{root: t.TempDir(), service: "cinder.backup.drivers.swift.SwiftBackupDriver"}
	}})
}

func TestMoreObjectsThanFiveDigitsCountAreRestoredAndDeletedWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("100,010 objects; the long run has them")
	}
	drivertest.Listing(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		return &directory{root: t.TempDir()}
	}}, 100_010)
}

func TestACopyOfALargeContainerIsRestoredAndDeletedWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("10,010 objects; the long run has them")
	}
	drivertest.Listing(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store {
		return &directory{root: t.TempDir(), service: "cinder.backup.drivers.swift.SwiftBackupDriver"}
	}}, 10_010)
}
