package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Codes of errors (PostgreSQL manual, appendix A).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	idleTransactionEnded = "25P03"
	badCharacter         = "22021"
	badCharacterInJSON   = "22P05"
	tooManyConnections   = "53300"
	undefinedTable       = "42P01"
	lockTimeout          = "55P03"
)

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// again reports whether a transaction failed for a reason that may be gone when
// it is run again: it met another, or its connection was given up because its
// process was stopped in the middle of it.
func again(err error) bool {
	switch code(err) {
	case serializationFailure, deadlockDetected, idleTransactionEnded:
		return true
	}
	return false
}

// explain gives an error of the server or of the way to it its kind.
func explain(err error) error {
	if err == nil {
		return nil
	}
	kind := error(nil)
	var connecting *pgconn.ConnectError
	var network net.Error
	switch c := code(err); {
	case c == badCharacter, c == badCharacterInJSON:
		return driverstate.Fail(driverstate.ErrInvalidInput, "a text holds U+0000 or is not UTF-8 and cannot be kept")
	case c == tooManyConnections, strings.HasPrefix(c, "57P"), strings.HasPrefix(c, "08"): // shutting down, starting, connection
		kind = driverstate.ErrUnavailable
	case errors.As(err, &connecting), errors.As(err, &network):
		kind = driverstate.ErrUnavailable
	}
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}
