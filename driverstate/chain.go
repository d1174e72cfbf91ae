package driverstate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxChain bounds the length of a chain of backups. Cinder sets no limit; a
// longer one is taken for a forged loop.
const MaxChain = 4096

// LinkChains judges found backups together: a backup whose parent is absent
// becomes orphaned, one whose parent is not whole becomes as bad as it is
// (damaged for a partial parent), and NumDependentBackups counts the whole
// children of each. The slice is changed in place; order does not matter.
func LinkChains(found []Found) {
	var l Links
	for i := range found {
		l.Add(&found[i])
	}
	for i := range found {
		l.Judge(&found[i])
	}
}

// Links is LinkChains of backups that are not all held at once: each is added,
// and then each is judged. It takes some fifty bytes for each that is whole.
type Links struct {
	at     map[linkID]int32 // of several with one id the last
	nodes  []linkNode
	bad    map[int32]*verdict
	names  map[linkID]string // of those that are no UUIDs
	judged bool
}

// linkID stands for an id: a UUID, or the hash of what is none.
type linkID [16]byte

// linkNode is one backup.
type linkNode struct {
	parent   linkID
	children int32 // whole ones
	state    linkState
	full     bool // it has no parent
}

type linkState uint8

const (
	linkOpen linkState = iota
	linkWhole
	linkBad
)

// verdict is why a backup is not whole.
type verdict struct {
	condition Condition
	reason    string
	problems  []Problem
}

func (l *Links) id(text string) (id linkID) {
	if IsUUID(text) {
		hex.Decode(id[:], []byte(strings.ReplaceAll(text, "-", ""))) // these are hex digits
		return id
	}
	sum := sha256.Sum256([]byte(text))
	copy(id[:], sum[:])
	if l.names == nil {
		l.names = map[linkID]string{}
	}
	l.names[id] = text
	return id
}

func (l *Links) name(id linkID) string {
	if text, ok := l.names[id]; ok {
		return text
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Add tells of a backup. It must not come after Judge.
func (l *Links) Add(f *Found) {
	if l.at == nil {
		l.at, l.bad = map[linkID]int32{}, map[int32]*verdict{}
	}
	i := int32(len(l.nodes))
	n := linkNode{full: f.Backup.ParentID == ""}
	if !n.full {
		n.parent = l.id(f.Backup.ParentID)
	}
	if f.Condition != ConditionWhole {
		n.state, l.bad[i] = linkBad, &verdict{f.Condition, f.Reason, f.Problems}
	}
	l.nodes = append(l.nodes, n)
	l.at[l.id(f.Backup.ID)] = i
}

// Ambiguous reports whether one id was added several times.
func (l *Links) Ambiguous() bool { return len(l.at) < len(l.nodes) }

// Judge changes f, which was added, as LinkChains does.
func (l *Links) Judge(f *Found) {
	l.judgeAll()
	i := l.at[l.id(f.Backup.ID)]
	f.Backup.NumDependentBackups = int(l.nodes[i].children)
	if v := l.bad[i]; v != nil && f.Condition == ConditionWhole {
		f.Condition, f.Reason = v.condition, v.reason
		f.Backup.Status = StatusError
		f.Problems = append(f.Problems, v.problems...)
	}
}

func (l *Links) judgeAll() {
	if l.judged {
		return
	}
	l.judged = true
	for i := range l.nodes {
		l.judge(int32(i), 0)
	}
	for _, n := range l.nodes {
		if p, ok := l.at[n.parent]; ok && !n.full && n.state == linkWhole {
			l.nodes[p].children++
		}
	}
}

func (l *Links) judge(i int32, depth int) {
	if l.nodes[i].state != linkOpen {
		return
	}
	if l.nodes[i].full {
		l.nodes[i].state = linkWhole
		return
	}
	parent, ok := l.at[l.nodes[i].parent]
	var v *verdict
	switch {
	case !ok:
		v = &verdict{condition: ConditionOrphaned, reason: fmt.Sprintf("its parent %s is not in the store", l.name(l.nodes[i].parent))}
	case depth >= MaxChain:
		v = &verdict{condition: ConditionDamaged, reason: "its chain of parents is a loop or too long"}
	default:
		l.judge(parent, depth+1)
		if l.nodes[i].state != linkOpen { // it stands on itself
			return
		}
		v = l.inherited(l.nodes[i].parent, parent)
	}
	if l.nodes[i].state = linkWhole; v != nil {
		l.nodes[i].state, l.bad[i] = linkBad, v
	}
}

// inherited is what is wrong with a backup that stands on parent.
func (l *Links) inherited(parent linkID, at int32) *verdict {
	p := l.bad[at]
	if p == nil {
		return nil
	}
	id := l.name(parent)
	if p.condition == ConditionOrphaned {
		return &verdict{condition: ConditionOrphaned, reason: fmt.Sprintf("it stands on %s, whose parent is not in the store", id)}
	}
	return &verdict{ConditionDamaged, fmt.Sprintf("it stands on %s, which is %s: %s", id, p.condition, p.reason), p.problems}
}
