package oslo

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxValue is the length in bytes of the longest value after substitution: a
// few lines that refer to each other twice could otherwise fill the memory.
const maxValue = 1 << 20

// reference is $$, $name, ${name}, and with a dot [group] name; any other $ is
// text (oslo_config/cfg.py ConfigOpts.Template).
var reference = regexp.MustCompile(`(?i)\$(?:\$|([_a-z][._a-z0-9]*)|\{([_a-z][._a-z0-9]*)\})`)

// substitute replaces the references of a value that stands in group. A
// backslash before a $ makes it text, like a second $.
func (c *Config) substitute(text, group string) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	text = strings.ReplaceAll(text, `\$`, `$$`)
	var out strings.Builder
	end := 0
	for _, at := range reference.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(text[end:at[0]])
		end = at[1]
		part := "$"
		for _, i := range []int{2, 4} {
			if at[i] < 0 {
				continue
			}
			var err error
			if part, err = c.refer(text[at[i]:at[i+1]], group); err != nil {
				return "", err
			}
		}
		out.WriteString(part)
		if out.Len() > maxValue {
			return "", fmt.Errorf("it refers to more than %d bytes", maxValue)
		}
	}
	out.WriteString(text[end:])
	return out.String(), nil
}

// refer is what $name is: the option of the same group, else of DEFAULT; with
// a dot, of that group (oslo_config/cfg.py ConfigOpts.StrSubWrapper).
func (c *Config) refer(name, group string) (string, error) {
	places := []Name{{"", name}}
	if g, option, ok := strings.Cut(name, "."); ok {
		places = []Name{{g, option}}
	} else if normal(group) != defaultGroup {
		places = []Name{{group, name}, {"", name}}
	}
	missing := error(&noOptionError{name})
	for _, o := range c.meant(places) {
		v, err := c.get(o)
		switch {
		case err == nil:
			return v.python, nil
		case !errors.As(err, new(*noOptionError)):
			return "", fmt.Errorf("$%s: %w", name, err)
		}
		missing = fmt.Errorf("$%s: %w", name, err) // oslo.config then goes on to DEFAULT
	}
	return "", missing
}

// meant are the options of these names: those of the tables, or else those that
// a file gives.
func (c *Config) meant(places []Name) []Opt {
	for _, find := range []func(Name) (Opt, bool){c.registered, c.other} {
		var all []Opt
		for _, place := range places {
			if o, ok := find(place); ok {
				all = append(all, o)
			}
		}
		if all != nil {
			return all
		}
	}
	return nil
}

// noOptionError is a reference to what is not known.
type noOptionError struct{ name string }

func (e *noOptionError) Error() string {
	return "$" + e.name + " refers to an option that is not given in the files, and whose default is not known here; a $ that is meant as one is written $$"
}

// registered is the option of a table of that name, today's or an older one.
func (c *Config) registered(n Name) (Opt, bool) {
	n = Opt{Group: n.Group, Name: n.Name}.name()
	if o, ok := c.opts[n]; ok {
		return o, true
	}
	o, ok := c.older[n]
	return o, ok
}

// other is an option that no table has but a file gives: one of Cinder's that
// backups are not concerned with, taken as text.
func (c *Config) other(n Name) (Opt, bool) {
	o := Opt{Group: n.Group, Name: n.Name}
	_, ok := c.raw(o)
	return o, ok
}
