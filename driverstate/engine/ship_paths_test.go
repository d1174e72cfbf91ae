package engine

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
)

// What a request names of the machine of an engine lies in a directory that
// restores may go to, or is what the engine has without it.
func TestWhatAShipmentNamesOfThisMachineIsBounded(t *testing.T) {
	allowed, outside := t.TempDir(), t.TempDir()
	for _, dir := range []string{allowed, outside} {
		for _, name := range []string{"file", "store"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		}
	}
	require.NoError(t, os.Symlink(outside, filepath.Join(allowed, "link")))
	env := map[string]string{"CINDER_GO_TO_CONF": outside + "/file", "CINDER_GO_TO_CREDENTIAL_FILE": outside + "/file"}
	s := &shipper{c: Config{
		TargetDirs: []string{allowed},
		Env:        func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Stores: []Store{
			{URL: "posix:///srv/own"},
			{Name: "s3", URL: "s3://own/bucket?ca_cert_file=/etc/own.pem"},
			{Name: "nfs", URL: "nfs://own/backup?mount_point_base=/srv/own-mounts"},
			{Name: "gcs", URL: "gcs://own?credential_file=/etc/own.json"},
		},
	}}
	for _, begin := range []string{
		"nfs://127.0.0.1/x?mount_point_base=",
		"glusterfs://127.0.0.1/x?mount_point=",
		"ceph://bk?conf=",
		"gcs://bk?credential_file=",
		"s3://s3.example.org/bk?ca_cert_file=",
		"swift:///bk?ca_cert_file=",
		"swift:///bk?os_cacert=",
		"posix://", "objects://", "file://",
	} {
		for _, o := range []drivers.Options{s.other(), {}} {
			_, err := s.parse(begin+filepath.Join(allowed, "store"), o)
			require.NoError(t, err, begin)
			for _, path := range []string{filepath.Join(outside, "store"), filepath.Join(allowed, "link", "store"), filepath.Join(outside, "absent"), allowed + "/../" + filepath.Base(outside) + "/store"} {
				_, err = s.parse(begin+path, o)
				require.ErrorIs(t, err, driverstate.ErrForbidden, begin+path)
				assert.ErrorContains(t, err, "is in none of the directories that this engine may write to")
			}
		}
	}
	for _, url := range []string{
		"nfs://127.0.0.1/x", "nfs://127.0.0.1/x?mount_point_base=/var/lib/cinder/backup_mount", "nfs://127.0.0.1/x?mount_point_base=/srv/own-mounts",
		"glusterfs://127.0.0.1/x?mount_point=/var/lib/cinder/backup_mount", "ceph://bk?conf=/etc/ceph/ceph.conf",
		"s3://s3.example.org/bk?ca_cert_file=/etc/own.pem",
		"ceph://bk", "gcs://bk", // what the environment says for targets
	} {
		_, err := s.parse(url, s.other())
		assert.NoError(t, err, url)
	}
	for url, why := range map[string]string{
		"gcs://bk?credential_file=/etc/own.json":       "the key of the engine's own store is for that alone",
		"posix:///srv/own":                             "the engine's own store is no place for a request to write to",
		"ceph://bk?conf=etc/ceph.conf":                 "no absolute path",
		"nfs://127.0.0.1/x?mount_point_base=/srv":      "above what is its own",
		"nfs://127.0.0.1/x?mount_point_base=$my_ip/..": "nothing is put in for a name",
	} {
		_, err := s.parse(url, s.other())
		assert.ErrorIs(t, err, driverstate.ErrForbidden, why)
	}
	s.c.TargetDirs = nil
	_, err := s.parse("ceph://bk?conf="+outside+"/file", s.other())
	assert.NoError(t, err, "nothing is bounded")
}

// No option of a driver that names a file is forgotten.
func TestEveryOptionThatNamesAFileIsBounded(t *testing.T) {
	file := regexp.MustCompile(`(_path|_file|_conf|_config|cacert|_base|_mount_point)$`)
	for _, o := range drivers.ConfigTables() {
		if file.MatchString(o.Name) && o.Name != "state_path" && o.Name != "rootwrap_config" {
			assert.True(t, slices.Contains(placeOptions, o.Key()) || slices.Contains(fileOptions, o.Key()), o.Key())
		}
	}
}
