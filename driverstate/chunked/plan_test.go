package chunked

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/cinder-go/cinder-go/driverstate"
)

const modelBlock = 4

// owner is who wrote a byte of the model last; nobody is the zero owner.
type owner struct{ layer, extent int }

// anyChain draws layers of extents such as a metadata document may list:
// ascending and not overlapping, anywhere.
func anyChain(t *rapid.T) *plan {
	p := &plan{}
	for range rapid.IntRange(1, 6).Draw(t, "layers") {
		l := &layer{backup: &driverstate.Backup{}, meta: &Metadata{}}
		at := int64(0)
		for range rapid.IntRange(0, 8).Draw(t, "extents") {
			at += rapid.Int64Range(0, 9).Draw(t, "apart")
			n := rapid.Int64Range(0, 14).Draw(t, "length")
			l.meta.Extents = append(l.meta.Extents, Extent{Offset: at, Length: n})
			at += n
		}
		p.layers = append(p.layers, l)
	}
	if blocks := rapid.IntRange(-1, 30).Draw(t, "blocks of the tip"); blocks >= 0 {
		p.tip().hashes = modelHashes(blocks)
	}
	return p
}

func modelHashes(blocks int) *Hashes {
	return &Hashes{BlockSize: modelBlock, Sums: make([]byte, 32*blocks)}
}

// owners lays the extents of a plan over each other byte by byte.
func owners(p *plan) []owner {
	image := []owner{}
	for i, l := range p.layers {
		for j, e := range l.meta.Extents {
			for at := e.Offset; at < e.Offset+e.Length; at++ {
				for int64(len(image)) <= at {
					image = append(image, owner{})
				}
				image[at] = owner{i + 1, j + 1}
			}
		}
	}
	return image
}

func checkPlan(t require.TestingT, p *plan) {
	want := owners(p)
	for int64(len(want)) < p.length {
		want = append(want, owner{})
	}
	want = want[:p.length]
	got := make([]owner, p.length)
	seen := make([]bool, p.length)
	mark := func(s segment, o owner) {
		require.Less(t, s.off, s.end)
		for at := s.off; at < s.end; at++ {
			require.False(t, seen[at], "byte %d is planned twice", at)
			seen[at], got[at] = true, o
		}
	}
	for _, g := range p.gaps {
		mark(g, owner{})
	}
	first := int64(-1)
	for _, u := range p.units {
		require.NotEmpty(t, u.segments, "only objects that own bytes are read")
		require.Greater(t, u.segments[0].off, first, "units ascend")
		first = u.segments[0].off
		end := int64(-1)
		for _, s := range u.segments {
			require.Greater(t, s.off, end, "segments ascend and do not touch")
			end = s.end
			mark(s, ownerOf(p, u))
		}
	}
	require.NotContains(t, seen, false, "every byte is planned")
	require.Equal(t, want, got)
}

func ownerOf(p *plan, u *unit) owner {
	for i, l := range p.layers {
		for j := range l.meta.Extents {
			if u.extent == &l.meta.Extents[j] {
				return owner{i + 1, j + 1}
			}
		}
	}
	return owner{-1, -1}
}

func planIsTheLastWriterOfEveryByte(t *rapid.T) {
	p := anyChain(t)
	p.make()
	checkPlan(t, p)
}

// planOfARealChainHasTheVolumesLength draws a volume that changes and shrinks,
// backed up as Cinder does.
func planOfARealChainHasTheVolumesLength(t *rapid.T) {
	piece := modelBlock * rapid.Int64Range(1, 4).Draw(t, "blocks in an object")
	size := rapid.Int64Range(0, 60).Draw(t, "size")
	p := &plan{}
	image := make([]byte, size)
	for i := range rapid.IntRange(1, 6).Draw(t, "layers") {
		before := image
		image = append([]byte{}, before...)
		if i > 0 && len(image) > 0 {
			image = image[:rapid.IntRange(max(0, len(image)-9), len(image)).Draw(t, "shrunk to")]
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				if len(image) > 0 {
					image[rapid.IntRange(0, len(image)-1).Draw(t, "changed")] = byte(i)
				}
			}
		}
		l := &layer{backup: &driverstate.Backup{}, meta: &Metadata{}}
		for off := int64(0); off < int64(len(image)); off += piece {
			if i == 0 {
				l.meta.Extents = append(l.meta.Extents, Extent{Offset: off, Length: min(piece, int64(len(image))-off)})
				continue
			}
			l.meta.Extents = append(l.meta.Extents, changedRuns(before, image, off, piece)...)
		}
		l.hashes = modelHashes((len(image) + modelBlock - 1) / modelBlock)
		p.layers = append(p.layers, l)
	}
	p.make()
	require.EqualValues(t, len(image), p.length)
	require.Empty(t, p.gaps)
	checkPlan(t, p)
}

// changedRuns are the extents of one piece, by the words of chunkeddriver.py.
func changedRuns(before, image []byte, off, piece int64) (runs []Extent) {
	end := min(off+piece, int64(len(image)))
	open := int64(-1)
	for at := off; at < end; at += modelBlock {
		now := image[at:min(at+modelBlock, int64(len(image)))]
		old := before[min(at, int64(len(before))):min(at+modelBlock, int64(len(before)))]
		switch same := string(now) == string(old); {
		case !same && open < 0:
			open = at
		case same && open >= 0:
			runs = append(runs, Extent{Offset: open, Length: at - open})
			open = -1
		}
	}
	if open >= 0 {
		runs = append(runs, Extent{Offset: open, Length: end - open})
	}
	return runs
}

func TestThePlanIsTheLastWriterOfEveryByte(t *testing.T) {
	rapid.Check(t, planIsTheLastWriterOfEveryByte)
}

func TestThePlanOfARealChainHasTheVolumesLength(t *testing.T) {
	rapid.Check(t, planOfARealChainHasTheVolumesLength)
}

func FuzzPlan(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		planIsTheLastWriterOfEveryByte(t)
		planOfARealChainHasTheVolumesLength(t)
	}))
}
