// Package tape is a backup store in one file that is written and read from its
// beginning to its end: docs/tape.md describes the format. What it holds are the
// objects and the records of Cinder backups, named as on a posix store.
package tape

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// A block is a header and a payload. All numbers are big-endian.
const (
	headerSize = 40
	// maxPayload bounds a block, and so what a reader must hold of one.
	maxPayload = 1 << 20
	tapeIDSize = 8
)

var magic = [4]byte{'C', 'B', 'K', '1'}

// kind says what a block holds.
type kind byte

// Kinds of blocks.
const (
	kindVolume kind = 'V' // first block of every volume: volumeHead
	kindRecord kind = 'R' // an export record
	kindObject kind = 'O' // an object begins: objectHead
	kindData   kind = 'D' // bytes of the object
	kindEnd    kind = 'E' // the object has ended: objectEnd
	kindGone   kind = 'X' // an object is no more: objectHead
	kindIndex  kind = 'I' // a part of the index: indexPart
	kindFinal  kind = 'Z' // end of all that was written in one go: finalBlock
)

func (k kind) known() bool {
	switch k {
	case kindVolume, kindRecord, kindObject, kindData, kindEnd, kindGone, kindIndex, kindFinal:
		return true
	}
	return false
}

// tapeID tells the blocks of one tape from those of another, such as one that
// is a backup on this one.
type tapeID [tapeIDSize]byte

// header is that of one block.
type header struct {
	kind    kind
	tape    tapeID
	number  uint64 // of the block, from 0 through all volumes
	length  int    // of the payload
	payload uint32 // CRC-32C of it
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append writes the header behind b: magic, kind, three zeros, tape, number,
// length, CRC of the payload, four zeros, CRC of all before it.
func (h *header) append(b []byte) []byte {
	at := len(b)
	b = append(b, magic[:]...)
	b = append(b, byte(h.kind), 0, 0, 0)
	b = append(b, h.tape[:]...)
	b = binary.BigEndian.AppendUint64(b, h.number)
	b = binary.BigEndian.AppendUint32(b, uint32(h.length))
	b = binary.BigEndian.AppendUint32(b, h.payload)
	b = append(b, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

var (
	errNoBlock = errors.New("no block begins here")
	errVersion = errors.New("written by a later version")
)

// parseHeader reads the header at the beginning of b.
func parseHeader(b []byte) (header, error) {
	var h header
	switch {
	case len(b) < headerSize, [4]byte(b[:4]) != magic:
		return h, errNoBlock
	case crc32.Checksum(b[:headerSize-4], castagnoli) != binary.BigEndian.Uint32(b[headerSize-4:]):
		return h, errNoBlock
	}
	h.kind, h.tape = kind(b[4]), tapeID(b[8:16])
	h.number = binary.BigEndian.Uint64(b[16:])
	n := binary.BigEndian.Uint32(b[24:])
	h.payload = binary.BigEndian.Uint32(b[28:])
	h.length = int(n)
	if n > maxPayload {
		return h, errNoBlock
	}
	if !h.kind.known() || b[5]|b[6]|b[7] != 0 || binary.BigEndian.Uint32(b[32:]) != 0 {
		return h, errVersion
	}
	return h, nil
}

// readPayload reads and checks the payload of h, which begins at off, into a
// part of buffer.
func readPayload(r io.ReaderAt, off int64, h header, buffer []byte) ([]byte, error) {
	b := buffer[:h.length]
	if n, err := r.ReadAt(b, off); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != h.payload {
		return nil, fmt.Errorf("block %d: its checksum differs", h.number)
	}
	return b, nil
}

// What blocks hold, as JSON.
type (
	volumeHead struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Tape    string `json:"tape"`   // the tape id, in hexadecimal
		Volume  int    `json:"volume"` // from 1
		Created string `json:"created_at"`
	}
	objectHead struct {
		Container string    `json:"container"`
		Name      string    `json:"name"`
		Size      int64     `json:"size"`
		Modified  time.Time `json:"modified"`
	}
	objectEnd struct {
		Size   int64  `json:"size"`
		MD5    string `json:"md5"`
		SHA256 string `json:"sha256"`
	}
	finalBlock struct {
		Objects int   `json:"objects"` // on the whole tape, up to here
		Bytes   int64 `json:"bytes"`   // of them
		Records int   `json:"records"`
		Index   spot  `json:"index"` // first block of the index
		// Before is the final block of the index that this one adds to; nil for
		// one that names all.
		Before *spot `json:"before,omitempty"`
	}
	// spot is where a block begins.
	spot struct {
		Volume int   `json:"volume"`
		Offset int64 `json:"offset"`
	}
	indexPart struct {
		Objects []indexObject `json:"objects,omitempty"`
		Records []spot        `json:"records,omitempty"`
	}
	indexObject struct {
		objectHead
		End objectEnd `json:"end"`
		At  spot      `json:"at"` // its block 'O'
	}
)

// Of the format.
const (
	formatName    = "cinder-go tape"
	formatVersion = 1
	// maxName bounds containers and names, in bytes.
	maxName = 4096
	// finalSize is the length of every block 'Z', so that it can be found from
	// the end: its payload is filled up with blanks.
	finalSize = 296
)
