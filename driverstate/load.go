package driverstate

import "time"

// Load is where the time of the workers of an operation went, each from 0 to 1;
// together they are 1, or all are 0 when nobody measured. What an operation
// spends most on is what bounds it: more of that makes it faster.
type Load struct {
	Source float64 // reading what is copied: the store, or the volume of a backup
	CPU    float64 // decoding, packing, hashing
	Target float64 // waiting for what is written: the volume, or the store of a backup
}

// Bound names the largest part: "source", "CPU" or "target"; empty when nobody
// measured.
func (l Load) Bound() string {
	switch largest := max(l.Source, l.CPU, l.Target); largest {
	case 0:
		return ""
	case l.CPU:
		return "CPU"
	case l.Source:
		return "source"
	default:
		return "target"
	}
}

// NewLoad is the Load of workers that had total time together, source of it
// reading and target of it waiting to write; the rest they computed.
func NewLoad(total, source, target time.Duration) Load {
	waited := source + target
	if total < waited {
		total = waited
	}
	if total <= 0 {
		return Load{}
	}
	share := func(d time.Duration) float64 { return float64(d) / float64(total) }
	return Load{Source: share(source), CPU: share(total - waited), Target: share(target)}
}
