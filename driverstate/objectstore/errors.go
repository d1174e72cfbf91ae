package objectstore

import (
	"errors"
	"time"
)

// Permanent marks an error that no repetition mends, such as a request that
// the server calls wrong.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (e *permanent) Unwrap() error { return e.error }

// Later marks an error with the time after which the server wants to be asked
// again (HTTP's Retry-After).
func Later(err error, after time.Duration) error { return &later{error: err, after: after} }

type later struct {
	error
	after time.Duration
}

func (e *later) Unwrap() error { return e.error }

// Repeatable reports whether a call that failed with err may succeed when it
// is made again: the error is raw and not marked Permanent.
func Repeatable(err error) bool {
	var final *permanent
	if err == nil || errors.As(err, &final) {
		return false
	}
	for _, kind := range []error{ErrNotFound, ErrNoContainer, ErrForbidden, ErrReadOnly, ErrBadName, ErrDamaged} {
		if errors.Is(err, kind) {
			return false
		}
	}
	return true
}
