package clouds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key = a.make(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// make signs c, by its own key while the authority has none.
func (a *authority) make(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.SerialNumber, c.Subject = big.NewInt(1), pkix.Name{CommonName: "test"}
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(a.t, err)
	return cert, key
}

// files writes a certificate and its key.
func (a *authority) files(name string, c *x509.Certificate, key *ecdsa.PrivateKey) (cert, its string) {
	a.t.Helper()
	raw, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	return write(a.t, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))),
		write(a.t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})))
}

// starter starts servers with the certificate c; they ask clients for one of
// the authority if they must.
func (a *authority) starter(c *x509.Certificate, ask bool) func(http.Handler) *httptest.Server {
	cert, key := a.make(c)
	return func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
		if ask {
			s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			s.TLS.ClientCAs.AddCert(a.cert)
		}
		s.StartTLS()
		return s
	}
}

var local = []net.IP{net.IPv4(127, 0, 0, 1)}

// reach logs in and asks for something.
func reach(t *testing.T, o Options) error {
	t.Helper()
	sc, err := Connect(t.Context(), o)
	if err != nil {
		return err
	}
	_, err = sc.Get(t.Context(), sc.ServiceURL("backups"), &struct{}{}, nil)
	return err
}

func TestCertificatesCountWithKeystoneAndWithout(t *testing.T) {
	alone(t)
	ca := newAuthority(t)
	caFile, _ := ca.files("ca", ca.cert, ca.key)
	cert, key := ca.make(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	certFile, keyFile := ca.files("client", cert, key)
	k := newKeystone(t, ca.starter(&x509.Certificate{IPAddresses: local}, true))
	noauth := Options{AuthType: "noauth", Endpoint: k.url + "/v3"}
	k.anyToken = true
	for name, o := range map[string]Options{"Keystone": k.password(), "noauth": noauth} {
		t.Run(name, func(t *testing.T) {
			o.CACert, o.Cert, o.Key = caFile, certFile, keyFile
			require.NoError(t, reach(t, o))

			o.CACert = ""
			err := reach(t, o)
			var e *TLSError
			require.ErrorAs(t, err, &e)
			host := strings.TrimPrefix(k.url, "https://")
			assert.Equal(t, "the certificate of "+host+" is signed by an authority that is not trusted", e.Text)
			assert.Contains(t, e.Hint(), "--os-cacert FILE")
			assert.Contains(t, err.Error(), e.Text)

			o.Insecure = true
			require.NoError(t, reach(t, o))

			o.Insecure, o.CACert, o.Cert, o.Key = false, caFile, "", ""
			require.ErrorAs(t, reach(t, o), &e)
			assert.Contains(t, e.Text, host+" refuses this client: ")
			assert.Contains(t, e.Hint(), "--os-cert FILE")
		})
	}
}

func TestACertificateAndItsKeyMayBeInOneFile(t *testing.T) {
	alone(t)
	ca := newAuthority(t)
	caFile, _ := ca.files("ca", ca.cert, ca.key)
	cert, key := ca.make(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	raw, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	write(t, "both.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
	k := newKeystone(t, ca.starter(&x509.Certificate{IPAddresses: local}, true))
	o := k.password()
	o.CACert, o.Cert = caFile, "~/both.pem"
	connect(t, o)
}

func TestACertificateOfAnAuthorityThatTheServerDoesNotKnowIsTold(t *testing.T) {
	alone(t)
	ca, other := newAuthority(t), newAuthority(t)
	caFile, _ := ca.files("ca", ca.cert, ca.key)
	cert, key := other.make(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	certFile, keyFile := other.files("client", cert, key)
	k := newKeystone(t, ca.starter(&x509.Certificate{IPAddresses: local}, true))
	o := k.password()
	o.CACert, o.Cert, o.Key = caFile, certFile, keyFile
	var e *TLSError
	require.ErrorAs(t, reach(t, o), &e)
	assert.Contains(t, e.Hint(), "does it trust the authority of the client's certificate")
}

func TestWhatIsWrongWithACertificateIsSaid(t *testing.T) {
	alone(t)
	ca := newAuthority(t)
	caFile, _ := ca.files("ca", ca.cert, ca.key)
	for name, c := range map[string]struct {
		cert       *x509.Certificate
		text, hint string
	}{
		"another name": {&x509.Certificate{DNSNames: []string{"cloud.example", "k.example"}}, " is for cloud.example, k.example", "OS_AUTH_URL"},
		"no name":      {&x509.Certificate{}, " is for no name", "OS_AUTH_URL"},
		"expired": {&x509.Certificate{IPAddresses: local, NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)},
			" is valid from 2020-01-01 to 2021-01-01", "clock"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeystone(t, ca.starter(c.cert, false))
			o := k.password()
			o.CACert = caFile
			err := reach(t, o)
			var e *TLSError
			require.ErrorAs(t, err, &e)
			assert.Contains(t, e.Text, c.text)
			assert.Contains(t, e.Hint(), c.hint)
			assert.Contains(t, e.Hint(), "--insecure")
			assert.Equal(t, "login of ann at "+k.url+"/v3: "+e.Text, err.Error())
		})
	}
}

func TestAnEntryMaySayNotToVerify(t *testing.T) {
	alone(t)
	ca := newAuthority(t)
	k := newKeystone(t, ca.starter(&x509.Certificate{IPAddresses: local}, false))
	text := `
clouds:
  prod:
    SAYS
    region_name: one
    auth: {auth_url: "` + k.url + `/v3", username: ann, password: hush, project_name: demo}
`
	for says, insecure := range map[string]bool{"verify: false": true, "verify: no": true, "insecure: true": true, "verify: true": false, "insecure: false": false} {
		write(t, "clouds.yaml", strings.ReplaceAll(text, "SAYS", says))
		err := reach(t, Options{Cloud: "prod"})
		if insecure {
			require.NoError(t, err, says)
		} else {
			require.ErrorContains(t, err, "not trusted", says)
		}
		require.ErrorContains(t, reach(t, Options{Cloud: "prod", Verify: true}), "not trusted", says)
	}
}

func TestPlainHTTPBehindAnHTTPSAddressIsTold(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	o := k.password()
	o.AuthURL = strings.Replace(k.url, "http://", "https://", 1) + "/v3"
	var e *TLSError
	require.ErrorAs(t, reach(t, o), &e)
	assert.Contains(t, e.Text, "does not speak TLS")
	assert.Contains(t, e.Hint(), "http://")
}
