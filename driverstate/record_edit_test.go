package driverstate_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

func recordOf(text string) driverstate.ExportedRecord {
	return driverstate.ExportedRecord{BackupService: "s", BackupURL: base64.StdEncoding.EncodeToString([]byte(text))}
}

func textOf(t *testing.T, r driverstate.ExportedRecord) string {
	t.Helper()
	text, err := base64.StdEncoding.Strict().DecodeString(r.BackupURL)
	require.NoError(t, err)
	return string(text)
}

func TestEditRecordChangesWhatItIsToldAndKeepsTheRest(t *testing.T) {
	in := recordOf(`{"size": 1, "id": "x", "metadata": null, "later": {"n": 12345678901234567890, "l": [true, "\ud83d\ude00"]}}`)
	got, err := driverstate.EditRecord(in, func(m map[string]any) bool {
		m["metadata"] = map[string]any{}
		return true
	})
	require.NoError(t, err)
	assert.Equal(t, "s", got.BackupService)
	assert.Equal(t, `{"id": "x", "later": {"l": [true, "\ud83d\ude00"], "n": 12345678901234567890}, "metadata": {}, "size": 1}`, textOf(t, got))
}

func TestEditRecordWithoutAChangeOnlyJoinsTheLines(t *testing.T) {
	text := `{"size":1,  "id":"x"}`
	in := recordOf(text)
	in.BackupURL = in.BackupURL[:4] + "\n" + in.BackupURL[4:] + "\n"
	got, err := driverstate.EditRecord(in, func(map[string]any) bool { return false })
	require.NoError(t, err)
	assert.Equal(t, recordOf(text), got)
}

func TestEditRecordRefusesWhatIsNoObject(t *testing.T) {
	for _, r := range []driverstate.ExportedRecord{
		{BackupURL: "%"}, {}, recordOf("x"), recordOf("[1]"), recordOf("1"), recordOf(`{"a":1,"a":2}`), recordOf("{\"a\":\"\xff\"}"),
		recordOf(strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)),
	} {
		_, err := driverstate.EditRecord(r, func(map[string]any) bool { return false })
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput, r.BackupURL)
	}
	_, err := driverstate.EditRecord(recordOf("{}"), func(m map[string]any) bool {
		m["t"] = time.Time{}
		return true
	})
	assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
}
