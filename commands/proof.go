package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// proof reads the data of backups on --store beside a cloud, which itself takes
// them unseen: Cinder calls a backup available without a look, and restores
// without comparing a checksum.
type proof struct {
	open   func(context.Context) (storeClient, func(context.Context) error, error)
	stores storeList // none: there is no store to look at
}

func (f *Factory) proof() proof { return proof{open: f.openStore, stores: f.g.stores} }

// wanted reports whether there is a store beside a cloud.
func (p *proof) wanted(remote bool) bool { return remote && !p.stores.none() }

// read reads every byte of the backups, one after the other, and returns what
// is wrong, by id. Those that are whole are not in it.
func (p *proof) read(ctx context.Context, backups []client.Backup) (wrong map[string]error, err error) {
	c, end, err := p.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", p.stores, err)
	}
	defer func() { err = errors.Join(err, end(context.WithoutCancel(ctx))) }()
	wrong = map[string]error{}
	for _, b := range backups {
		v, err := c.Verify(ctx, b.ID, driverstate.DepthData)
		switch {
		case ctx.Err() != nil:
			return wrong, ctx.Err()
		case errors.Is(err, driverstate.ErrNotFound):
			wrong[b.ID] = backupError(b.ID, driverstate.ErrCorrupt, "not asked for: the store %s holds nothing of it", p.stores)
		case err != nil:
			return wrong, fmt.Errorf("store %s: %w", p.stores, err)
		case v.Condition != driverstate.ConditionWhole:
			wrong[b.ID] = withHint(backupError(b.ID, driverstate.ErrCorrupt, "not asked for: on the store it is %s: %s", v.Condition, v.Reason),
				fmt.Sprintf("cinder-go --standalone %s backup-verify %s -f json tells what is damaged, object by object", p.stores.flags(), b.ID))
		}
	}
	return wrong, nil
}
