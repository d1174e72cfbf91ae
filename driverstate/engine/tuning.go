package engine

import (
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// tuning is what the drivers are told of the machine.
func (c *Config) tuning() (chunked.Tuning, error) {
	level, err := chunked.ParseLevel(c.Level)
	return chunked.Tuning{Memory: c.Memory, Level: level}, err
}

// wrapStore is what drivers.Options take: the faults of a test around the
// store, and the limit around those.
func (c *Config) wrapStore(limit objectstore.Limiter) func(objectstore.Store) objectstore.Store {
	faults := wrapStore()
	if limit == nil {
		return faults
	}
	return func(s objectstore.Store) objectstore.Store {
		if faults != nil {
			s = faults(s)
		}
		return objectstore.Limit(s, limit)
	}
}
