package crash

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	patience = 150 * time.Second // a busy machine is five times slower
	pace     = 2 * time.Millisecond
)

// killAt is a kill at the nth passage of a point.
type killAt struct {
	point string
	nth   int
}

func (k killAt) String() string { return fmt.Sprintf("%s:%d", k.point, k.nth) }

// world is one server and what is known of it: what was asked, and what it has
// promised by an answer of 2xx.
type world struct {
	t *testing.T
	place
	server *process
	armed  bool // a death is what the test waits for

	ids      map[string]string // by name
	files    map[string]string // of volumes, by name
	content  map[string][]byte // that a backup must hold, by its name
	hurt     map[string]bool   // backups damaged on purpose, by id
	promises []promise
	loose    map[string]bool // ids of backups on the store that need no row
	record   any             // of a backup
	heal     func()          // makes deletes possible again; nil when they are
	seed     uint64
}

// promise is what an answer of 2xx means for the state at rest; it returns
// what is wrong.
type promise struct {
	what string
	kept func(*census) string
}

// died is panicked with when the server dies while it is armed.
type died struct{}

func newWorld(t *testing.T) *world {
	w := &world{t: t, place: newPlace(t), ids: map[string]string{}, files: map[string]string{}, content: map[string][]byte{},
		hurt: map[string]bool{}, loose: map[string]bool{}}
	w.arm(t, killAt{})
	w.start()
	return w
}

// start starts the server. It may die at once if it is armed.
func (w *world) start() {
	w.t.Helper()
	var up bool
	if w.server, up = launch(w.t, w.place, host); !up {
		w.ended()
	}
}

// ended tells a death that was waited for from one that was not.
func (w *world) ended() {
	w.t.Helper()
	if w.armed {
		panic(died{})
	}
	w.t.Fatalf("the server ended by itself: %s", w.server.said())
}

// try asks, and does not return when the server has died.
func (w *world) try(method, path string, body any) answer {
	w.t.Helper()
	a := ask(w.server.base, method, path, body)
	if a.status == 0 {
		select {
		case <-w.server.dead:
			w.ended()
		case <-time.After(patience):
			w.t.Fatalf("%s %s: no answer from a server that lives", method, path)
		}
	}
	return a
}

// must is try for what must be accepted.
func (w *world) must(method, path string, body any) answer {
	w.t.Helper()
	a := w.try(method, path, body)
	require.True(w.t, a.ok(), "%s %s: %s", method, path, a)
	return a
}

// dies runs act armed, and reports whether the server was killed in it.
func (w *world) dies(act func()) (killed bool) {
	w.t.Helper()
	w.armed = true
	defer func() {
		w.armed = false
		switch r := recover(); r {
		case nil:
		case died{}:
			killed = true
		default:
			panic(r)
		}
	}()
	act()
	return false
}

// stop ends the server in order.
func (w *world) stop() {
	w.t.Helper()
	require.NoError(w.t, w.server.cmd.Process.Signal(syscall.SIGTERM))
	<-w.server.dead
	if !w.server.cmd.ProcessState.Success() {
		w.ended()
	}
}

// settle waits until all is at rest.
func (w *world) settle() {
	w.t.Helper()
	r := openSQLite(w.t, w.place)
	defer r.close()
	w.until("all at rest", func() bool {
		if w.server.isDead() {
			w.ended()
		}
		return r.census(w.t, w.place).restless() == ""
	})
}

// supersede forgets what was promised of something: what is asked of it next
// may be carried out without an answer.
func (w *world) supersede(what string) {
	w.promises = slices.DeleteFunc(w.promises, func(p promise) bool { return strings.HasPrefix(p.what, what+" ") })
}

func (w *world) promise(what string, kept func(*census) string) {
	w.promises = append(w.promises, promise{what, kept})
}

// until waits for a condition that only asking tells.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(pace) {
		if time.Now().After(end) {
			w.t.Fatalf("not within %s: %s\n%s", patience, what, w.autopsy())
		}
	}
}

// autopsy ends a server that hangs, and returns what is in the middle of work
// and where it hangs.
func (w *world) autopsy() string {
	r := openSQLite(w.t, w.place)
	defer r.close()
	c := r.census(w.t, w.place)
	_ = w.server.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines go to its standard error
	select {
	case <-w.server.dead:
	case <-time.After(patience):
	}
	return c.restless() + "\n" + strings.Join(r.jobs(w.t, "TRUE"), "\n") + "\n" + w.server.said()
}

// image is n bytes: noise, a run of zeros, noise.
func (w *world) image(n int) []byte {
	w.seed++
	r := rand.New(rand.NewPCG(w.seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	clear(b[n/3 : n/2])
	return b
}

// source makes a file of n bytes and takes it under management as a volume.
func (w *world) source(name string, n int) {
	w.t.Helper()
	w.manageVolume(name, w.image(n))
}

// manageVolume takes a file under management, of which there is none when
// content is nil.
func (w *world) manageVolume(name string, content []byte) {
	w.t.Helper()
	path := filepath.Join(w.targets(), name)
	if content != nil {
		require.NoError(w.t, os.WriteFile(path, content, 0o600))
	}
	w.files[name] = path
	a := w.must("POST", "manageable_volumes", object{"volume": object{
		"ref": object{"source-name": path}, "name": name, "size": 1, "overwrite": content != nil,
	}})
	w.ids[name] = a.text("volume", "id")
	w.promiseVolume(name)
}

func (w *world) newVolume(name string) {
	w.t.Helper()
	a := w.must("POST", "volumes", object{"volume": object{"size": 1, "name": name}})
	id := a.text("volume", "id")
	w.ids[name], w.files[name] = id, filepath.Join(w.volumes(), "volume-"+id)
	w.promiseVolume(name)
}

func (w *world) promiseVolume(name string) {
	id := w.ids[name]
	w.promise("volume "+name+" is made", func(c *census) string {
		if c.volumes[id] == nil {
			return "it is not there"
		}
		return ""
	})
}

// edit changes one block of a source.
func (w *world) edit(volume string) {
	w.t.Helper()
	content, err := os.ReadFile(w.files[volume])
	require.NoError(w.t, err)
	copy(content[40<<10:], w.image(1<<10))
	require.NoError(w.t, os.WriteFile(w.files[volume], content, 0o600))
}

// create asks for a backup. Its name is its own, so that a row of a request
// that was not answered can be told.
func (w *world) create(volume, name string, more object) {
	w.t.Helper()
	content, err := os.ReadFile(w.files[volume])
	if err == nil {
		w.content[name] = content
	}
	body := object{"volume_id": w.ids[volume], "name": name}
	for key, value := range more {
		body[key] = value
	}
	a := w.must("POST", "backups", object{"backup": body})
	w.ids[name] = a.text("backup", "id")
	w.promiseRow(name, "accepted")
}

func (w *world) promiseRow(name, why string) {
	id := w.ids[name]
	w.promise("backup "+name+" was "+why, func(c *census) string {
		if c.backups[id] == nil {
			return "it has no row"
		}
		return ""
	})
}

// rest waits until a backup is at rest, or gone.
func (w *world) rest(name string) {
	w.t.Helper()
	w.until(name+" at rest", func() bool {
		a := w.try("GET", "backups/"+w.ids[name], nil)
		s := a.text("backup", "status")
		return a.status == http.StatusNotFound || a.ok() && s != "creating" && s != "restoring" && s != "deleting"
	})
}

// made is a backup that is there.
func (w *world) made(volume, name string, more object) {
	w.t.Helper()
	w.create(volume, name, more)
	w.rest(name)
	require.Equal(w.t, "available", w.must("GET", "backups/"+w.ids[name], nil).text("backup", "status"), name)
}

func (w *world) delete(name string) {
	w.t.Helper()
	w.supersede("backup " + name)
	w.must("DELETE", "backups/"+w.ids[name], nil)
	w.promiseGone(name)
}

func (w *world) forceDelete(name string) {
	w.t.Helper()
	w.supersede("backup " + name)
	w.must("POST", "backups/"+w.ids[name]+"/action", object{"os-force_delete": object{}})
	w.promiseGone(name)
}

func (w *world) promiseGone(name string) {
	id := w.ids[name]
	w.promise("backup "+name+" was accepted to be deleted", func(c *census) string {
		if b := c.backups[id]; b != nil {
			return "its row is " + string(b.Status)
		}
		return ""
	})
}

func (w *world) reset(name, to string) {
	w.t.Helper()
	w.supersede("backup " + name)
	w.must("POST", "backups/"+w.ids[name]+"/action", object{"os-reset_status": object{"status": to}})
	id := w.ids[name]
	w.promise("backup "+name+" was accepted to be "+to, func(c *census) string {
		if b := c.backups[id]; b == nil || string(b.Status) != to {
			return fmt.Sprintf("it is %v", b)
		}
		return ""
	})
}

// restore restores a backup to a volume, to a new one when that is empty.
func (w *world) restore(name, volume string) {
	w.t.Helper()
	body := object{}
	if volume != "" {
		body["volume_id"] = w.ids[volume]
	}
	a := w.must("POST", "backups/"+w.ids[name]+"/restore", object{"restore": body})
	id := a.text("restore", "volume_id")
	w.promise("backup "+name+" was accepted to be restored to "+id, func(c *census) string {
		v := c.volumes[id]
		switch {
		case v == nil:
			return "the volume is not there"
		case v.Status == "available" && v.Metadata["src_backup_id"] == "":
			return "the volume is available and tells of no restore"
		}
		return ""
	})
}

func (w *world) deleteVolume(name string) {
	w.t.Helper()
	w.supersede("volume " + name)
	w.must("DELETE", "volumes/"+w.ids[name], nil)
	w.promiseVolumeGone(name)
}

func (w *world) promiseVolumeGone(name string) {
	id := w.ids[name]
	w.promise("volume "+name+" was deleted", func(c *census) string {
		if v := c.volumes[id]; v != nil {
			return "it is " + string(v.Status)
		}
		return ""
	})
}
