package blocks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	writeBytes = 4 << 20 // in one go
	writeDepth = 4       // at once
)

// writeImage writes a file of the image's size, with holes where the image has
// zeros, past the page cache where the file system can: what the disk takes in a
// second, and what the processors would take if only the writing held them up.
func writeImage(ctx context.Context, s Spec) (processors, disk float64, err error) {
	stretches, size, err := dataOf(s.Image)
	if err != nil {
		return 0, 0, err
	}
	f, err := os.OpenFile(s.WriteTo, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_DIRECT, 0o600)
	if errors.Is(err, unix.EINVAL) {
		f, err = os.OpenFile(s.WriteTo, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(s.WriteTo)
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return 0, 0, err
	}
	before, began := processorTime(), time.Now()
	if err := writeStretches(ctx, f, stretches); err != nil {
		return 0, 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, 0, err
	}
	wall, busy := time.Since(began), processorTime()-before
	mb := float64(size) / 1e6
	return mb / busy.Seconds() * float64(s.Threads), mb / wall.Seconds(), nil
}

// stretch is a run of pieces that hold data.
type stretch struct{ off, n int64 }

// dataOf are the stretches of the image that are not zeros, in pieces of a
// megabyte, at most writeBytes each.
func dataOf(path string) (all []stretch, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	piece := make([]byte, blockBytes)
	for off := int64(0); off < info.Size(); off += blockBytes {
		n, err := f.ReadAt(piece, off)
		if n == 0 {
			return nil, 0, fmt.Errorf("read %s at %d: %w", path, off, err)
		}
		if isZero(piece[:n]) {
			continue
		}
		if last := len(all) - 1; last >= 0 && all[last].off+all[last].n == off && all[last].n < writeBytes {
			all[last].n += blockBytes
		} else {
			all = append(all, stretch{off, blockBytes})
		}
	}
	return all, info.Size(), nil
}

func writeStretches(ctx context.Context, f *os.File, all []stretch) error {
	var (
		next    atomic.Int64
		wg      sync.WaitGroup
		mu      sync.Mutex
		failure error
	)
	for range writeDepth {
		buffer := aligned(writeBytes)
		for i := range buffer {
			buffer[i] = byte(i * 7)
		}
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if _, err := f.WriteAt(buffer[:all[i].n], all[i].off); err != nil {
					mu.Lock()
					failure = err
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(failure, ctx.Err())
}

// aligned is a buffer that direct writes accept.
func aligned(n int) []byte {
	const page = 4096
	b := make([]byte, n+page)
	skip := page - int(uintptr(unsafe.Pointer(&b[0]))%page)
	return b[skip : skip+n]
}

// processorTime is what this process has taken so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
