package driverstate

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Subset says which part of the data a verification reads; the zero value says
// all of it. It is for the whole run, whatever the number of its backups.
type Subset struct {
	// Group and Groups read the Group-th of Groups parts, counted from 1: the
	// same objects whenever it is asked for.
	Group, Groups int
	// Percent and Bytes, of volume data, are a sample: what was not read
	// longest is read first, what never was before all. At most the part of an
	// object more than that is read, so that no object is too long to be read.
	Percent float64
	Bytes   int64
}

// ParseSubset reads "2/7", "5%", "2.5%", or a size of volume data such as
// "500M" or "20G", by factors of 1024; empty is all. ErrInvalidInput for all
// else.
func ParseSubset(text string) (s Subset, err error) {
	bad := Fail(ErrInvalidInput, fmt.Sprintf("subset %.40q is neither a group such as 2/7, nor a share such as 5%%, nor a size such as 20G", text))
	if text == "" {
		return s, nil
	}
	if group, groups, ok := strings.Cut(text, "/"); ok {
		s.Group, err = strconv.Atoi(group)
		if err == nil {
			s.Groups, err = strconv.Atoi(groups)
		}
		if err != nil || s.Group < 1 || s.Group > s.Groups || s.Groups > math.MaxInt32 {
			return Subset{}, bad
		}
		return s, nil
	}
	if share, ok := strings.CutSuffix(text, "%"); ok {
		s.Percent, err = strconv.ParseFloat(share, 64)
		if err != nil || !(s.Percent > 0 && s.Percent <= 100) {
			return Subset{}, bad
		}
		return s, nil
	}
	if len(text) < 2 {
		return Subset{}, bad
	}
	power := strings.IndexByte("KMGT", text[len(text)-1]&^0x20) + 1
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	if err != nil || power == 0 || n < 1 || n > math.MaxInt64>>(10*power) {
		return Subset{}, bad
	}
	return Subset{Bytes: n << (10 * power)}, nil
}

// All reports whether s is everything.
func (s Subset) All() bool { return s == Subset{} }

// Sample reports whether s is what was not read longest.
func (s Subset) Sample() bool { return s.Percent > 0 || s.Bytes > 0 }

// String is s as ParseSubset reads it.
func (s Subset) String() string {
	switch {
	case s.Groups > 0:
		return fmt.Sprintf("%d/%d", s.Group, s.Groups)
	case s.Percent > 0:
		return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
	case s.Bytes > 0:
		for power := 4; power > 1; power-- {
			if n := s.Bytes >> (10 * power); n<<(10*power) == s.Bytes {
				return strconv.FormatInt(n, 10) + "KMGT"[power-1:power]
			}
		}
		return strconv.FormatInt((s.Bytes+1023)>>10, 10) + "K"
	}
	return ""
}

// VerifyRequest asks for a look at backups on the store.
type VerifyRequest struct {
	BackupIDs []string `json:"backup_ids,omitempty"` // with rows or without
	All       bool     `json:"all,omitempty"`        // every backup that has a row
	Depth     Depth    `json:"depth,omitempty"`
	Subset    string   `json:"subset,omitempty"` // as ParseSubset reads it
	// NotSince leaves out the objects that were proven at this time or later,
	// and the backups that are made of such alone; zero for none.
	NotSince time.Time `json:"not_since,omitzero"`
}

// MaxVerified bounds how many backups may be named in one request.
const MaxVerified = 50_000

// Validate answers ErrInvalidInput to what cannot be asked for.
func (r *VerifyRequest) Validate() error {
	if _, err := ParseDepth(string(r.Depth)); err != nil {
		return err
	}
	subset, err := ParseSubset(r.Subset)
	switch {
	case err != nil:
		return err
	case r.All == (len(r.BackupIDs) > 0):
		return Fail(ErrInvalidInput, "name the backups, or say all")
	case len(r.BackupIDs) > MaxVerified:
		return Fail(ErrInvalidInput, fmt.Sprintf("%d backups are more than the %d that one request may name", len(r.BackupIDs), MaxVerified))
	case r.Depth != DepthData && (!subset.All() || !r.NotSince.IsZero()):
		return Fail(ErrInvalidInput, "only of the data a part can be read: depth "+string(r.Depth)+" reads none")
	}
	return nil
}

// VerifyResult is what a verification found of one of its backups.
type VerifyResult struct {
	BackupID string `json:"backup_id"`
	Report   Report `json:"report"`
	// VerifiedAt is when the object that was read least recently, of all that
	// the backup needs, was proven: now or earlier. Zero when one never was.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// Bytes is what the backup needs of the data of its chain, and Share how
	// much of it has been proven, from 0 to 1, since NotSince if that was given.
	Bytes int64   `json:"bytes"`
	Share float64 `json:"share"`
	// Skipped: all of it was proven since NotSince, and nothing was looked at.
	Skipped bool `json:"skipped,omitempty"`
	// Error says why it could not be looked at, Fault is its kind (FaultOf).
	Error string `json:"error,omitempty"`
	Fault string `json:"fault,omitempty"`
}

// Layout is what a backup has by itself on the store, without what it stands
// on: objects, numbered from 0 in the order of its metadata document.
type Layout struct {
	BackupID string
	// Identity changes when any object does: name, place in the volume or MD5.
	Identity string
	Lengths  []int64 // of volume data, by object
}

// Ledger chooses what a verification reads, and is told what was proven. One
// that is nil chooses all and is told nothing.
type Ledger interface {
	// Choose is asked once for each layer of a chain, before anything is read,
	// which of the objects that are needed to restore the tip are to be read.
	// Those that it leaves out count as proven or not as it knows itself. The
	// result is in ascending order, as needed is.
	Choose(l Layout, needed []int) (read []int)
	// Proven tells that all of an object was read and proven. It and Faulty may
	// be called from several goroutines.
	Proven(l Layout, object int)
	// Agreed reports whether the hash list of a backup need not be compared with
	// those of what it stands on: that was done, and Agree told of it.
	Agreed(backupID string) bool
	Agree(backupID string)
	// Faulty tells that an object is damaged, as often as that is found.
	Faulty(l Layout, object int, reason string)
}

// Sampler is a Verifier whose backups are made of objects, each of which can be
// proven by itself.
type Sampler interface {
	Verifier
	// Layout reads the documents of b alone. ErrCorrupt when they cannot be
	// used, ErrNotFound when they are not there.
	Layout(ctx context.Context, b *Backup) (Layout, error)
	// VerifyObjects is Verify at DepthData of the objects that ledger chooses.
	// An object is proven by the hash list of the backup that it belongs to,
	// and the tip's list is compared with that: so one object that several
	// backups need is read once for all of them.
	VerifyObjects(ctx context.Context, c Chain, ledger Ledger, obs Observer) (Report, error)
}
