package drivers_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

func TestURLsThatOpenADriver(t *testing.T) {
	for url, service := range map[string]string{
		"posix:///srv/backup": "cinder.backup.drivers.posix.PosixBackupDriver",
		"posix:///srv/with%20blank?compression=bzip2&object_size=52428800&block_size=32768":    "cinder.backup.drivers.posix.PosixBackupDriver",
		"posix:///srv/backup?container=all&compression=off":                                    "cinder.backup.drivers.posix.PosixBackupDriver",
		"nfs://nas.example.org/export/backups?mount_options=vers=4.1":                          "cinder.backup.drivers.nfs.NFSBackupDriver",
		"nfs://[fd00::1]/export?container=all":                                                 "cinder.backup.drivers.nfs.NFSBackupDriver",
		"nfs:///?share=nas:/export/":                                                           "cinder.backup.drivers.nfs.NFSBackupDriver",
		"glusterfs://gluster1/backups?mount_point=/mnt":                                        "cinder.backup.drivers.glusterfs.GlusterfsBackupDriver",
		"glusterfs:///?share=gluster1:/backups":                                                "cinder.backup.drivers.glusterfs.GlusterfsBackupDriver",
		"gcs://volumebackups?credential_file=/etc/cinder/gcs.json&num_retries=5":               "cinder.backup.drivers.gcs.GoogleBackupDriver",
		"objects:///srv/copy":                                                                  "cinder.backup.drivers.swift.SwiftBackupDriver",
		"objects:///srv/copy?service=s3":                                                       "cinder.backup.drivers.s3.S3BackupDriver",
		"objects:///srv/copy?service=gcs":                                                      "cinder.backup.drivers.gcs.GoogleBackupDriver",
		"ceph://backups?conf=/etc/ceph/ceph.conf&user=cinder&stripe_unit=65536&stripe_count=4": "cinder.backup.drivers.ceph.CephBackupDriver",
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
		{"s3//host/bucket", "has no colon; its form is s3://HOST[:PORT]/BUCKET"},
		{"ftp:///srv", `scheme "ftp" is not known; it is one of posix:///`},
		{"posix://srv/backup", "three slashes"},
		{"posix:srv/backup", "three slashes"},
		{"posix:", "three slashes"},
		{"posix://", "three slashes"},
		{"posix:///srv?compresion=zlib", `parameter "compresion" is not known; posix takes block_size, compression, container`},
		{"posix:///srv?compression=zlib&compression=none", "given twice"},
		{"posix:///srv?compression=lz4", "lz4"},
		{"posix:///srv?object_size=-1", "object size -1 is not between 1 and"},
		{"posix:///srv?object_size=50M", `option backup_file_size: "50M" is not a whole number`},
		{"posix:///srv?object_size=40000", "not a multiple of the block size"},
		{"posix:///srv?block_size=1000", "multiple of 512"},
		{"posix:///srv?container=../x", "not a plain relative path"},
		{"posix:///srv?service=swift", `"service" is not known`},
		{"posix:///srv?posix_path=/etc", `"posix_path" is not known`},
		{"posix:///srv?path=/etc", `"path" is not known`},
		{"posix:///srv?object_size=65536&file_size=65536", "given twice"},
		{"posix://user:hush@/srv", "secrets come from the environment"},
		{"posix:///srv#x", "fragment"},
		{"nfs:///export", "needs a host and a path"},
		{"nfs://nas:2049/export", "no share"},
		{"nfs://nas/export?share=nas:/other", `"share" is not known`},
		{"glusterfs://gluster1", "needs a host and a path"},
		{"glusterfs://gluster1/a?mount_attempts=3", `"mount_attempts" is not known`},
		{"gcs:///x", "needs a bucket and no path"},
		{"gcs://b/x", "needs a bucket and no path"},
		{"gcs://b?proxy_url=http://u:hush@p", "CINDER_GO_STORE_PROXY_URL"},
		{"gcs://b?bucket=c", `"bucket" is not known`},
		{"posix:///srv?a=%zz", "cannot be parsed"},
		{"posix:///srv%00", "NUL"},
		{"ceph:///backups", "needs a pool and nothing after it"},
		{"ceph://backups/volumes", "needs a pool and nothing after it"},
		{"ceph://backups?user=client.cinder", "leave out"},
		{"ceph://backups?pool=other", `"pool" is not known; ceph takes conf, user`},
		{"objects:///srv?service=posix", `"posix" is not one of swift, s3, gcs`},
		{"objects:///srv?container=a/b", "slash"},
		{"://", "cannot be parsed"},
	} {
		_, err := drivers.Open(c.url, drivers.Options{})
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, c.url)
		assert.ErrorContains(t, err, c.want, c.url)
	}
}

func TestWhatAURLLeavesOpenMayComeFromTheEnvironment(t *testing.T) {
	env := map[string]string{"CINDER_GO_STORE_FILE_SIZE": "65536", "CINDER_GO_TO_FILE_SIZE": "98304", "CINDER_GO_STORE_CONTAINER": "all", "CINDER_GO_STORE_PATH": "/elsewhere"}
	o := drivers.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	s, err := drivers.ParseURL("posix:///srv?container=mine", o)
	require.NoError(t, err)
	assert.Equal(t, oslo.Values{"backup_posix_path": "/srv", "backup_file_size": "65536", "backup_container": "mine"}, s.Values)
	o.EnvPrefixes = []string{"CINDER_GO_TO_", "CINDER_GO_STORE_"}
	s, err = drivers.ParseURL("posix:///srv", o)
	require.NoError(t, err)
	assert.Equal(t, oslo.Values{"backup_posix_path": "/srv", "backup_file_size": "98304", "backup_container": "all"}, s.Values)
}

func TestATapeInAPipeHasThreeSpellings(t *testing.T) {
	for _, place := range []string{"-", "file:-", "file://-"} {
		s, err := drivers.ParseURL(place, drivers.Options{})
		require.NoError(t, err, place)
		assert.True(t, s.Pipe(), place)
		_, err = s.Open(drivers.Options{})
		assert.ErrorContains(t, err, "a tape in a pipe can be read by --standalone alone", place)
		d, err := s.Open(drivers.Options{Stdin: strings.NewReader("no tape")})
		require.NoError(t, err, place)
		assert.ErrorContains(t, d.DoSetup(t.Context()), "the tape in the pipe is no tape", place)
		require.NoError(t, d.Close())
		s, err = drivers.ParseURL(place+"?compression=zstd&level=fast", drivers.Options{})
		require.NoError(t, err, place)
		assert.Equal(t, oslo.Values{"tape_path": "-", "backup_compression_algorithm": "zstd"}, s.Values)
		assert.EqualValues(t, "fast", s.Level)
		_, err = drivers.ParseURL(place+"?path=/x", drivers.Options{})
		assert.ErrorContains(t, err, `parameter "path" is not known`)
	}
	s, err := drivers.ParseURL("file:///-", drivers.Options{})
	require.NoError(t, err)
	assert.False(t, s.Pipe())
	assert.Equal(t, oslo.Values{"tape_path": "/-"}, s.Values)
	_, err = drivers.ParseURL("--", drivers.Options{})
	assert.ErrorContains(t, err, "or - or file:- for a pipe", "the forms are listed")
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
	secrets := map[string]string{"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret",
		"OS_AUTH_URL": "https://keystone.example.com/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "secret"}
	env := func(name string) (string, bool) { value, ok := secrets[name]; return value, ok }
	for _, form := range drivers.Schemes() {
		assert.Regexp(t, `^[a-z0-9]+://`, form)
		url, _, _ := strings.Cut(form, "[")
		_, err := drivers.Open(url, drivers.Options{Env: env})
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
