package chunked

import (
	"context"
	"errors"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Compression is the word in a chunk's entry, normalised: none, zlib, bz2, zstd.
type Compression string

// Compressions. gzip is zlib framing too (RFC 1950), bzip2 is bz2, off and no
// are none (cinder/backup/chunkeddriver.py _get_compressor).
const (
	CompressionNone Compression = "none"
	CompressionZlib Compression = "zlib"
	CompressionBz2  Compression = "bz2"
	CompressionZstd Compression = "zstd"
)

// Extent is one object of a backup: a piece of the volume, stored.
type Extent struct {
	Name        string // full object name
	Offset      int64  // in the volume
	Length      int64  // uncompressed bytes
	Compression Compression
	MD5         [16]byte // of the plain bytes; before Liberty of the stored bytes
}

// Metadata is the <prefix>_metadata document.
type Metadata struct {
	BackupID    string
	VolumeID    string
	Name        *string
	Description *string
	CreatedAt   time.Time
	ParentID    string   // empty for a full backup
	Extents     []Extent // ascending, not overlapping
	VolumeMeta  []byte   // the JSON text inside volume_meta, nil if none
}

// Hashes is the <prefix>_sha256file document: the SHA-256 of every block of
// the whole volume image.
type Hashes struct {
	BackupID  string
	VolumeID  string
	BlockSize int64  // chunk_size
	Sums      []byte // 32 bytes per block, in order; nil if they are paged
	paged     *paged // nil if they are in Sums
	// second reads them from the store once more; nil for a list that is of none.
	second *paged
}

// Blocks is the number of blocks.
func (h *Hashes) Blocks() int {
	if h.paged != nil {
		return int(h.paged.blocks)
	}
	return len(h.Sums) / 32
}

// Sum is the digest of block i, 0 <= i < Blocks, of a list that is in Sums.
// Those of any other are had from digests.
func (h *Hashes) Sum(i int) []byte { return h.Sums[32*i : 32*i+32] }

// twice has a document read, and once more when it must not be used as it came:
// one bad read condemns nothing.
func twice(ctx context.Context, read func() error) error {
	err := read()
	if err != nil && ctx.Err() == nil && errors.Is(storeError(err), driverstate.ErrCorrupt) {
		err = read()
	}
	return err
}
