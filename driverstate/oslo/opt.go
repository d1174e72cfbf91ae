// Package oslo is configuration as OpenStack's oslo.config has it: options with
// a name, a type and a default, and their values.
package oslo

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// Kind is the type of an option's value.
type Kind int

// The types that options of backup drivers have.
const (
	String Kind = iota
	Int
	Float
	Bool
	List        // of texts, separated by commas
	MultiString // may be given several times; in Values one a line
)

// Name is an option by its group and name.
type Name struct {
	Group string // empty for DEFAULT
	Name  string
}

// Opt is one option.
type Opt struct {
	Name     string // with underscores, as in cinder.conf
	Group    string // empty for DEFAULT
	Kind     Kind
	Default  string // as it would be written in a file
	Min, Max int64  // of an Int; no bound when both are 0
	Choices  []string
	AnyCase  bool   // of the choices
	Secret   bool   // its value is never shown, and never taken from a URL
	Old      []Name // under which older releases knew it
	// Via is an option of its group that, if it is given, names the group in
	// which this one is instead; empty for none (keystoneauth1/loading/conf.py
	// load_from_conf_options).
	Via  string
	Help string
}

// Values are the options that were given, by today's name. What is not in it
// has its default.
type Values map[string]string

// Reader gives the values of options their types. The first value that is not
// of its type is what Err tells.
type Reader struct {
	opts   []Opt
	values Values
	err    error
}

// Read returns a reader of values. Asking it for an option that is not among
// opts is a mistake of the program, and panics.
func Read(opts []Opt, values Values) *Reader { return &Reader{opts: opts, values: values} }

func (r *Reader) opt(name string) Opt {
	i := slices.IndexFunc(r.opts, func(o Opt) bool { return o.Key() == name })
	if i < 0 {
		panic("option " + name + " is not in the table of its driver")
	}
	return r.opts[i]
}

func (r *Reader) fail(o Opt, text, want string) {
	if r.err != nil {
		return
	}
	if o.Secret {
		text = "***"
	}
	r.err = driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("option %s: %q is not %s", o, text, want))
}

// Given reports whether the option has another value than its default.
func (r *Reader) Given(name string) bool {
	_, ok := r.values[r.opt(name).Key()]
	return ok
}

// String is the value as text, one of the option's choices if it has any.
func (r *Reader) String(name string) string {
	o := r.opt(name)
	text, given := r.values[name]
	if !given {
		return o.Default
	}
	word, ok := o.choose(text)
	if !ok {
		r.fail(o, text, "one of "+strings.Join(o.Choices, ", "))
	}
	return word
}

// Int is the value as a whole number; 0 for an option without a value.
func (r *Reader) Int(name string) int64 {
	o, text := r.opt(name), strings.TrimSpace(r.String(name))
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		r.fail(o, text, "a whole number")
	case n < o.least() || n > o.most():
		r.fail(o, text, fmt.Sprintf("between %d and %d", o.least(), o.most()))
	}
	return n
}

// Float is the value as a number; 0 for an option without a value.
func (r *Reader) Float(name string) float64 {
	o, text := r.opt(name), strings.TrimSpace(r.String(name))
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		r.fail(o, text, "a number")
	}
	return n
}

// Bool is the value as oslo.config takes it: true, 1, on and yes, or false, 0,
// off and no, in any case (oslo_config/types.py Boolean).
func (r *Reader) Bool(name string) bool {
	o, text := r.opt(name), r.String(name)
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1", "on", "yes":
		return true
	case "false", "0", "off", "no", "":
		return false
	}
	r.fail(o, text, "true or false")
	return false
}

// List is the value as a list of texts without the blanks around them.
func (r *Reader) List(name string) []string {
	var list []string
	for word := range strings.SplitSeq(r.String(name), ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// Err is driverstate.ErrInvalidInput with the first option whose value is not
// of its type.
func (r *Reader) Err() error { return r.err }
