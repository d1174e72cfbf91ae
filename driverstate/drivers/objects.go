package drivers

import (
	"context"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/drivers/posix"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// objectsOptions are of cinder-go, but for those of files.
var objectsOptions = append([]oslo.Opt{
	{Name: "objects_path", Help: "directory of the copy"},
	{Name: "objects_service", Default: "swift", Choices: []string{"swift", "s3", "gcs"}, Help: "driver that wrote it"},
}, posix.FileOptions...)

// objects is no driver of Cinder's: it reads and writes a directory copy of an
// object store's account, in the format of the driver that it was copied from.
var objects = spec{
	module:   "objects",
	usage:    "objects:///absolute/path[?service=swift|s3|gcs&container=NAME]",
	options:  objectsOptions,
	prefixes: []string{"objects_", "backup_"}, short: fileShort,
	place: directory("objects_path"), address: at("objects_path"),
	open: openObjects,
}

// objectStoreSize is the default of backup_swift_object_size and of its like
// in s3 and gcs.
const objectStoreSize = 52428800

func openObjects(ctx context.Context, v oslo.Values, rt chunked.Runtime) (driverstate.Driver, error) {
	c, err := posix.NewFileConfig(v)
	if err != nil {
		return nil, err
	}
	r := oslo.Read(objectsOptions, v)
	c.Runtime, c.Path = rt, r.String("objects_path")
	word := r.String("objects_service")
	if err := r.Err(); err != nil {
		return nil, err
	}
	service, err := Canonical("cinder.backup.drivers." + word)
	if err != nil {
		return nil, err
	}
	if c.Container == "" && word != "gcs" {
		c.Container = "volumebackups"
	}
	if !r.Given("backup_file_size") {
		c.ObjectSize = objectStoreSize
	}
	return posix.NewObjects(ctx, service, c)
}
