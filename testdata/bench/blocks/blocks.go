// Package blocks measures what the parts of a backup or restore cost by
// themselves, in loops without anything around them: decoding the very objects,
// hashing and compressing the very image, writing past the page cache. The sum
// of what a job consists of is the limit that it is held against.
//
// Every step runs on all processors at once, as it does in the job, and its rate
// is what they do together.
package blocks

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/cinder-go/cinder-go/driverstate/cores"
)

// Step is one part of a job.
type Step string

// The steps. All rates are in 10^6 bytes of the volume, or of decoded data, a
// second.
const (
	Decode   Step = "decode"   // open, read and decode objects
	Read     Step = "read"     // the image, out of the page cache
	Zero     Step = "zero"     // find the blocks of zeros
	SHA256   Step = "sha256"   // of the blocks that are not
	MD5      Step = "md5"      // of all bytes, as the metadata of a chunk has it
	Deflate6 Step = "deflate6" // in pieces of 1 MiB
	Deflate5 Step = "deflate5"
	Deflate3 Step = "deflate3"
	Zstd     Step = "zstd"
	Write    Step = "write" // what processor time the writing of blocks costs
	Disk     Step = "disk"  // what the disk takes; it does so beside the others
)

const (
	blockBytes = 32 << 10 // what Cinder hashes at a time
	pieceBytes = 1 << 20
)

// Object is a stored object.
type Object struct {
	Path        string `json:"path"`
	Compression string `json:"compression"`
	Length      int64  `json:"length"` // decoded
}

// Spec says what to measure.
type Spec struct {
	Image   string   `json:"image"`
	Objects []Object `json:"objects"` // for Decode
	Steps   []Step   `json:"steps"`
	Sample  int64    `json:"sample"`   // bytes of the image, or of decoded data, that are enough; 0 is all
	WriteTo string   `json:"write_to"` // a file for Write and Disk, which is removed
	Threads int      `json:"threads"`  // 0 for one per processor
}

// Rates are what was measured, in MB/s of all threads together.
type Rates map[Step]float64

// Measure runs the steps of s one after another.
func Measure(ctx context.Context, s Spec) (Rates, error) {
	if s.Threads == 0 {
		s.Threads = cores.Count()
	}
	rates := Rates{}
	for _, step := range s.Steps {
		var err error
		switch step {
		case Decode:
			rates[step], err = decodeAll(ctx, s)
		case Write, Disk:
			if rates[Write] == 0 {
				rates[Write], rates[Disk], err = writeImage(ctx, s)
			}
		default:
			rates[step], err = overImage(ctx, s, step)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step, err)
		}
	}
	return rates, nil
}

// worker carries out one step on one piece at a time.
type worker func(piece []byte) error

func newWorker(step Step) (worker, error) {
	switch step {
	case Zero:
		return func(piece []byte) error {
			found := 0
			for block := range slices.Chunk(piece, blockBytes) {
				if isZero(block) {
					found++
				}
			}
			sink.Add(int64(found))
			return nil
		}, nil
	case SHA256:
		return func(piece []byte) error {
			for block := range slices.Chunk(piece, blockBytes) {
				if !isZero(block) {
					sum := sha256.Sum256(block)
					sink.Add(int64(sum[0]))
				}
			}
			return nil
		}, nil
	case MD5:
		sum := md5.New()
		return func(piece []byte) error { _, err := sum.Write(piece); return err }, nil
	case Deflate6, Deflate5, Deflate3:
		z, err := flate.NewWriter(io.Discard, int(step[len(step)-1]-'0'))
		return func(piece []byte) error {
			z.Reset(io.Discard)
			if _, err := z.Write(piece); err != nil {
				return err
			}
			return z.Flush()
		}, err
	case Zstd:
		z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1))
		return func(piece []byte) error { _, err := z.Write(piece); return err }, err
	}
	return nil, fmt.Errorf("step is not known")
}

// sink keeps the compiler from leaving out what is measured.
var sink atomic.Int64

var zeroBlock [blockBytes]byte

func isZero(b []byte) bool { return bytes.Equal(b, zeroBlock[:len(b)]) }

// overImage times a step on pieces of the image that are in cache, as they are
// when they have just been decoded or read. Reading is the exception.
func overImage(ctx context.Context, s Spec, step Step) (float64, error) {
	image, err := os.Open(s.Image)
	if err != nil {
		return 0, err
	}
	defer image.Close()
	info, err := image.Stat()
	if err != nil {
		return 0, err
	}
	stride := int64(1)
	if s.Sample > 0 {
		stride = max(1, (info.Size()+s.Sample-1)/s.Sample)
	}
	pieces := (info.Size() + pieceBytes - 1) / pieceBytes
	var next atomic.Int64
	return together(s.Threads, func() (int64, time.Duration, error) {
		work := worker(func([]byte) error { return nil })
		if step != Read {
			var err error
			if work, err = newWorker(step); err != nil {
				return 0, 0, err
			}
		}
		var done int64
		var busy time.Duration
		for buffer := make([]byte, pieceBytes); ; {
			i := (next.Add(1) - 1) * stride
			if i >= pieces || ctx.Err() != nil {
				return done, busy, ctx.Err()
			}
			began := time.Now()
			n, err := image.ReadAt(buffer, i*pieceBytes)
			if err != nil && err != io.EOF {
				return 0, 0, err
			}
			if step != Read {
				began = time.Now()
			}
			if err := work(buffer[:n]); err != nil {
				return 0, 0, err
			}
			busy += time.Since(began)
			done += int64(n)
		}
	})
}

// together runs work on several threads and adds up their rates. Work returns
// how many bytes it did in which time.
func together(threads int, work func() (int64, time.Duration, error)) (float64, error) {
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		rate    float64
		failure error
	)
	for range threads {
		wg.Go(func() {
			done, busy, err := work()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failure = err
			} else if busy > 0 {
				rate += float64(done) / 1e6 / busy.Seconds()
			}
		})
	}
	wg.Wait()
	return rate, failure
}
