package progress

import (
	"fmt"

	"github.com/cinder-go/cinder-go/driverstate"
)

// work is what an operation computes, by its name.
var work = map[string]string{"restore": "decoding", "verify": "decoding", "backup": "packing", "ship": "proving"}

// bound says what an operation spent its time on, if that is known: more of the
// first makes it faster.
func bound(e driverstate.Event) string {
	by := e.Load.Bound()
	if by == "" {
		return ""
	}
	if w := work[e.Op]; by == "CPU" && w != "" {
		by += " (" + w + ")"
	}
	return fmt.Sprintf("; bound by %s: source %.0f %%, CPU %.0f %%, target %.0f %%", by, 100*e.Load.Source, 100*e.Load.CPU, 100*e.Load.Target)
}
