package torture

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// imapProxy stands between the desk and its IMAP server.
type imapProxy struct {
	addr string
	// hide are capabilities that the desk shall not see.
	hide []string
	// refuse tells of each line of the desk whether the connection breaks instead
	// of passing it on; nil: none does.
	refuse func(line string) bool

	// await is looked for in what the desk says.
	await string

	mu     sync.Mutex
	found  bool
	server string
	down   bool
	conns  map[net.Conn]bool
}

func newProxy(tb testing.TB, server string, hide ...string) *imapProxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &imapProxy{addr: l.Addr().String(), hide: hide, server: server, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	tb.Cleanup(func() {
		l.Close()
		p.outage(true)
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", p.behind())
			if err != nil || !p.enter(client, back) {
				client.Close()
				continue
			}
			running.Go(func() { p.pass(back, client, p.asked) })
			running.Go(func() { p.pass(client, back, p.told) })
		}
	})
	return p
}

func (p *imapProxy) behind() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server
}

// replace puts another server in the place of the one that was there. It listens
// at an address of its own: while nobody listens at the old one, a client may be
// given that port for its end of a connection.
func (p *imapProxy) replace(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// outage breaks all connections and refuses new ones, until it is over.
func (p *imapProxy) outage(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = yes
	if yes {
		for c := range p.conns {
			c.Close()
		}
		clear(p.conns)
	}
}

func (p *imapProxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.down {
			c.Close()
			continue
		}
		p.conns[c] = true
	}
	return !p.down
}

// pass copies lines until one end is gone.
func (p *imapProxy) pass(to, from net.Conn, edit func(string) (string, bool)) {
	defer to.Close()
	defer from.Close()
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		line, ok := edit(line)
		if !ok {
			return
		}
		if _, wrong := io.WriteString(to, line); err != nil || wrong != nil {
			return
		}
	}
}

// told is what the desk gets of a line of the server.
func (p *imapProxy) told(line string) (string, bool) {
	if strings.Contains(line, "CAPABILITY ") {
		for _, name := range p.hide {
			line = strings.Replace(line, " "+name, "", 1)
		}
	}
	return line, true
}

// seen tells whether the desk said what was looked for.
func (p *imapProxy) seen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found
}

func (p *imapProxy) asked(line string) (string, bool) {
	if p.await != "" && strings.Contains(line, p.await) {
		p.mu.Lock()
		p.found = true
		p.mu.Unlock()
	}
	return line, p.refuse == nil || !p.refuse(line)
}
