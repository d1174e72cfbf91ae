package chunked

import (
	"context"
	"errors"
	"io"
)

// parseMetadata reads a <prefix>_metadata document of at most limit bytes.
func parseMetadata(r io.Reader, limit int64) (*Metadata, error) {
	return nil, errors.ErrUnsupported
}

// loadMetadata reads the metadata document of the backup whose objects begin
// with prefix and checks that it belongs to that prefix.
func (d *Driver) loadMetadata(ctx context.Context, container, prefix string) (*Metadata, error) {
	return nil, errors.ErrUnsupported
}

// writeMetadata writes m as Cinder does.
func writeMetadata(w io.Writer, m *Metadata) error { return errors.ErrUnsupported }
