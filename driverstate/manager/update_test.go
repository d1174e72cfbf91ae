package manager_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestABackupIsRenamed(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(64<<10, 1))
	put := func(who, body string) int {
		status, answer := l.ask(who, "PUT", "backups/"+b.ID, body)
		if status == http.StatusOK {
			assert.Len(t, answer["backup"], 3, "a summary")
		}
		return status
	}
	require.Equal(t, http.StatusOK, put("tenant", `{"backup":{"name":" one ","description":"d","metadata":{"a":"b"}}}`))
	row := l.row(b.ID)
	assert.Equal(t, "one", *row.Name)
	assert.Equal(t, "d", *row.Description)
	assert.Equal(t, map[string]string{"a": "b"}, row.Metadata)

	require.Equal(t, http.StatusOK, put("tenant", `{"backup":{}}`))
	assert.Equal(t, row, l.row(b.ID), "nothing is written")
	require.Equal(t, http.StatusOK, put("tenant", `{"backup":{"metadata":{"c":"d"}}}`))
	row = l.row(b.ID)
	assert.Equal(t, map[string]string{"c": "d"}, row.Metadata, "the whole set is replaced")
	assert.Equal(t, "one", *row.Name)
	require.Equal(t, http.StatusOK, put("tenant", `{"backup":{"name":null,"description":"","metadata":{}}}`))
	row = l.row(b.ID)
	assert.Nil(t, row.Name)
	assert.Empty(t, *row.Description)
	assert.Empty(t, row.Metadata)

	l.set(b.ID, driverstate.StatusErrorDeleting, nil)
	require.Equal(t, http.StatusOK, put("admin", `{"backup":{"name":"in any status"}}`))
	assert.Equal(t, driverstate.StatusErrorDeleting, l.row(b.ID).Status)

	assert.Equal(t, http.StatusNotFound, put("stranger", `{"backup":{"name":"mine"}}`))
	assert.Equal(t, http.StatusBadRequest, put("tenant", `{"backup":null}`))
	assert.Equal(t, "in any status", *l.row(b.ID).Name)
}
