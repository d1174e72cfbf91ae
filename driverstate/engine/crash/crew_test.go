package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crew puts servers under load: every hand of it asks for one thing after the
// other, of backups and volumes of its own, and goes on when it gets no answer.
type crew struct {
	t *testing.T
	place
	seed uint64
	// base is the address of a server that should be up; hands differ.
	base func(*rand.Rand) string
	stop chan struct{}
	work sync.WaitGroup

	mu       sync.Mutex
	serial   int
	content  map[string][]byte  // of backups, by name
	ids      map[string]string  // of backups and volumes, by name
	loose    map[string]bool    // backups on the store that need no row
	promises map[string]promise // by what they are about
	lost     []lostRow
	outcomes map[string]map[string]int // by kind of request and outcome
	failures []string                  // answers that must not be
}

// lostRow is a backup on the store that has no row.
type lostRow struct {
	id, name string
	record   any
}

func newCrew(t *testing.T, p place, seed uint64, base func(*rand.Rand) string) *crew {
	return &crew{t: t, place: p, seed: seed, base: base, stop: make(chan struct{}), content: map[string][]byte{}, ids: map[string]string{},
		loose: map[string]bool{}, promises: map[string]promise{}, outcomes: map[string]map[string]int{}}
}

// hand is one of the crew.
type hand struct {
	*crew
	r       *rand.Rand
	disks   []disk
	backups []item
	targets []item // volumes that it restored to
}

type item struct{ name, id string }

type disk struct {
	item
	path string
}

// join makes a hand with so many disks. The servers must be up.
func (c *crew) join(n, disks, size int) *hand {
	c.t.Helper()
	h := &hand{crew: c, r: rand.New(rand.NewPCG(c.seed, uint64(n)))}
	for range disks {
		name := c.name("disk")
		d := disk{item: item{name: name}, path: filepath.Join(c.place.targets(), name)}
		require.NoError(c.t, os.WriteFile(d.path, h.noise(size), 0o600))
		a := ask(c.base(h.r), "POST", "manageable_volumes", object{"volume": object{
			"ref": object{"source-name": d.path}, "name": name, "size": 1, "overwrite": true}})
		require.True(c.t, a.ok(), a.String())
		d.id = a.text("volume", "id")
		h.disks = append(h.disks, d)
	}
	return h
}

func (h *hand) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(h.r.Uint32())
	}
	clear(b[n/2 : n/2+n/4])
	return b
}

// begin has h work until the crew stops.
func (c *crew) begin(h *hand) {
	c.work.Go(func() {
		for {
			select {
			case <-c.stop:
				return
			default:
				h.act()
			}
		}
	})
}

// end stops the hands and waits for them.
func (c *crew) end() {
	close(c.stop)
	c.work.Wait()
}

func (c *crew) name(kind string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	return fmt.Sprintf("%s-%d", kind, c.serial)
}

func (c *crew) promise(about, what string, kept func(*census) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.promises[about] = promise{what, kept}
}

func (c *crew) supersede(about string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.promises, about)
}

// ask counts how a request ended.
func (h *hand) ask(kind, method, path string, body any) answer {
	a := ask(h.base(h.r), method, path, body)
	outcome := "accepted"
	switch {
	case a.status == 0:
		outcome = "no answer"
	case a.status >= 400 && a.status < 500, a.status == 503:
		outcome = "refused"
	case !a.ok():
		outcome = "failed"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.outcomes[kind] == nil {
		h.outcomes[kind] = map[string]int{}
	}
	h.outcomes[kind][outcome]++
	if outcome == "failed" {
		h.failures = append(h.failures, fmt.Sprintf("%s %s: %s", method, path, a))
	}
	if a.status == 0 {
		time.Sleep(20 * time.Millisecond) // nobody is there
	}
	return a
}

// act does one thing.
func (h *hand) act() {
	switch h.r.IntN(16) {
	case 0, 1, 2, 3:
		h.create()
	case 4, 5, 6:
		h.restore()
	case 7, 8, 9:
		h.delete(false)
	case 10:
		h.delete(true)
	case 11:
		h.reset()
	case 12:
		h.deleteVolume()
	case 13:
		h.adopt()
	case 14:
		h.verify()
	case 15:
		h.rest()
	}
}

// rest waits for a backup of its own.
func (h *hand) rest() {
	b, ok := h.any(h.backups)
	for end := time.Now().Add(5 * time.Second); ok && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s := ask(h.base(h.r), "GET", "backups/"+b.id, nil).text("backup", "status")
		if s == "available" || s == "error" {
			return
		}
		select {
		case <-h.stop:
			return
		default:
		}
	}
}

func (h *hand) any(of []item) (item, bool) {
	if len(of) == 0 {
		return item{}, false
	}
	return of[h.r.IntN(len(of))], true
}

// create backs up a disk, changed before if nobody is reading it.
func (h *hand) create() {
	d := h.disks[h.r.IntN(len(h.disks))]
	if ask(h.base(h.r), "GET", "volumes/"+d.id, nil).text("volume", "status") != "available" {
		return
	}
	content, err := os.ReadFile(d.path)
	if err == nil {
		copy(content[h.r.IntN(len(content)):], h.noise(1<<10))
		err = os.WriteFile(d.path, content, 0o600)
	}
	if err != nil {
		panic(err)
	}
	name := h.name("backup")
	h.mu.Lock()
	h.content[name] = bytes.Clone(content)
	h.mu.Unlock()
	a := h.ask("create", "POST", "backups", object{"backup": object{"volume_id": d.id, "name": name, "incremental": h.r.IntN(3) == 0}})
	if !a.ok() {
		return
	}
	b := item{name, a.text("backup", "id")}
	h.own(b)
	h.backups = append(h.backups, b)
}

// own notes a backup that has a row from now on.
func (h *hand) own(b item) {
	h.mu.Lock()
	h.ids[b.name] = b.id
	h.mu.Unlock()
	h.promise(b.id, "backup "+b.name+" was accepted", func(c *census) string {
		if c.backups[b.id] == nil {
			return "it has no row"
		}
		return ""
	})
}

func (h *hand) delete(force bool) {
	b, ok := h.any(h.backups)
	if !ok {
		return
	}
	was := h.promised(b.id)
	h.supersede(b.id)
	var a answer
	if force {
		a = h.ask("force delete", "POST", "backups/"+b.id+"/action", object{"os-force_delete": object{}})
	} else {
		a = h.ask("delete", "DELETE", "backups/"+b.id, nil)
	}
	switch {
	case a.ok():
		h.promise(b.id, "backup "+b.name+" was accepted to be deleted", func(c *census) string {
			if row := c.backups[b.id]; row != nil {
				return "its row is " + string(row.Status) + " " + row.FailReason
			}
			return ""
		})
	case a.status != 0 && a.status != 404 && was.kept != nil:
		h.promise(b.id, was.what, was.kept)
		return
	}
	h.backups = slices.DeleteFunc(h.backups, func(o item) bool { return o == b })
}

func (c *crew) promised(about string) promise {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.promises[about]
}

func (h *hand) restore() {
	b, ok := h.any(h.backups)
	if !ok {
		return
	}
	body := object{}
	if v, ok := h.any(h.targets); ok && h.r.IntN(2) == 0 {
		body["volume_id"] = v.id
	}
	a := h.ask("restore", "POST", "backups/"+b.id+"/restore", object{"restore": body})
	if !a.ok() {
		return
	}
	v := item{id: a.text("restore", "volume_id")}
	if !slices.Contains(h.targets, v) {
		h.targets = append(h.targets, v)
	}
	h.promise(v.id, "backup "+b.name+" was accepted to be restored to volume "+v.id, func(c *census) string {
		switch row := c.volumes[v.id]; {
		case row == nil:
			return "it is not there"
		case row.Status == "available" && row.Metadata["src_backup_id"] == "":
			return "it is available and tells of no restore"
		}
		return ""
	})
}

func (h *hand) deleteVolume() {
	v, ok := h.any(h.targets)
	if !ok {
		return
	}
	was := h.promised(v.id)
	h.supersede(v.id)
	var a answer
	if h.r.IntN(2) == 0 {
		a = h.ask("volume force delete", "POST", "volumes/"+v.id+"/action", object{"os-force_delete": object{}})
	} else {
		a = h.ask("volume delete", "DELETE", "volumes/"+v.id, nil)
	}
	switch {
	case a.ok():
		h.promise(v.id, "volume "+v.id+" was deleted", func(c *census) string {
			if row := c.volumes[v.id]; row != nil {
				return "it is " + string(row.Status)
			}
			return ""
		})
	case a.status != 0 && a.status != 404:
		h.promise(v.id, was.what, was.kept)
		return
	}
	h.targets = slices.DeleteFunc(h.targets, func(o item) bool { return o == v })
}

func (h *hand) reset() {
	if b, ok := h.any(h.backups); ok {
		to := []string{"available", "error"}[h.r.IntN(2)]
		h.ask("reset", "POST", "backups/"+b.id+"/action", object{"os-reset_status": object{"status": to}})
	}
}

func (h *hand) verify() {
	if b, ok := h.any(h.backups); ok {
		h.ask("verify", "POST", "verifications", object{"verification": object{"backup_id": b.id, "depth": "data"}})
	}
}

// adopt gives a lost row back, by its record or from the store.
func (h *hand) adopt() {
	h.mu.Lock()
	if len(h.lost) == 0 {
		h.mu.Unlock()
		return
	}
	l := h.lost[len(h.lost)-1]
	h.lost = h.lost[:len(h.lost)-1]
	h.mu.Unlock()
	var a answer
	if h.r.IntN(2) == 0 {
		a = h.ask("import", "POST", "backups/import_record", object{"backup-record": l.record})
	} else {
		a = h.ask("manage", "POST", "manageable_backups", object{"backup": object{"id": l.id}})
	}
	if a.ok() {
		b := item{l.name, l.id}
		h.own(b)
		h.backups = append(h.backups, b)
	}
}

// stock has every hand make n backups and waits for them.
func (c *crew) stock(hands []*hand, n int) {
	var work sync.WaitGroup
	for _, h := range hands {
		work.Go(func() {
			for end := time.Now().Add(patience); len(h.backups) < n && time.Now().Before(end); {
				before := len(h.backups)
				if h.create(); len(h.backups) == before {
					time.Sleep(pace) // the disk is being read
				}
			}
		})
	}
	work.Wait()
}

// lose makes n backups whose rows are gone. It is called at rest, before the
// load.
func (c *crew) lose(h *hand, r *records, n int) {
	c.t.Helper()
	for range n {
		before := len(h.backups)
		for len(h.backups) == before {
			h.create()
		}
		b := h.backups[before]
		var record any
		require.Eventually(c.t, func() bool {
			record = ask(c.base(h.r), "GET", "backups/"+b.id+"/export_record", nil).body["backup-record"]
			return record != nil
		}, patience, pace)
		require.Empty(c.t, r.settled(c.t, c.place, patience).restless())
		r.forget(c.t, b.id)
		h.backups = h.backups[:before]
		c.supersede(b.id)
		c.loose[b.id] = true
		c.lost = append(c.lost, lostRow{b.id, b.name, record})
	}
}

// world is what the crew knows, for a census.
func (c *crew) world() *world {
	w := &world{t: c.t, place: c.place, content: c.content, ids: c.ids, loose: c.loose, hurt: map[string]bool{}}
	for _, p := range c.promises {
		w.promises = append(w.promises, p)
	}
	return w
}

// table is how requests ended, by kind.
func (c *crew) table() string {
	columns := []string{"accepted", "refused", "no answer", "failed"}
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %9s %9s %9s %9s\n", "request", columns[0], columns[1], columns[2], columns[3])
	sum := map[string]int{}
	var kinds []string
	for kind := range c.outcomes {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	row := func(kind string, n map[string]int) {
		fmt.Fprintf(&b, "%-20s %9d %9d %9d %9d\n", kind, n[columns[0]], n[columns[1]], n[columns[2]], n[columns[3]])
	}
	for _, kind := range kinds {
		row(kind, c.outcomes[kind])
		for outcome, n := range c.outcomes[kind] {
			sum[outcome] += n
		}
	}
	row("all", sum)
	return b.String()
}
