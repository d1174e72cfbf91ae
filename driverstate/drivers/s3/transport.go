package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/cinder-go/cinder-go/driverstate"
)

// expectFrom is the size of a body, in bytes, from which the server is asked
// whether it wants it at all: one that refuses a large body closes the
// connection, and its answer could be lost with it.
const expectFrom = 1 << 20

func newClient(c Config, transport http.RoundTripper) (*minio.Core, error) {
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	lookup := map[string]minio.BucketLookupType{
		AddressingAuto: minio.BucketLookupAuto, AddressingPath: minio.BucketLookupPath, AddressingVirtual: minio.BucketLookupDNS,
	}[c.AddressingStyle]
	client, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(string(c.AccessKey), string(c.SecretKey), ""),
		Secure: c.secure(), Region: c.Region, BucketLookup: lookup,
		Transport: noting{transport},
		// Retries are a wrapper's.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("backup_s3_endpoint_url %q: %v", c.Endpoint, err))
	}
	client.SetAppInfo("cinder-go", "backup")
	return client, nil
}

// newTransport is HTTP as the options want it.
func newTransport(c Config) (*http.Transport, error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	proxy, err := c.proxy()
	if err != nil {
		return nil, err
	}
	dial := (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext
	return &http.Transport{
		Proxy: proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{Conn: conn, limit: c.Timeout}, nil
		},
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: c.Insecure},
		TLSHandshakeTimeout:   c.Timeout,
		ResponseHeaderTimeout: c.Timeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          c.PoolConnections,
		MaxIdleConnsPerHost:   c.PoolConnections,
		// Objects are compressed already, and ranges are of what is stored.
		DisableCompression: true,
	}, nil
}

// roots are the certificates of backup_s3_ca_cert_file; nil for the system's.
func (c Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" || c.Insecure {
		return nil, nil
	}
	bad := func(why string) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("backup_s3_ca_cert_file %s %s", c.CAFile, why))
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, bad("cannot be read: " + err.Error())
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, bad("holds no certificate in PEM form")
	}
	return pool, nil
}

// proxy is that of the environment unless an option names one, which then
// counts alone (botocore.httpsession ProxyConfiguration).
func (c Config) proxy() (func(*http.Request) (*url.URL, error), error) {
	if c.HTTPProxy == "" && c.HTTPSProxy == "" {
		return http.ProxyFromEnvironment, nil
	}
	text, option := c.HTTPProxy, "backup_s3_http_proxy"
	if c.secure() {
		text, option = c.HTTPSProxy, "backup_s3_https_proxy"
	}
	if text == "" {
		return nil, nil
	}
	switch {
	case strings.HasPrefix(text, "//"):
		text = "http:" + text
	case !strings.Contains(text, "://"):
		text = "http://" + text
	}
	proxy, err := url.Parse(text)
	if err != nil || proxy.Host == "" {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, option+" is not the URL of a proxy")
	}
	return http.ProxyURL(proxy), nil
}

// impatient is a connection on which no read or write waits longer than limit:
// a server that stalls in mid-stream is given up.
type impatient struct {
	net.Conn
	limit time.Duration
}

func (c *impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write also moves the deadline of the read that already waits for its answer.
func (c *impatient) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// asked is what a request learns of its answer besides what the library tells.
type asked struct{ retryAfter time.Duration }

type askedKey struct{}

// ask returns a context whose requests leave what they learn in the answer.
func ask(ctx context.Context) (context.Context, *asked) {
	a := &asked{}
	return context.WithValue(ctx, askedKey{}, a), a
}

// noting is a transport that notes Retry-After.
type noting struct{ next http.RoundTripper }

func (t noting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ContentLength >= expectFrom {
		r = r.Clone(r.Context())
		r.Header.Set("Expect", "100-continue")
	}
	resp, err := t.next.RoundTrip(r)
	if a, ok := r.Context().Value(askedKey{}).(*asked); ok && err == nil {
		a.retryAfter = 0
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
			a.retryAfter = time.Duration(seconds) * time.Second
		}
	}
	return resp, err
}
