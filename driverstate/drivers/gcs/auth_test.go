package gcs_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/gcs"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// account is a service account and the server that gives it tokens.
type account struct {
	file   string // its key file
	tokens *httptest.Server
	issued atomic.Int64
	// answer, if set, is what the token server says in place of a token.
	answer http.HandlerFunc
}

func newAccount(t *testing.T) *account {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	a := &account{}
	a.tokens = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.answer != nil {
			a.answer(w, r)
			return
		}
		claims := signed(t, &key.PublicKey, r.FormValue("assertion"))
		assert.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", r.FormValue("grant_type"))
		assert.Equal(t, "backup@cloud-7.iam", claims["iss"])
		assert.Equal(t, a.tokens.URL, claims["aud"])
		assert.Equal(t, "https://www.googleapis.com/auth/devstorage.full_control", claims["scope"])
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, a.issued.Add(1))
	}))
	t.Cleanup(a.tokens.Close)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "cloud-7", "client_email": "backup@cloud-7.iam", "private_key_id": "k1", "token_uri": a.tokens.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	a.file = write(t, "key.json", content)
	return a
}

// signed proves the signature of a token request and returns what it claims.
func signed(t *testing.T, key *rsa.PublicKey, assertion string) map[string]any {
	parts := strings.Split(assertion, ".")
	if !assert.Len(t, parts, 3) {
		return nil
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	assert.NoError(t, err)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	assert.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature))
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	assert.NoError(t, err)
	var claims map[string]any
	assert.NoError(t, json.Unmarshal(raw, &claims))
	return claims
}

func (a *account) valid() string { return fmt.Sprintf("Bearer token-%d", a.issued.Load()) }

func TestRequestsCarryTheServiceAccountsToken(t *testing.T) {
	a, f := newAccount(t), newFront(t)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == a.valid() {
			return false
		}
		refuse(401, "authError", "Invalid Credentials")(w, r)
		return true
	})
	s, c := behind(t, f, oslo.Values{"backup_gcs_credential_file": a.file, "backup_gcs_project_id": ""})
	require.NoError(t, put(t, s, c.Bucket, "o", content()))
	assert.EqualValues(t, 1, a.issued.Load())
	assert.NotZero(t, f.seen(func(r *http.Request) bool { return r.URL.Query().Get("project") == "cloud-7" }), "the project is that of the key")

	// The server takes the token no more, in the middle of an upload.
	parts := 0
	next := f.rule
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if isPart(r) {
			if parts++; parts == 2 {
				a.issued.Add(1)
			}
		}
		return next(w, r)
	})
	require.NoError(t, put(t, s, c.Bucket, "o", content()))
	assert.EqualValues(t, 3, a.issued.Load(), "renewed once")
	got, err := get(t, s, c.Bucket, "o")
	require.NoError(t, err)
	assert.Equal(t, content(), got)
}

func TestAKeyThatIsRefusedSaysSo(t *testing.T) {
	a, f := newAccount(t), newFront(t)
	c := config(t, oslo.Values{"backup_gcs_endpoint": f.URL, "backup_gcs_credential_file": a.file, "backup_gcs_num_retries": "0"})
	a.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
	}
	err := driver(t, c).CheckForSetupError(t.Context())
	require.ErrorIs(t, err, driverstate.ErrForbidden)
	assert.ErrorContains(t, err, "access token of backup@cloud-7.iam: "+a.tokens.URL+" answers 400 Bad Request (invalid_grant: Invalid JWT Signature.)")
	assert.Zero(t, f.seen(func(*http.Request) bool { return true }), "nothing is asked of the store")

	a.answer = refuse(503, "backendError", "Backend Error")
	err = driver(t, c).CheckForSetupError(t.Context())
	require.ErrorIs(t, err, driverstate.ErrUnavailable)

	a.answer = nil
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		refuse(401, "authError", "Invalid Credentials")(w, r)
		return true
	})
	err = gcs.NewStore(c).Delete(t.Context(), c.Bucket, "o")
	require.ErrorIs(t, err, objectstore.ErrForbidden)
	assert.ErrorContains(t, err, "401 Invalid Credentials")
	assert.EqualValues(t, 2, a.issued.Load(), "one token more was asked for")
}
