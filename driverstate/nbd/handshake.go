package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// session is what a client has asked for in the handshake.
type session struct {
	noZeroes   bool
	structured bool
	allocation bool // it may ask for block status
}

// errLeft: the client has ended the handshake without asking for the image.
var errLeft = errors.New("the client has left")

// handshake speaks the fixed newstyle handshake until the transmission phase
// begins.
func (e *export) handshake(rw io.ReadWriter) (*session, error) {
	hello := binary.BigEndian.AppendUint64(nil, initMagic)
	hello = binary.BigEndian.AppendUint64(hello, optionMagic)
	hello = binary.BigEndian.AppendUint16(hello, flagFixedNewstyle|flagNoZeroes)
	if _, err := rw.Write(hello); err != nil {
		return nil, err
	}
	var flags [4]byte
	if _, err := io.ReadFull(rw, flags[:]); err != nil {
		return nil, err
	}
	client := binary.BigEndian.Uint32(flags[:])
	if client&^(flagFixedNewstyle|flagNoZeroes) != 0 || client&flagFixedNewstyle == 0 {
		return nil, fmt.Errorf("client flags %#x are not those of the fixed newstyle handshake", client)
	}
	s := &session{noZeroes: client&flagNoZeroes != 0}
	for {
		option, data, err := readOption(rw)
		if err != nil {
			return nil, err
		}
		done, err := e.option(rw, s, option, data)
		if done || err != nil {
			return s, err
		}
	}
}

// readOption reads one option. data is nil when it is longer than any there is.
func readOption(r io.Reader) (option uint32, data []byte, err error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	if binary.BigEndian.Uint64(head[:]) != optionMagic {
		return 0, nil, errors.New("an option without its magic number")
	}
	option, n := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
	if n > maxOption {
		if n > maxBlock {
			return 0, nil, fmt.Errorf("an option of %d bytes", n)
		}
		_, err = io.CopyN(io.Discard, r, int64(n))
		return option, nil, err
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return option, data, err
}

// option answers one option, and reports whether the transmission phase begins.
func (e *export) option(w io.Writer, s *session, option uint32, data []byte) (done bool, err error) {
	if data == nil {
		return false, answer(w, option, repErrTooBig, []byte("the option is too long"))
	}
	switch option {
	case optExportName:
		if !e.has(string(data)) {
			return false, fmt.Errorf("there is no export %.80q", data) // this option has no error
		}
		return true, e.begin(w, s)
	case optAbort:
		_ = answer(w, option, repAck, nil) // it may be gone already
		return false, errLeft
	case optList:
		return false, e.list(w, data)
	case optInfo, optGo:
		return e.inform(w, s, option, data)
	case optStructuredReply:
		if len(data) > 0 {
			return false, answer(w, option, repErrInvalid, []byte("the option takes no data"))
		}
		s.structured = true
		return false, answer(w, option, repAck, nil)
	case optListMeta, optSetMeta:
		return false, e.meta(w, s, option, data)
	}
	return false, answer(w, option, repErrUnsup, nil)
}

// answer sends one reply to an option.
func answer(w io.Writer, option, reply uint32, data []byte) error {
	b := binary.BigEndian.AppendUint64(nil, replyMagic)
	b = binary.BigEndian.AppendUint32(b, option)
	b = binary.BigEndian.AppendUint32(b, reply)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	_, err := w.Write(append(b, data...))
	return err
}

// has reports whether name is that of the export; the default name is too.
func (e *export) has(name string) bool { return name == "" || name == e.name }

// flags are those of the export.
func (e *export) flags(s *session) uint16 {
	flags := uint16(exportHasFlags | exportReadOnly | exportCanMultiConn)
	if s.structured {
		flags |= exportSendDF
	}
	return flags
}

// begin answers NBD_OPT_EXPORT_NAME.
func (e *export) begin(w io.Writer, s *session) error {
	b := binary.BigEndian.AppendUint64(nil, uint64(e.image.Size()))
	b = binary.BigEndian.AppendUint16(b, e.flags(s))
	if !s.noZeroes {
		b = append(b, make([]byte, 124)...)
	}
	_, err := w.Write(b)
	return err
}

func (e *export) list(w io.Writer, data []byte) error {
	if len(data) > 0 {
		return answer(w, optList, repErrInvalid, []byte("the option takes no data"))
	}
	if err := answer(w, optList, repServer, text(e.name)); err != nil {
		return err
	}
	return answer(w, optList, repAck, nil)
}

// text is a string with its length before it.
func text(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// takeText takes a string with its length from the begin of data.
func takeText(data []byte) (s string, rest []byte, ok bool) {
	if len(data) < 4 {
		return "", nil, false
	}
	n := binary.BigEndian.Uint32(data)
	if n > maxName || int(n) > len(data)-4 {
		return "", nil, false
	}
	return string(data[4 : 4+n]), data[4+n:], true
}

// inform answers NBD_OPT_INFO and NBD_OPT_GO.
func (e *export) inform(w io.Writer, s *session, option uint32, data []byte) (done bool, err error) {
	name, rest, ok := takeText(data)
	if !ok || len(rest) < 2 || len(rest) != 2+2*int(binary.BigEndian.Uint16(rest)) {
		return false, answer(w, option, repErrInvalid, []byte("the option is not as long as it says"))
	}
	if !e.has(name) {
		return false, answer(w, option, repErrUnknown, []byte("there is no such export; the only one is "+e.name))
	}
	export := binary.BigEndian.AppendUint16(nil, infoExport)
	export = binary.BigEndian.AppendUint64(export, uint64(e.image.Size()))
	infos := [][]byte{binary.BigEndian.AppendUint16(export, e.flags(s))}
	for asked := rest[2:]; len(asked) > 0; asked = asked[2:] {
		info := append([]byte(nil), asked[:2]...)
		switch binary.BigEndian.Uint16(asked) {
		case infoName:
			infos = append(infos, append(info, e.name...))
		case infoDescription:
			infos = append(infos, append(info, e.description...))
		case infoBlockSize:
			for _, n := range []uint32{minBlock, preferredBlock, maxBlock} {
				info = binary.BigEndian.AppendUint32(info, n)
			}
			infos = append(infos, info)
		}
	}
	for _, info := range infos {
		if err := answer(w, option, repInfo, info); err != nil {
			return false, err
		}
	}
	return option == optGo, answer(w, option, repAck, nil)
}

// meta answers NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT.
func (e *export) meta(w io.Writer, s *session, option uint32, data []byte) error {
	if option == optSetMeta {
		s.allocation = false // a second one takes the place of the first
	}
	if !s.structured {
		return answer(w, option, repErrInvalid, []byte("structured replies come first"))
	}
	name, rest, ok := takeText(data)
	if !ok || len(rest) < 4 {
		return answer(w, option, repErrInvalid, []byte("the option is not as long as it says"))
	}
	queries := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	found := option == optListMeta && queries == 0
	for ; queries > 0; queries-- {
		var query string
		if query, rest, ok = takeText(rest); !ok {
			return answer(w, option, repErrInvalid, []byte("the option is not as long as it says"))
		}
		found = found || query == metaAllocation || option == optListMeta && query == "base:"
	}
	if len(rest) > 0 {
		return answer(w, option, repErrInvalid, []byte("the option is longer than it says"))
	}
	if !e.has(name) {
		return answer(w, option, repErrUnknown, []byte("there is no such export; the only one is "+e.name))
	}
	if found {
		id := uint32(0)
		if option == optSetMeta {
			id, s.allocation = metaAllocationID, true
		}
		if err := answer(w, option, repMetaContext, append(binary.BigEndian.AppendUint32(nil, id), metaAllocation...)); err != nil {
			return err
		}
	}
	return answer(w, option, repAck, nil)
}
