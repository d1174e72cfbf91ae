package clouds

import (
	"errors"
	"net/http"
)

// maxIdle is how many connections to one server are kept for the next request:
// as many as a verb makes at once.
const maxIdle = 16

// transport is how requests are sent. It honours the proxies of the
// environment, as Go does.
func (o *Options) transport() (http.RoundTripper, error) {
	config, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = config
	t.ResponseHeaderTimeout = o.Timeout
	t.MaxIdleConnsPerHost = maxIdle
	var rt http.RoundTripper = &tlsTransport{next: t, certified: o.Cert != ""}
	if o.Debug != nil {
		rt = DebugTransport(rt, o.Debug)
	}
	return rt, nil
}

// httpClient follows no redirect that would take the token to another host, or
// that would make another request of a write.
func httpClient(t http.RoundTripper) http.Client {
	return http.Client{Transport: t, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		from := via[0]
		switch {
		case len(via) >= 5:
			return errors.New("too many redirects")
		case from.Method != http.MethodGet && from.Method != http.MethodHead,
			to.URL.Host != from.URL.Host,
			from.URL.Scheme == "https" && to.URL.Scheme != "https":
			return http.ErrUseLastResponse
		}
		return nil
	}}
}
