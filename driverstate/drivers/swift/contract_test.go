package swift_test

import (
	"testing"

	"github.com/cinder-go/cinder-go/driverstate/drivers/drivertest"
	"github.com/cinder-go/cinder-go/driverstate/drivers/swift"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

func TestSwiftStoreKeepsTheContract(t *testing.T) {
	c := config(t)
	storetest.Run(t, storetest.Harness{
		Slashes: true, KeepsEmpty: true,
		Open: func(t *testing.T) objectstore.Store { return openStore(t, c, project(t)) },
	})
}

func TestSwiftDriverKeepsTheContract(t *testing.T) {
	c := config(t)
	drivertest.Run(t, drivertest.Harness{New: func(t *testing.T) drivertest.Store { return newAccount(t, c) }})
}

var _ drivertest.Store = (*account)(nil)
var _ objectstore.Store = (*swift.Store)(nil)
