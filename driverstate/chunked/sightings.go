package chunked

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// sightings are the copies of backups that a scan has found. Nearly all are of
// nearly the same shape, and are kept in a fifth of the room that a Found
// takes: stores hold hundreds of thousands.
type sightings struct {
	d      *Driver
	mu     sync.Mutex
	packed [][]sighting // pieces of sightingsPiece
	whole  []*copyFound // what sighting cannot say
	owners map[ownedBy]*ownedBy
	best   []sight // the best copy of every backup, in the order of their creation
}

const sightingsPiece = 1024

// sighting is a copyFound of a backup that is whole, without warnings, and
// lies where the layout of file systems puts it.
type sighting struct {
	id, volume, parent      uuid
	created, updated, start int64 // seconds since 1970
	bytes                   int64
	size, count             int32
	name, description       *string
	owner                   *ownedBy
}

type uuid [16]byte

// ownedBy is what many backups have in common.
type ownedBy struct{ project, user, zone string }

// add keeps f.
func (s *sightings) add(f *copyFound) {
	small, of, ok := s.pack(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		s.whole = append(s.whole, f)
		return
	}
	if small.owner = s.owners[of]; small.owner == nil {
		small.owner = &of
		if s.owners == nil {
			s.owners = make(map[ownedBy]*ownedBy)
		}
		s.owners[of] = small.owner
	}
	last := len(s.packed) - 1
	if last < 0 || len(s.packed[last]) == sightingsPiece {
		s.packed = append(s.packed, make([]sighting, 0, sightingsPiece))
		last++
	}
	s.packed[last] = append(s.packed[last], small)
}

// pack is false for what unpack would not make the same again.
func (s *sightings) pack(f *copyFound) (sighting, ownedBy, bool) {
	b := &f.Backup
	x := sighting{
		created: b.CreatedAt.Unix(), updated: b.UpdatedAt.Unix(), start: f.start, bytes: f.Bytes,
		size: int32(b.Size), count: int32(b.ObjectCount), name: b.Name, description: b.Description,
	}
	if f.Condition != driverstate.ConditionWhole || f.Reason != "" || len(f.Problems) > 0 || len(f.Warnings) > 0 ||
		b.Status != driverstate.StatusAvailable || int64(x.size) != b.Size || int(x.count) != b.ObjectCount ||
		!b.DataTimestamp.Equal(b.CreatedAt) || b.CreatedAt.Nanosecond() != 0 || b.UpdatedAt.Nanosecond() != 0 || len(b.Metadata) > 0 ||
		!x.id.parse(b.ID) || !x.volume.parse(b.VolumeID) || b.ParentID != "" && !x.parent.parse(b.ParentID) {
		return x, ownedBy{}, false
	}
	if !ownDirectory(b.Container, b.ID) || !isFilePrefix(b, x.start) {
		return x, ownedBy{}, false
	}
	return x, ownedBy{b.ProjectID, b.UserID, b.AvailabilityZone}, true
}

func (s *sightings) unpack(x *sighting) *copyFound {
	created := time.Unix(x.created, 0).UTC()
	f := &copyFound{start: x.start}
	f.Condition, f.Bytes = driverstate.ConditionWhole, x.bytes
	b := &f.Backup
	*b = driverstate.Backup{
		ID: x.id.String(), VolumeID: x.volume.String(), ProjectID: x.owner.project, UserID: x.owner.user,
		AvailabilityZone: x.owner.zone, Name: x.name, Description: x.description, Service: s.d.cfg.Service,
		Status: driverstate.StatusAvailable, Size: int64(x.size), ObjectCount: int(x.count), Metadata: map[string]string{},
		CreatedAt: created, DataTimestamp: created, UpdatedAt: time.Unix(x.updated, 0).UTC(),
	}
	if x.parent != (uuid{}) {
		b.ParentID = x.parent.String()
	}
	b.Container = FileLayout{}.Container(b)
	b.ServiceMetadata = FileLayout{}.Prefix(b, time.Unix(x.start, 0))
	return f
}

// sight is one copy of a backup: small or whole.
type sight struct {
	id      uuid
	created int64
	small   *sighting
	whole   *copyFound
}

func (s *sightings) full(x sight) *copyFound {
	if x.whole != nil {
		return x.whole
	}
	return s.unpack(x.small)
}

// choose makes s.best.
func (s *sightings) choose() {
	all := make([]sight, 0, len(s.packed)*sightingsPiece+len(s.whole))
	for _, piece := range s.packed {
		for i := range piece {
			all = append(all, sight{id: piece[i].id, created: piece[i].created, small: &piece[i]})
		}
	}
	for _, f := range s.whole {
		x := sight{created: sightDate(f), whole: f}
		x.id.parse(f.Backup.ID)
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b sight) int { return bytes.Compare(a.id[:], b.id[:]) })
	s.best = all[:0]
	for rest := all; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].id == rest[0].id {
			n++
		}
		x := rest[0]
		if n > 1 {
			copies := make([]*copyFound, n)
			for i := range copies {
				copies[i] = s.full(rest[i])
			}
			x.small, x.whole = nil, preferred(copies)
			x.created = sightDate(x.whole)
		}
		s.best = append(s.best, x)
		rest = rest[n:]
	}
	slices.SortFunc(s.best, func(a, b sight) int {
		return cmp.Or(cmp.Compare(a.created, b.created), bytes.Compare(a.id[:], b.id[:]))
	})
}

// sightDate is when the backup was made, for the order: never is last.
func sightDate(f *copyFound) int64 {
	if f.Backup.CreatedAt.IsZero() {
		return math.MaxInt64
	}
	return f.Backup.CreatedAt.Unix()
}

// isFilePrefix reports whether b has the prefix that FileLayout gives it.
func isFilePrefix(b *driverstate.Backup, start int64) bool {
	var stamp [len(stampLayout)]byte
	rest, ok := strings.CutPrefix(b.ServiceMetadata, "volume_")
	if ok {
		rest, ok = strings.CutPrefix(rest, b.VolumeID)
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, "_")
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, string(time.Unix(start, 0).UTC().AppendFormat(stamp[:0], stampLayout)))
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, "_backup_")
	}
	return ok && rest == b.ID
}

// parse is false for what is no UUID in Cinder's spelling.
func (u *uuid) parse(text string) bool {
	if !driverstate.IsUUID(text) {
		return false
	}
	var digits [32]byte
	n := copy(digits[:], text[:8])
	n += copy(digits[n:], text[9:13])
	n += copy(digits[n:], text[14:18])
	n += copy(digits[n:], text[19:23])
	copy(digits[n:], text[24:])
	return unhex(u[:], digits[:])
}

func (u *uuid) String() string {
	var out [36]byte
	hex.Encode(out[:8], u[:4])
	hex.Encode(out[9:13], u[4:6])
	hex.Encode(out[14:18], u[6:8])
	hex.Encode(out[19:23], u[8:10])
	hex.Encode(out[24:], u[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
