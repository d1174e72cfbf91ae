package manager

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// The form is that of cinder/backup/driver.py BackupMetadataAPI.
const cinderVolumeMeta = `{"version": 2, "volume-base-metadata": {"id": "02af034b-7e17-4c19-b5f6-504f2ea7d8ad",
	"display_name": "db01", "display_description": "ledger", "size": 1, "host": "evil", "bootable": true},
	"volume-metadata": {"tier": "gold"}, "volume-glance-metadata": {"os": "linux"}}`

func TestVolumeMetaOfCinder(t *testing.T) {
	src := parseVolumeMeta([]byte(cinderVolumeMeta))
	assert.Equal(t, sourceVolume{known: true, name: "db01", description: "ledger", metadata: map[string]string{"tier": "gold"}}, src)
}

func TestVolumeMetaThatIsNotApplied(t *testing.T) {
	for name, text := range map[string]string{
		"absent":          "",
		"no JSON":         "{",
		"another version": `{"version": 3, "volume-base-metadata": {"display_name": "x"}}`,
		"no version":      `{"volume-base-metadata": {"display_name": "x"}}`,
		"too long":        `{"version": 2, "volume-base-metadata": {"display_name": "` + strings.Repeat("x", maxVolumeMeta) + `"}}`,
	} {
		assert.Equal(t, sourceVolume{}, parseVolumeMeta([]byte(text)), name)
	}
	src := parseVolumeMeta([]byte(`{"version": 1, "volume-base-metadata": {"display_name": 7}, "volume-metadata": {"a": "b"}}`))
	assert.Equal(t, sourceVolume{known: true}, src, "version 1 has no properties, and a number is no name")
}

func TestTheStoreCannotSetWhatMeansSomethingToTheEngine(t *testing.T) {
	v := &driverstate.Volume{ID: "v", Status: driverstate.VolumeRestoring}
	b := &driverstate.Backup{ID: "b", VolumeID: "other"}
	markRestored(v, b, driverstate.Restored{VolumeMeta: []byte(`{"version": 2, "volume-base-metadata": {"display_name": "n"}, "volume-metadata":
		{"overwrite": "true", "src_backup_id": "x", "restore_error": "x", "restore_error_kind": "x",
		 "restore_resume": "x", "restore_bytes_kept": "x", "restore_bytes_written": "x", "k": "v"}}`)})
	assert.Equal(t, map[string]string{"k": "v", "src_backup_id": "b"}, v.Metadata)
	assert.Equal(t, driverstate.VolumeAvailable, v.Status)
}

func FuzzParseVolumeMeta(f *testing.F) {
	f.Add([]byte(cinderVolumeMeta))
	f.Add([]byte(`{"version": 2, "volume-metadata": {"a": 1}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		src := parseVolumeMeta(raw)
		require.LessOrEqual(t, utf8.RuneCountInString(src.name), 255)
		for k, v := range src.metadata {
			require.NotEmpty(t, k)
			require.LessOrEqual(t, utf8.RuneCountInString(k), 255)
			require.LessOrEqual(t, utf8.RuneCountInString(v), 255)
		}
	})
}
