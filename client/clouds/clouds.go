// Package clouds turns flags, OS_* variables and clouds.yaml into one
// authenticated service client of gophercloud for the Block Storage API.
package clouds

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Options say which cloud, and who asks. Empty fields come from the entry
// Cloud of clouds.yaml, if that is named.
type Options struct {
	Cloud      string // entry of clouds.yaml
	ConfigFile string // its path; searched for as openstackclient does when empty

	AuthURL           string // Keystone's
	Username          string
	UserID            string
	Password          string
	UserDomainName    string
	UserDomainID      string
	ProjectName       string
	ProjectID         string
	ProjectDomainName string
	ProjectDomainID   string
	SystemScope       string // all, for a token of the whole system instead of a project
	Token             string

	ApplicationCredentialID     string
	ApplicationCredentialName   string
	ApplicationCredentialSecret string

	Region    string
	Interface string // public, internal, admin, or the same with URL; public when empty
	Endpoint  string // of the Block Storage API, instead of the catalogue's

	CACert   string // file of authorities to trust
	Cert     string // file of the client's certificate
	Key      string // file of its key
	Insecure bool   // the server's certificate is not verified

	Timeout   time.Duration // of waiting for the header of an answer; none when zero
	UserAgent string        // comes before gophercloud's
	Debug     io.Writer     // where requests and answers are written, with secrets masked; nil for nowhere
}

var (
	_ = context.Background
	_ http.RoundTripper
	_ gophercloud.ServiceClient
)
