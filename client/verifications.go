package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/cinder-go/cinder-go/client/manageable"
	"github.com/cinder-go/cinder-go/driverstate"
)

// Verification is one look at a backup on the store of an engine.
type Verification struct {
	ID          string                         `json:"id"`
	BackupID    string                         `json:"backup_id"`
	Depth       driverstate.Depth              `json:"depth"`
	Status      driverstate.VerificationStatus `json:"status"`
	Condition   driverstate.Condition          `json:"condition"` // when done
	Reason      string                         `json:"reason"`    // why it is not whole; empty if it is
	Problems    []Problem                      `json:"problems"`
	Warnings    []string                       `json:"warnings"`
	BytesDone   int64                          `json:"bytes_done"`
	BytesTotal  int64                          `json:"bytes_total"`
	BytesRead   int64                          `json:"bytes_read"` // volume bytes that were proven
	ObjectsRead int                            `json:"objects_read"`
	Method      string                         `json:"method"` // what proved the data, such as sha256
	Error       string                         `json:"error"`  // why it could not look, when failed
	CreatedAt   time.Time                      `json:"created_at"`
	FinishedAt  time.Time                      `json:"finished_at"`
}

// StartVerification starts a look at a backup, by id: one that has a row, or
// one that only the store of the engine has. A cloud answers ErrNotSupported.
func (c *Client) StartVerification(ctx context.Context, id string, d driverstate.Depth) (Verification, error) {
	k := call{method: http.MethodPost, path: []string{"verifications"}, resource: "backup", id: id, extension: true}
	return c.verification(ctx, k, func(sc *gophercloud.ServiceClient) manageable.VerificationResult {
		return manageable.CreateVerification(ctx, sc, manageable.CreateVerificationOpts{BackupID: id, Depth: string(d)})
	})
}

func (c *Client) showVerification(ctx context.Context, id string) (Verification, error) {
	k := call{method: http.MethodGet, path: []string{"verifications", id}, resource: "verification", id: id, extension: true}
	return c.verification(ctx, k, func(sc *gophercloud.ServiceClient) manageable.VerificationResult {
		return manageable.GetVerification(ctx, sc, id)
	})
}

func (c *Client) verification(ctx context.Context, k call, send func(*gophercloud.ServiceClient) manageable.VerificationResult) (Verification, error) {
	var v Verification
	err := c.attempt(ctx, k, func(sc *gophercloud.ServiceClient) error {
		got, err := send(sc).Extract()
		if err == nil && got == nil {
			return k.notFound()
		}
		if err != nil {
			return err
		}
		v = Verification{
			ID: got.ID, BackupID: got.BackupID, Depth: driverstate.Depth(got.Depth),
			Status: driverstate.VerificationStatus(got.Status), Condition: driverstate.Condition(got.Condition),
			Reason: got.Reason, Problems: problems(got.Problems), Warnings: got.Warnings,
			BytesDone: got.BytesDone, BytesTotal: got.BytesTotal, BytesRead: got.BytesRead,
			ObjectsRead: got.ObjectsRead, Method: got.Method, Error: got.Error,
			CreatedAt: got.CreatedAt, FinishedAt: got.FinishedAt,
		}
		return nil
	})
	return v, err
}

// WaitVerification returns a verification when it has ended. One that could
// not look is an error that answers to ErrNotFound if neither rows nor store
// have the backup, and else to ErrUnavailable; damage that it found is not an
// error but its Condition.
func (c *Client) WaitVerification(ctx context.Context, id string) (Verification, error) {
	var v Verification
	err := c.poll(ctx, func(ctx context.Context) (done bool, err error) {
		v, err = c.showVerification(ctx, id)
		return err == nil && v.Status != driverstate.VerificationRunning, err
	})
	if err == nil && v.Status == driverstate.VerificationFailed {
		kind := driverstate.ErrUnavailable
		if strings.HasSuffix(v.Error, "could not be found.") {
			kind = driverstate.ErrNotFound
		}
		err = &driverstate.Error{Op: "verify", Resource: "backup", ID: v.BackupID,
			Err: driverstate.Fail(kind, "could not be verified: "+v.Error)}
	}
	return v, err
}

// Verify looks at a backup on the store of an engine and waits for the
// outcome: StartVerification and WaitVerification.
func (c *Client) Verify(ctx context.Context, id string, d driverstate.Depth) (Verification, error) {
	v, err := c.StartVerification(ctx, id, d)
	if err != nil {
		return v, err
	}
	return c.WaitVerification(ctx, v.ID)
}
