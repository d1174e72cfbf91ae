package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cinder-go/cinder-go/driverstate/cores"
)

// peer runs Cinder's own driver. Its time is that of the driver alone, without
// the start of Python.
func (l *lab) peer(args ...string) (sample, error) {
	u, err := l.start(nil, append([]string{l.python, filepath.Join(scripts, "cinder_peer.py")}, args...)...)
	if err != nil {
		return sample{}, err
	}
	var told struct {
		Bytes  int64   `json:"bytes"`
		Driver float64 `json:"driver_s"`
		Stored int64   `json:"stored"`
		Peak   float64 `json:"peak_rss_mib"`
	}
	lines := bytes.Split(bytes.TrimSpace(u.Stdout), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &told); err != nil {
		return sample{}, fmt.Errorf("cinder_peer.py: %w", err)
	}
	return sample{took: time.Duration(told.Driver * float64(time.Second)), bytes: told.Bytes, stored: told.Stored, peak: int64(told.Peak * (1 << 20))}, nil
}

func (l *lab) noPeer() string {
	if l.python == "" {
		return "python3-cinder is not installed"
	}
	return ""
}

// engine is the program with a state directory and a store of its own.
type engine struct {
	*lab
	state string
	store string // URL
}

// openEngine makes a state directory, anew.
func (l *lab) openEngine(name, store string) (*engine, error) {
	e := &engine{lab: l, state: l.work("state-" + name), store: store}
	return e, errors.Join(os.RemoveAll(e.state), os.Mkdir(e.state, 0o700))
}

// call runs one verb, as a whole process.
func (e *engine) call(args ...string) (sample, string, error) {
	u, err := e.start(nil, append([]string{e.program, "--standalone", "--quiet", "--audit-log", "off", "--state-dir", e.state, "--store", e.store}, args...)...)
	return sample{took: u.Wall, peak: u.Peak}, strings.TrimSpace(string(u.Stdout)), err
}

// manage takes backups of the store under management.
func (e *engine) manage(ids ...string) error {
	_, _, err := e.call(append([]string{"backup-manage"}, ids...)...)
	return err
}

// restore restores a backup, compares what came out, and removes it.
func (e *engine) restore(backup, image string) (sample, error) {
	to := e.work("restored")
	defer os.Remove(to)
	s, _, err := e.call("backup-restore", backup, "--to", to)
	return e.restored(s, err, to, image)
}

// restored checks the outcome of a restore.
func (l *lab) restored(s sample, err error, path, image string) (sample, error) {
	if err != nil {
		return s, err
	}
	s.bytes, err = l.compare(path, image)
	return s, err
}

// peerRestore does the same with Cinder's driver.
func (l *lab) peerRestore(store, backup, image string) (sample, error) {
	to := l.work("restored")
	defer os.Remove(to)
	s, err := l.peer("restore", "--store", store, "--backup", backup, "--to", to)
	return l.restored(s, err, to, image)
}

// volume makes a volume whose bytes are those of an image.
func (e *engine) volume(image string) (string, error) {
	size, err := fileSize(image)
	if err != nil {
		return "", err
	}
	_, id, err := e.call("volume-create", strconv.FormatInt((size+gib-1)/gib, 10), "--name", "disk", "-f", "value", "-c", "id")
	if err != nil {
		return "", err
	}
	return id, e.fill(id, image)
}

// fill gives a volume the bytes of an image, which it shares with it.
func (e *engine) fill(volume, image string) error {
	path := filepath.Join(e.state, "volumes", "volume-"+volume)
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Link(image, path)
}

// compare is errWrong unless two files hold the same bytes. It returns how many.
func (l *lab) compare(path, image string) (int64, error) {
	a, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, err := os.Open(image)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	size, err := fileSize(image)
	if err != nil {
		return 0, err
	}
	if n, err := fileSize(path); err != nil || n != size {
		return 0, fmt.Errorf("%w: %d bytes, not %d", errors.Join(errWrong, err), n, size)
	}
	return size, l.compareBytes(a, b, size)
}

func (l *lab) compareBytes(a, b io.ReaderAt, size int64) error {
	const piece = 1 << 20
	var (
		next  atomic.Int64
		wrong atomic.Pointer[error]
		wg    sync.WaitGroup
	)
	for range cores.Count() {
		wg.Go(func() {
			have, want := make([]byte, piece), make([]byte, piece)
			for off := (next.Add(1) - 1) * piece; off < size && wrong.Load() == nil && l.ctx.Err() == nil; off = (next.Add(1) - 1) * piece {
				n := min(piece, size-off)
				_, errA := a.ReadAt(have[:n], off)
				_, errB := b.ReadAt(want[:n], off)
				err := errors.Join(errA, errB)
				if err == nil && !bytes.Equal(have[:n], want[:n]) {
					err = fmt.Errorf("%w, between %d and %d", errWrong, off, off+n)
				}
				if err != nil {
					wrong.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := wrong.Load(); err != nil {
		return *err
	}
	return l.ctx.Err()
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// takes reports whether a verb has a flag.
func (l *lab) takes(verb, flag string) bool {
	u, err := l.start(nil, l.program, verb, "--help")
	return err == nil && slices.Contains(strings.Fields(string(u.Stdout)), flag)
}
