package ceph

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cinder-go/cinder-go/driverstate"
)

// snapshot is a snapshot that a backup may be.
type snapshot struct {
	name     string
	backupID string // empty when the name fits Cinder's pattern alone
	id       int64  // Ceph's own: grows with time on one image
	size     int64
	at       time.Time
}

// image is an RBD image with a backup image's name.
type image struct {
	name, volumeID, owner string
	// size is that of the image itself, which only who reads that needs; -1 as
	// long as it was not asked for.
	size   int64
	snaps  []snapshot // of backups, in the order they were made
	others []string   // snapshots that are none
	fault  string     // why it cannot be opened, if it cannot
}

func (i *image) of(id string) (own []*snapshot) {
	for n := range i.snaps {
		if i.snaps[n].backupID == id {
			own = append(own, &i.snaps[n])
		}
	}
	return own
}

func (i *image) add(name string, id, size int64) {
	backupID, at, ok := parseSnap(name)
	if !ok && !looseSnapForm().MatchString(name) {
		i.others = append(i.others, name)
		return
	}
	i.snaps = append(i.snaps, snapshot{name: name, backupID: backupID, id: id, size: size, at: at})
}

func (i *image) sort() {
	slices.SortFunc(i.snaps, func(a, b snapshot) int { return cmp.Compare(a.id, b.id) })
}

// maxNames bounds a list of the images of a pool: a million names.
const maxNames = 128 << 20

// names are the images of a pool, of backups or not.
func (d *Driver) names(ctx context.Context, pool string) ([]string, error) {
	raw, err := d.cluster.text(ctx, call{program: "rbd", verb: "ls", pool: pool, args: []string{"--format", "json"}}, maxNames)
	if err != nil {
		return nil, err
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil {
		return nil, fmt.Errorf("rbd ls %s: %w", pool, err)
	}
	return names, nil
}

// images are the backup images of a pool with their snapshots. One that cannot
// be opened has a fault.
func (d *Driver) images(ctx context.Context, pool string) ([]*image, error) {
	byName := map[string]*image{}
	listed := errors.New("not to its end")
	listing := d.cluster.read(ctx, call{program: "rbd", verb: "ls", pool: pool, args: []string{"--long", "--format", "json"}},
		func(r io.Reader) error {
			listed = readListing(r, byName)
			return listed
		})
	if listed != nil || ctx.Err() != nil || noPool(listing) {
		return nil, cmp.Or(listing, listed)
	}
	// An image that cannot be opened is left out, and may or may not make rbd
	// end with an error: the names tell.
	if err := d.addUnreadable(ctx, pool, byName); err != nil {
		return nil, err
	}
	var images []*image
	for _, i := range byName {
		i.sort()
		images = append(images, i)
	}
	slices.SortFunc(images, func(a, b *image) int { return strings.Compare(a.name, b.name) })
	return images, nil
}

// readListing reads the output of rbd ls --long, however long it is.
func readListing(r io.Reader, into map[string]*image) error {
	dec := json.NewDecoder(bufio.NewReader(r))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return badListing(err)
	}
	for dec.More() {
		var e struct {
			Image      string `json:"image"`
			Size       int64  `json:"size"`
			Snapshot   string `json:"snapshot"`
			SnapshotID int64  `json:"snapshot_id"`
		}
		if err := dec.Decode(&e); err != nil {
			return badListing(err)
		}
		volumeID, owner, ok := parseImage(e.Image)
		if !ok {
			continue
		}
		if e.Size < 0 {
			return badListing(fmt.Errorf("image %s of %d bytes", e.Image, e.Size))
		}
		i := into[e.Image]
		if i == nil {
			i = &image{name: e.Image, volumeID: volumeID, owner: owner, size: -1}
			into[e.Image] = i
		}
		if e.Snapshot == "" {
			i.size = e.Size
			continue
		}
		i.add(e.Snapshot, e.SnapshotID, e.Size)
	}
	if _, err := dec.Token(); err != nil {
		return badListing(err)
	}
	rest, err := io.ReadAll(io.LimitReader(io.MultiReader(dec.Buffered(), r), 16))
	if err != nil || strings.TrimSpace(string(rest)) != "" {
		return badListing(cmp.Or(err, fmt.Errorf("%q after its end", rest)))
	}
	return nil
}

func badListing(err error) error {
	if err == nil {
		err = errors.New("it is not a list")
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("rbd ls --long: %w", err)
}

// addUnreadable adds the images that rbd ls --long had to leave out, except for
// those that were removed meanwhile.
func (d *Driver) addUnreadable(ctx context.Context, pool string, into map[string]*image) error {
	names, err := d.names(ctx, pool)
	if err != nil {
		return err
	}
	faults := 0
	for _, name := range names {
		volumeID, owner, ok := parseImage(name)
		if !ok || into[name] != nil {
			continue
		}
		i := &image{name: name, volumeID: volumeID, owner: owner, size: -1}
		if err := d.describe(ctx, pool, i); err != nil {
			if ctx.Err() != nil {
				return err
			}
			i.fault = err.Error()
			faults++
		}
		into[name] = i
	}
	if faults == 0 {
		return nil
	}
	if names, err = d.names(ctx, pool); err != nil {
		return err
	}
	maps.DeleteFunc(into, func(name string, i *image) bool { return i.fault != "" && !slices.Contains(names, name) })
	return nil
}

// describe asks for the snapshots of an image.
func (d *Driver) describe(ctx context.Context, pool string, i *image) error {
	raw, err := d.cluster.text(ctx, call{program: "rbd", verb: "snap ls", pool: pool, image: i.name, args: []string{"--format", "json"}}, maxNames)
	if err != nil {
		return err
	}
	var list []struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
		Size int64  `json:"size"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("rbd snap ls %s/%s: %w", pool, i.name, err)
	}
	i.snaps, i.others = nil, nil
	for _, s := range list {
		i.add(s.Name, s.ID, s.Size)
	}
	i.sort()
	return nil
}

// imageInfo is what rbd info says of an image.
type imageInfo struct {
	Size    int64  `json:"size"`
	Created string `json:"create_timestamp"` // in C's form, UTC; absent on old clusters
}

func (d *Driver) info(ctx context.Context, pool, name string) (imageInfo, error) {
	var info imageInfo
	raw, err := d.cluster.text(ctx, call{program: "rbd", verb: "info", pool: pool, image: name, args: []string{"--format", "json"}}, 1<<20)
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(raw, &info); err != nil || info.Size < 0 {
		return info, fmt.Errorf("rbd info %s/%s: %w", pool, name, cmp.Or(err, fmt.Errorf("size %d", info.Size)))
	}
	return info, nil
}

// created is when the image was made; the zero time when that is not known.
func (i imageInfo) created() time.Time {
	at, err := time.ParseInLocation(time.ANSIC, i.Created, time.UTC)
	if err != nil {
		return time.Time{}
	}
	return at
}

// volumeImages are the backup images of one volume, of those that names lists.
func (d *Driver) volumeImages(ctx context.Context, pool, volumeID string, names []string) ([]*image, error) {
	var images []*image
	for _, name := range names {
		if v, owner, ok := parseImage(name); ok && v == volumeID {
			images = append(images, &image{name: name, volumeID: v, owner: owner, size: -1})
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(d.cfg.Workers)
	for _, i := range images {
		g.Go(func() error {
			err := d.describe(gctx, pool, i)
			if err != nil && gctx.Err() == nil {
				i.fault, err = err.Error(), nil
			}
			return err
		})
	}
	return images, g.Wait()
}

// lengthKey is the metadata of an image under which the exact length of a
// backup's volume stands, when it was not a whole number of GiB. Cinder's
// volumes are, and it can restore no image that is not.
func lengthKey(id string) string { return "cinder-go.length." + id }

// length is the exact length of backup id in an image of size bytes.
func (d *Driver) length(ctx context.Context, pool, name, id string, size int64) (int64, error) {
	raw, err := d.cluster.text(ctx, call{program: "rbd", verb: "image-meta list", pool: pool, image: name, args: []string{"--format", "json"}}, 1<<20)
	if err != nil {
		return 0, err
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return size, nil
	}
	var all map[string]string
	if err := json.Unmarshal(raw, &all); err != nil {
		return 0, fmt.Errorf("rbd image-meta list %s/%s: %w", pool, name, err)
	}
	text, ok := all[lengthKey(id)]
	if !ok {
		return size, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > size {
		return 0, driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf(
			"image %s/%s of %d bytes says %.40q for the length of the backup", pool, name, size, text))
	}
	return n, nil
}

// writers are the clients that have the image open for writing.
func (d *Driver) writers(ctx context.Context, pool, name string) ([]string, error) {
	raw, err := d.cluster.text(ctx, call{program: "rbd", verb: "status", pool: pool, image: name, args: []string{"--format", "json"}}, 1<<20)
	if err != nil {
		return nil, err
	}
	var status struct {
		Watchers json.RawMessage `json:"watchers"`
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		return nil, fmt.Errorf("rbd status %s/%s: %w", pool, name, err)
	}
	var addresses []string
	var list []struct {
		Address string `json:"address"`
	}
	if json.Unmarshal(status.Watchers, &list) == nil {
		for _, w := range list {
			addresses = append(addresses, w.Address)
		}
	} else if text := string(status.Watchers); text != "" && text != "{}" && text != "null" {
		addresses = append(addresses, text) // as releases before Nautilus write them
	}
	return addresses, nil
}

// requireIdle refuses an image that another client has open for writing.
func (d *Driver) requireIdle(ctx context.Context, pool, name string) error {
	writers, err := d.writers(ctx, pool, name)
	if err != nil || len(writers) == 0 {
		return err
	}
	return driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf(
		"image %s/%s is being written by %s; one that died is let go of after 30 s: try again then", pool, name, strings.Join(writers, ", ")))
}
