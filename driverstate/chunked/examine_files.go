package chunked

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/cinder-go/cinder-go/driverstate"
)

// leastFree is how many bytes a file system must have free to be called well.
const leastFree = 64 << 20

var _ driverstate.Examiner = (*Driver)(nil)

// Examine implements driverstate.Examiner: configuration, directory or
// credentials, space, and Looks. A driver whose server has more to look at has
// an examination of its own.
func (d *Driver) Examine(ctx context.Context, o driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	looks := []Look{{Name: "configuration", See: func(context.Context) (string, error) {
		return fmt.Sprintf("%s, %d bytes per object, compression %s", d.cfg.Service, d.cfg.ObjectSize, d.cfg.Compression), nil
	}}}
	if d.cfg.Space != nil {
		directory := Look{Name: "directory", Advice: "make the directory, mount what should be there, or correct the option; give this user the right to read it", See: d.usable}
		return Examine(ctx, slices.Concat(looks, []Look{directory}, d.FileLooks(o)))
	}
	looks = append(looks, Look{Name: "credentials", Advice: "see whether the options name the server, and a user that it knows", See: d.usable})
	return Examine(ctx, slices.Concat(looks, d.Looks(o, right)))
}

// right is the advice for a store whose user may do too little.
const right = "give the user the right to read and, for new backups, to write"

// FileLooks are the steps space and Looks of a store whose Space is known: a
// file system, whose root is there.
func (d *Driver) FileLooks(o driverstate.ExamineOptions) []Look {
	space := Look{Name: "space", Advice: "delete backups that are not needed, or give the file system more room", See: d.space}
	return append([]Look{space}, d.Looks(o, right+", and mount the file system for writing; a container that is not there is made by the first backup")...)
}

func (d *Driver) usable(ctx context.Context) (string, error) { return "", d.CheckForSetupError(ctx) }

func (d *Driver) space(context.Context) (string, error) {
	free, total, err := d.cfg.Space()
	if err != nil {
		return "", err
	}
	if free < min(d.cfg.ObjectSize, leastFree) {
		return "", driverstate.Fail(driverstate.ErrOverLimit, fmt.Sprintf("only %d KiB are free", free>>10))
	}
	return fmt.Sprintf("%d of %d MiB are free", free>>20, total>>20), nil
}
