package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/api"
)

// exchange is a request to a real Cinder and its answer. Given is what its
// state made of it, in the words of Operations.
type exchange struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	As      string `json:"as"`
	Version string `json:"version"`
	Body    string `json:"body"`
	Status  int    `json:"status"`

	Given         *given         `json:"given"`
	Fault         string         `json:"fault"`
	Message       string         `json:"message"`
	MessageBegins string         `json:"message_begins"`
	Answer        map[string]any `json:"answer"`
}

type given struct {
	Kind     string `json:"kind"`
	Resource string `json:"resource"`
	ID       string `json:"id"`
	Text     string `json:"text"`
}

func (g *given) error(t *testing.T) error {
	if g == nil {
		return nil
	}
	kinds := map[string]error{
		"not found": driverstate.ErrNotFound, "service down": driverstate.ErrServiceDown,
		"forbidden": driverstate.ErrForbidden, "has dependents": driverstate.ErrHasDependents,
		"invalid status": driverstate.ErrInvalidStatus, "invalid input": driverstate.ErrInvalidInput,
	}
	require.Contains(t, kinds, g.Kind)
	return &driverstate.Error{Resource: g.Resource, ID: g.ID, Err: driverstate.Fail(kinds[g.Kind], g.Text)}
}

// cloud stands for the identity service of the recorded cloud.
type cloud struct{ project string }

func (c cloud) Authenticate(_ http.ResponseWriter, r *http.Request) (driverstate.Caller, bool) {
	who := r.Header.Get("X-Auth-Token")
	return driverstate.Caller{UserID: who, ProjectID: c.project, Admin: who == "admin"}, true
}

func recorded(t *testing.T) map[string]exchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "api", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]exchange{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var doc struct {
			Exchanges []exchange `json:"exchanges"`
		}
		require.NoError(t, json.Unmarshal(raw, &doc))
		for _, e := range doc.Exchanges {
			about := e.Message
			if about == "" {
				about = e.Body
			}
			name := strings.Join([]string{filepath.Base(file), e.Method, e.Path[max(0, len(e.Path)-40):], e.As, e.Version, about[:min(60, len(about))]}, " ")
			all[name] = e
		}
	}
	return all
}

// better are answers of Cinder that ours differ from on purpose, by message or
// query: what is answered instead.
var better = map[string]int{
	// Cinder has no backups for an admin who asks for what is no column.
	"all_tenants=1&nonsense=1": http.StatusBadRequest,
	// Cinder cleans up no backups; ours are.
	"Invalid input received: Resource type Backup not valid, must be Snapshot or Volume":                                                  http.StatusAccepted,
	"Invalid input for field/attribute binary. Value: cinder-backup. 'cinder-backup' is not one of ['cinder-volume', 'cinder-scheduler']": http.StatusAccepted,
}

func TestAnswersAreThoseOfCinder(t *testing.T) {
	for name, e := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			_, query, _ := strings.Cut(e.Path, "?")
			instead := max(better[e.Message], better[query])
			owner := ""
			if parts := strings.Split(e.Path, "/"); len(parts) > 2 {
				owner = parts[2]
			}
			f := &fake{err: e.Given.error(t)}
			f.behave(t, e.Answer)
			top, _ := parse("3.70")
			h := api.New(f, api.Config{MaxVersion: top, Auth: cloud{owner}})
			r := send(t, h, ask{
				method: e.Method, path: e.Path, version: e.Version, body: e.Body,
				header: map[string]string{"X-Auth-Token": e.As},
			})
			if instead != 0 {
				assert.Equal(t, instead, r.StatusCode)
				return
			}
			assert.Equal(t, e.Status, r.StatusCode)
			assert.Equal(t, jsonType, r.Header.Get("Content-Type"))
			assert.Equal(t, "volume "+e.Version, r.Header.Get("OpenStack-API-Version"))
			assert.Equal(t, "OpenStack-API-Version", r.Header.Get("Vary"))
			assert.Equal(t, r.Header.Get("X-Openstack-Request-Id"), r.Header.Get("X-Compute-Request-Id"))
			switch {
			case e.Fault != "":
				name, message := fault(t, r)
				assert.Equal(t, e.Fault, name)
				if e.MessageBegins != "" {
					assert.True(t, strings.HasPrefix(message, e.MessageBegins), message)
				} else {
					assert.Equal(t, e.Message, message)
				}
			case e.Answer != nil:
				got := decode(t, r)
				dropUpdated(got, e.Answer)
				assert.Equal(t, e.Answer, got)
			default:
				assert.Empty(t, read(t, r))
				assert.Equal(t, "0", r.Header.Get("Content-Length"))
			}
		})
	}
}

func parse(s string) (v api.Microversion, ok bool) {
	major, minor, ok := strings.Cut(s, ".")
	if !ok {
		return v, false
	}
	for _, c := range major {
		v.Major = v.Major*10 + int(c-'0')
	}
	for _, c := range minor {
		v.Minor = v.Minor*10 + int(c-'0')
	}
	return v, true
}

// dropUpdated takes out the date of the version document, which belongs to the
// version.
func dropUpdated(docs ...map[string]any) {
	for _, d := range docs {
		if list, ok := d["versions"].([]any); ok {
			delete(list[0].(map[string]any), "updated")
		}
	}
}

// behave makes f hold what Cinder's answer shows.
func (f *fake) behave(t *testing.T, answer map[string]any) {
	t.Helper()
	for key, v := range answer {
		switch inner := v.(type) {
		case []any:
			for _, item := range inner {
				f.hold(key, item.(map[string]any))
			}
		case map[string]any:
			f.hold(key, inner)
		case float64:
			f.count = int(inner)
		}
	}
}

func (f *fake) hold(key string, doc map[string]any) {
	switch key {
	case "backup", "backups":
		f.backups = append(f.backups, backupOf(doc))
	case "restore":
		f.restored = driverstate.RestoreAnswer{
			BackupID: str(doc["backup_id"]), VolumeID: str(doc["volume_id"]), VolumeName: str(doc["volume_name"]),
		}
	case "backup-record":
		f.exported = driverstate.ExportedRecord{BackupService: str(doc["backup_service"]), BackupURL: str(doc["backup_url"])}
	case "cluster", "clusters":
		f.clusters = append(f.clusters, clusterOf(doc))
	case "messages":
		f.messages = append(f.messages, messageOf(doc))
	case "services":
		f.services = append(f.services, driverstate.ServiceState{Service: serviceOf(doc), Up: doc["state"] == "up"})
	case "cleaning":
		f.cleanup.Cleaning = append(f.cleanup.Cleaning, serviceOf(doc))
	case "unavailable":
		f.cleanup.Unavailable = append(f.cleanup.Unavailable, serviceOf(doc))
	}
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func pointer(v any) *string {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	return &s
}

func date(v any) time.Time {
	at, err := time.Parse("2006-01-02T15:04:05.000000", str(v))
	if err != nil {
		return time.Time{}
	}
	return at
}

func backupOf(d map[string]any) *driverstate.Backup {
	size, _ := d["size"].(float64)
	count, _ := d["object_count"].(float64)
	b := &driverstate.Backup{
		ID: str(d["id"]), Status: driverstate.Status(str(d["status"])), Size: int64(size), ObjectCount: int(count),
		AvailabilityZone: str(d["availability_zone"]), Container: str(d["container"]),
		CreatedAt: date(d["created_at"]), UpdatedAt: date(d["updated_at"]), DataTimestamp: date(d["data_timestamp"]),
		Name: pointer(d["name"]), Description: pointer(d["description"]), FailReason: str(d["fail_reason"]),
		VolumeID: str(d["volume_id"]), SnapshotID: str(d["snapshot_id"]),
		ProjectID: str(d["os-backup-project-attr:project_id"]), UserID: str(d["user_id"]),
		EncryptionKeyID: str(d["encryption_key_id"]), Metadata: map[string]string{},
	}
	if d["is_incremental"] == true {
		b.ParentID = anotherID
	}
	if d["has_dependent_backups"] == true {
		b.NumDependentBackups = 1
	}
	if m, ok := d["metadata"].(map[string]any); ok {
		for k, v := range m {
			b.Metadata[k] = str(v)
		}
	}
	return b
}

func serviceOf(d map[string]any) driverstate.Service {
	id, _ := d["id"].(float64)
	cluster := str(d["cluster"])
	if name := str(d["cluster_name"]); name != "" {
		cluster = name
	}
	return driverstate.Service{
		ID: int64(id), Binary: driverstate.Binary(str(d["binary"])), Host: str(d["host"]), Cluster: cluster,
		AvailabilityZone: str(d["zone"]), Disabled: d["status"] == "disabled",
		DisabledReason: str(d["disabled_reason"]), UpdatedAt: date(d["updated_at"]),
	}
}

func clusterOf(d map[string]any) driverstate.ClusterState {
	hosts, _ := d["num_hosts"].(float64)
	down, _ := d["num_down_hosts"].(float64)
	c := driverstate.ClusterState{Cluster: driverstate.Cluster{
		Name: str(d["name"]), Binary: driverstate.Binary(str(d["binary"])), Disabled: d["status"] == "disabled",
		DisabledReason: str(d["disabled_reason"]), CreatedAt: date(d["created_at"]), UpdatedAt: date(d["updated_at"]),
	}, Up: d["state"] == "up", Hosts: int(hosts), DownHosts: int(down), LastHeartbeatAt: date(d["last_heartbeat"])}
	if c.Up && c.LastHeartbeatAt.IsZero() { // a summary does not show it
		c.LastHeartbeatAt, c.Hosts = time.Unix(1, 0), 2
	}
	return c
}

func messageOf(d map[string]any) *driverstate.Message {
	event := strings.Split(str(d["event_id"]), "_")
	n := len(event)
	return &driverstate.Message{
		ID: str(d["id"]), RequestID: str(d["request_id"]), ResourceType: strings.Join(event[1:n-2], "_"), ResourceID: str(d["resource_uuid"]),
		Action: driverstate.MessageAction(event[n-2]), Detail: driverstate.MessageDetail(event[n-1]),
		Level: str(d["message_level"]), CreatedAt: date(d["created_at"]), ExpiresAt: date(d["guaranteed_until"]),
	}
}
