package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
)

// parallel is how many requests of one client are worked on at once.
const parallel = 16

// request is one of the transmission phase.
type request struct {
	flags, command uint16
	cookie         uint64
	off            uint64
	length         uint32
}

func readRequest(r io.Reader) (q request, err error) {
	var head [28]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return q, err
	}
	if binary.BigEndian.Uint32(head[:]) != requestMagic {
		return q, errors.New("a request without its magic number")
	}
	return request{
		flags: binary.BigEndian.Uint16(head[4:]), command: binary.BigEndian.Uint16(head[6:]),
		cookie: binary.BigEndian.Uint64(head[8:]), off: binary.BigEndian.Uint64(head[16:]), length: binary.BigEndian.Uint32(head[24:]),
	}, nil
}

// conversation is the transmission phase with one client.
type conversation struct {
	*export
	*session
	mu  sync.Mutex // of w: one reply at a time
	w   io.Writer
	err error // the first that w gave
}

// transmit answers requests until the client disconnects, or ctx ends.
func (e *export) transmit(ctx context.Context, r io.Reader, w io.Writer, s *session) error {
	ctx, cancel := context.WithCancel(ctx)
	c := &conversation{export: e, session: s, w: w}
	free := semaphore.NewWeighted(parallel)
	defer func() {
		cancel()
		_ = free.Acquire(context.WithoutCancel(ctx), parallel) // all of them have ended
	}()
	for {
		q, err := readRequest(r)
		if errors.Is(err, io.EOF) {
			return nil // it went without a word, as many do
		}
		if err != nil {
			return err
		}
		switch q.command {
		case cmdDisconnect:
			if err := free.Acquire(ctx, parallel); err != nil { // what was asked before is answered
				return err
			}
			free.Release(parallel)
			return nil
		case cmdWrite:
			if q.length > maxBlock {
				return fmt.Errorf("a write of %d bytes", q.length)
			}
			if _, err := io.CopyN(io.Discard, r, int64(q.length)); err != nil {
				return err
			}
		}
		if err := free.Acquire(ctx, 1); err != nil {
			return err
		}
		go func() { // ends before transmit returns, which takes all of free
			defer free.Release(1)
			if c.answer(ctx, q) != nil {
				cancel()
			}
		}()
	}
}

// answer does one request. An error is one of the connection.
func (c *conversation) answer(ctx context.Context, q request) error {
	size := uint64(c.image.Size())
	outside := q.off > size || uint64(q.length) > size-q.off
	switch {
	case q.command == cmdWrite || q.command == cmdTrim || q.command == cmdWriteZeroes:
		return c.refuse(q, errPerm, "the backup is read-only")
	case q.command != cmdRead && (q.command != cmdBlockStatus || !c.allocation):
		return c.refuse(q, errInvalid, "the command is not known here")
	case outside:
		return c.refuse(q, errInvalid, "the request reaches beyond the end")
	case q.command == cmdBlockStatus:
		return c.status(q)
	case q.length > maxBlock:
		return c.refuse(q, errOverflow, "the request is too long")
	}
	return c.read(ctx, q)
}

// read answers a read. Nothing of it is sent before all of it is proven.
func (c *conversation) read(ctx context.Context, q request) error {
	off, end := int64(q.off), int64(q.off)+int64(q.length)
	if c.structured && q.flags&cmdFlagDF == 0 && q.length > 0 {
		if zero, until := c.image.Zeros(off, end); zero && until == end {
			hole := binary.BigEndian.AppendUint64(nil, q.off)
			c.server.sent(int64(q.length))
			return c.send(c.chunk(q, chunkOffsetHole, binary.BigEndian.AppendUint32(hole, q.length), nil))
		}
	}
	if err := c.server.memory.Acquire(ctx, int64(q.length)); err != nil {
		return c.refuse(q, errShutdown, "the server ends")
	}
	defer c.server.memory.Release(int64(q.length))
	b := make([]byte, q.length)
	if err := c.image.ReadAt(ctx, b, off); err != nil {
		if ctx.Err() != nil {
			return c.refuse(q, errShutdown, "the server ends")
		}
		c.server.blame(err, off, int64(q.length))
		return c.refuse(q, errIO, err.Error())
	}
	c.server.sent(int64(q.length))
	if !c.structured {
		return c.send(simple(q, 0), b)
	}
	if q.length == 0 {
		return c.send(c.chunk(q, chunkNone, nil, nil))
	}
	return c.send(c.chunk(q, chunkOffsetData, binary.BigEndian.AppendUint64(nil, q.off), b), b)
}

// status answers what of the image is zeros.
func (c *conversation) status(q request) error {
	if q.length == 0 {
		return c.refuse(q, errInvalid, "the request is empty")
	}
	off, end := int64(q.off), int64(q.off)+int64(q.length)
	payload := binary.BigEndian.AppendUint32(nil, metaAllocationID)
	for n := 0; off < end && n < maxExtents; n++ {
		zero, until := c.image.Zeros(off, end)
		state := uint32(0)
		if zero {
			state = stateHole | stateZero
		}
		payload = binary.BigEndian.AppendUint32(payload, uint32(until-off))
		payload = binary.BigEndian.AppendUint32(payload, state)
		off = until
		if q.flags&cmdFlagReqOne != 0 {
			break
		}
	}
	return c.send(c.chunk(q, chunkBlockStatus, payload, nil))
}

// refuse answers with an error.
func (c *conversation) refuse(q request, code uint32, why string) error {
	if !c.structured {
		return c.send(simple(q, code))
	}
	why = why[:min(len(why), maxName)]
	payload := binary.BigEndian.AppendUint32(nil, code)
	payload = binary.BigEndian.AppendUint16(payload, uint16(len(why)))
	return c.send(c.chunk(q, chunkError, append(payload, why...), nil))
}

// simple is the head of a simple reply.
func simple(q request, code uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, simpleMagic)
	b = binary.BigEndian.AppendUint32(b, code)
	return binary.BigEndian.AppendUint64(b, q.cookie)
}

// chunk is a structured reply of one chunk; data follows it.
func (c *conversation) chunk(q request, kind uint16, payload, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, structuredMagic)
	b = binary.BigEndian.AppendUint16(b, chunkDone)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint64(b, q.cookie)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)+len(data)))
	return append(b, payload...)
}

// send writes one reply.
func (c *conversation) send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range parts {
		if c.err == nil {
			_, c.err = c.w.Write(p)
		}
	}
	return c.err
}
