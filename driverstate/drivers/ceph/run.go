package ceph

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cinder-go/cinder-go/driverstate"
	"github.com/cinder-go/cinder-go/driverstate/objectstore"
)

// cluster runs the programs of a Ceph host. There is no shell between: every
// argument is one, and names were checked before they get here.
type cluster struct {
	conf, user string
	readOnly   bool
	limit      objectstore.Limiter // of the bytes of backups; nil for none
}

// call is one program: rbd or rados, what it is to do, and where.
type call struct {
	program string
	verb    string // words, such as "snap ls"
	pool    string
	image   string // empty for none
	snap    string // empty for the image itself
	args    []string
}

func (c call) String() string {
	name := c.pool
	if c.image != "" {
		name += "/" + c.image
	}
	if c.snap != "" {
		name += "@" + c.snap
	}
	return c.program + " " + c.verb + " " + name
}

// reading are the verbs that change nothing. A read-only store runs no other.
var reading = map[string][]string{
	"rbd":   {"ls", "snap ls", "info", "status", "diff", "export-diff", "image-meta list"},
	"rados": {"get", "ls", "df"},
}

func (c call) writes() bool { return !slices.Contains(reading[c.program], c.verb) }

// carrying are the verbs whose bytes are those of backups. What the others
// tell are listings, which no store's limit counts.
var carrying = map[string][]string{
	"rbd":   {"export-diff", "import-diff"},
	"rados": {"get", "put"},
}

// limitOf is the limit for the bytes of a program; nil for none.
func (k *cluster) limitOf(c call) objectstore.Limiter {
	if slices.Contains(carrying[c.program], c.verb) {
		return k.limit
	}
	return nil
}

// stopGrace is how long a program that writes has to end by itself when it is
// to stop: one that is killed leaves half an image, and its lock for 30 s.
const stopGrace = 5 * time.Second

// mayRun refuses what would change a store that was opened for reading.
func (k *cluster) mayRun(c call) error {
	if k.readOnly && c.writes() {
		return fmt.Errorf("%s: %w: %w", c, objectstore.ErrReadOnly, driverstate.ErrReadOnly)
	}
	return nil
}

func (k *cluster) command(ctx context.Context, c call) (*exec.Cmd, *tail, error) {
	if err := cmp.Or(k.mayRun(c), ctx.Err()); err != nil {
		return nil, nil, err
	}
	args := append([]string{"--conf", k.conf, "--id", k.user}, strings.Fields(c.verb)...)
	args = append(args, "--pool", c.pool)
	if c.image != "" {
		args = append(args, "--image", c.image)
	}
	if c.snap != "" {
		args = append(args, "--snap", c.snap)
	}
	cmd := exec.CommandContext(ctx, c.program, append(args, c.args...)...)
	cmd.Env = environment()
	// A group of its own: a signal to this one does not reach it, so that it
	// can be ended in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = stopGrace
	if c.writes() {
		cmd.Cancel = func() error { return nil } // killed after stopGrace
	}
	stderr := &tail{}
	cmd.Stderr = stderr
	return cmd, stderr, nil
}

// environment is this process's, with times in UTC and without arguments that
// come in from the side.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "CEPH_ARGS" || name == "TZ" || strings.HasPrefix(name, "LC_")
	})
	return append(env, "TZ=UTC", "LC_ALL=C")
}

func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// tail keeps the end of what a program says on its standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const maxTail = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - maxTail; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.text, []byte("?")))
}

// read runs a program and gives its output to use, which reads it to its end.
// Both must go well: output that is sound counts for nothing if the program
// failed after it.
func (k *cluster) read(ctx context.Context, c call, use func(io.Reader) error) error {
	cmd, stderr, err := k.command(ctx, c)
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return notStarted(c, err)
	}
	used := use(objectstore.LimitReader(ctx, out, k.limitOf(c)))
	if used != nil && !errors.Is(used, io.ErrUnexpectedEOF) {
		killGroup(cmd) // it may wait for a reader for ever
	}
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case used != nil && !errors.Is(used, io.ErrUnexpectedEOF):
		return used
	case ended != nil:
		return failed(c, ended, stderr)
	case used != nil:
		return fmt.Errorf("%s: %w", c, used)
	}
	return nil
}

// text is the output of a program, of at most limit bytes.
func (k *cluster) text(ctx context.Context, c call, limit int64) ([]byte, error) {
	var out []byte
	err := k.read(ctx, c, func(r io.Reader) (err error) {
		if out, err = io.ReadAll(io.LimitReader(r, limit+1)); err == nil && int64(len(out)) > limit {
			err = driverstate.Fail(driverstate.ErrCorrupt, fmt.Sprintf("%s gives more than %d bytes", c, limit))
		}
		return err
	})
	return out, err
}

// run runs a program whose output says nothing.
func (k *cluster) run(ctx context.Context, c call) error {
	_, err := k.text(ctx, c, maxTail)
	return err
}

// write runs a program and lets feed write its input. If feed fails or the
// context ends, the input ends in the middle, which the program must take for
// an error, and it gets stopGrace to end by itself.
func (k *cluster) write(ctx context.Context, c call, feed func(context.Context, io.Writer) error) error {
	cmd, stderr, err := k.command(ctx, c)
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = func() error { return in.Close() }
	if err := cmd.Start(); err != nil {
		return notStarted(c, err)
	}
	fed := feed(ctx, objectstore.LimitWriter(ctx, in, k.limitOf(c)))
	closed := in.Close()
	if fed != nil {
		timer := time.AfterFunc(stopGrace, func() { killGroup(cmd) })
		defer timer.Stop()
	}
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case fed != nil && !errors.Is(fed, syscall.EPIPE):
		return fed
	case ended != nil: // also why it did not read on
		return failed(c, ended, stderr)
	case fed != nil:
		return fmt.Errorf("%s did not read its input: %w", c, fed)
	case closed != nil && !errors.Is(closed, os.ErrClosed):
		return fmt.Errorf("%s: %w", c, closed)
	}
	return nil
}

func notStarted(c call, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return driverstate.Fail(driverstate.ErrUnavailable,
			fmt.Sprintf("program %s is not on this host: install ceph-common", c.program))
	}
	return fmt.Errorf("%s: %w", c, err)
}

// programError is a program that ended with an error.
type programError struct {
	call  call
	errno syscall.Errno // 0 when it did not tell
	text  string        // what it said, on one line
	kind  error         // nil for none
}

func (e *programError) Error() string { return e.call.String() + ": " + e.text }
func (e *programError) Unwrap() error { return e.kind }

// errnoForm is how Ceph's programs write an error.
var errnoForm = regexp.MustCompile(`\((\d{1,3})\) `)

// stampForm begins the lines that Ceph's libraries log.
var stampForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+ [0-9a-f]+ +-?\d+ `)

func failed(c call, ended error, stderr *tail) error {
	e := &programError{call: c, text: oneLine(stderr.String())}
	var exit *exec.ExitError
	if !errors.As(ended, &exit) {
		return fmt.Errorf("%s: %w", c, ended)
	}
	if e.text == "" {
		e.text = ended.Error()
	}
	if all := errnoForm.FindAllStringSubmatch(e.text+" ", -1); all != nil {
		n, _ := strconv.Atoi(all[len(all)-1][1])
		e.errno = syscall.Errno(n)
	}
	if c.program == "rbd" && exit.ExitCode() > 1 {
		e.errno = syscall.Errno(exit.ExitCode()) // rbd ends with the number of the error
	}
	e.kind = kindOf(e)
	return e
}

// oneLine is the last of what a program said: its own words, or, without any,
// those of the libraries below it.
func oneLine(text string) string {
	var own, logged []string
	for line := range strings.SplitSeq(text, "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case stampForm.MatchString(line):
			logged = append(logged, stampForm.ReplaceAllString(line, ""))
		default:
			own = append(own, line)
		}
	}
	if strings.Contains(text, "couldn't connect") || len(own) == 0 {
		own = append(logged, own...)
	}
	return strings.Join(own[max(0, len(own)-3):], "; ")
}

func kindOf(e *programError) error {
	switch {
	case strings.Contains(e.text, "unable to open config file"):
		return driverstate.ErrInvalidInput
	case strings.Contains(e.text, "couldn't connect") && strings.Contains(e.text, "keyring"):
		return driverstate.ErrForbidden
	case strings.Contains(e.text, "couldn't connect"):
		if e.errno == syscall.EPERM || e.errno == syscall.EACCES {
			return driverstate.ErrForbidden
		}
		return driverstate.ErrUnavailable
	}
	switch e.errno {
	case syscall.ENOENT:
		return driverstate.ErrNotFound
	case syscall.EPERM, syscall.EACCES:
		return driverstate.ErrForbidden
	case syscall.EEXIST, syscall.EBUSY, syscall.ENOTEMPTY:
		return driverstate.ErrConflict
	case syscall.EIO, syscall.EBADMSG:
		return driverstate.ErrCorrupt
	case syscall.ETIMEDOUT, syscall.ENOTCONN, syscall.ECONNREFUSED, syscall.ESHUTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return driverstate.ErrUnavailable
	}
	return nil
}

// isBusy reports whether err may pass when a client of the image has gone.
func isBusy(err error) bool {
	var e *programError
	return errors.As(err, &e) && e.errno == syscall.EBUSY
}

// noPool reports whether err says that the pool itself is not there.
func noPool(err error) bool {
	var e *programError
	return errors.As(err, &e) && e.errno == syscall.ENOENT && strings.Contains(e.text, "error opening pool")
}
