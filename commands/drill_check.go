package commands

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxHashList bounds the hash list that the drill reads: 32 KiB blocks of
// 8 TiB.
const maxHashList = 1 << 30

// storeHashes is a hash list of the store, in Cinder's form
// (cinder/backup/chunkeddriver.py _create_container, _write_sha256file). The
// drill reads it by itself, so that the engine does not judge its own work.
type storeHashes struct {
	BlockSize int64    `json:"chunk_size"`
	Hashes    []string `json:"sha256s"`
}

func readStoreHashes(root, container, prefix string) (*storeHashes, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	file, err := dir.Open(filepath.Join(container, prefix+"_sha256file"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var h storeHashes
	if err := json.NewDecoder(io.LimitReader(file, maxHashList)).Decode(&h); err != nil {
		return nil, err
	}
	if h.BlockSize < 512 || h.BlockSize > 64<<20 {
		return nil, fmt.Errorf("block size %d of the hash list is out of range", h.BlockSize)
	}
	return &h, nil
}

// imageProof hashes an image as it is written: whole, and block by block.
type imageProof struct {
	list  *storeHashes
	whole hash.Hash
	block []byte // the current one, as far as it is there
	zeros []byte // a block of zeros, of which most images have many
	zero  string // and its hash
	next  int    // block
	bad   int
}

func newImageProof(list *storeHashes) *imageProof {
	zeros := make([]byte, list.BlockSize)
	return &imageProof{list: list, whole: sha256.New(), block: make([]byte, 0, list.BlockSize), zeros: zeros, zero: hashOf(zeros)}
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (p *imageProof) Write(b []byte) (int, error) {
	n := len(b)
	p.whole.Write(b)
	for len(b) > 0 {
		part := b[:min(len(b), cap(p.block)-len(p.block))]
		p.block = append(p.block, part...)
		b = b[len(part):]
		if len(p.block) == cap(p.block) {
			p.flush()
		}
	}
	return n, nil
}

func (p *imageProof) flush() {
	sum := p.zero
	if !bytes.Equal(p.block, p.zeros) {
		sum = hashOf(p.block)
	}
	if p.next >= len(p.list.Hashes) || sum != p.list.Hashes[p.next] {
		p.bad++
	}
	p.next++
	p.block = p.block[:0]
}

// finish returns the hash of the whole image, and how many blocks of the hash
// list it does not match.
func (p *imageProof) finish() (sum string, bad int) {
	if len(p.block) > 0 {
		p.flush()
	}
	return hex.EncodeToString(p.whole.Sum(nil)), p.bad + max(0, len(p.list.Hashes)-p.next)
}

func proveFile(path string, list *storeHashes) (*imageProof, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := newImageProof(list)
	_, err = io.CopyBuffer(p, file, make([]byte, 1<<20))
	return p, err
}

// filesOf counts the files of the store that carry id in their name.
func filesOf(root, id string) (int, error) {
	n := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(filepath.Base(path), id) {
			n++
		}
		return err
	})
	return n, err
}

// treeSum is one hash over names, sizes and times of all files below root: the
// same before and after, and nothing was written.
func treeSum(root string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !e.IsDir() {
			fmt.Fprintf(sum, "%s\x00%d\x00%d\n", path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
