package server_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/server"
)

func TestAServerIsLookedAt(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		defer s.Close()
		x := &server.Server{URL: s.URL + "/", Transport: s.Client().Transport}
		detail, err := x.Resolve(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1 is 127.0.0.1", detail)
		detail, err = x.Connect(t.Context())
		require.NoError(t, err)
		if secure {
			assert.Regexp(t, `^TLS 1\.\d, certificate of .*, valid until 20\d\d-\d\d-\d\d$`, detail)
		} else {
			assert.Contains(t, detail, "without TLS")
		}
		detail, err = x.Clock(time.Minute)(t.Context())
		require.NoError(t, err)
		assert.Contains(t, detail, "from the server's")
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	x := &server.Server{URL: "http://no-such-host.invalid", Transport: http.DefaultTransport}
	_, err := x.Resolve(t.Context())
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	_, err = x.Connect(t.Context())
	assert.Error(t, err)
}

func TestClocks(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, d := range []time.Duration{0, time.Minute, -time.Minute} {
		_, err := server.Clock(at(d), now, time.Minute)
		assert.NoError(t, err, "%v", d)
	}
	for _, d := range []time.Duration{61 * time.Second, -61 * time.Second} {
		_, err := server.Clock(at(d), now, time.Minute)
		assert.ErrorIs(t, err, driverstate.ErrForbidden, "%v", d)
	}
	detail, err := server.Clock("", now, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, "the server does not tell the time", detail)
}

// fault is the error with which a server is connected to.
func fault(t *testing.T, url string, transport http.RoundTripper) error {
	t.Helper()
	_, err := (&server.Server{URL: url, Transport: transport}).Connect(t.Context())
	require.Error(t, err)
	return err
}

func TestWhatIsWrongIsAdvisedOn(t *testing.T) {
	o := server.Options{Address: "ADDRESS", CA: "CA", Proxy: "PROXY"}
	quiet := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet // a client that goes is what is tested
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	trusting := &http.Transport{TLSClientConfig: secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
	misnamed, late := trusting.Clone(), trusting.Clone()
	misnamed.TLSClientConfig.ServerName = "other.example.org"
	late.TLSClientConfig.Time = func() time.Time { return time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC) }
	proxied := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }}
	for name, c := range map[string]struct {
		err    error
		advice string
		final  bool
	}{
		"name":        {fault(t, "http://no-such-host.invalid", &http.Transport{}), "check the name in ADDRESS", false},
		"refused":     {fault(t, "http://127.0.0.1:1", &http.Transport{}), "check the host and the port in ADDRESS", false},
		"authority":   {fault(t, secure.URL, &http.Transport{}), "set CA to the authority", true},
		"other name":  {fault(t, secure.URL, misnamed), "use in ADDRESS a name that", true},
		"out of date": {fault(t, secure.URL, late), "renew the server's certificate", true},
		"no TLS":      {fault(t, strings.Replace(plain.URL, "http:", "https:", 1), &http.Transport{}), "begin ADDRESS with http://", true},
		"proxy":       {fault(t, plain.URL, proxied), "check the proxy on the way to the server: PROXY", false},
		"other":       {errors.New("something else"), "", false},
	} {
		advice, final := o.Advice(c.err)
		assert.Equal(t, c.advice == "", advice == "", name)
		assert.Contains(t, advice, c.advice, name)
		assert.Equal(t, c.final, final, name)
	}
}
