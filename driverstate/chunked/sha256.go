package chunked

import (
	"context"
	"errors"
	"io"
	"time"
)

// parseHashes reads a <prefix>_sha256file document of at most maxBlocks digests.
func parseHashes(r io.Reader, maxBlocks int64) (*Hashes, error) {
	return nil, errors.ErrUnsupported
}

// loadHashes reads the hash list of the backup whose objects begin with prefix;
// objectstore.ErrNotFound when there is none.
func (d *Driver) loadHashes(ctx context.Context, container, prefix string) (*Hashes, error) {
	return nil, errors.ErrUnsupported
}

// writeHashes writes h as Cinder does.
func writeHashes(w io.Writer, h *Hashes, name, description *string, createdAt time.Time) error {
	return errors.ErrUnsupported
}
