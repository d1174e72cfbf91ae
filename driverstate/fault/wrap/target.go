package wrap

import (
	"io"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/fault"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// Targets puts a point after every step of the targets that open opens.
func Targets(open func(string, manager.TargetOptions) (manager.Target, error)) func(string, manager.TargetOptions) (manager.Target, error) {
	return func(path string, o manager.TargetOptions) (manager.Target, error) {
		t, err := open(path, o)
		if err != nil {
			return nil, err
		}
		fault.Point("target.open")
		if from, ok := t.(driverstate.Readable); ok {
			return readable{target{t}, from}, nil
		}
		return target{t}, nil
	}
}

type target struct{ manager.Target }

// readable is a target that may hold something already.
type readable struct {
	target
	io.ReaderAt
}

func (t target) Begin(length int64) error {
	return after("target.begin", t.Target.Begin(length))
}

func (t target) WriteAt(p []byte, off int64) (int, error) {
	n, err := t.Target.WriteAt(p, off)
	return n, after("target.write", err)
}

func (t target) Sync() error   { return after("target.sync", t.Target.Sync()) }
func (t target) Commit() error { return after("target.commit", t.Target.Commit()) }
func (t target) Abort() error  { return after("target.abort", t.Target.Abort()) }

// after passes a point if what came before it succeeded.
func after(point string, err error) error {
	if err == nil {
		fault.Point(point)
	}
	return err
}
