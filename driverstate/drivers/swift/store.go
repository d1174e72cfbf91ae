package swift

import (
	"context"
	"crypto/md5" // Swift's ETag
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Store is one account of Swift.
type Store struct {
	s *session
	// account is its URL, asked for at each call; it may have to log in.
	account   func(context.Context) (string, error)
	project   string // whose it is; empty for the login's own
	container string // of backups, for Check
	policy    string // X-Storage-Policy of containers that are made
	owned     bool   // Close closes the session
}

var (
	_ objectstore.Store   = (*Store)(nil)
	_ objectstore.Checker = (*Store)(nil)
	_ objectstore.Pager   = (*Store)(nil)
)

// Close closes the connections, if no other account needs them.
func (s *Store) Close() error {
	if s.owned {
		s.s.close()
	}
	return nil
}

// Check proves that the account answers, or, to a login that has no right to
// it, the container of backups. Cinder's check_for_setup_error asks for /info,
// which anybody may see.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.call(ctx, request{method: http.MethodHead})
	if errors.Is(err, objectstore.ErrForbidden) && s.container != "" {
		if _, below := s.call(ctx, request{method: http.MethodHead, container: s.container}); below == nil {
			return nil
		}
	}
	return err
}

// PutContainer makes the container if a look finds none, as Cinder does: a
// storage policy cannot be put upon one that is there.
func (s *Store) PutContainer(ctx context.Context, container string) error {
	if err := checkContainer(container); err != nil {
		return err
	}
	_, err := s.call(ctx, request{method: http.MethodHead, container: container})
	if !errors.Is(err, objectstore.ErrNoContainer) {
		return err
	}
	headers := swift.Headers{}
	if s.policy != "" {
		headers["X-Storage-Policy"] = s.policy
	}
	_, err = s.call(ctx, request{method: http.MethodPut, container: container, headers: headers})
	return err
}

// RemoveContainer removes the container if it is empty.
func (s *Store) RemoveContainer(ctx context.Context, container string) error {
	if err := checkContainer(container); err != nil {
		return err
	}
	_, err := s.call(ctx, request{method: http.MethodDelete, container: container})
	if errors.Is(err, objectstore.ErrNoContainer) || errors.Is(err, errNotEmpty) {
		return nil
	}
	return err
}

// Containers yields every container of the account.
func (s *Store) Containers(ctx context.Context) iter.Seq2[string, error] {
	return objectstore.ContainerPages(ctx, s)
}

// List yields every object of container whose name begins with prefix.
func (s *Store) List(ctx context.Context, container, prefix string) iter.Seq2[objectstore.Info, error] {
	return objectstore.ListPages(ctx, s, container, prefix)
}

// ContainerPage implements objectstore.Pager.
func (s *Store) ContainerPage(ctx context.Context, after string) (page []string, next string, err error) {
	var entries []struct{ Name string }
	if err := s.listing(ctx, "", "", after, &entries); err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		page = append(page, e.Name)
	}
	return page, nextPage(page), nil
}

// Page implements objectstore.Pager.
func (s *Store) Page(ctx context.Context, container, prefix, after string) (page []objectstore.Info, next string, err error) {
	if err := checkContainer(container); err != nil {
		return nil, "", err
	}
	var entries []struct {
		Name     string
		Bytes    int64
		Modified string `json:"last_modified"`
		Hash     string
		Manifest string `json:"slo_etag"` // of a large object: its parts' hashes
	}
	if err := s.listing(ctx, container, prefix, after, &entries); err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		// Always UTC, without saying so: 2026-11-21T05:54:23.946478.
		modified, err := time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(e.Modified, "Z"))
		if err != nil {
			return nil, "", fmt.Errorf("listing of %s: time %q of %s: %w", container, e.Modified, e.Name, err)
		}
		info := objectstore.Info{Name: e.Name, Size: e.Bytes, Modified: modified}
		if sum, err := hex.DecodeString(e.Hash); err == nil && len(sum) == md5.Size && e.Manifest == "" {
			info.MD5 = sum
		}
		page = append(page, info)
	}
	if len(page) > 0 {
		next = page[len(page)-1].Name
	}
	return page, next, nil
}

// nextPage is where the next page begins: after the last name. Only an empty
// page is the last one: how long a page is (10,000 names by default) is the
// server's to say, and it refuses a limit above its own.
func nextPage(page []string) string {
	if len(page) == 0 {
		return ""
	}
	return page[len(page)-1]
}

func (s *Store) listing(ctx context.Context, container, prefix, after string, into any) error {
	query := url.Values{"format": {"json"}}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	if after != "" {
		query.Set("marker", after)
	}
	body, err := s.open(ctx, request{method: http.MethodGet, container: container, query: query})
	if err != nil {
		return err
	}
	defer body.Close()
	if body.status == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("listing of %s: %w", container, err)
	}
	return nil
}

// Delete removes an object; one that is not there is success.
func (s *Store) Delete(ctx context.Context, container, name string) error {
	if err := checkName(container, name); err != nil {
		return err
	}
	_, err := s.call(ctx, request{method: http.MethodDelete, container: container, name: name})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}

// Get opens n bytes of an object from off.
func (s *Store) Get(ctx context.Context, container, name string, off, n int64) (io.ReadCloser, error) {
	if err := checkName(container, name); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, objectstore.Permanent(fmt.Errorf("object %s: offset %d is negative", name, off))
	}
	r := request{method: http.MethodGet, container: container, name: name}
	switch {
	case n == 0: // no range of HTTP is empty
		r.method = http.MethodHead
	case n > 0:
		r.headers = swift.Headers{"Range": fmt.Sprintf("bytes=%d-%d", off, off+n-1)}
	case off > 0:
		r.headers = swift.Headers{"Range": fmt.Sprintf("bytes=%d-", off)}
	}
	body, err := s.open(ctx, r)
	if errors.Is(err, errBeyond) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	if err != nil {
		return nil, err
	}
	if r.headers != nil && body.status != http.StatusPartialContent {
		body.Close()
		return nil, fmt.Errorf("object %s: a range was asked for, and the answer is %d", name, body.status)
	}
	return body, nil
}

// Put stores an object. The answer's ETag is compared with the MD5 of what was
// sent; an object that differs is removed.
func (s *Store) Put(ctx context.Context, container, name string, r io.ReadSeeker, size int64) error {
	if err := checkName(container, name); err != nil {
		return err
	}
	up := newUpload(ctx, r, size)
	body, err := s.open(ctx, request{method: http.MethodPut, container: container, name: name, upload: up,
		headers: swift.Headers{"Content-Type": "application/octet-stream"}})
	if err != nil {
		if errors.Is(err, objectstore.ErrNotFound) {
			return fmt.Errorf("container %s: %w", container, objectstore.ErrNoContainer)
		}
		return err
	}
	defer body.Close()
	if sum := up.sum(); body.Version() != sum {
		err := fmt.Errorf("object %s: MD5 %s was sent, and Swift has %q", name, sum, body.Version())
		return errors.Join(err, s.Delete(context.WithoutCancel(ctx), container, name))
	}
	return nil
}

func checkContainer(container string) error {
	return plainName("container", container, strings.Contains(container, "/") || len(container) > 256)
}

func checkName(container, name string) error {
	if err := checkContainer(container); err != nil {
		return err
	}
	odd := len(name) > 1024
	for part := range strings.SplitSeq(name, "/") {
		odd = odd || part == "" || part == "." || part == ".."
	}
	return plainName("object", name, odd)
}

// plainName refuses what a URL or a listing could take for something else.
func plainName(what, name string, odd bool) error {
	for _, c := range []byte(name) {
		odd = odd || c < 0x20 || c == 0x7f
	}
	if odd || name == "" || name == "." || name == ".." {
		return fmt.Errorf("%s name %.300q: %w", what, name, objectstore.ErrBadName)
	}
	return nil
}
