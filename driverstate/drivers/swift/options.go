package swift

import (
	"cmp"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// Options are those of Cinder's swift driver (cinder/backup/drivers/swift.py),
// those of the section that its service token comes from (keystoneauth's
// password plugin), and Login.
var Options = append([]oslo.Opt{
	chunked.CompressionOption,
	{Name: "backup_swift_url", Help: "URL of accounts up to the project's id, such as https://swift:8080/v1/AUTH_; the catalogue's when empty"},
	{Name: "backup_swift_auth_url", Help: "URL to log in at with single_user; OS_AUTH_URL when empty"},
	{Name: "swift_catalog_info", Default: "object-store:swift:publicURL", Help: "type, name and endpoint of Swift in the catalogue"},
	{Name: "keystone_catalog_info", Default: "identity:Identity Service:publicURL", Help: "type, name and endpoint of Keystone in the catalogue; only its form is checked, as no request brings a catalogue here: single_user logs in at backup_swift_auth_url or OS_AUTH_URL"},
	{Name: "backup_swift_auth", Default: "per_user", Choices: []string{"per_user", "single_user"}, Help: "whose account holds a backup: its project's, or one user's for all"},
	{Name: "backup_swift_auth_version", Default: "1", Help: "of single_user: 1 (Swift's own), 2 or 3 (Keystone)"},
	{Name: "backup_swift_tenant", Help: "project of single_user with version 2"},
	{Name: "backup_swift_user_domain", Help: "domain of the user with version 3"},
	{Name: "backup_swift_project_domain", Help: "domain of the project with version 3"},
	{Name: "backup_swift_project", Help: "project of single_user with version 3"},
	{Name: "backup_swift_user", Help: "user of single_user"},
	{Name: "backup_swift_key", Secret: true, Help: "the user's password or key"},
	{Name: "backup_swift_container", Default: "volumebackups", Help: "container of backups that name none"},
	{Name: "backup_swift_create_storage_policy", Help: "storage policy of a container that is made"},
	{Name: "backup_swift_object_size", Kind: oslo.Int, Default: "52428800", Help: "bytes of volume per object, a multiple of the block size"},
	{Name: "backup_swift_block_size", Kind: oslo.Int, Default: "32768", Help: "bytes per digest, in which changes are found"},
	{Name: "backup_swift_retry_attempts", Kind: oslo.Int, Default: "3", Help: "times that a call is repeated"},
	{Name: "backup_swift_retry_backoff", Kind: oslo.Int, Default: "2", Help: "seconds before the first repetition; doubles"},
	{Name: "backup_swift_enable_progress_timer", Kind: oslo.Bool, Default: "true", Help: "notify of the progress of a backup every backup_timer_interval seconds too"},
	{Name: "backup_swift_ca_cert_file", Help: "file of the authorities to trust; OS_CACERT when empty"},
	{Name: "backup_swift_auth_insecure", Kind: oslo.Bool, Default: "false", Help: "believe any certificate"},
	{Name: "backup_swift_service_auth", Kind: oslo.Bool, Default: "false", Help: "send the token of [service_user] too"},
	{Name: "storage_availability_zone", Default: "nova", Help: "written into the names of objects"},
	{Group: "service_user", Name: "send_service_user_token", Kind: oslo.Bool, Default: "false", Help: "have [service_user] log in"},
	{Group: "service_user", Name: "cafile", Help: "file of the authorities to trust at its Keystone; those for Swift when empty"},
	{Group: "service_user", Name: "insecure", Kind: oslo.Bool, Default: "false", Help: "believe any certificate of its Keystone"},
	plugin("auth_type", "password or v3password; no other is known here", "auth_plugin"),
	plugin("auth_url", "Keystone of the service user"),
	plugin("username", "name of the service user", "user-name", "user_name"),
	plugin("user_id", "the service user, by id"),
	secret(plugin("password", "its password")),
	plugin("user_domain_name", "its domain"),
	plugin("user_domain_id", "its domain, by id"),
	plugin("project_name", "its project", "tenant-name", "tenant_name"),
	plugin("project_id", "its project, by id", "tenant-id", "tenant_id"),
	plugin("project_domain_name", "its project's domain"),
	plugin("project_domain_id", "its project's domain, by id"),
	plugin("default_domain_name", "domain of user and project, where they have none of their own"),
	plugin("default_domain_id", "domain of user and project, by id"),
}, Login...)

// plugin is an option of keystoneauth's password plugin, which is in
// [service_user] or the section that its auth_section names.
func plugin(name, help string, old ...string) oslo.Opt {
	o := oslo.Opt{Group: "service_user", Name: name, Via: "auth_section", Help: help}
	for _, n := range old {
		o.Old = append(o.Old, oslo.Name{Group: "service_user", Name: n})
	}
	return o
}

func secret(o oslo.Opt) oslo.Opt {
	o.Secret = true
	return o
}

// Login are options of cinder-go: who it is in Keystone when it works on the
// accounts of projects (per_user), which Cinder does with the token of whoever
// asks. They have the names of OpenStack's variables.
var Login = []oslo.Opt{
	{Name: "os_auth_url", Help: "Keystone to log in at"},
	{Name: "os_username", Help: "user"},
	{Name: "os_password", Secret: true, Help: "password"},
	{Name: "os_user_domain_name", Help: "domain of the user"},
	{Name: "os_user_domain_id", Help: "domain of the user, by id"},
	{Name: "os_project_name", Help: "project, whose account is used for backups that name no other"},
	{Name: "os_project_id", Help: "project, by id"},
	{Name: "os_project_domain_name", Help: "domain of the project"},
	{Name: "os_project_domain_id", Help: "domain of the project, by id"},
	{Name: "os_token", Secret: true, Help: "a token, in place of user and password"},
	{Name: "os_application_credential_id", Help: "an application credential, in place of user and password"},
	{Name: "os_application_credential_secret", Secret: true, Help: "its secret"},
	{Name: "os_region_name", Help: "region of Swift in the catalogue; the first when empty"},
	{Name: "os_cacert", Help: "file of the authorities to trust"},
	{Name: "swift_projects", Kind: oslo.List, Help: "ids of the projects whose accounts are scanned, or all (an admin's right); the login's own when empty"},
}

// NewConfig reads Options.
func NewConfig(v oslo.Values) (Config, error) {
	r := oslo.Read(Options, v)
	s := r.String
	c := Config{
		URL: s("backup_swift_url"), Catalog: s("swift_catalog_info"), KeystoneCatalog: s("keystone_catalog_info"),
		SingleUser: s("backup_swift_auth") == "single_user",
		Container:  s("backup_swift_container"), StoragePolicy: s("backup_swift_create_storage_policy"), Zone: s("storage_availability_zone"),
		ObjectSize: r.Int("backup_swift_object_size"), BlockSize: r.Int("backup_swift_block_size"),
		RetryAttempts: int(r.Int("backup_swift_retry_attempts")), RetryBackoff: time.Duration(r.Int("backup_swift_retry_backoff")) * time.Second,
		CAFile: s("backup_swift_ca_cert_file"), Insecure: r.Bool("backup_swift_auth_insecure"),
		Region: s("os_region_name"), Projects: r.List("swift_projects"),
	}
	if c.CAFile == "" {
		c.CAFile = s("os_cacert")
	}
	insecure := r.Bool("service_user.insecure")
	if r.Bool("backup_swift_service_auth") && r.Bool("service_user.send_service_user_token") {
		c.ServiceCAFile, c.ServiceInsecure = s("service_user.cafile"), insecure
		if c.NoServiceToken = incomplete(s); c.NoServiceToken == "" {
			c.ServiceUser = serviceUser(s)
		}
	}
	c.Credentials = perUser(s)
	if c.SingleUser {
		c.Credentials = singleUser(s)
	}
	word := s("backup_compression_algorithm")
	if err := r.Err(); err != nil {
		return c, err
	}
	var err error
	c.Compression, err = chunked.ParseCompression(word)
	return c, err
}

// incomplete is why nobody can log in for a service token; empty for nothing.
func incomplete(s func(string) string) string {
	const section = "[service_user], or the section that its auth_section names, "
	switch kind := s("service_user.auth_type"); {
	case kind != "" && kind != "password" && kind != "v3password":
		return section + "has auth_type " + kind + ", which is not known here"
	case s("service_user.auth_url") == "":
		return section + "has no auth_url"
	case s("service_user.username") == "" && s("service_user.user_id") == "":
		return section + "has no username"
	}
	return ""
}

// serviceUser is what keystoneauth's password plugin makes of its options
// (keystoneauth1/identity/generic/password.py): an id counts more than a name.
func serviceUser(s func(string) string) *Credentials {
	own := func(name string) string { return s("service_user." + name) }
	domain := func(of string) (name, id string) {
		id = cmp.Or(own(of+"_domain_id"), own("default_domain_id"))
		if id == "" {
			name = cmp.Or(own(of+"_domain_name"), own("default_domain_name"))
		}
		return name, id
	}
	c := &Credentials{
		Version: "3", AuthURL: own("auth_url"), User: own("username"), UserID: own("user_id"), Key: own("password"),
		Project: own("project_name"), ProjectID: own("project_id"),
	}
	c.UserDomain, c.UserDomainID = domain("user")
	c.ProjectDomain, c.ProjectDomainID = domain("project")
	return c
}

// perUser is the operator's own login.
func perUser(s func(string) string) Credentials {
	return Credentials{
		Version: "3", AuthURL: s("os_auth_url"), User: s("os_username"), Key: s("os_password"),
		UserDomain: s("os_user_domain_name"), UserDomainID: s("os_user_domain_id"),
		Project: s("os_project_name"), ProjectID: s("os_project_id"),
		ProjectDomain: s("os_project_domain_name"), ProjectDomainID: s("os_project_domain_id"),
		Token: s("os_token"), ApplicationID: s("os_application_credential_id"), ApplicationSecret: s("os_application_credential_secret"),
	}
}

// singleUser is what swiftclient makes of Cinder's options
// (swiftclient/client.py get_auth, get_auth_keystone).
func singleUser(s func(string) string) Credentials {
	c := Credentials{
		Version: s("backup_swift_auth_version"), AuthURL: s("backup_swift_auth_url"), User: s("backup_swift_user"), Key: s("backup_swift_key"),
		UserDomain: s("backup_swift_user_domain"), Project: s("backup_swift_tenant"), ProjectDomain: s("backup_swift_project_domain"),
	}
	if c.AuthURL == "" {
		// Cinder looks for Keystone in the catalogue that came with the request.
		c.AuthURL = s("os_auth_url")
	}
	c.Version = strings.TrimSuffix(c.Version, ".0")
	if c.Version == "1" {
		return c
	}
	if project := s("backup_swift_project"); project != "" {
		c.Project = project
	}
	if tenant, user, both := strings.Cut(c.User, ":"); both && c.Project == "" {
		c.Project, c.User = tenant, user
	}
	return c
}
