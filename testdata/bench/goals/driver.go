package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/volume"
)

// driverSpec is a restore without the engine.
type driverSpec struct {
	Store   string   `json:"store"`
	Backups []string `json:"backups"` // the chain, the full one first
	To      string   `json:"to"`
}

// driverRestore restores in a process that does nothing else. Its time is that
// of the driver's call and of making the file good.
func (l *lab) driverRestore(st *store) (sample, error) {
	to := l.work("restored")
	defer os.Remove(to)
	var took float64
	u, err := l.again("driver", driverSpec{Store: "posix://" + st.dir, Backups: st.backups, To: to}, &took)
	return l.restored(sample{took: time.Duration(took * float64(time.Second)), peak: u.Peak}, err, to, st.image)
}

func restoreAlone(ctx context.Context, text []byte) (any, error) {
	var s driverSpec
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	driver, err := drivers.Open(s.Store, drivers.Options{})
	if err != nil {
		return nil, err
	}
	defer driver.Close()
	if err := driver.DoSetup(ctx); err != nil {
		return nil, err
	}
	var chain driverstate.Chain
	for _, id := range s.Backups {
		found, err := driver.(driverstate.Scanner).Inspect(ctx, &driverstate.Backup{ID: id})
		if err != nil {
			return nil, err
		}
		chain = append(chain, &found.Backup)
	}
	began := time.Now()
	target, err := volume.OpenTarget(filepath.Clean(s.To), volume.TargetOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := driver.Restore(ctx, chain, target, driverstate.RestoreOptions{}, driverstate.Discard); err != nil {
		return nil, errors.Join(fmt.Errorf("restore: %w", err), target.Close())
	}
	if err := errors.Join(target.Sync(), target.Commit(), target.Close()); err != nil {
		return nil, err
	}
	return time.Since(began).Seconds(), nil
}
