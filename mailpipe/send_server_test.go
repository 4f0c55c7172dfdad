package mailpipe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"buzon/ticket"
)

// patience bounds every wait of a test; nothing is expected to take that long.
const patience = 20 * time.Second

// waitUntil waits until f is true.
func waitUntil(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// manualClock stands still until it is moved.
type manualClock struct {
	mu sync.Mutex
	t  time.Time
}

func newManualClock() *manualClock {
	return &manualClock{t: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func (c *manualClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *manualClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// reported is one call of Report.
type reported struct {
	id     uint64
	result ticket.Result
	next   time.Time
}

// memoryOutbox is an outbox in memory.
type memoryOutbox struct {
	mu       sync.Mutex
	rows     []*ticket.Outgoing
	reports  []reported
	archive  memoryArchive
	readErr  error
	failures int // of Report, still to come
}

func (b *memoryOutbox) add(row *ticket.Outgoing) *ticket.Outgoing {
	b.mu.Lock()
	defer b.mu.Unlock()
	row.ID = uint64(len(b.rows) + 1)
	row.State = ticket.OutgoingWaiting
	if row.Chunks == nil {
		row.Chunks = []ticket.Chunk{{Literal: fmt.Appendf(nil, "Subject: %d\r\n\r\nHola %d\r\n", row.ID, row.ID)}}
	}
	b.rows = append(b.rows, row)
	return row
}

func (b *memoryOutbox) Due(_ context.Context, now time.Time, limit int, skip func(uint64) bool) (due []*ticket.Outgoing, next time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, row := range b.rows {
		switch {
		case row.State != ticket.OutgoingWaiting || skip(row.ID):
		case row.NextTry.After(now):
			if next.IsZero() || row.NextTry.Before(next) {
				next = row.NextTry
			}
		case len(due) < limit:
			copied := *row
			due = append(due, &copied)
		}
	}
	return due, next, nil
}

func (b *memoryOutbox) Report(ctx context.Context, id uint64, result ticket.Result, next time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.failures > 0 {
		b.failures--
		return errors.New("disk on fire")
	}
	b.reports = append(b.reports, reported{id, result, next})
	row := b.rows[id-1]
	row.Attempts++
	row.NextTry, row.LastError = next, result.Detail
	switch {
	case result.Sent:
		row.State = ticket.OutgoingSent
	case result.Permanent:
		row.State = ticket.OutgoingFailed
	}
	return nil
}

func (b *memoryOutbox) ReadAt(ref ticket.ArchiveRef, offset, length int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readErr != nil {
		return nil, b.readErr
	}
	return b.archive[ref.Seq][offset : offset+length], nil
}

func (b *memoryOutbox) all() []reported {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reports)
}

func (b *memoryOutbox) states() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s []string
	for _, row := range b.rows {
		s = append(s, string(row.State))
	}
	return strings.Join(s, " ")
}

// smarthost is a real SMTP server that remembers everything, and does as its
// refuse says.
type smarthost struct {
	cfg SenderConfig // to send to it

	// refuse, if set, is asked at each command and after the body; verb is
	// MAIL, RCPT, DATA or AUTH.
	refuse func(verb, arg string) error

	mu          sync.Mutex
	connections int
	open        int
	mails       []arrivedMail
	logins      []string
	server      *smtp.Server
}

type arrivedMail struct {
	from, to string
	opts     smtp.MailOptions
	data     []byte
}

func startSmarthost(t *testing.T, change func(*smarthost, *smtp.Server)) *smarthost {
	t.Helper()
	h := &smarthost{}
	server := smtp.NewServer(h)
	server.Domain = "smarthost.test"
	server.AllowInsecureAuth = true
	server.ErrorLog = silentServer{}
	if change != nil {
		change(h, server)
	}
	h.server = server
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.cfg = configFor(listener, tlsPlain)
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(listener) })
	t.Cleanup(func() {
		server.Close()
		wg.Wait()
	})
	return h
}

// configFor makes a configuration for a server on this machine.
func configFor(l net.Listener, secure string) SenderConfig {
	return SenderConfig{
		Server:      ServerConfig{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, TLS: secure},
		Hostname:    "desk.test",
		Connections: 1,
		Rand:        func() float64 { return 0.5 },
	}
}

func (h *smarthost) count() (mails, connections int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mails), h.connections
}

func (h *smarthost) loggedIn() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.logins)
}

func (h *smarthost) mail(i int) arrivedMail {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mails[i]
}

func (h *smarthost) NewSession(*smtp.Conn) (smtp.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connections++
	h.open++
	return &smarthostSession{host: h}, nil
}

func (h *smarthost) ask(verb, arg string) error {
	if h.refuse == nil {
		return nil
	}
	return h.refuse(verb, arg)
}

type smarthostSession struct {
	host *smarthost
	mail arrivedMail
}

func (s *smarthostSession) Reset() { s.mail = arrivedMail{} }

func (s *smarthostSession) Logout() error {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.open--
	return nil
}

func (s *smarthostSession) Mail(from string, opts *smtp.MailOptions) error {
	s.mail = arrivedMail{from: from, opts: *opts}
	return s.host.ask("MAIL", from)
}

func (s *smarthostSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	return s.host.ask("RCPT", to)
}

func (s *smarthostSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.host.ask("DATA", s.mail.to); err != nil {
		return err
	}
	s.mail.data = b
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.mails = append(s.host.mails, s.mail)
	return nil
}

func (s *smarthostSession) AuthMechanisms() []string { return []string{sasl.Plain, sasl.OAuthBearer} }

func (s *smarthostSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, secret string) error {
		s.host.mu.Lock()
		s.host.logins = append(s.host.logins, mech+" "+user+" "+secret)
		s.host.mu.Unlock()
		return s.host.ask("AUTH", secret)
	}
	if mech == sasl.OAuthBearer {
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if check(o.Username, o.Token) != nil {
				return &sasl.OAuthBearerError{Status: "invalid_token"}
			}
			return nil
		}), nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

type silentServer struct{}

func (silentServer) Printf(string, ...any) {}
func (silentServer) Println(...any)        {}

// runSender runs a Sender until the test ends, and returns how to end it before.
func runSender(t *testing.T, s *Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// statusLog remembers statuses.
type statusLog struct {
	mu   sync.Mutex
	list []SenderStatus
}

func (l *statusLog) add(st SenderStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, st)
}

func (l *statusLog) all() []SenderStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// senderLog is a log that can be read while it is written.
type senderLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *senderLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *senderLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *senderLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

var senderQuiet = slog.New(slog.DiscardHandler)

// issueCertificate makes a certificate for a name, and the pool that trusts it.
func issueCertificate(t *testing.T, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}
