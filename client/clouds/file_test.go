package clouds

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sent is the body of the newest login, below auth.
func (k *keystone) sent() string {
	k.t.Helper()
	require.NotEmpty(k.t, k.logins)
	text, err := json.Marshal(k.logins[len(k.logins)-1])
	require.NoError(k.t, err)
	return string(text)
}

const annOfDemo = `{
	"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "hush", "domain": {"id": "default"}}}},
	"scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}`

func TestAnEntryIsUnderstoodHoweverItIsWritten(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	for name, c := range map[string]struct{ text, auth string }{
		"old names": {`
clouds:
  prod:
    region_name: one
    auth: {auth_url: URL, username: ann, password: hush, tenant_name: demo}
`, annOfDemo},
		"hyphens, outside of auth": {`
clouds:
  prod:
    region-name: one
    project-name: demo
    username: ann
    auth: {auth-url: URL, password: hush}
`, annOfDemo},
		"merged from another": {`
common: &common
  auth_url: URL
  username: ann
  project_name: other
clouds:
  base: &base
    region_name: two
  prod:
    <<: *base
    region_name: one
    auth:
      <<: *common
      project_name: demo
      password: hush
`, annOfDemo},
		"words that look like numbers": {`
clouds:
  prod:
    region_name: one
    auth: {auth_url: URL, username: 007, password: 0x1F, project_id: 24e17995}
`, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "007", "password": "0x1F", "domain": {"id": "default"}}}},
			"scope": {"project": {"id": "24e17995"}}}`},
		"one domain for both": {`
clouds:
  prod:
    region_name: one
    auth: {auth_url: URL, username: ann, password: hush, project_name: demo, domain_name: people}
`, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "hush", "domain": {"name": "people"}}}},
			"scope": {"project": {"name": "demo", "domain": {"name": "people"}}}}`},
		"another default domain": {`
clouds:
  prod:
    region_name: one
    default_domain: d9
    auth: {auth_url: URL, username: ann, password: hush, project_name: demo, user_domain_name: people}
`, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "hush", "domain": {"name": "people"}}}},
			"scope": {"project": {"name": "demo", "domain": {"id": "d9"}}}}`},
		"a credential, by its type": {`
clouds:
  prod:
    region_name: one
    auth_type: v3applicationcredential
    identity_api_version: 3
    auth: {auth_url: URL, username: ann, password: old, application_credential_id: c1, application_credential_secret: hush}
`, `{"identity": {"methods": ["application_credential"], "application_credential": {"id": "c1", "secret": "hush"}}}`},
		"a trust": {`
clouds:
  prod:
    region_name: one
    auth: {auth_url: URL, user_id: u1, password: hush, trust_id: t1}
`, `{
			"identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "hush"}}},
			"scope": {"OS-TRUST:trust": {"id": "t1"}}}`},
		"a domain": {`
clouds:
  prod:
    region_name: one
    auth: {auth_url: URL, username: ann, password: hush, domain_id: d1}
`, `{
			"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "hush", "domain": {"id": "d1"}}}},
			"scope": {"domain": {"id": "d1"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "clouds.yaml", strings.ReplaceAll(c.text, "URL", k.url+"/v3"))
			sc := connect(t, Options{Cloud: "prod"})
			assert.Equal(t, k.url+"/v3/"+projectID+"/", sc.Endpoint, "of region one")
			assert.JSONEq(t, c.auth, k.sent())
		})
	}
}

func TestAProfileIsWhatEveryCloudOfAVendorHas(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	public := `
public-clouds:
  vendor:
    region_name: two
    interface: internal
    auth: {auth_url: "` + k.url + `/v3", user_domain_name: people, project_domain_name: projects}
`
	write(t, "clouds.yaml", `
clouds:
  prod:
    profile: vendor
    region_name: one
    auth: {username: ann, password: hush, project_name: demo}
  old:
    cloud: vendor
    interface: public
    auth: {username: ann, password: hush, project_name: demo}
  lost:
    profile: elsewhere
    auth: {username: ann, password: hush, project_name: demo}
  complete:
    profile: elsewhere
    region_name: one
    auth: {auth_url: "`+k.url+`/v3", username: ann, password: hush, project_name: demo}
`)
	assert.Contains(t, settings(t, Options{Cloud: "prod"}).Error(), `its profile "vendor" is in no clouds-public.yaml`)
	write(t, "config/openstack/clouds-public.yaml", public)
	assert.Equal(t, k.url+"/inner/v3/"+projectID+"/", connect(t, Options{Cloud: "prod"}).Endpoint, "the entry beats the profile")
	assert.JSONEq(t, `{
		"identity": {"methods": ["password"], "password": {"user": {"name": "ann", "password": "hush", "domain": {"name": "people"}}}},
		"scope": {"project": {"name": "demo", "domain": {"name": "projects"}}}}`, k.sent())
	assert.Equal(t, k.url+"/two/v3/"+projectID+"/", connect(t, Options{Cloud: "old"}).Endpoint)
	assert.Contains(t, settings(t, Options{Cloud: "lost"}).Error(), "add auth_url to the entry")
	connect(t, Options{Cloud: "complete"})
}

func TestARegionHasSettingsOfItsOwn(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	write(t, "clouds.yaml", `
clouds:
  prod:
    regions:
      - name: two
        values: {auth: {project_name: in-two}}
      - one
    auth: {auth_url: "`+k.url+`/v3", username: ann, password: hush, project_name: demo}
`)
	assert.Equal(t, k.url+"/two/v3/"+projectID+"/", connect(t, Options{Cloud: "prod"}).Endpoint, "the first is the default")
	assert.Contains(t, k.sent(), `"in-two"`)
	assert.Equal(t, k.url+"/v3/"+projectID+"/", connect(t, Options{Cloud: "prod", Region: "one"}).Endpoint)
	assert.JSONEq(t, annOfDemo, k.sent())
}

func TestSecretsMayLieElsewhere(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	clouds := write(t, "far/clouds.yaml", `
clouds:
  prod:
    region_name: one
    auth: {auth_url: "`+k.url+`/v3", username: ann, password: forgotten, project_name: demo}
`)
	write(t, "config/openstack/secure.yml", "clouds: {prod: {auth: {password: hush}}}")
	connect(t, Options{Cloud: "prod", ConfigFile: clouds})
	assert.JSONEq(t, annOfDemo, k.sent(), "the user's secure.yaml, over clouds.yaml")
	beside := write(t, "far/secure.yaml", "clouds: {prod: {auth: {password: beside}}, other: {}}")
	connect(t, Options{Cloud: "prod", ConfigFile: clouds})
	assert.Contains(t, k.sent(), `"beside"`)
	named := write(t, "named.json", `{"clouds": {"prod": {"auth": {"password": "named"}}}}`)
	t.Setenv("OS_CLIENT_SECURE_FILE", named)
	connect(t, Options{Cloud: "prod", ConfigFile: clouds})
	assert.Contains(t, k.sent(), `"named"`)
	connect(t, Options{Cloud: "prod", ConfigFile: clouds, SecureFile: beside})
	assert.Contains(t, k.sent(), `"beside"`)
	assert.Contains(t, settings(t, Options{Cloud: "prod", ConfigFile: clouds, SecureFile: "absent"}).Error(), "absent")
}

func TestAPasswordThatNobodyKnowsComesFromOutside(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	write(t, "clouds.yaml", `
clouds:
  asks:
    region_name: one
    auth: {auth_url: "`+k.url+`/v3", username: ann, project_name: demo}
  knows:
    region_name: one
    auth: {auth_url: "`+k.url+`/v3", username: ann, password: hush, project_name: demo}
`)
	connect(t, Options{Cloud: "asks", PasswordIfNone: "hush"})
	assert.JSONEq(t, annOfDemo, k.sent())
	connect(t, Options{Cloud: "knows", PasswordIfNone: "of another cloud"})
	assert.JSONEq(t, annOfDemo, k.sent())
}

func TestAnEntryMaySayWhereTheAPIIs(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	for _, name := range []string{"block_storage_endpoint_override", "volume_endpoint_override", "volumev3-endpoint-override"} {
		write(t, "clouds.yaml", `
clouds:
  prod:
    `+name+`: "`+k.url+`/mine/v3"
    auth: {auth_url: "`+k.url+`/v3", username: ann, password: hush, project_name: demo}
`)
		assert.Equal(t, k.url+"/mine/v3/"+projectID+"/", connect(t, Options{Cloud: "prod"}).Endpoint, name)
	}
	write(t, "clouds.yaml", `
clouds:
  engine:
    auth_type: none
    auth: {endpoint: "http://127.0.0.1:8776/v3"}
`)
	sc := connect(t, Options{Cloud: "engine"})
	assert.Equal(t, "http://127.0.0.1:8776/v3/"+noProject+"/", sc.Endpoint)
	assert.Equal(t, "admin:"+noProject, sc.Token())
}

func TestAFileThatIsNoneIsNamed(t *testing.T) {
	alone(t)
	for name, text := range map[string]string{"not YAML": "clouds: [", "a list": "- clouds", "no clouds": "cloud: {}", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "clouds.yaml", text)
			assert.Contains(t, settings(t, Options{Cloud: "prod", ConfigFile: path}).Error(), path)
		})
	}
	path := write(t, "clouds.yaml", "clouds: {prod: {}, lab: {}}")
	assert.Contains(t, settings(t, Options{Cloud: "prd", ConfigFile: path}).Text, `cloud "prd" in `+path+": there is no such entry; it has lab, prod")
	require.NoError(t, os.Remove("clouds.yaml"))
	assert.Contains(t, settings(t, Options{Cloud: "prod"}).Text, filepath.Join("config", "openstack"))
}
