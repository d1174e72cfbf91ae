package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// status is the HTTP status of a refusal; 0 for any other error.
func status(err error) int {
	var refusal *googleapi.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

func (s *Store) bucketError(ctx context.Context, bucket string, err error) error {
	return s.fail(ctx, "bucket "+bucket, err, objectstore.ErrNoContainer)
}

// fail gives an error of the service the store's kind; absent is that of a
// thing that is not there.
func (s *Store) fail(ctx context.Context, what string, err, absent error) error {
	var refusal *googleapi.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, objectstore.ErrForbidden):
		return fmt.Errorf("%s: %w", what, err)
	case !errors.As(err, &refusal):
		return &unavailable{fmt.Errorf("%s: %w", what, err)}
	}
	complete(refusal)
	said := fmt.Errorf("%s: the server answers %d %s", what, refusal.Code, message(refusal))
	switch code := refusal.Code; {
	case code == http.StatusNotFound:
		return fmt.Errorf("%s: %w", what, absent)
	case s.cfg.repeats(code), code == http.StatusForbidden && isRateLimit(refusal):
		return after(&unavailable{said}, refusal.Header)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w: %w", said, objectstore.ErrForbidden)
	}
	return objectstore.Permanent(said)
}

// unavailable is an error of the way to the server, or of the server, that may
// pass.
type unavailable struct{ error }

func (e *unavailable) Unwrap() []error { return []error{e.error, driverstate.ErrUnavailable} }

// complete reads what the answer says: the library leaves that of a download
// unread.
func complete(e *googleapi.Error) {
	var answer struct{ Error googleapi.Error }
	if e.Message == "" && json.Unmarshal([]byte(e.Body), &answer) == nil {
		e.Message, e.Errors = answer.Error.Message, answer.Error.Errors
	}
}

// after adds the pause that the server asks for, if it does.
func after(err error, h http.Header) error {
	seconds, bad := strconv.Atoi(h.Get("Retry-After"))
	if bad != nil || seconds <= 0 {
		return err
	}
	return objectstore.Later(err, time.Duration(seconds)*time.Second)
}

// message is what a server says, on one line of bounded length.
func message(e *googleapi.Error) string {
	text := e.Message
	if text == "" {
		text = http.StatusText(e.Code)
	}
	return fmt.Sprintf("%.300s", strings.Join(strings.Fields(text), " "))
}

// isRateLimit: the JSON API refuses what is too much with 403 as well as 429.
func isRateLimit(e *googleapi.Error) bool {
	return slices.ContainsFunc(e.Errors, func(i googleapi.ErrorItem) bool {
		return i.Reason == "rateLimitExceeded" || i.Reason == "userRateLimitExceeded"
	})
}

// repeats reports whether a request that was answered with code is made again
// (gcs.py GoogleMediaIoBaseDownload.next_chunk). 408 is Google's word for a
// connection that broke.
func (c *Config) repeats(code int) bool {
	return code >= 500 || code == http.StatusRequestTimeout || slices.Contains(c.RetryCodes, code)
}

// attempts counts how often one request of an upload was made. The library
// asks it after each: only within an upload can a part be sent again alone.
type attempts struct {
	cfg       *Config
	failed    int
	exhausted bool
}

// again reports whether a request that ended with err, nil for success, is
// made again.
func (a *attempts) again(err error) bool {
	code := status(err)
	switch {
	case err == nil:
		a.failed = 0
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, objectstore.ErrForbidden), code != 0 && !a.cfg.repeats(code):
		return false
	}
	a.failed++
	a.exhausted = a.failed > a.cfg.Retries
	return !a.exhausted
}
