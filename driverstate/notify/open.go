package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// URL names a driver and where it publishes. It prints without its passwords.
//
//	log:
//	file:///var/log/cinder-go/notifications.jsonl
//	rabbit://user:password@host:5672,user:password@other:5672/vhost?topic=notifications
//
// amqp and rabbit are the same, amqps is rabbit with ssl. Behind the question
// mark are Cinder's and oslo.messaging's options under their names: driver
// (messagingv2 or messaging), topic (or topics, more than one with commas),
// exchange (or control_exchange), amqp_durable_queues, amqp_auto_delete,
// rabbit_quorum_queue, ssl, ssl_ca_file, ssl_cert_file, ssl_key_file.
type URL string

// String is the URL with *** for its passwords.
func (u URL) String() string {
	scheme, rest, ok := strings.Cut(string(u), "://")
	if !ok {
		return string(u)
	}
	authority, path := cutAuthority(rest)
	hosts := strings.Split(authority, ",")
	for i, host := range hosts {
		at := strings.LastIndex(host, "@")
		if user, _, ok := strings.Cut(host[:max(at, 0)], ":"); ok {
			hosts[i] = user + ":***" + host[at:]
		}
	}
	return scheme + "://" + strings.Join(hosts, ",") + path
}

// GoString is String.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// LogValue is String.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// HasPassword reports whether the URL holds one.
func (u URL) HasPassword() bool { return u.String() != string(u) }

// cutAuthority splits what follows :// at the end of the hosts.
func cutAuthority(rest string) (authority, path string) {
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

// Open returns the driver that u names. logger is what log: writes to. An
// error never quotes a password.
func Open(u URL, logger *slog.Logger) (Driver, error) {
	d, err := open(u, logger)
	if err != nil {
		return nil, fmt.Errorf("notifications to %s: %w", u, err)
	}
	return d, nil
}

func open(u URL, logger *slog.Logger) (Driver, error) {
	scheme, rest, ok := strings.Cut(string(u), ":")
	rest = strings.TrimPrefix(rest, "//")
	switch {
	case scheme == "log" && rest == "":
		return NewLog(logger), nil
	case scheme == "file" && ok:
		if !filepath.IsAbs(rest) {
			return nil, errors.New("the path must begin with a slash: file:///PATH")
		}
		return NewFile(filepath.Clean(rest)), nil
	case slices.Contains([]string{"amqp", "amqps", "rabbit"}, scheme) && ok:
		c, err := parseAMQP(scheme, rest)
		if err != nil {
			return nil, err
		}
		return NewAMQP(c), nil
	}
	return nil, errors.New("there are log:, file:///PATH, and amqp://, amqps:// and rabbit://USER:PASSWORD@HOST:PORT/VHOST")
}

// parseAMQP reads a transport_url (oslo_messaging/transport.py TransportURL).
func parseAMQP(scheme, rest string) (AMQPConfig, error) {
	// What follows from Cinder's defaults is what a real one was seen to use.
	c := AMQPConfig{Exchange: "openstack", Topics: []string{"notifications"}, Envelope: true}
	authority, path := cutAuthority(rest)
	path, query, _ := strings.Cut(path, "?")
	vhost, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return c, errors.New("the name of the vhost is not well escaped")
	}
	if c.Vhost = vhost; vhost == "" {
		c.Vhost = "/"
	}
	o, err := readOptions(query)
	if err != nil {
		return c, err
	}
	secure := o.truth("ssl") || scheme == "amqps"
	for host := range strings.SplitSeq(authority, ",") {
		h, err := parseHost(host, secure)
		if err != nil {
			return c, err
		}
		c.Hosts = append(c.Hosts, h)
	}
	if secure {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if err := o.certificates(c.TLS); err != nil {
			return c, err
		}
	}
	if t := o.text("topics", "topic"); t != "" {
		c.Topics = strings.Split(t, ",")
	}
	if e := o.text("control_exchange", "exchange"); e != "" {
		c.Exchange = e
	}
	c.Durable, c.Delete, c.Quorum = o.truth("amqp_durable_queues"), o.truth("amqp_auto_delete"), o.truth("rabbit_quorum_queue")
	switch format := o.text("driver"); format {
	case "", "messagingv2":
	case "messaging":
		c.Envelope = false
	default:
		o.fail("driver=%s: there are messagingv2 and messaging", format)
	}
	return c, o.finish()
}

// parseHost reads user:password@host:port.
func parseHost(text string, secure bool) (AMQPHost, error) {
	parsed, err := url.Parse("amqp://" + text)
	if err != nil || parsed.Hostname() == "" {
		return AMQPHost{}, errors.New("USER:PASSWORD@HOST:PORT is not well formed; escape special characters as %XX")
	}
	port := parsed.Port()
	switch {
	case port == "" && secure:
		port = "5671"
	case port == "":
		port = "5672"
	}
	h := AMQPHost{Address: net.JoinHostPort(parsed.Hostname(), port), User: "guest", Password: "guest"}
	if parsed.User != nil {
		h.User = parsed.User.Username()
		h.Password, _ = parsed.User.Password()
	}
	return h, nil
}

// options are those of a query, each to be taken once.
type options struct {
	values url.Values
	err    error
}

func readOptions(query string) (*options, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("what follows the question mark is not well formed")
	}
	return &options{values: values}, nil
}

func (o *options) fail(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

// text takes the option that has one of these names; several values are joined
// with commas.
func (o *options) text(names ...string) string {
	var all []string
	for _, name := range names {
		all = append(all, o.values[name]...)
		delete(o.values, name)
	}
	return strings.Join(all, ",")
}

func (o *options) truth(name string) bool {
	text := o.text(name)
	if text == "" {
		return false
	}
	v, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		o.fail("%s=%s is neither true nor false", name, text)
	}
	return v
}

func (o *options) certificates(c *tls.Config) error {
	if path := o.text("ssl_ca_file"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ssl_ca_file %s holds no certificate", path)
		}
	}
	certificate, key := o.text("ssl_cert_file"), o.text("ssl_key_file")
	if certificate == "" && key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("ssl_cert_file and ssl_key_file: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}

// finish answers the first mistake, an unknown option being one.
func (o *options) finish() error {
	for name := range o.values {
		o.fail("there is no option %s", name)
	}
	return o.err
}
