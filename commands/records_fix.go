package commands

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// prefixTime is the time that a driver puts into the prefix of a backup's
// objects.
var prefixTime = regexp.MustCompile(`[_/](\d{14})[_/]`)

// computed are members that Cinder derives from others. One in a record leaves
// the imported row in creating for ever.
var computed = []string{"has_dependent_backups", "is_incremental", "parent"}

// repairRecord sets right what Cinder would take and never finish, or would
// take and stumble over later, where the record itself says what is right. It
// says what it changed.
func repairRecord(members map[string]any) []string {
	var said []string
	for _, key := range computed {
		if _, there := members[key]; there {
			delete(members, key)
			said = append(said, "left out "+key+", which Cinder computes")
		}
	}
	if v, there := members["metadata"]; there && v == nil {
		members["metadata"] = map[string]any{}
		said = append(said, "metadata is {} instead of null")
	}
	created, _ := members["created_at"].(string)
	taken, _ := members["data_timestamp"].(string)
	named := timeInPrefix(members)
	if members["created_at"] == nil && cmp.Or(taken, named) != "" {
		members["created_at"] = cmp.Or(taken, named)
		said = append(said, "created_at was missing, and is "+cmp.Or(taken, named))
	}
	if members["data_timestamp"] == nil && cmp.Or(created, named) != "" {
		members["data_timestamp"] = cmp.Or(created, named)
		said = append(said, "data_timestamp was missing, and is "+cmp.Or(created, named))
	}
	return said
}

// timeInPrefix is the time in the prefix of the objects in the form of a
// record; empty when there is none.
func timeInPrefix(members map[string]any) string {
	prefix, _ := members["service_metadata"].(string)
	found := prefixTime.FindStringSubmatch(prefix)
	if found == nil {
		return ""
	}
	t, err := time.Parse("20060102150405", found[1])
	if err != nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

// checkService refuses a driver class that is none: Cinder gives a record to
// the first service whose class begins with these words.
func checkService(class string) error {
	parts := strings.Split(class, ".")
	ours := parts[0] == "cinder" || strings.HasPrefix("cinder.", class)
	if ours && (len(parts) < 4 || !slices.Contains(driverModules, parts[3])) {
		return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf(
			"backup_service %q is no driver: it looks like cinder.backup.drivers.posix.PosixBackupDriver", class))
	}
	return nil
}

// checkRow refuses what a decoded record must not say, whatever the driver.
func checkRow(b *driverstate.Backup) error {
	for _, place := range []struct{ key, value string }{{"container", b.Container}, {"service_metadata", b.ServiceMetadata}} {
		if strings.HasPrefix(place.value, "/") || slices.Contains(strings.Split(place.value, "/"), "..") {
			return driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("backup record: %s %q leads out of the store", place.key, place.value))
		}
	}
	if b.DataTimestamp.IsZero() {
		return driverstate.Fail(driverstate.ErrCorrupt,
			"backup record: data_timestamp and created_at are missing, and the prefix tells no time: without one the next incremental backup of the volume fails")
	}
	return nil
}

// wideText names what holds a character of four bytes in UTF-8. The tables of
// Cinder in MySQL and MariaDB cannot hold one, and the row would stay in
// creating for ever.
func wideText(b *driverstate.Backup) string {
	wide := func(s string) bool { return strings.ContainsFunc(s, isWide) }
	switch {
	case b.Name != nil && wide(*b.Name):
		return "name"
	case b.Description != nil && wide(*b.Description):
		return "description"
	case wide(b.Container), wide(b.ServiceMetadata):
		return "place"
	}
	for k, v := range b.Metadata {
		if wide(k) || wide(v) {
			return "metadata"
		}
	}
	return ""
}
