package ship

import (
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// settle looks at what arrived once more: it must be whole, and with the full
// verification its data, too. What is in no chunked format is read always:
// nothing else tells what is there.
func (j *Job) settle(ctx context.Context, got *arrival) error {
	if !j.canRead() {
		return nil
	}
	found, err := j.lookAt(ctx, &got.row)
	switch {
	case err != nil:
		return err
	case found == nil:
		return damaged(got.BackupID, "the target has nothing of it in container "+got.Container)
	case found.Condition != driverstate.ConditionWhole:
		return damaged(got.BackupID, fmt.Sprintf("it is %s at the target: %s", found.Condition, found.Reason))
	}
	got.warnings = append(got.warnings, named(got.BackupID, found.Warnings)...)
	got.row.ObjectCount, got.Objects = found.Backup.ObjectCount, found.Backup.ObjectCount
	switch {
	case !j.readsBack() || got.same: // the same: its data was read
		return nil
	case got.image != nil:
		return j.proveImage(ctx, got, &found.Backup)
	}
	return j.prove(ctx, &found.Backup)
}

// readsBack reports whether the data is read at the target.
func (j *Job) readsBack() bool {
	return j.Request.Verify == driverstate.ShipVerifyFull || !isChunked(j.Target)
}

// chainThere is the chain of a backup as the target has it.
func (j *Job) chainThere(ctx context.Context, tip *driverstate.Backup) (driverstate.Chain, error) {
	chain := driverstate.Chain{tip}
	for at := tip; at.ParentID != "" && isChunked(j.Target) && len(chain) < driverstate.MaxChain; at = chain[0] {
		found, err := j.Target.(driverstate.Scanner).Inspect(ctx, &driverstate.Backup{ID: at.ParentID, ProjectID: tip.ProjectID})
		if err != nil {
			return nil, err
		}
		chain = append(driverstate.Chain{&found.Backup}, chain...)
	}
	return chain, nil
}

// prove reads the data of a backup at the target with the chain that it has
// there.
func (j *Job) prove(ctx context.Context, tip *driverstate.Backup) error {
	v, ok := j.Target.(driverstate.Verifier)
	if !ok {
		return nil
	}
	chain, err := j.chainThere(ctx, tip)
	if err != nil {
		return err
	}
	report, err := v.Verify(ctx, chain, driverstate.DepthData, driverstate.Discard)
	if err == nil && report.Condition != driverstate.ConditionWhole {
		err = damaged(tip.ID, fmt.Sprintf("its data at the target is %s: %s", report.Condition, report.Reason))
	}
	return err
}

// proveImage reads the image of a backup that was just written, which must be
// that of the original. Another one is removed where nothing but its image
// would tell that it is wrong.
func (j *Job) proveImage(ctx context.Context, got *arrival, tip *driverstate.Backup) error {
	chain, err := j.chainThere(ctx, tip)
	if err != nil {
		return err
	}
	sum, err := imageSum(ctx, j.Target, chain)
	switch {
	case err != nil:
		return fmt.Errorf("reading back what was written: %w", err)
	case sum == *got.image:
		return nil
	}
	text := fmt.Sprintf("what the target has is not what was sent: the image has sha256 %x, and %x was sent", sum, *got.image)
	if isChunked(j.Target) {
		return damaged(tip.ID, text)
	}
	if err := j.clean(ctx, &got.row); err != nil {
		return errors.Join(damaged(tip.ID, text+"; it could not be removed there"), err)
	}
	return damaged(tip.ID, text+"; it was removed there: look at the store, then ship it again")
}

func damaged(id, text string) error {
	return &driverstate.Error{Op: "ship", Resource: "backup", ID: id, Err: driverstate.Fail(driverstate.ErrCorrupt, text)}
}
