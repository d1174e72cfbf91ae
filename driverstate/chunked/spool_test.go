package chunked

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASpoolIsReadAsItWasWrittenAndLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, n := range []int{0, 1, spoolMemory, spoolMemory + 1, 3*spoolMemory + 77} {
		s := &spool{}
		want := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
		for piece := want; len(piece) > 0; {
			m := min(len(piece), 700_001)
			_, err := s.Write(piece[:m])
			require.NoError(t, err)
			piece = piece[m:]
		}
		require.EqualValues(t, n, s.size)
		r := s.reader()
		for range 2 { // a store that retries reads again
			_, err := r.Seek(0, io.SeekStart)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes", n)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, left, "%d bytes", n)
		s.close()
	}
}
