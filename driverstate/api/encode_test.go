package api

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAppendJSONWritesWhatEncodingJSONDoes(t *testing.T) {
	text := "a \"quoted\" <b>\\ é \u2028 \x01 \xff"
	var none *string
	for _, v := range []any{
		nil, true, false, 0, -7, int64(1) << 40, "", "plain", text, &text, none, driverstate.StatusAvailable,
		driverstate.Status(text), []any{}, []any(nil), []any{1, "x", nil, []any{text}}, 1.5, json.Number("12"),
		map[string]string{}, map[string]string(nil), map[string]string{"k": text, "a": ""}, map[string]any{"z": 1, "a": nil},
		time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), struct{ A int }{3}, driverstate.VolumeAvailable,
	} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(v))
		have, err := appendJSON(nil, v)
		require.NoError(t, err)
		assert.Equal(t, want.String(), string(have)+"\n", "%T", v)
	}
	have, err := json.Marshal(object{{"b", 1}, {"a", []object{{{"x", text}}, nil}}, {"é", object(nil)}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"b":1,"a":[{"x":"a \"quoted\" <b>\\ é \u2028 \u0001 \ufffd"},{}],"é":{}}`, string(have))
	_, err = appendJSON(nil, object{{"a", []any{make(chan int)}}})
	assert.Error(t, err)
}

func BenchmarkEncodePage(b *testing.B) {
	q := &request{srv: &server{cfg: Config{PublicURL: "http://cloud:8776"}}, version: version(64), caller: driverstate.Caller{Admin: true}}
	name, at := "nightly", time.Now()
	row := &driverstate.Backup{
		ID: "31136ebd-183c-4c85-9249-b1a09f4e2cd7", VolumeID: "06e4fd27-daf0-459b-b1ac-6219801dea89", Name: &name,
		Status: driverstate.StatusAvailable, Size: 1, ObjectCount: 256, CreatedAt: at, UpdatedAt: at, DataTimestamp: at,
	}
	for b.Loop() {
		page := make([]object, 1000)
		for i := range page {
			page[i] = q.backupDetail(row)
		}
		if _, err := appendJSON(nil, object{{"backups", page}}); err != nil {
			b.Fatal(err)
		}
	}
}
