package clouds

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDebugTellsALoginWithoutItsSecrets(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	var out bytes.Buffer
	o := k.password()
	o.Password, o.Debug = `pa"ss\word`, &out
	sc := connect(t, o)
	_, err := sc.Get(t.Context(), sc.ServiceURL("backups", "detail")+"?limit=1", &struct{}{}, nil)
	require.NoError(t, err)
	told := out.String()
	assert.Contains(t, told, "> POST "+k.url+"/v3/auth/tokens\n")
	assert.Contains(t, told, "> GET "+k.url+"/v3/"+projectID+"/backups/detail?limit=1\n")
	assert.Contains(t, told, "< 201 Created\n")
	assert.Contains(t, told, "> X-Auth-Token: ***\n")
	assert.Contains(t, told, "< X-Subject-Token: ***\n")
	assert.Contains(t, told, `"password":"***"`)
	assert.NotContains(t, told, "ss\\\\word")
	assert.NotContains(t, told, "token-1")
}

func TestSecretsAreMaskedWhereverTheyStand(t *testing.T) {
	for name, text := range map[string]string{
		"password":           `{"password": "HUSH"}`,
		"escaped":            `{"adminPass":"HU\"SHHUSH"}`,
		"cut off":            `{"secret": "HUSH`,
		"cut in an escape":   `{"secret": "HUSH\`,
		"application secret": `{"application_credential": {"id": "c1", "secret":"HUSH"}}`,
		"token of a login":   `{"token": {"id": "HUSH"}}`,
		"signed for Swift":   `https://store/v1/o?temp_url_sig=HUSH&temp_url_expires=1`,
		"signed for S3":      `https://b.s3/o?X-Amz-Credential=HUSH&X-Amz-Signature=HUSH`,
		"signed for GCS":     `"https://storage/o?X-Goog-Signature=HUSH"`,
		"password of a URL":  `http://ann:HUSH@cloud/v3`,
		"access key":         `{"access_key": "HUSH"}`,
	} {
		t.Run(name, func(t *testing.T) {
			masked := maskText(text)
			assert.NotContains(t, masked, "HUSH")
			assert.Contains(t, masked, mask)
		})
	}
	for _, plain := range []string{
		`{"backup": {"id": "97f10361", "name": "password", "links": [{"href": "http://c/v3/p/backups/97f10361?limit=1"}]}}`,
		`{"token": {"user": {"id": "ann"}}}`,
	} {
		assert.Equal(t, plain, maskText(plain))
	}
}

func TestDebugLeavesBodiesAsTheyAre(t *testing.T) {
	long := strings.Repeat("0123456789", 10*maxShown)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, long, string(body))
		w.Header().Set("X-Openstack-Request-Id", "req-7")
		fmt.Fprint(w, long)
	}))
	t.Cleanup(s.Close)
	var out bytes.Buffer
	c := &http.Client{Transport: DebugTransport(http.DefaultTransport, &out)}
	resp, err := c.Post(s.URL, "text/plain", strings.NewReader(long))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, long, string(body))
	assert.Less(t, out.Len(), 3*maxShown)
	assert.Contains(t, out.String(), "req-7")
	assert.Contains(t, out.String(), "... (more)")
}

func TestDebugTellsWhatWentWrong(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	var out bytes.Buffer
	_, err := (&http.Client{Transport: DebugTransport(http.DefaultTransport, &out)}).Get(s.URL)
	require.Error(t, err)
	assert.Contains(t, out.String(), "refused")
}

func TestDebugTellsNoSecretOfAnyWayToLogIn(t *testing.T) {
	alone(t)
	for name, change := range map[string]func(*Options){
		"password":               func(o *Options) { o.Password = "HUSH" },
		"token of a project":     func(o *Options) { o.Password, o.Token = "", "HUSH" },
		"token as it is":         func(o *Options) { o.Password, o.ProjectName, o.Token = "", "", "HUSH" },
		"token without Keystone": func(o *Options) { o.AuthType, o.Token, o.Endpoint = "admin_token", "HUSH", o.AuthURL },
		"application credential": func(o *Options) {
			o.Password, o.ApplicationCredentialID, o.ApplicationCredentialSecret = "", "c1", "HUSH"
		},
		"application credential by name": func(o *Options) {
			o.Password, o.ApplicationCredentialName, o.ApplicationCredentialSecret = "", "robot", "HUSH"
		},
		"trust": func(o *Options) { o.Password, o.TrustID = "HUSH", "t1" },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeystone(t, httptest.NewServer)
			k.anyToken = true
			o := k.password()
			change(&o)
			var out bytes.Buffer
			o.Debug = &out
			require.NoError(t, reach(t, o))
			told := out.String()
			assert.NotContains(t, told, "HUSH")
			assert.NotContains(t, told, "token-1", "that Keystone gave")
			assert.Contains(t, told, "/backups\n")
			assert.Contains(t, told, "> X-Auth-Token: ***\n")
		})
	}
}

func TestDebugTellsNoSecretOfALoginThatIsRefused(t *testing.T) {
	alone(t)
	k := newKeystone(t, httptest.NewServer)
	k.refuse = http.StatusUnauthorized
	var out bytes.Buffer
	o := k.password()
	o.Password, o.Debug = "HUSH", &out
	err := reach(t, o)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "HUSH")
	assert.NotContains(t, out.String(), "HUSH")
	assert.Contains(t, out.String(), "< 401 Unauthorized\n")
}
