package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/server"
)

// Driver is the chunked driver with an examination of its own.
type Driver struct {
	*chunked.Driver
	cfg   Config
	store *Store
}

var (
	_ driverstate.Driver       = (*Driver)(nil)
	_ driverstate.Scanner      = (*Driver)(nil)
	_ driverstate.Verifier     = (*Driver)(nil)
	_ driverstate.ForceDeleter = (*Driver)(nil)
	_ driverstate.Examiner     = (*Driver)(nil)
)

// maxSkew is how far a server lets the clock of a request be from its own.
const maxSkew = 15 * time.Minute

// Examine implements driverstate.Examiner: configuration, name resolution, TLS,
// clock, credentials, container, list, read, write. The clock comes before the
// credentials, which a wrong one spoils.
func (d *Driver) Examine(ctx context.Context, o driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	x := &examination{Server: server.Server{URL: d.cfg.Endpoint, Transport: d.store.transport}, d: d}
	looks := []chunked.Look{{Name: "configuration", See: x.configuration}}
	if proxy, _ := d.cfg.proxied(); proxy == nil {
		looks = append(looks, chunked.Look{Name: "name resolution", Advice: "check the name in backup_s3_endpoint_url", See: x.Resolve})
	}
	transport := "connection"
	if d.cfg.secure() {
		transport = "TLS"
	}
	looks = append(looks,
		chunked.Look{Name: transport, See: x.connect},
		chunked.Look{Name: "clock", Advice: "set this host's clock, or the server's", See: x.Clock(maxSkew)},
		chunked.Look{Name: "credentials", See: x.credentials})
	return func(yield func(driverstate.Step) bool) {
		for step := range chunked.Examine(ctx, append(looks, d.Looks(o, "")...)) {
			if f, ok := errors.AsType[*failure](step.Err); ok && f.advice != "" {
				step.Err, step.Advice = &unadvised{step.Err, f.advice}, f.advice
			}
			if !yield(step) {
				return
			}
		}
	}
}

// unadvised is an error whose advice is told beside it.
type unadvised struct {
	error
	advice string
}

func (e *unadvised) Error() string { return strings.Replace(e.error.Error(), "; "+e.advice, "", 1) }
func (e *unadvised) Unwrap() error { return e.error }

// examination is what its steps learn for those that follow.
type examination struct {
	server.Server
	d *Driver
}

func (x *examination) configuration(context.Context) (string, error) {
	c := x.d.cfg
	detail := fmt.Sprintf("%s, bucket %s, %s names", c.Endpoint, c.Bucket, c.AddressingStyle)
	if proxy, err := c.proxied(); err == nil && proxy != nil {
		detail += ", through proxy " + proxy.Host
	}
	switch {
	case c.encryption() != nil:
		detail += ", encrypted with a customer's key"
	case c.SSEKey != "" || c.SSEAlgorithm != "":
		detail += ", not encrypted: of backup_s3_sse_customer_key and backup_s3_sse_customer_algorithm only one is set"
	}
	return detail, nil
}

// proxied is the proxy on the way to the server; nil for none.
func (c Config) proxied() (*url.URL, error) {
	proxy, err := c.proxy()
	if err != nil || proxy == nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodGet, c.Endpoint, nil)
	if err != nil {
		return nil, err
	}
	return proxy(r)
}

func (x *examination) connect(ctx context.Context) (string, error) {
	ctx, a := ask(ctx)
	detail, err := x.Connect(ctx)
	switch {
	case err != nil:
		return "", x.d.store.failed(ctx, a, "", "", err)
	case x.d.cfg.secure() && x.d.cfg.Insecure:
		detail += ", not verified: backup_s3_verify_ssl is off"
	}
	return detail, nil
}

func (x *examination) credentials(ctx context.Context) (string, error) {
	if err := x.d.store.Check(ctx); err != nil {
		return "", err
	}
	return "the server knows the key of backup_s3_store_access_key", nil
}
