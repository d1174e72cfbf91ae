package oslo

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cinder-go/cinder-go/driverstate"
)

// maxDepth is how many options may refer to each other in a row.
const maxDepth = 100

// Lookup reads one variable of the environment.
type Lookup func(name string) (string, bool)

// Config answers what an option is: what the variable OS_GROUP__NAME says, or
// else the files, or else its default; a $name in any of them is replaced by
// what that option is (oslo_config/cfg.py ConfigOpts._do_get). It is not safe
// for concurrent use.
type Config struct {
	files *Files
	env   Lookup
	opts  map[Name]Opt
	older map[Name]Opt // by the names that they had
	known map[Name]result
	busy  map[Name]bool // being worked out: a reference to one of these is a circle

	warnings []string
}

var (
	errCircle = errors.New("it refers to itself")
	errDepth  = fmt.Errorf("more than %d options refer to each other in a row", maxDepth)
)

type result struct {
	value value
	err   error
}

// NewConfig returns the options of the tables, as files and the environment
// give them. A $name may be of any of them; one that is in no table must be
// in the files.
func NewConfig(files *Files, env Lookup, tables ...[]Opt) *Config {
	c := &Config{files: files, env: env, opts: map[Name]Opt{}, older: map[Name]Opt{}, known: map[Name]result{}, busy: map[Name]bool{}}
	for _, o := range slices.Concat(tables...) {
		c.opts[o.name()] = o
		for _, old := range o.Old {
			c.older[Opt{Group: old.Group, Name: old.Name}.name()] = o
		}
	}
	return c
}

// Warnings are the older names that are used, and what else is probably not
// meant.
func (c *Config) Warnings() []string { return slices.Concat(c.files.suspect(), c.warnings) }

// Values are those of opts that were given, or whose default refers to another
// option. ErrInvalidInput names the file, the line and the option of a value
// that is not of its type; a secret one is not shown.
func (c *Config) Values(opts []Opt) (Values, error) {
	values := Values{}
	for _, o := range opts {
		v, err := c.get(o)
		if err != nil {
			return nil, err
		}
		if v.given && !v.none {
			values[o.Key()] = v.text
		}
	}
	return values, nil
}

// Where says which file and line, or variable, gives an option its value;
// empty for none.
func (c *Config) Where(o Opt) string {
	o, err := c.placed(o)
	at, ok := c.raw(o)
	if !ok || err != nil {
		return ""
	}
	return at[len(at)-1].where
}

// placed is the option in the group that its Via names.
func (c *Config) placed(o Opt) (Opt, error) {
	if o.Via == "" {
		return o, nil
	}
	v, err := c.get(Opt{Group: o.Group, Name: o.Via})
	if err != nil || v.text == "" {
		return o, err
	}
	there := o
	there.Group, there.Via, there.Old = v.text, "", nil
	for _, old := range o.Old {
		if normal(old.Group) == normal(o.Group) {
			old.Group = v.text
		}
		there.Old = append(there.Old, old)
	}
	return there, nil
}

// get works an option out once.
func (c *Config) get(o Opt) (value, error) {
	o, err := c.placed(o)
	if err != nil {
		return value{}, err
	}
	name := o.name()
	if r, ok := c.known[name]; ok {
		return r.value, r.err
	}
	switch {
	case c.busy[name]:
		return value{}, errCircle
	case len(c.busy) >= maxDepth:
		return value{}, errDepth
	}
	c.busy[name] = true
	defer delete(c.busy, name)
	v, err := c.work(o)
	// What fails within a circle or a long row may be right outside of it.
	if len(c.busy) == 1 || !errors.Is(err, errCircle) && !errors.Is(err, errDepth) {
		c.known[name] = result{v, err}
	}
	return v, err
}

func (c *Config) work(o Opt) (value, error) {
	all, ok := c.raw(o)
	if !ok {
		if o.Default == "" && o.Kind != List {
			return value{none: true}, nil
		}
		all = []given{{o.Default, o.name(), "its default"}}
	}
	var texts []string
	for _, one := range all {
		text, err := c.substitute(one.value, o.Group)
		if err != nil {
			return value{}, &valueError{one.where, o, err}
		}
		texts = append(texts, text)
	}
	last := all[len(all)-1]
	v, err := convert(o, texts)
	if err != nil {
		if !o.Secret { // as it stands there: what it refers to may be secret
			err = fmt.Errorf("%q: %w", last.value, err)
		}
		return value{}, &valueError{last.where, o, err}
	}
	if v.none {
		c.warn("%s: option %s is empty and counts as not given", last.where, o)
	}
	v.given = ok || strings.Contains(o.Default, "$")
	for _, one := range all {
		if normal(one.name.Group) != normal(o.Group) || one.name.Name != o.Name {
			old := Opt{Group: one.name.Group, Name: one.name.Name}
			c.warn("%s: option %s is deprecated, today it is %s", one.where, old, o)
		}
	}
	return v, nil
}

// valueError is ErrInvalidInput: what is wrong with an option, and where it got
// its value.
type valueError struct {
	where string
	opt   Opt
	err   error
}

func (e *valueError) Error() string   { return fmt.Sprintf("%s: option %s: %v", e.where, e.opt, e.err) }
func (e *valueError) Unwrap() []error { return []error{driverstate.ErrInvalidInput, e.err} }

// Warn adds to Warnings what the meaning of the options makes one think of.
func (c *Config) Warn(text string) { c.warn("%s", text) }

func (c *Config) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.warnings, text) {
		c.warnings = append(c.warnings, text)
	}
}

// raw is what was given for an option, as it stands there.
func (c *Config) raw(o Opt) ([]given, bool) {
	now := Name{normal(o.Group), o.Name}
	variable := "OS_" + strings.ToUpper(now.Group) + "__" + strings.ToUpper(o.Name)
	if text, ok := c.env(variable); ok {
		return []given{{text, now, variable}}, true
	}
	names := append([]Name{now}, o.Old...)
	all := c.files.find(names, o.Kind == MultiString)
	return all, len(all) > 0
}

// name is the option's name as a key.
func (o Opt) name() Name {
	group := o.Group
	if group == defaultGroup {
		group = ""
	}
	return Name{group, o.Name}
}

// String is the option's name, behind that of its group unless it is DEFAULT.
func (o Opt) String() string {
	if normal(o.Group) == defaultGroup {
		return o.Name
	}
	return "[" + o.Group + "] " + o.Name
}

// Key is the option's name in Values: behind its group and a dot unless that
// is DEFAULT.
func (o Opt) Key() string {
	if normal(o.Group) == defaultGroup {
		return o.Name
	}
	return o.Group + "." + o.Name
}
