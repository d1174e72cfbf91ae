package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// File is the driver that appends to a file, one JSON object per line: the
// message that the amqp driver puts into its envelope. The file is opened, for
// its owner alone, when there is something to write, and again when its name
// stands for another one: logrotate may move it away without telling.
type File struct {
	path string
	file *os.File
	torn bool // the last write ended within a line
}

// NewFile returns one that writes to path.
func NewFile(path string) *File { return &File{path: path} }

// Kind is file.
func (*File) Kind() string { return "file" }

// Publish writes one line.
func (f *File) Publish(_ context.Context, m *Message) error {
	line, err := m.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := f.open(); err != nil {
		return err
	}
	line = append(line, '\n')
	if f.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := f.file.Write(line)
	if n > 0 {
		f.torn = n < len(line)
	}
	return err
}

// open has the file open that the name stands for now.
func (f *File) open() error {
	if f.file != nil {
		named, err := os.Stat(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		have, statErr := f.file.Stat()
		if err == nil && statErr == nil && os.SameFile(named, have) {
			return nil
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	f.file, f.torn = file, false
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
