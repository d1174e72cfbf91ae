package rows

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// A field is one column of one struct, read and written through one value, so
// that a table's columns are listed once. What it writes is what every database
// can: text, int64, bool, time.Time in UTC or nil; it reads all of them in any
// form that a database gives them.
type field interface {
	Scan(any) error
	Value() (driver.Value, error)
}

// TimeForm is how a time is kept as text: it sorts in the order of time.
const TimeForm = "2006-01-02 15:04:05.000000"

type text[T ~string] struct{ p *T } // empty is NULL

func (f text[T]) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		*f.p = ""
	case string:
		*f.p = T(s)
	default:
		return fmt.Errorf("want text, have %T", v)
	}
	return nil
}

func (f text[T]) Value() (driver.Value, error) {
	if *f.p == "" {
		return nil, nil
	}
	return string(*f.p), nil
}

type optional struct{ p **string } // nil is NULL, empty is not

func (f optional) Scan(v any) error {
	if v == nil {
		*f.p = nil
		return nil
	}
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("want text, have %T", v)
	}
	*f.p = &s
	return nil
}

func (f optional) Value() (driver.Value, error) {
	if *f.p == nil {
		return nil, nil
	}
	return **f.p, nil
}

type number[T ~int | ~int64] struct{ p *T }

func (f number[T]) Scan(v any) error {
	switch n := v.(type) {
	case nil:
		*f.p = 0
	case int64:
		*f.p = T(n)
	default:
		return fmt.Errorf("want a number, have %T", v)
	}
	return nil
}

func (f number[T]) Value() (driver.Value, error) { return int64(*f.p), nil }

type flag struct{ p *bool }

func (f flag) Scan(v any) error {
	switch b := v.(type) {
	case bool:
		*f.p = b
	case int64:
		*f.p = b != 0
	default:
		return fmt.Errorf("want a boolean, have %T", v)
	}
	return nil
}

func (f flag) Value() (driver.Value, error) { return *f.p, nil }

type stamp struct{ p *time.Time } // zero is NULL

func (f stamp) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		*f.p = time.Time{}
	case time.Time:
		*f.p = s.UTC()
	case string:
		at, err := time.ParseInLocation(TimeForm, s, time.UTC)
		*f.p = at
		return err
	default:
		return fmt.Errorf("want a time, have %T", v)
	}
	return nil
}

func (f stamp) Value() (driver.Value, error) {
	if f.p.IsZero() {
		return nil, nil
	}
	return f.p.UTC(), nil
}

type document struct{ p any } // JSON

func (f document) Scan(v any) error {
	switch s := v.(type) {
	case string:
		return json.Unmarshal([]byte(s), f.p)
	case []byte:
		return json.Unmarshal(s, f.p)
	}
	return fmt.Errorf("want a JSON text, have %T", v)
}

func (f document) Value() (driver.Value, error) {
	raw, err := json.Marshal(f.p)
	return string(raw), err
}

// prose is text that comes from elsewhere, such as an error of the system: what
// PostgreSQL cannot keep of it is left out, so that a failure can be recorded.
type prose struct{ p *string } // empty is NULL

func (f prose) Scan(v any) error { return text[string](f).Scan(v) }

func (f prose) Value() (driver.Value, error) {
	clean := driverstate.KeptText(*f.p)
	return text[string]{&clean}.Value()
}

// values are fields as arguments of a query.
func values(fields []field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		out[i] = f
	}
	return out
}

// Plain are arguments with the values of fields in the place of fields.
func Plain(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		if v, ok := arg.(driver.Valuer); ok {
			value, err := v.Value()
			if err != nil {
				return nil, err
			}
			arg = value
		}
		out[i] = arg
	}
	return out, nil
}
