package storetest

import (
	"testing"

	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, Harness{
		Slashes: true, NestedContainers: true, KeepsEmpty: true,
		Open: func(*testing.T) objectstore.Store { return NewMemory() },
	})
}
