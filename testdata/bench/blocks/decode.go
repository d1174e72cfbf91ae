package blocks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cinder-go/cinder-go/driverstate/inflate"
)

// decodeAll decodes the objects, each thread a whole one at a time, and of long
// ones only the begin if the sample says so.
func decodeAll(ctx context.Context, s Spec) (float64, error) {
	var total int64
	for _, o := range s.Objects {
		total += o.Length
	}
	share := 1.0
	if s.Sample > 0 && s.Sample < total {
		share = float64(s.Sample) / float64(total)
	}
	var next atomic.Int64
	return together(min(s.Threads, len(s.Objects)), func() (int64, time.Duration, error) {
		d := newDecoders()
		var done int64
		began := time.Now()
		for {
			i := int(next.Add(1)) - 1
			if i >= len(s.Objects) || ctx.Err() != nil {
				return done, time.Since(began), ctx.Err()
			}
			o := s.Objects[i]
			want := o.Length
			if len(s.Objects) <= 2*s.Threads { // few and long
				want = int64(float64(o.Length) * share)
			}
			n, err := d.decode(ctx, o, want)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", o.Path, err)
			}
			done += n
		}
	})
}

// decoders are those of one thread.
type decoders struct {
	buffer *bufio.Reader
	zlib   *inflate.Reader
	zstd   *zstd.Decoder
	window []byte
}

func newDecoders() *decoders {
	return &decoders{buffer: bufio.NewReaderSize(nil, 256<<10), window: make([]byte, 512<<10)}
}

// decode reads so many plain bytes of o.
func (d *decoders) decode(ctx context.Context, o Object, want int64) (int64, error) {
	if o.Compression == "bz2" {
		return decodeBzip2(ctx, o.Path, want)
	}
	f, err := os.Open(o.Path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var plain io.Reader = f
	d.buffer.Reset(f)
	switch o.Compression {
	case "zlib":
		if d.zlib == nil {
			d.zlib = inflate.NewReader(d.buffer)
		} else {
			d.zlib.Reset(d.buffer)
		}
		plain = d.zlib
	case "zstd":
		if d.zstd == nil {
			d.zstd, err = zstd.NewReader(d.buffer, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		} else {
			err = d.zstd.Reset(d.buffer)
		}
		plain = d.zstd
	case "none":
	default:
		err = fmt.Errorf("compression %q is not known", o.Compression)
	}
	if err != nil {
		return 0, err
	}
	return d.drain(plain, want)
}

func (d *decoders) drain(plain io.Reader, want int64) (done int64, err error) {
	for done < want && err == nil {
		var n int
		n, err = plain.Read(d.window[:min(int64(len(d.window)), want-done)])
		done += int64(n)
	}
	if errors.Is(err, io.EOF) {
		err = nil
		if done < want {
			err = io.ErrUnexpectedEOF
		}
	}
	return done, err
}

// decodeBzip2 has libbz2 do it, in the program bzip2: there is no faster decoder
// that does one block at a time.
func decodeBzip2(ctx context.Context, path string, want int64) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bzip2", "-dc", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	n, err := io.CopyN(io.Discard, out, want)
	cancel()
	_ = cmd.Wait() // killed, unless it was done
	return n, err
}
