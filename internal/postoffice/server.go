package postoffice

import (
	"errors"
	"net"
	"sync"
)

// server runs a protocol's server on a listener and can stop it for good: the
// libraries' own Close doesn't wait for connections, and misses those that were
// accepted but not yet registered.
type server struct {
	listener net.Listener
	result   chan error // of the library's Serve

	mutex   sync.Mutex
	closed  bool
	open    map[*conn]struct{}
	running sync.WaitGroup // a connection until the library closes it, which it does last
}

func serve(l net.Listener, run func(net.Listener) error) *server {
	s := &server{listener: l, result: make(chan error, 1), open: map[*conn]struct{}{}}
	go func() { s.result <- run(s) }()
	return s
}

// Accept is net.Listener's.
func (s *server) Accept() (net.Conn, error) {
	c, err := s.listener.Accept()
	if err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	tracked := &conn{Conn: c, server: s}
	s.open[tracked] = struct{}{}
	s.running.Add(1)
	return tracked, nil
}

// Close and Addr are net.Listener's.
func (s *server) Close() error   { return s.listener.Close() }
func (s *server) Addr() net.Addr { return s.listener.Addr() }

// close stops listening, breaks all connections and waits for them.
func (s *server) close() error {
	err := s.listener.Close()
	s.mutex.Lock()
	s.closed = true
	for c := range s.open {
		c.kill()
	}
	s.mutex.Unlock()
	s.running.Wait()
	if result := <-s.result; result != nil && !errors.Is(result, net.ErrClosed) {
		err = errors.Join(err, result)
	}
	return err
}

// conn is a connection that its server knows of.
type conn struct {
	net.Conn
	server *server
	once   sync.Once
}

// Close is called by the library when it is done with the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.server.mutex.Lock()
		delete(c.server.open, c)
		c.server.mutex.Unlock()
		c.server.running.Done()
	})
	return err
}

// kill breaks the connection; the library notices at its next read or write.
func (c *conn) kill() { c.Conn.Close() }
