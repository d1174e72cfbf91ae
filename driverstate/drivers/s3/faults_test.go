package s3_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/wirefault"
)

func TestS3SurvivesFaultsOnTheWire(t *testing.T) {
	c := rgw.config(t)
	drivertest.RunFaults(t, drivertest.FaultHarness{
		Server: c.Endpoint,
		New: func(t *testing.T, url string) drivertest.Store {
			a := newBucket(t, c)
			a.cfg.Endpoint, a.cfg.Timeout = url, 5*time.Second
			a.cfg.Retries, a.cfg.Backoff = 3, time.Millisecond
			return a
		},
	})
}

// Every request is signed anew, so that none is refused for its age.
func TestARequestThatIsRefusedInMidStreamIsNotRepeated(t *testing.T) {
	c := rgw.config(t)
	a := newBucket(t, c)
	p := wirefault.New(t, c.Endpoint)
	c.Endpoint = p.URL
	store := objectstore.Retry(open(t, c), objectstore.Retries{Attempts: 3, Backoff: time.Millisecond})
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		p.Set(wirefault.Rules(wirefault.Rule{Path: "/o", Fault: wirefault.Fault{Kind: wirefault.Status, Code: code}}))
		before := p.Total()
		err := store.Put(t.Context(), a.cfg.Bucket, "o", strings.NewReader("1"), 1)
		require.ErrorIs(t, err, objectstore.ErrForbidden)
		assert.ErrorContains(t, err, "check what the key of backup_s3_store_access_key may do")
		assert.Equal(t, 1, p.Total()-before)
	}
	assert.Empty(t, a.Names(t, a.cfg.Bucket))
}
