package commands

import (
	"context"
	"errors"
	"os"
)

// openStore returns a client of an engine on --store that only reads, beside
// the client of the cloud, and what ends it; a nil client when there is no
// --store. With --standalone it is the client of the target itself.
func (f *Factory) openStore(ctx context.Context) (storeClient, func(context.Context) error, error) {
	none := func(context.Context) error { return nil }
	if f.g.stores.none() {
		return nil, none, nil
	}
	if f.g.standalone {
		c, err := f.Client(ctx)
		return c, none, err
	}
	dir, err := os.MkdirTemp("", "cinder-go-store-")
	if err != nil {
		return nil, none, err
	}
	con := *f.con
	con.audit = nil // it writes nothing
	beside := &Factory{con: &con, env: f.env, now: f.now, prompt: f.prompt, g: f.g}
	beside.g.standalone, beside.g.readOnly, beside.g.stateDir, beside.g.database = true, true, dir, ""
	end := func(ctx context.Context) error { return errors.Join(beside.close(ctx), os.RemoveAll(dir)) }
	c, err := beside.Client(ctx)
	if err != nil {
		return nil, none, errors.Join(err, end(ctx))
	}
	return c, end, nil
}
