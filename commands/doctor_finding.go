package commands

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/iostreams"
	"github.com/cinder-go/cinder-go/commands/output"
)

// severity ranks findings: the lower, the worse.
type severity int

const (
	critical severity = iota + 1 // data cannot be restored, or no work can be done at all
	high                         // something of a user is blocked
	medium                       // stuck, and nobody waits for it
	low                          // left over
)

func (s severity) String() string {
	return [...]string{"", "critical", "high", "medium", "low"}[s]
}

// finding is one thing that is stuck, wrong or left over.
type finding struct {
	severity severity
	cause    string // a word for programs, such as stuck-creating
	kind     string // backup, volume, snapshot, service, cluster
	id, name string
	project  string
	status   string
	host     string
	since    time.Time // zero when not known
	// reason is the cause in plain words, the same for all findings of a kind;
	// detail is what is true of this one alone.
	reason, detail string
	next           []step
}

// step is one command of the way out. Steps of the same command with several
// ids can be given as one.
type step struct {
	command string // all before the ids
	ids     []string
}

func (s step) String() string { return strings.TrimSpace(s.command + " " + strings.Join(s.ids, " ")) }

// joined makes one step of those that are the same command.
func joined(steps []step) []step {
	var out []step
	for _, s := range steps {
		i := slices.IndexFunc(out, func(have step) bool { return have.command == s.command })
		if i < 0 {
			out = append(out, s)
			continue
		}
		out[i].ids = append(slices.Clone(out[i].ids), s.ids...)
	}
	return out
}

// verb is a step that is a verb of this program. An id may be any text: Cinder
// imports records without looking at theirs.
func verb(command string, ids ...string) step {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = shellWord(id)
	}
	return step{"cinder-go " + command, quoted}
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%_+=:,./-]+$`)

// shellWord spells s so that a shell takes it as one word, and a terminal as
// text.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	if iostreams.NeedsEscape(s) {
		var b strings.Builder
		for i := range len(s) {
			if plainWord.MatchString(s[i : i+1]) {
				b.WriteByte(s[i])
			} else {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			}
		}
		return "$'" + b.String() + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (f finding) explanation() string {
	return strings.TrimSpace(f.reason + " " + f.detail)
}

// rank puts the worst first; what has the same cause stays together, the oldest
// first.
func rank(list []finding) []finding {
	age := func(f finding) int64 {
		if f.since.IsZero() {
			return 1 << 62
		}
		return f.since.UnixNano()
	}
	list = distinct(list)
	slices.SortStableFunc(list, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.severity, b.severity), cmp.Compare(placeOf(a.kind), placeOf(b.kind)),
			cmp.Compare(a.cause, b.cause), cmp.Compare(a.reason, b.reason), cmp.Compare(age(a), age(b)), cmp.Compare(a.id, b.id))
	})
	return list
}

// distinct drops what a finding on the same object says better: who reads that
// a failed backup can be deleted must not miss that its data is whole, or that
// others stand on it.
func distinct(list []finding) []finding {
	whole, base := map[string]bool{}, map[string]bool{}
	for _, f := range list {
		whole[f.id] = whole[f.id] || strings.HasPrefix(f.cause, "whole-but-")
		base[f.id] = base[f.id] || f.cause == "base-in-error"
	}
	return slices.DeleteFunc(list, func(f finding) bool {
		switch f.cause {
		case "failed":
			return whole[f.id] || base[f.id]
		case "base-in-error", "stuck-creating", "no-service":
			return whole[f.id]
		}
		return false
	})
}

// placeOf orders kinds: what is down comes before what waits for it.
func placeOf(kind string) int {
	return slices.Index([]string{"service", "cluster", "host", "backup", "volume", "snapshot", "store"}, kind)
}

func findingColumns() []output.Column {
	return []output.Column{
		{Key: "rank", Title: "Rank"}, {Key: "severity", Title: "Severity"}, {Key: "kind", Title: "Kind"},
		{Key: "cause", Title: "Cause"}, {Key: "id", Title: "ID"}, {Key: "name", Title: "Name"},
		{Key: "project_id", Title: "Project ID", Wide: true}, {Key: "status", Title: "Status"},
		{Key: "host", Title: "Host", Wide: true}, {Key: "since", Title: "Since", Wide: true},
		{Key: "seconds", Title: "Seconds", Wide: true}, {Key: "reason", Title: "Reason"}, {Key: "next", Title: "Next"},
	}
}

func findingsView(list []finding, now time.Time) output.View {
	v := output.View{Columns: findingColumns()}
	for i, f := range list {
		var seconds any
		if !f.since.IsZero() {
			seconds = int64(max(now.Sub(f.since), 0) / time.Second)
		}
		v.Rows = append(v.Rows, []any{i + 1, f.severity.String(), f.kind, f.cause, orNil(f.id), orNil(f.name),
			orNil(f.project), orNil(f.status), orNil(f.host), f.since, seconds, f.explanation(), commandsOf(f.next)})
	}
	return v
}

func commandsOf(steps []step) []string {
	out := make([]string, len(steps))
	for i, s := range steps {
		out[i] = s.String()
	}
	return out
}

// changedAt is when a row was last written, as far as it says.
func changedAt(updated, created time.Time) time.Time {
	if updated.IsZero() {
		return created
	}
	return updated
}

// ofBackup starts a finding on a backup.
func ofBackup(b client.Backup, s severity, cause string) finding {
	return finding{severity: s, cause: cause, kind: "backup", id: b.ID, name: nameOf(b), project: b.ProjectID,
		status: string(b.Status), since: changedAt(b.UpdatedAt, b.CreatedAt)}
}

// ofVolume starts a finding on a volume.
func ofVolume(v client.Volume, s severity, cause string) finding {
	f := finding{severity: s, cause: cause, kind: "volume", id: v.ID, project: v.ProjectID,
		status: string(v.Status), since: changedAt(v.UpdatedAt, v.CreatedAt)}
	if v.Name != nil {
		f.name = *v.Name
	}
	return f
}
