package manager

import (
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
)

// serviceVersion is what this program understands of the work that services
// leave to each other. Raise it with every change of a job, its arguments or an
// entry that a member of before could not carry out, or would carry out
// otherwise: a new kind of job or intent, an argument that must not be passed
// over, a status that means something else. What only this process reads, and
// arguments that may be passed over, leave it as it is.
const serviceVersion = 2 // "salvaging"

// refuseUpgrade answers ErrInvalidStatus while a service lives that understands
// less than this process: it may be the one that takes the request for a
// cleanup (cinder/scheduler/rpcapi.py work_cleanup). One that is dead takes
// none.
func (m *Manager) refuseUpgrade(services []*driverstate.Service, now time.Time) error {
	for _, s := range services {
		if s.Version < serviceVersion && m.heard(s, now) {
			m.log.Warn("a service is of an older program", "binary", s.Binary, "host", s.Host, "version", s.Version, "ours", serviceVersion)
			return driverstate.Fail(driverstate.ErrInvalidStatus, "Cannot perform workers cleanup during system upgrade.")
		}
	}
	return nil
}
