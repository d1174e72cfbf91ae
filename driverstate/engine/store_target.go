package engine

import (
	"fmt"
	"os"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers/remotefs"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// sparesStores is open that refuses to replace what a store of the engine holds:
// it may be the only copy, and part of the very backup that is restored. A new
// file there, and the engine's own volumes, harm nothing.
func sparesStores(open targetOpener, c Config, volumes string) targetOpener {
	places := storePlaces(c)
	return func(path string, o manager.TargetOptions) (manager.Target, error) {
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Size() > 0 && !within(path, []string{volumes}) && (within(path, places) || isOneOf(info, places)) {
			return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("what belongs to the store is not overwritten, name a new file: target %s", path))
		}
		return open(path, o)
	}
}

// storePlaces are the directories, and the tapes, that the stores are.
func storePlaces(c Config) []string {
	places := []string{remotefs.DefaultBase}
	for _, s := range c.Stores {
		values, err := s.values(c.Env)
		if err != nil {
			continue // nothing is restored from it
		}
		for _, option := range slices.Concat(placeOptions, []string{"backup_mount_point_base", "glusterfs_backup_mount_point"}) {
			if values[option] != "" {
				places = append(places, values[option])
			}
		}
	}
	return places
}

func isOneOf(info os.FileInfo, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		other, err := os.Stat(p)
		return err == nil && os.SameFile(info, other)
	})
}
