package ship_test

import (
	"bytes"
	"context"
	"crypto/md5" // Swift's ETag
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
	"github.com/cinder-go/cinder-go/driverstate/ship"
)

// The project of the login, which is a reseller admin, and another.
const (
	ownProject   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	otherProject = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// keystoneSwift is a Keystone and the accounts of its projects in Swift.
type keystoneSwift struct {
	url   string
	mu    sync.Mutex
	boxes map[string]map[string][]byte // by account/container
}

func newKeystoneSwift(t *testing.T) *keystoneSwift {
	k := &keystoneSwift{boxes: map[string]map[string][]byte{}}
	s := httptest.NewServer(k)
	t.Cleanup(s.Close)
	k.url = s.URL
	return k
}

func (k *keystoneSwift) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.URL.Path == "/v3/auth/tokens" {
		w.Header().Set("X-Subject-Token", "token")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
			"expires_at": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z"), "project": map[string]string{"id": ownProject},
			"catalog": []any{map[string]any{"type": "object-store", "name": "swift", "endpoints": []any{
				map[string]string{"interface": "public", "url": k.url + "/v1/AUTH_" + ownProject}}}},
		}})
		return
	}
	place := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/v1/"), "/", 3)
	switch len(place) {
	case 1:
		k.account(w, r, place[0])
	case 2:
		k.container(w, r, strings.Join(place, "/"))
	default:
		k.object(w, r, place[0]+"/"+place[1], place[2])
	}
}

func (k *keystoneSwift) account(w http.ResponseWriter, r *http.Request, account string) {
	list := []any{}
	for _, box := range slices.Sorted(maps.Keys(k.boxes)) {
		if name, ok := strings.CutPrefix(box, account+"/"); ok && name > r.URL.Query().Get("marker") {
			list = append(list, map[string]any{"name": name})
		}
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (k *keystoneSwift) container(w http.ResponseWriter, r *http.Request, box string) {
	objects, ok := k.boxes[box]
	switch {
	case r.Method == http.MethodPut:
		k.boxes[box] = map[string][]byte{}
		w.WriteHeader(http.StatusCreated)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		list := []any{}
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			if q := r.URL.Query(); strings.HasPrefix(name, q.Get("prefix")) && name > q.Get("marker") {
				list = append(list, map[string]any{"name": name, "bytes": len(objects[name]),
					"hash": fmt.Sprintf("%x", md5.Sum(objects[name])), "last_modified": "2026-11-21T05:54:23.946478"})
			}
		}
		_ = json.NewEncoder(w).Encode(list)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (k *keystoneSwift) object(w http.ResponseWriter, r *http.Request, box, name string) {
	objects, ok := k.boxes[box]
	body, there := objects[name]
	switch {
	case !ok || !there && r.Method != http.MethodPut:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPut:
		body, _ = io.ReadAll(r.Body)
		objects[name] = body
		w.Header().Set("Etag", fmt.Sprintf("%x", md5.Sum(body)))
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete:
		delete(objects, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Etag", fmt.Sprintf("%x", md5.Sum(body)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}

// open is the driver of per_user that looks for backups in the accounts of
// projects.
func (k *keystoneSwift) open(t *testing.T, projects string, wrap func(objectstore.Store) objectstore.Store) driverstate.Driver {
	t.Helper()
	env := func(name string) (string, bool) {
		value := map[string]string{"OS_AUTH_URL": k.url + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "x", "OS_PROJECT_NAME": "admin"}[name]
		return value, value != ""
	}
	d, err := drivers.Open("swift:///box?object_size=65536&block_size=4096&swift_projects="+projects, drivers.Options{Env: env, Wrap: wrap})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.CheckForSetupError(t.Context()))
	return d
}

// A row without a project of Keystone's is in the account of the login, whoever
// the volume was of.
func TestABackupIsShippedFromTheAccountOfItsProject(t *testing.T) {
	for _, project := range []string{otherProject, ownProject, ""} {
		k := newKeystoneSwift(t)
		from := k.open(t, project, nil)
		aChainOf(t, from, project, otherProject)
		require.Len(t, k.boxes, 1)
		url := posixURL(filepath.Join(t.TempDir(), "b"))
		job := shipping(t, from, url, driverstate.ShipRequest{Chain: true, Verify: driverstate.ShipVerifyFull})
		for _, there := range []bool{false, true} {
			out, err := job.Ship(t.Context(), lineIn(t, from, ids()[2], project))
			require.NoError(t, err)
			require.Len(t, out.Landed, 3)
			assert.Equal(t, there, out.Landed[2].There)
		}
		requireImages(t, job.Target)
		for _, depth := range []driverstate.Depth{driverstate.DepthStructure, driverstate.DepthData} {
			same, err := ship.Compare(t.Context(), from, job.Target, depth, driverstate.Discard)
			require.NoError(t, err)
			assert.Equal(t, 3, same.Equal)
			assert.Empty(t, same.Differences)
		}
	}
}

// Each backup goes by itself, as --all sends them.
func TestAnIncrementFindsItsParentInTheAccountOfItsProject(t *testing.T) {
	at := open(t, posixURL(filepath.Join(t.TempDir(), "a")), nil)
	aChain(t, at)
	for name, from := range map[string]driverstate.Driver{"copied": at, "restored into new ones": alone{at, t}} {
		t.Run(name, func(t *testing.T) {
			k := newKeystoneSwift(t)
			for _, there := range []bool{false, true} {
				for _, id := range ids() {
					l := ship.NewLanding(driverstate.ShipVerifyFull)
					job := &ship.Job{Source: from, Target: k.open(t, "", l.Wrap), Landing: l, Observer: driverstate.Discard,
						Request: driverstate.ShipRequest{Verify: driverstate.ShipVerifyFull}}
					line := lineOf(t, at, id)
					for i := range line {
						line[i].Row.ProjectID = otherProject
					}
					out, err := job.Ship(t.Context(), line)
					require.NoError(t, err)
					require.Len(t, out.Landed, 1)
					assert.Equal(t, there, out.Landed[0].There)
				}
			}
			assert.Equal(t, []string{"AUTH_" + otherProject + "/box"}, slices.Collect(maps.Keys(k.boxes)))
			for i, id := range ids() {
				d := k.open(t, "", nil)
				var got disk
				_, err := d.Restore(t.Context(), chainOf(lineIn(t, d, id, otherProject)), &got, driverstate.RestoreOptions{}, nil)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(images()[i], got.image), "backup %d", i)
			}
		})
	}
}

// alone is a source as ceph is one: of no chunked format, and each backup can be
// read by itself.
type alone struct {
	driverstate.Driver
	t *testing.T
}

func (a alone) Restore(ctx context.Context, c driverstate.Chain, dst driverstate.Target, o driverstate.RestoreOptions, obs driverstate.Observer) (driverstate.Restored, error) {
	return a.Driver.Restore(ctx, chainOf(lineOf(a.t, a.Driver, c.Tip().ID)), dst, o, obs)
}

// The same names may be in several stores of one driver.
func TestEachStoreWearsTheLandingByItself(t *testing.T) {
	l := ship.NewLanding("")
	first, second := t.TempDir(), t.TempDir()
	one, other := open(t, posixURL(first), l.Wrap), open(t, posixURL(second), l.Wrap)
	aChain(t, one)
	assert.Empty(t, slices.Collect(maps.Keys(filesOf(t, second))))
	aChain(t, other)
	assert.Equal(t, filesOf(t, first), filesOf(t, second))
}
