package commands

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/commands/output"
	"github.com/cinder-go/cinder-go/driverstate"
)

// node is a backup in a tree; it is named like its id.
func node(id, parent string, status driverstate.Status, children ...string) client.ChainNode {
	return client.ChainNode{ParentID: parent, Children: children, Backup: client.Backup{ID: id, Name: ptr(id), VolumeID: volumeOne,
		Status: status, IsIncremental: parent != "", HasDependentBackups: len(children) > 0, ProjectID: "p"}}
}

const sound = driverstate.StatusAvailable

// forked is a chain that forks below its second backup, and one of its own.
func forked() []client.ChainNode {
	return []client.ChainNode{
		node("a", "", sound, "b", "f"), node("b", "a", sound, "c", "e"), node("c", "b", sound, "d"), node("d", "c", sound), node("e", "b", sound),
		node("f", "a", sound), node("x", "", sound),
	}
}

// chainFake answers Chains as it is told.
type chainFake struct {
	*cloudFake
	nodes []client.ChainNode
}

func (f chainFake) Chains(context.Context, string) ([]client.ChainNode, error) {
	return f.nodes, f.asTenant
}

func chainOn(f chainFake, b *bench, ref string) *backupChainOptions {
	return &backupChainOptions{con: b.con, print: b.print, ref: ref,
		client: func(context.Context) (backupChainClient, error) { return f, nil }}
}

func TestTheTreeOfBackupsIsDrawn(t *testing.T) {
	ascii := []string{"a", "|- b", "|  |- c", "|  |  `- d", "|  `- e", "`- f", "x"}
	unicode := []string{"a", "├─\u00a0b", "│\u00a0\u00a0├─\u00a0c", "│\u00a0\u00a0│\u00a0\u00a0└─\u00a0d", "│\u00a0\u00a0└─\u00a0e", "└─\u00a0f", "x"}
	tree := newChainTree(forked())
	for i, n := range forked() {
		assert.Equal(t, ascii[i], tree.branch(n.Backup.ID, false)+n.Backup.ID)
		assert.Equal(t, unicode[i], tree.branch(n.Backup.ID, true)+n.Backup.ID)
	}
}

func TestTheTableKeepsTheIndentOfTheTree(t *testing.T) {
	b := newBench()
	o := chainOn(chainFake{}, b, "")
	o.out.format = output.Table
	require.NoError(t, output.Printer{Format: output.Table, Columns: []string{"id"}, Out: b.out}.Print(
		o.tree([]client.ChainNode{node("a", "", sound, "b"), node("b", "a", sound, "c"), node("c", "b", sound)})))
	assert.Equal(t, "+---------+\n| Backup  |\n+---------+\n| a       |\n| `- b    |\n|    `- c |\n+---------+\n", b.out.String())
}

func TestTheMachineFormatsHaveParentsAndChildrenAndNoDrawing(t *testing.T) {
	b := newBench()
	o := chainOn(chainFake{}, b, "")
	o.out.format = output.JSON
	require.NoError(t, output.Printer{Format: output.JSON, Columns: []string{"id", "parent_id", "children"}, Out: b.out}.Print(
		o.tree([]client.ChainNode{node("a", "", sound, "b"), node("b", "a", sound)})))
	assert.JSONEq(t, `[{"id": "a", "parent_id": null, "children": ["b"]}, {"id": "b", "parent_id": "a", "children": []}]`, b.out.String())
}

func TestWhatIsWrongWithAChainIsNoted(t *testing.T) {
	lonely := node("b", "", sound, "c")
	lonely.Backup.IsIncremental = true
	drifted, uncounted := node("a", "", sound), node("a", "", sound, "b")
	drifted.Backup.HasDependentBackups, uncounted.Backup.HasDependentBackups = true, false
	for _, c := range []struct {
		name  string
		nodes []client.ChainNode
		notes []string
	}{
		{"whole", []client.ChainNode{node("a", "", sound, "b"), node("b", "a", sound)}, []string{"", ""}},
		{"being restored", []client.ChainNode{node("a", "", driverstate.StatusRestoring, "b"), node("b", "a", sound)}, []string{"", ""}},
		{"parent without a row", []client.ChainNode{lonely, node("c", "b", sound)},
			[]string{"incremental, its parent has no row", "stands on b, whose parent has no row"}},
		{"errored base", []client.ChainNode{node("a", "", driverstate.StatusError, "b"), node("b", "a", sound, "c"), node("c", "b", sound)},
			[]string{"", "stands on a, which is error", "stands on a, which is error"}},
		{"the nearest cause", []client.ChainNode{node("a", "", driverstate.StatusError, "b"), node("b", "a", driverstate.StatusDeleting, "c"), node("c", "b", sound)},
			[]string{"", "stands on a, which is error", "stands on b, which is deleting"}},
		{"counted too high", []client.ChainNode{drifted}, []string{"counted as having dependents, but nothing stands on it"}},
		{"counted too low", []client.ChainNode{uncounted}, []string{"counted as having no dependents, but 1 backup stands on it"}},
		{"rows that stand on each other", []client.ChainNode{node("a", "b", sound, "b"), node("b", "a", sound, "a")}, []string{"", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := newChainTree(c.nodes)
			for i, n := range c.nodes {
				assert.Equal(t, c.notes[i], tree.note(n))
			}
		})
	}
}

func TestTheProjectIsShownWhereItDiffers(t *testing.T) {
	o := chainOn(chainFake{}, newBench(), "")
	nodes := []client.ChainNode{node("a", "", sound), node("b", "", sound)}
	wide := func() bool {
		for _, c := range o.tree(nodes).Columns {
			if c.Key == "project_id" {
				return c.Wide
			}
		}
		return false
	}
	assert.True(t, wide())
	nodes[1].Backup.ProjectID = "another"
	assert.False(t, wide())
}

func TestAChainIsFoundByVolumeOrBackup(t *testing.T) {
	const gone = "11111111-1111-4111-8111-111111111111"
	backup := client.Backup{ID: idFull, Name: ptr("nightly"), VolumeID: volumeOne}
	whole := []client.ChainNode{node(idFull, "", sound, idChild), node(idChild, idFull, sound), node(idOther, "", sound)}
	for _, c := range []struct {
		name, ref string
		backups   map[string]client.Backup
		nodes     []client.ChainNode
		rows      int
		code      int
		text      string
	}{
		{"volume by name", "database", nil, whole, 3, 0, ""},
		{"volume by id", volumeOne, map[string]client.Backup{"x": backup}, whole, 3, 0, ""},
		{"backup by name: its own tree", "nightly", map[string]client.Backup{"x": backup}, whole, 2, 0, ""},
		{"backup by id", idFull, map[string]client.Backup{"x": backup}, whole, 2, 0, ""},
		{"a volume that is gone", gone, nil, whole, 3, 0, ""},
		{"neither", gone, nil, nil, 0, 5, "neither a volume nor a backup"},
		{"no such name", "absent", nil, nil, 0, 5, "neither a volume nor a backup"},
		{"both", "database", map[string]client.Backup{"x": {ID: idFull, Name: ptr("database")}}, whole, 0, 6, "have this name: say the id"},
		{"a volume without backups", "database", nil, nil, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, b := chainFake{newCloudFake(volumeIn(driverstate.VolumeAvailable)), c.nodes}, newBench()
			f.backups = c.backups
			var got output.View
			o := chainOn(f, b, c.ref)
			o.print = func(v output.View) error { got = v; return nil }
			err := runBackupChain(t.Context(), o)
			assert.Equal(t, c.code, exitCode(err), "%v", err)
			assert.Len(t, got.Rows, c.rows)
			if c.text != "" {
				assert.ErrorContains(t, err, c.text)
			}
		})
	}
}

func TestATenantGetsTheBackupsByAgeAndIsToldWhy(t *testing.T) {
	f, b := chainFake{newCloudFake(volumeIn(driverstate.VolumeAvailable)), nil}, newBench()
	f.asTenant = driverstate.Fail(driverstate.ErrForbidden, "only an admin can ask for this")
	f.lists = [][]client.Backup{{{ID: "young", CreatedAt: day(2)}, {ID: "old", CreatedAt: day(1)}}}
	var got output.View
	o := chainOn(f, b, "database")
	o.print = func(v output.View) error { got = v; return nil }
	require.NoError(t, runBackupChain(t.Context(), o))
	require.Len(t, got.Rows, 2)
	assert.Equal(t, "old", got.Rows[0][0])
	assert.Contains(t, b.err.String(), "only an admin sees what stands on what")
	assert.Equal(t, volumeOne, f.listed.VolumeID)

	f.lists = nil
	o.ref = "11111111-1111-4111-8111-111111111111"
	assert.Equal(t, 5, exitCode(runBackupChain(t.Context(), o)))
}

func TestLinesAreDrawnWithUnicodeOnlyInAUTF8Locale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"LANG": "en_GB.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8"}, true},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, true},
		{nil, false},
	} {
		assert.Equal(t, c.want, isUTF8(envOf(c.env)), c.env)
	}
}
