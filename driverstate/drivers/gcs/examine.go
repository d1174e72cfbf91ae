package gcs

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/server"
)

var _ driverstate.Examiner = (*Driver)(nil)

// maxSkew is how far the clock may be off: Google takes no token request that
// was made in more than five minutes.
const maxSkew = 5 * time.Minute

// Examine implements driverstate.Examiner: configuration, name resolution, TLS
// (connection, to an emulator without it), clock, credentials, container, list,
// read, write.
func (d *Driver) Examine(ctx context.Context, o driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	x := &examination{Server: server.Server{URL: "https://storage.googleapis.com"}, d: d}
	if d.cfg.Endpoint != "" {
		x.URL = d.cfg.Endpoint
	}
	transport := "TLS"
	if strings.HasPrefix(x.URL, "http:") {
		transport = "connection"
	}
	looks := []chunked.Look{{Name: "configuration", Advice: "see the section on gcs in docs/stores.md", See: x.configuration}}
	if d.cfg.Proxy == "" {
		looks = append(looks, chunked.Look{Name: "name resolution", Advice: "does this machine ask the right name server? if it needs a proxy, set backup_gcs_proxy_url", See: x.Resolve})
	}
	looks = append(looks,
		chunked.Look{Name: transport, Advice: "is there a way out through the firewall, or a proxy to be set as backup_gcs_proxy_url?", See: x.connect},
		chunked.Look{Name: "clock", Advice: "set this machine's clock by NTP", See: x.Clock(maxSkew)})
	if d.cfg.CredentialFile != "" {
		looks = append(looks, chunked.Look{Name: "credentials", Advice: "is the key still valid? gcloud iam service-accounts keys list", See: x.credentials})
	}
	return chunked.Examine(ctx, append(looks, d.Looks(o, "the account needs roles/storage.objectAdmin on the bucket, or roles/storage.objectViewer to read")...))
}

// examination is what its steps learn for those that follow.
type examination struct {
	server.Server
	d *Driver
}

func (x *examination) configuration(context.Context) (string, error) {
	if err := x.d.store.configured(); err != nil {
		return "", err
	}
	detail := fmt.Sprintf("bucket %s at %s", x.d.cfg.Bucket, x.URL)
	if project := x.d.store.project(); project != "" {
		detail += ", project " + project
	}
	if x.d.cfg.CredentialFile == "" {
		detail += ", without credentials"
	}
	return detail, nil
}

// connect uses a connection of its own.
func (x *examination) connect(ctx context.Context) (string, error) {
	transport := newTransport(x.d.cfg)
	defer transport.CloseIdleConnections()
	x.Transport = transport
	detail, err := x.Connect(ctx)
	if err != nil {
		err = driverstate.Fail(driverstate.ErrUnavailable, err.Error())
	}
	return detail, err
}

// credentials asks for a token, as the first request would.
func (x *examination) credentials(ctx context.Context) (string, error) {
	c, err := x.d.store.service()
	if err != nil {
		return "", err
	}
	token, err := c.account.current(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s has a token until %s", c.account.config.Email, token.Expiry.UTC().Format(time.TimeOnly)), nil
}
