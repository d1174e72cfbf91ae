package driverstate

import "fmt"

// MaxChain bounds the length of a chain of backups. Cinder sets no limit; a
// longer one is taken for a forged loop.
const MaxChain = 4096

// LinkChains judges found backups together: a backup whose parent is absent
// becomes orphaned, one whose parent is not whole becomes as bad as it is
// (damaged for a partial parent), and NumDependentBackups counts the whole
// children of each. The slice is changed in place; order does not matter.
func LinkChains(found []Found) {
	byID := make(map[string]*Found, len(found))
	for i := range found {
		byID[found[i].Backup.ID] = &found[i]
	}
	judged := make(map[string]bool, len(found))
	var judge func(f *Found, depth int)
	judge = func(f *Found, depth int) {
		if judged[f.Backup.ID] {
			return
		}
		parent := f.Backup.ParentID
		if f.Condition != ConditionWhole || parent == "" {
			judged[f.Backup.ID] = true
			return
		}
		p, ok := byID[parent]
		switch {
		case !ok:
			f.condemn(ConditionOrphaned, fmt.Sprintf("its parent %s is not in the store", parent))
		case depth >= MaxChain:
			f.condemn(ConditionDamaged, "its chain of parents is a loop or too long")
		default:
			judge(p, depth+1)
			if f.Condition == ConditionWhole {
				f.inherit(p)
			}
		}
		judged[f.Backup.ID] = true
	}
	for i := range found {
		judge(&found[i], 0)
	}
	for i := range found {
		found[i].Backup.NumDependentBackups = 0
	}
	for i := range found {
		if found[i].Condition != ConditionWhole {
			continue
		}
		if p := byID[found[i].Backup.ParentID]; p != nil {
			p.Backup.NumDependentBackups++
		}
	}
}

func (f *Found) condemn(c Condition, reason string) {
	f.Condition, f.Reason = c, reason
	f.Backup.Status = StatusError
}

func (f *Found) inherit(parent *Found) {
	id := parent.Backup.ID
	switch parent.Condition {
	case ConditionWhole:
		return
	case ConditionOrphaned:
		f.condemn(ConditionOrphaned, fmt.Sprintf("it stands on %s, whose parent is not in the store", id))
	default:
		f.condemn(ConditionDamaged, fmt.Sprintf("it stands on %s, which is %s: %s", id, parent.Condition, parent.Reason))
		f.Problems = append(f.Problems, parent.Problems...)
	}
}
