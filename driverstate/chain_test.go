package driverstate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func found(id, parent string, c Condition) Found {
	f := Found{Condition: c, Backup: Backup{ID: id, ParentID: parent, Status: StatusAvailable}}
	if c != ConditionWhole {
		f.Reason, f.Backup.Status = "its own fault", StatusError
		f.Problems = []Problem{{BackupID: id, Reason: "missing"}}
	}
	return f
}

func link(found ...Found) map[string]Found {
	LinkChains(found)
	byID := make(map[string]Found)
	for _, f := range found {
		byID[f.Backup.ID] = f
	}
	return byID
}

func TestAWholeChainStaysWholeInAnyOrder(t *testing.T) {
	got := link(found("c", "b", ConditionWhole), found("a", "", ConditionWhole), found("b", "a", ConditionWhole))
	for id, f := range got {
		assert.Equal(t, ConditionWhole, f.Condition, id)
		assert.Equal(t, StatusAvailable, f.Backup.Status, id)
		assert.Empty(t, f.Reason, id)
	}
	assert.Equal(t, 1, got["a"].Backup.NumDependentBackups)
	assert.Equal(t, 1, got["b"].Backup.NumDependentBackups)
	assert.Zero(t, got["c"].Backup.NumDependentBackups)
}

func TestABackupWithoutItsParentIsOrphanedAndSoIsWhatStandsOnIt(t *testing.T) {
	got := link(found("c", "b", ConditionWhole), found("b", "gone", ConditionWhole))
	assert.Equal(t, ConditionOrphaned, got["b"].Condition)
	assert.Equal(t, "its parent gone is not in the store", got["b"].Reason)
	assert.Equal(t, StatusError, got["b"].Backup.Status)
	assert.Equal(t, ConditionOrphaned, got["c"].Condition)
	assert.Contains(t, got["c"].Reason, "it stands on b")
	assert.Zero(t, got["b"].Backup.NumDependentBackups, "only whole children count")
}

func TestDamagePassesToAllThatStandsOnIt(t *testing.T) {
	for _, of := range []Condition{ConditionDamaged, ConditionPartial} {
		got := link(found("c", "b", ConditionWhole), found("b", "a", of), found("a", "", ConditionWhole))
		assert.Equal(t, ConditionWhole, got["a"].Condition)
		assert.Equal(t, of, got["b"].Condition)
		assert.Equal(t, ConditionDamaged, got["c"].Condition)
		assert.Contains(t, got["c"].Reason, "it stands on b, which is "+string(of))
		assert.Equal(t, []Problem{{BackupID: "b", Reason: "missing"}}, got["c"].Problems)
		assert.Zero(t, got["a"].Backup.NumDependentBackups)
	}
}

func TestABackupsOwnConditionComesBeforeItsChains(t *testing.T) {
	got := link(found("b", "gone", ConditionDamaged))
	assert.Equal(t, ConditionDamaged, got["b"].Condition)
	assert.Equal(t, "its own fault", got["b"].Reason)
}

func TestTwoChildrenOfOneParentAreBothCounted(t *testing.T) {
	got := link(found("a", "", ConditionWhole), found("b", "a", ConditionWhole), found("c", "a", ConditionWhole), found("d", "a", ConditionDamaged))
	assert.Equal(t, 2, got["a"].Backup.NumDependentBackups)
}

func TestALoopOfParentsIsDamaged(t *testing.T) {
	got := link(found("a", "b", ConditionWhole), found("b", "a", ConditionWhole), found("c", "c", ConditionWhole))
	for id, f := range got {
		assert.Equal(t, ConditionDamaged, f.Condition, id)
		assert.NotEmpty(t, f.Reason, id)
		assert.Zero(t, f.Backup.NumDependentBackups, id)
	}
}

func TestALongChainIsJudgedOnceEach(t *testing.T) {
	var chain []Found
	for i := range MaxChain {
		parent := ""
		if i > 0 {
			parent = fmt.Sprint(i - 1)
		}
		chain = append(chain, found(fmt.Sprint(i), parent, ConditionWhole))
	}
	LinkChains(chain)
	for _, f := range chain {
		assert.Equal(t, ConditionWhole, f.Condition, f.Backup.ID)
	}
}

func TestTheTipOfAChainIsItsLast(t *testing.T) {
	assert.Nil(t, Chain(nil).Tip())
	full, increment := &Backup{ID: "a"}, &Backup{ID: "b", ParentID: "a"}
	assert.Same(t, increment, Chain{full, increment}.Tip())
	assert.False(t, full.Incremental())
	assert.True(t, increment.Incremental())
}
