package chunked

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

const digest = "c35020473aed1b4642cd726cad727b63fff2824ad68cedd7ffb73c7cbd890479"

// hashDocument is a hash list of these digests, as Cinder writes it.
func hashDocument(digests ...string) string {
	list := "[]"
	if len(digests) > 0 {
		list = "[\n    \"" + strings.Join(digests, "\",\n    \"") + "\"\n  ]"
	}
	return "{\n  \"backup_description\": null,\n  \"backup_id\": \"" + backupID + "\",\n  \"backup_name\": \"nm\",\n" +
		"  \"chunk_size\": 32768,\n  \"created_at\": \"2026-11-21 05:54:23+00:00\",\n  \"sha256s\": " + list +
		",\n  \"version\": \"1.0.0\",\n  \"volume_id\": \"" + volumeID + "\"\n}"
}

func repeat(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = digest
	}
	return all
}

func TestHashesAreReadInAnyOrderAndWhiteSpace(t *testing.T) {
	text := `{"volume_id":"` + volumeID + `","version":"1.0.0","sha256s":["` + digest + `"` + "\r\n\t , " + `"` +
		strings.ToUpper(digest) + `" ] ,"backup_id":"` + backupID + `","created_at":"2026-11-21 05:54:23","chunk_size": 4096}`
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		h, err := parseHashes(r, 2)
		require.NoError(t, err)
		assert.Equal(t, int64(4096), h.BlockSize)
		require.Equal(t, 2, h.Blocks())
		assert.Equal(t, h.Sum(0), h.Sum(1))
		assert.Equal(t, byte(0xc3), h.Sum(0)[0])
	}
}

func TestHashesThatMustNotBeUsedAreRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"more than the volume can have", hashDocument(repeat(4)...), "more than 3"},
		{"a block size of nothing", strings.Replace(hashDocument(digest), "32768", "0", 1), "chunk_size"},
		{"an odd block size", strings.Replace(hashDocument(digest), "32768", "1000", 1), "chunk_size"},
		{"a block size over any object", strings.Replace(hashDocument(digest), "32768", "8589934592", 1), "chunk_size"},
		{"a fraction as block size", strings.Replace(hashDocument(digest), "32768", "32768.0", 1), "integer"},
		{"no block size", strings.Replace(hashDocument(digest), `"chunk_size": 32768,`, "", 1), "chunk_size"},
		{"no list", strings.Replace(hashDocument(digest), `"sha256s"`, `"sha"`, 1), "no sha256s"},
		{"two lists", strings.Replace(hashDocument(digest), `"sha256s"`, `"sha256s": [], "sha256s"`, 1), "twice"},
		{"another version", strings.Replace(hashDocument(digest), "1.0.0", "1.0.1", 1), "version"},
		{"a short digest", hashDocument(digest[:63]), "digest"},
		{"a long digest", hashDocument(digest + "0"), "digest"},
		{"a digest that is no hexadecimal", hashDocument("g" + digest[1:]), "digest"},
		{"a digest that is a number", strings.Replace(hashDocument(digest), `"`+digest+`"`, "7", 1), "due"},
		{"no id", strings.Replace(hashDocument(digest), backupID, "x", 1), "UUID"},
		{"something after it", hashDocument(digest) + ",", "follows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := parseHashes(strings.NewReader(c.text), 3)
			require.Error(t, err)
			assert.Nil(t, h)
			assert.ErrorIs(t, err, driverstate.ErrCorrupt)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestHashesCutAnywhereAreKnownAsCut(t *testing.T) {
	text := hashDocument(digest, digest)
	for i := range len(text) {
		_, err := parseHashes(strings.NewReader(text[:i]), 3)
		require.Error(t, err)
		require.True(t, isCut(err), "cut after %d bytes: %v", i, err)
	}
}

func TestTheShapeOfAListIsReadFromItsEnds(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	shape := func(text string) (hashShape, error) {
		store.Set(ownDir, hashesName(fileP), text)
		return d.loadHashShape(t.Context(), ownDir, fileP, int64(len(text)))
	}
	for _, n := range []int{0, 1, 100, 113, 114, 1000, 5000} {
		got, err := shape(hashDocument(repeat(n)...))
		require.NoError(t, err, "%d blocks", n)
		assert.Equal(t, hashShape{blocks: int64(n), blockSize: 32768}, got)
	}
	compact := strings.ReplaceAll(hashDocument(repeat(1000)...), "\n", "")
	got, err := shape(compact)
	require.NoError(t, err, "a list in another form is read through")
	assert.Equal(t, int64(1000), got.blocks)

	long := hashDocument(repeat(1000)...)
	_, err = shape(long[:len(long)/2])
	assert.True(t, isCut(err), "%v", err)
	_, err = shape(strings.Replace(long, backupID, otherID, 1))
	assert.ErrorIs(t, err, driverstate.ErrCorrupt, "a list of another backup")
	before := len(store.Calls())
	_, err = shape(long)
	require.NoError(t, err)
	assert.Len(t, store.Calls(), before+2, "two short reads, whatever the length")
}

func TestAListOfAnotherBackupIsNotLoaded(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	store.Set(ownDir, hashesName(fileP), hashDocument(digest))
	h, err := d.loadHashes(t.Context(), ownDir, fileP)
	require.NoError(t, err)
	assert.Equal(t, 1, h.Blocks())
	store.Set(ownDir, hashesName(fileP), strings.Replace(hashDocument(digest), backupID, otherID, 1))
	_, err = d.loadHashes(t.Context(), ownDir, fileP)
	assert.ErrorIs(t, err, driverstate.ErrCorrupt)
	_, err = d.loadHashes(t.Context(), ownDir, objectP)
	assert.True(t, isAbsent(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.loadHashes(ctx, ownDir, fileP)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestWrittenHashesAreByteForByteCinders(t *testing.T) {
	same := 0
	for _, path := range documents(t, hashesSuffix) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		h, err := parseHashes(bytes.NewReader(text), maxBlocks)
		if err != nil {
			assert.True(t, isCut(err), "%s: %v", path, err)
			continue
		}
		var doc struct {
			Name        *string  `json:"backup_name"`
			Description *string  `json:"backup_description"`
			CreatedAt   string   `json:"created_at"`
			Sums        []string `json:"sha256s"`
		}
		require.NoError(t, json.Unmarshal(text, &doc))
		require.Len(t, doc.Sums, h.Blocks())
		created, err := parseTime(doc.CreatedAt)
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, writeHashes(&out, h, doc.Name, doc.Description, created))
		if assert.True(t, bytes.Equal(text, out.Bytes()), path) {
			same++
		}
	}
	assert.Greater(t, same, 70)
}

func FuzzParseHashes(f *testing.F) {
	f.Add([]byte(hashDocument()))
	f.Add([]byte(hashDocument(digest, digest)))
	f.Add([]byte(strings.Replace(hashDocument(digest), "nm", `n\ud83d\ude00`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		const most = 64
		h, err := parseHashes(bytes.NewReader(text), most)
		if err != nil {
			require.ErrorIs(t, err, driverstate.ErrCorrupt)
			return
		}
		require.LessOrEqual(t, h.Blocks(), most)
		require.NoError(t, checkHashBlock(h.BlockSize))
		var out bytes.Buffer
		created, err := parseTime("2026-11-21 05:54:23+00:00")
		require.NoError(t, err)
		require.NoError(t, writeHashes(&out, h, nil, nil, created))
		again, err := parseHashes(&out, most)
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}

func BenchmarkParseHashes(b *testing.B) {
	text := hashDocument(repeat(32768)...)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parseHashes(strings.NewReader(text), maxBlocks); err != nil {
			b.Fatal(err)
		}
	}
}
