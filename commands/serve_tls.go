package commands

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

// tlsOptions are the files of a server that speaks TLS.
type tlsOptions struct {
	cert, key, clientCA string
}

func (o *tlsOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.cert, "tls-cert", "", "`FILE` of the server's certificate, with those between it and the authority; looked at again when it changes")
	fs.StringVar(&o.key, "tls-key", "", "`FILE` of its key")
	fs.StringVar(&o.clientCA, "tls-client-ca", "", "`FILE` of authorities; only clients with a certificate of one of them are let in")
}

func (o *tlsOptions) check() error {
	switch {
	case o.cert == "" && o.key == "" && o.clientCA == "":
	case o.cert == "":
		return usagef("--tls-cert FILE is missing")
	case o.key == "":
		return usagef("--tls-key FILE is missing")
	}
	return nil
}

func (o *tlsOptions) on() bool { return o.cert != "" }

// scheme is that of URLs of the server.
func (o *tlsOptions) scheme() string {
	if o.on() {
		return "https"
	}
	return "http"
}

// wrap makes inner speak TLS. ctx is for its log alone.
func (o *tlsOptions) wrap(ctx context.Context, inner net.Listener, logger *slog.Logger) (net.Listener, error) {
	if !o.on() {
		return inner, nil
	}
	f := &tlsFiles{names: *o, failed: func(err error) {
		logger.ErrorContext(ctx, "new certificate is not used", "error", err)
	}}
	if _, err := f.current(); err != nil {
		return nil, &usageError{err}
	}
	return tls.NewListener(inner, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return f.current()
		},
	}), nil
}

// tlsFiles is the configuration that the files hold now. Files that do not fit
// together leave the one before in use: certificate and key cannot be replaced
// in the same instant.
type tlsFiles struct {
	names  tlsOptions
	failed func(error)

	mu     sync.Mutex
	config *tls.Config
	stamp  [3]fileStamp // of the files last looked into
}

// fileStamp changes when a file does.
type fileStamp struct {
	modified time.Time
	size     int64
}

func (f *tlsFiles) current() (*tls.Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var stamp [3]fileStamp
	for i, name := range []string{f.names.cert, f.names.key, f.names.clientCA} {
		if info, err := os.Stat(name); err == nil { // load says what is wrong
			stamp[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	if f.config != nil && stamp == f.stamp {
		return f.config, nil
	}
	config, err := f.names.load()
	switch {
	case err == nil:
		f.config = config
	case f.config == nil:
		return nil, err
	default:
		f.failed(err)
	}
	f.stamp = stamp
	return f.config, nil
}

// load reads the files.
func (o *tlsOptions) load() (*tls.Config, error) {
	certPEM, err := os.ReadFile(o.cert)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	keyPEM, err := os.ReadFile(o.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s and --tls-key %s are no pair: %w", o.cert, o.key, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if o.clientCA == "" {
		return config, nil
	}
	ca, err := os.ReadFile(o.clientCA)
	if err != nil {
		return nil, fmt.Errorf("--tls-client-ca: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(ca) {
		return nil, errors.New("--tls-client-ca: " + o.clientCA + " holds no PEM certificate")
	}
	return config, nil
}
