package nbd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/cinder-go/cinder-go/driverstate"
)

const (
	// handshakeTime bounds the handshake of a client.
	handshakeTime = 30 * time.Second
	// sendTime bounds the sending of one reply.
	sendTime = 60 * time.Second
	// maxClients is how many may be connected at once.
	maxClients = 64
	// maxMemory bounds the bytes of the replies that are worked on.
	maxMemory = 2 * maxBlock
	// maxProblems bounds what Usage lists.
	maxProblems = 1000
)

// export is the one image that is served.
type export struct {
	server      *Server
	image       driverstate.Image
	name        string
	description string
}

// Server serves one image. It owns the listener, not the image.
type Server struct {
	export   export
	listener net.Listener
	memory   *semaphore.Weighted

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	usage driverstate.DeviceUsage
	seen  map[driverstate.Problem]bool
}

// Listen listens where r says, for an image of the backup that r names.
// ErrInvalidInput when that is an address that others can reach and r does not
// allow it.
func Listen(ctx context.Context, r driverstate.DeviceRequest, image driverstate.Image) (*Server, error) {
	listener, err := listen(ctx, r)
	if err != nil {
		return nil, err
	}
	return newServer(listener, r, image), nil
}

func newServer(listener net.Listener, r driverstate.DeviceRequest, image driverstate.Image) *Server {
	s := &Server{
		listener: listener, memory: semaphore.NewWeighted(maxMemory),
		conns: map[net.Conn]struct{}{}, seen: map[driverstate.Problem]bool{},
	}
	s.export = export{s, image, r.BackupID, "Cinder backup " + r.BackupID}
	return s
}

func listen(ctx context.Context, r driverstate.DeviceRequest) (net.Listener, error) {
	var config net.ListenConfig
	if r.Socket != "" {
		l, err := config.Listen(ctx, "unix", r.Socket)
		if err != nil {
			return nil, driverstate.Fail(driverstate.ErrConflict, fmt.Sprintf("socket %s: %v: name another, or remove it if nobody listens there", r.Socket, err))
		}
		// The directory is the operator's; the socket is for its owner alone.
		if err := os.Chmod(r.Socket, 0o600); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return l, nil
	}
	address, err := net.ResolveTCPAddr("tcp", r.Address)
	if err != nil {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf("address %q: %v", r.Address, err))
	}
	if !address.IP.IsLoopback() && !r.AllowRemote {
		return nil, driverstate.Fail(driverstate.ErrInvalidInput, fmt.Sprintf(
			"address %q can be reached from other machines, and who connects is asked for no password", r.Address))
	}
	l, err := config.Listen(ctx, "tcp", address.String())
	if err != nil {
		return nil, driverstate.Fail(driverstate.ErrConflict, err.Error())
	}
	return l, nil
}

// URI is what clients are given (proto.md's companion uri.md).
func (s *Server) URI() string {
	a := s.listener.Addr()
	if a.Network() == "unix" {
		return "nbd+unix:///?socket=" + strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(a.String()))
	}
	return "nbd://" + a.String()
}

// Serve answers clients until ctx ends. When it returns, nobody is connected.
func (s *Server) Serve(ctx context.Context) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	stop := context.AfterFunc(ctx, s.hangUp)
	defer stop()
	defer s.hangUp()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if !s.enter(ctx, conn) {
			conn.Close()
			continue
		}
		clients.Go(func() {
			defer s.leave(conn)
			s.converse(ctx, conn)
		})
	}
}

// hangUp closes the listener and all connections.
func (s *Server) hangUp() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
}

func (s *Server) enter(ctx context.Context, conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || len(s.conns) >= maxClients {
		return false
	}
	s.conns[conn] = struct{}{}
	s.usage.Clients++
	return true
}

func (s *Server) leave(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// converse speaks with one client. What is wrong with what it sends is its own
// affair: it is hung up on.
func (s *Server) converse(ctx context.Context, conn net.Conn) {
	if conn.SetDeadline(time.Now().Add(handshakeTime)) != nil {
		return
	}
	session, err := s.export.handshake(conn)
	if err != nil || conn.SetDeadline(time.Time{}) != nil {
		return
	}
	_ = s.export.transmit(ctx, bufio.NewReader(conn), patient{conn}, session)
}

// patient gives a client sendTime for each write, and hangs up on one that does
// not take it.
type patient struct{ net.Conn }

func (p patient) Write(b []byte) (n int, err error) {
	if err = p.SetWriteDeadline(time.Now().Add(sendTime)); err == nil {
		n, err = p.Conn.Write(b)
	}
	if err != nil {
		p.Close()
	}
	return n, err
}

// sent counts n bytes that were served.
func (s *Server) sent(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage.Bytes += n
}

// blame remembers why n bytes at off could not be served.
func (s *Server) blame(err error, off, n int64) {
	p := driverstate.Problem{BackupID: s.export.name, Reason: err.Error(), Offset: off, Length: n}
	var fault driverstate.Damaged
	if errors.As(err, &fault) {
		p = fault.Damage()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[p] {
		return
	}
	if len(s.usage.Problems) == maxProblems {
		s.usage.MoreProblems++
		return
	}
	s.seen[p] = true
	s.usage.Problems = append(s.usage.Problems, p)
}

// Usage is what has come of it so far.
func (s *Server) Usage() driverstate.DeviceUsage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.usage
	u.Connected = len(s.conns)
	return u
}
