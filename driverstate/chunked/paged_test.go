package chunked

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// numbered are n digests, each another one.
func numbered(n int) (sums [][sha256.Size]byte, digits []string) {
	for i := range n {
		sum := sha256.Sum256(fmt.Append(nil, i))
		sums, digits = append(sums, sum), append(digits, hex.EncodeToString(sum[:]))
	}
	return sums, digits
}

func TestTheDigestsOfALongListAreReadByPages(t *testing.T) {
	const n = 3*pageDigests + 7
	sums, digits := numbered(n)
	asCinder := hashDocument(digits...)
	middle := strings.Index(asCinder, digits[n/2])
	for _, c := range []struct {
		name, text string
		odd        bool
	}{
		{"as Cinder writes it", asCinder, false},
		{"in capitals", strings.ReplaceAll(asCinder, digits[9], strings.ToUpper(digits[9])), false},
		{"with a head of another length", strings.Replace(asCinder, "nm", strings.Repeat("long", 99), 1), false},
		{"without white space", strings.ReplaceAll(asCinder, "\n    ", ""), true},
		{"with a blank too many in its middle", asCinder[:middle-1] + " " + asCinder[middle-1:], true},
		{"with a blank too many before its first", strings.Replace(asCinder, "[\n", "[ \n", 1), false},
		{"with a blank too many before its last", strings.Replace(asCinder, `    "`+digits[n-1], `     "`+digits[n-1], 1), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, store := newDriver(t, FileLayout{})
			held := n - 1
			store.Set(ownDir, hashesName(fileP), c.text)
			h, err := d.loadList(t.Context(), ownDir, fileP, held)
			require.NoError(t, err)
			defer h.close()
			require.Equal(t, n, h.Blocks())
			require.Nil(t, h.Sums)
			assert.Equal(t, c.odd, h.paged.odd != nil)
			var reader digests
			before := len(store.Calls())
			for i := range n {
				got, err := reader.digest(t.Context(), h, int64(i))
				require.NoError(t, err)
				require.Equal(t, sums[i][:], got, "block %d", i)
			}
			if !c.odd {
				assert.Len(t, store.Calls(), before+4, "one read for each page")
			}
			for _, i := range []int64{n - 1, 0, pageDigests, pageDigests - 1, n - 1} {
				got, err := reader.digest(t.Context(), h, i)
				require.NoError(t, err)
				assert.Equal(t, sums[i][:], got, "block %d", i)
			}
			held = n
			whole, err := d.loadList(t.Context(), ownDir, fileP, held)
			require.NoError(t, err)
			assert.Nil(t, whole.paged, "one that may be held is")
			got, err := reader.digest(t.Context(), whole, n-1)
			require.NoError(t, err)
			assert.Equal(t, sums[n-1][:], got)
		})
	}
}

func TestALongListThatChangesWhileItIsReadIsNoProof(t *testing.T) {
	_, digits := numbered(100)
	d, store := newDriver(t, FileLayout{})
	const held = 10
	text := hashDocument(digits...)
	store.Set(ownDir, hashesName(fileP), text)
	h, err := d.loadList(t.Context(), ownDir, fileP, held)
	require.NoError(t, err)
	for _, changed := range []string{text[:len(text)/2], "x" + text, strings.Replace(text, digits[50], "g"+digits[50][1:], 1)} {
		store.Set(ownDir, hashesName(fileP), changed)
		var reader digests
		_, err = reader.digest(t.Context(), h, 3)
		require.ErrorContains(t, err, hashesName(fileP))
	}
	store.Set(ownDir, hashesName(fileP), strings.Replace(text, digits[50], strings.Repeat("z", 64), 1))
	_, err = d.loadList(t.Context(), ownDir, fileP, held)
	require.ErrorIs(t, err, driverstate.ErrCorrupt, "one that is wrong in its middle is known before it is used")
}
