package clouds

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheAuthenticationTypeDecidesBetweenSecrets(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	for name, method := range map[string]string{
		"": "password", "password": "password", "v3password": "password", "token": "token", "v3token": "token",
		"v3applicationcredential": "application_credential",
	} {
		t.Run("type "+name, func(t *testing.T) {
			o := k.password()
			o.AuthType, o.Token, o.ApplicationCredentialID, o.ApplicationCredentialSecret = name, "given", "c1", "hush"
			connect(t, o)
			assert.Contains(t, k.sent(), `"methods":["`+method+`"]`)
		})
	}
}

func TestATypeThatLacksItsSecretNamesIt(t *testing.T) {
	alone(t)
	for name, variable := range map[string]string{
		"v3password": "OS_PASSWORD", "v3token": "OS_TOKEN", "v3applicationcredential": "OS_APPLICATION_CREDENTIAL_SECRET",
		"admin_token": "OS_ENDPOINT", "noauth": "OS_ENDPOINT", "none": "OS_ENDPOINT",
	} {
		err := settings(t, Options{AuthType: name, AuthURL: "http://k/v3", Username: "ann", ProjectName: "demo"})
		assert.Contains(t, err.Hint, variable, name)
	}
	err := settings(t, Options{AuthType: "token_endpoint", Endpoint: "http://c/v3"})
	assert.Contains(t, err.Hint, "OS_TOKEN")
}

func TestWhatCannotBeDoneIsSaid(t *testing.T) {
	alone(t)
	good := Options{AuthURL: "http://k/v3", Username: "ann", Password: "secret", ProjectName: "demo"}
	for name, c := range map[string]struct {
		change     func(*Options)
		text, hint string
	}{
		"identity v2": {func(o *Options) { o.IdentityVersion = "2.0" },
			"identity API version 2.0 is not supported: Keystone v3 alone is", "unset OS_IDENTITY_API_VERSION"},
		"identity v2 by its type": {func(o *Options) { o.AuthType = "v2password" },
			"authentication type v2password is not supported: Keystone v3 alone is", "unset OS_IDENTITY_API_VERSION and OS_AUTH_TYPE"},
		"federation": {func(o *Options) { o.AuthType = "v3oidcpassword" },
			`authentication type "v3oidcpassword" is not supported: password, token, v3applicationcredential, admin_token and noauth are`, "openstack token issue"},
		"half a system": {func(o *Options) { o.SystemScope = "half" }, `system scope "half" is not all`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			err := settings(t, o)
			assert.Equal(t, c.text, err.Text)
			assert.Contains(t, err.Hint, c.hint)
		})
	}
}

func TestAnAddressOfIdentityV2LeadsToV3(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	for _, end := range []string{"/v2.0", "/v2.0/", "/v3/", "", "/"} {
		o := k.password()
		o.AuthURL, o.IdentityVersion = k.url+end, "3"
		connect(t, o)
	}
	assert.Len(t, k.logins, 5)
}

func TestATokenIsUsedAtAnEndpointWithoutKeystone(t *testing.T) {
	alone(t)
	for name, o := range map[string]Options{
		"implied": {Token: "given", Endpoint: "http://c:8776/v3/" + projectID, Username: "ignored"},
		"said":    {Token: "given", Endpoint: "http://c:8776/v3/" + projectID, AuthURL: "http://k/v3", AuthType: "admin_token"},
	} {
		t.Run(name, func(t *testing.T) {
			sc := connect(t, o)
			assert.Equal(t, "given", sc.Token())
			assert.Equal(t, "http://c:8776/v3/"+projectID+"/", sc.Endpoint)
		})
	}
	sc := connect(t, Options{AuthType: "noauth", Endpoint: "http://c:8776/v3", UserID: "u1", ProjectID: projectID, AuthURL: "http://k/v3", Password: "x"})
	assert.Equal(t, "u1:"+projectID, sc.Token())
}

func TestTheDomainOfAUserOrProjectIsTheNearest(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want [2]string
	}{
		"none":               {Options{}, [2]string{"default", ""}},
		"the default's id":   {Options{DefaultDomainID: "d1", DefaultDomainName: "n1"}, [2]string{"d1", ""}},
		"the default's name": {Options{DefaultDomainName: "n1"}, [2]string{"", "n1"}},
		"that of both":       {Options{DefaultDomainID: "d1", DomainName: "n2"}, [2]string{"", "n2"}},
		"its own":            {Options{DomainID: "d2", UserDomainName: "n3"}, [2]string{"", "n3"}},
		"its own id":         {Options{DomainID: "d2", UserDomainID: "d3", UserDomainName: "n3"}, [2]string{"d3", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			id, domain := c.o.domain(c.o.UserDomainID, c.o.UserDomainName)
			assert.Equal(t, c.want, [2]string{id, domain})
		})
	}
}
