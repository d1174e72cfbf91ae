package manager

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/db"
)

// restoreArgs are the arguments of a JobRestore.
type restoreArgs struct {
	driverstate.RestoreOptions
	Map     string `json:"map,omitempty"` // as RestoreRequest.Map
	OfError bool   `json:"of_error,omitempty"`
}

// readRestoreArgs reads those of j; none are their zero value.
func readRestoreArgs(j db.Job) (a restoreArgs, err error) {
	if len(j.Args) == 0 {
		return a, nil
	}
	if err = json.Unmarshal(j.Args, &a); err != nil {
		err = fmt.Errorf("job %d: arguments of a restore: %w", j.ID, err)
	}
	return a, err
}

// mark notes on v what is to become of a part of its restore, and whether the
// backup was error.
func (a restoreArgs) mark(v *driverstate.Volume) {
	for _, key := range []string{metaResume, metaRestoreKept, metaRestoreWritten, metaRestoreFilled, metaOfError} {
		delete(v.Metadata, key)
	}
	set := func(key string, wanted bool) {
		if !wanted {
			return
		}
		if v.Metadata == nil {
			v.Metadata = map[string]string{}
		}
		v.Metadata[key] = "true"
	}
	set(metaResume, a.Resume)
	set(metaOfError, a.OfError)
}

// intent is the entry of the restore.
func (a restoreArgs) intent() string {
	if a.OfError {
		return intentSalvage
	}
	return intentRestore
}

func restoreAction(o driverstate.RestoreOptions) driverstate.Action {
	if o.Salvage {
		return driverstate.ActionSalvage
	}
	return driverstate.ActionRestore
}

// restoredAction is how the restore j ends for its backup, which is as good as
// before.
func restoredAction(j db.Job) driverstate.Action {
	if a, err := readRestoreArgs(j); err == nil && a.OfError {
		return driverstate.ActionSalvageDone
	}
	return driverstate.ActionRestoreDone
}

// targetSize is how many bytes the target of a restore to v has room for. A
// file of the operator's that gets a part of an image only becomes as long as
// that part, whatever the size of the volume; 0.
func targetSize(v *driverstate.Volume, o driverstate.RestoreOptions) int64 {
	if v.Managed && o.Partial() {
		return 0
	}
	return v.Size << 30
}

// checkMap refuses to salvage where there is no place for the map of the holes:
// v is nil for a volume that is to be made.
func (m *Manager) checkMap(v *driverstate.Volume, r driverstate.RestoreRequest) error {
	switch {
	case !r.Options.Salvage && r.Map == "":
		return nil
	case !r.Options.Salvage:
		return driverstate.Fail(driverstate.ErrInvalidInput, "a map is of what is salvaged")
	case m.cfg.WriteMap == nil, v == nil, !v.Managed, v.Path == stdoutPath:
		return driverstate.Fail(driverstate.ErrInvalidInput, "to salvage takes a file or device under management as its target")
	case r.Map != "" && (!filepath.IsAbs(r.Map) || filepath.Clean(r.Map) != r.Map || r.Map == v.Path || r.Map == v.Path+".partial"):
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("map %q is not a clean absolute path of its own", r.Map))
	}
	return m.checkMapPath(v, r.Map)
}

// checkMapPath refuses a path to which the map of what is salvaged to v could
// not be written.
func (m *Manager) checkMapPath(v *driverstate.Volume, path string) error {
	path = mapPath(v, path)
	if err := m.checkTargetDir(path); err != nil {
		return err
	}
	return m.cfg.CheckMap(path)
}

// mapPath is where the map of what is salvaged to v lies.
func mapPath(v *driverstate.Volume, path string) string {
	if path == "" {
		return v.Path + ".map"
	}
	return path
}

// writeMap writes the map of what was salvaged to target. Where that fails
// nevertheless, what was read and proven is kept.
func (m *Manager) writeMap(v *driverstate.Volume, path string, target Target, done driverstate.Restored) error {
	path = mapPath(v, path)
	err := m.checkTargetDir(path)
	if err == nil {
		err = m.cfg.WriteMap(path, done.Length, done.Holes)
	}
	if err != nil {
		err = fmt.Errorf("%w; what was salvaged is kept in %s, and a restore that resumes goes on from it", err, target.Keep())
	}
	return err
}

// incomplete says what a restore had to leave out; nil for nothing.
func incomplete(v *driverstate.Volume, path string, done driverstate.Restored) error {
	if len(done.Holes) == 0 {
		return nil
	}
	var lost int64
	for _, h := range done.Holes {
		lost += h.Length
	}
	return driverstate.Fail(driverstate.ErrIncomplete, fmt.Sprintf(
		"restored in part: %d of %d bytes could not be proven and read as zeros, in %d ranges that %s lists; %d bytes were had from other objects",
		lost, done.Length, len(done.Holes), mapPath(v, path), done.BytesFilled))
}
