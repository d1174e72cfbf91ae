package commands

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
)

// Zed: each of these is answered with 201; the row becomes available without a
// data_timestamp, which fails the next increment, or stays in creating.
func TestWhatARecordTellsItselfIsSetRight(t *testing.T) {
	const prefix = "volume_" + recordVolume + "_20261121113539_backup_" + idFull
	for _, c := range []struct {
		name    string
		members map[string]any
		said    string
	}{
		{"no data_timestamp", map[string]any{"data_timestamp": nil}, "data_timestamp was missing, and is 2026-03-01T12:00:00Z"},
		{"no created_at", map[string]any{"created_at": nil}, "created_at was missing, and is 2026-03-01T12:00:00Z"},
		{"neither, but a prefix", map[string]any{"data_timestamp": nil, "created_at": nil, "service_metadata": prefix},
			"data_timestamp was missing, and is 2026-11-21T11:35:39Z"},
		{"null metadata", map[string]any{"metadata": nil}, "metadata is {} instead of null"},
		{"has_dependent_backups", map[string]any{"has_dependent_backups": false}, "left out has_dependent_backups, which Cinder computes"},
		{"is_incremental", map[string]any{"is_incremental": false}, "left out is_incremental, which Cinder computes"},
		{"parent", map[string]any{"parent": nil}, "left out parent, which Cinder computes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &recordsFake{fake: fake{after: available(idFull)}}, newBench()
			require.NoError(t, runBackupImport(t.Context(), importOn(f, b, lines(t, with(t, recordFor(t, idFull, "", "a"), c.members)))))
			require.Len(t, f.sent, 1)
			assert.False(t, f.sent[0].Backup.DataTimestamp.IsZero())
			assert.False(t, f.sent[0].Backup.CreatedAt.IsZero())
			assert.Contains(t, b.out.String(), c.said)
		})
	}
}

func TestWhatACloudWouldSwallowIsRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		members map[string]any
		service string
		code    int
		text    string
	}{
		{"a bad date", map[string]any{"created_at": "yesterday"}, "", 9, `created_at "yesterday" is not a date`},
		{"metadata with null", map[string]any{"metadata": map[string]any{"k": nil}}, "", 9, `metadata "k" is not a string`},
		{"no time at all", map[string]any{"data_timestamp": nil, "created_at": nil}, "", 9, "data_timestamp and created_at are missing"},
		{"an id that is no UUID", map[string]any{"id": "x"}, "", 9, `id "x" is not a UUID`},
		{"a long name", map[string]any{"display_name": string(make256())}, "", 9, "display_name is longer than 255"},
		{"a place out of the store", map[string]any{"container": "../trap"}, "", 9, "container"},
		{"an absolute place", map[string]any{"container": "/etc"}, "", 9, "container"},
		{"a prefix out of the store", map[string]any{"service_metadata": "../x"}, "", 9, "service_metadata"},
		{"the objects of another", map[string]any{"container": "cc/00/" + idOther}, "", 9, "is that of backup " + idOther},
		{"every driver", nil, "c", 9, `backup_service "c" is no driver`},
		{"any driver", nil, "cinder.backup.drivers.", 9, "is no driver"},
		{"half a module", nil, "cinder.backup.drivers.po", 9, "is no driver"},
		{"a place out of a driver that nobody knows", map[string]any{"container": "a/../../b"}, "acme.Driver", 9, "leads out of the store"},
		{"an emoji in the name", map[string]any{"display_name": "a\U0001F600"}, "", 9, "its name holds a character of four bytes"},
		{"an emoji in the metadata", map[string]any{"metadata": map[string]any{"k": "\U0001F600"}}, "", 9, "its metadata holds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := &recordsFake{}, newBench()
			r := with(t, recordFor(t, idFull, "", "a"), c.members)
			if c.service != "" {
				r.BackupService = c.service
			}
			assert.Equal(t, c.code, exitCode(runBackupImport(t.Context(), importOn(f, b, lines(t, r)))))
			assert.Empty(t, f.sent)
			assert.Contains(t, b.err.String(), c.text)
		})
	}
}

func make256() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = 'n'
	}
	return b
}

func TestAnEngineHoldsEveryCharacter(t *testing.T) {
	f := &recordsFake{engine: true, fake: fake{after: available(idFull)}}
	in := lines(t, with(t, recordFor(t, idFull, "", "a"), map[string]any{"display_name": "a\U0001F600"}))
	require.NoError(t, runBackupImport(t.Context(), importOn(f, newBench(), in)))
	assert.Len(t, f.sent, 1)
}

func TestLinesOfOldRecordsAreJoined(t *testing.T) {
	f := &recordsFake{fake: fake{after: available(idFull)}}
	r := recordFor(t, idFull, "", "a")
	o := importOn(f, newBench(), "")
	p, err := o.prepare(exported(client.Record{BackupService: posixService, BackupURL: r.BackupURL[:76] + "\n" + r.BackupURL[76:] + "\n"}))
	require.NoError(t, err)
	assert.Equal(t, r.BackupURL, p.record.BackupURL)
}
