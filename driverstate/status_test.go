package driverstate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStatusesAreSpeltAsCinderDoes(t *testing.T) {
	// cinder/objects/fields.py BackupStatus
	for _, s := range []string{"error", "error_deleting", "creating", "available", "deleting", "deleted", "restoring"} {
		got, err := ParseStatus(s)
		require.NoError(t, err)
		assert.Equal(t, Status(s), got)
	}
	for _, s := range []string{"", "Available", "available ", "in-use", "backing-up"} {
		_, err := ParseStatus(s)
		assert.ErrorIs(t, err, ErrInvalidInput, s)
	}
}

func TestEveryActionFromEveryStatus(t *testing.T) {
	// What cinder/backup/api.py and manager.py allow.
	allowed := map[Action]map[Status]Status{
		ActionCreateDone:  {StatusCreating: StatusAvailable},
		ActionCreateFail:  {StatusCreating: StatusError},
		ActionDelete:      {StatusAvailable: StatusDeleting, StatusError: StatusDeleting},
		ActionDeleteDone:  {StatusDeleting: StatusDeleted},
		ActionDeleteFail:  {StatusDeleting: StatusError},
		ActionDeleteAbort: {StatusDeleting: StatusErrorDeleting},
		ActionRestore:     {StatusAvailable: StatusRestoring},
		ActionRestoreDone: {StatusRestoring: StatusAvailable},
		// Not Cinder's.
		ActionSalvage:     {StatusAvailable: StatusRestoring, StatusError: StatusRestoring},
		ActionSalvageDone: {StatusRestoring: StatusError},
	}
	for action, to := range map[Action]Status{
		ActionForceDelete: StatusDeleting, ActionResetAvailable: StatusAvailable, ActionResetError: StatusError,
	} {
		allowed[action] = make(map[Status]Status)
		for _, s := range allStatuses {
			if s != StatusDeleted {
				allowed[action][s] = to
			}
		}
	}
	seen := make(map[Action]bool)
	for _, tr := range Transitions {
		seen[tr.Action] = true
	}
	assert.Len(t, seen, len(allowed), "an action that no test knows")
	for action, table := range allowed {
		for _, s := range allStatuses {
			to, err := s.Next(action)
			if want, ok := table[s]; ok {
				require.NoError(t, err, "%s in %s", action, s)
				assert.Equal(t, want, to)
			} else {
				assert.ErrorIs(t, err, ErrInvalidStatus, "%s in %s", action, s)
			}
			assert.Equal(t, err == nil, slices.Contains(action.From(), s), "%s in %s", action, s)
		}
	}
	assert.Empty(t, Action("unknown").From())
	_, err := StatusAvailable.Next("unknown")
	assert.ErrorIs(t, err, ErrInvalidStatus)
}

func TestOnlyStatusesOfWorkUnderWayDoNotRest(t *testing.T) {
	for _, s := range allStatuses {
		working := s == StatusCreating || s == StatusDeleting || s == StatusRestoring
		assert.Equal(t, !working, s.Resting(), s)
	}
}
