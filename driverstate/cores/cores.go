// Package cores tells how many processors there are to compute with, and lets
// goroutines wait for disks without taking one.
package cores

import (
	"os"
	"runtime"
)

// waiting is how many goroutines may be in system calls that wait: the writes
// that keep a disk busy, and some that read.
const waiting = 6

var count = runtime.GOMAXPROCS(0)

// Count is how many goroutines can compute at once: the processors that the
// program may run on, by its affinity and the limit of its control group, or
// what GOMAXPROCS in the environment says.
func Count() int { return count }

// LetWait is for the beginning of a program that reads or writes disks. A
// goroutine in a system call keeps its P (runtime.GOMAXPROCS) until the
// runtime's monitor takes it away, which takes it up to 10 ms to notice: long
// enough for a write past the page cache to hold up, on a machine of two
// processors, a third of what they could compute. More Ps than processors leave
// the choice of what runs to the kernel, which knows what waits. GOMAXPROCS in
// the environment is obeyed.
func LetWait() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(count + waiting)
	}
}
