package commands

import (
	"strings"

	"github.com/cinder-go/cinder-go/client"
	"github.com/cinder-go/cinder-go/driverstate"
)

// chainTree draws what stands on what, and says what is wrong with it.
type chainTree struct {
	nodes map[string]client.ChainNode
	last  map[string]bool // the youngest of those that stand on the same backup
}

func newChainTree(nodes []client.ChainNode) chainTree {
	t := chainTree{map[string]client.ChainNode{}, map[string]bool{}}
	youngest := map[string]string{}
	for _, n := range nodes {
		t.nodes[n.Backup.ID] = n
		youngest[n.ParentID] = n.Backup.ID
	}
	for _, id := range youngest {
		t.last[id] = true
	}
	return t
}

// above are the backups that id stands on, the nearest first. Rows that make
// themselves their own ancestor are walked once.
func (t chainTree) above(id string) []client.ChainNode {
	var out []client.ChainNode
	for seen := map[string]bool{id: true}; ; {
		parent, known := t.nodes[t.nodes[id].ParentID]
		if !known || seen[parent.Backup.ID] {
			return out
		}
		id = parent.Backup.ID
		seen[id] = true
		out = append(out, parent)
	}
}

// The lines of the tree, for a backup and for those it stands on: one that
// others follow, and the last one. A no-break space keeps them whole where a
// table is wrapped.
var (
	treeASCII   = [4]string{"|- ", "`- ", "|  ", "   "}
	treeUnicode = [4]string{"├─\u00a0", "└─\u00a0", "│\u00a0\u00a0", "\u00a0\u00a0\u00a0"}
)

// branch is what is drawn before id.
func (t chainTree) branch(id string, unicode bool) string {
	above := t.above(id)
	if len(above) == 0 {
		return ""
	}
	marks := treeASCII
	if unicode {
		marks = treeUnicode
	}
	mark := func(id string, other, last int) string {
		if t.last[id] {
			return marks[last]
		}
		return marks[other]
	}
	text := mark(id, 0, 1)
	for _, n := range above[:len(above)-1] {
		text = mark(n.Backup.ID, 2, 3) + text
	}
	return text
}

// note says what is wrong with a backup by what it stands on, and with its
// counter of dependents; empty when nothing is.
func (t chainTree) note(n client.ChainNode) string {
	var notes []string
	if orphan(n) {
		notes = append(notes, "incremental, its parent has no row")
	}
	for _, base := range t.above(n.Backup.ID) {
		switch {
		case base.Backup.Status != driverstate.StatusAvailable && base.Backup.Status != driverstate.StatusRestoring:
			notes = append(notes, "stands on "+base.Backup.ID+", which is "+string(base.Backup.Status))
		case orphan(base):
			notes = append(notes, "stands on "+base.Backup.ID+", whose parent has no row")
		default:
			continue
		}
		break
	}
	switch counted := n.Backup.HasDependentBackups; {
	case counted && len(n.Children) == 0:
		notes = append(notes, "counted as having dependents, but nothing stands on it")
	case !counted && len(n.Children) > 0:
		notes = append(notes, "counted as having no dependents, but "+plural(len(n.Children), "backup")+" stand"+third(len(n.Children))+" on it")
	}
	return strings.Join(notes, "; ")
}

// orphan reports whether the backup is incremental and its parent has no row.
func orphan(n client.ChainNode) bool { return n.Backup.IsIncremental && n.ParentID == "" }
