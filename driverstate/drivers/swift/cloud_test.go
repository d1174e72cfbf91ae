package swift_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// tenancy is two projects of the cloud's Keystone, made for one test: a member
// of the first, and somebody who may use every account.
type tenancy struct {
	keystone, swift string // URLs
	one, two        string // ids of the projects
	name            string // of the first project and of its member
	reseller        string
	keystoneAdmin   *gophercloud.ServiceClient
}

const password = "secret"

// cloud reads where the cloud of testdata/cloud is. Outside of the lane that
// has one (make test-cloud) the test is skipped, and there it fails without.
func cloud(t *testing.T) map[string]string {
	t.Helper()
	if os.Getenv("CINDER_GO_REQUIRE_CLOUD") == "" {
		t.Skip("SKIPPED: this needs a real cloud; make cloud-up test-cloud runs it")
	}
	dir := os.Getenv("CLOUD_DIR")
	if dir == "" {
		dir = "/tmp/cinder-go-cloud"
	}
	f, err := os.Open(filepath.Join(dir, "run", "env"))
	require.NoError(t, err, "there is no cloud; make cloud-up starts one")
	defer f.Close()
	vars := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			vars[name] = value
		}
	}
	return vars
}

func newTenancy(t *testing.T) *tenancy {
	t.Helper()
	vars := cloud(t)
	name := "swifttest-" + project(t)[:8]
	k := &tenancy{keystone: vars["CLOUD_AUTH_URL"], swift: vars["CLOUD_SWIFT"], name: name, reseller: name + "-reseller"}
	provider, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: k.keystone, Username: "admin", Password: "admin", TenantName: "admin", DomainID: "default",
	})
	require.NoError(t, err)
	k.keystoneAdmin, err = openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	require.NoError(t, err)
	k.keystoneAdmin.Endpoint = strings.TrimSuffix(k.keystone, "/") + "/"

	k.one, k.two = k.project(t, name), k.project(t, name+"-two")
	member, reseller := k.role(t, "member"), k.role(t, "ResellerAdmin")
	// Cleanups run in reverse: the accounts go while there is who may.
	k.user(t, name, k.one, member)
	k.user(t, k.reseller, k.one, reseller, k.role(t, "admin"))
	t.Cleanup(func() {
		for _, id := range []string{k.one, k.two} {
			k.removeAccount(t, id)
		}
	})
	return k
}

func (k *tenancy) project(t *testing.T, name string) string {
	t.Helper()
	p, err := projects.Create(t.Context(), k.keystoneAdmin, projects.CreateOpts{Name: name, DomainID: "default"}).Extract()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, projects.Delete(context.Background(), k.keystoneAdmin, p.ID).ExtractErr()) })
	return p.ID
}

// role is the id of a role, which is made if the cloud has it not. Swift gives
// ResellerAdmin the use of every account (keystoneauth reseller_admin_role).
func (k *tenancy) role(t *testing.T, name string) string {
	t.Helper()
	pages, err := roles.List(k.keystoneAdmin, roles.ListOpts{Name: name}).AllPages(t.Context())
	require.NoError(t, err)
	found, err := roles.ExtractRoles(pages)
	require.NoError(t, err)
	if len(found) > 0 {
		return found[0].ID
	}
	role, err := roles.Create(t.Context(), k.keystoneAdmin, roles.CreateOpts{Name: name}).Extract()
	require.NoError(t, err)
	return role.ID
}

func (k *tenancy) user(t *testing.T, name, project string, with ...string) {
	t.Helper()
	u, err := users.Create(t.Context(), k.keystoneAdmin, users.CreateOpts{Name: name, Password: password, DomainID: "default"}).Extract()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, users.Delete(context.Background(), k.keystoneAdmin, u.ID).ExtractErr()) })
	for _, role := range with {
		require.NoError(t, roles.Assign(t.Context(), k.keystoneAdmin, role, roles.AssignOpts{UserID: u.ID, ProjectID: project}).ExtractErr())
	}
}

// removeAccount has Swift forget an account with all that is in it.
func (k *tenancy) removeAccount(t *testing.T, id string) {
	provider, err := openstack.AuthenticatedClient(context.Background(), gophercloud.AuthOptions{
		IdentityEndpoint: k.keystone, Username: k.reseller, Password: password, TenantID: k.one, DomainID: "default",
	})
	if !assert.NoError(t, err) {
		return
	}
	_, err = provider.Request(context.Background(), http.MethodDelete, k.swift+"/v1/AUTH_"+id, &gophercloud.RequestOpts{OkCodes: []int{204, 404}})
	assert.NoError(t, err)
}

// openrc is what `source openrc` and a cinder.conf of per_user give.
func (k *tenancy) openrc(user string, more oslo.Values) oslo.Values {
	v := oslo.Values{
		"os_auth_url": k.keystone, "os_username": user, "os_password": password, "os_user_domain_name": "Default",
		"os_project_name": k.name, "os_project_domain_name": "Default", "os_region_name": "RegionOne",
		"backup_swift_retry_backoff": "1",
	}
	for name, value := range more {
		v[name] = value
	}
	return v
}

func fromValues(t *testing.T, v oslo.Values) swift.Config {
	t.Helper()
	c, err := swift.NewConfig(v)
	require.NoError(t, err)
	return c
}

// newContainer is a container that is not there yet, in the login's account.
func newContainer(t *testing.T, c swift.Config) *account {
	t.Helper()
	c.Container = "c" + project(t)
	s := openStore(t, c, "")
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return &account{cfg: c, store: s}
}

func TestCloudPerUserKeepsTheContract(t *testing.T) {
	k := newTenancy(t)
	c := fromValues(t, k.openrc(k.name, nil)) // the account's URL is the catalogue's
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return newContainer(t, c) }})
}

func TestCloudSingleUserKeepsTheContract(t *testing.T) {
	k := newTenancy(t)
	c := fromValues(t, oslo.Values{
		"backup_swift_auth": "single_user", "backup_swift_auth_version": "3", "backup_swift_auth_url": strings.TrimSuffix(k.keystone, "/v3"),
		"backup_swift_user": k.name, "backup_swift_key": password, "backup_swift_project": k.name,
		"backup_swift_user_domain": "Default", "backup_swift_project_domain": "Default",
	})
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return newContainer(t, c) }})
}

func TestCloudEveryBackupIsInTheAccountOfItsProject(t *testing.T) {
	k := newTenancy(t)
	const first, second = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
	for name, values := range map[string]oslo.Values{
		"by the catalogue":    {},
		"by backup_swift_url": {"backup_swift_url": k.swift + "/v1/AUTH_"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, fromValues(t, k.openrc(k.reseller, values)))
			require.NoError(t, d.CheckForSetupError(t.Context()))
			one, two := write(t, d, imageSource(first), first, k.one), write(t, d, imageSource(second), second, k.two)
			member := open(t, fromValues(t, k.openrc(k.name, values)))

			// The account tells whose a backup is.
			scanned := func(d driverstate.Driver) map[string]string {
				found := map[string]string{}
				for f, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
					require.NoError(t, err)
					found[f.Backup.ID] = f.Backup.ProjectID
				}
				return found
			}
			assert.Equal(t, map[string]string{first: k.one}, scanned(d))
			assert.Equal(t, map[string]string{first: k.one}, scanned(member))
			values["swift_projects"] = k.one + ", " + k.two
			both := open(t, fromValues(t, k.openrc(k.reseller, values)))
			assert.Equal(t, map[string]string{first: k.one, second: k.two}, scanned(both))
			values["swift_projects"] = "all"
			all := scanned(open(t, fromValues(t, k.openrc(k.reseller, values))))
			assert.Equal(t, k.one, all[first])
			assert.Equal(t, k.two, all[second])

			for _, b := range []*driverstate.Backup{one, two} {
				f, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
				require.NoError(t, err)
				assert.Equal(t, driverstate.ConditionWhole, f.Condition)
				assert.Equal(t, b.ProjectID, f.Backup.ProjectID)
				var image bytes.Buffer
				_, err = d.Restore(t.Context(), driverstate.Chain{b}, volume.NewPipe(&image, 0), driverstate.RestoreOptions{}, nil)
				require.NoError(t, err)
				assert.Equal(t, b.ID, image.String())
			}

			// Who has no right to an account is told so, and it is left alone.
			_, err := member.(driverstate.Scanner).Inspect(t.Context(), two)
			assert.ErrorIs(t, err, driverstate.ErrForbidden)
			assert.ErrorContains(t, err, "the account of another project ("+k.two+") the login needs Swift's role of a reseller admin")
			assert.ErrorIs(t, member.Delete(t.Context(), two), driverstate.ErrForbidden)
			for _, err := range open(t, fromValues(t, k.openrc(k.name, oslo.Values{"swift_projects": "all"}))).(driverstate.Scanner).Scan(t.Context(), "") {
				assert.ErrorIs(t, err, driverstate.ErrForbidden)
			}
			for _, b := range []*driverstate.Backup{one, two} {
				require.NoError(t, d.Delete(t.Context(), b))
				_, err := d.(driverstate.Scanner).Inspect(t.Context(), b)
				assert.ErrorIs(t, err, driverstate.ErrNotFound)
			}
		})
	}
}

func TestCloudLoginsThatFailSayWhy(t *testing.T) {
	k := newTenancy(t)
	for name, c := range map[string]struct {
		values oslo.Values
		kind   error
		want   string
	}{
		"wrong password": {oslo.Values{"os_password": "wrong"}, driverstate.ErrForbidden, "user " + k.name + " is refused"},
		"wrong project":  {oslo.Values{"os_project_name": "none"}, driverstate.ErrForbidden, "is refused"},
		"wrong region":   {oslo.Values{"os_region_name": "Mars"}, nil, "no public endpoint of type object-store in region Mars"},
		"wrong token":    {oslo.Values{"os_token": "x", "os_username": "", "os_project_name": ""}, driverstate.ErrForbidden, "the token of OS_TOKEN is refused"},
		"nobody there":   {oslo.Values{"os_auth_url": "http://127.0.0.1:1/v3", "backup_swift_retry_attempts": "0"}, driverstate.ErrUnavailable, "connection refused"},
	} {
		err := open(t, fromValues(t, k.openrc(k.name, c.values))).CheckForSetupError(t.Context())
		require.ErrorContains(t, err, c.want, name)
		if c.kind != nil {
			assert.ErrorIs(t, err, c.kind, name)
		}
		assert.NotContains(t, err.Error(), "wrong", "%s: secrets are not shown", name)
	}
}

func TestCloudServiceTokenIsSentBesides(t *testing.T) {
	k := newTenancy(t)
	to, err := url.Parse(k.swift)
	require.NoError(t, err)
	var mu sync.Mutex
	tokens := map[string]bool{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		mu.Lock()
		defer mu.Unlock()
		tokens[r.In.Header.Get("X-Service-Token")] = r.In.Header.Get("X-Service-Token") != r.In.Header.Get("X-Auth-Token")
		r.SetURL(to)
	}}
	s := httptest.NewServer(proxy)
	defer s.Close()
	d := open(t, fromValues(t, k.openrc(k.name, oslo.Values{
		"backup_swift_url": s.URL + "/v1/AUTH_", "backup_swift_service_auth": "true", "service_user.send_service_user_token": "true",
		"service_user.auth_url": k.keystone, "service_user.username": "cinder", "service_user.password": "cinder",
		"service_user.user_domain_id": "default", "service_user.project_name": "service", "service_user.project_domain_id": "default",
	})))
	b := write(t, d, imageSource("image"), "aaaaaaaa-0000-4000-8000-000000000003", k.one)
	require.NoError(t, d.Delete(t.Context(), b))
	require.Len(t, tokens, 1, "one token, in every request")
	for token, other := range tokens {
		assert.NotEmpty(t, token)
		assert.True(t, other, "it is not the user's")
	}
}
