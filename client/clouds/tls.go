package clouds

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

// tlsConfig is whom to trust, and who the client is.
func (o *Options) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: o.Insecure}
	if o.CACert != "" {
		pem, err := os.ReadFile(o.CACert)
		if err != nil {
			return nil, &SettingsError{Text: fmt.Sprintf("certificate authorities: %v", err), Hint: "see OS_CACERT"}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &SettingsError{Text: fmt.Sprintf("certificate authorities: %s holds no PEM certificate", o.CACert), Hint: "see OS_CACERT"}
		}
	}
	switch {
	case o.Cert == "" && o.Key == "":
		return c, nil
	case o.Cert == "":
		return nil, &SettingsError{Text: "the client's key has no certificate", Hint: "set OS_CERT"}
	}
	pair, err := tls.LoadX509KeyPair(o.Cert, cmp.Or(o.Key, o.Cert))
	if err != nil {
		return nil, &SettingsError{Text: fmt.Sprintf("client's certificate: %v", err), Hint: "see OS_CERT and OS_KEY"}
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// TLSError says that client and server do not trust each other.
type TLSError struct {
	Host string
	Text string
	err  error
	hint string
}

// Error names the server and says what is wrong.
func (e *TLSError) Error() string { return e.Text }

// Unwrap returns what Go's TLS said.
func (e *TLSError) Unwrap() error { return e.err }

// Hint is what to do about it.
func (e *TLSError) Hint() string { return e.hint }

// tlsTransport turns the errors of TLS into a *TLSError.
type tlsTransport struct {
	next      http.RoundTripper
	certified bool // the client has a certificate
}

// RoundTrip sends r.
func (t *tlsTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, t.explain(r.URL.Host, err)
	}
	return resp, nil
}

func (t *tlsTransport) explain(host string, err error) error {
	const without = ", or do without the check: --insecure"
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		sock    *net.OpError
		foreign tls.RecordHeaderError
	)
	e := &TLSError{Host: host, err: err}
	switch {
	case errors.As(err, &unknown):
		e.Text = fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted", host)
		e.hint = "name the file of the authority's certificate with --os-cacert FILE or OS_CACERT" + without
	case errors.As(err, &name):
		e.Text = fmt.Sprintf("the certificate of %s is for %s", host, cmp.Or(strings.Join(names(name.Certificate), ", "), "no name"))
		e.hint = "use one of its names in OS_AUTH_URL, --os-endpoint or the catalogue" + without
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Text = fmt.Sprintf("the certificate of %s is valid from %s to %s", host,
			invalid.Cert.NotBefore.UTC().Format("2006-01-02"), invalid.Cert.NotAfter.UTC().Format("2006-01-02"))
		e.hint = "look at this machine's clock, and renew the certificate" + without
	case errors.As(err, &verify):
		e.Text = fmt.Sprintf("the certificate of %s is not good: %v", host, verify.Err)
		e.hint = "name the authority's certificate with --os-cacert FILE or OS_CACERT" + without
	case errors.As(err, &sock) && sock.Op == "remote error": // an alert of TLS
		e.Text = fmt.Sprintf("%s refuses this client: %v", host, sock.Err)
		e.hint = "if it asks for a client's certificate, name it with --os-cert FILE and --os-key FILE"
		if t.certified {
			e.hint = "does it trust the authority of the client's certificate (--os-cert, OS_CERT)?"
		}
	case errors.As(err, &foreign):
		e.Text = fmt.Sprintf("%s does not speak TLS", host)
		e.hint = "say http:// in place of https://"
	default:
		return err
	}
	return e
}

// names are what a certificate is for.
func names(c *x509.Certificate) []string {
	list := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}
