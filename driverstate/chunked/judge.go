package chunked

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// judge looks at the documents and the listing of one backup and rebuilds its
// row. An error is one of the store or of ctx; what is wrong with the backup is
// in the result. Documents that could be read and say what cannot be are looked
// at once more: one bad read condemns no backup.
func (d *Driver) judge(ctx context.Context, gr *group) (*copyFound, error) {
	f, err := d.look(ctx, gr)
	if err != nil || !f.doubtful {
		return f, err
	}
	again, err := d.look(ctx, gr)
	if err == nil && len(again.Problems) > len(f.Problems) {
		return f, nil
	}
	return again, err
}

func (d *Driver) look(ctx context.Context, gr *group) (*copyFound, error) {
	f := &copyFound{start: gr.id.start.Unix()}
	f.Condition = driverstate.ConditionWhole
	b := &f.Backup
	*b = driverstate.Backup{
		ID: gr.id.backupID, VolumeID: gr.id.volumeID, AvailabilityZone: gr.id.zone,
		Container: gr.container, ServiceMetadata: gr.prefix, Service: d.cfg.Service,
		CreatedAt: gr.id.start, DataTimestamp: gr.id.start,
		Status: driverstate.StatusError, ObjectCount: len(gr.chunks),
	}
	for _, c := range gr.chunks {
		f.Bytes += max(0, c.size)
	}
	if gr.hashes != nil {
		f.Bytes += max(0, gr.hashes.Size)
	}
	var err error
	if gr.metadata == nil {
		if gr.metadata, err = d.unlisted(ctx, gr.container, metadataName(gr.prefix)); err != nil {
			return nil, err
		}
	}
	if gr.metadata == nil {
		f.condemn(driverstate.ConditionPartial, "its metadata document is missing: never finished, or half deleted")
		return f, d.nameOld(ctx, gr, f)
	}
	f.Bytes += max(0, gr.metadata.Size)
	m, err := d.loadMetadataSized(ctx, gr.container, gr.prefix, gr.metadata.Size)
	if err != nil {
		return f, d.unusable(ctx, gr, f, err)
	}
	f.rebuild(m, gr)
	hashes, err := d.judgeHashes(ctx, gr, f)
	if err != nil {
		return nil, err
	}
	if err := d.askForChunks(ctx, m, gr); err != nil {
		return nil, err
	}
	f.judgeObjects(m, gr)
	f.judgeLength(m, hashes)
	f.judgeVolumeMeta(m, hashes, gr)
	if len(gr.prefix) > 255 {
		f.warn("its object prefix is longer than 255 bytes, which no row can hold")
	}
	if f.Condition == driverstate.ConditionWhole {
		b.Status = driverstate.StatusAvailable
	} else {
		f.doubtful = true
	}
	return f, nil
}

func (f *copyFound) condemn(c driverstate.Condition, reason string) {
	f.Condition, f.Reason = c, reason
}

func (f *copyFound) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...))
}

// problem adds a Problem; the first is the Reason.
func (f *copyFound) problem(p driverstate.Problem) {
	p.BackupID = f.Backup.ID
	if f.Condition == driverstate.ConditionWhole {
		f.condemn(driverstate.ConditionDamaged, p.Reason)
		if p.Object != "" {
			f.Reason = fmt.Sprintf("object %s is %s", p.Object, p.Reason)
		}
	}
	f.Problems = append(f.Problems, p)
}

// unusable judges a backup by the error that its metadata document gave.
func (d *Driver) unusable(ctx context.Context, gr *group, f *copyFound, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case errors.Is(err, driverstate.ErrUnavailable):
		return err
	case isCut(err) && gr.metadata.Size == 0:
		f.condemn(driverstate.ConditionPartial, "its metadata document is empty")
	case isCut(err):
		f.condemn(driverstate.ConditionPartial, "its metadata document is cut short")
	case isAbsent(err):
		f.condemn(driverstate.ConditionPartial, "its metadata document is gone")
	default:
		f.condemn(driverstate.ConditionDamaged, "its "+err.Error())
	}
	f.Problems = append(f.Problems, driverstate.Problem{
		BackupID: f.Backup.ID, Object: metadataName(gr.prefix), Reason: f.Reason,
	})
	return d.nameOld(ctx, gr, f)
}

// nameOld finds out whose the objects named "backup" are from their hash list,
// where neither a metadata document nor the directory tells.
func (d *Driver) nameOld(ctx context.Context, gr *group, f *copyFound) error {
	if f.Backup.ID != "" || gr.hashes == nil {
		return nil
	}
	h, err := d.readOwner(ctx, gr.container, gr.prefix)
	if err == nil {
		f.Backup.ID, f.Backup.VolumeID = h.BackupID, h.VolumeID
	}
	return ctx.Err()
}

// rebuild fills the row with what the metadata document tells.
func (f *copyFound) rebuild(m *Metadata, gr *group) {
	b := &f.Backup
	b.ID, b.VolumeID, b.ParentID = m.BackupID, m.VolumeID, m.ParentID
	b.Name, b.Description = keptText(m.Name), keptText(m.Description)
	b.ObjectCount = len(m.Extents)
	b.Metadata = map[string]string{}
	b.UpdatedAt = gr.metadata.Modified.UTC().Truncate(time.Second)
	if !m.CreatedAt.IsZero() {
		b.CreatedAt = m.CreatedAt.Truncate(time.Second)
		b.DataTimestamp = b.CreatedAt
	} else {
		f.warn("its metadata document tells no creation time")
	}
	if gr.id.old {
		f.start = m.CreatedAt.Unix()
	}
}

// keptText is a text of a document, whoever wrote it, as a row can keep it.
func keptText(s *string) *string {
	if s == nil {
		return nil
	}
	kept := driverstate.KeptText(*s)
	return &kept
}

// judgeHashes looks at the hash list. A restore can do without it.
func (d *Driver) judgeHashes(ctx context.Context, gr *group, f *copyFound) (hashShape, error) {
	const consequence = ": restorable, but no incremental backup can follow"
	var err error
	if gr.hashes == nil {
		if gr.hashes, err = d.unlisted(ctx, gr.container, hashesName(gr.prefix)); err != nil {
			return hashShape{}, err
		}
	}
	if gr.hashes == nil {
		f.warn("its hash list is missing" + consequence)
		return hashShape{}, nil
	}
	h, err := d.loadHashShape(ctx, gr.container, gr.prefix, gr.hashes.Size)
	switch {
	case err == nil:
		return h, nil
	case ctx.Err() != nil:
		return h, ctx.Err()
	case errors.Is(err, driverstate.ErrUnavailable):
		return h, err
	case isCut(err):
		f.warn("its hash list is cut short" + consequence)
	default:
		f.warn("its %v%s", err, consequence)
	}
	return hashShape{}, nil
}

// judgeObjects compares what the document lists with what the store lists.
func (f *copyFound) judgeObjects(m *Metadata, gr *group) {
	slices.SortFunc(gr.chunks, byNumber)
	f.warnUnlisted(gr)
	i := 0
	var strays []chunkInfo
	for e := range m.Extents {
		x := &m.Extents[e]
		_, _, n, _ := splitName(x.Name)
		for i < len(gr.chunks) && gr.chunks[i].n < n {
			strays = append(strays, gr.chunks[i])
			i++
		}
		lost := driverstate.Problem{Object: x.Name, Offset: x.Offset, Length: x.Length}
		if i == len(gr.chunks) || gr.chunks[i].n != n {
			lost.Reason = reasonMissing
			f.problem(lost)
			continue
		}
		if lost.Reason = implausible(x, gr.chunks[i].size); lost.Reason != "" {
			f.problem(lost)
		}
		i++
	}
	strays = append(strays, gr.chunks[i:]...)
	const named = 3
	for k, c := range strays {
		if k == named {
			f.warn("%d more objects under its prefix are not its own", len(strays)-named)
			break
		}
		f.warn("object %s is not listed in its metadata document", chunkName(gr.prefix, c.n))
	}
}

// Reasons that a listing alone proves.
const (
	reasonMissing = "missing"
	reasonEmpty   = "empty"
)

// implausible says why an object of size bytes cannot hold x; empty if it can.
func implausible(x *Extent, size int64) string {
	switch {
	case size < 0: // not known
		return ""
	case size == 0 && x.Length > 0:
		return reasonEmpty
	case x.Compression == CompressionNone && size < x.Length:
		return fmt.Sprintf("cut short: %d bytes of %d", size, x.Length)
	case x.Compression == CompressionNone && size > x.Length:
		return fmt.Sprintf("too long: %d bytes, not %d", size, x.Length)
	// Deflate cannot shrink anything to less than a 1032nd.
	case x.Compression == CompressionZlib && size*1032 < x.Length:
		return fmt.Sprintf("cut short: %d bytes cannot inflate to %d", size, x.Length)
	// No compressor here makes data that it cannot shrink much longer.
	case size > x.Length+x.Length/32+4096:
		return fmt.Sprintf("too long: %d bytes for %d", size, x.Length)
	}
	return ""
}

// judgeLength finds what a full backup lacks although no object of it does.
func (f *copyFound) judgeLength(m *Metadata, h hashShape) {
	var end int64
	if m.ParentID == "" {
		for _, x := range m.Extents {
			if x.Offset > end {
				f.problem(driverstate.Problem{Reason: "no object for a part of the volume", Offset: end, Length: x.Offset - end})
			}
			end = x.Offset + x.Length
		}
	} else if len(m.Extents) > 0 {
		last := m.Extents[len(m.Extents)-1]
		end = last.Offset + last.Length
	}
	if h.blocks == 0 {
		return
	}
	switch {
	case end > h.blocks*h.blockSize:
		f.warn("its objects reach beyond its hash list")
	case m.ParentID == "" && end <= (h.blocks-1)*h.blockSize:
		f.problem(driverstate.Problem{
			Reason: "no object for the end of the volume", Offset: end, Length: h.blocks*h.blockSize - end,
		})
	}
}

// judgeVolumeMeta takes size and owner from the volume's own columns and
// compares the size with what the documents cover.
func (f *copyFound) judgeVolumeMeta(m *Metadata, h hashShape, gr *group) {
	b := &f.Backup
	facts, err := parseVolumeMeta(m.VolumeMeta)
	if err != nil {
		f.warn("its %v", err)
		f.doubtful = true
	}
	b.ProjectID, b.UserID = facts.project, facts.user
	if facts.encryptionKey != "" && !gr.keyed {
		f.warn("its own encryption key is lost; the volume's was %s", facts.encryptionKey)
	}
	var extentEnd int64
	if n := len(m.Extents); n > 0 {
		extentEnd = m.Extents[n-1].Offset + m.Extents[n-1].Length
	}
	var least, most int64 // GiB, by the hash list
	if h.blocks > 0 {
		least, most = gib((h.blocks-1)*h.blockSize+1), gib(h.blocks*h.blockSize)
	}
	b.Size = max(facts.size, gib(extentEnd), least)
	switch {
	case b.Size == 0:
		b.Size = 1
		f.warn("nothing tells its size; 1 GiB is a guess")
	case facts.size == 0:
		if h.blocks == 0 && m.ParentID != "" {
			f.warn("its size is lost; %d GiB is the least it can be", b.Size)
		}
	case b.Size != facts.size:
		f.warn("its volume was %d GiB, but its data reaches %d GiB", facts.size, b.Size)
	case h.blocks > 0 && (facts.size < least || facts.size > most):
		f.warn("its volume was %d GiB, but its hash list covers %d GiB", facts.size, most)
	}
}

// gib rounds n bytes up to GiB.
func gib(n int64) int64 { return (n + 1<<30 - 1) >> 30 }
