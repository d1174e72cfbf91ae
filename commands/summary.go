package commands

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// outcome says what became of one item.
type outcome string

const (
	changed   outcome = "changed"
	unchanged outcome = "unchanged"
	skipped   outcome = "skipped"
	failed    outcome = "failed"
)

// result is one item of a verb that takes several.
type result struct {
	id, name string
	outcome  outcome
	status   string // of the backup afterwards, when known
	detail   string
	err      error
	// before and after are the row, for the audit log: a *client.Backup or a
	// *client.Volume; nil when unknown.
	before, after any
	// warnings are told before the result.
	warnings []string
}

// bulk collects what became of each item, and reports failures as they occur.
type bulk struct {
	con     *console
	op      string
	results []result
}

func newBulk(con *console, op string) *bulk { return &bulk{con: con, op: op} }

func (b *bulk) add(r result) {
	if r.err != nil {
		r.outcome = failed
		if r.detail == "" {
			r.detail = strings.TrimPrefix(r.err.Error(), "backup "+r.id+": ")
		}
	}
	for _, w := range r.warnings {
		b.con.warn(r.id, "%s", w)
	}
	if r.err != nil {
		b.con.fail(r.err)
	}
	b.con.audit.outcome(r)
	b.results = append(b.results, r)
}

func (b *bulk) fail(ref string, err error) { b.add(result{id: ref, err: err}) }

func (b *bulk) count(o outcome) int {
	n := 0
	for _, r := range b.results {
		if r.outcome == o {
			n++
		}
	}
	return n
}

// finish writes the summary and returns nil, or a *bulkError.
func (b *bulk) finish() error {
	b.con.summary(b.op, len(b.results), b.count(changed), b.count(unchanged), b.count(skipped), b.count(failed))
	return b.failures()
}

// failures is finish without the summary, for verbs that take one item.
func (b *bulk) failures() error {
	var errs []error
	for _, r := range b.results {
		if r.err != nil {
			errs = append(errs, r.err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &bulkError{errs: errs, succeeded: len(b.results) - len(errs)}
}

func resultColumns() []output.Column {
	return []output.Column{
		{Key: "id", Title: "ID"}, {Key: "name", Title: "Name"}, {Key: "result", Title: "Result"},
		{Key: "status", Title: "Status"}, {Key: "detail", Title: "Detail"},
	}
}

func (b *bulk) view() output.View {
	v := output.View{Columns: resultColumns()}
	for _, r := range b.results {
		v.Rows = append(v.Rows, []any{r.id, orNil(r.name), string(r.outcome), orNil(r.status), orNil(r.detail)})
	}
	return v
}

// deref is the text at s, or none.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bulkError says that items failed; each was reported already.
type bulkError struct {
	errs      []error
	succeeded int
}

func (e *bulkError) Error() string   { return errors.Join(e.errs...).Error() }
func (e *bulkError) Unwrap() []error { return e.errs }

// exitCode is that of the failures when they agree and nothing succeeded.
func (e *bulkError) exitCode() int {
	code := exitCode(e.errs[0])
	for _, err := range e.errs {
		switch c := exitCode(err); c {
		case 130:
			return c
		case code:
		default:
			code = 1
		}
	}
	if e.succeeded > 0 {
		return exitCode(errPartial)
	}
	return code
}

// backupError is a failure of one backup that the verb itself found.
func backupError(id string, kind error, format string, args ...any) error {
	return &driverstate.Error{Resource: "backup", ID: id, Err: driverstate.Fail(kind, fmt.Sprintf(format, args...))}
}
