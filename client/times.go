package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// apiTime reads a date as Cinder writes it: UTC, up to six digits, no zone;
// null is the zero time. RFC 3339 is understood too.
type apiTime struct{ to *time.Time }

var timeForms = []string{"2006-01-02T15:04:05.999999", time.RFC3339Nano, "2006-01-02 15:04:05.999999"}

func (t apiTime) UnmarshalJSON(text []byte) error {
	*t.to = time.Time{}
	if bytes.Equal(text, []byte("null")) || bytes.Equal(text, []byte(`""`)) {
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	for _, form := range timeForms {
		if parsed, err := time.Parse(form, s); err == nil {
			*t.to = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is no date", s)
}
