package commands

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

func TestAgesOfASelection(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 30 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "0d": 0,
	} {
		got, err := parseAge(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "week", "-2h", "3"} {
		_, err := parseAge(text)
		assert.Equal(t, 2, exitCode(err), text)
	}
}

func TestSelectionsThatCannotBeMeantAreWrongUsage(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		text string
	}{
		{"nothing", nil, "say which backups"},
		{"scope is no selection", []string{"--all-projects"}, "say which backups"},
		{"both", []string{"x", "--status", "error"}, "exclude each other"},
		{"no status", []string{"--status", "broken"}, "no backup status"},
		{"one of two", []string{"--status", "error,broken"}, "no backup status"},
		{"no age", []string{"--older-than", "soon"}, "is no age"},
		{"no pattern", []string{"--name", "["}, "pattern"},
		{"none at once", []string{"x", "--parallel", "0"}, "--parallel must be"},
		{"a negative limit", []string{"x", "--max", "-1"}, "--max must not"},
		{"plan and dry run", []string{"x", "--plan", "f", "--dry-run"}, "exclude each other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, newBackupDelete, nil, append([]string{"backup-delete"}, c.args...)...)
			assert.Equal(t, 2, exitCode(err))
			assert.ErrorContains(t, err, c.text)
		})
	}
}

func TestFiltersSelect(t *testing.T) {
	f := chain(4)
	for id, change := range map[string]func(*client.Backup){
		"c0": func(b *client.Backup) { b.Name = ptr("nightly-1"); b.AvailabilityZone = ptr("az2") },
		"c1": func(b *client.Backup) { b.Name = nil; b.Status = driverstate.StatusError },
		"c2": func(b *client.Backup) { b.Name = ptr("nightly-2"); b.Status = driverstate.StatusCreating },
	} {
		b := f.backups[id]
		change(&b)
		f.backups[id] = b
	}
	zone := service("node1", "up")
	zone.Zone = "az1"
	f.services = []client.Service{zone}
	f.host["c3"] = "elsewhere"
	f.volumes = []client.Volume{{ID: "v", Name: ptr("db")}}
	for _, c := range []struct {
		name string
		sel  selectionFlags
		want []string
	}{
		{"status", selectionFlags{statuses: []string{"error"}}, []string{"c1"}},
		{"several statuses", selectionFlags{statuses: []string{"error", "creating"}}, []string{"c1", "c2"}},
		{"age", selectionFlags{olderThan: "1", age: 3 * 24 * time.Hour}, []string{"c0", "c1"}},
		{"project", selectionFlags{project: "p3"}, []string{"c3"}},
		{"name", selectionFlags{name: "nightly-*"}, []string{"c0", "c2"}},
		{"zone of its own", selectionFlags{zone: "az2"}, []string{"c0"}},
		{"zone of its host", selectionFlags{zone: "az1"}, []string{"c1", "c2"}},
		{"volume by name", selectionFlags{volume: "db"}, []string{"c0", "c1", "c2", "c3"}},
		{"both", selectionFlags{name: "nightly-*", statuses: []string{"available"}}, []string{"c0"}},
		{"none", selectionFlags{name: "weekly"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := c.sel.find(t.Context(), f, day(5), newBulk(newBench().con, ""))
			require.NoError(t, err)
			var ids []string
			for _, b := range found {
				ids = append(ids, b.ID)
			}
			assert.Equal(t, c.want, ids)
		})
	}
	sel := selectionFlags{volume: "db", host: "node9"}
	_, err := sel.find(t.Context(), f, day(5), newBulk(newBench().con, ""))
	require.NoError(t, err)
	assert.Equal(t, "v", f.listed.VolumeID)
	assert.Equal(t, map[string]string{"host": "node9"}, f.listed.Filters)
	assert.False(t, *f.listed.AllProjects)
}

func TestChainAddsTheRestOfTheTree(t *testing.T) {
	f := chain(3)
	f.backups["other"] = client.Backup{ID: "other", VolumeID: "v", CreatedAt: day(9)}
	sel := selectionFlags{refs: []string{"c1"}, chain: true}
	found, err := sel.find(t.Context(), f, day(5), newBulk(newBench().con, ""))
	require.NoError(t, err)
	var ids []string
	for _, b := range found {
		ids = append(ids, b.ID)
	}
	assert.Equal(t, []string{"c1", "c0", "c2"}, ids)
}

func TestResultsComeInTheOrderOfTheListAndWorkIsBounded(t *testing.T) {
	b := newBench()
	items := newBulk(b.con, "")
	running := make(chan struct{}, 3)
	var list []int
	for i := range 50 {
		list = append(list, i)
	}
	forEach(t.Context(), 3, list, items, func(_ context.Context, i int) result {
		select {
		case running <- struct{}{}:
		default:
			t.Error("more than three at once")
		}
		<-running
		return result{id: fmt.Sprint(i), outcome: changed}
	})
	require.Len(t, items.results, 50)
	for i, r := range items.results {
		assert.Equal(t, fmt.Sprint(i), r.id)
	}
}
