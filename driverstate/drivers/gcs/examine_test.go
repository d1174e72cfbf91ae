package gcs_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/oslo"
)

// examined are the names of the steps that passed, and the one that did not.
func examined(t *testing.T, d driverstate.Driver, write bool) (passed []string, failed driverstate.Step) {
	t.Helper()
	for step := range d.(driverstate.Examiner).Examine(t.Context(), driverstate.ExamineOptions{Write: write}) {
		require.Empty(t, failed.Name, "no step after one that failed")
		if step.Err != nil {
			failed = step
			continue
		}
		assert.NotEmpty(t, step.Detail, step.Name)
		passed = append(passed, step.Name)
	}
	return passed, failed
}

func TestAnExaminationGoesAsFarAsItCan(t *testing.T) {
	a, f := newAccount(t), newFront(t)
	c := config(t, oslo.Values{"backup_gcs_endpoint": f.URL, "backup_gcs_credential_file": a.file, "backup_gcs_num_retries": "0"})
	d := driver(t, c)
	all := []string{"configuration", "name resolution", "connection", "clock", "credentials", "container", "list", "read", "write"}
	passed, failed := examined(t, d, true)
	require.NoError(t, failed.Err)
	assert.Equal(t, all, passed)
	_, failed = examined(t, d, false)
	assert.Equal(t, "container", failed.Name, "the bucket that the write step made is gone again")
	require.ErrorIs(t, failed.Err, driverstate.ErrNotFound)

	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/" {
			return false
		}
		refuse(403, "forbidden", "backup@cloud-7.iam does not have storage.objects.list access")(w, r)
		return true
	})
	passed, failed = examined(t, d, true)
	assert.Equal(t, all[:5], passed)
	require.ErrorIs(t, failed.Err, driverstate.ErrForbidden)
	assert.Contains(t, failed.Advice, "roles/storage.objectAdmin")

	a.answer = refuse(400, "invalid_grant", "Invalid JWT Signature.")
	passed, failed = examined(t, driver(t, c), true)
	assert.Equal(t, all[:4], passed)
	assert.Equal(t, "credentials", failed.Name)

	c.Bucket = ""
	_, failed = examined(t, driver(t, c), true)
	assert.Equal(t, "configuration", failed.Name)
	assert.ErrorContains(t, failed.Err, "backup_gcs_bucket")
}
