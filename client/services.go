package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Service is a row of the services of the cloud.
type Service struct {
	Binary         driverstate.Binary `json:"binary"`
	Host           string             `json:"host"`
	Zone           string             `json:"zone"`
	Status         string             `json:"status"` // enabled, disabled
	State          string             `json:"state"`  // up, down
	UpdatedAt      time.Time          `json:"updated_at"`
	Cluster        *string            `json:"cluster"` // from 3.7
	DisabledReason *string            `json:"disabled_reason"`
}

// UnmarshalJSON reads the API's form.
func (s *Service) UnmarshalJSON(text []byte) error {
	type plain Service
	v := struct {
		*plain
		UpdatedAt apiTime `json:"updated_at"`
	}{(*plain)(s), apiTime{&s.UpdatedAt}}
	return json.Unmarshal(text, &v)
}

// serviceFields is the version that adds the cluster to a service.
const serviceFields = 7

// ListServices returns the services on host and of binary; empty means any.
// The caller must be admin.
func (c *Client) ListServices(ctx context.Context, host, binary string) ([]Service, error) {
	q := url.Values{}
	if host != "" {
		q.Set("host", host)
	}
	if binary != "" {
		q.Set("binary", binary)
	}
	var a struct {
		Services []Service `json:"services"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet, path: []string{"os-services"}, query: q, like: serviceFields, resource: "services",
	}, &a)
	return a.Services, err
}
