package mailpipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"go.uber.org/goleak"

	"buzon/ticket"
)

// imapDesk is a desk and a ledger that remember everything in memory. Like the
// real one it knows a message again by its transport key and by its content.
type imapDesk struct {
	mu       sync.Mutex
	states   map[string]ticket.MailboxState
	seen     map[string]bool // transport keys
	effects  []string        // bodies that had an effect, in order
	offered  int             // how often Take was called
	envs     map[string]ticket.Envelope
	unsettle map[string][]uint32
	settled  []uint32
	// refuse, if set, is asked before a message is taken.
	refuse func(raw []byte) error
	// dead makes Save hang until its context ends: nothing after it happens, as
	// in a crash.
	dead bool
	// saveErr is what Save returns.
	saveErr error
}

func newIMAPDesk() *imapDesk {
	return &imapDesk{states: map[string]ticket.MailboxState{}, seen: map[string]bool{}, envs: map[string]ticket.Envelope{},
		unsettle: map[string][]uint32{}}
}

func (d *imapDesk) Take(_ context.Context, env ticket.Envelope, raw []byte) (ticket.Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offered++
	if d.refuse != nil {
		if err := d.refuse(raw); err != nil {
			return ticket.Outcome{}, err
		}
	}
	key := env.TransportKey(sha256.Sum256(raw))
	if d.seen[key] {
		return ticket.Outcome{}, nil
	}
	d.seen[key] = true
	box := env.Account + "/" + env.Mailbox
	d.unsettle[box] = append(d.unsettle[box], env.UID)
	if content := string(raw); !slices.Contains(d.effects, content) {
		d.effects = append(d.effects, content)
		d.envs[content] = env
	}
	return ticket.Outcome{}, nil
}

func (d *imapDesk) Load(_ context.Context, account, mailbox string) (ticket.MailboxState, []uint32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	box := account + "/" + mailbox
	state := d.states[box]
	state.Copied = slices.Clone(state.Copied)
	return state, slices.Clone(d.unsettle[box]), nil
}

func (d *imapDesk) Save(ctx context.Context, account, mailbox string, state ticket.MailboxState, settled []uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		d.mu.Unlock()
		<-ctx.Done()
		d.mu.Lock()
		return ctx.Err()
	}
	if d.saveErr != nil {
		return d.saveErr
	}
	box := account + "/" + mailbox
	if d.states[box].UIDValidity != state.UIDValidity {
		d.unsettle[box] = nil
	}
	state.Copied = slices.Clone(state.Copied)
	d.states[box] = state
	d.unsettle[box] = slices.DeleteFunc(d.unsettle[box], func(uid uint32) bool { return slices.Contains(settled, uid) })
	d.settled = append(d.settled, settled...)
	return nil
}

// subjects lists the subjects of the messages that had an effect, in order.
func (d *imapDesk) subjects() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var l []string
	for _, raw := range d.effects {
		l = append(l, subjectOf(raw))
	}
	return l
}

func (d *imapDesk) sorted() []string { return slices.Sorted(slices.Values(d.subjects())) }

func (d *imapDesk) state(box string) ticket.MailboxState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.states[box]
}

func (d *imapDesk) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func subjectOf(raw string) string {
	_, after, _ := strings.Cut(raw, "Subject: ")
	subject, _, _ := strings.Cut(after, "\r\n")
	return subject
}

func imapMessage(subject string) string {
	return "From: ana@example.org\r\nTo: soporte@example.test\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@example.org>\r\n\r\nHola.\r\n"
}

// memServer is an IMAP server in memory, on a real socket.
type memServer struct {
	t    *testing.T
	user *imapmemserver.User
	ln   *countingListener
	port int
}

// countingListener can break its connections.
type countingListener struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *countingListener) breakAll() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.conns)
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
	return n
}

var fullCaps = []imap.Cap{imap.CapIMAP4rev1, imap.CapMove, imap.CapUIDPlus}

func startMemServer(t *testing.T, caps ...imap.Cap) *memServer {
	t.Helper()
	if len(caps) == 0 {
		caps = fullCaps
	}
	user := imapmemserver.NewUser("soporte", "secreto")
	for _, box := range []string{"INBOX", "Procesados"} {
		if err := user.Create(box, nil); err != nil {
			t.Fatal(err)
		}
	}
	backend := imapmemserver.New()
	backend.AddUser(user)
	set := imap.CapSet{}
	for _, c := range caps {
		set[c] = struct{}{}
	}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return backend.NewSession(), nil, nil
		},
		Caps:         set,
		InsecureAuth: true,
		Logger:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	})
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &countingListener{Listener: inner}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(ln) }()
	t.Cleanup(func() { server.Close(); ln.breakAll(); <-served })
	return &memServer{t: t, user: user, ln: ln, port: inner.Addr().(*net.TCPAddr).Port}
}

func (s *memServer) deliver(box string, raw string, at time.Time) {
	s.t.Helper()
	if _, err := s.user.Append(box, literal{strings.NewReader(raw)}, &imap.AppendOptions{Time: at}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *memServer) deliverAll(box string, subjects ...string) {
	s.t.Helper()
	for _, subject := range subjects {
		s.deliver(box, imapMessage(subject), time.Time{})
	}
}

// literal is a strings.Reader as the server wants it.
type literal struct{ *strings.Reader }

func (l literal) Size() int64 { return int64(l.Len()) }

func (s *memServer) status(box string) (all, unseen uint32) {
	s.t.Helper()
	st, err := s.user.Status(box, &imap.StatusOptions{NumMessages: true, NumUnseen: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return *st.NumMessages, *st.NumUnseen
}

func (s *memServer) config() IMAPConfig { return plainConfig(s.port) }

func plainConfig(port int) IMAPConfig {
	return IMAPConfig{Account: "soporte", Mailbox: "INBOX", Idle: true, Backlog: true, Poll: time.Hour, Server: ServerConfig{
		Host: "127.0.0.1", Port: port, TLS: "plain", Username: "soporte",
		Password: func() (string, error) { return "secreto", nil },
	}}
}

// quickLimits are short where something is expected to fail, and so long where a
// test must not depend on them that it would fail by its own deadline first.
var quickLimits = imapLimits{
	dial: 10 * time.Second, command: 10 * time.Second, body: 10 * time.Second,
	// The server in memory does not announce, in IDLE, what came just before it.
	idleMin: 10 * time.Millisecond, idle: 100 * time.Millisecond,
	alarmAfter: time.Hour, permanent: 0, stuck: time.Hour, backoffMin: time.Millisecond, backoffMax: 20 * time.Millisecond,
}

// runningWorker is a worker in a goroutine, with its latest status.
type runningWorker struct {
	*IMAPWorker
	stop func()
	log  *logBuffer

	mu     sync.Mutex
	st     WorkerStatus
	alarms int // how often Alarm turned true
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (r *runningWorker) status() WorkerStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.st
}

func runWorker(t *testing.T, cfg IMAPConfig, desk *imapDesk, limits imapLimits) *runningWorker {
	t.Helper()
	r := &runningWorker{log: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.IMAPWorker = NewIMAPWorker(cfg, desk, desk, func(_, _ string, st WorkerStatus) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if st.Alarm && !r.st.Alarm {
			r.alarms++
		}
		r.st = st
	}, log, time.Now)
	r.setLimits(limits)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of the worker:\n%s", r.log)
		}
	})
	return r
}

// noLeaks makes the test fail when goroutines outlive it. Call it first.
func noLeaks(t *testing.T) {
	t.Helper()
	present := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, present) })
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

func numbered(n int) (l []string) {
	for i := range n {
		l = append(l, fmt.Sprintf("mensaje %03d", i))
	}
	return l
}
