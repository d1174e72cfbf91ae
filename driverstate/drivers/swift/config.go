package swift

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Config is what the swift driver can be told.
type Config struct {
	// URL is backup_swift_url: the URL of an account up to the id of its
	// project. With single_user it is only asked whether Swift is there.
	URL string
	// Catalog is swift_catalog_info, type:name:endpoint; KeystoneCatalog is
	// keystone_catalog_info, which is only checked: the login's own URL is used.
	Catalog, KeystoneCatalog string
	Region                   string // of the catalogue's endpoint; the first when empty
	// SingleUser: one account, that of Credentials, holds all backups.
	// Otherwise each is in that of its project.
	SingleUser  bool
	Credentials Credentials
	ServiceUser *Credentials // backup_swift_service_auth; nil for none
	// ServiceCAFile and ServiceInsecure are cafile and insecure of
	// [service_user]. Without both its Keystone is trusted as Swift is.
	ServiceCAFile   string
	ServiceInsecure bool
	// NoServiceToken is why none is sent though it is asked for; empty for none.
	// It is no error: a service token adds to what the login may do.
	NoServiceToken string
	// Projects are the ids of those whose accounts a scan goes through, "all"
	// for those that Keystone lists; empty for the login's own.
	Projects      []string
	Container     string // backup_swift_container
	StoragePolicy string // backup_swift_create_storage_policy
	Zone          string // storage_availability_zone
	ObjectSize    int64  // backup_swift_object_size, bytes
	BlockSize     int64  // backup_swift_block_size, bytes
	Compression   chunked.Compression
	RetryAttempts int           // backup_swift_retry_attempts
	RetryBackoff  time.Duration // backup_swift_retry_backoff
	CAFile        string        // backup_swift_ca_cert_file
	Insecure      bool          // backup_swift_auth_insecure
	// Stall is how long Swift may be silent in a call; a minute when 0.
	Stall time.Duration
	chunked.Runtime
}

// Credentials say who logs in, and where.
type Credentials struct {
	Version                        string // "1" Swift's own, "2" or "3" Keystone
	AuthURL                        string
	User, UserID, Key              string // UserID, if there is one, counts
	UserDomain, UserDomainID       string
	Project, ProjectID             string
	ProjectDomain, ProjectDomainID string
	Token                          string
	ApplicationID                  string
	ApplicationSecret              string
}

// doubt is what the operator asked for and will not have; empty for nothing.
func (c *Config) doubt() string {
	if c.NoServiceToken == "" {
		return ""
	}
	return "backup_swift_service_auth is on, but no service token is sent: " + c.NoServiceToken
}

// Doubt is what values of Options ask for and will not have, though the store
// can be used without; empty for nothing.
func Doubt(v oslo.Values) string {
	c, err := NewConfig(v)
	if err != nil {
		return "" // New tells it
	}
	return c.doubt()
}

// Validate answers driverstate.ErrInvalidInput to what cannot work.
func (c *Config) Validate() error {
	bad := func(format string, args ...any) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
	}
	if c.RetryAttempts < 0 || c.RetryBackoff < 0 {
		return bad("backup_swift_retry_attempts and backup_swift_retry_backoff must not be negative")
	}
	for name, info := range map[string]string{"swift_catalog_info": c.Catalog, "keystone_catalog_info": c.KeystoneCatalog} {
		// Cinder: "Failed to parse the configuration option 'swift_catalog_info'".
		if info != "" && strings.Count(info, ":") != 2 {
			return bad("option %s: %q is not <service_type>:<service_name>:<endpoint_type>", name, info)
		}
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return bad("option backup_swift_url: not a URL such as https://swift.example.com:8080/v1/AUTH_")
		}
	}
	if c.SingleUser && c.Credentials.User == "" {
		return bad("backup_swift_auth is single_user, but backup_swift_user is not set")
	}
	if err := c.Credentials.validate(c.SingleUser); err != nil {
		return err
	}
	return chunked.ObjectLayout{}.CheckContainer(c.Container)
}

func (c *Credentials) validate(single bool) error {
	bad := func(format string, args ...any) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
	}
	if c.AuthURL == "" {
		if single {
			return bad("nothing says where to log in to Swift: set backup_swift_auth_url, or OS_AUTH_URL")
		}
		return bad("the backups of backup_swift_auth = per_user are in their projects' accounts, " +
			"for which a login to Keystone is needed: set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and so on (source an openrc file)")
	}
	if u, err := url.Parse(c.AuthURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return bad("the URL to log in to Swift at is not a URL such as https://keystone.example.com:5000/v3")
	}
	switch {
	case c.Version != "1" && c.Version != "2" && c.Version != "3":
		return bad("option backup_swift_auth_version: %q is not 1, 2 or 3", c.Version)
	case c.Version == "1":
	case c.User == "" && c.Token == "" && c.ApplicationID == "":
		return bad("nobody is named to log in to Keystone: set OS_USERNAME and OS_PASSWORD, OS_TOKEN, or OS_APPLICATION_CREDENTIAL_ID and _SECRET")
	case c.Project == "" && c.ProjectID == "" && c.ApplicationID == "" && single:
		// swiftclient: "No tenant specified", "No project name or project id specified."
		return bad("no project is named to log in to Keystone with: set backup_swift_tenant (version 2) or backup_swift_project (version 3)")
	}
	return nil
}

func (c *Config) format() chunked.Config {
	return chunked.Config{
		Service: Service, ObjectSize: c.ObjectSize, BlockSize: c.BlockSize,
		Compression: c.Compression, Workers: c.Workers, Tuning: c.Tuning, Logger: c.Logger,
	}
}

// driver is the chunked driver of one account.
func (c *Config) driver(s *Store) (*chunked.Driver, error) {
	r := objectstore.Retries{Attempts: c.RetryAttempts, Backoff: c.RetryBackoff}
	return chunked.New(c.Network(s, r), chunked.ObjectLayout{Default: c.Container, Zone: c.Zone}, c.format())
}
