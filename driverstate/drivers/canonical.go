package drivers

import "strings"

// classes are the driver modules that Cinder has had and their classes. A
// service was recorded as the module up to Pike and as the class since Queens.
var classes = map[string]string{
	"posix":     "PosixBackupDriver",
	"nfs":       "NFSBackupDriver",
	"glusterfs": "GlusterfsBackupDriver",
	"swift":     "SwiftBackupDriver",
	"s3":        "S3BackupDriver",
	"gcs":       "GoogleBackupDriver",
	"ceph":      "CephBackupDriver",
	"tsm":       "TSMBackupDriver",
}

const (
	driversPath  = "cinder.backup.drivers."
	servicesPath = "cinder.backup.services."
)

// Canonical returns the class path of the driver that service names: the class
// path itself, the module alone, Grizzly's cinder.backup.services.<module> or
// the old name of gcs. Anything else, also a beginning of a name as Cinder
// itself would take it, answers to driverstate.ErrInvalidInput.
func Canonical(service string) (class string, err error) {
	module, ok := strings.CutPrefix(service, driversPath)
	if !ok {
		// Grizzly had no others (cinder/backup/manager.py, before Rocky).
		module, ok = strings.CutPrefix(service, servicesPath)
		if !ok || module != "swift" && module != "ceph" { // modules only: classes came with Queens
			return "", invalid("backup service %.255q is not a driver of Cinder", service)
		}
	}
	module, name, hasName := strings.Cut(module, ".")
	if module == "google" {
		module = "gcs"
	}
	want, known := classes[module]
	if !known || hasName && name != want {
		return "", invalid("backup service %.255q is not a driver of Cinder", service)
	}
	return driversPath + module + "." + want, nil
}
