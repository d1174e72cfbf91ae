package nbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cinder-go/cinder-go/driverstate"
)

const backupID = "11111111-2222-3333-4444-555555555555"

// plainImage is an image in memory, of which a part may be damaged.
type plainImage struct {
	data     []byte
	bad, end int64
}

func (m *plainImage) Size() int64 { return int64(len(m.data)) }

func (m *plainImage) ReadAt(_ context.Context, p []byte, off int64) error {
	if off < m.end && m.bad < off+int64(len(p)) {
		return driverstate.Fail(driverstate.ErrCorrupt, "object x: the hash of its data differs")
	}
	copy(p, m.data[off:])
	return nil
}

func (m *plainImage) Zeros(off, end int64) (bool, int64) {
	zero := m.data[off] == 0
	for at := off; at < end; at++ {
		if (m.data[at] == 0) != zero {
			return zero, at
		}
	}
	return zero, end
}

func (m *plainImage) Warnings() []string { return nil }
func (m *plainImage) Close() error       { return nil }

// dial serves image and connects to it.
func dial(t *testing.T, image driverstate.Image) (net.Conn, *Server) {
	t.Helper()
	s, err := Listen(t.Context(), driverstate.DeviceRequest{BackupID: backupID, Address: "127.0.0.1:0"}, image)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		conn.Close()
	})
	return conn, s
}

func options(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func option(number uint32, data []byte) []byte {
	return options(uint64(optionMagic), number, uint32(len(data)), data)
}

func want(number, reply uint32, data []byte) []byte {
	return options(uint64(replyMagic), number, reply, uint32(len(data)), data)
}

// requireTalk sends what the client says and compares what the server says.
func requireTalk(t *testing.T, conn net.Conn, say, hear []byte) {
	t.Helper()
	_, err := conn.Write(say)
	require.NoError(t, err)
	got := make([]byte, len(hear))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, hear, got)
}

var greeting = options("NBDMAGIC", "IHAVEOPT", uint16(3))

func TestTheHandshakeIsThatOfTheProtocol(t *testing.T) {
	conn, _ := dial(t, &plainImage{data: make([]byte, 1000)})
	requireTalk(t, conn, options(uint32(3)), greeting)
	requireTalk(t, conn, option(optList, nil), append(want(optList, repServer, text(backupID)), want(optList, repAck, nil)...))
	requireTalk(t, conn, option(5, nil), want(5, repErrUnsup, nil)) // TLS
	requireTalk(t, conn, option(optInfo, options(text("other"), uint16(0))), want(optInfo, repErrUnknown, []byte("there is no such export; the only one is "+backupID)))
	requireTalk(t, conn, option(optInfo, []byte("x")), want(optInfo, repErrInvalid, []byte("the option is not as long as it says")))
	requireTalk(t, conn, option(optSetMeta, options(text(""), uint32(1), text(metaAllocation))), want(optSetMeta, repErrInvalid, []byte("structured replies come first")))
	requireTalk(t, conn, option(optStructuredReply, nil), want(optStructuredReply, repAck, nil))
	requireTalk(t, conn, option(optListMeta, options(text(""), uint32(0))),
		append(want(optListMeta, repMetaContext, options(uint32(0), metaAllocation)), want(optListMeta, repAck, nil)...))
	requireTalk(t, conn, option(optSetMeta, options(text(""), uint32(2), text("qemu:dirty"), text(metaAllocation))),
		append(want(optSetMeta, repMetaContext, options(uint32(1), metaAllocation)), want(optSetMeta, repAck, nil)...))
	requireTalk(t, conn, option(99, make([]byte, maxOption+1)), want(99, repErrTooBig, []byte("the option is too long")))
	requireTalk(t, conn, option(optGo, options(text(backupID), uint16(1), uint16(infoBlockSize))), bytes.Join([][]byte{
		want(optGo, repInfo, options(uint16(0), uint64(1000), uint16(1|2|1<<7|1<<8))),
		want(optGo, repInfo, options(uint16(3), uint32(1), uint32(32<<10), uint32(32<<20))),
		want(optGo, repAck, nil),
	}, nil))
}

func TestOldClientsNameTheExport(t *testing.T) {
	conn, _ := dial(t, &plainImage{data: make([]byte, 1000)})
	requireTalk(t, conn, options(uint32(1)), greeting)
	requireTalk(t, conn, option(optExportName, nil), options(uint64(1000), uint16(1|2|1<<8), make([]byte, 124)))
	requireTalk(t, conn, options(uint32(requestMagic), uint16(0), uint16(cmdRead), "cookie01", uint64(0), uint32(4)),
		options(uint32(simpleMagic), uint32(0), "cookie01", make([]byte, 4)))
}

func TestWhatIsNoHandshakeIsHungUpOn(t *testing.T) {
	for _, say := range [][]byte{
		options(uint32(0)), options(uint32(7)), // flags
		options(uint32(3), "IHAVENOT", uint32(1), uint32(0)),
		options(uint32(3), uint64(optionMagic), uint32(3), uint32(1<<31)),
		append(options(uint32(3)), option(optExportName, []byte("other"))...),
	} {
		conn, _ := dial(t, &plainImage{data: make([]byte, 10)})
		requireTalk(t, conn, nil, greeting)
		_, err := conn.Write(say)
		require.NoError(t, err)
		rest, err := io.ReadAll(conn)
		assert.Empty(t, rest)
		if err != nil {
			assert.ErrorContains(t, err, "reset")
		}
	}
}

// opened is a connection in the transmission phase with structured replies.
func opened(t *testing.T, image driverstate.Image) (net.Conn, *Server) {
	conn, s := dial(t, image)
	requireTalk(t, conn, options(uint32(3)), greeting)
	requireTalk(t, conn, option(optStructuredReply, nil), want(optStructuredReply, repAck, nil))
	requireTalk(t, conn, option(optSetMeta, options(text(""), uint32(1), text(metaAllocation))),
		append(want(optSetMeta, repMetaContext, options(uint32(1), metaAllocation)), want(optSetMeta, repAck, nil)...))
	requireTalk(t, conn, option(optGo, options(text(""), uint16(0))),
		append(want(optGo, repInfo, options(uint16(0), uint64(image.Size()), uint16(1|2|1<<7|1<<8))), want(optGo, repAck, nil)...))
	return conn, s
}

func ask(command, flags uint16, off uint64, n uint32) []byte {
	return options(uint32(requestMagic), flags, command, "cookie01", off, n)
}

func reply(kind uint16, payload []byte) []byte {
	return options(uint32(structuredMagic), uint16(chunkDone), kind, "cookie01", uint32(len(payload)), payload)
}

func refusal(code uint32, why string) []byte {
	return reply(chunkError, options(code, uint16(len(why)), why))
}

func TestRequestsAreAnsweredAsTheProtocolSays(t *testing.T) {
	image := &plainImage{data: append(append(bytes.Repeat([]byte("data"), 100), make([]byte, 400)...), bytes.Repeat([]byte("more"), 50)...), bad: 900, end: 950}
	conn, s := opened(t, image)
	requireTalk(t, conn, ask(cmdRead, 0, 4, 8), reply(chunkOffsetData, options(uint64(4), "datadata")))
	requireTalk(t, conn, ask(cmdRead, 0, 400, 300), reply(chunkOffsetHole, options(uint64(400), uint32(300))))
	requireTalk(t, conn, ask(cmdRead, cmdFlagDF, 400, 4), reply(chunkOffsetData, options(uint64(400), make([]byte, 4))))
	requireTalk(t, conn, ask(cmdRead, 0, 5, 0), reply(chunkNone, nil))
	requireTalk(t, conn, ask(cmdBlockStatus, 0, 100, 800), reply(chunkBlockStatus,
		options(uint32(1), uint32(300), uint32(0), uint32(400), uint32(3), uint32(100), uint32(0))))
	requireTalk(t, conn, ask(cmdBlockStatus, cmdFlagReqOne, 500, 500), reply(chunkBlockStatus, options(uint32(1), uint32(300), uint32(3))))
	requireTalk(t, conn, ask(cmdRead, 0, 880, 30), refusal(errIO, "object x: the hash of its data differs"))
	requireTalk(t, conn, ask(cmdRead, 0, 880, 20), reply(chunkOffsetData, options(uint64(880), bytes.Repeat([]byte("more"), 5))))
	requireTalk(t, conn, ask(cmdRead, 0, 990, 11), refusal(errInvalid, "the request reaches beyond the end"))
	requireTalk(t, conn, ask(cmdRead, 0, 1<<63, 1<<31), refusal(errInvalid, "the request reaches beyond the end"))
	requireTalk(t, conn, append(ask(cmdWrite, 0, 0, 5), "hello"...), refusal(errPerm, "the backup is read-only"))
	requireTalk(t, conn, ask(cmdTrim, 0, 0, 5), refusal(errPerm, "the backup is read-only"))
	requireTalk(t, conn, ask(77, 0, 0, 5), refusal(errInvalid, "the command is not known here"))
	requireTalk(t, conn, ask(cmdRead, 0, 880, 30), refusal(errIO, "object x: the hash of its data differs"))
	u := s.Usage()
	assert.Equal(t, []driverstate.Problem{{BackupID: backupID, Reason: "object x: the hash of its data differs", Offset: 880, Length: 30}}, u.Problems, "each is told once")
	assert.Equal(t, int64(8+300+4+20), u.Bytes)
	assert.Equal(t, [2]int{1, 1}, [2]int{u.Connected, u.Clients})
	_, err := conn.Write(ask(cmdDisconnect, 0, 0, 0))
	require.NoError(t, err)
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Empty(t, rest)
}

func TestOnlyThisMachineIsServedUnlessAsked(t *testing.T) {
	image := &plainImage{}
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0"} {
		_, err := Listen(t.Context(), driverstate.DeviceRequest{BackupID: backupID, Address: address}, image)
		require.ErrorIs(t, err, driverstate.ErrInvalidInput, address)
	}
	s, err := Listen(t.Context(), driverstate.DeviceRequest{BackupID: backupID, Address: "0.0.0.0:0", AllowRemote: true}, image)
	require.NoError(t, err)
	s.listener.Close()
	path := t.TempDir() + "/a b"
	s, err = Listen(t.Context(), driverstate.DeviceRequest{BackupID: backupID, Socket: path}, image)
	require.NoError(t, err)
	assert.Equal(t, "nbd+unix:///?socket="+strings.ReplaceAll(path, " ", "%20"), s.URI())
	_, err = Listen(t.Context(), driverstate.DeviceRequest{BackupID: backupID, Socket: path}, image)
	require.ErrorIs(t, err, driverstate.ErrConflict)
	s.listener.Close()
	assert.NoFileExists(t, path)
}

// both reads what a client says and forgets what it is told.
type both struct {
	io.Reader
	io.Writer
}

// FuzzClient is a client that says anything: it may be hung up on, no more.
func FuzzClient(f *testing.F) {
	hello := options(uint32(3))
	f.Add(append(hello, option(optGo, options(text(""), uint16(0)))...))
	f.Add(bytes.Join([][]byte{hello, option(optStructuredReply, nil), option(optSetMeta, options(text(""), uint32(1), text(metaAllocation))),
		option(optGo, options(text(""), uint16(1), uint16(3))), ask(cmdRead, 0, 4, 8), ask(cmdBlockStatus, 0, 0, 500), append(ask(cmdWrite, 0, 0, 5), "hello"...),
		ask(cmdDisconnect, 0, 0, 0)}, nil))
	f.Add(bytes.Join([][]byte{hello, option(optListMeta, options(text(""), uint32(0))), option(optInfo, options(text(""), uint16(1))), option(optAbort, nil)}, nil))
	f.Fuzz(func(t *testing.T, says []byte) {
		image := &plainImage{data: append(make([]byte, 500), bytes.Repeat([]byte("x"), 500)...), bad: 900, end: 950}
		s := newServer(nil, driverstate.DeviceRequest{BackupID: backupID}, image)
		client := both{bytes.NewReader(says), io.Discard}
		session, err := s.export.handshake(client)
		if err != nil {
			return
		}
		err = s.export.transmit(t.Context(), client, client, session)
		require.False(t, errors.Is(err, context.Canceled), "%v", err)
	})
}
