package mailpipe

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

func (l *Listener) bind() (sockets []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, s := range sockets {
				s.Close()
			}
		}
	}()
	for _, address := range l.cfg.Addresses {
		s, err := net.Listen("tcp", address)
		if err != nil {
			return sockets, fmt.Errorf("listening for SMTP on %s: %w%s", address, err, bindHint(err))
		}
		sockets = append(sockets, s)
	}
	if path := l.cfg.LMTPSocket; path != "" {
		s, err := listenUnix(path)
		if err != nil {
			return sockets, fmt.Errorf("listening for LMTP on %s: %w%s", path, err, bindHint(err))
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

func bindHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program listens there: find it with `ss -ltnxp` and stop it, or choose another address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; no interface of this machine has this address: see `ip address`, or use 0.0.0.0"
	case errors.Is(err, fs.ErrPermission):
		return "; ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit file or a socket unit, and a unix socket a folder that may be written to"
	case errors.Is(err, fs.ErrNotExist):
		return "; make the folder first"
	}
	return ""
}

// listenUnix replaces a socket that a killed process left behind, and nothing
// else.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, errors.New("there is a file of this name that is not a socket; move it away or choose another path")
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, syscall.EADDRINUSE
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("looking whether the socket is in use: %w", err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing the stale socket: %w", err)
		}
	}
	s, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// connGate counts open connections.
type connGate struct {
	max, perAddress int

	mu    sync.Mutex
	total int
	by    map[netip.Prefix]int
}

// enter tells whether one more connection is allowed, and counts it.
func (g *connGate) enter(peer netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= g.max || peer.IsValid() && g.by[peer] >= g.perAddress {
		return false
	}
	if g.by == nil {
		g.by = make(map[netip.Prefix]int)
	}
	g.total++
	g.by[peer]++
	return true
}

func (g *connGate) leave(peer netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.by[peer]--; g.by[peer] == 0 {
		delete(g.by, peer)
	}
}

// peerOf is what counts as one address: a host of IPv4, a /64 of IPv6, where one
// customer has no less. It is invalid for a unix socket.
func peerOf(c net.Conn) netip.Prefix {
	addr, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := addr.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}

// remoteIP is empty for a unix socket.
func remoteIP(c net.Conn) string {
	if addr, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return addr.AddrPort().Addr().Unmap().String()
	}
	return ""
}

// protocol is the account that messages are entered under.
func protocol(lmtp bool) string {
	if lmtp {
		return "lmtp"
	}
	return "smtp"
}
