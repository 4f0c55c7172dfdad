package mailpipe

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// badServer is an IMAP server that behaves until hook, which sees each command
// first, does otherwise.
type badServer struct {
	port int
	// hook returns true when it has answered. n counts connections from 1.
	hook func(c *badConn, tag, command string) bool
	caps string

	mu       sync.Mutex
	messages map[int]string // by UID
	sizes    map[int]int    // where they differ from the truth
	next     int            // UIDNEXT
	moved    []int
	commands []string
	logins   int
}

type badConn struct {
	net.Conn
	s *badServer
	r *bufio.Reader
	n int
}

func (c *badConn) send(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }

func startBadServer(t *testing.T, hook func(c *badConn, tag, command string) bool, subjects ...string) *badServer {
	t.Helper()
	s := &badServer{hook: hook, next: 1, caps: "IMAP4rev1 IDLE MOVE UIDPLUS SASL-IR AUTH=PLAIN", messages: map[int]string{}, sizes: map[int]int{}}
	for i, subject := range subjects {
		s.messages[i+1] = imapMessage(subject)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &countingListener{Listener: inner}
	s.port = inner.Addr().(*net.TCPAddr).Port
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c := &badConn{Conn: conn, s: s, r: bufio.NewReader(conn), n: n}
			wg.Go(func() { defer conn.Close(); c.serve() })
		}
	})
	t.Cleanup(func() { ln.Close(); ln.breakAll(); wg.Wait() })
	return s
}

func (c *badConn) serve() {
	if c.s.hook(c, "*", "greeting") {
		return
	}
	c.s.mu.Lock()
	caps := c.s.caps
	c.s.mu.Unlock()
	c.send("* OK [CAPABILITY %s] ready", caps)
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		c.s.mu.Lock()
		c.s.commands = append(c.s.commands, command)
		c.s.mu.Unlock()
		if !c.s.hook(c, tag, command) {
			c.behave(tag, command)
		}
	}
}

func (c *badConn) behave(tag, command string) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for uid := range c.s.messages {
		c.s.next = max(c.s.next, uid+1)
	}
	word := strings.TrimPrefix(command, "UID ")
	verb, args, _ := strings.Cut(word, " ")
	switch verb {
	case "CAPABILITY":
		c.send("* CAPABILITY %s", c.s.caps)
	case "LOGIN", "AUTHENTICATE":
		c.s.logins++
	case "SELECT":
		c.send("* %d EXISTS\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] x", len(c.s.messages), c.s.next)
	case "SEARCH":
		var l []string
		for _, uid := range c.uids() {
			l = append(l, strconv.Itoa(uid))
		}
		c.send("* SEARCH %s", strings.Join(l, " "))
	case "FETCH":
		for i, uid := range c.uids() {
			if !inSet(args, uid) {
				continue
			}
			raw := c.s.messages[uid]
			if strings.Contains(args, "BODY.PEEK[]") {
				c.send("* %d FETCH (UID %d BODY[] {%d}\r\n%s)", i+1, uid, len(raw), raw)
				continue
			}
			size, ok := c.s.sizes[uid]
			if !ok {
				size = len(raw)
			}
			c.send(`* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE "24-Nov-2026 10:00:00 -0500")`, i+1, uid, size)
		}
	case "MOVE":
		for _, uid := range c.uids() {
			if inSet(args, uid) {
				delete(c.s.messages, uid)
				c.s.moved = append(c.s.moved, uid)
			}
		}
	case "IDLE":
		c.send("+ idling")
		c.s.mu.Unlock()
		line, _ := c.r.ReadString('\n')
		c.s.mu.Lock()
		if strings.TrimSpace(line) != "DONE" {
			return
		}
	}
	c.send("%s OK done", tag)
}

func (c *badConn) uids() []int {
	var l []int
	for uid := range c.s.messages {
		l = append(l, uid)
	}
	slices.Sort(l)
	return l
}

var rangeRE = regexp.MustCompile(`(\d+)(?::(\d+))?`)

// inSet tells whether the set at the start of args holds uid.
func inSet(args string, uid int) bool {
	set, _, _ := strings.Cut(args, " ")
	for _, r := range rangeRE.FindAllStringSubmatch(set, -1) {
		first, _ := strconv.Atoi(r[1])
		last, err := strconv.Atoi(r[2])
		if err != nil {
			last = first
		}
		if uid >= first && uid <= last {
			return true
		}
	}
	return false
}

func (s *badServer) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func isBodyFetch(command string, uid int) bool {
	args, ok := strings.CutPrefix(command, "UID FETCH ")
	return ok && strings.Contains(args, "BODY.PEEK[]") && inSet(args, uid)
}

// decodeSASL reads what follows AUTHENTICATE MECHANISM.
func decodeSASL(t *testing.T, command string) string {
	t.Helper()
	fields := strings.Fields(command)
	raw, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil {
		t.Errorf("SASL response in %q: %v", command, err)
	}
	return string(raw)
}
