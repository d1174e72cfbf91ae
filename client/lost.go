package client

import (
	"errors"
	"net"
	"net/http"
)

// Lost reports whether err leaves open if a write took effect: it was sent, and
// a gateway answered in the server's place, or nobody did. Such a write is not
// repeated: look at the object instead.
func Lost(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case 0:
		// A connection that was never made carried nothing.
		var op *net.OpError
		dialed := !errors.As(e.cause, &op) || op.Op != "dial"
		return dialed && e.cause != nil && isTransport(e.cause)
	}
	return false
}
