package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

func TestExaminationsTellEachStep(t *testing.T) {
	f := &fake{}
	r := send(t, serve(f), ask{method: "POST", path: v3 + "/examinations", body: `{"examination":{"host":"h","write":true}}`})
	require.Equal(t, http.StatusOK, r.StatusCode)
	assert.JSONEq(t, `{"examinations":[{"host":"h","service":"s","steps":[
		{"name":"credentials","passed":true,"detail":"d"},
		{"name":"write","passed":false,"detail":"","kind":"forbidden","error":"denied","advice":"a"}]}]}`, read(t, r))
	assert.Equal(t, "h", f.id)
	for body, want := range map[string]int{
		`{"examination":{}}`:              http.StatusOK,
		`{"examination":{"write":"no"}}`:  http.StatusOK,
		`{"examination":{"write":"why"}}`: http.StatusBadRequest,
		`{"examination":{"host":""}}`:     http.StatusBadRequest,
		`{"examination":{"other":1}}`:     http.StatusBadRequest,
		`{}`:                              http.StatusBadRequest,
	} {
		assert.Equal(t, want, send(t, serve(f), ask{method: "POST", path: v3 + "/examinations", body: body}).StatusCode, body)
	}
	h := api.New(f, api.Config{Auth: tenant{}})
	assert.Equal(t, http.StatusForbidden, send(t, h, ask{method: "POST", path: v3 + "/examinations", body: `{"examination":{}}`}).StatusCode)
}

func TestKindsOfStepsCanBeToldAndRead(t *testing.T) {
	for _, kind := range []error{driverstate.ErrInvalidInput, driverstate.ErrForbidden, driverstate.ErrNotFound, driverstate.ErrUnavailable,
		driverstate.ErrOverLimit, driverstate.ErrCorrupt, driverstate.ErrReadOnly, driverstate.ErrNotSupported} {
		err := driverstate.StepError(driverstate.StepKind(driverstate.Fail(kind, "x")), "text")
		require.ErrorIs(t, err, kind)
		assert.EqualError(t, err, "text")
	}
	require.NoError(t, driverstate.StepError(driverstate.StepKind(nil), ""))
	assert.Equal(t, "other", driverstate.StepKind(assert.AnError))
	assert.EqualError(t, driverstate.StepError("other", "text"), "text")
}
