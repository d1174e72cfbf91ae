package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cinder-go/cinder-go/driverstate"
)

// volumeFiles says where volumes and their files differ.
func (c *census) volumeFiles(t *testing.T, w *world) []string {
	t.Helper()
	var wrong []string
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	own := map[string]bool{}
	for id, v := range c.volumes {
		info, err := os.Stat(v.Path)
		switch {
		case !v.Managed && v.Path != "":
			own[filepath.Base(v.Path)] = true
			if err != nil && v.Status != driverstate.VolumeError {
				add("volume %s (%s) is %s and has no file", id, v.Name, v.Status)
			}
			if err == nil && info.Size() != v.Size<<30 {
				add("volume %s (%s) has %d bytes", id, v.Name, info.Size())
			}
		}
		if s := c.restored(v, w); s != "" {
			add("volume %s (%s) is available: %s", id, v.Name, s)
		}
	}
	for id, s := range c.snapshots {
		own[filepath.Base(s.Path)] = true
		if info, err := os.Stat(s.Path); s.Status == driverstate.SnapshotAvailable && (err != nil || info.Size() != s.Size<<30) {
			add("snapshot %s is available and has no file of %d GiB: %v", id, s.Size, err)
		}
	}
	files, err := os.ReadDir(c.place.volumes())
	require.NoError(t, err)
	for _, f := range files {
		if !own[f.Name()] {
			add("a file of no volume: %s", f.Name())
		}
	}
	targets, err := os.ReadDir(c.targets())
	require.NoError(t, err)
	for _, f := range targets {
		if strings.HasSuffix(f.Name(), ".partial") {
			add("a part of a restore is left: %s", f.Name())
		}
	}
	return wrong
}

// restored says what is wrong with the bytes of a volume that says that it was
// restored.
func (c *census) restored(v *driverstate.Volume, w *world) string {
	of := v.Metadata["src_backup_id"]
	if v.Status != driverstate.VolumeAvailable || of == "" {
		return ""
	}
	var want []byte
	for name, id := range w.ids {
		if id == of && w.content[name] != nil {
			want = w.content[name]
		}
	}
	if want == nil {
		return "nobody knows backup " + of
	}
	f, err := os.Open(v.Path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	have := make([]byte, len(want))
	if _, err := io.ReadFull(f, have); err != nil {
		return err.Error()
	}
	if !bytes.Equal(have, want) {
		return "its bytes are not those of backup " + of
	}
	return zeroAfter(f, int64(len(want)))
}

// zeroAfter looks at the data of a sparse file from off on.
func zeroAfter(f *os.File, off int64) string {
	for {
		start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		if off, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE); err != nil {
			return err.Error()
		}
		b := make([]byte, off-start)
		if _, err := f.ReadAt(b, start); err != nil && !errors.Is(err, io.EOF) {
			return err.Error()
		}
		if len(bytes.Trim(b, "\x00")) > 0 {
			return fmt.Sprintf("behind the image, at byte %d, are other bytes than zeros", start)
		}
	}
}
