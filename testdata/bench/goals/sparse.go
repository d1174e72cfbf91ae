package main

import (
	"bufio"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// sparseStore writes a backup of a volume of zeros as Cinder's posix driver lays
// it out, whatever its size: its objects are one file.
func sparseStore(dir string, size int64) (*store, error) {
	s := &store{dir: dir, backups: []string{id(1)}}
	place := filepath.Join(dir, place(id(1)))
	if err := os.MkdirAll(place, 0o700); err != nil {
		return nil, err
	}
	prefix := filepath.Join(place, "volume_"+sparseVolume+"_20240102030405_backup_"+id(1))
	objects, err := sparseObjects(prefix, size)
	if err != nil {
		return nil, err
	}
	if err := writeLines(prefix+"_sha256file", size, sparseHashes); err != nil {
		return nil, err
	}
	metadata := fmt.Sprintf(`{"backup_description": null, "backup_id": %q, "backup_name": "sparse", "created_at": "2024-01-02 03:04:05+00:00", "objects": [%s],
"parent_id": null, "version": "1.0.0", "volume_id": %q, "volume_meta": null}`, id(1), objects, sparseVolume)
	return s, os.WriteFile(prefix+"_metadata", []byte(metadata), 0o600)
}

const sparseVolume = "5a5e0000-0000-4000-8000-000000000000"

// sparseObjects makes the objects, and their part of the metadata.
func sparseObjects(prefix string, size int64) (entries string, err error) {
	files, sums := map[int64]string{}, map[int64]string{}
	for n, off := 1, int64(0); off < size; n, off = n+1, off+posixBytes {
		length := min(posixBytes, size-off)
		name := fmt.Sprintf("%s-%05d", prefix, n)
		if files[length] == "" {
			if sums[length], err = zeroObject(name, length); err != nil {
				return "", err
			}
			files[length] = name
		} else if err := os.Link(files[length], name); err != nil {
			return "", err
		}
		if n > 1 {
			entries += ", "
		}
		entries += fmt.Sprintf(`{%q: {"compression": "zstd", "length": %d, "md5": %q, "offset": %d}}`, filepath.Base(name), length, sums[length], off)
	}
	return entries, nil
}

// zeroObject is one zstd frame of zeros. It returns their MD5.
func zeroObject(path string, length int64) (sum string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		return "", err
	}
	z.ResetContentSize(f, length)
	hash := md5.New()
	zeros := make([]byte, 1<<20)
	for left := length; left > 0 && err == nil; left -= int64(len(zeros)) {
		_, err = io.MultiWriter(z, hash).Write(zeros[:min(left, int64(len(zeros)))])
	}
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, z.Close())
}

func writeLines(path string, size int64, write func(*bufio.Writer, int64)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	write(w, size)
	return errors.Join(w.Flush(), f.Close())
}

// sparseHashes is a hash list as json.dumps(indent=2) writes it.
func sparseHashes(w *bufio.Writer, size int64) {
	const block = 32 << 10
	fmt.Fprintf(w, "{\n  \"backup_description\": null,\n  \"backup_id\": %q,\n  \"backup_name\": \"sparse\",\n  \"chunk_size\": %d,\n"+
		"  \"created_at\": \"2024-01-02 03:04:05+00:00\",\n  \"sha256s\": [\n", id(1), block)
	sum := sha256.Sum256(make([]byte, block))
	line := "    \"" + hex.EncodeToString(sum[:]) + "\""
	for off := int64(0); off < size; off += block {
		if off > 0 {
			w.WriteString(",\n")
		}
		w.WriteString(line)
	}
	fmt.Fprintf(w, "\n  ],\n  \"version\": \"1.0.0\",\n  \"volume_id\": %q\n}", sparseVolume)
}

// holdsData reports whether a file has anything but holes.
func holdsData(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return false, nil
	}
	return err == nil, err
}
