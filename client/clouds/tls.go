package clouds

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsConfig is that of the options alone, without clouds.yaml.
func (o *Options) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: o.Insecure}
	if o.CACert != "" {
		pem, err := os.ReadFile(o.CACert)
		if err != nil {
			return nil, &SettingsError{Text: fmt.Sprintf("certificate authorities: %v", err), Hint: "see OS_CACERT"}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &SettingsError{Text: fmt.Sprintf("certificate authorities: %s holds no PEM certificate", o.CACert), Hint: "see OS_CACERT"}
		}
	}
	switch {
	case o.Cert == "" && o.Key == "":
		return c, nil
	case o.Key == "":
		return nil, &SettingsError{Text: "the client's certificate has no key", Hint: "set OS_KEY"}
	case o.Cert == "":
		return nil, &SettingsError{Text: "the client's key has no certificate", Hint: "set OS_CERT"}
	}
	pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, &SettingsError{Text: fmt.Sprintf("client's certificate: %v", err), Hint: "see OS_CERT and OS_KEY"}
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
