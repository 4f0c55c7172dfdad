package mailpipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/semaphore"

	"buzon/ticket"
)

// Taker takes messages from the listener. *Pipe is one.
type Taker interface {
	// Take returns without error when the message is durable and applied. After
	// an error the sender is told to try again later, so the message may come
	// twice. raw is not kept.
	Take(ctx context.Context, env ticket.Envelope, raw []byte) (ticket.Outcome, error)
}

// What ListenerConfig.TLS may be.
const (
	ListenerTLSOff      = "off"      // or empty
	ListenerTLSStart    = "starttls" // offered (RFC 3207)
	ListenerTLSRequired = "required" // no MAIL before STARTTLS
	ListenerTLSImplicit = "implicit" // from the first octet (RFC 8314)
)

// ListenerConfig says where and how mail is taken over SMTP and LMTP. Zero
// values mean the defaults named here.
type ListenerConfig struct {
	Hostname   string   // in the greeting; localhost
	Addresses  []string // host:port, SMTP
	LMTPSocket string   // path of a unix socket, made with mode 0660; empty: none
	TLS        string   // of the SMTP addresses; off
	// Certificates is needed unless TLS is off.
	Certificates *CertificateReloader

	MaxMessage     int64 // octets of one message; 25 MiB
	MaxConnections int   // SMTP in all, and the same again for LMTP; 200
	MaxPerAddress  int   // SMTP, from one IPv4 address or IPv6 /64; 20
	MaxRecipients  int   // of one message; 100

	ReadTimeout time.Duration // of each read inside a message, each write, and a TLS handshake; 1 min
	DataTimeout time.Duration // of a whole message; 10 min
	IdleTimeout time.Duration // until a complete command has come; 5 min (RFC 5321, section 4.5.3.2.7)

	// Now is when a message was received; time.Now. Deadlines are the kernel's.
	Now func() time.Time
}

func (c ListenerConfig) withDefaults() ListenerConfig {
	c.Hostname = cmp.Or(c.Hostname, "localhost")
	c.TLS = cmp.Or(c.TLS, ListenerTLSOff)
	c.MaxMessage = cmp.Or(c.MaxMessage, 25<<20)
	c.MaxConnections = cmp.Or(c.MaxConnections, 200)
	c.MaxPerAddress = cmp.Or(c.MaxPerAddress, 20)
	c.MaxRecipients = cmp.Or(c.MaxRecipients, 100)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, time.Minute)
	c.DataTimeout = cmp.Or(c.DataTimeout, 10*time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 5*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c ListenerConfig) validate() error {
	switch c.TLS {
	case ListenerTLSOff:
	case ListenerTLSStart, ListenerTLSRequired, ListenerTLSImplicit:
		if c.Certificates == nil {
			return fmt.Errorf("starting the listener with tls = %q: there is no certificate; name a certificate and a key file", c.TLS)
		}
	default:
		return fmt.Errorf("starting the listener: tls = %q is unknown; use off, starttls, required or implicit", c.TLS)
	}
	return nil
}

// Listener takes mail over SMTP (RFC 5321) and LMTP (RFC 2033) and acknowledges
// a message only when a Taker has taken it. It never relays.
type Listener struct {
	cfg  ListenerConfig
	take Taker
	dir  Directory
	log  *slog.Logger

	// memory is what messages over freeMessage octets may occupy together.
	memory     *semaphore.Weighted
	memoryWait time.Duration

	ctx    context.Context // ends when Close gives up waiting
	cancel context.CancelFunc
	wg     sync.WaitGroup // accept loops and connections

	mu        sync.Mutex
	activated []net.Listener
	sockets   []net.Listener
	conns     map[*listenerConn]struct{}
	stopping  bool
}

// NewListener makes a listener; Start opens it.
func NewListener(cfg ListenerConfig, take Taker, dir Directory, log *slog.Logger) *Listener {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Listener{
		cfg: cfg, take: take, dir: dir, log: log,
		// One message of the greatest size must always fit.
		memory:     semaphore.NewWeighted(max(memoryBudget, cfg.MaxMessage+1)),
		memoryWait: 5 * time.Second,
		ctx:        ctx, cancel: cancel,
		conns: make(map[*listenerConn]struct{}),
	}
}

// Activate makes Start use sockets that are already open, such as those passed
// by systemd, instead of binding its own. Those of the unix kind speak LMTP.
func (l *Listener) Activate(sockets []net.Listener) { l.activated = sockets }

// Start binds every address, or none, and serves them in the background. The
// error names the address and what to do about it.
func (l *Listener) Start() error {
	if err := l.cfg.validate(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping || l.sockets != nil {
		return errors.New("starting the listener: it was started or closed before; make a new one")
	}
	sockets := l.activated
	if len(sockets) == 0 {
		var err error
		if sockets, err = l.bind(); err != nil {
			return err
		}
	}
	l.sockets = sockets
	smtpGate := &connGate{max: l.cfg.MaxConnections, perAddress: l.cfg.MaxPerAddress}
	lmtpGate := &connGate{max: l.cfg.MaxConnections}
	for _, socket := range sockets {
		lmtp := socket.Addr().Network() == "unix"
		g := smtpGate
		if lmtp {
			g = lmtpGate // a flood from outside must not shut out the local server
		}
		l.wg.Go(func() { l.accept(socket, g, lmtp) })
		l.log.Info("listening", ticket.LogAccount, protocol(lmtp), "address", socket.Addr().String(), "tls", l.cfg.TLS)
	}
	return nil
}

// Addrs returns the addresses that are listened on, as the system gave them.
func (l *Listener) Addrs() []net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	var addrs []net.Addr
	for _, s := range l.sockets {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// Close stops accepting, dismisses connections that are between messages with
// 421, and lets messages that are being received or taken finish until ctx ends.
// It returns an error when some did not.
func (l *Listener) Close(ctx context.Context) error {
	l.mu.Lock()
	l.stopping = true
	for _, s := range l.sockets {
		s.Close()
	}
	for c := range l.conns {
		c.stop()
	}
	l.mu.Unlock()

	done := make(chan struct{})
	go func() {
		l.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		l.cancel()
		return nil
	case <-ctx.Done():
	}
	l.cancel()
	l.mu.Lock()
	for c := range l.conns {
		c.Conn.Close()
	}
	l.mu.Unlock()
	select { // whoever heeds the context has ended soon
	case <-done:
	case <-time.After(2 * time.Second):
	}
	return fmt.Errorf("closing the listener with messages in progress: %w", ctx.Err())
}

func (l *Listener) isStopping() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopping
}

func (l *Listener) accept(socket net.Listener, g *connGate, lmtp bool) {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		sock, err := socket.Accept()
		if err != nil {
			if l.isStopping() {
				return
			}
			// Out of file descriptors, or of something else that others give back.
			l.log.Error("not accepting", ticket.LogError, err)
			time.Sleep(pause)
			pause = min(2*pause, longest)
			continue
		}
		pause = shortest
		peer := peerOf(sock)
		if !g.enter(peer) {
			l.turnAway(sock, lmtp)
			continue
		}
		l.wg.Go(func() {
			defer g.leave(peer)
			l.serve(sock, lmtp)
		})
	}
}

// turnAway tells a client over a cap to come back later. With implicit TLS there
// is no cheap way to tell.
func (l *Listener) turnAway(sock net.Conn, lmtp bool) {
	l.log.Info("refused", ticket.LogReason, "too many connections", ticket.LogRemote, remoteIP(sock))
	if lmtp || l.cfg.TLS != ListenerTLSImplicit {
		sock.SetWriteDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(sock, "421 4.7.0 %s too many connections, try again later\r\n", l.cfg.Hostname)
	}
	sock.Close()
}

// serve speaks with one client until it is gone. Each connection has a server of
// go-smtp's of its own, because limits and log belong to the server there and
// must change with what the connection is doing (see listenerConn.command).
func (l *Listener) serve(sock net.Conn, lmtp bool) {
	log := l.log.With(ticket.LogRemote, remoteIP(sock))
	c := newListenerConn(l, sock, lmtp, log)
	l.mu.Lock()
	l.conns[c] = struct{}{}
	if l.stopping {
		c.stop()
	}
	l.mu.Unlock()
	defer func() {
		c.Close()
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
	}()

	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		c.session = &listenerSession{l: l, conn: c}
		return c.session, nil
	}))
	srv.LMTP = lmtp
	srv.Domain = l.cfg.Hostname
	srv.MaxRecipients = l.cfg.MaxRecipients
	srv.MaxLineLength = maxLine
	srv.EnableSMTPUTF8 = true
	srv.AllowInsecureAuth = true // there is no AUTH; without this it would be refused for want of TLS
	srv.ErrorLog = smtpLog{log}
	c.server = srv
	if !lmtp && l.cfg.TLS != ListenerTLSOff {
		config := l.cfg.Certificates.TLSConfig()
		if l.cfg.TLS == ListenerTLSImplicit {
			if err := c.secure(config); err != nil {
				log.Debug("TLS handshake failed", ticket.LogError, err)
				return
			}
		} else {
			srv.TLSConfig = config // has STARTTLS advertised
		}
	}
	srv.Serve(&singleListener{conn: c}) // returns at once: a second connection never comes
	srv.Shutdown(context.Background())  // returns when the first one has ended
}

// singleListener accepts the one connection that it was given.
type singleListener struct{ conn net.Conn }

func (s *singleListener) Accept() (net.Conn, error) {
	if c := s.conn; c != nil {
		s.conn = nil
		return c, nil
	}
	return nil, io.EOF
}
func (s *singleListener) Close() error   { return nil }
func (s *singleListener) Addr() net.Addr { return &net.UnixAddr{} }

// smtpLog hands on what go-smtp has to say: panics, and how connections ended.
type smtpLog struct{ log *slog.Logger }

func (s smtpLog) Printf(format string, v ...any) {
	level := slog.LevelDebug
	if strings.HasPrefix(format, "panic") {
		level = slog.LevelError
	}
	s.log.Log(context.Background(), level, "connection failed", ticket.LogError, fmt.Sprintf(format, v...))
}
func (s smtpLog) Println(v ...any) { s.Printf("%s", fmt.Sprint(v...)) }
