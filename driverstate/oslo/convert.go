package oslo

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// value is what an option is.
type value struct {
	text   string // as Values have it
	python string // as a reference to it reads, which is what Python's str makes of it
	given  bool
	none   bool // it has no value
}

// convert gives texts, of which there is one unless the option may be given
// several times, the type of the option (oslo_config/types.py).
func convert(o Opt, texts []string) (value, error) {
	text := texts[len(texts)-1]
	var (
		v   value
		err error
	)
	switch o.Kind {
	case Int:
		v, err = convertInt(o, text)
	case Float:
		v, err = convertFloat(text)
	case Bool:
		v, err = convertBool(text)
	case List:
		words := splitList(text)
		v = value{text: strings.Join(words, ","), python: pythonList(words)}
	case MultiString:
		v = value{text: strings.Join(texts, "\n"), python: pythonList(texts)}
	default:
		word, ok := o.choose(text)
		v = value{text: word, python: text}
		if !ok {
			err = fmt.Errorf("it is not one of %s", strings.Join(o.Choices, ", "))
		}
	}
	return v, err
}

// choose returns the choice that text means, or text when there are none.
func (o Opt) choose(text string) (string, bool) {
	for _, c := range o.Choices {
		if c == text || o.AnyCase && strings.EqualFold(c, text) {
			return c, true
		}
	}
	return text, len(o.Choices) == 0
}

// underscores may stand between two digits of a number in Python.
var underscores = regexp.MustCompile(`([0-9])_([0-9])`)

func plainDigits(text string) string {
	text = strings.TrimFunc(text, isSpace)
	for underscores.MatchString(text) {
		text = underscores.ReplaceAllString(text, "$1$2")
	}
	return text
}

func convertInt(o Opt, text string) (value, error) {
	text = plainDigits(text)
	if text == "" {
		return value{none: true}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return value{}, errors.New("it is too large a number")
	case err != nil:
		return value{}, errors.New("it is not a whole number")
	case n < o.least() || n > o.most():
		return value{}, fmt.Errorf("it is not between %d and %d", o.least(), o.most())
	}
	text = strconv.FormatInt(n, 10)
	return value{text: text, python: text}, nil
}

// least is the smallest value of an Int.
func (o Opt) least() int64 {
	if o.Min == 0 && o.Max == 0 {
		return math.MinInt64
	}
	return o.Min
}

// most is the largest.
func (o Opt) most() int64 {
	if o.Max == 0 {
		return math.MaxInt64
	}
	return o.Max
}

func convertFloat(text string) (value, error) {
	text = plainDigits(text)
	if text == "" {
		return value{none: true}, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) || strings.ContainsAny(text, "xX_") {
		return value{}, errors.New("it is not a number")
	}
	shown := strconv.FormatFloat(n, 'g', -1, 64)
	if !strings.ContainsAny(shown, ".enIN") {
		shown += ".0"
	}
	return value{text: text, python: shown}, nil
}

func convertBool(text string) (value, error) {
	switch strings.ToLower(text) {
	case "true", "1", "on", "yes":
		return value{text: "true", python: "True"}, nil
	case "false", "0", "off", "no":
		return value{text: "false", python: "False"}, nil
	}
	return value{}, errors.New("it is not true or false")
}

// splitList is a list of texts (oslo_config/types.py List): words between
// commas, without the blanks around them and the commas at the end.
func splitList(text string) []string {
	text = strings.TrimRight(strings.TrimFunc(text, isSpace), ",")
	if text == "" {
		return nil
	}
	words := strings.Split(text, ",")
	for i, w := range words {
		words[i] = strings.TrimFunc(w, isSpace)
	}
	return words
}

// pythonList is a list of texts as Python shows it.
func pythonList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = pythonText(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// pythonText is repr of a text.
func pythonText(text string) string {
	quote := '\''
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = '"'
	}
	short := map[rune]string{quote: `\` + string(quote), '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	var out strings.Builder
	out.WriteRune(quote)
	for _, r := range text {
		switch {
		case short[r] != "":
			out.WriteString(short[r])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteRune(quote)
	return out.String()
}
