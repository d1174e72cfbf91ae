package client

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/client/manageable"
	"github.com/cinder-go/cinder-go/driverstate"
)

// Examine has the drivers of an engine's services examined step by step, of
// one host or of all, and waits until that is done. A step that did not pass is
// not an error of the call. A cloud answers ErrNotSupported.
func (c *Client) Examine(ctx context.Context, r driverstate.ExamineRequest) ([]driverstate.Examination, error) {
	k := call{method: http.MethodPost, path: []string{"examinations"}, resource: "service", id: r.Host, extension: true}
	var all []driverstate.Examination
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		found, err := manageable.Examine(ctx, sc, manageable.ExamineOpts{Host: r.Host, Write: r.Write}).Extract()
		if err != nil {
			return err
		}
		for _, f := range found {
			x := driverstate.Examination{Host: f.Host, Service: f.Service}
			for _, s := range f.Steps {
				x.Steps = append(x.Steps, driverstate.Step{Name: s.Name, Detail: s.Detail, Err: driverstate.StepError(s.Kind, s.Error), Advice: s.Advice})
			}
			all = append(all, x)
		}
		return nil
	})
	return all, err
}
