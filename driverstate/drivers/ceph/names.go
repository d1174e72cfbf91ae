package ceph

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

const uuidPattern = driverstate.UUIDPattern

// Names of what the driver keeps in a pool (cinder/backup/drivers/ceph.py
// _get_backup_base_name, _get_new_snap_name, backup_snapshot_name_pattern,
// VolumeMetadataBackup.name).
var (
	// imageForm: the volume, then the backup that the image was made for, or
	// "base" before Train and for backups of snapshots.
	imageForm = whenWanted(`^volume-(` + uuidPattern + `)\.backup\.(base|` + uuidPattern + `)$`)
	// snapForm ends in Python's text of a float, with as many decimals as it
	// took.
	snapForm = whenWanted(`^backup\.(` + uuidPattern + `)\.snap\.([0-9]{1,12}(?:\.[0-9]{1,9})?)$`)
	// looseSnapForm is Cinder's own pattern. What fits it counts as a backup's
	// snapshot, so that its image is never removed, also when nothing else is
	// done with it.
	looseSnapForm = whenWanted(`^backup\.[a-z0-9-]+?\.snap\..+$`)
	metaForm      = whenWanted(`^backup\.(` + uuidPattern + `)\.meta$`)
)

// whenWanted is form, compiled the first time: long forms take their part of
// every start, of a program that hardly ever looks at Ceph.
func whenWanted(form string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(form) })
}

// sharedOwner is what an image is named for that is not one backup's.
const sharedOwner = "base"

func imageName(volumeID, owner string) string { return "volume-" + volumeID + ".backup." + owner }

// parseImage takes an image's name apart. owner is a backup's id, or
// sharedOwner.
func parseImage(name string) (volumeID, owner string, ok bool) {
	m := imageForm().FindStringSubmatch(name)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// snapName is the name of backup id's snapshot that is made at at. It ends as
// Python writes time.time(), whose clock has microseconds.
func snapName(id string, at time.Time) string {
	seconds := strconv.FormatFloat(float64(at.UnixMicro())/1e6, 'f', -1, 64)
	if !strings.Contains(seconds, ".") {
		seconds += ".0"
	}
	return "backup." + id + ".snap." + seconds
}

// parseSnap takes a snapshot's name apart.
func parseSnap(name string) (id string, at time.Time, ok bool) {
	m := snapForm().FindStringSubmatch(name)
	if m == nil {
		return "", time.Time{}, false
	}
	whole, fraction, _ := strings.Cut(m[2], ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return "", time.Time{}, false
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return "", time.Time{}, false
	}
	return m[1], time.Unix(seconds, nanos).UTC(), true
}

func metaName(id string) string { return "backup." + id + ".meta" }

// baseText is the service_metadata of a backup in image, byte for byte as
// Cinder writes it (_backup_rbd).
func baseText(image string) string { return `{"base": "` + image + `"}` }

// parseBase is the image that a service_metadata names, which must be one of
// volumeID; empty for null.
func parseBase(text, volumeID string) (string, error) {
	if text == "" {
		return "", nil
	}
	var place map[string]string
	if len(text) > 1024 || json.Unmarshal([]byte(text), &place) != nil || len(place) != 1 {
		return "", invalid("service_metadata %.300q is not an object with the key \"base\"", text)
	}
	volume, _, ok := parseImage(place["base"])
	switch {
	case !ok:
		return "", invalid("service_metadata names %.300q, which is no backup image", place["base"])
	case volumeID != "" && volume != volumeID:
		return "", invalid("service_metadata names image %s, which is of volume %s and not of %s", place["base"], volume, volumeID)
	}
	return place["base"], nil
}

// checkPool refuses what Ceph cannot have as a pool's name and what would be
// taken for an option or for an image.
func checkPool(pool string) error {
	if pool == "" || len(pool) > 255 || pool[0] == '-' || strings.ContainsAny(pool, "/@") || hasControl(pool) {
		return invalid("%.300q is not a pool's name", pool)
	}
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

func invalid(format string, args ...any) error {
	return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
}
