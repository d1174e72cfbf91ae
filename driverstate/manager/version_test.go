package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

func TestNoCleanupDuringAnUpgrade(t *testing.T) {
	onEach(t, func(t *testing.T, f *fleet) {
		ours := f.start("new", blue)
		assert.Equal(t, int64(manager.ServiceVersion), ours.service0().Version)
		ask := func() (int, string) {
			status, answer := ours.ask("admin", "POST", "workers/cleanup", `{"is_up": true}`)
			if status == http.StatusAccepted {
				return status, ""
			}
			return status, message(answer)
		}
		status, _ := ask()
		require.Equal(t, http.StatusAccepted, status)

		old := &driverstate.Service{Binary: driverstate.BinaryVolume, Host: "old@file", Cluster: blue, Version: manager.ServiceVersion - 1}
		require.NoError(t, ours.db.ServiceUpsert(t.Context(), old))
		status, says := ask()
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "Cannot perform workers cleanup during system upgrade.", says)
		status, answer := ours.ask("tenant", "POST", "workers/cleanup", `{}`)
		assert.Equal(t, http.StatusForbidden, status, answer)

		f.pass() // the old one is not heard of any more
		f.settled()
		status, says = ask()
		assert.Equal(t, http.StatusAccepted, status, says)

		old.Version = manager.ServiceVersion + 1
		require.NoError(t, ours.db.ServiceUpsert(t.Context(), old))
		status, says = ask()
		assert.Equal(t, http.StatusAccepted, status, "one that understands more is no obstacle: %s", says)

		old.Version = manager.ServiceVersion - 1
		require.NoError(t, ours.db.ServiceUpsert(t.Context(), old))
		status, _ = ask()
		assert.Equal(t, http.StatusBadRequest, status)
		old.Version = manager.ServiceVersion
		require.NoError(t, ours.db.ServiceUpsert(t.Context(), old))
		status, says = ask()
		assert.Equal(t, http.StatusAccepted, status, says)
	})
}
