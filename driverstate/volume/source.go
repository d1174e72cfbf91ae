package volume

import (
	"os"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Source is a volume opened for one backup.
type Source interface {
	driverstate.Source
	Close() error
}

type source struct {
	*os.File
	size int64
	meta []byte
}

// OpenSource opens the file or block device at path for reading. meta is the
// volume_meta text that goes into the backup; nil for none.
func OpenSource(path string, meta []byte) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, pathError("volume", path, err)
	}
	if !info.Mode().IsRegular() && !isBlockDevice(info) {
		return nil, notAVolume("volume", path, info)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, pathError("volume", path, err)
	}
	s := &source{File: f, size: info.Size(), meta: meta}
	if isBlockDevice(info) {
		if s.size, err = deviceSize(f); err != nil {
			f.Close()
			return nil, pathError("volume", path, err)
		}
	}
	return s, nil
}

// Size is the size that the volume had when it was opened.
func (s *source) Size() int64 { return s.size }

// Metadata is the text given to OpenSource.
func (s *source) Metadata() ([]byte, error) { return s.meta, nil }

// NextData implements driverstate.Sparse. A device has no holes, and what a file
// has lost since it was opened is none: who reads it learns of it.
func (s *source) NextData(off int64) (start, end int64) {
	start, end = nextData(s.File, off, s.size)
	if start == s.size {
		if info, err := s.Stat(); err != nil || info.Size() < s.size {
			return off, s.size
		}
	}
	return start, end
}
