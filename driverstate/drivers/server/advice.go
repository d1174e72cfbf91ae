package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"
)

// Options are the names of those that lead to a server, as its operator knows
// them.
type Options struct {
	Address string // has the server's URL
	CA      string // names the file of authorities
	Proxy   string // names the proxy, if there is one on the way
}

// Advice is what the operator may change when a server gave no answer but err;
// empty when that is not known. It is final when the server that answers is not
// the one that is meant: to ask again is of no use.
func (o Options) Advice(err error) (advice string, final bool) {
	invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
	dial, _ := errors.AsType[*net.OpError](err)
	switch {
	case dial != nil && dial.Op == "proxyconnect":
		return "check the proxy on the way to the server: " + o.Proxy, false
	case isA[*net.DNSError](err):
		return "check the name in " + o.Address, false
	case isA[x509.HostnameError](err):
		return "use in " + o.Address + " a name that the server's certificate has", true
	case isA[x509.CertificateInvalidError](err) && invalid.Reason == x509.Expired:
		return "renew the server's certificate; if it is not out of date, set this host's clock", true
	case isA[x509.UnknownAuthorityError](err), isA[x509.CertificateInvalidError](err), isA[*tls.CertificateVerificationError](err):
		return "set " + o.CA + " to the authority of the server's certificate", true
	case isA[tls.RecordHeaderError](err), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the server does not speak TLS: begin " + o.Address + " with http://", true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check the host and the port in " + o.Address + ", that the server is running, and that no firewall refuses this host", false
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "check the host in " + o.Address + ", and that this host has a route to it", false
	}
	return "", false
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
