// Command manystore writes a store of many small backups, as Cinder's posix
// driver lays them out, for measuring how long it takes to find them all.
//
//	go run ./testdata/bench/manystore DIR [BACKUPS]
//
// DIR must be empty or not there yet. Each of the BACKUPS (100,000 unless told)
// has a directory with two chunks, a metadata document with the volume's
// columns, and a hash list: 100,000 of them are 400,000 files in 152,000
// directories, 552,000 entries, and 1.7 GB on a file system of 4 KiB blocks.
// Every ten are a chain of one volume. All are whole and can be restored; every
// volume begins with the same 64 KiB. The same arguments write the same store,
// but for the times of its files.
package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	backups   = 100_000
	perVolume = 10
	block     = 32 << 10
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		usage()
	}
	n := backups
	if len(os.Args) == 3 {
		var err error
		if n, err = strconv.Atoi(os.Args[2]); err != nil || n < 1 {
			usage()
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := write(ctx, os.Args[1], n)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: manystore DIR [BACKUPS]")
	os.Exit(2)
}

// write fills dir with n backups.
func write(ctx context.Context, dir string, n int) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	chunks, err := makeChunks()
	if err != nil {
		return err
	}
	ids := rand.NewChaCha8([32]byte{1})
	b := backup{at: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.parent = b.id
		if i%perVolume == 0 {
			b.volume, b.parent = newID(ids), ""
		}
		b.id = newID(ids)
		b.at = b.at.Add(time.Minute)
		if err := b.write(dir, chunks); err != nil {
			return err
		}
	}
	return nil
}

// newID is a random UUID.
func newID(random io.Reader) string {
	var x [16]byte
	io.ReadFull(random, x[:])
	x[6], x[8] = x[6]&0x0f|0x40, x[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", x[:4], x[4:6], x[6:8], x[8:10], x[10:])
}

// chunk is one object of every backup.
type chunk struct {
	stored      []byte
	md5, sha256 string // of the plain bytes, in hex
}

// makeChunks makes two blocks of text, deflated.
func makeChunks() ([]chunk, error) {
	var chunks []chunk
	for i := range 2 {
		plain := bytes.Repeat(fmt.Appendf(nil, "block %d of a volume\n", i), block)[:block]
		var stored bytes.Buffer
		w := zlib.NewWriter(&stored)
		if _, err := w.Write(plain); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		chunks = append(chunks, chunk{
			stored: stored.Bytes(),
			md5:    fmt.Sprintf("%x", md5.Sum(plain)), sha256: fmt.Sprintf("%x", sha256.Sum256(plain)),
		})
	}
	return chunks, nil
}

// backup is one backup to be written.
type backup struct {
	id, volume, parent string
	at                 time.Time
}

func (b *backup) write(dir string, chunks []chunk) error {
	container := filepath.Join(dir, b.id[:2], b.id[2:4], b.id)
	if err := os.MkdirAll(container, 0o755); err != nil {
		return err
	}
	prefix := fmt.Sprintf("volume_%s_%s_backup_%s", b.volume, b.at.Format("20060102150405"), b.id)
	path := filepath.Join(container, prefix)
	for i, c := range chunks {
		if err := os.WriteFile(fmt.Sprintf("%s-%05d", path, i+1), c.stored, 0o640); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path+"_sha256file", b.hashes(chunks), 0o640); err != nil {
		return err
	}
	return os.WriteFile(path+"_metadata", b.metadata(prefix, chunks), 0o640)
}

// hashes is the hash list, spelt as Cinder does.
func (b *backup) hashes(chunks []chunk) []byte {
	var sums []string
	for _, c := range chunks {
		sums = append(sums, `    "`+c.sha256+`"`)
	}
	return fmt.Appendf(nil, `{
  "backup_description": null,
  "backup_id": "%s",
  "backup_name": "nightly-%s",
  "chunk_size": %d,
  "created_at": "%s",
  "sha256s": [
%s
  ],
  "version": "1.0.0",
  "volume_id": "%s"
}`, b.id, b.at.Format(time.DateOnly), block, b.created(), strings.Join(sums, ",\n"), b.volume)
}

func (b *backup) created() string { return b.at.Format("2006-01-02 15:04:05+00:00") }

// metadata is the metadata document, spelt as Cinder does.
func (b *backup) metadata(prefix string, chunks []chunk) []byte {
	var objects []string
	for i, c := range chunks {
		objects = append(objects, fmt.Sprintf(`    {
      "%s-%05d": {
        "compression": "zlib",
        "length": %d,
        "md5": "%s",
        "offset": %d
      }
    }`, prefix, i+1, block, c.md5, i*block))
	}
	parent := "null"
	if b.parent != "" {
		parent = `"` + b.parent + `"`
	}
	return fmt.Appendf(nil, `{
  "backup_description": null,
  "backup_id": "%s",
  "backup_name": "nightly-%s",
  "created_at": "%s",
  "objects": [
%s
  ],
  "parent_id": %s,
  "version": "1.0.0",
  "volume_id": "%s",
  "volume_meta": "%s"
}`, b.id, b.at.Format(time.DateOnly), b.created(), strings.Join(objects, ",\n"), parent, b.volume,
		strings.ReplaceAll(b.columns(), `"`, `\"`))
}

// columns are the volume's, as Cinder 21.3 (Zed) writes them.
func (b *backup) columns() string {
	const project, user = "6579b5ed3baf4f71832361a0ffca7f9b", "567bc57ccfbd4a7884c11b0dd2386ed8"
	at := b.at.Format("2006-01-02T15:04:05.000000")
	return fmt.Sprintf(`{"version": 2, "volume-base-metadata": {"created_at": "%[2]s", "updated_at": "%[2]s", `+
		`"deleted_at": null, "deleted": false, "id": "%[1]s", "_name_id": null, "use_quota": true, "ec2_id": null, `+
		`"user_id": "%[3]s", "project_id": "%[4]s", "snapshot_id": null, "cluster_name": null, "host": "vol1@file#files", `+
		`"size": 1, "availability_zone": "nova", "status": "backing-up", "attach_status": "detached", `+
		`"migration_status": null, "scheduled_at": "%[2]s", "launched_at": "%[2]s", "terminated_at": null, `+
		`"display_name": "data", "display_description": null, "provider_location": null, "provider_auth": null, `+
		`"provider_geometry": null, "provider_id": null, "volume_type_id": "371e8290-6b16-4261-a000-d2b2e0b99087", `+
		`"source_volid": null, "encryption_key_id": null, "consistencygroup_id": null, "group_id": null, `+
		`"bootable": false, "multiattach": false, "replication_status": null, "replication_extended_status": null, `+
		`"replication_driver_data": null, "previous_status": "available", `+
		`"service_uuid": "33d86408-9bbf-4873-94a6-ac3b03f269b3", "shared_targets": false}}`, b.volume, at, user, project)
}
