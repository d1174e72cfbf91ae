package s3_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/s3"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// front is a reverse proxy before a server: edit, if not nil, sees every
// request that passes.
func front(t *testing.T, target string, edit func(*http.Request)) *httputil.ReverseProxy {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			// With the Host that was signed.
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			if edit != nil {
				edit(r.Out)
			}
		},
	}
}

// withTLS puts TLS before the server; authority is the file of the certificate
// that it is known by.
func withTLS(t *testing.T, target string) (endpoint, authority string) {
	t.Helper()
	server := httptest.NewUnstartedServer(front(t, target, nil))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	server.StartTLS()
	t.Cleanup(server.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(authority, block, 0o600))
	return server.URL, authority
}

// requireWorks writes, lists, reads and removes an object.
func requireWorks(t *testing.T, c s3.Config) {
	t.Helper()
	a := newBucket(t, c)
	content := bytes.Repeat([]byte("0123456789abcdef"), 100_000) // more than is sent unasked
	a.Write(t, a.cfg.Bucket, "volume/o-00001", content)
	assert.Equal(t, []string{"volume/o-00001"}, a.Names(t, a.cfg.Bucket))
	assert.Equal(t, content, a.Read(t, a.cfg.Bucket, "volume/o-00001"))
	require.NoError(t, a.store.Check(t.Context()))
}

func TestAServerWithTLSIsKnownByItsAuthority(t *testing.T) {
	for _, s := range both {
		t.Run(s.name, func(t *testing.T) {
			c := s.config(t)
			c.Endpoint, c.CAFile = withTLS(t, c.Endpoint)
			requireWorks(t, c)
			unverified := c
			unverified.CAFile, unverified.Insecure = "", true
			requireWorks(t, unverified)
		})
	}
}

func TestAServerThatCannotBeTrustedIsRefusedWithAdvice(t *testing.T) {
	plain := rgw.config(t)
	trusted := plain
	trusted.Endpoint, trusted.CAFile = withTLS(t, plain.Endpoint)
	check := func(c s3.Config) error { return open(t, c).Check(t.Context()) }

	c := trusted
	c.CAFile = ""
	err := check(c)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "certificate signed by unknown authority; set backup_s3_ca_cert_file to the authority of the server's certificate")
	assert.False(t, objectstore.Repeatable(err))

	c = trusted
	c.Endpoint = strings.Replace(c.Endpoint, "127.0.0.1", "localhost", 1)
	err = check(c)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "use in backup_s3_endpoint_url a name that the server's certificate has")

	c = plain
	c.Endpoint = strings.Replace(c.Endpoint, "http://", "https://", 1)
	err = check(c)
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "begin backup_s3_endpoint_url with http://")
	assert.False(t, objectstore.Repeatable(err))
}

// forwarder is an HTTP proxy that counts what passes: plain requests, and
// tunnels for TLS.
type forwarder struct {
	plain    *httputil.ReverseProxy
	requests atomic.Int64
	tunnels  atomic.Int64
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		f.requests.Add(1)
		f.plain.ServeHTTP(w, r)
		return
	}
	f.tunnels.Add(1)
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	// The answer comes after the hijacking: what the client says then is not
	// read by the server.
	from, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	if _, err := io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	go func() {
		io.Copy(to, from)
		to.Close()
	}()
	io.Copy(from, to)
}

func TestTheOptionsProxyIsUsed(t *testing.T) {
	c := rgw.config(t)
	f := &forwarder{plain: front(t, c.Endpoint, nil)}
	proxy := httptest.NewServer(f)
	t.Cleanup(proxy.Close)

	over := c
	over.HTTPProxy = strings.TrimPrefix(proxy.URL, "http://") // as Cinder takes it
	requireWorks(t, over)
	assert.GreaterOrEqual(t, f.requests.Load(), int64(6))
	assert.Zero(t, f.tunnels.Load())

	f.requests.Store(0)
	tls := c
	tls.Endpoint, tls.CAFile = withTLS(t, c.Endpoint)
	tls.HTTPSProxy = proxy.URL
	requireWorks(t, tls)
	assert.Positive(t, f.tunnels.Load())
	assert.Zero(t, f.requests.Load())

	// A proxy for the other protocol is none for this one.
	f.tunnels.Store(0)
	other := c
	other.HTTPSProxy = proxy.URL
	requireWorks(t, other)
	assert.Zero(t, f.requests.Load()+f.tunnels.Load())
}

func TestABucketMayBePartOfTheHost(t *testing.T) {
	c := rgw.config(t)
	var hosts sync.Map
	// The proxy stands in for a name server that knows *.s3.localhost, which
	// is the name that the server was given.
	proxy := httptest.NewServer(front(t, c.Endpoint, func(r *http.Request) { hosts.Store(r.Host, true) }))
	t.Cleanup(proxy.Close)
	c.Endpoint, c.HTTPProxy, c.AddressingStyle = "http://s3.localhost", proxy.URL, s3.AddressingVirtual
	requireWorks(t, c)
	var seen []string
	hosts.Range(func(host, _ any) bool { seen = append(seen, host.(string)); return true })
	assert.Contains(t, fmt.Sprint(seen), "backups-", "the bucket is in the host")
}

func TestAStalledServerIsGivenUpAfterTheTimeout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	c := s3.Config{Endpoint: "http://" + silent.Addr().String(), AccessKey: "a", SecretKey: "s", Timeout: 100 * time.Millisecond}
	err = open(t, c).Check(t.Context())
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "the limit is backup_s3_timeout, 100ms")
	assert.True(t, objectstore.Repeatable(err))
}

func TestAnObjectThatIsChangedOnItsWayIsRefused(t *testing.T) {
	for _, skip := range []bool{false, true} {
		c := rgw.config(t)
		plain := newBucket(t, c)
		change := func(r *http.Request) {
			if r.Method != http.MethodPut || r.ContentLength < 100 {
				return
			}
			content, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			content[50] ^= 1
			r.Body = io.NopCloser(bytes.NewReader(content))
		}
		proxy := httptest.NewTLSServer(front(t, c.Endpoint, change))
		t.Cleanup(proxy.Close)
		c.Endpoint, c.Insecure, c.SkipMD5 = proxy.URL, true, skip
		content := bytes.Repeat([]byte("x"), 1000)
		err := open(t, c).Put(t.Context(), plain.cfg.Bucket, "o", bytes.NewReader(content), 1000)
		if skip {
			// Over TLS nothing else would notice: what the option is for.
			require.NoError(t, err)
			assert.NotEqual(t, content, plain.Read(t, plain.cfg.Bucket, "o"))
			continue
		}
		require.Error(t, err)
		assert.ErrorContains(t, err, "400 BadDigest")
		assert.True(t, objectstore.Repeatable(err))
		assert.Empty(t, plain.Names(t, plain.cfg.Bucket))
	}
}
