package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
)

// Examine implements driverstate.Examiner: configuration, credentials,
// container, list, read, write, space.
func (d *Driver) Examine(ctx context.Context, o driverstate.ExamineOptions) iter.Seq[driverstate.Step] {
	return func(yield func(driverstate.Step) bool) {
		var images []*image
		steps := []struct {
			name, advice string
			look         func() (string, error)
		}{
			{"configuration", "backup_ceph_conf must be a Ceph configuration file that this user can read, and package ceph-common must be installed", d.examineConfig},
			{"credentials", fmt.Sprintf("the keyring of client.%s must be where %s says and this user must be able to read it", d.cfg.User, d.cfg.Conf), func() (string, error) {
				return d.examineCredentials(ctx)
			}},
			{"container", fmt.Sprintf("make the pool (ceph osd pool create %s; rbd pool init %s) and let client.%s use it: osd 'profile rbd pool=%s'", d.cfg.Pool, d.cfg.Pool, d.cfg.User, d.cfg.Pool), func() (string, error) {
				names, err := d.names(ctx, d.cfg.Pool)
				return fmt.Sprintf("pool %s has %d images", d.cfg.Pool, len(names)), err
			}},
			{"list", "an image that cannot be opened can be looked at with rbd info", func() (detail string, err error) {
				images, err = d.images(ctx, d.cfg.Pool)
				return describeImages(images), err
			}},
			{"read", fmt.Sprintf("client.%s needs osd 'profile rbd pool=%s', or 'profile rbd-read-only' for reading alone", d.cfg.User, d.cfg.Pool), func() (string, error) {
				return d.examineRead(ctx, images)
			}},
			{"write", fmt.Sprintf("client.%s needs osd 'profile rbd pool=%s'", d.cfg.User, d.cfg.Pool), func() (string, error) {
				return d.examineWrite(ctx)
			}},
			{"space", "ceph df tells what fills the cluster", func() (string, error) { return d.examineSpace(ctx) }},
		}
		for _, s := range steps {
			if s.name == "write" && !o.Write {
				continue
			}
			detail, err := s.look()
			step := driverstate.Step{Name: s.name, Detail: detail, Err: err}
			if err != nil {
				step.Detail, step.Advice = "", s.advice
			}
			if !yield(step) || err != nil {
				return
			}
		}
	}
}

func (d *Driver) examineConfig() (string, error) {
	for _, program := range []string{"rbd", "rados"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", notStarted(call{program: program}, err)
		}
	}
	f, err := os.Open(d.cfg.Conf)
	if err != nil {
		return "", invalid("backup_ceph_conf: %v", err)
	}
	return fmt.Sprintf("%s, user client.%s, pool %s", d.cfg.Conf, d.cfg.User, d.cfg.Pool), f.Close()
}

// examineCredentials connects: a pool that is not there is the next step's.
func (d *Driver) examineCredentials(ctx context.Context) (string, error) {
	_, err := d.names(ctx, d.cfg.Pool)
	if noPool(err) {
		err = nil
	}
	return "the cluster knows client." + d.cfg.User, err
}

func describeImages(images []*image) string {
	snaps, faults := 0, 0
	for _, i := range images {
		snaps += len(i.snaps)
		if i.fault != "" {
			faults++
		}
	}
	return fmt.Sprintf("%d backup images with %d snapshots of backups, %d that cannot be opened", len(images), snaps, faults)
}

// examineRead asks for the extents of the first image that can be opened.
func (d *Driver) examineRead(ctx context.Context, images []*image) (string, error) {
	for _, i := range images {
		if i.fault != "" {
			continue
		}
		o := opened{sighting: sighting{pool: d.cfg.Pool, place: place{image: i}}}
		if len(i.snaps) > 0 {
			o.place.snap = &i.snaps[0]
		}
		return "extents of " + o.place.at(o.pool), d.checkExtents(ctx, o)
	}
	return "there is no backup to read", nil
}

// checkObject is what the write step writes and removes.
const checkObject = "cinder-go.driver-check"

func (d *Driver) examineWrite(ctx context.Context) (detail string, err error) {
	text := fmt.Sprintf("cinder-go driver-check %s\n", d.now().UTC())
	to := call{program: "rados", verb: "put", pool: d.cfg.Pool, args: []string{checkObject, "-"}}
	err = d.cluster.write(ctx, to, func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		if ctx.Err() != nil { // it may have been written; what is not there is an error
			_ = d.examineRemove(ctx)
		}
		return "", err
	}
	back, err := d.cluster.text(ctx, call{program: "rados", verb: "get", pool: d.cfg.Pool, args: []string{checkObject, "-"}}, maxMeta)
	if err == nil && string(back) != text {
		err = driverstate.Fail(driverstate.ErrCorrupt, "object "+checkObject+" came back as other bytes than were written")
	}
	return "object " + checkObject + " was written, read back and removed", errors.Join(err, d.examineRemove(ctx))
}

// examineRemove removes what the write step wrote, also of one that was given up.
func (d *Driver) examineRemove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunked.CleanTime)
	defer cancel()
	return d.cluster.run(ctx, call{program: "rados", verb: "rm", pool: d.cfg.Pool, args: []string{checkObject}})
}

func (d *Driver) examineSpace(ctx context.Context) (string, error) {
	raw, err := d.cluster.text(ctx, call{program: "rados", verb: "df", pool: d.cfg.Pool, args: []string{"--format", "json"}}, maxMeta)
	if err != nil {
		return "", err
	}
	var df struct {
		Available int64 `json:"total_avail"` // KiB
		Total     int64 `json:"total_space"`
	}
	if err := json.Unmarshal(raw, &df); err != nil {
		return "", fmt.Errorf("rados df: %w", err)
	}
	return fmt.Sprintf("%d of %d MiB of the cluster are free, before replicas", df.Available>>10, df.Total>>10), nil
}
