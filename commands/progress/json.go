package progress

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// eventLine is a line of --json-events.
type eventLine struct {
	Type           driverstate.EventType `json:"type"`
	Op             string                `json:"op"`
	BackupID       string                `json:"backup_id,omitempty"`
	VolumeID       string                `json:"volume_id,omitempty"`
	Time           time.Time             `json:"time,omitzero"`
	BytesDone      int64                 `json:"bytes_done"`
	BytesTotal     int64                 `json:"bytes_total"`
	BytesPerSecond int64                 `json:"bytes_per_second,omitempty"`
	ObjectsDone    int                   `json:"objects_done"`
	ObjectsTotal   int                   `json:"objects_total"`
	Bound          *boundLine            `json:"bound,omitempty"`
	Message        string                `json:"message,omitempty"`
}

// boundLine says what an operation spent its time on, in shares of 1.
type boundLine struct {
	By     string  `json:"by"` // source, cpu or target
	Source float64 `json:"source"`
	CPU    float64 `json:"cpu"`
	Target float64 `json:"target"`
}

func (r *Renderer) json(e driverstate.Event) {
	l := eventLine{Type: e.Type, Op: e.Op, BackupID: e.BackupID, VolumeID: e.VolumeID, Time: e.Time.UTC(),
		BytesDone: e.BytesDone, BytesTotal: e.BytesTotal, ObjectsDone: e.ObjectsDone, ObjectsTotal: e.ObjectsTotal, Message: e.Message}
	key, now := e.Op+" "+e.BackupID, r.now()
	op := r.ops[key]
	if op == nil {
		op = &operation{started: now, bytesAtStart: e.BytesDone}
		r.ops[key] = op
	}
	if took := now.Sub(op.started); took > 0 {
		l.BytesPerSecond = int64(float64(e.BytesDone-op.bytesAtStart) / took.Seconds())
	}
	switch e.Type {
	case driverstate.EventEnd, driverstate.EventError:
		delete(r.ops, key)
	}
	if by := e.Load.Bound(); by != "" {
		l.Bound = &boundLine{strings.ToLower(by), thousandths(e.Load.Source), thousandths(e.Load.CPU), thousandths(e.Load.Target)}
	}
	if line, err := json.Marshal(l); err == nil {
		r.s.Err.Write(append(line, '\n'))
	}
}

func thousandths(share float64) float64 { return math.Round(share*1000) / 1000 }
