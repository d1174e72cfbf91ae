package driverstate

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Proof is what is remembered of the objects of one backup: when each of them
// was last read and proven. It is one row, however many objects there are.
type Proof struct {
	BackupID string
	// Identity is that of the Layout which it is about; with another one, it
	// says nothing.
	Identity string
	Objects  int
	Bytes    int64     // of volume data, of all objects
	Runs     ProofRuns // in the order of the objects
	// Faults are the objects that were damaged when they were read last, at
	// most MaxObjectFaults of them.
	Faults    []ObjectFault
	UpdatedAt time.Time
}

// MaxObjectFaults bounds Proof.Faults: what is beyond it counts as never read.
const MaxObjectFaults = 100

// ObjectFault is an object that was found damaged.
type ObjectFault struct {
	Object int       `json:"object"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// ProofRun is a run of objects that were last proven at the same time, in full
// seconds; zero for never.
type ProofRun struct {
	Objects int
	Bytes   int64 // of volume data
	At      time.Time
}

// ProofRuns are runs of objects, of which as a rule there are about as many as
// verifications that a whole set of backups takes. As text, a run takes 5 to
// 20 bytes: base64 of three variable-length numbers, the time as what it
// differs from that of the run before.
type ProofRuns []ProofRun

// MarshalText implements encoding.TextMarshaler.
func (r ProofRuns) MarshalText() ([]byte, error) {
	var raw []byte
	last := int64(0)
	for _, run := range r {
		at := seconds(run.At)
		raw = binary.AppendUvarint(raw, uint64(run.Objects))
		raw = binary.AppendUvarint(raw, uint64(run.Bytes))
		raw = binary.AppendVarint(raw, at-last)
		last = at
	}
	return base64.RawStdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *ProofRuns) UnmarshalText(text []byte) error {
	raw, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	*r = nil
	last := int64(0)
	for len(raw) > 0 {
		var run ProofRun
		objects, n := binary.Uvarint(raw)
		bytes, m := binary.Uvarint(raw[max(n, 0):])
		at, k := binary.Varint(raw[max(n, 0)+max(m, 0):])
		if n <= 0 || m <= 0 || k <= 0 || objects > 1<<31 || bytes > 1<<62 {
			return errors.New("runs of proven objects are damaged")
		}
		last += at
		run.Objects, run.Bytes, run.At = int(objects), int64(bytes), moment(last)
		*r, raw = append(*r, run), raw[n+m+k:]
	}
	return nil
}

func seconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// NewProof packs the times, in seconds since 1970 and 0 for never, at which the
// objects of l were proven.
func NewProof(l Layout, times []int64) *Proof {
	p := &Proof{BackupID: l.BackupID, Identity: l.Identity, Objects: len(l.Lengths)}
	for i, n := range l.Lengths {
		p.Bytes += n
		if last := len(p.Runs) - 1; last >= 0 && seconds(p.Runs[last].At) == times[i] {
			p.Runs[last].Objects++
			p.Runs[last].Bytes += n
			continue
		}
		p.Runs = append(p.Runs, ProofRun{1, n, moment(times[i])})
	}
	return p
}

// Times are what NewProof packed.
func (p *Proof) Times() []int64 {
	times := make([]int64, 0, p.Objects)
	for _, run := range p.Runs {
		for range min(run.Objects, p.Objects-len(times)) {
			times = append(times, seconds(run.At))
		}
	}
	return append(times, make([]int64, p.Objects-len(times))...)
}
