package gcs

import (
	"context"
	"crypto/md5" // that of the server's answer
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// pageSize is the most names that Google puts on a page. It is always asked
// for: a server may answer a listing that names none without any pages.
const pageSize = 1000

// Store is Google Cloud Storage as an object store: a container is a bucket.
// It asks for everything once; objectstore.Retry repeats.
type Store struct{ lazy }

// NewStore returns the store of c. Nothing is opened yet.
func NewStore(c Config) *Store { return &Store{lazy{cfg: c}} }

var (
	_ objectstore.Store   = (*Store)(nil)
	_ objectstore.Pager   = (*Store)(nil)
	_ objectstore.Checker = (*Store)(nil)
)

// Check returns nil when the bucket of the configuration can be listed.
func (s *Store) Check(ctx context.Context) error {
	return s.listable(ctx, s.cfg.Bucket)
}

func (s *Store) listable(ctx context.Context, bucket string) error {
	c, err := s.service()
	if err != nil {
		return err
	}
	_, err = c.Objects.List(bucket).MaxResults(1).Fields("kind").Context(ctx).Do()
	return s.bucketError(ctx, bucket, err)
}

// there returns nil when the bucket exists. An account that may work with its
// objects alone must not look at the bucket itself, but lists it.
func (s *Store) there(ctx context.Context, bucket string) error {
	c, err := s.service()
	if err != nil {
		return err
	}
	_, err = c.Buckets.Get(bucket).Fields("name").Context(ctx).Do()
	if status(err) == http.StatusForbidden {
		return s.listable(ctx, bucket)
	}
	return s.bucketError(ctx, bucket, err)
}

// PutContainer makes the bucket as Cinder does (gcs.py put_container), in the
// location and of the storage class that the configuration gives.
func (s *Store) PutContainer(ctx context.Context, bucket string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	err := s.there(ctx, bucket)
	if !errors.Is(err, objectstore.ErrNoContainer) {
		return err
	}
	c, err := s.service()
	if err != nil {
		return err
	}
	if c.project == "" && s.cfg.Endpoint == "" {
		return objectstore.Permanent(invalid("bucket %s does not exist, and no project is known to make it in: set backup_gcs_project_id", bucket))
	}
	made := &storage.Bucket{Name: bucket, Location: s.cfg.Location, StorageClass: s.cfg.StorageClass}
	_, err = c.Buckets.Insert(c.project, made).Context(ctx).Do()
	if status(err) == http.StatusConflict {
		// Made by another in this moment; or it is another's, as all buckets of
		// Google share one space of names.
		return s.there(ctx, bucket)
	}
	return s.bucketError(ctx, bucket, err)
}

// Containers yields every bucket of the project.
func (s *Store) Containers(ctx context.Context) iter.Seq2[string, error] {
	return objectstore.ContainerPages(ctx, s)
}

// ContainerPage is one page of Containers. An account that may not list the
// project's buckets, as is usual, or knows none, has the one of the
// configuration.
func (s *Store) ContainerPage(ctx context.Context, after string) (page []string, next string, err error) {
	c, err := s.service()
	if err != nil {
		return nil, "", err
	}
	only := func() ([]string, string, error) { return []string{s.cfg.Bucket}, "", nil }
	if c.project == "" && s.cfg.Endpoint == "" && s.cfg.Bucket != "" {
		return only()
	}
	list, err := c.Buckets.List(c.project).MaxResults(pageSize).PageToken(after).
		Fields("items(name)", "nextPageToken").Context(ctx).Do()
	if err = s.fail(ctx, "buckets of project "+c.project, err, objectstore.ErrNoContainer); err != nil {
		if errors.Is(err, objectstore.ErrForbidden) && after == "" && s.cfg.Bucket != "" {
			s.cfg.log().WarnContext(ctx, "the buckets of the project cannot be listed; only the configured one is looked at",
				"bucket", s.cfg.Bucket, "error", err)
			return only()
		}
		return nil, "", err
	}
	for _, b := range list.Items {
		page = append(page, b.Name)
	}
	return page, list.NextPageToken, nil
}

// List yields every object of the bucket whose name begins with prefix.
func (s *Store) List(ctx context.Context, bucket, prefix string) iter.Seq2[objectstore.Info, error] {
	return objectstore.ListPages(ctx, s, bucket, prefix)
}

// Page is one page of List.
func (s *Store) Page(ctx context.Context, bucket, prefix, after string) (page []objectstore.Info, next string, err error) {
	if err := checkBucket(bucket); err != nil {
		return nil, "", err
	}
	c, err := s.service()
	if err != nil {
		return nil, "", err
	}
	list, err := c.Objects.List(bucket).Prefix(prefix).MaxResults(pageSize).PageToken(after).
		Fields("items(name,size,updated,md5Hash)", "nextPageToken").Context(ctx).Do()
	if err != nil {
		return nil, "", s.bucketError(ctx, bucket, err)
	}
	for _, o := range list.Items {
		// A time that cannot be read is none.
		modified, _ := time.Parse(time.RFC3339, o.Updated)
		info := objectstore.Info{Name: o.Name, Size: int64(o.Size), Modified: modified}
		if sum, err := base64.StdEncoding.DecodeString(o.Md5Hash); err == nil && len(sum) == md5.Size {
			info.MD5 = sum
		}
		page = append(page, info)
	}
	return page, list.NextPageToken, nil
}

// Put uploads an object in parts of WriterChunk, and compares the MD5 that the
// server computed. It becomes visible with its last part.
func (s *Store) Put(ctx context.Context, bucket, name string, r io.ReadSeeker, size int64) error {
	if err := checkNames(bucket, name); err != nil {
		return err
	}
	c, err := s.service()
	if err != nil {
		return err
	}
	sum := md5.New()
	part := size + 1 // all of it, and its end
	if s.cfg.WriterChunk > 0 {
		part = min(part, s.cfg.WriterChunk)
	}
	tries := &attempts{cfg: &s.cfg}
	body := &exactly{ctx: ctx, r: r, left: size}
	call := c.Objects.Insert(bucket, &storage.Object{Name: name}).Fields("md5Hash", "size", "generation").Context(ctx).
		WithRetry(nil, tries.again).
		Media(io.TeeReader(body, sum), googleapi.ContentType("application/octet-stream"),
			googleapi.ChunkSize(int(part)), googleapi.EnableAutoChecksum())
	stored, err := call.Do()
	if body.err != nil && ctx.Err() == nil {
		return objectstore.Permanent(fmt.Errorf("object %s/%s: %w", bucket, name, body.err))
	}
	if err != nil {
		err = s.fail(ctx, "object "+bucket+"/"+name, err, objectstore.ErrNoContainer)
		if tries.exhausted {
			return objectstore.Permanent(fmt.Errorf("%w (a part was sent %d times)", err, s.cfg.Retries+1))
		}
		return err
	}
	want := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	if stored.Md5Hash == want && int64(stored.Size) == size {
		return nil
	}
	// What the server has is not what was sent: nobody may take it for that.
	gone := c.Objects.Delete(bucket, name).Generation(stored.Generation).Context(ctx).Do()
	err = fmt.Errorf("object %s/%s: the server stored %d bytes with MD5 %q, %d with %q were sent", bucket, name, stored.Size, stored.Md5Hash, size, want)
	return errors.Join(err, gone)
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, bucket, name string) error {
	if err := checkNames(bucket, name); err != nil {
		return err
	}
	c, err := s.service()
	if err != nil {
		return err
	}
	err = s.fail(ctx, "object "+bucket+"/"+name, c.Objects.Delete(bucket, name).Context(ctx).Do(), objectstore.ErrNotFound)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}

// RemoveContainer removes a bucket that is empty.
func (s *Store) RemoveContainer(ctx context.Context, bucket string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	c, err := s.service()
	if err != nil {
		return err
	}
	err = c.Buckets.Delete(bucket).Context(ctx).Do()
	switch status(err) {
	case http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed:
		return nil // not there, or not empty
	}
	return s.bucketError(ctx, bucket, err)
}

// Close lets go of the connections.
func (s *Store) Close() error {
	s.close()
	return nil
}

// checkBucket refuses what would be another request than the one meant.
func checkBucket(bucket string) error {
	if strings.Contains(bucket, "/") {
		return fmt.Errorf("bucket %.300q holds a slash: %w", bucket, objectstore.ErrBadName)
	}
	return checkName("bucket", bucket)
}

func checkNames(bucket, name string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	return checkName("object", name)
}

// checkName takes what every other store takes, so that a backup can be copied
// to any.
func checkName(what, name string) error {
	for _, c := range []byte(name) {
		if c < 0x20 || c == 0x7f {
			return fmt.Errorf("%s %.300q holds a control character: %w", what, name, objectstore.ErrBadName)
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%s %.300q is not a plain relative path: %w", what, name, objectstore.ErrBadName)
		}
	}
	return nil
}

// exactly reads left bytes, and fails if there are fewer or ctx ends, so that
// no upload is ever completed with too few.
type exactly struct {
	ctx  context.Context
	r    io.Reader
	left int64
	err  error // of r
}

func (e *exactly) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) {
		if err = nil; e.left > 0 {
			err = fmt.Errorf("%d bytes fewer than were promised: %w", e.left, io.ErrUnexpectedEOF)
		}
	}
	if err != nil {
		e.err = err
	}
	return n, err
}
