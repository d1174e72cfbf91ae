package driverstate

import "errors"

// ExamineRequest says which services' drivers to examine.
type ExamineRequest struct {
	Host string // of the service; empty for all of the process
	ExamineOptions
}

// Examination is what the driver of one service was found to be.
type Examination struct {
	Host    string
	Service string // class path of the driver
	Steps   []Step
}

// Failed is the first step that did not pass; nil for none.
func (e *Examination) Failed() *Step {
	for i := range e.Steps {
		if e.Steps[i].Err != nil {
			return &e.Steps[i]
		}
	}
	return nil
}

// stepKinds are the words for what kind of error a step ended with.
var stepKinds = []struct {
	word string
	kind error
}{
	{"configuration", ErrInvalidInput},
	{"forbidden", ErrForbidden},
	{"not_found", ErrNotFound},
	{"unavailable", ErrUnavailable},
	{"over_limit", ErrOverLimit},
	{"damaged", ErrCorrupt},
	{"read_only", ErrReadOnly},
	{"not_supported", ErrNotSupported},
}

// StepKind is the word for the kind of a step's error; "other" for none of
// them, empty for nil.
func StepKind(err error) string {
	if err == nil {
		return ""
	}
	for _, k := range stepKinds {
		if errors.Is(err, k.kind) {
			return k.word
		}
	}
	return "other"
}

// StepError is the error of a step that is told by its kind and its text; nil
// when the kind is empty.
func StepError(kind, text string) error {
	if kind == "" {
		return nil
	}
	for _, k := range stepKinds {
		if k.word == kind {
			return Fail(k.kind, text)
		}
	}
	return errors.New(text)
}
