package client

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
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
