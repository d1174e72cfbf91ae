package chunked

import (
	"bytes"
	"io"
	"os"
)

// spoolMemory is how much of a spool is held in memory; the rest goes to a
// file without a name.
const spoolMemory = 4 << 20

// spoolDirs are where that file may lie, the first that takes it: TMPDIR, if
// set, or the directory for large temporary files, because /tmp is memory on
// many machines.
func spoolDirs() []string {
	if os.Getenv("TMPDIR") != "" {
		return []string{""}
	}
	return []string{"/var/tmp", ""}
}

// spool keeps what is written to it until it can be stored: a store wants to
// know the size first, and to read again when it retries.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	size   int64
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.memory.Len()+len(p) > spoolMemory {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	s.size += int64(len(p))
	if s.file != nil {
		return s.file.Write(p)
	}
	return s.memory.Write(p)
}

func (s *spool) spill() error {
	var file *os.File
	var err error
	for _, dir := range spoolDirs() {
		if file, err = os.CreateTemp(dir, "cinder-go-spool-"); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	s.file = file
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	_, err = s.memory.WriteTo(file)
	return err
}

func (s *spool) reader() io.ReadSeeker {
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.memory.Bytes())
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
