package drivers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func TestSwiftURLs(t *testing.T) {
	env := map[string]string{"OS_AUTH_URL": "https://k/v3", "OS_USERNAME": "me", "OS_PASSWORD": "hush", "ST_KEY": "key"}
	o := drivers.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	login := oslo.Values{"os_auth_url": "https://k/v3", "os_username": "me", "os_password": "hush", "backup_swift_key": "key"}
	with := func(more oslo.Values) oslo.Values {
		for name, value := range login {
			more[name] = value
		}
		return more
	}
	for url, want := range map[string]oslo.Values{
		"swift:///":      with(oslo.Values{}),
		"swift:///other": with(oslo.Values{"backup_swift_container": "other"}),
		"swift://swift.example.com:8080/v1/AUTH_?container=c": with(oslo.Values{
			"backup_swift_url": "https://swift.example.com:8080/v1/AUTH_", "backup_swift_container": "c"}),
		"swift:///?url=http://127.0.0.1:8080/v1/AUTH_&auth=single_user&auth_version=1&user=a:b&auth_url=http://127.0.0.1:8080/auth/v1.0": with(oslo.Values{
			"backup_swift_url": "http://127.0.0.1:8080/v1/AUTH_", "backup_swift_auth": "single_user", "backup_swift_auth_version": "1",
			"backup_swift_user": "a:b", "backup_swift_auth_url": "http://127.0.0.1:8080/auth/v1.0"}),
	} {
		s, err := drivers.ParseURL(url, o)
		require.NoError(t, err, url)
		assert.Equal(t, want, s.Values, url)
		d, err := s.Open(drivers.Options{})
		require.NoError(t, err, url)
		assert.Equal(t, "cinder.backup.drivers.swift.SwiftBackupDriver", d.Service())
		assert.NoError(t, d.Close())
	}
	for url, want := range map[string]string{
		"swift:///a/b":                                     "more than the name of a container",
		"swift:///c?key=hush":                              "CINDER_GO_STORE_KEY",
		"swift:///c?os_password=hush":                      "CINDER_GO_STORE_OS_PASSWORD",
		"swift:///?auth=both":                              "per_user, single_user",
		"swift:///?auth=single_user":                       "backup_swift_user is not set",
		"swift:///?auth=single_user&user=u":                "",
		"swift:///?auth=single_user&user=u&auth_version=4": "not 1, 2 or 3",
		"swift:///?auth=single_user&user=u&auth_version=3": "backup_swift_project",
		"swift://host/v1/AUTH_?url=http://h/v1/":           `"url" is not known`,
		"swift:///?url=ftp://h/":                           "backup_swift_url: not a URL",
		"swift:///?swift_catalog_info=x":                   "<service_type>:<service_name>:<endpoint_type>",
		"swift:///?ca_cert_file=/no/such/file.pem":         "no such file",
	} {
		_, err := drivers.Open(url, o)
		if want == "" {
			assert.NoError(t, err, url)
			continue
		}
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, url)
		assert.ErrorContains(t, err, want, url)
		assert.NotContains(t, err.Error(), "hush")
	}
	_, err := drivers.Open("swift:///c", drivers.Options{})
	assert.ErrorContains(t, err, "set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD")
}
