package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Bounds of the retries of a read.
const (
	maxRetries = 3
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Second
)

// passing reports whether err may go away by itself: a gateway that has nobody
// behind it, or a connection that broke. A refused connection is not: nobody
// is there, and the operator is waiting to hear it.
func passing(err error) bool {
	if login := failedLogin(err); login != nil {
		err = login
	}
	if answer, ok := answerOf(err); ok {
		switch answer.Actual {
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			return true
		case http.StatusServiceUnavailable:
			_, message := readFault(answer.Body)
			return !serviceGone.MatchString(message)
		}
		return false
	}
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// failedLogin is what came of the login that was to renew an expired token, or
// nil: whether that may go away by itself counts, not the 401 before it.
func failedLogin(err error) error {
	if unable := (*gophercloud.ErrUnableToReauthenticate)(nil); errors.As(err, &unable) {
		return unable.ErrReauth
	}
	return nil
}

// notRenewed is the error of a call whose token has expired and could not be
// renewed. The call was not executed.
func (k *call) notRenewed(ctx context.Context, login error) error {
	e := &Error{Status: http.StatusUnauthorized, Message: login.Error(), kind: driverstate.ErrForbidden, cause: login}
	if said := (*Error)(nil); errors.As(Explain(ctx, login), &said) {
		e = said
	}
	e.Resource, e.ID = k.resource, k.id
	return e
}

// isTransport reports whether err came from sending a request.
func isTransport(err error) bool {
	var (
		sent *url.Error
		sock net.Error
	)
	return errors.As(err, &sent) || errors.As(err, &sock)
}

// backoff is the pause before try+1 is repeated: doubling, or what the server
// asked for, within bounds.
func backoff(try int, err error) time.Duration {
	if answer, ok := answerOf(err); ok {
		if s, err := strconv.Atoi(answer.ResponseHeader.Get("Retry-After")); err == nil && s > 0 {
			return min(time.Duration(s)*time.Second, maxPause)
		}
	}
	return min(firstPause<<try, maxPause)
}
