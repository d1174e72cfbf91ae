package driverstate

import "fmt"

// Status is the status column of a backup, in Cinder's words
// (cinder/objects/fields.py BackupStatus).
type Status string

// Backup statuses.
const (
	StatusCreating      Status = "creating"
	StatusAvailable     Status = "available"
	StatusDeleting      Status = "deleting"
	StatusDeleted       Status = "deleted"
	StatusRestoring     Status = "restoring"
	StatusError         Status = "error"
	StatusErrorDeleting Status = "error_deleting"
)

var allStatuses = []Status{
	StatusCreating, StatusAvailable, StatusDeleting, StatusDeleted,
	StatusRestoring, StatusError, StatusErrorDeleting,
}

// ParseStatus returns the status named s, spelled exactly as Cinder does, or
// an error that answers to ErrInvalidInput.
func ParseStatus(s string) (Status, error) {
	for _, st := range allStatuses {
		if string(st) == s {
			return st, nil
		}
	}
	return "", Fail(ErrInvalidInput, fmt.Sprintf("%q is no backup status", s))
}

// Resting reports whether no work is under way in this status, so that a
// restarted service has nothing to clean up.
func (s Status) Resting() bool {
	switch s {
	case StatusCreating, StatusDeleting, StatusRestoring:
		return false
	}
	return true
}

// Action is what moves a backup from one status to another.
type Action string

// Actions, each with its rows in the transition table.
const (
	ActionCreateDone     Action = "create done"
	ActionCreateFail     Action = "create failed"
	ActionDelete         Action = "delete"
	ActionForceDelete    Action = "force delete"
	ActionDeleteDone     Action = "delete done"
	ActionDeleteFail     Action = "delete failed"
	ActionDeleteAbort    Action = "delete aborted" // service down at pick-up
	ActionRestore        Action = "restore"
	ActionRestoreDone    Action = "restore done" // also after a failed restore: the backup is as good as before
	ActionSalvage        Action = "salvage"      // a restore that goes on after damage
	ActionSalvageDone    Action = "salvage done" // of a backup that was error, and is
	ActionResetAvailable Action = "reset to available"
	ActionResetError     Action = "reset to error"
)

// Transition is one row of the state machine.
type Transition struct {
	From   []Status
	Action Action
	To     Status
}

var live = []Status{
	StatusCreating, StatusAvailable, StatusDeleting,
	StatusRestoring, StatusError, StatusErrorDeleting,
}

// Transitions is the whole state machine of a backup: api, manager and client
// consult this table and nothing else. A row enters it as creating (create,
// import) or available (manage).
var Transitions = []Transition{
	{[]Status{StatusCreating}, ActionCreateDone, StatusAvailable},
	{[]Status{StatusCreating}, ActionCreateFail, StatusError},
	{[]Status{StatusAvailable, StatusError}, ActionDelete, StatusDeleting},
	{live, ActionForceDelete, StatusDeleting},
	{[]Status{StatusDeleting}, ActionDeleteDone, StatusDeleted},
	{[]Status{StatusDeleting}, ActionDeleteFail, StatusError},
	{[]Status{StatusDeleting}, ActionDeleteAbort, StatusErrorDeleting},
	{[]Status{StatusAvailable}, ActionRestore, StatusRestoring},
	{[]Status{StatusRestoring}, ActionRestoreDone, StatusAvailable},
	{[]Status{StatusAvailable, StatusError}, ActionSalvage, StatusRestoring},
	{[]Status{StatusRestoring}, ActionSalvageDone, StatusError},
	{live, ActionResetAvailable, StatusAvailable},
	{live, ActionResetError, StatusError},
}

// From returns the statuses in which a is allowed.
func (a Action) From() []Status {
	for _, t := range Transitions {
		if t.Action == a {
			return t.From
		}
	}
	return nil
}

// Next returns the status that a leads to from s, or an error that answers to
// ErrInvalidStatus.
func (s Status) Next(a Action) (Status, error) {
	for _, t := range Transitions {
		if t.Action != a {
			continue
		}
		for _, f := range t.From {
			if f == s {
				return t.To, nil
			}
		}
	}
	return "", Fail(ErrInvalidStatus, fmt.Sprintf("status %s does not allow %s", s, a))
}
