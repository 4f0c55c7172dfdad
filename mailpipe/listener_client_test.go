package mailpipe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"buzon/ticket"
)

// listenerPatience is how long a test waits for what must come.
const listenerPatience = 20 * time.Second

// counter takes messages and remembers them.
type counter struct {
	mu    sync.Mutex
	mails []taken
	err   error
	hook  func(ctx context.Context) // runs before a message is taken
}

type taken struct {
	env ticket.Envelope
	raw string
}

func (c *counter) Take(ctx context.Context, env ticket.Envelope, raw []byte) (ticket.Outcome, error) {
	c.mu.Lock()
	hook, err := c.hook, c.err
	c.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return ticket.Outcome{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mails = append(c.mails, taken{env, string(raw)})
	return ticket.Outcome{Event: ticket.EventTicketed, Number: 3181}, nil
}

func (c *counter) all() []taken {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mails)
}

// domainDirectory accepts a few addresses of uni.test, with any detail.
type domainDirectory struct{}

func (domainDirectory) Accepts(addr string) bool {
	base, _ := ticket.SplitPlus(addr)
	return slices.Contains([]string{"soporte@uni.test", "edx@uni.test", "postmaster@uni.test", "peña@uni.test"}, base)
}

// listenerLog is a log that tests may read.
type listenerLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *listenerLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}
func (l *listenerLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type testListener struct {
	*Listener
	take *counter
	logs *listenerLog
}

// startListener serves on a free port until the test ends, and then looks for
// leaked goroutines.
func startListener(t *testing.T, change func(*ListenerConfig)) *testListener {
	t.Helper()
	before := goleak.IgnoreCurrent()
	cfg := ListenerConfig{Hostname: "mx.uni.test", Addresses: []string{"127.0.0.1:0"}, MaxMessage: 64 << 10}
	if change != nil {
		change(&cfg)
	}
	l := &testListener{take: &counter{}, logs: &listenerLog{}}
	l.Listener = NewListener(cfg, l.take, domainDirectory{}, slog.New(slog.NewTextHandler(l.logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), listenerPatience)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, before)
	})
	return l
}

// client speaks SMTP in raw text.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (l *testListener) dial(t *testing.T) *client {
	t.Helper()
	addr := l.Addrs()[0]
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return newTestClient(t, conn)
}

func newTestClient(t *testing.T, conn net.Conn) *client {
	conn.SetDeadline(time.Now().Add(listenerPatience))
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatalf("sending %.60q: %v", s, err)
	}
}

// reply reads a reply of one or more lines.
func (c *client) reply() (string, error) {
	var all strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		all.WriteString(line)
		if err != nil || len(line) < 4 || line[3] != '-' {
			return all.String(), err
		}
	}
}

func (c *client) expect(prefix string) string {
	c.t.Helper()
	got, err := c.reply()
	if err != nil || !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("got %q, %v; want %s", got, err, prefix)
	}
	return got
}

// expectEnd reads until the connection has ended, and returns what came.
func (c *client) expectEnd() string {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		c.t.Fatalf("the connection stays open; %q came", rest)
	}
	return string(rest)
}

func (c *client) do(command, prefix string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	return c.expect(prefix)
}

// greet says EHLO.
func (c *client) greet() *client {
	c.t.Helper()
	c.expect("220 ")
	c.do("EHLO client.test", "250")
	return c
}

// address sends an envelope.
func (c *client) address() *client {
	c.t.Helper()
	c.do("MAIL FROM:<ana@alumni.test>", "250 2.")
	c.do("RCPT TO:<soporte@uni.test>", "250 2.")
	return c
}

// data begins a message.
func (c *client) data() *client {
	c.t.Helper()
	c.address()
	c.do("DATA", "354 ")
	return c
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(listenerPatience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

const message = "From: ana@alumni.test\r\nSubject: hola\r\n\r\nbuenas\r\n"
