// Package ship copies backups from one store to another, of any two drivers,
// and compares two stores. Between two chunked drivers objects are copied as
// they are, and proven on the way; from or to any other driver, and when a chain
// is to become one full backup, the image is restored into a new backup, in a
// stream. A driver that is not of the chunked format proves nothing by itself:
// its images are read and compared. Nothing of a database is touched: what
// another site needs to know are the records in the result.
package ship

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// Job ships backups to Target, which is set up and whose stores wear Landing.
type Job struct {
	Source, Target driverstate.Driver
	Landing        *Landing // nil for a target that is no object store
	Request        driverstate.ShipRequest
	Observer       driverstate.Observer
}

// chunkedFormat is a driver of the chunked format, of one store or of several.
type chunkedFormat interface {
	ChunkedOf(b *driverstate.Backup) (*chunked.Driver, error)
}

func isChunked(d driverstate.Driver) bool {
	_, ok := d.(chunkedFormat)
	return ok
}

// chunkedOf are the drivers that have a, of ad, and b, of bd, in the chunked
// format; nil if one of them is of another.
func chunkedOf(ad driverstate.Driver, a *driverstate.Backup, bd driverstate.Driver, b *driverstate.Backup) (ac, bc *chunked.Driver, err error) {
	x, ok := ad.(chunkedFormat)
	y, ok2 := bd.(chunkedFormat)
	if !ok || !ok2 {
		return nil, nil, nil
	}
	if ac, err = x.ChunkedOf(a); err == nil {
		bc, err = y.ChunkedOf(b)
	}
	return ac, bc, err
}

// oneWay is a driver whose store may be one that cannot be read while it is
// written, such as a pipe. It knows what that has carried.
type oneWay interface {
	WriteOnly() bool
	// Carried returns the row of a backup that was written whole.
	Carried(id string) (*driverstate.Backup, bool)
}

func (j *Job) canRead() bool {
	w, ok := j.Target.(oneWay)
	return !ok || !w.WriteOnly()
}

// carried is what a target that cannot be read has of a backup; nil for
// nothing.
func (j *Job) carried(id string) *driverstate.Backup {
	if w, ok := j.Target.(oneWay); ok && w.WriteOnly() {
		if b, ok := w.Carried(id); ok {
			return b
		}
	}
	return nil
}

// Ship copies what the request asks for of line, a chain as far as the source
// has it, the full backup first: all of it with Chain, else the last. What was
// brought is in the result, also beside an error. A backup that is at the target
// already is left as it is; one that is there in part is completed.
//
// ErrInvalidStatus: the target lacks what the backup stands on. ErrConflict: it
// has another backup of the same id. ErrCorrupt: the original, or what arrived,
// is damaged.
func (j *Job) Ship(ctx context.Context, line []driverstate.ShipItem) (driverstate.ShipResult, error) {
	var out driverstate.ShipResult
	if len(line) == 0 {
		return out, driverstate.Fail(driverstate.ErrInvalidInput, "nothing to ship")
	}
	first := len(line) - 1
	if j.Request.Chain {
		first = 0
	}
	if err := j.requireReadable(line[first:]); err != nil {
		return out, err
	}
	if parent := line[first].At.ParentID; parent != "" && !j.Request.Flatten && j.keepsChains() {
		if err := j.requireParent(ctx, &line[first], parent); err != nil {
			return out, err
		}
	}
	for i := first; i < len(line); i++ {
		got, err := j.one(ctx, line[:i+1], &out)
		if err != nil {
			return out, err
		}
		got.Record, err = driverstate.EncodeRecord(&got.row, nil)
		if err != nil {
			return out, err
		}
		out.Landed = append(out.Landed, got.Landed)
	}
	if f, ok := j.Target.(driverstate.Finisher); ok {
		return out, f.Finish(ctx)
	}
	return out, nil
}

// keepsChains reports whether increments stay such: a driver that is not of the
// chunked format makes each a full backup of its own.
func (j *Job) keepsChains() bool { return isChunked(j.Target) }

// requireParent refuses a backup whose chain the target does not have where the
// backups of its project are.
func (j *Job) requireParent(ctx context.Context, item *driverstate.ShipItem, parent string) error {
	scanner, ok := j.Target.(driverstate.Scanner)
	missing := func(what string) error {
		return &driverstate.Error{Op: "ship", Resource: "backup", ID: item.At.ID, Err: driverstate.Fail(driverstate.ErrInvalidStatus, fmt.Sprintf(
			"it stands on %s, %s: ship the chain, or flatten it", parent, what))}
	}
	switch {
	case j.carried(parent) != nil:
		return nil // and what that stands on went before it
	case !j.canRead():
		return missing("which did not go down the same pipe before it")
	case !ok:
		return missing("and the target cannot be looked at")
	}
	var line []driverstate.Found
	for at := parent; at != "" && len(line) < driverstate.MaxChain; {
		found, err := scanner.Inspect(ctx, &driverstate.Backup{ID: at, ProjectID: item.Row.ProjectID})
		if errors.Is(err, driverstate.ErrNotFound) {
			break
		}
		if err != nil {
			return fmt.Errorf("looking for its parent at the target: %w", err)
		}
		line = append(line, found)
		at = found.Backup.ParentID
	}
	if len(line) == 0 {
		return missing("which is not at the target")
	}
	driverstate.LinkChains(line)
	if line[0].Condition != driverstate.ConditionWhole {
		return missing(fmt.Sprintf("which is %s at the target: %s", line[0].Condition, line[0].Reason))
	}
	return nil
}

// requireReadable refuses an increment that is to be made of an image where its
// parent cannot be read: its hash list tells what has changed.
func (j *Job) requireReadable(line []driverstate.ShipItem) error {
	if j.canRead() || j.Request.Flatten || isChunked(j.Source) {
		return nil
	}
	for i := range line {
		if at := &line[i].At; at.ParentID != "" && j.carried(at.ID) == nil {
			return &driverstate.Error{Op: "ship", Resource: "backup", ID: at.ID, Err: driverstate.Fail(driverstate.ErrNotSupported, fmt.Sprintf(
				"it stands on %s, with which its image cannot be compared down a pipe: flatten it", at.ParentID))}
		}
	}
	return nil
}

// arrival is a backup at the target, and its row there.
type arrival struct {
	driverstate.Landed
	row driverstate.Backup
	// image is that of the original, when it had to be restored to be compared;
	// else nil.
	image *digest
	// same is true when the target's image was found to be that.
	same     bool
	warnings []string
}

// one ships the last of line.
func (j *Job) one(ctx context.Context, line []driverstate.ShipItem, out *driverstate.ShipResult) (*arrival, error) {
	item := line[len(line)-1]
	to, err := j.rowThere(&item)
	if err != nil {
		return nil, err
	}
	got := &arrival{row: *to}
	got.BackupID, got.Container, got.ServiceMetadata = to.ID, to.Container, to.ServiceMetadata
	if old := j.carried(to.ID); old != nil {
		if old.Container != to.Container || old.ServiceMetadata != to.ServiceMetadata || old.ParentID != to.ParentID {
			return nil, &driverstate.Error{Op: "ship", Resource: "backup", ID: to.ID, Err: driverstate.Fail(driverstate.ErrConflict,
				"another backup of this id went down the same pipe, as "+old.ServiceMetadata)}
		}
		got.There, got.Objects = true, to.ObjectCount
		return got, nil
	}
	there, err := j.lookAt(ctx, to)
	if err != nil {
		return nil, err
	}
	if there != nil && there.Condition == driverstate.ConditionWhole {
		how, err := j.differs(ctx, line, &there.Backup, got)
		switch {
		case err != nil:
			return nil, err
		case how != "":
			return nil, &driverstate.Error{Op: "ship", Resource: "backup", ID: to.ID, Err: driverstate.Fail(driverstate.ErrConflict,
				"the target has another backup of this id in container "+to.Container+": "+how)}
		}
		got.There = true
	} else if err := j.copy(ctx, line, to, there, got); err != nil {
		return nil, err
	}
	err = j.settle(ctx, got)
	out.Warnings = append(out.Warnings, got.warnings...)
	return got, err
}

// rowThere is the row that the site of the target would have.
func (j *Job) rowThere(item *driverstate.ShipItem) (*driverstate.Backup, error) {
	to := item.Row
	to.ID, to.VolumeID, to.ParentID = item.At.ID, item.At.VolumeID, item.At.ParentID
	to.Service, to.Container, to.ServiceMetadata = j.Target.Service(), "", ""
	to.Status, to.FailReason = driverstate.StatusAvailable, ""
	to.TempVolumeID, to.TempSnapshotID, to.RestoreVolumeID = "", "", ""
	to.ObjectCount = item.At.ObjectCount
	if j.Request.Flatten || !j.keepsChains() {
		to.ParentID = ""
	}
	if !j.keepsChains() {
		// Cinder keeps the number of the record: it would show dependents for ever.
		to.NumDependentBackups = 0
	}
	if to.DataTimestamp.IsZero() {
		to.DataTimestamp = to.CreatedAt // without it the next incremental fails in Cinder
	}
	// The same start gives the same names when a shipment is made again.
	start := chunked.Started(item.At.ServiceMetadata)
	if start.IsZero() {
		start = item.At.CreatedAt
	}
	var err error
	to.Container, to.ServiceMetadata, err = j.Target.Place(&to, nil, start)
	return &to, err
}

// lookAt is what the target has of to; nil for nothing.
func (j *Job) lookAt(ctx context.Context, to *driverstate.Backup) (*driverstate.Found, error) {
	scanner, ok := j.Target.(driverstate.Scanner)
	if !ok || !j.canRead() {
		return nil, nil
	}
	found, err := scanner.Inspect(ctx, to)
	if errors.Is(err, driverstate.ErrNotFound) {
		return nil, nil
	}
	return &found, err
}

// differs says how a backup at the target is not the one to be shipped, the
// last of line; empty if it is.
func (j *Job) differs(ctx context.Context, line []driverstate.ShipItem, there *driverstate.Backup, got *arrival) (string, error) {
	from := &line[len(line)-1].At
	s, t, err := chunkedOf(j.Source, from, j.Target, there)
	if err != nil {
		return "", err
	}
	if s == nil {
		return j.otherImage(ctx, line, there, got)
	}
	how, err := chunked.SameData(ctx, s, from, t, there)
	if err != nil || how == "" {
		return how, err
	}
	// A flattened copy has the same image in other objects.
	same, _, err := chunked.SameImage(ctx, s, from, t, there)
	if same {
		how = ""
	}
	return how, err
}

// otherImage is differs where no documents tell: both images are read.
func (j *Job) otherImage(ctx context.Context, line []driverstate.ShipItem, there *driverstate.Backup, got *arrival) (string, error) {
	chain, err := j.chainThere(ctx, there)
	if err != nil {
		return "", err
	}
	var sum, sumThere digest
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { sum, err = imageSum(gctx, j.Source, j.chainHere(line)); return err })
	group.Go(func() (err error) {
		if sumThere, err = imageSum(gctx, j.Target, chain); err != nil {
			err = fmt.Errorf("reading what the target has of it: %w", err)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return "", err
	}
	got.image, got.same = &sum, sum == sumThere
	if !got.same {
		return fmt.Sprintf("its image is another, sha256 %x and not %x", sumThere, sum), nil
	}
	return "", nil
}

// chainHere is what the source needs to restore the last of line.
func (j *Job) chainHere(line []driverstate.ShipItem) driverstate.Chain {
	if !isChunked(j.Source) {
		line = line[len(line)-1:] // each can be read alone
	}
	chain := make(driverstate.Chain, len(line))
	for i := range line {
		at := line[i].At
		at.EncryptionKeyID = line[i].Row.EncryptionKeyID // which no store knows, and would warn of
		chain[i] = &at
	}
	return chain
}

// copy writes the last of line to the target as to. remains is what the target
// has of it, nil for nothing.
func (j *Job) copy(ctx context.Context, line []driverstate.ShipItem, to *driverstate.Backup, remains *driverstate.Found, got *arrival) error {
	if remover, ok := j.Target.(driverstate.PartialRemover); ok && remains != nil {
		if err := remover.RemovePartial(ctx, to); err != nil {
			return fmt.Errorf("what is left at the target of an earlier copy: %w", err)
		}
	}
	if keeper, ok := j.Target.(driverstate.RecordKeeper); ok {
		r, err := driverstate.EncodeRecord(to, nil)
		if err == nil {
			err = keeper.KeepRecord(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	item := line[len(line)-1]
	s, t, err := chunkedOf(j.Source, &item.At, j.Target, to)
	if err != nil {
		return err
	}
	var stored driverstate.Stored
	if s != nil && !j.Request.Flatten {
		var o chunked.CopyOptions
		if j.Request.Compression != "" {
			if o.Compression, err = chunked.ParseCompression(j.Request.Compression); err != nil {
				return err
			}
		}
		var copied chunked.Copied
		copied, err = t.CopyFrom(ctx, s, &item.At, to, o, j.Observer)
		stored, got.warnings = copied.Stored, copied.Warnings
	} else {
		stored, err = j.relay(ctx, line, to, got)
	}
	if err != nil {
		return err
	}
	got.row.ObjectCount, got.Objects = stored.ObjectCount, stored.ObjectCount
	got.Bytes = stored.Bytes
	if j.Landing != nil && isChunked(j.Target) {
		got.Bytes, got.Kept = j.Landing.take()
	}
	return nil
}

// relay restores the last of line into a new backup. What a failure leaves in a
// chunked store is no backup, and the next try keeps what of it is right. In
// another store it is removed, unless somebody else was found to be writing it.
func (j *Job) relay(ctx context.Context, line []driverstate.ShipItem, to *driverstate.Backup, got *arrival) (driverstate.Stored, error) {
	var parent *driverstate.Backup
	if to.ParentID != "" {
		found, err := j.Target.(driverstate.Scanner).Inspect(ctx, &driverstate.Backup{ID: to.ParentID, ProjectID: to.ProjectID})
		if err != nil {
			return driverstate.Stored{}, fmt.Errorf("its parent at the target: %w", err)
		}
		parent = &found.Backup
	}
	var sum hash.Hash
	if j.readsBack() {
		sum = sha256.New()
	}
	stored, warnings, err := relay(ctx, j.Source, j.chainHere(line), j.Target, to, parent, sum, renamed{j.Observer})
	got.warnings = named(to.ID, warnings)
	if err == nil && sum != nil {
		got.image = (*digest)(sum.Sum(nil))
	}
	if err == nil || isChunked(j.Target) || errors.Is(err, driverstate.ErrConflict) {
		return stored, err
	}
	return stored, errors.Join(err, j.clean(ctx, to))
}

// clean removes what this shipment has made at a target.
func (j *Job) clean(ctx context.Context, to *driverstate.Backup) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	return j.Target.Delete(ctx, to)
}

// named puts the id of a backup before warnings.
func named(id string, warnings []string) []string {
	var out []string
	for _, w := range warnings {
		out = append(out, "backup "+id+": "+w)
	}
	return out
}

// renamed tells of a backup that is part of a shipment as of that.
type renamed struct{ to driverstate.Observer }

// Observe passes e on.
func (r renamed) Observe(e driverstate.Event) {
	e.Op = "ship"
	r.to.Observe(e)
}
