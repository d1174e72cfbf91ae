package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/server"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// failure is a request that did not succeed, as the operator is told it.
type failure struct {
	text, advice string
	kind         error // nil for none
	cause        error
}

func (e *failure) Error() string {
	if e.advice == "" {
		return e.text
	}
	return e.text + "; " + e.advice
}

func (e *failure) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// where names the server and the bucket in messages.
func (s *Store) where(bucket string) string {
	if bucket == "" {
		return "S3 server " + s.cfg.Endpoint
	}
	return fmt.Sprintf("S3 server %s, bucket %s", s.cfg.Endpoint, bucket)
}

// failed says what err of a request means; nil for nil. The end of ctx stays
// what it is.
func (s *Store) failed(ctx context.Context, a *asked, bucket, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return fmt.Errorf("%s: %w", s.where(bucket), err)
	}
	f := &failure{cause: err}
	final := false
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.Code != "" {
		final = s.refused(f, answer, bucket, key)
	} else {
		final = s.unanswered(f, err, bucket)
	}
	switch {
	case final:
		return objectstore.Permanent(f)
	case a.retryAfter > 0:
		return objectstore.Later(f, a.retryAfter)
	}
	return f
}

// refused is for an error that the server answered with; it is final when the
// same request would be refused again.
func (s *Store) refused(f *failure, answer minio.ErrorResponse, bucket, key string) (final bool) {
	text := strings.TrimSuffix(answer.Message, ".")
	if answer.Message == "" {
		text = http.StatusText(answer.StatusCode)
	}
	f.text = fmt.Sprintf("%s answered %d %s: %s", s.where(bucket), answer.StatusCode, answer.Code, text)
	if answer.RequestID != "" {
		f.text += " (request " + answer.RequestID + ")"
	}
	f.advice, f.kind = meaning(answer, s.cfg, key)
	return f.kind != nil && !errors.Is(f.kind, driverstate.ErrUnavailable)
}

// meaning is what the operator may change, and the kind of a server's error.
func meaning(answer minio.ErrorResponse, c Config, key string) (advice string, kind error) {
	switch answer.Code {
	case minio.NoSuchBucket:
		return "check backup_s3_store_bucket", objectstore.ErrNoContainer
	case minio.NoSuchKey, minio.NoSuchVersion:
		return "", objectstore.ErrNotFound
	case minio.InvalidBucketName:
		return "choose another backup_s3_store_bucket", objectstore.ErrBadName
	case minio.BucketAlreadyExists:
		return "the bucket is another account's: choose another backup_s3_store_bucket", objectstore.ErrForbidden
	case minio.InvalidAccessKeyID:
		return "the server does not know the key: check backup_s3_store_access_key", objectstore.ErrForbidden
	case minio.SignatureDoesNotMatch:
		return "check backup_s3_store_secret_key and backup_s3_store_access_key, and that no proxy on the way changes the host's name", objectstore.ErrForbidden
	case minio.RequestTimeTooSkewed:
		return "set this host's clock: it is more than 15 minutes from the server's", objectstore.ErrForbidden
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return "the key has expired: set a new backup_s3_store_access_key and backup_s3_store_secret_key", objectstore.ErrForbidden
	case "InvalidObjectState": // a rule of the bucket has put it into an archive (S3 Glacier)
		return "the object is in an archive: have it brought back with aws s3api restore-object, wait until that is done, then try again", objectstore.ErrForbidden
	case "QuotaExceeded", "StorageFull", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return "raise the quota of the account or the bucket, or delete backups", driverstate.ErrOverLimit
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "IllegalLocationConstraintException", "PermanentRedirect":
		if answer.Region != "" {
			return "the bucket is in region " + answer.Region + ": set region to it", driverstate.ErrInvalidInput
		}
		return "set region to that of the bucket, and backup_s3_endpoint_url to its server", driverstate.ErrInvalidInput
	}
	switch {
	case answer.StatusCode == http.StatusNotFound && key != "":
		return "", objectstore.ErrNotFound
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return forbidden(c, key), objectstore.ErrForbidden
	case answer.StatusCode == http.StatusBadRequest && key != "" && aboutEncryption(answer):
		return forbidden(c, key), objectstore.ErrForbidden
	case answer.StatusCode == http.StatusNotImplemented:
		return "", driverstate.ErrNotSupported
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == http.StatusRequestTimeout:
		return "", driverstate.ErrUnavailable
	}
	return "", nil
}

// aboutEncryption reports whether a refusal of an object is likely to be about
// its key: there is no code of its own for that. A refusal of a HEAD has
// nothing but its status.
func aboutEncryption(answer minio.ErrorResponse) bool {
	switch answer.Code {
	case minio.InvalidArgument, "InvalidRequest", "400 Bad Request":
		return true
	}
	return false
}

func forbidden(c Config, key string) string {
	switch {
	case key == "":
		return "check what the key of backup_s3_store_access_key may do, and whose bucket it is"
	case c.encryption() == nil:
		return "check what the key of backup_s3_store_access_key may do; " +
			"if the object was encrypted, set backup_s3_sse_customer_key and backup_s3_sse_customer_algorithm"
	}
	return "check that backup_s3_sse_customer_key is the key that the object was written with, if with any, " +
		"and what the key of backup_s3_store_access_key may do"
}

// unanswered is for a request to which there was no answer, or half of one; it
// is final when the server is not the one that is meant.
func (s *Store) unanswered(f *failure, err error, bucket string) (final bool) {
	// Of *url.Error only the reason: its address may hold a signature.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	f.text = fmt.Sprintf("%s: %v", s.where(bucket), err)
	f.kind = driverstate.ErrUnavailable
	f.advice, final = options.Advice(err)
	switch {
	case f.advice != "":
	case isTimeout(err):
		f.advice = fmt.Sprintf("the limit is backup_s3_timeout, %v", s.cfg.Timeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.text = fmt.Sprintf("%s: the answer was cut off", s.where(bucket))
	}
	return final
}

// options lead to the server.
var options = server.Options{
	Address: "backup_s3_endpoint_url", CA: "backup_s3_ca_cert_file",
	Proxy: "backup_s3_http_proxy and backup_s3_https_proxy, or the environment's http_proxy and https_proxy",
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
