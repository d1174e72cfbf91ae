// Package corpus gives tests the stores that a real Cinder 21.3.1 (Zed) wrote,
// with what must be found in them and restored from them. See
// testdata/stores/README.md. Only tests import it.
package corpus

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// Verdicts of the manifest.
const (
	OK            = "ok"             // restores to ExpectedSHA256
	Damaged       = "damaged"        // ExpectedSHA256 cannot be reached
	NoMetadata    = "no-metadata"    // no usable metadata document
	Incomplete    = "incomplete"     // never finished
	ParentMissing = "parent-missing" // whole, but stands on a backup that is gone
	Gone          = "gone"           // a row or record only; nothing in the store
)

// Case is one backup of the corpus.
type Case struct {
	Case           string  `json:"case"`
	BackupID       string  `json:"backup_id"`
	Verdict        string  `json:"verdict"`
	Kind           string  `json:"kind"`  // posix, swift or s3
	Store          string  `json:"store"` // directory below the unpacked root
	Container      string  `json:"container"`
	Prefix         string  `json:"prefix"`
	VolumeID       string  `json:"volume_id"`
	ParentID       *string `json:"parent_id"`
	Name           *string `json:"name"`
	SizeGiB        int64   `json:"size_gib"`
	VolumeBytes    int64   `json:"volume_bytes"`
	ExpectedSHA256 string  `json:"expected_sha256"`
	What           string  `json:"what"`
	Bad            []Bad   `json:"bad"`
}

// Bad is one damaged object of a case.
type Bad struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// RecordDoc is what Cinder itself said of a backup.
type RecordDoc struct {
	Export struct {
		BackupService string `json:"backup_service"`
		BackupURL     string `json:"backup_url"`
	} `json:"export"`
	Decoded map[string]any `json:"export_decoded"`
	Row     map[string]any `json:"row"`
}

func testdata(t testing.TB) string {
	_, file, _, ok := runtime.Caller(0)
	require.True(t, ok)
	return filepath.Dir(filepath.Dir(file))
}

// Cases returns every case of the manifest.
func Cases(t testing.TB) []Case {
	t.Helper()
	var manifest struct {
		Cases []Case `json:"cases"`
	}
	readJSON(t, filepath.Join(testdata(t), "stores", "manifest.json"), &manifest)
	require.Len(t, manifest.Cases, 83)
	return manifest.Cases
}

// Record returns what Cinder recorded of a backup; ok is false where it has
// no record of it.
func Record(t testing.TB, backupID string) (doc RecordDoc, ok bool) {
	t.Helper()
	path := filepath.Join(testdata(t), "records", backupID+".json")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return doc, false
	}
	readJSON(t, path, &doc)
	return doc, true
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, into))
}

// Unpack writes all stores (240 MB, sparse) to a directory of the test's own
// and returns it.
func Unpack(t testing.TB) string {
	t.Helper()
	return UnpackOnly(t, func(string) bool { return true })
}

// UnpackOnly is Unpack for the files whose path below the root keep accepts,
// such as "posix-zlib/80/36/…".
func UnpackOnly(t testing.TB, keep func(path string) bool) string {
	t.Helper()
	if testing.Short() {
		t.Skip("the corpus takes minutes under the race detector; the long run has it")
	}
	root := t.TempDir()
	archive, err := os.Open(filepath.Join(testdata(t), "stores", "stores.tar.zst"))
	require.NoError(t, err)
	defer archive.Close()
	plain, err := zstd.NewReader(archive, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	require.NoError(t, err)
	defer plain.Close()
	for files := tar.NewReader(plain); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		require.NoError(t, err)
		path, err := filepath.Rel("stores", head.Name)
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(path), head.Name)
		if (head.Typeflag == tar.TypeReg || head.Typeflag == tar.TypeGNUSparse) && keep(path) {
			unpackFile(t, filepath.Join(root, path), files, head)
		} else if head.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(filepath.Join(root, path), 0o755))
		}
	}
}

func unpackFile(t testing.TB, path string, from io.Reader, head *tar.Header) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	file, err := os.Create(path)
	require.NoError(t, err)
	block := make([]byte, 64<<10)
	for off := int64(0); ; {
		n, err := io.ReadFull(from, block)
		if bytes.Count(block[:n], []byte{0}) != n {
			_, werr := file.WriteAt(block[:n], off)
			require.NoError(t, werr)
		}
		off += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		require.NoError(t, err)
	}
	require.NoError(t, file.Truncate(head.Size))
	require.NoError(t, file.Close())
	require.NoError(t, os.Chtimes(path, head.ModTime, head.ModTime))
}
