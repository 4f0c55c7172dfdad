package realservers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-smtp"
)

const sample = "From: María <maria@uni.test>\r\nTo: soporte@desk.test\r\nSubject: =?utf-8?q?Contrase=C3=B1a?=\r\n" +
	"Message-ID: <1@uni.test>\r\n\r\nHola\r\n"

func TestDovecotServesMailboxes(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: map[string]string{"soporte@desk.test": "secreto"}})
	d.Deliver(t, "soporte@desk.test", []byte(sample))

	c := login(t, d.Addr)
	if err := c.Login("soporte@desk.test", "wrong").Wait(); err == nil {
		t.Error("a wrong password was accepted")
	}
	if err := c.Login("soporte@desk.test", "secreto").Wait(); err != nil {
		t.Fatal(err)
	}
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if box.NumMessages != 1 {
		t.Fatalf("%d messages, want 1", box.NumMessages)
	}
	for _, capability := range []imap.Cap{imap.CapIdle, imap.CapMove, imap.CapUIDPlus} {
		if !c.Caps().Has(capability) {
			t.Errorf("no %s", capability)
		}
	}
	if _, err := c.Move(imap.SeqSetNum(1), "Procesados").Wait(); err != nil {
		t.Fatal(err)
	}
	moved := d.WaitIn(t, "soporte@desk.test", "Procesados", "the moved message", func(Mail) bool { return true })
	if moved.Seen() || moved.Subject() != "Contraseña" || moved.MessageID() != "1@uni.test" {
		t.Errorf("moved: seen %v, subject %q, id %q", moved.Seen(), moved.Subject(), moved.MessageID())
	}
	if left := d.Mail(t, "soporte@desk.test", "INBOX"); len(left) != 0 {
		t.Errorf("%d messages are left in INBOX", len(left))
	}
}

func TestDovecotRestartsOnItsPort(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: map[string]string{"soporte": "secreto"}})
	d.Stop()
	if conn, err := net.Dial("tcp", d.Addr); err == nil {
		conn.Close()
		t.Error("a stopped server still listens")
	}
	d.Restart(t)
	if err := login(t, d.Addr).Login("soporte", "secreto").Wait(); err != nil {
		t.Error(err)
	}
}

// xoauth2 is the client side of the mechanism of that name.
type xoauth2 struct{ user, token string }

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

func (x xoauth2) Next(challenge []byte) ([]byte, error) { return nil, errors.New(string(challenge)) }

func TestDovecotAsksTheTokenServer(t *testing.T) {
	tokens := StartTokens(t)
	d := StartDovecot(t, DovecotOptions{Users: map[string]string{"edx": "", "otra": ""}, Tokens: tokens})
	good := tokens.Access("edx")
	for _, c := range []struct {
		name, user, token string
		ok                bool
	}{
		{"good", "edx", good, true},
		{"unknown token", "edx", "nonsense", false},
		{"someone else's token", "otra", good, false},
	} {
		err := login(t, d.Addr).Authenticate(xoauth2{c.user, c.token})
		if (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	tokens.Revoke("edx")
	if err := login(t, d.Addr).Authenticate(xoauth2{"edx", good}); err == nil {
		t.Error("a revoked token was accepted")
	}
}

func login(t *testing.T, addr string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPostfixDeliversAndRefuses(t *testing.T) {
	p := StartPostfix(t, PostfixOptions{Users: []string{"ana@uni.test", "maria@uni.test"}})
	if err := Send(p.SMTPAddr, "maria@uni.test", []string{"ana+detail@uni.test"}, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	m := p.Wait(t, "ana@uni.test", "the message", func(m Mail) bool { return m.MessageID() == "1@uni.test" })
	if got := m.Header("Delivered-To"); got != "ana+detail@uni.test" {
		t.Errorf("Delivered-To %q", got)
	}
	if got := m.Header("Return-Path"); got != "<maria@uni.test>" {
		t.Errorf("Return-Path %q", got)
	}
	err := Send(p.SMTPAddr, "maria@uni.test", []string{"nadie@uni.test"}, []byte(sample))
	if code, enhanced := Refusal(err); code != 550 || enhanced != "5.1.1" {
		t.Errorf("an unknown mailbox got %v", err)
	}

	// What can't be delivered comes back as a delivery report.
	if err := Send(p.SMTPAddr, "maria@uni.test", []string{"x@nowhere.test"}, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	p.Wait(t, "maria@uni.test", "the bounce", func(m Mail) bool {
		return strings.Contains(m.Header("Content-Type"), "report-type=delivery-status")
	})
}

func TestPostfixRelays(t *testing.T) {
	smtpSink, lmtpSink := newSink(t, "tcp"), newSink(t, "unix")
	p := StartPostfix(t, PostfixOptions{
		Users: []string{"maria@uni.test"},
		Relay: map[string]string{"desk.test": "smtp:" + smtpSink.hop},
	})
	send := func() {
		t.Helper()
		if err := Send(p.SMTPAddr, "maria@uni.test", []string{"soporte@desk.test"}, []byte(sample)); err != nil {
			t.Fatal(err)
		}
	}
	send()
	if got := <-smtpSink.got; got != "soporte@desk.test" {
		t.Errorf("relayed by SMTP to %q", got)
	}
	p.SetRelay(t, map[string]string{"desk.test": "lmtp:" + lmtpSink.hop})
	send()
	if got := <-lmtpSink.got; got != "soporte@desk.test" {
		t.Errorf("relayed by LMTP to %q", got)
	}

	// Whoever is away is tried again within seconds.
	lmtpSink.server.Close()
	send()
	// A reload in the midst of an attempt would cost a minute.
	poll(t, "the attempt to fail", func() bool { return strings.Contains(p.Queued(t), `"deferred"`) })
	again := newSink(t, "tcp")
	p.SetRelay(t, map[string]string{"desk.test": "smtp:" + again.hop})
	if got := <-again.got; got != "soporte@desk.test" {
		t.Errorf("tried again with %q", got)
	}
}

func TestStopLeavesNoProcess(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{Users: map[string]string{"soporte": "secreto"}})
	if err := login(t, d.Addr).Login("soporte", "secreto").Wait(); err != nil {
		t.Fatal(err)
	}
	servers := []*daemon{d.daemon}
	if os.Geteuid() == 0 {
		servers = append(servers, StartPostfix(t, PostfixOptions{Users: []string{"ana@uni.test"}}).daemon)
	}
	for _, server := range servers {
		group := server.cmd.Process.Pid
		if n := len(groupMembers(t, group)); n < 2 {
			t.Errorf("%s has %d processes in its group: the test looks in the wrong place", server.name, n)
		}
		server.stop()
		poll(t, server.name+" to be gone", func() bool { return len(groupMembers(t, group)) == 0 })
	}
}

// groupMembers lists the processes of a group that still run.
func groupMembers(t *testing.T, group int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent group …; the name may hold spaces.
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" {
			found = append(found, string(b))
		}
	}
	return found
}

// sink is an SMTP or LMTP server that tells whom mail came for.
type sink struct {
	hop    string // as a transport map names it
	got    chan string
	server *smtp.Server
}

func newSink(t *testing.T, network string) *sink {
	t.Helper()
	s := &sink{got: make(chan string, 10)}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(folder(t, "lmtp"), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if network == "unix" {
		s.hop = "unix:" + address
		if err := os.Chmod(address, 0o666); err != nil {
			t.Fatal(err)
		}
	} else {
		s.hop = fmt.Sprintf("[127.0.0.1]:%d", l.Addr().(*net.TCPAddr).Port)
	}
	s.server = smtp.NewServer(s)
	s.server.LMTP = network == "unix"
	var done sync.WaitGroup
	done.Go(func() { s.server.Serve(l) })
	t.Cleanup(func() {
		// The server closes only what Serve has already been called with.
		l.Close()
		s.server.Close()
		done.Wait()
	})
	return s
}

func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &sinkSession{sink: s}, nil }

type sinkSession struct {
	sink *sink
	to   []string
}

func (s *sinkSession) Reset()                               { s.to = nil }
func (s *sinkSession) Logout() error                        { return nil }
func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	s.sink.got <- strings.Join(s.to, ",")
	return err
}

// TestServersEndWithTheTest runs last in its own sub-test, so that the clean-up
// has happened when it looks.
func TestServersEndWithTheTest(t *testing.T) {
	var pid int
	var root string
	t.Run("inner", func(t *testing.T) {
		d := StartDovecot(t, DovecotOptions{Users: map[string]string{"soporte": "secreto"}})
		pid, root = d.daemon.cmd.Process.Pid, d.Root
	})
	if pid == 0 {
		t.Skip("DID NOT RUN: no Dovecot, see above")
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server still runs: %v", err)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("its mail is still there: %v", err)
	}
}
