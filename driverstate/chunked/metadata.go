package chunked

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Limits of a metadata document.
const (
	// maxMetadata is the longest document that is read: about two million
	// chunks.
	maxMetadata = 512 << 20
	// bigMetadata is the length from which documents are read one at a time.
	bigMetadata = 16 << 20
	// maxExtent is the longest chunk, uncompressed. Cinder's largest default is
	// 1999994880.
	maxExtent = 4 << 30
	// maxGiB is the largest size that a row can hold.
	maxGiB        = 1<<31 - 1
	maxVolume     = int64(maxGiB) << 30
	maxVolumeMeta = 4 << 20
	formatVersion = "1.0.0"
)

// ParseCompression normalises a word of Cinder's option
// backup_compression_algorithm or of a chunk's entry; an unknown one answers
// to ErrInvalidInput.
func ParseCompression(word string) (Compression, error) {
	switch word {
	case "none", "off", "no":
		return CompressionNone, nil
	case "zlib", "gzip":
		return CompressionZlib, nil
	case "bz2", "bzip2":
		return CompressionBz2, nil
	case "zstd":
		return CompressionZstd, nil
	}
	return "", driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("compression %.80q is not known", word))
}

// parseMetadata reads a <prefix>_metadata document of at most limit bytes. A
// document that must not be used answers to driverstate.ErrCorrupt.
func parseMetadata(r io.Reader, limit int64) (*Metadata, error) {
	p := metadataParser{scanner: newScanner(r, limit)}
	defer p.release()
	if err := p.document(); err != nil {
		return nil, fmt.Errorf("metadata document: %w", err)
	}
	m := p.m
	return &m, nil
}

type metadataParser struct {
	*scanner
	head
	m       Metadata
	objects bool
	prefix  string
	last    int // number of the chunk before
}

// head is what both documents begin with.
type head struct {
	version, backupID, volumeID string
	created                     time.Time
	hasCreated                  bool
}

// field reads the value of key if it is one of head's.
func (h *head) field(s *scanner, key string) (known bool, err error) {
	var into *string
	switch key {
	case "version":
		into = &h.version
	case "backup_id":
		into = &h.backupID
	case "volume_id":
		into = &h.volumeID
	case "created_at":
		text, err := s.str(maxWord)
		if err != nil {
			return true, err
		}
		h.hasCreated = true
		h.created, err = parseTime(string(text))
		return true, err
	default:
		return false, nil
	}
	text, err := s.str(maxWord)
	*into = string(text)
	return true, err
}

func (h *head) check() error {
	switch {
	case h.version == "":
		return refusal("names no version")
	case h.version != formatVersion:
		return refusal("version %.40q is not known", h.version)
	case !driverstate.IsUUID(h.backupID):
		return refusal("backup_id %.80q is not a UUID", h.backupID)
	case !driverstate.IsUUID(h.volumeID):
		return refusal("volume_id %.80q is not a UUID", h.volumeID)
	case !h.hasCreated:
		return refusal("has no created_at")
	}
	return nil
}

func (p *metadataParser) document() error {
	if err := p.object(p.field); err != nil {
		return err
	}
	if err := p.finish(); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if !p.objects {
		return refusal("lists no objects")
	}
	m := &p.m
	m.BackupID, m.VolumeID, m.CreatedAt = p.backupID, p.volumeID, p.created
	if m.ParentID != "" && !driverstate.IsUUID(m.ParentID) {
		return refusal("parent_id %.80q is not a UUID", m.ParentID)
	}
	if m.ParentID == m.BackupID {
		return refusal("names itself as its parent")
	}
	if len(m.Extents) == 0 {
		return nil
	}
	return m.checkPrefix(p.prefix)
}

// checkPrefix compares the document's ids with those in an object prefix.
func (m *Metadata) checkPrefix(prefix string) error {
	id, ok := parsePrefix(prefix)
	switch {
	case !ok:
		return refusal("lists objects of the unknown prefix %.300q", prefix)
	case id.old:
	case id.backupID != m.BackupID:
		return refusal("is that of backup %s, but its objects are named for %s", m.BackupID, id.backupID)
	case id.volumeID != m.VolumeID:
		return refusal("is that of volume %s, but its objects are named for %s", m.VolumeID, id.volumeID)
	}
	return nil
}

func (p *metadataParser) field(key string) error {
	if known, err := p.head.field(p.scanner, key); known {
		return err
	}
	switch key {
	case "backup_name":
		return p.nullable(&p.m.Name)
	case "backup_description":
		return p.nullable(&p.m.Description)
	case "parent_id":
		var parent *string
		err := p.nullable(&parent)
		if parent != nil {
			if *parent == "" {
				return refusal("parent_id is empty")
			}
			p.m.ParentID = *parent
		}
		return err
	case "volume_meta":
		if null, err := p.null(); null || err != nil {
			return err
		}
		text, err := p.str(maxVolumeMeta)
		p.m.VolumeMeta = append([]byte{}, text...)
		return err
	case "objects":
		p.objects = true
		return p.array(p.entry)
	}
	return p.skip(1)
}

func (p *metadataParser) nullable(into **string) error {
	if null, err := p.null(); null || err != nil {
		return err
	}
	text, err := p.str(maxWord)
	s := string(text)
	*into = &s
	return err
}

// entry reads one element of objects: an object of a single key.
func (p *metadataParser) entry() error {
	var e Extent
	keys := 0
	err := p.object(func(name string) error {
		if keys++; keys > 1 {
			return p.fail("an entry of two objects")
		}
		e.Name = name
		return p.extent(&e)
	})
	if err != nil {
		return err
	}
	if keys == 0 {
		return p.fail("an entry without an object")
	}
	return p.accept(e)
}

func (p *metadataParser) extent(e *Extent) error {
	const offset, length, compression, md5 = 1, 2, 4, 8
	have := 0
	err := p.object(func(key string) (err error) {
		switch key {
		case "offset":
			have |= offset
			e.Offset, err = p.integer()
		case "length":
			have |= length
			e.Length, err = p.integer()
		case "compression":
			have |= compression
			var word []byte
			if word, err = p.str(maxWord); err == nil {
				if e.Compression, err = ParseCompression(string(word)); err != nil {
					err = p.fail("%v", err)
				}
			}
		case "md5":
			have |= md5
			var digits []byte
			if digits, err = p.str(maxWord); err == nil && (len(digits) != 32 || !unhex(e.MD5[:], digits)) {
				err = p.fail("md5 that is not 32 hexadecimal digits")
			}
		default:
			err = p.skip(4)
		}
		return err
	})
	if err == nil && have != offset|length|compression|md5 {
		return p.fail("object %.300q lacks its offset, length, compression or md5", e.Name)
	}
	return err
}

// accept appends e if it may follow the extents before it.
func (p *metadataParser) accept(e Extent) error {
	prefix, kind, n, ok := splitName(e.Name)
	if !ok || kind != kindChunk {
		return p.fail("object name %.300q is not a chunk's", e.Name)
	}
	var end int64
	if len(p.m.Extents) == 0 {
		p.prefix = prefix
	} else {
		before := p.m.Extents[len(p.m.Extents)-1]
		end = before.Offset + before.Length
	}
	switch {
	case prefix != p.prefix:
		return p.fail("object %.300q has another prefix than the first", e.Name)
	case n <= p.last:
		return p.fail("object %.300q is listed twice or out of order", e.Name)
	case e.Length > maxExtent:
		return p.fail("object %.300q is %d bytes long; at most %d can be read", e.Name, e.Length, int64(maxExtent))
	case e.Offset > maxVolume-e.Length:
		return p.fail("object %.300q lies beyond the largest volume", e.Name)
	case e.Offset < end:
		return p.fail("object %.300q overlaps the one before it", e.Name)
	}
	p.last = n
	p.m.Extents = append(p.m.Extents, e)
	return nil
}

// parseTime reads the text that Python's str gives for a row's time, always
// UTC; "None" is the zero time.
func parseTime(text string) (time.Time, error) {
	if text == "None" {
		return time.Time{}, nil
	}
	layouts := []string{
		"2006-01-02 15:04:05-07:00", // Liberty and later
		"2006-01-02 15:04:05",
		time.RFC3339,
		"2006-01-02T15:04:05",
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			if y := t.UTC().Year(); y < 1970 || y > 9999 {
				break
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, refusal("created_at %.80q is not a time", text)
}

// formatTime is Python's str of a UTC time, or of the None for which the zero
// time stands.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return "None"
	}
	t = t.UTC()
	if t.Nanosecond()/1000 == 0 {
		return t.Format("2006-01-02 15:04:05+00:00")
	}
	return t.Format("2006-01-02 15:04:05.000000+00:00")
}

// loadMetadata reads the metadata document of the backup whose objects begin
// with prefix and checks that its ids and object names belong to that prefix.
// objectstore.ErrNotFound or ErrNoContainer when there is none;
// driverstate.ErrCorrupt when it must not be used.
func (d *Driver) loadMetadata(ctx context.Context, container, prefix string) (*Metadata, error) {
	return d.loadMetadataSized(ctx, container, prefix, bigMetadata)
}

// loadMetadataSized is loadMetadata for a document whose length is known, or
// unlistedSize.
func (d *Driver) loadMetadataSized(ctx context.Context, container, prefix string, size int64) (m *Metadata, err error) {
	if size >= bigMetadata || size == unlistedSize {
		select {
		case d.big <- struct{}{}:
			defer func() { <-d.big }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if size == 0 {
		return d.readMetadata(ctx, container, prefix)
	}
	err = twice(ctx, func() error {
		m, err = d.readMetadata(ctx, container, prefix)
		return err
	})
	return m, err
}

func (d *Driver) readMetadata(ctx context.Context, container, prefix string) (*Metadata, error) {
	r, err := d.store.Get(ctx, container, metadataName(prefix), 0, -1)
	if err != nil {
		return nil, fmt.Errorf("metadata document: %w", err)
	}
	defer r.Close()
	m, err := parseMetadata(r, maxMetadata)
	if err != nil {
		return nil, err
	}
	if err := m.belongs(container, prefix); err != nil {
		return nil, fmt.Errorf("metadata document: %w", err)
	}
	return m, nil
}

// doubtful reports whether m is read well, and yet not as Cinder writes it: chunks
// are numbered from 1 on without a gap, and volume_meta is JSON.
func (m *Metadata) doubtful() bool {
	if n := len(m.Extents); n > 0 {
		if _, _, last, _ := splitName(m.Extents[n-1].Name); last != n {
			return true
		}
	}
	_, err := parseVolumeMeta(m.VolumeMeta)
	return err != nil
}

// belongs checks that m is the document of prefix in container.
func (m *Metadata) belongs(container, prefix string) error {
	if len(m.Extents) > 0 && !strings.HasPrefix(m.Extents[0].Name, prefix+"-") {
		return refusal("lists %.300q and not objects of its own prefix", m.Extents[0].Name)
	}
	if err := m.checkPrefix(prefix); err != nil {
		return err
	}
	if owner := directoryOwner(container); owner != "" && prefix == oldPrefix && owner != m.BackupID {
		return refusal("is that of backup %s, in the directory of %s", m.BackupID, owner)
	}
	return nil
}

// writeMetadata writes m as Cinder does: json.dumps with sort_keys and
// indent=2, non-ASCII escaped (chunkeddriver.py _write_metadata).
func writeMetadata(w io.Writer, m *Metadata) error {
	if len(m.VolumeMeta) > maxVolumeMeta {
		return fmt.Errorf("volume metadata is longer than %d bytes", maxVolumeMeta)
	}
	e := newEmitter(w)
	e.head(m.BackupID, m.Name, m.Description)
	e.key("created_at").text(formatTime(m.CreatedAt))
	e.raw(",\n  \"objects\": [")
	for i := range m.Extents {
		x := &m.Extents[i]
		if i > 0 {
			e.raw(",")
		}
		e.raw("\n    {\n      ").text(x.Name)
		e.raw(": {\n        \"compression\": ").text(string(x.Compression))
		e.raw(",\n        \"length\": ").number(x.Length)
		e.raw(",\n        \"md5\": ").text(hex.EncodeToString(x.MD5[:]))
		e.raw(",\n        \"offset\": ").number(x.Offset)
		e.raw("\n      }\n    }")
	}
	if len(m.Extents) > 0 {
		e.raw("\n  ")
	}
	e.raw("],\n")
	var parent *string
	if m.ParentID != "" {
		parent = &m.ParentID
	}
	e.key("parent_id").nullable(parent)
	e.raw(",\n").key("version").text(formatVersion)
	e.raw(",\n").key("volume_id").text(m.VolumeID)
	var meta *string
	if m.VolumeMeta != nil {
		text := string(m.VolumeMeta)
		meta = &text
	}
	e.raw(",\n").key("volume_meta").nullable(meta)
	e.raw("\n}")
	return e.flush()
}
