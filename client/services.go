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

// ServiceState is what the server says of a service after it was enabled or
// disabled.
type ServiceState struct {
	Binary         driverstate.Binary `json:"binary"`
	Host           string             `json:"host"`
	Status         string             `json:"status"` // enabled, disabled
	DisabledReason *string            `json:"disabled_reason"`
}

// EnableService lets a service take work again. The caller must be admin.
func (c *Client) EnableService(ctx context.Context, host, binary string) (ServiceState, error) {
	return c.setService(ctx, "enable", map[string]any{"host": host, "binary": binary})
}

// DisableService keeps new work from a service; what it is doing goes on. The
// reason may be empty. The caller must be admin.
func (c *Client) DisableService(ctx context.Context, host, binary, reason string) (ServiceState, error) {
	body := map[string]any{"host": host, "binary": binary}
	if reason == "" {
		return c.setService(ctx, "disable", body)
	}
	body["disabled_reason"] = reason
	return c.setService(ctx, "disable-log-reason", body)
}

func (c *Client) setService(ctx context.Context, action string, body map[string]any) (ServiceState, error) {
	var s ServiceState
	host, _ := body["host"].(string)
	err := c.do(ctx, call{
		method: http.MethodPut, path: []string{"os-services", action}, body: body, ok: accepted, resource: "service", id: host,
	}, &s)
	return s, err
}
