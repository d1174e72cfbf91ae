package chunked

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shorter is a volume that had size bytes when it was opened.
type shorter struct {
	plain
	size int64
}

func (s shorter) Size() int64 { return s.size }

// What a buffer held before must not become the end of the image.
func TestAVolumeThatGetsShorterIsNoBackup(t *testing.T) {
	const size = 3<<20 + 1000
	for _, lost := range []int64{1, 1000, 500_000, 1 << 20} {
		d, store := newDriver(t, FileLayout{})
		d.cfg.Compression = CompressionNone
		b := row(ownDir, fileP)
		b.Size = 1
		_, err := d.Backup(t.Context(), b, nil, shorter{plain{bytes.NewReader(pattern(size))}, size + lost}, nil)
		require.ErrorContains(t, err, "it became shorter while it was read", lost)
		for _, name := range store.Names(ownDir) {
			assert.False(t, strings.HasSuffix(name, metadataSuffix), name)
		}
	}
}
