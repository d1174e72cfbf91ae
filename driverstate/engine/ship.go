package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/ship"
	"github.com/cinder-go/cinder-go/driverstate/tape"
)

// Variables for what the URL of the store that is shipped to leaves open. Those
// of the engine's own store are not taken for it: the secrets of two stores
// differ, and whoever asks for a shipment names the server that gets them.
const toEnv = "CINDER_GO_TO_"

// shipper carries out shipments: it opens the other store.
type shipper struct {
	c    Config
	log  *slog.Logger
	pipe *tape.Pipe // what goes to file:- while the engine runs; nil where nothing may
}

func newShipper(c Config, log *slog.Logger) *shipper {
	s := &shipper{c: c, log: log}
	if c.Stdout != nil {
		s.pipe = tape.NewPipe(c.Stdout, c.Now, log)
	}
	return s
}

// Close ends the tape in the pipe, if one was begun.
func (s *shipper) Close() error {
	if s.pipe == nil {
		return nil
	}
	return s.pipe.Close()
}

// ship is manager.Config.Ship.
func (s *shipper) ship(ctx context.Context, source driverstate.Driver, r driverstate.ShipRequest, line []driverstate.ShipItem, obs driverstate.Observer) (out driverstate.ShipResult, err error) {
	if r.Mode == driverstate.ShipCompare {
		return s.compare(ctx, source, r, obs)
	}
	landing := ship.NewLanding(r.Verify)
	target, err := s.target(ctx, r, landing)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := ready(ctx, target, r.To); err != nil {
		return out, advised(err)
	}
	job := &ship.Job{Source: source, Target: target, Landing: landing, Request: r, Observer: obs}
	return job.Ship(ctx, line)
}

func (s *shipper) compare(ctx context.Context, a driverstate.Driver, r driverstate.ShipRequest, obs driverstate.Observer) (out driverstate.ShipResult, err error) {
	if r.From != "" {
		if a, err = s.reading(ctx, r.From, s.first(r.From)); err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, a.Close()) }()
	}
	b, err := s.reading(ctx, r.To, s.other())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	depth := r.Depth
	if depth == "" {
		depth = driverstate.DepthStructure
	}
	return ship.Compare(ctx, a, b, depth, obs)
}

// other is the environment for a store that a request names: never the
// secrets of the engine's own stores, nor, of one that is served, any that were
// not put there for shipments.
func (s *shipper) other() drivers.Options {
	o := drivers.Options{Env: s.c.Env, EnvPrefixes: []string{toEnv}, ToolEnv: drivers.ToolEnvTogether}
	if s.c.Listen != "" {
		o.ToolEnv = drivers.ToolEnvNone
	}
	return o
}

// first is the environment for the first store of a comparison: that of the
// engine's own when it is one of them, or when nobody else can ask.
func (s *shipper) first(url string) drivers.Options {
	for _, own := range s.c.Stores {
		if own.URL == url {
			return drivers.Options{Env: s.c.Env, EnvPrefixes: own.envPrefixes()}
		}
	}
	if s.c.Listen == "" {
		return drivers.Options{Env: s.c.Env}
	}
	return s.other()
}

// reading opens a store to be read, with the environment of o.
func (s *shipper) reading(ctx context.Context, url string, o drivers.Options) (driverstate.Driver, error) {
	tuning, err := s.c.tuning()
	if err != nil {
		return nil, err
	}
	o.ReadOnly, o.Workers, o.Tuning, o.Logger, o.Stdin = true, s.c.Workers, tuning, s.log, s.c.Stdin
	store, err := s.parse(url, o)
	if err != nil {
		return nil, err
	}
	d, err := store.Open(o)
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, d, url); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// target opens the store that is shipped to.
func (s *shipper) target(ctx context.Context, r driverstate.ShipRequest, landing *ship.Landing) (driverstate.Driver, error) {
	tuning, err := s.c.tuning()
	if err != nil {
		return nil, err
	}
	o := s.other()
	o.Workers, o.Tuning, o.Logger, o.Limit = s.c.Workers, tuning, s.log, objectstore.NewLimiter(r.BytesPerSec)
	o.Wrap = wrapping(landing, o.Limit)
	store, err := s.parse(r.To, o)
	if err != nil {
		return nil, err
	}
	if store.Module == "ceph" && r.Compression != "" {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "images in ceph are not compressed")
	}
	if r.Compression != "" {
		store.Values["backup_compression_algorithm"] = r.Compression
	}
	if store.Module == "file" {
		return s.tape(ctx, store, r, o)
	}
	if r.VolumeSize != 0 {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, "volume sizes are for tapes, such as file:///srv/x.cbk")
	}
	d, err := store.Open(o)
	return d, advised(err)
}

// advised says which variables are a target's: the drivers name those of one's
// own store.
func advised(err error) error {
	if errors.Is(err, driverstate.ErrInvalidInput) {
		return fmt.Errorf("%w; beside the URL that is shipped to, variables are %s<PARAMETER>, such as %sKEY or %sOS_PASSWORD", err, toEnv, toEnv, toEnv)
	}
	return err
}

// wrapping is what the target's store wears.
func wrapping(landing *ship.Landing, limit objectstore.Limiter) func(objectstore.Store) objectstore.Store {
	faults := wrapStore()
	return func(store objectstore.Store) objectstore.Store {
		if faults != nil {
			store = faults(store)
		}
		return landing.Wrap(objectstore.Limit(store, limit))
	}
}

// tape opens the tape that is written.
func (s *shipper) tape(ctx context.Context, store drivers.Store, r driverstate.ShipRequest, o drivers.Options) (driverstate.Driver, error) {
	if r.VolumeSize != 0 {
		store.Values["tape_volume_size"] = strconv.FormatInt(r.VolumeSize, 10)
	}
	c, err := tape.NewConfig(store.Values)
	if err != nil {
		return nil, err
	}
	c.Append, c.Logger, c.Wrap, c.Now, c.Tuning = true, o.Logger, o.Wrap, s.c.Now, store.Tuned(o.Tuning)
	if store.Pipe() {
		if c.Out = s.pipe; c.Out == nil {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, "a tape is written to a pipe by --standalone alone, to its standard output")
		}
	}
	return tape.New(ctx, c)
}

// ready sets up a store.
func ready(ctx context.Context, d driverstate.Driver, url string) error {
	err := d.DoSetup(ctx)
	if err == nil {
		err = d.CheckForSetupError(ctx)
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", url, err)
	}
	return nil
}
