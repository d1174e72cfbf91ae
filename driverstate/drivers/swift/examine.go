package swift

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/server"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// driver is the chunked driver of the login's own account.
type driver struct {
	*chunked.Driver
	cfg   *Config
	store *Store
}

var _ driverstate.Examiner = (*driver)(nil)

// skew is how far the clocks may be apart: tokens are dated.
const skew = time.Minute

// party is a server that is looked at, and what leads to it.
type party struct {
	server.Server
	server.Options
}

// examination is what one step leaves to those after it.
type examination struct {
	*driver
	seen    []string // servers and hosts that were looked at
	account string   // URL, after the login
}

// Examine implements driverstate.Examiner, on the login's own account:
// configuration, name resolution and TLS or connection of the server to log in
// at, of backup_swift_url and of the service user, credentials, the same of the server that the
// login gave, container, list, read, write, clock, space.
func (d *driver) Examine(ctx context.Context, o driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	x := &examination{driver: d}
	return func(yield func(driverstate.Step) bool) {
		for _, part := range []func(driverstate.ExamineOptions) []chunked.Look{x.login, x.use} {
			for step := range chunked.Examine(ctx, part(o)) {
				if !yield(step) || step.Err != nil {
					return
				}
			}
		}
	}
}

// login are the steps up to the login.
func (x *examination) login(driverstate.ExamineOptions) []chunked.Look {
	auth, serviceURL := "OS_AUTH_URL", ""
	if x.cfg.ServiceUser != nil {
		serviceURL = x.cfg.ServiceUser.AuthURL
	}
	if x.cfg.SingleUser {
		auth = "backup_swift_auth_url, or OS_AUTH_URL without it,"
	}
	return slices.Concat(
		[]chunked.Look{{Name: "configuration", Advice: "see the section on swift in docs/stores.md", See: x.configuration}},
		x.reach(x.cfg.Credentials.AuthURL, auth, x.store.s.transport),
		x.reach(x.cfg.URL, "backup_swift_url", x.store.s.transport),
		x.reach(serviceURL, "[service_user] auth_url", x.store.s.serviceTransport),
		[]chunked.Look{{Name: "credentials", See: x.credentials,
			Advice: "is the user, its password, its domain and its project right? try: openstack token issue"}})
}

// use are the steps after the login.
func (x *examination) use(o driverstate.ExamineOptions) []chunked.Look {
	return slices.Concat(
		x.reach(x.account, x.origin(), x.store.s.transport),
		x.Looks(o, "the user needs a role in the project that Swift takes for an operator's (operator_roles), or the rights to the container (swift post -r, -w); the first backup makes a container that is not there"),
		[]chunked.Look{
			{Name: "clock", Advice: "set the clocks by NTP: a token may be refused or thought valid wrongly", See: x.clock},
			{Name: "space", Advice: "ask for a larger quota, or delete backups", See: x.space}})
}

// origin is where the URL of the account comes from.
func (x *examination) origin() string {
	if x.cfg.Credentials.Version == "1" {
		return "the account's URL, which the login gives,"
	}
	kind, face := x.cfg.endpoint()
	from := fmt.Sprintf("the catalogue's %s endpoint (openstack endpoint list --service %s)", face, kind)
	if !x.cfg.SingleUser {
		from += ", which backup_swift_url stands in for and swift_catalog_info chooses,"
	}
	return from
}

// reach are the steps name resolution and TLS or connection for the server of
// a URL that option leads to; none for a server that was looked at with this
// transport. Behind a proxy names are not this machine's to resolve.
func (x *examination) reach(text, option string, transport *http.Transport) (looks []chunked.Look) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil
	}
	p := &party{
		Server:  server.Server{URL: u.Scheme + "://" + u.Host, Transport: transport},
		Options: server.Options{Address: option, CA: "backup_swift_ca_cert_file, or OS_CACERT,", Proxy: "the environment's http_proxy and https_proxy"},
	}
	key := p.URL
	if transport != x.store.s.transport {
		key += " of [service_user]"
		p.CA = "[service_user] cafile"
	}
	if slices.Contains(x.seen, key) {
		return nil
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy == nil && !slices.Contains(x.seen, u.Hostname()) {
		looks = append(looks, chunked.Look{Name: "name resolution", See: p.Resolve,
			Advice: "check the name in " + option + " and whether this machine asks the right name server"})
	}
	x.seen = append(x.seen, key, u.Hostname())
	name := "connection"
	if u.Scheme == "https" {
		name = "TLS"
	}
	return append(looks, chunked.Look{Name: name, See: x.connect(p),
		Advice: "check " + option + " and that no firewall keeps this host from the server",
		Advise: func(err error) string {
			advice, _ := p.Advice(err)
			return advice
		}})
}

func (x *examination) configuration(context.Context) (string, error) {
	mode, place := "per_user", "the catalogue"
	if x.cfg.SingleUser {
		mode = "single_user"
	}
	if x.cfg.URL != "" {
		place = x.cfg.URL
	}
	detail := fmt.Sprintf("%s, login at %s, Swift by %s, container %s", mode, x.cfg.Credentials.AuthURL, place, x.cfg.Container)
	if text := x.cfg.doubt(); text != "" {
		detail += "; " + text
	}
	return detail, nil
}

// connect waits for the server no longer than the calls do.
func (x *examination) connect(p *party) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, x.store.s.stall, fmt.Errorf("no answer for %s", x.store.s.stall))
		defer cancel()
		detail, err := p.Connect(ctx)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return "", fmt.Errorf("%s: %w", p.URL, silent(err))
		}
		if trust := p.Transport.(*http.Transport).TLSClientConfig; trust.InsecureSkipVerify && strings.HasPrefix(p.URL, "https:") {
			detail += ", not verified"
		}
		return p.URL + ": " + detail, nil
	}
}

func (x *examination) credentials(ctx context.Context) (string, error) {
	if _, err := x.store.s.current(ctx); err != nil {
		return "", silent(err)
	}
	var err error
	x.account, err = x.store.account(ctx)
	return "logged in; the account is " + x.account, err
}

// clock asks for the account, which tells the time.
func (x *examination) clock(ctx context.Context) (string, error) {
	h, err := x.store.call(ctx, request{method: http.MethodHead})
	if err != nil && !errors.Is(err, objectstore.ErrForbidden) {
		return "", err
	}
	return server.Clock(h.Get("Date"), time.Now(), skew)
}

// space looks at the quota of the account (Swift's account_quotas); without a
// right to the account there is nothing to see.
func (x *examination) space(ctx context.Context) (string, error) {
	h, err := x.store.call(ctx, request{method: http.MethodHead})
	if errors.Is(err, objectstore.ErrForbidden) {
		return "the account is not to be seen", nil
	}
	if err != nil {
		return "", err
	}
	used, _ := strconv.ParseInt(h.Get("X-Account-Bytes-Used"), 10, 64)
	quota, err := strconv.ParseInt(h.Get("X-Account-Meta-Quota-Bytes"), 10, 64)
	switch {
	case err != nil:
		return fmt.Sprintf("%d bytes in the account, which has no quota", used), nil
	case used >= quota:
		return "", driverstate.Fail(driverstate.ErrOverLimit, fmt.Sprintf("the account is full: %d of %d bytes", used, quota))
	}
	return fmt.Sprintf("%d of %d bytes of the account's quota are free", quota-used, quota), nil
}
