package ceph

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxMeta bounds a metadata object. Cinder's are about 2 kB and 255 bytes for
// each property of the user's.
const maxMeta = 1 << 20

// volumeMeta is the metadata object of a backup.
type volumeMeta struct {
	raw   []byte
	fault string // why it cannot be used, if it cannot
	base  struct {
		ID            string `json:"id"`
		Size          int64  `json:"size"`
		ProjectID     string `json:"project_id"`
		UserID        string `json:"user_id"`
		EncryptionKey string `json:"encryption_key_id"`
	}
}

// parseMeta never fails: what it cannot read is a fault.
func parseMeta(raw []byte) *volumeMeta {
	m := &volumeMeta{raw: raw}
	var doc struct {
		Version int             `json:"version"`
		Base    json.RawMessage `json:"volume-base-metadata"`
	}
	switch err := json.Unmarshal(raw, &doc); {
	case len(raw) > maxMeta:
		m.raw, m.fault = nil, fmt.Sprintf("is longer than %d bytes", maxMeta)
	case err != nil:
		m.raw, m.fault = nil, "is not JSON"
	case doc.Version != 1 && doc.Version != 2:
		m.fault = fmt.Sprintf("has version %d, not 1 or 2", doc.Version)
	default:
		// A member of another type is left out; the rest is read.
		_ = json.Unmarshal(doc.Base, &m.base)
	}
	return m
}

// meta is the metadata object of backup id; nil when there is none. An empty
// one, as a kill leaves it, is none.
func (d *Driver) meta(ctx context.Context, pool, id string) (*volumeMeta, error) {
	var raw []byte
	err := d.cluster.read(ctx, call{program: "rados", verb: "get", pool: pool, args: []string{metaName(id), "-"}}, func(r io.Reader) (err error) {
		if raw, err = io.ReadAll(io.LimitReader(r, maxMeta+1)); err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		return err
	})
	switch {
	case errors.Is(err, driverstate.ErrNotFound) && !noPool(err):
		return nil, nil
	case err != nil:
		return nil, err
	case len(raw) == 0:
		return nil, nil
	}
	return parseMeta(raw), nil
}

// allMetas are the ids of all metadata objects of a pool. Ceph cannot list by
// prefix: every block of every image is listed with them, a quarter of a
// million for each TiB.
func (d *Driver) allMetas(ctx context.Context, pool string) ([]string, error) {
	var ids []string
	err := d.cluster.read(ctx, call{program: "rados", verb: "ls", pool: pool}, func(r io.Reader) error {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 64<<10)
		for lines.Scan() {
			if m := metaForm().FindStringSubmatch(lines.Text()); m != nil {
				ids = append(ids, m[1])
			}
		}
		return lines.Err()
	})
	return ids, err
}
