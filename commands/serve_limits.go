package commands

import (
	"net"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

// limitOptions bound what clients can take of a server.
type limitOptions struct {
	requests    int
	connections int
	headerSize  int
	readTime    time.Duration
	writeTime   time.Duration
	idleTime    time.Duration
}

func (o *limitOptions) addFlags(fs *pflag.FlagSet) {
	fs.IntVar(&o.requests, "max-requests", 256, "requests that are worked on at once; one more waits up to 5 s and is then answered with 503")
	fs.IntVar(&o.connections, "max-connections", 4096, "connections that are open at once; more wait in the system's queue")
	fs.IntVar(&o.headerSize, "max-header-size", 64<<10, "bytes of a request's headers; more are answered with 431")
	fs.DurationVar(&o.readTime, "read-timeout", time.Minute, "how long a request may take to arrive")
	fs.DurationVar(&o.writeTime, "write-timeout", 15*time.Minute, "how long a request may take to be answered, from its headers to the last byte")
	fs.DurationVar(&o.idleTime, "idle-timeout", 2*time.Minute, "how long a connection may wait for the next request")
}

func (o *limitOptions) check() error {
	for _, f := range []struct {
		name string
		ok   bool
	}{
		{"max-requests", o.requests > 0}, {"max-connections", o.connections > 0}, {"max-header-size", o.headerSize > 0},
		{"read-timeout", o.readTime > 0}, {"write-timeout", o.writeTime > 0}, {"idle-timeout", o.idleTime > 0},
	} {
		if !f.ok {
			return usagef("--%s must be more than 0", f.name)
		}
	}
	return nil
}

// limitListener accepts a connection when fewer than its capacity are open.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimitListener(l net.Listener, n int) *limitListener {
	return &limitListener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept waits for a slot, and then for a connection.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitConn{Conn: conn, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close ends Accept.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitConn gives its slot back when it is closed.
type limitConn struct {
	net.Conn
	free func()
}

// Close closes the connection.
func (c *limitConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
