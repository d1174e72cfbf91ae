package rows

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
)

// VerificationCreate inserts v; ErrConflict if its id exists.
func (r Rows) VerificationCreate(ctx context.Context, v *driverstate.Verification) error {
	return r.add(ctx, verificationTable, verificationFields(v), v.ID)
}

// VerificationGet returns the verification of id.
func (r Rows) VerificationGet(ctx context.Context, id string) (*driverstate.Verification, error) {
	v := new(driverstate.Verification)
	if err := r.get(ctx, verificationTable, verificationFields(v), "id = ?", id); err != nil {
		return nil, err
	}
	return v, nil
}

// VerificationUpdate writes every column of v while the row says that it runs.
func (r Rows) VerificationUpdate(ctx context.Context, v *driverstate.Verification) error {
	done, err := r.put(ctx, verificationTable, verificationFields(v), " AND status = ?", string(driverstate.VerificationRunning))
	if err == nil && !done {
		return moved("verification", v.ID, "it has ended")
	}
	return err
}
