package volume

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate"
)

// MapSuffix is added to the name of a target for the map of its holes.
const MapSuffix = ".map"

// mapHead begins every map file.
const mapHead = "# Mapfile. Created by "

// WriteMap writes to path which bytes of an image of length bytes are there, and
// which are holes, in the format of GNU ddrescue's map files (its manual, "Mapfile
// structure"): what is there is finished, +, and holes are bad sectors, -. It
// replaces a map file and nothing else: ErrConflict.
func WriteMap(path string, length int64, holes []driverstate.Range) error {
	if err := mayReplace(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return pathError("map", path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "%scinder-go\n# current_pos  current_status  current_pass\n0x%08X     +               1\n#      pos        size  status\n", mapHead, length)
	line := func(off, n int64, status byte) {
		if n > 0 {
			fmt.Fprintf(w, "0x%08X  0x%08X  %c\n", off, n, status)
		}
	}
	at := int64(0)
	for _, h := range holes {
		line(at, h.Offset-at, '+')
		line(h.Offset, h.Length, '-')
		at = h.Offset + h.Length
	}
	line(at, length-at, '+')
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return pathError("map", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return pathError("map", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// CheckMap refuses a path that WriteMap could not write: ErrConflict for
// anything that is no map file, ErrForbidden or ErrInvalidInput where no file
// can be made. It changes nothing that is there and leaves nothing behind.
func CheckMap(path string) error {
	if err := mayReplace(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return pathError("map", path, err)
	case err != nil:
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("map %s cannot be made: %v", path, err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// mayReplace refuses a path that holds anything but a map file.
func mayReplace(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return pathError("map", path, err)
	}
	head := make([]byte, len(mapHead))
	if info.Mode().IsRegular() {
		f, err := os.Open(path)
		if err != nil {
			return pathError("map", path, err)
		}
		defer f.Close()
		if n, err := io.ReadFull(f, head); err == nil && string(head) == mapHead || n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
	}
	return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("map %s is there already and is no map file", path))
}
