package s3_test

import (
	"testing"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	for _, s := range both {
		t.Run(s.name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				Open:    func(t *testing.T) objectstore.Store { return open(t, s.emptyAccount(t)) },
				Slashes: true, KeepsEmpty: true,
			})
		})
	}
}
