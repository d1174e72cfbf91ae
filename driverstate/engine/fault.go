package engine

import (
	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/fault/wrap"
	"github.com/cinder-go/cinder-go/driverstate/manager"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// arm has the process killed at the fault point that c names, and says so. Not
// armed, an engine has no wrapper around anything.
func arm(c *Config) error {
	if c.Fault == "" {
		return nil
	}
	if err := fault.Arm(c.Fault); err != nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, err.Error())
	}
	if c.Logger != nil {
		c.Logger.Warn("this process will kill itself", "at", c.Fault, "because of", fault.Env)
	}
	return nil
}

func wrapDB(d db.DB) db.DB {
	if fault.Armed() {
		return wrap.DB(d)
	}
	return d
}

// wrapStore is what drivers.Options take.
func wrapStore() func(objectstore.Store) objectstore.Store {
	if fault.Armed() {
		return wrap.Store
	}
	return nil
}

type targetOpener = func(string, manager.TargetOptions) (manager.Target, error)

func wrapTargets(open targetOpener) targetOpener {
	if fault.Armed() {
		return wrap.Targets(open)
	}
	return open
}
