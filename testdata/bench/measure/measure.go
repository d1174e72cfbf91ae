// Package measure is what the benchmarks share: whole processes with what they
// took, several contestants in turns, and medians.
package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Usage is what one process took.
type Usage struct {
	Wall time.Duration
	CPU  time.Duration // user and system
	// Peak is the largest resident set in bytes. The kernel counts what the
	// process held that started this one, so it is never below Floor.
	Peak   int64
	Stdout []byte
}

// Runner starts processes.
type Runner struct {
	// Small is the program of the package small, which then starts them: it
	// holds less memory than this one, so that less can be seen. Empty for none.
	Small string
}

// Run runs a program to its end and tells what it took, as Runner does.
func Run(ctx context.Context, env []string, argv ...string) (Usage, error) {
	return Runner{}.Run(ctx, env, argv...)
}

// Run runs a program to its end and tells what it took. When ctx ends, it and
// all that it started are killed. An error holds the end of what it said on
// standard error. env is the environment, nil for this process's own.
func (r Runner) Run(ctx context.Context, env []string, argv ...string) (Usage, error) {
	var out, said bytes.Buffer
	told, tell, err := os.Pipe()
	if err != nil {
		return Usage{}, err
	}
	defer told.Close()
	if r.Small != "" {
		argv = append([]string{r.Small}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = env, &out, &said, []*os.File{tell}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	began := time.Now()
	err = cmd.Run()
	u := Usage{Wall: time.Since(began), Stdout: out.Bytes()}
	tell.Close()
	if ctx.Err() != nil {
		return u, context.Cause(ctx)
	}
	if err != nil {
		return u, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(said.Bytes()))
	}
	if r.Small != "" {
		return u, u.readFrom(told)
	}
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.Peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	return u, nil
}

// readFrom takes what the small program tells of the one that it started.
func (u *Usage) readFrom(told io.Reader) error {
	_, err := fmt.Fscan(told, &u.Wall, &u.CPU, &u.Peak)
	return err
}

// tail is the last lines of what a program said.
func tail(said []byte) string {
	const most = 1000
	said = bytes.TrimSpace(said)
	return string(said[max(0, len(said)-most):])
}

// Floor is the least Peak that Run can see, in bytes.
func (r Runner) Floor(ctx context.Context) (int64, error) {
	u, err := r.Run(ctx, nil, "true")
	return u.Peak, err
}

// Median is the middle of a list, or the mean of the middle two; 0 of an empty
// one. The list is not changed.
func Median[T ~int64 | ~float64](list []T) T {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// ErrDropOut is wrapped by a contestant that cannot go on while the others can.
var ErrDropOut = errors.New("out of the contest")

// InTurns runs A B C A B C ..., so that what else the machine does falls on all
// of them, and returns the samples of each. The first warm rounds are not
// counted. A contestant whose error wraps ErrDropOut is left out from then on,
// and its samples are dropped; any other error ends the contest.
func InTurns[T any](warm, rounds int, contestants []func(round int) (T, error)) ([][]T, error) {
	samples := make([][]T, len(contestants))
	out := make([]bool, len(contestants))
	for round := range warm + rounds {
		for i, run := range contestants {
			if out[i] {
				continue
			}
			sample, err := run(round)
			switch {
			case errors.Is(err, ErrDropOut):
				out[i], samples[i] = true, nil
			case err != nil:
				return samples, err
			case round >= warm:
				samples[i] = append(samples[i], sample)
			}
		}
	}
	return samples, nil
}

// Milliseconds is d for a table.
func Milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
