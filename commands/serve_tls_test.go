package commands

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority signs the certificates of a test.
type authority struct {
	t      *testing.T
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
	file   string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	require.NoError(t, err)
	a := &authority{t: t, cert: cert, key: key, serial: 1, file: filepath.Join(t.TempDir(), "ca.pem")}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes a certificate for loopback, and its key; it returns its number.
func (a *authority) issue(cert, key string) int64 {
	a.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	a.serial++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(a.serial), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
		a.cert, own.Public(), a.key)
	require.NoError(a.t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(own)
	require.NoError(a.t, err)
	writePEM(a.t, key, "PRIVATE KEY", raw)
	writePEM(a.t, cert, "CERTIFICATE", der)
	return a.serial
}

// pool trusts it alone.
func (a *authority) pool() *x509.CertPool {
	a.t.Helper()
	pool := x509.NewCertPool()
	raw, err := os.ReadFile(a.file)
	require.NoError(a.t, err)
	require.True(a.t, pool.AppendCertsFromPEM(raw))
	return pool
}

// hello returns what one new connection sees of the server.
func (a *authority) hello(base string, edit func(*tls.Config)) (*tls.ConnectionState, string, error) {
	a.t.Helper()
	config := &tls.Config{RootCAs: a.pool()}
	if edit != nil {
		edit(config)
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, base+"/", nil)
	require.NoError(a.t, err)
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	return resp.TLS, string(body), nil
}

func TestServeSpeaksTLS(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first := a.issue(cert, key)
	base, _ := startServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	require.Regexp(t, `^https://127\.0\.0\.1:\d+$`, base)

	seen, body, err := a.hello(base, nil)
	require.NoError(t, err)
	assert.Equal(t, first, seen.PeerCertificates[0].SerialNumber.Int64())
	assert.Equal(t, "h2", seen.NegotiatedProtocol)
	var document struct {
		Versions []struct{ Links []struct{ Rel, Href string } }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	assert.Contains(t, document.Versions[0].Links, struct{ Rel, Href string }{"self", base + "/v3/"})

	_, _, err = a.hello(base, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	require.ErrorContains(t, err, "protocol version")

	env := map[string]string{"HOME": t.TempDir(), "OS_ENDPOINT": base + "/v3", "OS_CACERT": a.file}
	code, out, errOut := invoke(t, env, "service-list", "-f", "value", "-c", "binary")
	assert.Equal(t, 0, code, errOut)
	assert.Contains(t, out, "cinder-backup")
	env["OS_CACERT"] = ""
	code, _, errOut = invoke(t, env, "service-list")
	assert.Equal(t, 8, code)
	assert.Contains(t, errOut, "signed by an authority that is not trusted")

	// A key without its certificate changes nothing; both together do.
	foreign := newAuthority(t)
	foreign.issue(filepath.Join(dir, "other.pem"), key)
	seen, _, err = a.hello(base, nil)
	require.NoError(t, err)
	assert.Equal(t, first, seen.PeerCertificates[0].SerialNumber.Int64())
	second := a.issue(cert, key)
	seen, _, err = a.hello(base, nil)
	require.NoError(t, err)
	assert.Equal(t, second, seen.PeerCertificates[0].SerialNumber.Int64())
}

func TestServeMayAskForAClientsCertificate(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.issue(cert, key)
	base, _ := startServer(t, "--store", "posix://"+t.TempDir(), "--state-dir", t.TempDir(), "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", a.file)
	require.ErrorContains(t, a.greet(base, nil), "certificate required")
	with := func(signer *authority) func(*tls.Config) {
		own := t.TempDir()
		signer.issue(filepath.Join(own, "c.pem"), filepath.Join(own, "k.pem"))
		pair, err := tls.LoadX509KeyPair(filepath.Join(own, "c.pem"), filepath.Join(own, "k.pem"))
		require.NoError(t, err)
		// It is shown whatever authorities the server names.
		return func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
	}
	_, _, err := a.hello(base, with(a))
	require.NoError(t, err)
	require.ErrorContains(t, a.greet(base, with(newAuthority(t))), "unknown certificate authority")
}

// greet connects, and returns what the server says of it before it is asked
// anything. A request could fail first, because nobody reads it.
func (a *authority) greet(base string, edit func(*tls.Config)) error {
	a.t.Helper()
	c := &tls.Config{RootCAs: a.pool()}
	if edit != nil {
		edit(c)
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(base, "https://"), c)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err
}

func TestServeRefusesFilesThatDoNotFit(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	a.issue(path("a.pem"), path("a.key"))
	a.issue(path("b.pem"), path("b.key"))
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"another's key", "are no pair", []string{"--tls-cert", path("a.pem"), "--tls-key", path("b.key")}},
		{"no such file", "--tls-cert: open " + path("no.pem"), []string{"--tls-cert", path("no.pem"), "--tls-key", path("b.key")}},
		{"no key", "--tls-key FILE is missing", []string{"--tls-cert", path("a.pem")}},
		{"no certificate", "--tls-cert FILE is missing", []string{"--tls-client-ca", a.file}},
		{"no authority in the file", "holds no PEM certificate", []string{"--tls-cert", path("a.pem"), "--tls-key", path("a.key"), "--tls-client-ca", path("a.key")}},
		{"no limit at all", "--max-requests must be more than 0", []string{"--max-requests", "0"}},
		{"an unknown kind of authentication", `--auth "ldap" is not there: noauth and keystone are`, []string{"--auth", "ldap"}},
		{"an address of all", "say --allow-remote-noauth", []string{"--listen", "0.0.0.0:0"}},
		{"two minds", "--allow-remote-noauth is for --auth noauth", []string{"--auth", "keystone", "--allow-remote-noauth"}},
		{"no Keystone", "authentication URL is missing", []string{"--auth", "keystone"}},
		{"a Keystone without a user", "way to log in is missing", []string{"--auth", "keystone", "--os-auth-url", "http://127.0.0.1:1/v3"}},
		{"a token that cannot be renewed", "a token cannot be renewed", []string{"--auth", "keystone", "--os-auth-url", "http://127.0.0.1:1/v3", "--os-token", "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve", "--store", "posix://" + t.TempDir(), "--state-dir", t.TempDir()}, c.args...)
			if c.name != "an address of all" {
				args = append([]string{"serve", "--listen", "127.0.0.1:0"}, args[1:]...)
			}
			code, _, errOut := invoke(t, nil, args...)
			assert.Equal(t, 2, code)
			assert.Contains(t, errOut, c.want)
		})
	}
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := newLimitListener(inner, 1)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- conn
		}
	}()
	for range 2 {
		client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		require.NoError(t, err)
		defer client.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("the second is accepted beside the first")
	default:
	}
	require.NoError(t, first.Close())
	_ = first.Close() // gives back no second slot
	second := <-accepted
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
	require.NoError(t, second.Close())
}
