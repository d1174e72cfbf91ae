package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

const posixService = "cinder.backup.drivers.posix.PosixBackupDriver"

// fixtures are the same on both sides.
type fixtures struct {
	project string
	rows    []*driverstate.Backup
	imports []driverstate.ExportedRecord
	store   string
}

// makeFixtures writes a store with as many whole backups as there are imports,
// and describes n rows. The chunks of all the copies are one file each: it is
// the requests that are measured, not the disk.
func makeFixtures(store string, n, imports int) (*fixtures, error) {
	set := &fixtures{project: strings.ReplaceAll(uuid.NewString(), "-", ""), store: store}
	if err := os.MkdirAll(store, 0o755); err != nil {
		return nil, err
	}
	if err := drillstore.Unpack(store); err != nil {
		return nil, err
	}
	began := time.Now().UTC().Truncate(time.Second).Add(-time.Duration(n) * time.Second)
	for i := range n {
		b := set.row(uuid.NewString(), began.Add(time.Duration(i)*time.Second))
		b.Container, b.ServiceMetadata = place(b.ID), "backup"
		set.rows = append(set.rows, b)
	}
	for range imports {
		b := set.row(uuid.NewString(), began)
		b.Container = place(b.ID)
		var err error
		if b.ServiceMetadata, err = cloneBackup(store, drillstore.Full, b.ID); err != nil {
			return nil, err
		}
		b.VolumeID = strings.TrimPrefix(b.ServiceMetadata[:len("volume_")+36], "volume_")
		record, err := driverstate.EncodeRecord(b, nil)
		if err != nil {
			return nil, err
		}
		set.imports = append(set.imports, record)
	}
	return set, nil
}

func (f *fixtures) row(id string, at time.Time) *driverstate.Backup {
	name := "bench-" + id[:8]
	return &driverstate.Backup{
		ID: id, VolumeID: uuid.NewString(), UserID: f.project, ProjectID: f.project,
		Host: "bak-posix", AvailabilityZone: "nova", Name: &name,
		Service: posixService, Status: driverstate.StatusAvailable, Size: 1, ObjectCount: 256,
		CreatedAt: at, UpdatedAt: at, DataTimestamp: at,
	}
}

// place is the container of a posix backup.
func place(id string) string { return filepath.Join(id[:2], id[2:4], id) }

// cloneBackup makes the backup of one id one of another id, and returns its
// object prefix.
func cloneBackup(store, from, to string) (prefix string, err error) {
	source, target := filepath.Join(store, place(from)), filepath.Join(store, place(to))
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name := strings.ReplaceAll(e.Name(), from, to)
		if document, ok := strings.CutSuffix(name, "_metadata"); ok {
			prefix = document
		} else if !strings.HasSuffix(name, "_sha256file") {
			if err := os.Link(filepath.Join(source, e.Name()), filepath.Join(target, name)); err != nil {
				return "", err
			}
			continue
		}
		text, err := os.ReadFile(filepath.Join(source, e.Name()))
		if err != nil {
			return "", err
		}
		text = bytes.ReplaceAll(text, []byte(from), []byte(to))
		if err := os.WriteFile(filepath.Join(target, name), text, 0o644); err != nil {
			return "", err
		}
	}
	if prefix == "" {
		return "", fmt.Errorf("backup %s has no metadata document", from)
	}
	return prefix, nil
}
