package drivers_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
)

func TestURLsThatOpenADriver(t *testing.T) {
	for url, service := range map[string]string{
		"posix:///srv/backup": "cinder.backup.drivers.posix.PosixBackupDriver",
		"posix:///srv/with%20blank?compression=bzip2&object_size=52428800&block_size=32768": "cinder.backup.drivers.posix.PosixBackupDriver",
		"posix:///srv/backup?container=all&compression=off":                                 "cinder.backup.drivers.posix.PosixBackupDriver",
		"objects:///srv/copy":             "cinder.backup.drivers.swift.SwiftBackupDriver",
		"objects:///srv/copy?service=s3":  "cinder.backup.drivers.s3.S3BackupDriver",
		"objects:///srv/copy?service=gcs": "cinder.backup.drivers.gcs.GoogleBackupDriver",
	} {
		d, err := drivers.Open(url, drivers.Options{})
		require.NoError(t, err, url)
		assert.Equal(t, service, d.Service())
		assert.NoError(t, d.Close())
	}
}

func TestURLsThatOpenNothingSayWhy(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"", "has no scheme; it is one of posix:///"},
		{"/srv/backup", "posix:///srv/backup"},
		{"srv/backup", "has no scheme"},
		{"ftp:///srv", `scheme "ftp" is not known; it is one of posix:///`},
		{"posix://srv/backup", "three slashes"},
		{"posix:srv/backup", "three slashes"},
		{"posix:", "three slashes"},
		{"posix://", "three slashes"},
		{"posix:///srv?compresion=zlib", `parameter "compresion" is not known; posix takes compression`},
		{"posix:///srv?compression=zlib&compression=none", "given twice"},
		{"posix:///srv?compression=lz4", "lz4"},
		{"posix:///srv?object_size=-1", "not a number of bytes"},
		{"posix:///srv?object_size=50M", "not a number of bytes"},
		{"posix:///srv?object_size=40000", "not a multiple of the block size"},
		{"posix:///srv?block_size=1000", "multiple of 512"},
		{"posix:///srv?container=../x", "not a plain relative path"},
		{"posix:///srv?service=swift", `"service" is not known`},
		{"posix:///srv#x", "fragment"},
		{"posix:///srv?a=%zz", "cannot be parsed"},
		{"posix:///srv%00", "NUL"},
		{"objects:///srv?service=posix", "not swift, s3 or gcs"},
		{"objects:///srv?container=a/b", "slash"},
		{"://", "cannot be parsed"},
	} {
		_, err := drivers.Open(c.url, drivers.Options{})
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, c.url)
		assert.ErrorContains(t, err, c.want, c.url)
	}
}

func TestAStoreThatIsNotThereFailsItsSetup(t *testing.T) {
	d, err := drivers.Open("posix://"+filepath.Join(t.TempDir(), "gone"), drivers.Options{ReadOnly: true})
	require.NoError(t, err)
	require.NoError(t, d.DoSetup(t.Context()))
	err = d.CheckForSetupError(t.Context())
	assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.ErrorContains(t, err, "gone: no such directory; is the share mounted?")
	for _, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
		assert.ErrorIs(t, err, driverstate.ErrUnavailable)
	}
	_, err = d.(driverstate.Scanner).Inspect(t.Context(), &driverstate.Backup{ID: "8036c677-02e9-40b2-bf80-6f50c454ef55"})
	assert.ErrorIs(t, err, driverstate.ErrUnavailable, "a store that is gone is no store without the backup")
	assert.NotErrorIs(t, err, driverstate.ErrNotFound)
}

func TestSchemesShowTheFormOfEachURL(t *testing.T) {
	for _, form := range drivers.Schemes() {
		assert.Regexp(t, `^(posix|objects):///`, form)
		url, _, _ := strings.Cut(form, "[")
		_, err := drivers.Open(url, drivers.Options{})
		assert.NoError(t, err)
	}
}

func TestCanonicalNamesEveryDriverByItsClass(t *testing.T) {
	const d = "cinder.backup.drivers."
	for service, class := range map[string]string{
		d + "posix.PosixBackupDriver":   d + "posix.PosixBackupDriver",
		d + "posix":                     d + "posix.PosixBackupDriver",
		d + "nfs":                       d + "nfs.NFSBackupDriver",
		d + "nfs.NFSBackupDriver":       d + "nfs.NFSBackupDriver",
		d + "glusterfs":                 d + "glusterfs.GlusterfsBackupDriver",
		d + "swift":                     d + "swift.SwiftBackupDriver",
		d + "swift.SwiftBackupDriver":   d + "swift.SwiftBackupDriver",
		"cinder.backup.services.swift":  d + "swift.SwiftBackupDriver",
		"cinder.backup.services.ceph":   d + "ceph.CephBackupDriver",
		d + "s3.S3BackupDriver":         d + "s3.S3BackupDriver",
		d + "gcs":                       d + "gcs.GoogleBackupDriver",
		d + "google":                    d + "gcs.GoogleBackupDriver",
		d + "google.GoogleBackupDriver": d + "gcs.GoogleBackupDriver",
		d + "ceph":                      d + "ceph.CephBackupDriver",
		d + "tsm":                       d + "tsm.TSMBackupDriver",
		d + "tsm.TSMBackupDriver":       d + "tsm.TSMBackupDriver",
	} {
		got, err := drivers.Canonical(service)
		require.NoError(t, err, service)
		assert.Equal(t, class, got)
	}
	for _, service := range []string{
		"", "c", "cinder", "cinder.backup.drivers", d, d + "posi", d + "posix.", d + "posix.Posix", d + "posix.NFSBackupDriver",
		d + "posix.PosixBackupDriver.x", d + "posix.PosixBackupDriver ", "posix", "cinder.backup.services.nfs",
		"cinder.backup.services.swift.SwiftBackupDriver", "evil." + d + "posix", d + "POSIX",
	} {
		_, err := drivers.Canonical(service)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, "%q", service)
	}
}
