package chunked

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

// TestASightingIsKeptAsItWas: whatever a scan found, of any shape and in any
// place, comes out of its memory as it was put there.
func TestASightingIsKeptAsItWas(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	groups, err := d.collect(t.Context(), ownDir, "", "")
	require.NoError(t, err)
	require.Len(t, groups, 1)
	judged := func() *copyFound {
		f, err := d.judge(t.Context(), groups[fileP])
		require.NoError(t, err)
		require.Equal(t, driverstate.ConditionWhole, f.Condition, f.Reason)
		f.Warnings = nil
		return f
	}
	name := "a name"
	for _, c := range []struct {
		what   string
		change func(*copyFound)
		packed bool
	}{
		{"as Cinder leaves it", func(*copyFound) {}, true},
		{"with a parent, an owner, and a name", func(f *copyFound) {
			f.Backup.ParentID, f.Backup.ProjectID, f.Backup.UserID, f.Backup.Name = otherID, "p", "u", &name
		}, true},
		{"in another directory", func(f *copyFound) { f.Backup.Container = "shared" }, false},
		{"under a prefix with a zone", func(f *copyFound) { f.Backup.ServiceMetadata = strings.Replace(fileP, "_backup", "/az_nova_backup", 1) }, false},
		{"of Ocata", func(f *copyFound) { f.Backup.ServiceMetadata = oldPrefix }, false},
		{"damaged", func(f *copyFound) { f.problem(driverstate.Problem{Reason: "missing"}) }, false},
		{"with a warning", func(f *copyFound) { f.warn("its hash list is missing") }, false},
		{"of more chunks than 32 bits count", func(f *copyFound) { f.Backup.ObjectCount = 1 << 40 }, false},
		{"of another start than its prefix tells", func(f *copyFound) { f.start++ }, false},
	} {
		s := sightings{d: d}
		want, f := judged(), judged()
		c.change(want)
		c.change(f)
		s.add(f)
		s.choose()
		var got []*copyFound
		for _, x := range s.best {
			got = append(got, s.full(x))
		}
		assert.Equal(t, []*copyFound{want}, got, c.what)
		assert.Equal(t, c.packed, len(s.packed) == 1, c.what)
	}
}

// TestSightingsComeInTheOrderOfTheirCreation, each backup once.
func TestSightingsComeInTheOrderOfTheirCreation(t *testing.T) {
	d, store := newDriver(t, FileLayout{})
	fillBackup(store, ownDir, fileP)
	groups, err := d.collect(t.Context(), ownDir, "", "")
	require.NoError(t, err)
	s := sightings{d: d}
	const n = 3 * sightingsPiece
	for i := range n {
		for range 1 + i%2 { // every other one twice
			f, err := d.judge(t.Context(), groups[fileP])
			require.NoError(t, err)
			b := &f.Backup
			b.ID = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i*2654435761&0xffffffff)
			b.Container, b.ServiceMetadata = d.layout.Container(b), d.layout.Prefix(b, b.CreatedAt)
			f.start = b.CreatedAt.Unix()
			if i%3 == 0 {
				f.warn("one more")
			}
			s.add(f)
		}
	}
	var before driverstate.Backup
	seen := 0
	s.choose()
	for _, x := range s.best {
		seen++
		b := s.full(x).Backup
		assert.True(t, before.CreatedAt.Before(b.CreatedAt) || before.CreatedAt.Equal(b.CreatedAt) && before.ID < b.ID)
		before = b
	}
	assert.Equal(t, n, seen)
}
