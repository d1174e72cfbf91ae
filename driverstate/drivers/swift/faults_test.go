package swift_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
)

func TestSwiftSurvivesFaultsOnTheWire(t *testing.T) {
	c := config(t)
	server := strings.TrimSuffix(c.URL, "/v1/AUTH_")
	drivertest.RunFaults(t, drivertest.FaultHarness{
		Server: server, Refused: http.StatusUnauthorized,
		New: func(t *testing.T, url string) drivertest.Store {
			a := newAccount(t, c)
			a.cfg.URL = strings.Replace(a.cfg.URL, server, url, 1)
			a.cfg.Credentials.AuthURL = strings.Replace(a.cfg.Credentials.AuthURL, server, url, 1)
			a.cfg.Stall = 5 * time.Second
			return a
		},
	})
}
