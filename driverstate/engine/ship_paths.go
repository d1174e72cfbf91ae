package engine

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// placeOptions are the options that name a store on this machine.
var placeOptions = []string{"backup_posix_path", "objects_path", "tape_path"}

// fileOptions are those that name another file or directory of this machine,
// which is read, or made and mounted on.
var fileOptions = []string{
	"backup_mount_point_base", "glusterfs_backup_mount_point", "backup_ceph_conf",
	credentialOption, "backup_s3_ca_cert_file", "backup_swift_ca_cert_file", "os_cacert",
}

// credentialOption names a secret: the engine's own is for its own store alone.
const credentialOption = "backup_gcs_credential_file"

// parse reads the URL of the other store. What that names of this machine must
// lie where the engine's restores may be written, if that is bounded, or be what
// the engine uses without being told by a request: a default, what its own
// stores have, or what the environment says.
func (s *shipper) parse(url string, o drivers.Options) (drivers.Store, error) {
	store, err := drivers.ParseURL(url, o)
	if err != nil || s.c.TargetDirs == nil {
		return store, err
	}
	named, err := drivers.ParseURL(url, drivers.Options{})
	if err != nil {
		return store, err
	}
	if named.Pipe() {
		return store, nil // a pipe of this process, or none
	}
	for _, option := range placeOptions {
		if path, ok := named.Values[option]; ok && !within(path, s.c.TargetDirs) {
			return store, driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf(
				"%s is in none of the directories that this engine may write to", path))
		}
	}
	for _, option := range fileOptions {
		path, ok := named.Values[option]
		if ok && !named.IsDefault(option) && !s.isOwn(option, path) && !within(path, s.c.TargetDirs) {
			return store, driverstate.Fail(driverstate.ErrForbidden, fmt.Sprintf(
				"%s, as %s, is in none of the directories that this engine may write to: put it into one, or leave it to the configuration of the engine", path, option))
		}
	}
	return store, nil
}

// isOwn reports whether one of the engine's stores has the option with this
// value.
func (s *shipper) isOwn(option, value string) bool {
	return option != credentialOption && slices.ContainsFunc(s.c.Stores, func(own Store) bool {
		values, err := own.values(s.c.Env)
		return err == nil && values[option] == value
	})
}

// values are the options of the store.
func (s Store) values(env func(string) (string, bool)) (oslo.Values, error) {
	if s.described != nil {
		return s.described.Values, nil
	}
	store, err := drivers.ParseURL(s.URL, drivers.Options{Env: env, EnvPrefixes: s.envPrefixes()})
	return store.Values, err
}

// within reports whether path, as it is without its links, lies in one of dirs.
func within(path string, dirs []string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil { // a tape that is made
		parent, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return false
		}
		real = filepath.Join(parent, filepath.Base(path))
	}
	for _, dir := range dirs {
		if d, err := filepath.EvalSymlinks(dir); err == nil && strings.HasPrefix(real, strings.TrimSuffix(d, "/")+"/") {
			return true
		}
	}
	return false
}
