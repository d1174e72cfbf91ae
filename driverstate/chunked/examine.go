package chunked

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// Look is one step of an examination that is still to be taken.
type Look struct {
	Name, Advice string
	// Advise, if not nil, knows better than Advice what err may be about; empty
	// when it does not.
	Advise func(err error) string
	// See returns what was seen.
	See func(ctx context.Context) (detail string, err error)
}

// Examine takes the steps in order, up to the first that fails.
func Examine(ctx context.Context, looks []Look) iter.Seq[driverstate.Step] {
	return func(yield func(driverstate.Step) bool) {
		for _, l := range looks {
			detail, err := l.See(ctx)
			step := driverstate.Step{Name: l.Name, Detail: detail, Err: storeError(err)}
			if err != nil {
				step.Advice = l.Advice
				if l.Advise != nil {
					step.Advice = cmp.Or(l.Advise(err), l.Advice)
				}
			}
			if !yield(step) || err != nil {
				return
			}
		}
	}
}

// Looks are the steps container, list, read and write, on the container of
// backups that name none. Advice says what the store's owner may change.
func (d *Driver) Looks(o driverstate.ExamineOptions, advice string) []Look {
	x := &examined{d: d, container: d.layout.Container(&driverstate.Backup{}), write: o.Write}
	var looks []Look
	if d.layout.CheckContainer(x.container) == nil {
		looks = append(looks, Look{Name: "container", Advice: advice, See: x.lookContainer})
	} else {
		x.container = "" // each backup has its own
	}
	looks = append(looks, Look{Name: "list", Advice: advice, See: x.list}, Look{Name: "read", Advice: advice, See: x.read})
	if o.Write {
		looks = append(looks, Look{Name: "write", Advice: advice, See: x.writeRead})
	}
	return looks
}

// examined is a container under examination.
type examined struct {
	d         *Driver
	container string // that of new backups; empty when each has its own
	write     bool
	absent    bool
	document  string // prefix of a backup with a metadata document
	in        string // container of that
}

func (x *examined) lookContainer(ctx context.Context) (string, error) {
	for _, err := range x.d.store.List(ctx, x.container, "") {
		if x.absent = x.write && errors.Is(err, objectstore.ErrNoContainer); x.absent {
			return fmt.Sprintf("%s is not there; the first backup makes it", x.container), nil
		}
		if err != nil {
			return "", err
		}
		break
	}
	return x.container + " is there", nil
}

// enough is how many names of a listing are looked at: more than a page.
const enough = 2000

func (x *examined) list(ctx context.Context) (string, error) {
	if x.absent {
		return "there is nothing to list", nil
	}
	containers := func(yield func(string, error) bool) { yield(x.container, nil) }
	if x.container == "" {
		containers = x.d.store.Containers(ctx)
	}
	objects, backups := 0, 0
	for container, err := range containers {
		if err != nil {
			return "", err
		}
		for info, err := range x.d.store.List(ctx, container, "") {
			if err != nil {
				return "", err
			}
			if prefix, kind, _, ok := splitName(info.Name); ok && kind == kindMetadata {
				backups++
				x.document, x.in = prefix, container
			}
			if objects++; objects == enough {
				return fmt.Sprintf("%d backups among the first %d objects", backups, objects), nil
			}
		}
	}
	return fmt.Sprintf("%d objects, %d backups", objects, backups), nil
}

func (x *examined) read(ctx context.Context) (string, error) {
	if x.document == "" {
		return "there is no backup to read", nil
	}
	m, err := x.d.loadMetadata(ctx, x.in, x.document)
	if err != nil {
		return "", fmt.Errorf("object %s: %w", metadataName(x.document), err)
	}
	return "the metadata document of backup " + m.BackupID, nil
}

// checkName is the object that the write step writes and removes, and the
// container when each backup has its own: no name of a backup's.
const checkName = "cinder-go.driver-check"

// CleanTime bounds the removal of what the write step of an examination wrote,
// also one that was given up.
const CleanTime = 20 * time.Second

func (x *examined) writeRead(ctx context.Context) (string, error) {
	if x.container == "" {
		x.container, x.absent = checkName, true // one of its own, which is removed
	}
	if err := x.d.store.PutContainer(ctx, x.container); err != nil {
		if ctx.Err() != nil { // it may have been made
			err = errors.Join(err, x.remove(ctx))
		}
		return "", err
	}
	text := []byte("written by cinder-go driver-check\n")
	err := x.d.store.Put(ctx, x.container, checkName, bytes.NewReader(text), int64(len(text)))
	denied := errors.Is(err, objectstore.ErrForbidden)
	if err == nil {
		err = x.readBack(ctx, text)
	}
	removed := x.remove(ctx)
	if denied && errors.Is(removed, objectstore.ErrForbidden) {
		removed = nil // there is nothing to remove
	}
	if err := errors.Join(err, removed); err != nil {
		return "", err
	}
	return "object " + checkName + " was written, read back and removed", nil
}

// remove removes the object, which a Put that failed may have left, and the
// container if it was not there.
func (x *examined) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CleanTime)
	defer cancel()
	err := x.d.store.Delete(ctx, x.container, checkName)
	if x.absent {
		err = errors.Join(err, x.d.store.RemoveContainer(ctx, x.container))
	}
	if err != nil {
		return fmt.Errorf("object %s may be left in container %s: remove it: %w", checkName, x.container, err)
	}
	return nil
}

func (x *examined) readBack(ctx context.Context, text []byte) error {
	r, err := x.d.store.Get(ctx, x.container, checkName, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	back, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(back, text) {
		err = driverstate.Fail(driverstate.ErrCorrupt, "object "+checkName+" came back as other bytes than were written")
	}
	return err
}
