package driverstate

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// What a driver writes to service_metadata (_generate_object_name_prefix of
// cinder/backup/drivers/posix.py, swift.py, s3.py and gcs.py; ceph.py
// _get_backup_base_name).
var (
	filePrefix   = whenWanted(`^volume_(` + UUIDPattern + `)_\d{14}_backup_(` + UUIDPattern + `)$`)
	objectPrefix = whenWanted(`^volume_(` + UUIDPattern + `)/\d{14}/az_(.+)_backup_(` + UUIDPattern + `)$`)
	cephBase     = whenWanted(`^volume-(` + UUIDPattern + `)\.backup\.(?:base|` + UUIDPattern + `)$`)
)

var bucketForm = whenWanted(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)

// whenWanted is form, compiled the first time: long forms take up to a
// millisecond of every start.
func whenWanted(form string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(form) })
}

// oldFilePrefix is the prefix of every backup on posix, nfs and glusterfs
// before Pike.
const oldFilePrefix = "backup"

// StoredID is the id that b's objects are named for. It is b.ID, unless b is a
// twin: a record that was imported under a new id, next to the backup that it
// was exported from (Tempest's test_volume_backup_export_import does so).
func (b *Backup) StoredID() string {
	if match := filePrefix().FindStringSubmatch(b.ServiceMetadata); match != nil {
		return match[2]
	}
	if match := objectPrefix().FindStringSubmatch(b.ServiceMetadata); match != nil {
		return match[3]
	}
	last := b.Container[strings.LastIndexByte(b.Container, '/')+1:]
	if b.ServiceMetadata == oldFilePrefix && IsUUID(last) {
		return last
	}
	return b.ID
}

// SharesPlace reports whether other backups may have the container and the
// service_metadata of b and yet other data: ceph names a pool and an image
// there, or a pool alone, and each backup of a chain is a snapshot of the image.
func (b *Backup) SharesPlace() bool {
	parts := strings.Split(b.Service, ".")
	return len(parts) >= 4 && parts[3] == "ceph"
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// checkPlace checks that container and service_metadata are safe and, for the
// drivers whose names tell it, those of b and of no other backup: they decide
// what a delete removes. A service that is not known is let through; nobody
// works on its backups.
func checkPlace(service string, b *Backup) error {
	parts := strings.Split(service, ".")
	if len(parts) < 4 {
		return nil
	}
	switch parts[3] {
	case "posix", "nfs", "glusterfs":
		return checkFilePlace(b)
	case "swift":
		return checkObjectPlace(b, swiftContainer(b.Container))
	case "s3", "gcs", "google":
		return checkObjectPlace(b, bucketForm().MatchString(b.Container) && !strings.Contains(b.Container, ".."))
	case "ceph":
		return checkCephPlace(b)
	}
	return nil
}

func swiftContainer(name string) bool {
	return name != "" && len(name) <= 256 && name != "." && name != ".." && !strings.Contains(name, "/")
}

func checkFilePlace(b *Backup) error {
	if !plainPath(b.Container) {
		return recordError("container", fmt.Sprintf("%.300q is not a plain relative path", b.Container))
	}
	if b.ServiceMetadata != oldFilePrefix {
		return checkPrefix(b, filePrefix().FindStringSubmatch(b.ServiceMetadata))
	}
	// The old prefix names no backup; its directory usually does.
	last := b.Container[strings.LastIndexByte(b.Container, '/')+1:]
	if IsUUID(last) && last != b.ID {
		return recordError("container", fmt.Sprintf("%q is that of backup %s", b.Container, last))
	}
	return nil
}

func checkObjectPlace(b *Backup, container bool) error {
	if !container {
		return recordError("container", fmt.Sprintf("%.300q is not a container's name", b.Container))
	}
	match := objectPrefix().FindStringSubmatch(b.ServiceMetadata)
	if match != nil {
		if !plainPath(b.ServiceMetadata) {
			match = nil
		} else {
			match = []string{match[0], match[1], match[3]}
		}
	}
	return checkPrefix(b, match)
}

// checkPrefix judges a recognised prefix: the whole, the volume, the backup.
func checkPrefix(b *Backup, match []string) error {
	switch {
	case b.ServiceMetadata == "":
		return recordError("service_metadata", "is empty: it must be the prefix of the backup's objects")
	case match == nil:
		return recordError("service_metadata", fmt.Sprintf("%.300q is not an object prefix of this driver", b.ServiceMetadata))
	case match[2] != b.ID:
		return recordError("service_metadata", "is the object prefix of backup "+match[2])
	case b.VolumeID != "" && match[1] != b.VolumeID:
		return recordError("service_metadata", "is the object prefix of a backup of volume "+match[1])
	}
	return nil
}

// checkCephPlace accepts a pool, and null or the base image as service_metadata.
func checkCephPlace(b *Backup) error {
	if b.Container == "" || strings.HasPrefix(b.Container, "-") || strings.ContainsAny(b.Container, "/@") {
		return recordError("container", fmt.Sprintf("%.300q is not a pool's name", b.Container))
	}
	if b.ServiceMetadata == "" {
		return nil // before Train, and copies of volumes that are not RBD
	}
	var place map[string]string
	if err := json.Unmarshal([]byte(b.ServiceMetadata), &place); err != nil || len(place) != 1 {
		return recordError("service_metadata", `is not an object with the key "base"`)
	}
	match := cephBase().FindStringSubmatch(place["base"])
	if match == nil {
		return recordError("service_metadata", fmt.Sprintf("%.300q is not a base image", place["base"]))
	}
	if b.VolumeID != "" && match[1] != b.VolumeID {
		return recordError("service_metadata", "is the base image of volume "+match[1])
	}
	return nil
}

// plainPath reports whether p is a relative path that means what it says:
// no empty, "." or ".." segment.
func plainPath(p string) bool {
	for segment := range strings.SplitSeq(p, "/") {
		switch segment {
		case "", ".", "..":
			return false
		}
	}
	return !hasControl(p)
}
