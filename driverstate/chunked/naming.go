package chunked

import "fmt"

// Names of a backup's objects (cinder/backup/chunkeddriver.py
// _metadata_filename, _sha256_filename, _prepare_output_data).
const (
	metadataSuffix = "_metadata"
	hashesSuffix   = "_sha256file"
)

// chunkName is the name of chunk n, counted from 1: five digits at least.
func chunkName(prefix string, n int) string { return fmt.Sprintf("%s-%05d", prefix, n) }

func metadataName(prefix string) string { return prefix + metadataSuffix }

func hashesName(prefix string) string { return prefix + hashesSuffix }
