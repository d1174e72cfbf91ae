package manager_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/manager"
)

// calendar is a clock that goes on by itself from a day that is set.
type calendar struct {
	ahead atomic.Int64
}

func (c *calendar) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *calendar) next()          { c.ahead.Add(int64(24 * time.Hour)) }

// night is a lab whose days pass when they are told to. Its services do not
// notice.
func night(t *testing.T) (*lab, *calendar) {
	c := &calendar{}
	return newLab(t, func(conf *manager.Config) {
		conf.Now, conf.ServiceDownTime = c.now, 1000*24*time.Hour
	}), c
}

// overwrite flips a bit in the middle of an object.
func overwrite(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

func (l *lab) proof(id string) *driverstate.Proof {
	l.t.Helper()
	p, err := l.db.ProofGet(l.t.Context(), id)
	require.NoError(l.t, err)
	return p
}

const object = 65536 // of a lab's store

func all(subset string) driverstate.VerifyRequest {
	return driverstate.VerifyRequest{All: true, Depth: driverstate.DepthData, Subset: subset}
}

func TestARunOverAChainReadsEachObjectOnce(t *testing.T) {
	l := newLab(t, nil)
	content := image(10*object, 1)
	var chain []*driverstate.Backup
	var parent *driverstate.Backup
	want := 0
	for i := range 5 {
		if i > 0 {
			content[i*object]++
			want++
		}
		parent = l.managed(parent, content)
		chain = append(chain, parent)
	}
	for range 2 { // a second one reads it again
		v := l.verifyAll(all(""))
		require.Equal(t, driverstate.VerificationDone, v.Status, v.Error)
		assert.Equal(t, driverstate.ConditionWhole, v.Report.Condition)
		assert.Equal(t, 10+want, v.Report.ObjectsRead)
		assert.EqualValues(t, 10*object+want*32768, v.Report.BytesRead)
		require.Len(t, v.Results, 5)
		for _, r := range v.Results {
			assert.Equal(t, driverstate.ConditionWhole, r.Report.Condition)
			assert.EqualValues(t, 1, r.Share)
			assert.False(t, r.VerifiedAt.IsZero())
		}
	}
	// The full backup is damaged in what the last increment wrote over.
	overwrite(t, l.object(chain[0].ID, "-00003"))
	v := l.verifyAll(all(""))
	assert.Equal(t, driverstate.ConditionDamaged, v.Report.Condition)
	conditions := map[string]driverstate.Condition{}
	for _, r := range v.Results {
		conditions[r.BackupID] = r.Report.Condition
	}
	for _, b := range chain {
		assert.Equal(t, driverstate.ConditionDamaged, conditions[b.ID], "all need the second block of that object")
	}
	assert.Len(t, l.proof(chain[0].ID).Faults, 1)
}

// A nightly sample of a twentieth has read everything once after twenty nights,
// and then begins again with what was read first.
func TestASampleReadsEverythingOnceAndThenBeginsAgain(t *testing.T) {
	l, clock := night(t)
	full := l.managed(nil, image(23*object, 1))
	content := image(23*object, 1)
	content[5*object]++
	child := l.managed(full, content)
	lone := l.managed(nil, image(16*object, 2))
	total := int64(23*object + 32768 + 16*object)
	first := map[string]int{}
	read := int64(0)
	for night := 1; night <= 20; night++ {
		v := l.verifyAll(all("5%"))
		require.Equal(t, driverstate.VerificationDone, v.Status, v.Error)
		require.Equal(t, driverstate.ConditionWhole, v.Report.Condition)
		assert.LessOrEqual(t, v.Report.BytesRead, total/20+object)
		read += v.Report.BytesRead
		for _, b := range []*driverstate.Backup{full, child, lone} {
			if p := l.proof(b.ID); !p.Runs[len(p.Runs)-1].At.IsZero() && first[b.ID] == 0 {
				first[b.ID] = night
			}
		}
		clock.next()
	}
	assert.Len(t, first, 3, "everything was read in twenty nights")
	assert.GreaterOrEqual(t, read, total)
	oldest := oldestOf(l.proof(full.ID), l.proof(child.ID), l.proof(lone.ID))
	require.False(t, oldest.IsZero())
	v := l.verifyAll(all("5%"))
	assert.NotZero(t, v.Report.BytesRead)
	assert.True(t, oldestOf(l.proof(full.ID), l.proof(child.ID), l.proof(lone.ID)).Compare(oldest) >= 0)
	for _, r := range v.Results {
		assert.EqualValues(t, 1, r.Share)
	}

	// What is new comes before all else.
	fresh := l.managed(nil, image(object, 3))
	clock.next()
	v = l.verifyAll(all("1K"))
	assert.EqualValues(t, object, v.Report.BytesRead, "an object is read to its end")
	assert.False(t, l.proof(fresh.ID).Runs[0].At.IsZero())
}

func oldestOf(all ...*driverstate.Proof) (oldest time.Time) {
	for i, p := range all {
		for j, run := range p.Runs {
			if i+j == 0 || run.At.Before(oldest) {
				oldest = run.At
			}
		}
	}
	return oldest
}

func TestGroupsAreTheSameEveryTimeAndTogetherAreAll(t *testing.T) {
	l, _ := night(t)
	full := l.managed(nil, image(10*object, 1))
	read := int64(0)
	for _, group := range []string{"1/3", "2/3", "3/3"} {
		v := l.verifyAll(all(group))
		require.Equal(t, driverstate.VerificationDone, v.Status, v.Error)
		again := l.verifyAll(driverstate.VerifyRequest{BackupIDs: []string{full.ID}, Depth: driverstate.DepthData, Subset: group})
		assert.Equal(t, v.Report.BytesRead, again.Report.BytesRead)
		assert.InDelta(t, 10*object/3, v.Report.BytesRead, object)
		read += v.Report.BytesRead
		assert.InDelta(t, float64(read)/(10*object), v.Results[0].Share, 1e-9)
		assert.Equal(t, read < 10*object, v.Results[0].VerifiedAt.IsZero())
	}
	assert.EqualValues(t, 10*object, read)
}

func TestWhatWasVerifiedLatelyIsLeftOut(t *testing.T) {
	l, clock := night(t)
	old := l.managed(nil, image(3*object, 1))
	require.Equal(t, driverstate.ConditionWhole, l.verify(old.ID, driverstate.DepthData).Report.Condition)
	clock.next()
	fresh := l.managed(nil, image(2*object, 2))
	r := all("")
	r.NotSince = clock.now().Add(-30 * 24 * time.Hour)
	v := l.verifyAll(r)
	require.Len(t, v.Results, 2)
	for _, one := range v.Results {
		assert.Equal(t, one.BackupID == old.ID, one.Skipped)
	}
	assert.EqualValues(t, 2*object, v.Report.BytesRead)
	v = l.verifyAll(r)
	assert.Zero(t, v.Report.BytesRead)
	clock.ahead.Add(int64(29*24*time.Hour + 12*time.Hour)) // not 30: what is as old as that to the second may be either
	r.NotSince = clock.now().Add(-30 * 24 * time.Hour)
	v = l.verifyAll(r)
	assert.EqualValues(t, 3*object, v.Report.BytesRead, "the one is older than that, the other is not")
	look := l.verify(fresh.ID, driverstate.DepthStructure)
	assert.False(t, look.Results[0].VerifiedAt.IsZero(), "remembered")
	assert.EqualValues(t, 1, look.Results[0].Share)
}

// What was known to be damaged is read again whatever the sample, until it is
// proven to be whole.
func TestASampleIsNotSilentAboutKnownDamage(t *testing.T) {
	l, clock := night(t)
	b := l.managed(nil, image(20*object, 1))
	path := l.object(b.ID, "-00020")
	overwrite(t, path)
	assert.Equal(t, driverstate.ConditionDamaged, l.verifyAll(all("")).Report.Condition)
	for range 3 {
		clock.next()
		assert.Equal(t, driverstate.ConditionDamaged, l.verifyAll(all("5%")).Report.Condition)
		assert.Equal(t, driverstate.ConditionDamaged, l.verifyAll(all("1/100")).Report.Condition)
	}
	overwrite(t, path) // the bit is back
	assert.Equal(t, driverstate.ConditionWhole, l.verifyAll(all("5%")).Report.Condition)
	assert.Empty(t, l.proof(b.ID).Faults)
}

// What one run finds damaged is not forgotten by another that goes on beside it
// and reads other objects.
func TestRunsBesideEachOtherForgetNoDamage(t *testing.T) {
	l, clock := night(t)
	b := l.managed(nil, image(2*object, 1))
	first, second := l.object(b.ID, "-00001"), l.object(b.ID, "-00002")
	require.Equal(t, driverstate.ConditionWhole, l.verifyAll(all("")).Report.Condition)
	clock.next()
	lately := all("")
	lately.NotSince = clock.now().Add(-7 * 24 * time.Hour)

	l.driver.chosen.Store(ptr(func() { // the group of one object was chosen, and is not read yet
		overwrite(t, first)
		overwrite(t, second)
		assert.Equal(t, driverstate.ConditionDamaged, l.verifyAll(all("")).Report.Condition)
		assert.Len(t, l.proof(b.ID).Faults, 2)
		overwrite(t, first)
		overwrite(t, second)
	}))
	assert.Equal(t, driverstate.ConditionWhole, l.verifyAll(all("1/2")).Report.Condition)
	assert.Len(t, l.proof(b.ID).Faults, 1, "one was read and is whole, the other was not")
	overwrite(t, first)
	overwrite(t, second)
	assert.Equal(t, driverstate.ConditionDamaged, l.verifyAll(lately).Report.Condition)

	overwrite(t, first)
	overwrite(t, second)
	l.driver.chosen.Store(ptr(func() {
		assert.Equal(t, driverstate.ConditionWhole, l.verifyAll(all("")).Report.Condition)
		assert.Empty(t, l.proof(b.ID).Faults)
	}))
	l.verifyAll(all("1/2"))
	assert.Empty(t, l.proof(b.ID).Faults, "nor is it brought back")
}

// More damage than is remembered by object is not taken for what was proven
// before it.
func TestDamageBeyondWhatIsRememberedCountsAsNeverRead(t *testing.T) {
	l, clock := night(t)
	const n = driverstate.MaxObjectFaults + 1
	b := l.managed(nil, image(n*object, 1))
	require.Equal(t, driverstate.ConditionWhole, l.verifyAll(all("")).Report.Condition)
	clock.next()
	for i := range n {
		overwrite(t, l.object(b.ID, fmt.Sprintf("-%05d", i+1)))
	}
	require.Equal(t, driverstate.ConditionDamaged, l.verifyAll(all("")).Report.Condition)
	require.Len(t, l.proof(b.ID).Faults, driverstate.MaxObjectFaults)
	for i := range n - 1 {
		overwrite(t, l.object(b.ID, fmt.Sprintf("-%05d", i+1))) // the bit is back
	}
	lately := all("")
	lately.NotSince = clock.now().Add(-7 * 24 * time.Hour)
	assert.Equal(t, driverstate.ConditionDamaged, l.verifyAll(lately).Report.Condition)
}

// Each portion is written when it is proven: a kill loses no more than the last.
func TestWhatWasProvenIsKeptByPortions(t *testing.T) {
	l := newLab(t, nil)
	l.SetPortion(2 * object)
	b := l.managed(nil, image(20*object, 1))
	last := l.object(b.ID, "-00020")
	require.NoError(t, os.Remove(last))
	require.NoError(t, os.Mkdir(last, 0o700)) // reading it fails, which ends the look
	v := l.verify(b.ID, driverstate.DepthData)
	if v.Status == driverstate.VerificationDone {
		require.NotEqual(t, driverstate.ConditionWhole, v.Report.Condition)
	}
	p := l.proof(b.ID)
	proven := 0
	for _, at := range p.Times() {
		if at > 0 {
			proven++
		}
	}
	assert.GreaterOrEqual(t, proven, 18)
	assert.Less(t, proven, 20)
}

func TestAProofGoesWithItsBackup(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(2*object, 1))
	l.verify(b.ID, driverstate.DepthData)
	l.proof(b.ID)
	require.NoError(t, l.DeleteBackup(t.Context(), admin, b.ID, false))
	l.untilGone(b.ID)
	_, err := l.db.ProofGet(t.Context(), b.ID)
	require.ErrorIs(t, err, driverstate.ErrNotFound)
}

func TestARunGoesOnAfterABackupThatIsNowhere(t *testing.T) {
	l := newLab(t, nil)
	b := l.managed(nil, image(2*object, 1))
	const nowhere = "11111111-1111-4111-8111-111111111111"
	unmanaged := l.put(nil, image(object, 2))
	v := l.verifyAll(driverstate.VerifyRequest{BackupIDs: []string{nowhere, b.ID, unmanaged.ID}, Depth: driverstate.DepthData})
	require.Equal(t, driverstate.VerificationDone, v.Status, v.Error)
	require.Len(t, v.Results, 3)
	assert.Equal(t, nowhere, v.Results[0].BackupID, "in the order of the request")
	assert.Equal(t, "not_found", v.Results[0].Fault)
	assert.Equal(t, driverstate.ConditionWhole, v.Results[1].Report.Condition)
	assert.Equal(t, driverstate.ConditionWhole, v.Results[2].Report.Condition)
	for _, r := range []driverstate.VerifyRequest{{}, {All: true, Depth: "deep"}, {All: true, Depth: driverstate.DepthStructure, Subset: "5%"},
		{All: true, BackupIDs: []string{b.ID}, Depth: driverstate.DepthData}, {All: true, Depth: driverstate.DepthData, Subset: "half"}} {
		_, err := l.CreateVerification(t.Context(), admin, r)
		assert.ErrorIs(t, err, driverstate.ErrInvalidInput)
	}
}
