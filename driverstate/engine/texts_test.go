package engine_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// Both databases, because PostgreSQL refuses these texts and SQLite keeps them.
func TestATextThatCannotBeKeptIsRefusedOnEveryDatabase(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": shared,
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, engine.Config{StateDir: t.TempDir(), DatabaseURL: database(t), Stores: []engine.Store{{URL: store(t)}}})
			l := &twinLab{t: t, e: e}
			l.manage(drillstore.Full)
			record := l.record(drillstore.Full, map[string]any{"display_name": "a\x00b"})
			raw, err := json.Marshal(record)
			require.NoError(t, err)
			for _, c := range []struct{ request, token, body, message string }{
				{"GET backups/%00", "", "", `Invalid input for field/attribute id. Value: \x00. '\x00' holds U+0000`},
				{"GET volumes/a%ff", "", "", `Invalid input for field/attribute id. Value: a\xff. 'a\xff' is not UTF-8`},
				{"DELETE volumes/v/metadata/%00k", "", "", `Invalid input for field/attribute key. Value: \x00k. '\x00k' holds U+0000`},
				{"GET backups?name=%00", "", "", `Invalid input for field/attribute name. Value: \x00. '\x00' holds U+0000`},
				{"GET backups/detail?name=%ff", "", "", `Invalid input for field/attribute name. Value: \xff. '\xff' is not UTF-8`},
				{"GET volumes?name=%00", "", "", `Invalid input for field/attribute name. Value: \x00. '\x00' holds U+0000`},
				{"GET volumes?marker=%ff", "", "", `Invalid input for field/attribute marker. Value: \xff. '\xff' is not UTF-8`},
				{"GET volumes?%ff=1", "", "", `Invalid input for field/attribute \xff. Value: \xff. '\xff' is not UTF-8`},
				{"GET os-services?host=%00", "", "", `Invalid input for field/attribute host. Value: \x00. '\x00' holds U+0000`},
				{"GET backups", "admin:\xff", "", `Invalid input for field/attribute project_id. Value: \xff. '\xff' is not UTF-8`},
				{"POST volumes", "", `{"volume":{"size":1,"name":"a\u0000b"}}`, `Invalid input for field/attribute name. Value: a\x00b. 'a\x00b' holds U+0000`},
				{"POST volumes", "", `{"volume":{"size":1,"metadata":{"k":"\u0000"}}}`, `Invalid input for field/attribute k. Value: \x00. '\x00' holds U+0000`},
				{"POST backups/" + drillstore.Full + "/restore", "", `{"restore":{"name":"r\u0000"}}`, `Invalid input for field/attribute name. Value: r\x00. 'r\x00' holds U+0000`},
				{"PUT os-services/disable-log-reason", "", `{"binary":"cinder-backup","host":"h","disabled_reason":"\u0000"}`,
					`Invalid input for field/attribute disabled_reason. Value: \x00. '\x00' holds U+0000`},
				{"POST manageable_backups", "", `{"backup":{"ref":{"source-id":"\u0000"}}}`, `Invalid input for field/attribute source-id. Value: \x00. '\x00' holds U+0000`},
				{"POST volumes", "", "{\"volume\":{\"size\":1,\"name\":\"\xff\"}}", "Malformed request body"},
				{"POST backups/import_record", "", string(raw), "Invalid input received: backup record: display_name holds a NUL"},
			} {
				method, path, _ := strings.Cut(c.request, " ")
				r := httptest.NewRequestWithContext(t.Context(), method, "/v3/"+path, strings.NewReader(c.body))
				token := c.token
				if token == "" {
					token = "admin:" + project
				}
				r.Header.Set("X-Auth-Token", token)
				r.Header.Set("OpenStack-API-Version", "volume 3.70")
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				e.Handler().ServeHTTP(w, r)
				var answer map[string]map[string]any
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), "%s: %s", c.request, w.Body)
				assert.Equal(t, http.StatusBadRequest, w.Code, c.request)
				assert.Equal(t, map[string]any{"code": 400.0, "message": c.message}, answer["badRequest"], c.request)
			}
		})
	}
}

// A backup must not be lost for its name.
func TestABackupWhoseNameCannotBeKeptIsTakenWithoutThat(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": shared,
	} {
		t.Run(name, func(t *testing.T) {
			at := store(t)
			l := &twinLab{t: t, dir: strings.TrimPrefix(at, "posix://")}
			for _, path := range l.objects(drillstore.Full) {
				if strings.HasSuffix(path, "_metadata") {
					document, err := os.ReadFile(path)
					require.NoError(t, err)
					changed := strings.Replace(string(document), `"root-disk"`, `"root-\u0000disk"`, 1)
					require.NotEqual(t, string(document), changed)
					require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
				}
			}
			l.e = start(t, engine.Config{StateDir: t.TempDir(), DatabaseURL: database(t), Stores: []engine.Store{{URL: at}}})
			l.manage(drillstore.Full)
			assert.Equal(t, "root-disk", l.ask(http.StatusOK, "GET", "backups/"+drillstore.Full, nil)["backup"].(map[string]any)["name"])
		})
	}
}
