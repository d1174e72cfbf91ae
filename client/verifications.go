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
	Results     []Verified                     `json:"results"`
	CreatedAt   time.Time                      `json:"created_at"`
	FinishedAt  time.Time                      `json:"finished_at"`
}

// Verified is the outcome of a Verification for one of its backups.
type Verified struct {
	BackupID    string
	Condition   driverstate.Condition
	Reason      string
	Problems    []Problem
	Warnings    []string
	BytesRead   int64 // now
	ObjectsRead int
	Method      string
	// VerifiedAt is when the object that was read least recently, of all that
	// the backup needs, was proven; zero if one never was.
	VerifiedAt time.Time
	Bytes      int64   // that the backup needs
	Share      float64 // of Bytes that has been proven, since VerifyOpts.NotSince if given
	Skipped    bool    // all of it was proven since then, and was not looked at
	// Err says why it could not be looked at.
	Err error
}

// VerifyOpts say what to look at, and how.
type VerifyOpts struct {
	BackupIDs []string // with rows, or only on the store of the engine
	All       bool     // every backup that has a row
	Depth     driverstate.Depth
	Subset    driverstate.Subset // of the data of all of them together
	NotSince  time.Time          // leaves out what was proven then or later; zero for nothing
	// Watch is told of the run by VerifyAll: as it was started, at each look, and
	// as it ended; nil for nobody.
	Watch func(Verification)
}

// StartVerification starts a look at backups. A cloud answers ErrNotSupported.
func (c *Client) StartVerification(ctx context.Context, o VerifyOpts) (Verification, error) {
	id := ""
	if len(o.BackupIDs) == 1 {
		id = o.BackupIDs[0]
	}
	k := call{method: http.MethodPost, path: []string{"verifications"}, resource: "backup", id: id, extension: true}
	opts := manageable.CreateVerificationOpts{BackupIDs: o.BackupIDs, All: o.All, Depth: string(o.Depth), Subset: o.Subset.String()}
	if !o.NotSince.IsZero() {
		opts.NotVerifiedSince = o.NotSince.UTC().Format(time.RFC3339)
	}
	return c.verification(ctx, k, func(sc *gophercloud.ServiceClient) manageable.VerificationResult {
		return manageable.CreateVerification(ctx, sc, opts)
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
		for i := range got.Results {
			v.Results = append(v.Results, verified(&got.Results[i]))
		}
		return nil
	})
	return v, err
}

func verified(r *manageable.VerificationOfOne) Verified {
	out := Verified{
		BackupID: r.BackupID, Condition: driverstate.Condition(r.Condition), Reason: r.Reason, Problems: problems(r.Problems), Warnings: r.Warnings,
		BytesRead: r.BytesRead, ObjectsRead: r.ObjectsRead, Method: r.Method,
		VerifiedAt: r.VerifiedAt, Bytes: r.Bytes, Share: r.Share, Skipped: r.Skipped,
	}
	if r.Error != "" {
		out.Err = &driverstate.Error{Op: "verify", Resource: "backup", ID: r.BackupID,
			Err: driverstate.Fail(driverstate.FaultKind(r.Fault), "could not be verified: "+r.Error)}
	}
	return out
}

// WaitVerification returns a verification when it has ended. One that could
// not look is an error that answers to ErrNotFound if neither rows nor store
// have the backup, and else to ErrUnavailable; damage that it found is not an
// error but its Condition.
func (c *Client) WaitVerification(ctx context.Context, id string) (Verification, error) {
	return c.waitVerification(ctx, id, func(Verification) {})
}

func (c *Client) waitVerification(ctx context.Context, id string, watch func(Verification)) (Verification, error) {
	var v Verification
	err := c.poll(ctx, func(ctx context.Context) (done bool, err error) {
		if v, err = c.showVerification(ctx, id); err == nil {
			watch(v)
		}
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

// Verify looks at all the data of a backup, or at its structure, and waits for
// the outcome.
func (c *Client) Verify(ctx context.Context, id string, d driverstate.Depth) (Verification, error) {
	return c.VerifyAll(ctx, VerifyOpts{BackupIDs: []string{id}, Depth: d})
}

// VerifyAll looks at backups and waits for the outcome: StartVerification and
// WaitVerification. What several of them need is read once.
func (c *Client) VerifyAll(ctx context.Context, o VerifyOpts) (Verification, error) {
	v, err := c.StartVerification(ctx, o)
	if err != nil {
		return v, err
	}
	watch := o.Watch
	if watch == nil {
		return c.WaitVerification(ctx, v.ID)
	}
	watch(v)
	return c.waitVerification(ctx, v.ID, watch)
}
