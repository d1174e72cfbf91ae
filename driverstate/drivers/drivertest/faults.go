package drivertest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore/wirefault"
)

// FaultHarness makes stores behind a proxy that injects faults.
type FaultHarness struct {
	Server string // the real server's URL, without a path
	// New returns a store whose drivers go through the proxy at url, repeat a
	// call three times with pauses of a millisecond, and give a silent server
	// up after two seconds. What else it does goes around the proxy.
	New func(t *testing.T, url string) Store
	// Refused is an answer to a token that has expired; 0 if the protocol has
	// none that a client gets over.
	Refused int
}

// RunFaults has backups made, restored, verified and deleted through faults on
// the wire: what a repetition can mend is survived with equal bytes, and what
// it cannot is told, and nothing wrong is left.
func RunFaults(t *testing.T, h FaultHarness) {
	t.Run("a storm of faults is survived", func(t *testing.T) { storm(t, h) })
	for _, c := range lasting {
		t.Run(c.name, func(t *testing.T) { last(t, h, c) })
	}
}

// mendable are the faults of the storm.
func (h *FaultHarness) mendable() []wirefault.Fault {
	faults := []wirefault.Fault{
		{Kind: wirefault.Reset},
		{Kind: wirefault.Status, Code: http.StatusInternalServerError},
		{Kind: wirefault.Truncate, After: 1000},
		{Kind: wirefault.Status, Code: http.StatusServiceUnavailable, RetryAfter: "0"},
		{Kind: wirefault.LoseAnswer},
		{Kind: wirefault.CutRequest, After: 3000},
		{Kind: wirefault.Status, Code: http.StatusServiceUnavailable},
		{Kind: wirefault.Duplicate},
		{Kind: wirefault.Truncate, After: 0, Then: &wirefault.Fault{Kind: wirefault.Reset}},
		{Kind: wirefault.Drip},
	}
	if h.Refused != 0 {
		expired := wirefault.Fault{Kind: wirefault.Status, Code: h.Refused}
		faults = append(faults, expired, wirefault.Fault{Kind: wirefault.Truncate, After: 2000, Then: &expired})
	}
	return faults
}

// storm has the first request of every URL fail, and the second of some.
func (h *FaultHarness) storm() wirefault.Plan {
	faults := h.mendable()
	n := 0
	return func(r wirefault.Request) *wirefault.Fault {
		sum := fnv.New32()
		fmt.Fprint(sum, r.Method, r.Path[max(0, len(r.Path)-8):])
		if r.Nth > 2 || r.Nth == 2 && sum.Sum32()%4 != 0 {
			return nil
		}
		n++
		f := &faults[n%len(faults)]
		// A login that is refused is final, and so is a token that is new.
		if h.Refused != 0 && f.Code == h.Refused && (r.Nth > 1 || strings.Contains(r.Path, "/auth/")) || r.Nth > 1 && f.Then != nil {
			f = &faults[0]
		}
		return f
	}
}

func storm(t *testing.T, h FaultHarness) {
	p := wirefault.New(t, h.Server)
	l := &lab{store: h.New(t, p.URL), chunked: true}
	first := mixed(20*objectSize+777, 1)
	second := changed(changed(first, objectSize/2, make([]byte, 3*objectSize)), 9*objectSize, text(5*objectSize, 2))
	var done int
	for _, codec := range allCodecs {
		p.Set(h.storm())
		d := l.open(t, Settings{Compression: codec, Workers: 4})
		full := l.backup(t, d, nil, first)
		inc := l.backup(t, d, full, second)
		p.Set(h.storm()) // each act below asks for other objects first
		requireRestores(t, d, driverstate.Chain{full, inc}, second)
		p.Set(h.storm())
		requireRestores(t, d, driverstate.Chain{full}, first)
		for _, b := range []*driverstate.Backup{inc, full} {
			p.Set(h.storm())
			require.NoError(t, d.Delete(t.Context(), b))
		}
		for _, name := range l.store.Names(t, full.Container) {
			assert.False(t, strings.HasPrefix(name, full.ServiceMetadata) || strings.HasPrefix(name, inc.ServiceMetadata), "%s is left", name)
		}
		done += 14 // 2 backups, 8 restores, 2 verifications, 2 deletes
	}
	p.Set(wirefault.Rules(
		wirefault.Rule{Method: "PUT", Path: "-00002", Nth: 1, Fault: wirefault.Fault{Kind: wirefault.Stall}},
		wirefault.Rule{Method: "PUT", Path: "-00004", Nth: 1, Fault: wirefault.Fault{Kind: wirefault.Status, Code: http.StatusServiceUnavailable, RetryAfter: "1"}},
		wirefault.Rule{Method: "GET", Path: "-00003", Nth: 1, Fault: wirefault.Fault{Kind: wirefault.StallBody, After: 5000}},
		wirefault.Rule{Method: "GET", Path: "-00001", Nth: 1, Fault: wirefault.Fault{Kind: wirefault.Stall}},
	))
	d := l.open(t, Settings{Workers: 4})
	begun := time.Now()
	stalled := l.backup(t, d, nil, first)
	assert.GreaterOrEqual(t, time.Since(begun), 5*time.Second, "a stall of five seconds, and beside it a pause of one")
	requireRestores(t, d, driverstate.Chain{stalled}, first)
	done += 6
	injected := p.Injected()
	for _, name := range slices.Sorted(maps.Keys(injected)) {
		t.Logf("%4d × %s", injected[name], name)
	}
	t.Logf("%d faults injected and survived by %d backups, restores, verifications and deletes", p.Total(), done)
	assert.GreaterOrEqual(t, p.Total(), 300)
}

// lastingFault is one that no repetition mends, and what it does to.
type lastingFault struct {
	name string
	rule wirefault.Rule
	act  string // backup, restore or delete
}

var lasting = []lastingFault{
	{"a chunk that cannot be written fails the backup", wirefault.Rule{Method: "PUT", Path: "-00003", Fault: wirefault.Fault{Kind: wirefault.Reset}}, "backup"},
	{"a chunk that is cut on its way fails the backup", wirefault.Rule{Method: "PUT", Path: "-00003", Fault: wirefault.Fault{Kind: wirefault.CutRequest, After: 5000}}, "backup"},
	{"a hash list that cannot be written fails the backup", wirefault.Rule{Method: "PUT", Path: "_sha256file",
		Fault: wirefault.Fault{Kind: wirefault.Status, Code: http.StatusServiceUnavailable}}, "backup"},
	{"a metadata document that cannot be written fails the backup", wirefault.Rule{Method: "PUT", Path: "_metadata",
		Fault: wirefault.Fault{Kind: wirefault.Status, Code: http.StatusInternalServerError}}, "backup"},
	{"a metadata document whose answer is lost fails the backup", wirefault.Rule{Method: "PUT", Path: "_metadata", Fault: wirefault.Fault{Kind: wirefault.LoseAnswer}}, "backup"},
	{"a chunk that cannot be read fails the restore", wirefault.Rule{Method: "GET", Path: "-00003",
		Fault: wirefault.Fault{Kind: wirefault.Status, Code: http.StatusServiceUnavailable}}, "restore"},
	{"a chunk that always breaks off fails the restore", wirefault.Rule{Method: "GET", Path: "-00003", Fault: wirefault.Fault{Kind: wirefault.Truncate, After: 1}}, "restore"},
	{"documents that cannot be read fail the restore", wirefault.Rule{Method: "GET", Path: "_metadata", Fault: wirefault.Fault{Kind: wirefault.Reset}}, "restore"},
	{"a listing that fails fails the delete", wirefault.Rule{Method: "GET", Listings: true,
		Fault: wirefault.Fault{Kind: wirefault.Status, Code: http.StatusServiceUnavailable}}, "delete"},
	{"a chunk that cannot be removed fails the delete", wirefault.Rule{Method: "DELETE", Path: "-00002", Fault: wirefault.Fault{Kind: wirefault.Reset}}, "delete"},
	{"a server that asks for a long pause fails the delete at once", wirefault.Rule{Method: "DELETE", Path: "-00002",
		Fault: wirefault.Fault{Kind: wirefault.Status, Code: http.StatusServiceUnavailable, RetryAfter: "86400"}}, "delete"},
}

func last(t *testing.T, h FaultHarness, c lastingFault) {
	p := wirefault.New(t, h.Server)
	l := &lab{store: h.New(t, p.URL), chunked: true}
	d := l.open(t, Settings{Workers: 4})
	image := text(6*objectSize, 1)
	var b *driverstate.Backup
	if c.act == "backup" {
		b = l.row(t, d, nil)
	} else {
		b = l.backup(t, d, nil, image)
	}
	p.Set(wirefault.Rules(c.rule))
	var err error
	switch c.act {
	case "backup":
		_, err = d.Backup(t.Context(), b, nil, &source{image: image}, nil)
	case "delete":
		err = d.Delete(t.Context(), b)
	case "restore":
		for name, target := range targets(len(image)) {
			_, err = d.Restore(t.Context(), driverstate.Chain{b}, target, driverstate.RestoreOptions{}, nil)
			require.Error(t, err, "%s target", name)
			assert.False(t, target.synced, "%s target", name)
			for _, r := range target.ranges {
				requireSame(t, image[r[0]:r[1]], target.image[r[0]:r[1]], name+" target: what was written")
			}
		}
	}
	require.ErrorIs(t, err, driverstate.ErrUnavailable)
	assert.NotErrorIs(t, err, driverstate.ErrCorrupt)
	assert.ErrorContains(t, err, b.ID)
	assert.ErrorContains(t, err, c.rule.Path)
	assert.Positive(t, p.Total())

	// With the fault gone, what is there is right, and can be removed.
	p.Set(nil)
	if c.act == "restore" {
		requireRestores(t, d, driverstate.Chain{b}, image)
	}
	require.NoError(t, d.Delete(t.Context(), b))
	for _, name := range l.store.Names(t, b.Container) {
		assert.False(t, strings.HasPrefix(name, b.ServiceMetadata), "%s is left", name)
	}
}
