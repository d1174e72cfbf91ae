package s3

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/chunked"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// layout is that of object stores, with S3's rules for the names of buckets.
type layout struct{ chunked.ObjectLayout }

func (layout) CheckContainer(bucket string) error {
	if err := checkBucket(bucket); err != nil {
		return driverstate.Fail(driverstate.ErrInvalidInput, err.Error())
	}
	return nil
}

// checkBucket refuses what no bucket is called. Old buckets of Amazon's may
// have capitals and underscores.
func checkBucket(bucket string) error {
	err := s3utils.CheckValidBucketName(bucket)
	if err == nil {
		return nil
	}
	why := strings.TrimPrefix(err.Error(), "Bucket name ")
	return fmt.Errorf("bucket name %.300q %s: %w", bucket, why, objectstore.ErrBadName)
}

// checkNames refuses names that a server, a proxy or a library on the way could
// take for another: S3 itself allows them.
func checkNames(bucket, name string) error {
	if err := checkBucket(bucket); err != nil {
		return err
	}
	bad := func(why string) error {
		return fmt.Errorf("object name %.300q %s: %w", name, why, objectstore.ErrBadName)
	}
	switch {
	case name == "":
		return bad("is empty")
	case len(name) > 1024:
		return bad("is longer than 1024 bytes")
	case !utf8.ValidString(name):
		return bad("is not UTF-8")
	}
	for _, c := range []byte(name) {
		if c < 0x20 || c == 0x7f {
			return bad("holds a control character")
		}
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch segment {
		case "", ".", "..":
			return bad("is not a plain relative path")
		}
	}
	return nil
}
