package chunked

import (
	"fmt"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Names of a backup's objects (cinder/backup/chunkeddriver.py
// _metadata_filename, _sha256_filename, _backup_chunk).
const (
	metadataSuffix = "_metadata"
	hashesSuffix   = "_sha256file"
	// oldPrefix is the prefix of every backup that posix, nfs and glusterfs
	// wrote before Pike.
	oldPrefix = "backup"
	// maxChunks bounds the number in a chunk's name.
	maxChunks   = 1<<31 - 1
	stampLayout = "20060102150405"
)

// chunkName is the name of chunk n, counted from 1: five digits at least.
func chunkName(prefix string, n int) string { return fmt.Sprintf("%s-%05d", prefix, n) }

func metadataName(prefix string) string { return prefix + metadataSuffix }

func hashesName(prefix string) string { return prefix + hashesSuffix }

// objectKind is what an object is to its backup.
type objectKind int

const (
	kindChunk objectKind = iota + 1
	kindMetadata
	kindHashes
)

// splitName takes an object's name apart; ok is false for a name that no
// chunked driver gives. n is the number of a chunk. The prefix is not judged.
func splitName(name string) (prefix string, kind objectKind, n int, ok bool) {
	if p, found := strings.CutSuffix(name, metadataSuffix); found {
		return p, kindMetadata, 0, p != ""
	}
	if p, found := strings.CutSuffix(name, hashesSuffix); found {
		return p, kindHashes, 0, p != ""
	}
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 {
		return "", 0, 0, false
	}
	digits := name[dash+1:]
	if len(digits) < 5 || len(digits) > 10 {
		return "", 0, 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return "", 0, 0, false
		}
		n = n*10 + int(c-'0')
	}
	// A number that Cinder would have spelt otherwise is no chunk's.
	if n < 1 || n > maxChunks || (len(digits) > 5 && digits[0] == '0') {
		return "", 0, 0, false
	}
	return name[:dash], kindChunk, n, true
}

// identity is what an object prefix says of its backup.
type identity struct {
	volumeID, backupID string
	start              time.Time // of the copy, UTC
	zone               string    // availability zone; object stores only
	old                bool      // the prefix without ids of Ocata and older
}

// parsePrefix recognises the object prefixes of all generations
// (_generate_object_name_prefix of posix.py, swift.py, s3.py, gcs.py).
func parsePrefix(prefix string) (id identity, ok bool) {
	if prefix == oldPrefix {
		return identity{old: true}, true
	}
	rest, ok := strings.CutPrefix(prefix, "volume_")
	if !ok || len(rest) < 36+1+14 {
		return identity{}, false
	}
	id.volumeID, rest = rest[:36], rest[36:]
	separator := rest[0]
	stamp := rest[1:15]
	rest = rest[15:]
	switch separator {
	case '_':
		id.backupID, ok = strings.CutPrefix(rest, "_backup_")
	case '/':
		if rest, ok = strings.CutPrefix(rest, "/az_"); !ok || len(rest) < len("_backup_")+36 {
			return identity{}, false
		}
		id.backupID = rest[len(rest)-36:]
		id.zone, ok = strings.CutSuffix(rest[:len(rest)-36], "_backup_")
		ok = ok && id.zone != ""
	default:
		return identity{}, false
	}
	if !ok || !driverstate.IsUUID(id.volumeID) || !driverstate.IsUUID(id.backupID) || !allDigits(stamp) || hasControl(prefix) {
		return identity{}, false
	}
	// Fourteen digits that are no date still name a backup.
	id.start, _ = time.Parse(stampLayout, stamp)
	return id, true
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c == 0x7f {
			return true
		}
	}
	return false
}

// ownPrefix checks that prefix is one that a chunked driver gives, and names
// backup b: what stands between a forged record and another backup's objects.
// The prefix of Ocata and older names no backup and passes.
func ownPrefix(b *driverstate.Backup, prefix string) (identity, error) {
	bad := func(format string, args ...any) (identity, error) {
		return identity{}, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(format, args...))
	}
	id, ok := parsePrefix(prefix)
	switch {
	case !driverstate.IsUUID(b.ID):
		return bad("backup id %.80q is not a UUID", b.ID)
	case prefix == "":
		return bad("object prefix is empty")
	case !ok:
		return bad("object prefix %.300q is not one that a chunked driver gives", prefix)
	case id.old:
		return id, nil
	case id.backupID != b.ID:
		return bad("object prefix %q is that of backup %s", prefix, id.backupID)
	case b.VolumeID != "" && id.volumeID != b.VolumeID:
		return bad("object prefix %q is that of volume %s, not of %s", prefix, id.volumeID, b.VolumeID)
	}
	return id, nil
}

// FileLayout is that of posix, nfs and glusterfs: a directory per backup
// (cinder/backup/drivers/posix.py update_container_name).
type FileLayout struct {
	// Default is Cinder's option backup_container: one directory for all
	// backups. Empty gives each its own.
	Default string
}

// Container is Default, or id[0:2]/id[2:4]/id.
func (l FileLayout) Container(b *driverstate.Backup) string {
	if l.Default != "" {
		return l.Default
	}
	if len(b.ID) < 4 {
		return ""
	}
	return b.ID[0:2] + "/" + b.ID[2:4] + "/" + b.ID
}

// Prefix is volume_<volume>_<start>_backup_<backup>.
func (l FileLayout) Prefix(b *driverstate.Backup, start time.Time) string {
	return fmt.Sprintf("volume_%s_%s_backup_%s", b.VolumeID, start.UTC().Format(stampLayout), b.ID)
}

// CheckContainer accepts a relative path in its shortest spelling.
func (l FileLayout) CheckContainer(container string) error {
	bad := func(why string) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("container %.300q %s", container, why))
	}
	switch {
	case container == "":
		return bad("is empty")
	case len(container) > 255:
		return bad("is longer than 255 bytes")
	case container[0] == '/':
		return bad("is absolute")
	case hasControl(container):
		return bad("holds a control character")
	}
	for segment := range strings.SplitSeq(container, "/") {
		switch segment {
		case "", ".", "..":
			return bad("is not a plain relative path")
		}
	}
	return nil
}

// ownDirectory reports whether container belongs to backup id alone.
func ownDirectory(container, id string) bool {
	return driverstate.IsUUID(id) && len(container) == len("ab/cd/")+len(id) &&
		container[:2] == id[:2] && container[2] == '/' && container[3:5] == id[2:4] && container[5] == '/' && container[6:] == id
}

// directoryOwner is the id of the backup that container belongs to alone;
// empty for any other directory.
func directoryOwner(container string) string {
	id := container[strings.LastIndexByte(container, '/')+1:]
	if ownDirectory(container, id) {
		return id
	}
	return ""
}

// ObjectLayout is that of swift, s3 and gcs: a shared container, and the
// volume, the time and the availability zone in the object prefix
// (cinder/backup/drivers/swift.py _generate_object_name_prefix).
type ObjectLayout struct {
	// Default is the container of backups that name none: backup_swift_container
	// and the like.
	Default string
	// Zone is the availability zone written into new prefixes; "nova" when empty.
	Zone string
}

// Container is Default.
func (l ObjectLayout) Container(*driverstate.Backup) string { return l.Default }

// Prefix is volume_<volume>/<start>/az_<zone>_backup_<backup>.
func (l ObjectLayout) Prefix(b *driverstate.Backup, start time.Time) string {
	zone := l.Zone
	if zone == "" {
		zone = "nova"
	}
	return fmt.Sprintf("volume_%s/%s/az_%s_backup_%s", b.VolumeID, start.UTC().Format(stampLayout), zone, b.ID)
}

// CheckContainer accepts what Swift does: 1 to 256 bytes without a slash.
func (l ObjectLayout) CheckContainer(container string) error {
	bad := func(why string) error {
		return driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("container %.300q %s", container, why))
	}
	switch {
	case container == "":
		return bad("is empty")
	case len(container) > 256:
		return bad("is longer than 256 bytes")
	case strings.Contains(container, "/"):
		return bad("holds a slash")
	case container == "." || container == "..":
		return bad("is not a name")
	case hasControl(container):
		return bad("holds a control character")
	}
	return nil
}

var (
	_ Layout = FileLayout{}
	_ Layout = ObjectLayout{}
)
