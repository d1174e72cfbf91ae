package chunked_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/drivers"
	"github.com/cinder-go/cinder-go/driverstate/volume"
	"github.com/cinder-go/cinder-go/testdata/corpus"
)

// shelf is the corpus, unpacked, with a driver for each of its stores.
type shelf struct {
	root    string
	drivers map[string]driverstate.Driver
	found   map[string]map[string]driverstate.Found // by store, by backup id
}

func openShelf(t *testing.T) *shelf {
	s := &shelf{root: corpus.Unpack(t), drivers: map[string]driverstate.Driver{}, found: map[string]map[string]driverstate.Found{}}
	for _, c := range corpus.Cases(t) {
		if s.drivers[c.Store] != nil {
			continue
		}
		url := "posix://" + filepath.Join(s.root, c.Store)
		if c.Kind != "posix" {
			url = "objects://" + filepath.Join(s.root, c.Store) + "?service=" + c.Kind
		}
		d, err := drivers.Open(url, drivers.Options{ReadOnly: true})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, d.Close()) })
		s.drivers[c.Store] = d
		var found []driverstate.Found
		for f, err := range d.(driverstate.Scanner).Scan(t.Context(), "") {
			require.NoError(t, err)
			found = append(found, f)
		}
		driverstate.LinkChains(found)
		s.found[c.Store] = map[string]driverstate.Found{}
		for _, f := range found {
			s.found[c.Store][f.Backup.ID] = f
		}
	}
	return s
}

func (s *shelf) chain(c corpus.Case) driverstate.Chain {
	var chain driverstate.Chain
	for id := c.BackupID; id != ""; {
		f := s.found[c.Store][id]
		chain = append(driverstate.Chain{&f.Backup}, chain...)
		id = f.Backup.ParentID
	}
	return chain
}

func restoreTo(ctx context.Context, d driverstate.Driver, c driverstate.Chain, path string, o volume.TargetOptions) (driverstate.Restored, error) {
	target, err := volume.OpenTarget(path, o)
	if err != nil {
		return driverstate.Restored{}, err
	}
	defer target.Close()
	out, err := d.Restore(ctx, c, target, driverstate.RestoreOptions{}, nil)
	if err != nil {
		return out, err
	}
	return out, target.Commit()
}

// overwritten stands on a backup with a missing chunk, all of whose bytes it
// wrote again: it is called damaged, for its chain is, yet restores.
const overwritten = "935c6b35-6e3b-4421-bef7-1a1c9d7d2a91"

// refused is an incremental that Cinder refused before it wrote anything.
const refused = "1ea77907-f258-4c0f-8b96-d0351cdb74c9"

// Every backup that Cinder wrote and that is whole restores to the bytes the
// volume had, and every other is refused.
func TestCorpusRestoresToTheVolumesBytes(t *testing.T) {
	s := openShelf(t)
	for _, c := range corpus.Cases(t) {
		t.Run(fmt.Sprintf("%s/%s", c.Case, c.BackupID), func(t *testing.T) {
			t.Parallel()
			f, there := s.found[c.Store][c.BackupID]
			d := s.drivers[c.Store]
			path := filepath.Join(t.TempDir(), "image")
			switch c.Verdict {
			case corpus.Gone:
				assert.False(t, there)
				return
			case corpus.Incomplete, corpus.NoMetadata:
				if c.BackupID == refused {
					assert.False(t, there)
					return
				}
				assert.Equal(t, driverstate.ConditionPartial, f.Condition)
				return
			case corpus.ParentMissing:
				assert.Equal(t, driverstate.ConditionOrphaned, f.Condition)
				return
			}
			chain := s.chain(c)
			if c.Verdict == corpus.Damaged {
				report, err := d.(driverstate.Verifier).Verify(t.Context(), chain, driverstate.DepthData, nil)
				require.NoError(t, err)
				assert.Equal(t, driverstate.ConditionDamaged, report.Condition)
				for _, bad := range c.Bad {
					assert.True(t, names(report, bad.Object), "%s is not among %+v", bad.Object, report.Problems)
				}
				_, err = restoreTo(t.Context(), d, chain, path, volume.TargetOptions{})
				if c.BackupID == overwritten {
					require.NoError(t, err)
					assert.Equal(t, c.ExpectedSHA256, corpus.SHA256(t, path))
					return
				}
				require.ErrorIs(t, err, driverstate.ErrCorrupt)
				assert.NoFileExists(t, path)
				return
			}
			require.Equal(t, corpus.OK, c.Verdict)
			start := time.Now()
			out, err := restoreTo(t.Context(), d, chain, path, volume.TargetOptions{})
			require.NoError(t, err)
			took := time.Since(start)
			assert.Equal(t, c.VolumeBytes, out.Length)
			assert.Equal(t, c.ExpectedSHA256, corpus.SHA256(t, path))
			t.Logf("restored | %s | %s | %s | equal | %.2f s | %s", c.Case, c.BackupID[:8], f.Condition, took.Seconds(), out.Method)
		})
	}
}

func names(r driverstate.Report, object string) bool {
	for _, p := range r.Problems {
		if p.Object == object {
			return true
		}
	}
	return false
}
