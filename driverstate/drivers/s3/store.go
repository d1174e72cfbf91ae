package s3

import (
	"context"
	"crypto/md5" // what an ETag is
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

const (
	// pageSize is the most that an S3 server lists at once.
	pageSize = 1000
	// maxObject is the most that S3 takes in one request, bytes. An object is
	// never sent in parts: its ETag would not be its MD5, and other programs
	// could see the parts of one that was never finished.
	maxObject = 5 << 30
)

// Store is an account of an S3 server as an object store: containers are
// buckets.
type Store struct {
	cfg    Config
	client *minio.Core
	// transport is the one beneath client.
	transport *http.Transport
	proof     proof
}

// NewStore is the store of c's account. Nothing is asked of the server yet.
func NewStore(c Config) (*Store, error) {
	c = c.withDefaults()
	transport, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	client, err := newClient(c, transport)
	if err != nil {
		return nil, err
	}
	return &Store{cfg: c, client: client, transport: transport}, nil
}

var (
	_ objectstore.Store   = (*Store)(nil)
	_ objectstore.Checker = (*Store)(nil)
	_ objectstore.Pager   = (*Store)(nil)
)

// Close ends the connections that are kept open.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Check returns nil when the account's buckets can be listed, as Cinder asks
// at its start (s3.py check_for_setup_error). A key that may not list buckets
// needs the one that the configuration names.
func (s *Store) Check(ctx context.Context) error {
	_, _, err := s.ContainerPage(ctx, "")
	return err
}

// Containers yields the account's buckets.
func (s *Store) Containers(ctx context.Context) iter.Seq2[string, error] {
	return objectstore.ContainerPages(ctx, s)
}

// ContainerPage is all of the account's buckets. To a key that may not list
// them there is only the one that the configuration names.
func (s *Store) ContainerPage(ctx context.Context, _ string) (page []string, next string, err error) {
	asking, a := ask(ctx)
	buckets, err := s.client.ListBuckets(asking)
	if minio.ToErrorResponse(err).Code == minio.AccessDenied {
		if there, headErr := s.client.BucketExists(asking, s.cfg.Bucket); headErr == nil && there {
			return []string{s.cfg.Bucket}, "", nil
		}
	}
	if err != nil {
		return nil, "", s.failed(ctx, a, "", "", err)
	}
	for _, b := range buckets {
		page = append(page, b.Name)
	}
	return page, "", nil
}

// PutContainer makes the bucket unless it is there (s3.py put_container).
func (s *Store) PutContainer(ctx context.Context, bucket string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	ctx, a := ask(ctx)
	there, err := s.client.BucketExists(ctx, bucket)
	if err == nil && !there {
		err = s.client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: s.cfg.Region})
	}
	// Another writer was faster.
	if minio.ToErrorResponse(err).Code == minio.BucketAlreadyOwnedByYou {
		return nil
	}
	return s.failed(ctx, a, bucket, "", err)
}

// RemoveContainer removes the bucket if it is empty.
func (s *Store) RemoveContainer(ctx context.Context, bucket string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	ctx, a := ask(ctx)
	err := s.client.RemoveBucket(ctx, bucket)
	switch minio.ToErrorResponse(err).Code {
	case minio.BucketNotEmpty, minio.NoSuchBucket:
		return nil
	}
	return s.failed(ctx, a, bucket, "", err)
}

// List yields the objects whose names begin with prefix, page after page.
func (s *Store) List(ctx context.Context, bucket, prefix string) iter.Seq2[objectstore.Info, error] {
	return objectstore.ListPages(ctx, s, bucket, prefix)
}

// Page is the next thousand objects whose names begin with prefix and come
// after the name after; next is the last of them when there may be more.
func (s *Store) Page(ctx context.Context, bucket, prefix, after string) (page []objectstore.Info, next string, err error) {
	if err := checkBucket(bucket); err != nil {
		return nil, "", err
	}
	asking, a := ask(ctx)
	for o := range s.client.ListObjectsIter(asking, bucket, minio.ListObjectsOptions{
		Prefix: prefix, StartAfter: after, Recursive: true, MaxKeys: pageSize,
	}) {
		if o.Err != nil {
			return nil, "", s.failed(ctx, a, bucket, "", o.Err)
		}
		page = append(page, objectstore.Info{Name: o.Key, Size: o.Size, Modified: o.LastModified, MD5: s.listedMD5(o.ETag)})
		if len(page) == pageSize {
			return page, o.Key, nil
		}
	}
	// The library's iteration ends without a word when its context does.
	return page, "", ctx.Err()
}

// listedMD5 is the MD5 that an ETag is: not that of an upload in parts, nor of
// an object that is encrypted with our key.
func (s *Store) listedMD5(etag string) []byte {
	sum, err := hex.DecodeString(strings.Trim(etag, `"`))
	if err != nil || len(sum) != md5.Size || s.cfg.SSEKey != "" {
		return nil
	}
	return sum
}

// Get opens n bytes of an object from off on.
func (s *Store) Get(ctx context.Context, bucket, name string, off, n int64) (io.ReadCloser, error) {
	if err := checkNames(bucket, name); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, fmt.Errorf("object %s cannot be read from byte %d", name, off)
	}
	ctx, a := ask(ctx)
	opts := minio.GetObjectOptions{ServerSideEncryption: s.cfg.encryption()}
	if n == 0 {
		_, err := s.client.StatObject(ctx, bucket, name, opts)
		return http.NoBody, s.failed(ctx, a, bucket, name, err)
	}
	part := off > 0 || n > 0
	if part {
		span := fmt.Sprintf("bytes=%d-", off)
		if n > 0 {
			span += fmt.Sprint(off + n - 1)
		}
		opts.Set("Range", span)
	}
	body, stat, header, err := s.client.GetObject(ctx, bucket, name, opts)
	if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return http.NoBody, nil
	}
	if err != nil {
		return nil, s.failed(ctx, a, bucket, name, err)
	}
	if part && !strings.HasPrefix(header.Get("Content-Range"), fmt.Sprintf("bytes %d-", off)) {
		body.Close()
		return nil, fmt.Errorf("%s answered a request for bytes from %d on with Content-Range %q", s.where(bucket), off, header.Get("Content-Range"))
	}
	return &answer{ReadCloser: body, version: stat.ETag, failed: func(err error) error { return s.failed(ctx, a, bucket, name, err) }}, nil
}

// answer is an object's content on its way.
type answer struct {
	io.ReadCloser
	version string
	failed  func(error) error
}

var _ objectstore.Versioned = (*answer)(nil)

// Version is the object's ETag.
func (r *answer) Version() string { return r.version }

func (r *answer) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.failed(err)
	}
	return n, err
}

// Put stores an object in one request, with the MD5 of its content unless the
// configuration says otherwise.
func (s *Store) Put(ctx context.Context, bucket, name string, r io.ReadSeeker, size int64) error {
	if err := checkNames(bucket, name); err != nil {
		return err
	}
	if size > maxObject {
		return fmt.Errorf("object %s has %d bytes; S3 takes %d in one request", name, size, int64(maxObject))
	}
	b, err := newBody(ctx, r, size)
	if err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	// The library may still be reading when it returns.
	defer b.stop()
	md5, sha256, err := b.digests(!s.cfg.SkipMD5, !s.cfg.secure())
	if err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	return s.proof.around(s.cfg.encryption() != nil,
		func() error { return s.put(ctx, bucket, name, b, md5, sha256) },
		func() error { return s.proveEncrypted(ctx, bucket, name) })
}

func (s *Store) put(ctx context.Context, bucket, name string, b *body, md5, sha256 string) error {
	ctx, a := ask(ctx)
	_, err := s.client.PutObject(ctx, bucket, name, b, b.size, md5, sha256, minio.PutObjectOptions{
		ServerSideEncryption: s.cfg.encryption(),
		// Not in signed pieces, which Swift does not take: the whole is signed
		// by its SHA-256, or, over TLS, not at all, as Cinder's library does.
		DisableContentSha256: true,
	})
	return s.failed(ctx, a, bucket, name, err)
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, bucket, name string) error {
	if err := checkNames(bucket, name); err != nil {
		return err
	}
	ctx, a := ask(ctx)
	err := s.failed(ctx, a, bucket, name, s.client.RemoveObject(ctx, bucket, name, minio.RemoveObjectOptions{}))
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrNoContainer) {
		return nil
	}
	return err
}
