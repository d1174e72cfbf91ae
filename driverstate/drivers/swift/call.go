package swift

import (
	"context"
	"crypto/md5" // Swift's ETag
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// request is one call of Swift's API on an account, a container or an object.
type request struct {
	method          string
	container, name string
	query           url.Values
	headers         swift.Headers
	upload          *upload
}

// what names the request for messages.
func (r request) what() string {
	what := r.method
	switch {
	case r.name != "":
		what += " object " + r.container + "/" + r.name
	case r.container != "":
		what += " container " + r.container
	default:
		what += " account"
	}
	return what
}

// call makes a request and reads its answer away.
func (s *Store) call(ctx context.Context, r request) (http.Header, error) {
	body, err := s.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return body.header, err
}

// open makes a request. A token that Swift refuses is asked for anew, once.
func (s *Store) open(ctx context.Context, r request) (*answer, error) {
	for again := false; ; again = true {
		body, err := s.once(ctx, r)
		var failed *failure
		if again || !errors.As(err, &failed) || failed.status != http.StatusUnauthorized {
			return body, s.foreign(err)
		}
		s.s.forget(failed.token)
		if r.upload != nil {
			if err := r.upload.rewind(); err != nil {
				return nil, err
			}
		}
	}
}

// foreign says what is missing when another project's account is refused.
func (s *Store) foreign(err error) error {
	if !errors.Is(err, objectstore.ErrForbidden) || s.project == "" || s.project == s.s.project() {
		return err
	}
	return fmt.Errorf("%w; for the account of another project (%s) the login needs Swift's role of a reseller admin", err, s.project)
}

func (s *Store) once(ctx context.Context, r request) (*answer, error) {
	account, err := s.account(ctx)
	if err != nil {
		return nil, silent(err)
	}
	ctx, end := context.WithCancelCause(ctx)
	a := &answer{end: end, stall: s.s.stall, ctx: ctx}
	a.watchdog = time.AfterFunc(a.stall, func() { end(fmt.Errorf("no word of Swift for %s", a.stall)) })
	o := swift.RequestOpts{
		Container: r.container, ObjectName: r.name, Operation: r.method, Parameters: r.query,
		Headers: swift.Headers{"Content-Length": "0"}, OnReAuth: func() (string, error) { return account, nil },
	}
	for name, value := range r.headers {
		o.Headers[name] = value
	}
	s.s.serviceToken(o.Headers)
	if r.upload != nil {
		r.upload.alive = a.alive
		o.Headers["Content-Length"] = strconv.FormatInt(r.upload.size, 10)
		if r.upload.size > 0 {
			o.Body = r.upload
		}
	}
	resp, _, err := s.s.conn.Call(ctx, account, o)
	if r.upload != nil {
		// The connection may still be at reading what it was given.
		if own := r.upload.stop(); own != nil && err != nil {
			err = objectstore.Permanent(own)
			resp = nil
		}
	}
	if err != nil {
		err = explain(a.cause(err), resp, r)
		a.Close()
		return nil, err
	}
	a.alive()
	a.body, a.status, a.header = resp.Body, resp.StatusCode, resp.Header
	return a, nil
}

// failure is an answer that is no success.
type failure struct {
	error
	status int
	token  string // that was sent
}

func (f *failure) Unwrap() error { return f.error }

var (
	errNotEmpty = errors.New("the container is not empty")
	errBeyond   = errors.New("the range is beyond the object's end")
)

// silent marks an error of the network with its kind. What cannot pass, such as
// a certificate that nobody trusts, is Permanent.
func silent(err error) error {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case err == nil, !objectstore.Repeatable(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &certificate), errors.As(err, &name) && name.IsNotFound:
		err = objectstore.Permanent(err)
	}
	return &unavailable{err}
}

// unavailable answers to driverstate.ErrUnavailable besides.
type unavailable struct{ error }

func (u *unavailable) Unwrap() []error { return []error{u.error, driverstate.ErrUnavailable} }

// explain gives an error its kind.
func explain(err error, resp *http.Response, r request) error {
	if resp == nil {
		return fmt.Errorf("%s: %w", r.what(), silent(err))
	}
	status := resp.Status
	if id := resp.Header.Get("X-Trans-Id"); id != "" {
		status += ", transaction " + id
	}
	var kind error
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && r.name != "":
		kind = objectstore.ErrNotFound
	case code == http.StatusNotFound:
		kind = objectstore.ErrNoContainer
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		kind = objectstore.ErrForbidden
	case code == http.StatusConflict && r.method == http.MethodDelete && r.name == "":
		kind = errNotEmpty
	case code == http.StatusRequestedRangeNotSatisfiable:
		kind = errBeyond
	}
	f := &failure{error: fmt.Errorf("%s: Swift answers %s", r.what(), status), status: resp.StatusCode}
	if resp.Request != nil {
		f.token = resp.Request.Header.Get("X-Auth-Token")
	}
	switch {
	case kind != nil:
		f.error = fmt.Errorf("%s: %w (Swift answers %s)", r.what(), kind, status)
	case resp.StatusCode < 500 && !passes[resp.StatusCode] || resp.StatusCode == http.StatusNotImplemented:
		f.error = objectstore.Permanent(f.error)
	default:
		f.error = &unavailable{f.error}
		if after := retryAfter(resp.Header.Get("Retry-After")); after > 0 {
			f.error = objectstore.Later(f.error, after)
		}
	}
	return f
}

// passes are the refusals that do not last: a time-out, and the two ways in
// which Swift says that it is asked too often (swiftclient/client.py _retry).
var passes = map[int]bool{http.StatusRequestTimeout: true, http.StatusTooManyRequests: true, 498: true}

func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return time.Until(at)
	}
	return 0
}

// serviceToken adds the token of [service_user].
func (s *session) serviceToken(h swift.Headers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.service.token != "" {
		h["X-Service-Token"] = s.service.token
	}
}

// answer is what Swift says to a request. Reading it ends with an error when
// Swift falls silent.
type answer struct {
	ctx      context.Context
	end      context.CancelCauseFunc
	watchdog *time.Timer
	stall    time.Duration
	body     io.ReadCloser
	status   int
	header   http.Header
}

func (a *answer) alive() { a.watchdog.Reset(a.stall) }

// cause is the reason why the request was ended, if it was.
func (a *answer) cause(err error) error {
	if a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	return err
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	a.alive()
	n, err := a.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = silent(a.cause(err))
	}
	return n, err
}

// Version is the object's ETag: the MD5 of its bytes.
func (a *answer) Version() string { return strings.ToLower(strings.Trim(a.header.Get("Etag"), `"`)) }

// Close gives the connection up.
func (a *answer) Close() error {
	a.watchdog.Stop()
	var err error
	if a.body != nil {
		err = a.body.Close()
	}
	a.end(nil)
	return err
}

// upload is the body of a Put. The library and the connection read it in
// goroutines of their own, which may outlive the call.
type upload struct {
	ctx   context.Context // of the Put: nothing is read once it has ended
	r     io.ReadSeeker
	start int64
	size  int64
	alive func()

	mu   sync.Mutex
	md5  hash.Hash
	left int64
	err  error // of the reader
	over bool
}

var errOver = errors.New("the call is over")

func newUpload(ctx context.Context, r io.ReadSeeker, size int64) *upload {
	u := &upload{ctx: ctx, r: r, size: size, left: size, md5: md5.New()}
	u.start, u.err = r.Seek(0, io.SeekCurrent)
	return u
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.over:
		return 0, errOver
	case u.err != nil:
		return 0, u.err
	case u.left == 0:
		return 0, io.EOF
	case u.ctx.Err() != nil:
		// The connection goes on reading until it hears of it, and could have
		// sent the whole object by then.
		return 0, u.ctx.Err()
	}
	u.alive()
	n, err := u.r.Read(p[:min(int64(len(p)), u.left)])
	u.md5.Write(p[:n])
	u.left -= int64(n)
	switch {
	case u.left == 0:
		return n, nil
	case errors.Is(err, io.EOF):
		u.err = fmt.Errorf("%d of %d bytes are missing: %w", u.left, u.size, io.ErrUnexpectedEOF)
	default:
		u.err = err
	}
	return n, u.err
}

// stop ends all reading and returns the error of the reader itself, if it has
// failed.
func (u *upload) stop() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	return u.err
}

// rewind begins again after stop.
func (u *upload) rewind() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return objectstore.Permanent(u.err)
	}
	if _, err := u.r.Seek(u.start, io.SeekStart); err != nil {
		return objectstore.Permanent(err)
	}
	u.md5.Reset()
	u.left, u.over = u.size, false
	return nil
}

// sum is the MD5 of what was sent.
func (u *upload) sum() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return hex.EncodeToString(u.md5.Sum(nil))
}
