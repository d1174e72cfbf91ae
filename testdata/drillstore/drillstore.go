// Package drillstore carries a small backup store that a real Cinder 21.3.1
// (Zed) wrote with its posix driver, for the rehearsal of `cinder-go drill`:
// a full backup of a bootable volume, a chain of four whose later steps turn
// old data into zeros, one that the database called error though it is whole,
// one with a chunk missing, one whose chunk holds other bytes of the right
// length, one that never finished, and one whose parent is gone. Every volume
// is 1 GiB.
package drillstore

import (
	"archive/tar"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

//go:embed store.tar.zst
var packed []byte

// Backups of the store, by what they are good for.
const (
	Full         = "31136ebd-183c-4c85-9249-b1a09f4e2cd7"
	ChainTip     = "ef47d7b2-d70a-44fe-a65e-bfeed28da7fd"
	WronglyError = "1f75bec1-f620-49c6-92e2-4dd7cacede24"
	MissingChunk = "e6793de6-49c9-4e09-b4ca-9246f982df64"
	ForgedChunk  = "8b3d499c-9301-44d3-a41f-414bf2c5f6a5" // whole to the eye, damaged when read
	Unfinished   = "a82e177b-4ea2-4620-8e56-ecdbf2899d13"
	Orphan       = "d07e5a17-1c41-42f3-825d-4c298457eb6d"
)

// Expected returns, for every backup that can be restored, the SHA-256 of the
// volume as it was when Cinder backed it up, in hex.
func Expected() map[string]string {
	return map[string]string{
		Full:                                   "1f83dd41151ac7c2c23c8755877266dbf09520fafa4a4e1e1731d5a0d1c10a40",
		"3232e94c-1dad-47f8-adce-f6712f38c7d7": "6b50027e7208044fa5900b9bbad5de9c3e473027a07146009fc524aa90e49a82",
		"391aa0e8-a769-4ea0-9c77-f96f148f9109": "bb7de6a6ba3c06d62ded0f15363f06f364bc4d28637bb9ab2bd171704d75392e",
		"2609cc10-2a23-40a6-b710-d99416fa4f66": "0b7bde6a39a14d965939b14feeb54d6256108bbe7385586357e95815ccaa0e28",
		ChainTip:                               "c4636f6d326b3bceec1e9faa6d5070266b034d6af411d03e2b0d74b636278735",
		WronglyError:                           "b08537a0fa6d23dfa930e2d2b7860f1b12cef35b4f48549a8499b68a7664bc70",
	}
}

// Unpack writes the store (27 MB) below dir, which must exist and is the
// store's root afterwards.
func Unpack(dir string) error {
	plain, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer plain.Close()
	for files := tar.NewReader(plain); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("embedded store: %w", err)
		}
		path := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = unpackFile(path, files, head)
		}
		if err != nil {
			return fmt.Errorf("embedded store: %w", err)
		}
	}
}

func unpackFile(path string, from io.Reader, head *tar.Header) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Chtimes(path, head.ModTime, head.ModTime)
}
