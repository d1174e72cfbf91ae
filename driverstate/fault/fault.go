// Package fault names the instants at which it matters what a kill leaves
// behind, and can have the process killed at one of them, so that a test can
// prove that the next start recovers.
//
// Off, which is how every process starts, a Point costs one atomic load. Only
// Arm and Hook turn it on: Arm is called by the engine for the variable Env
// alone, whose value must begin with the word kill or name a control file, and
// the engine says so in its log and on standard error. Nothing else, no flag,
// request or row, can.
package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Env is the variable that arms a process; see Arm.
const Env = "CINDER_GO_FAULT"

// Values of Env are killWord + "NAME" or killWord + "NAME:NTH", or controlMark
// and the path of a file that holds such a text, or nothing.
const (
	killWord    = "kill:"
	controlMark = "@"
	// TraceSuffix is added to the name of a control file for the file that
	// every point passed is appended to, a name a line.
	TraceSuffix = ".trace"
)

// pass is told of every point that is passed; nil when off.
var pass atomic.Pointer[func(name string)]

// Point marks an instant. The name is in Points.
func Point(name string) {
	if f := pass.Load(); f != nil {
		(*f)(name)
	}
}

// Armed reports whether points do anything, so that what costs more than a
// Point can be left out where they do not.
func Armed() bool { return pass.Load() != nil }

// Hook has f called at every point, on the goroutine that passes it, until
// disarm is called. For tests in the same process; they must not run in
// parallel with others that pass points.
func Hook(f func(name string)) (disarm func()) {
	pass.Store(&f)
	return func() { pass.CompareAndSwap(&f, nil) }
}

// Arm kills this process at a point: "kill:NAME:NTH" when NAME is passed for
// the NTH time from now, the first when NTH is left out. "@FILE" reads that
// text from FILE at every point, so that a running process can be armed, counts
// from the moment at which the text changed, and writes the names of the points
// passed to FILE.trace. A spec that it cannot take arms nothing.
func Arm(spec string) error {
	if path, ok := strings.CutPrefix(spec, controlMark); ok {
		c := &control{path: path}
		if _, err := c.read(); err != nil {
			return err
		}
		f := c.pass
		pass.Store(&f)
		return nil
	}
	k, err := parse(spec)
	if err != nil {
		return err
	}
	f := k.pass
	pass.Store(&f)
	return nil
}

// kill is where the process ends.
type kill struct {
	name string
	left atomic.Int64 // passages until then
}

func parse(spec string) (*kill, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(spec), killWord)
	if !ok {
		return nil, fmt.Errorf("%s=%q is neither %sNAME:NTH nor %sFILE", Env, spec, killWord, controlMark)
	}
	k := &kill{name: rest}
	k.left.Store(1)
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		if n, err := strconv.ParseInt(rest[i+1:], 10, 64); err == nil && n > 0 {
			k.name = rest[:i]
			k.left.Store(n)
		}
	}
	if !Known(k.name) {
		return nil, fmt.Errorf("%s=%q: there is no fault point %q", Env, spec, k.name)
	}
	return k, nil
}

func (k *kill) pass(name string) {
	if name == k.name && k.left.Add(-1) == 0 {
		die()
	}
}

// die ends the process as a kill from outside does: nothing is flushed, no
// deferred function runs.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// control is a kill that a file says, and may change.
type control struct {
	path string

	mu   sync.Mutex
	text string
	now  *kill
}

// read returns the kill that the file asks for now, nil for none. A file that
// is not there asks for none.
func (c *control) read() (*kill, error) {
	raw, err := os.ReadFile(c.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text := strings.TrimSpace(string(raw))
	if text == c.text {
		return c.now, nil
	}
	c.text, c.now = text, nil
	if text != "" {
		c.now, err = parse(text)
	}
	return c.now, err
}

func (c *control) pass(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.trace(name); err != nil {
		panic(err)
	}
	k, err := c.read()
	if err != nil {
		panic(err) // a harness that is wrong must not look like one that found nothing
	}
	if k != nil {
		k.pass(name)
	}
}

func (c *control) trace(name string) error {
	f, err := os.OpenFile(c.path+TraceSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(name + "\n")
	return errors.Join(err, f.Close())
}
