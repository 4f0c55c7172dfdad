package mailpipe

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// scriptedServer runs script for each connection, numbered from 1.
func scriptedServer(t *testing.T, script func(n int, c *scriptedConn)) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				script(n, &scriptedConn{Conn: conn, r: bufio.NewReader(conn), stop: stop})
			})
		}
	})
	t.Cleanup(func() {
		close(stop)
		listener.Close()
		wg.Wait()
	})
	return listener
}

type scriptedConn struct {
	net.Conn
	r    *bufio.Reader
	stop chan struct{}
}

func (c *scriptedConn) say(lines ...string) {
	io.WriteString(c.Conn, strings.Join(lines, "\r\n")+"\r\n")
}

// hear reads a command and returns it; empty at the end.
func (c *scriptedConn) hear() string {
	line, _ := c.r.ReadString('\n')
	return strings.TrimSpace(line)
}

// body reads up to the final dot.
func (c *scriptedConn) body() string {
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

// mute reads and says nothing until the peer goes away or the test ends.
func (c *scriptedConn) mute() {
	gone := make(chan struct{})
	go func() { io.Copy(io.Discard, c.r); close(gone) }()
	select {
	case <-gone:
	case <-c.stop:
		c.Close()
		<-gone
	}
}

// serve plays a well-behaved server until before returns false for a command, or
// the peer leaves; it returns that command. before is also told "." after a body.
func (c *scriptedConn) serve(before func(command, body string) bool) string {
	c.say("220 scripted")
	for {
		command := c.hear()
		verb, _, _ := strings.Cut(strings.ToUpper(command), " ")
		if verb == "" || !before(command, "") {
			return command
		}
		switch verb {
		case "EHLO":
			c.say("250-scripted", "250 8BITMIME")
		case "DATA":
			c.say("354 go on")
			body := c.body()
			if !before(".", body) {
				return "."
			}
			c.say("250 2.0.0 taken")
		case "QUIT":
			c.say("221 bye")
			return command
		default:
			c.say("250 2.0.0 fine")
		}
	}
}
