// Package table holds what a benchmark found, one row for each job, judges it
// by its goal, and prints it.
package table

import "math"

// Unit is what the numbers of a row are.
type Unit string

// The units. Of MBps more is better, of the others less.
const (
	MBps    Unit = "MB/s" // 10^6 bytes of the volume each second
	Seconds Unit = "s"
	MiB     Unit = "MiB" // of memory
	MB      Unit = "MB"  // of stored bytes
)

func (u Unit) moreIsBetter() bool { return u == MBps }

// Goal is what a row must reach; a number that is 0 asks for nothing.
type Goal struct {
	Ratio float64 `json:"ratio,omitempty"` // times better than the peer
	Share float64 `json:"share,omitempty"` // of the limit
	// AtMost is the largest number that ours may be, in the row's unit.
	AtMost float64 `json:"at_most,omitempty"`
	// PeakMiB is the most memory that ours may take.
	PeakMiB float64 `json:"peak_mib,omitempty"`
}

// Verdict says whether a goal is reached.
type Verdict string

// The verdicts.
const (
	Met     Verdict = "met"
	Missed  Verdict = "missed"
	NoGoal  Verdict = "-"
	Skipped Verdict = "skipped" // something to compare with is not there
	Failed  Verdict = "FAILED"  // it could not be done, or what came out is wrong
)

// Row is one job. Numbers that were not measured are 0.
type Row struct {
	Name     string  `json:"name"`
	Unit     Unit    `json:"unit"`
	Peer     float64 `json:"peer,omitempty"`
	PeerName string  `json:"peer_name,omitempty"`
	Limit    float64 `json:"limit,omitempty"`
	Ours     float64 `json:"ours,omitempty"`
	Goal     Goal    `json:"goal"`
	OursMiB  float64 `json:"ours_peak_mib,omitempty"`
	PeerMiB  float64 `json:"peer_peak_mib,omitempty"`
	Turns    int     `json:"turns,omitempty"`
	// Skip and Failure say why there are no numbers.
	Skip    string `json:"skipped,omitempty"`
	Failure string `json:"failure,omitempty"`
}

// Ratio is how many times better than the peer ours is; 0 is unknown.
func (r Row) Ratio() float64 { return better(r.Unit, r.Ours, r.Peer) }

// Share is how much of the limit ours reaches; 0 is unknown.
func (r Row) Share() float64 { return better(r.Unit, r.Ours, r.Limit) }

func better(u Unit, a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	if u.moreIsBetter() {
		return a / b
	}
	return b / a
}

// Verdict judges r by its goal. Every number is rounded as it is printed, so
// that the table does not contradict itself.
func (r Row) Verdict() Verdict {
	switch {
	case r.Failure != "":
		return Failed
	case r.Skip != "":
		return Skipped
	case r.Goal == Goal{}:
		return NoGoal
	}
	if round2(r.Ratio()) < r.Goal.Ratio || round2(r.Share()) < r.Goal.Share ||
		r.Goal.AtMost > 0 && (r.Ours <= 0 || r.Ours > r.Goal.AtMost) ||
		r.Goal.PeakMiB > 0 && (r.OursMiB <= 0 || r.OursMiB > r.Goal.PeakMiB) {
		return Missed
	}
	return Met
}

func round2(x float64) float64 { return math.Round(x*100) / 100 }

// InTurn is the rate of steps that the same processors take one after another,
// each of its rate: the limit of a job is the sum of what its parts cost. Steps
// of rate 0 cost nothing.
func InTurn(rates ...float64) float64 {
	cost := 0.0
	for _, r := range rates {
		if r > 0 {
			cost += 1 / r
		}
	}
	if cost == 0 {
		return 0
	}
	return 1 / cost
}

// Part is the rate of a step that only this part of the volume goes through.
func Part(rate, part float64) float64 {
	if part <= 0 {
		return 0
	}
	return rate / part
}

// Capped is rate, or what the slowest of the things beside it, such as a disk,
// allows. A cap of 0 is none.
func Capped(rate float64, caps ...float64) float64 {
	for _, c := range caps {
		if c > 0 && (rate == 0 || c < rate) {
			rate = c
		}
	}
	return rate
}

// Summary is the row in one line, without its name.
func (r Row) Summary() string {
	c := r.cells()
	return "peer " + c[2] + ", limit " + c[3] + ", ours " + c[4] + " " + c[1] + "; " + c[5] + " x the peer, " + c[6] + " of the limit; goal " + c[7] + ": " + c[8]
}
