package ship

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// cleanTime bounds the removal of what a failed shipment left.
const cleanTime = time.Minute

// The stores of a Difference.
const (
	first  = "first"
	second = "second"
	both   = "both"
)

var stores = []string{first, second}

// Compare says in which backups two stores differ: those that only one of them
// has, those that are not whole in one, and those whose objects hold other
// data, by their documents. At DepthData all data of both is read and proven as
// well. A chain in the one and its flattened image in the other are equal.
func Compare(ctx context.Context, a, b driverstate.Driver, d driverstate.Depth, obs driverstate.Observer) (driverstate.ShipResult, error) {
	c := &comparison{a: a, b: b, depth: d, obs: obs}
	var err error
	if c.as, err = scan(ctx, a); err != nil {
		return c.out, fmt.Errorf("first store: %w", err)
	}
	if c.bs, err = scan(ctx, b); err != nil {
		return c.out, fmt.Errorf("second store: %w", err)
	}
	return c.out, c.run(ctx)
}

type comparison struct {
	a, b   driverstate.Driver
	as, bs map[string]*driverstate.Found
	depth  driverstate.Depth
	obs    driverstate.Observer
	out    driverstate.ShipResult
}

// scan returns what a store holds, linked.
func scan(ctx context.Context, d driverstate.Driver) (map[string]*driverstate.Found, error) {
	scanner, ok := d.(driverstate.Scanner)
	if !ok {
		return nil, driverstate.Fail(driverstate.ErrNotSupported, "driver "+d.Service()+" cannot find backups by itself")
	}
	var all []driverstate.Found
	for f, err := range scanner.Scan(ctx, "") {
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	driverstate.LinkChains(all)
	byID := make(map[string]*driverstate.Found, len(all))
	for i := range all {
		byID[all[i].Backup.ID] = &all[i]
	}
	return byID, nil
}

func (c *comparison) run(ctx context.Context) error {
	ids := map[string]bool{}
	for id := range c.as {
		ids[id] = true
	}
	for id := range c.bs {
		ids[id] = true
	}
	event := driverstate.Event{Op: "compare", ObjectsTotal: len(ids)}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		event.Type, event.BackupID, event.Time = driverstate.EventProgress, "", time.Now()
		c.obs.Observe(event)
		if err := c.one(ctx, id); err != nil {
			return fmt.Errorf("backup %s: %w", id, err)
		}
		event.ObjectsDone++
	}
	return nil
}

func (c *comparison) differ(id, store, reason string) {
	c.out.Differences = append(c.out.Differences, driverstate.Difference{BackupID: id, Store: store, Reason: reason})
}

func (c *comparison) one(ctx context.Context, id string) error {
	a, b := c.as[id], c.bs[id]
	switch {
	case a == nil:
		c.differ(id, first, "missing")
		return nil
	case b == nil:
		c.differ(id, second, "missing")
		return nil
	}
	c.out.Compared++
	broken := false
	for i, f := range []*driverstate.Found{a, b} {
		if f.Condition != driverstate.ConditionWhole {
			c.differ(id, stores[i], fmt.Sprintf("%s: %s", f.Condition, f.Reason))
			broken = true
		}
	}
	if broken {
		return nil
	}
	how, sure, err := c.documents(ctx, a, b)
	if err != nil {
		return err
	}
	if how != "" {
		c.differ(id, both, how)
		return nil
	}
	if c.depth == driverstate.DepthData {
		if ok, err := c.data(ctx, a, b, sure); err != nil || !ok {
			return err
		}
	} else if !sure {
		c.out.Warnings = append(c.out.Warnings, "backup "+id+": only its data can tell whether the stores have the same: compare with depth data")
	}
	c.out.Equal++
	return nil
}

// documents compares by what the documents say; sure is false where they say
// nothing of the data.
func (c *comparison) documents(ctx context.Context, a, b *driverstate.Found) (how string, sure bool, err error) {
	ad, bd, err := chunkedOf(c.a, &a.Backup, c.b, &b.Backup)
	if err != nil {
		return "", false, err
	}
	if ad == nil {
		if a.Backup.VolumeID != b.Backup.VolumeID {
			return fmt.Sprintf("of volume %s, and of %s", a.Backup.VolumeID, b.Backup.VolumeID), true, nil
		}
		return "", false, nil
	}
	how, err = chunked.SameData(ctx, ad, &a.Backup, bd, &b.Backup)
	if err != nil || how == "" {
		return how, true, err
	}
	same, known, err := chunked.SameImage(ctx, ad, &a.Backup, bd, &b.Backup)
	switch {
	case err != nil:
		return "", false, err
	case same:
		c.out.Warnings = append(c.out.Warnings, "backup "+a.Backup.ID+": the same image in other objects: "+how)
		return "", true, nil
	}
	return how, known, nil
}

// data proves the data of both; where the documents do not tell that the images
// are the same, they are hashed.
func (c *comparison) data(ctx context.Context, a, b *driverstate.Found, sure bool) (bool, error) {
	var sums [2]digest
	for i, side := range []struct {
		d   driverstate.Driver
		all map[string]*driverstate.Found
		f   *driverstate.Found
	}{{c.a, c.as, a}, {c.b, c.bs, b}} {
		chain := chainOf(side.d, side.all, side.f)
		if !sure {
			sum, err := imageSum(ctx, side.d, chain)
			if errors.Is(err, driverstate.ErrCorrupt) {
				c.differ(side.f.Backup.ID, stores[i], fmt.Sprintf("%s: %v", driverstate.ConditionDamaged, err))
				return false, nil
			}
			if err != nil {
				return false, err
			}
			sums[i] = sum
			continue
		}
		verifier, ok := side.d.(driverstate.Verifier)
		if !ok {
			return false, driverstate.Fail(driverstate.ErrNotSupported, "driver "+side.d.Service()+" cannot verify")
		}
		report, err := verifier.Verify(ctx, chain, driverstate.DepthData, c.obs)
		if err != nil {
			return false, err
		}
		if report.Condition != driverstate.ConditionWhole {
			c.differ(side.f.Backup.ID, stores[i], fmt.Sprintf("%s: %s", report.Condition, report.Reason))
			return false, nil
		}
	}
	if sums[0] != sums[1] {
		c.differ(a.Backup.ID, both, fmt.Sprintf("the images differ: sha256 %x, and %x", sums[0], sums[1]))
		return false, nil
	}
	return true, nil
}

// chainOf is the chain of f, whole, as d needs it.
func chainOf(d driverstate.Driver, all map[string]*driverstate.Found, f *driverstate.Found) driverstate.Chain {
	chain := driverstate.Chain{&f.Backup}
	for at := f; at.Backup.ParentID != "" && isChunked(d); {
		at = all[at.Backup.ParentID]
		chain = append(driverstate.Chain{&at.Backup}, chain...)
	}
	return chain
}
