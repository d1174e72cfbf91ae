package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

// body is what one Put sends: size bytes of a reader from where it stood. The
// library seeks it to 0 before it sends.
type body struct {
	ctx  context.Context // of the Put: nothing is read once it has ended
	size int64

	mu    sync.Mutex
	r     io.ReadSeeker // nil when stopped
	start int64
	left  int64
}

// newBody is size bytes of r; io.ErrUnexpectedEOF if it has fewer.
func newBody(ctx context.Context, r io.ReadSeeker, size int64) (*body, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if end-start < size {
		return nil, fmt.Errorf("%d bytes of %d are there: %w", end-start, size, io.ErrUnexpectedEOF)
	}
	b := &body{ctx: ctx, size: size, r: r, start: start}
	_, err = b.Seek(0, io.SeekStart)
	return b, err
}

// Seek goes to the beginning, and nowhere else.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.r == nil:
		return 0, os.ErrClosed
	case offset != 0 || whence != io.SeekStart:
		return 0, fmt.Errorf("the content of an object is sent from its beginning alone")
	}
	b.left = b.size
	_, err := b.r.Seek(b.start, io.SeekStart)
	return 0, err
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.r == nil:
		return 0, os.ErrClosed
	case b.left == 0:
		return 0, io.EOF
	case b.ctx.Err() != nil:
		return 0, b.ctx.Err()
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// stop ends reading: when it returns the reader is its owner's again.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
}

// digests reads the content once for its MD5 in base64 and its SHA-256 in
// hexadecimal digits, empty for those that are not wanted.
func (b *body) digests(wantMD5, wantSHA256 bool) (md5Base64, sha256Hex string, err error) {
	if !wantMD5 && !wantSHA256 {
		return "", "", b.ctx.Err()
	}
	var sums []io.Writer
	var m, s hash.Hash
	if wantMD5 {
		m = md5.New()
		sums = append(sums, m)
	}
	if wantSHA256 {
		s = sha256.New()
		sums = append(sums, s)
	}
	if _, err := io.CopyBuffer(io.MultiWriter(sums...), b, make([]byte, 128<<10)); err != nil {
		return "", "", err
	}
	if wantMD5 {
		md5Base64 = base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	if wantSHA256 {
		sha256Hex = hex.EncodeToString(s.Sum(nil))
	}
	return md5Base64, sha256Hex, b.ctx.Err()
}
