package engine_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate/engine"
	"github.com/cinder-go/cinder-go/testdata/drillstore"
)

// twinLab is an engine on a store that a real Cinder wrote, asked over its API.
type twinLab struct {
	t   *testing.T
	e   *engine.Engine
	dir string // of the store
}

func newTwinLab(t *testing.T) *twinLab {
	url := store(t)
	return &twinLab{t: t, e: start(t, engine.Config{StateDir: t.TempDir(), Stores: []engine.Store{{URL: url}}}), dir: strings.TrimPrefix(url, "posix://")}
}

// ask sends a request and wants the status.
func (l *twinLab) ask(want int, method, path string, body any) map[string]any {
	l.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(l.t, err)
	if body == nil {
		raw = nil
	}
	r := httptest.NewRequestWithContext(l.t.Context(), method, "/v3/"+path, strings.NewReader(string(raw)))
	r.Header.Set("X-Auth-Token", "admin:"+project)
	r.Header.Set("OpenStack-API-Version", "volume 3.70")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	l.e.Handler().ServeHTTP(w, r)
	require.Equal(l.t, want, w.Code, "%s %s: %s", method, path, w.Body)
	var answer map[string]any
	if w.Body.Len() > 0 {
		require.NoError(l.t, json.Unmarshal(w.Body.Bytes(), &answer))
	}
	return answer
}

func (l *twinLab) manage(id string) {
	l.t.Helper()
	l.ask(http.StatusAccepted, "POST", "manageable_backups", map[string]any{"backup": map[string]any{"id": id}})
	l.until(id, "available")
}

func (l *twinLab) status(id string) string {
	r := httptest.NewRequestWithContext(l.t.Context(), "GET", "/v3/backups/"+id, nil)
	r.Header.Set("X-Auth-Token", "admin:"+project)
	w := httptest.NewRecorder()
	l.e.Handler().ServeHTTP(w, r)
	if w.Code == http.StatusNotFound {
		return "gone"
	}
	var answer struct {
		Backup struct {
			Status string `json:"status"`
		} `json:"backup"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	return answer.Backup.Status
}

func (l *twinLab) until(id, status string) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.status(id) == status }, time.Minute, 5*time.Millisecond, "%s: %s", id, l.status(id))
}

// record is the export record of a backup, as Tempest edits it.
func (l *twinLab) record(id string, edit map[string]any) map[string]any {
	l.t.Helper()
	exported := l.ask(http.StatusOK, "GET", "backups/"+id+"/export_record", nil)["backup-record"].(map[string]any)
	raw, err := base64.StdEncoding.DecodeString(exported["backup_url"].(string))
	require.NoError(l.t, err)
	var fields map[string]any
	require.NoError(l.t, json.Unmarshal(raw, &fields))
	for key, value := range edit {
		fields[key] = value
	}
	raw, err = json.Marshal(fields)
	require.NoError(l.t, err)
	return map[string]any{"backup-record": map[string]any{
		"backup_service": exported["backup_service"], "backup_url": base64.StdEncoding.EncodeToString(raw)}}
}

// twin imports the record of a backup under a new id, which it returns.
func (l *twinLab) twin(id string, edit map[string]any) string {
	l.t.Helper()
	fresh := uuid.NewString()
	all := map[string]any{"id": fresh}
	for key, value := range edit {
		all[key] = value
	}
	all["project_id"], all["user_id"] = "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"
	l.ask(http.StatusCreated, "POST", "backups/import_record", l.record(id, all))
	l.until(fresh, "available")
	shown := l.ask(http.StatusOK, "GET", "backups/"+fresh, nil)["backup"].(map[string]any)
	require.Equal(l.t, project, shown["os-backup-project-attr:project_id"], "a twin is the importer's")
	return fresh
}

func (l *twinLab) delete(id string) {
	l.t.Helper()
	l.ask(http.StatusAccepted, "DELETE", "backups/"+id, nil)
	l.until(id, "gone")
}

// objects are the files of a backup on the store.
func (l *twinLab) objects(id string) []string {
	l.t.Helper()
	names, err := filepath.Glob(filepath.Join(l.dir, id[:2], id[2:4], id, "*"))
	require.NoError(l.t, err)
	return names
}

// verdict is what a look at the data says; in a short run, at its structure.
func (l *twinLab) verdict(id string) string {
	l.t.Helper()
	depth := "data"
	if testing.Short() {
		depth = "structure"
	}
	v := l.ask(http.StatusAccepted, "POST", "verifications", map[string]any{"verification": map[string]any{"backup_id": id, "depth": depth}})
	path := "verifications/" + v["verification"].(map[string]any)["id"].(string)
	var seen map[string]any
	require.Eventually(l.t, func() bool {
		seen = l.ask(http.StatusOK, "GET", path, nil)["verification"].(map[string]any)
		return seen["status"] != "running"
	}, time.Minute, 10*time.Millisecond)
	return seen["condition"].(string)
}

func TestTheObjectsOfTwinsGoWithTheLastRow(t *testing.T) {
	for name, originalFirst := range map[string]bool{"the original first": true, "the twin first": false} {
		t.Run(name, func(t *testing.T) {
			l := newTwinLab(t)
			l.manage(drillstore.Full)
			before := l.objects(drillstore.Full)
			require.NotEmpty(t, before)
			first, last := drillstore.Full, l.twin(drillstore.Full, nil)
			if !originalFirst {
				first, last = last, first
			}
			l.delete(first)
			assert.Equal(t, before, l.objects(drillstore.Full), "the other row refers to them")
			assert.Equal(t, "whole", l.verdict(last))
			l.ask(http.StatusOK, "GET", "backups/"+last+"/export_record", nil)
			again := l.twin(last, nil) // a twin of what is left
			l.delete(last)
			assert.Equal(t, before, l.objects(drillstore.Full))
			l.delete(again)
			assert.Empty(t, l.objects(drillstore.Full))
			assert.NoDirExists(t, filepath.Join(l.dir, drillstore.Full[:2], drillstore.Full[2:4], drillstore.Full))
		})
	}
}

func TestTwinsThatAreDeletedTogetherLeaveNothing(t *testing.T) {
	l := newTwinLab(t)
	l.manage(drillstore.Full)
	ids := []string{drillstore.Full, l.twin(drillstore.Full, nil), l.twin(drillstore.Full, nil)}
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() { l.ask(http.StatusAccepted, "DELETE", "backups/"+id, nil) })
	}
	all.Wait()
	for _, id := range ids {
		l.until(id, "gone")
	}
	assert.Empty(t, l.objects(drillstore.Full))
}

// chain is the incremental chain of the drill's store, the base first.
var chain = []string{"3232e94c-1dad-47f8-adce-f6712f38c7d7", "391aa0e8-a769-4ea0-9c77-f96f148f9109", "2609cc10-2a23-40a6-b710-d99416fa4f66", drillstore.ChainTip}

func TestIncrementalBackupsStandOnAnyTwin(t *testing.T) {
	l := newTwinLab(t)
	for _, id := range chain {
		l.manage(id)
	}
	// The whole chain once more, under new ids: as an operator may rewrite it.
	twins, parent := []string{}, any(nil)
	for _, id := range chain {
		fresh := l.twin(id, map[string]any{"parent_id": parent})
		twins, parent = append(twins, fresh), fresh
	}
	l.ask(http.StatusBadRequest, "DELETE", "backups/"+twins[0], nil) // its own incremental
	for i := range chain {
		id := chain[len(chain)-1-i]
		l.delete(id)
		assert.NotEmpty(t, l.objects(id))
	}
	assert.Equal(t, "whole", l.verdict(twins[len(twins)-1]))
	for i := range twins {
		l.delete(twins[len(twins)-1-i])
		assert.Empty(t, l.objects(chain[len(chain)-1-i]))
	}
}

func TestTheLastTwinStaysWhileAnIncrementalStandsOnItsObjects(t *testing.T) {
	l := newTwinLab(t)
	base, child := chain[0], chain[1]
	l.manage(base)
	l.manage(child)
	record := l.record(child, nil)
	l.delete(child) // takes its objects along, which are put back
	spare := t.TempDir()
	require.NoError(t, drillstore.Unpack(spare))
	require.NoError(t, os.CopyFS(filepath.Join(l.dir, child[:2], child[2:4], child), os.DirFS(filepath.Join(spare, child[:2], child[2:4], child))))
	other := l.twin(base, nil)
	l.delete(base)
	l.ask(http.StatusCreated, "POST", "backups/import_record", record) // its parent has no row, but objects
	l.until(child, "available")
	refusal := l.ask(http.StatusBadRequest, "DELETE", "backups/"+other, nil)
	assert.Contains(t, refusal["badRequest"].(map[string]any)["message"], "Incremental backups exist for this backup.")
	l.ask(http.StatusBadRequest, "POST", "backups/"+other+"/action", map[string]any{"os-force_delete": map[string]any{}})
	l.delete(child)
	l.delete(other)
	assert.Empty(t, l.objects(base))
}

func TestATwinOfADocumentThatNamesAnotherTakesNothingAlong(t *testing.T) {
	l := newTwinLab(t)
	l.manage(drillstore.Full)
	twin := l.twin(drillstore.Full, nil)
	l.delete(drillstore.Full)
	var document, foreign string
	for _, name := range l.objects(drillstore.Full) {
		if strings.HasSuffix(name, "_metadata") {
			document = name
		}
	}
	for _, name := range l.objects(drillstore.WronglyError) {
		if strings.HasSuffix(name, "_metadata") {
			foreign = name
		}
	}
	raw, err := os.ReadFile(foreign)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(document, raw, 0o644))
	before := l.objects(drillstore.Full)
	l.delete(twin)
	assert.Equal(t, before, l.objects(drillstore.Full))
}

func TestPlacesThatNoBackupHasAreRefused(t *testing.T) {
	l := newTwinLab(t)
	l.manage(drillstore.Full)
	for name, edit := range map[string]map[string]any{
		"an empty prefix":            {"service_metadata": ""},
		"no prefix":                  {"service_metadata": nil},
		"a short prefix":             {"service_metadata": "volume_"},
		"a prefix without a date":    {"service_metadata": "volume_" + drillstore.Full + "_backup_" + drillstore.Full},
		"another volume's":           {"volume_id": uuid.NewString()},
		"a directory above":          {"container": "../" + drillstore.Full},
		"no directory":               {"container": ""},
		"a directory not written so": {"container": "31/13/./" + drillstore.Full},
	} {
		edit["id"] = uuid.NewString()
		l.t.Log(name)
		l.ask(http.StatusBadRequest, "POST", "backups/import_record", l.record(drillstore.Full, edit))
	}
}
