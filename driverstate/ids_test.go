package driverstate_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestIDs(t *testing.T) {
	const id = "0123abcd-4567-89ef-0123-456789abcdef"
	pattern := regexp.MustCompile(`^` + driverstate.UUIDPattern + `$`)
	for s, want := range map[string][2]bool{ // of IsUUID and IsKeystoneID
		id:                                     {true, true},
		strings.ReplaceAll(id, "-", ""):        {false, true},
		strings.Repeat("a1", 32):               {false, true},
		"":                                     {},
		strings.ToUpper(id):                    {},
		id + "\n":                              {},
		id[:35]:                                {},
		strings.Replace(id, "-", "0", 1):       {},
		"0123abcd4-567-89ef-0123-456789abcdef": {},
		strings.Repeat("g", 32):                {},
		strings.Repeat("a", 48):                {},
	} {
		assert.Equal(t, want[0], driverstate.IsUUID(s), s)
		assert.Equal(t, want[0], pattern.MatchString(s), s)
		assert.Equal(t, want[1], driverstate.IsKeystoneID(s), s)
	}
}
