package mailpipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/ticket"
)

func TestListenerTakes(t *testing.T) {
	l := startListener(t, func(cfg *ListenerConfig) { cfg.MaxRecipients = 7 })
	c := l.dial(t)
	c.expect("220 mx.uni.test ESMTP")
	greeting := c.do("EHLO client.test", "250")
	for _, want := range []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES", "SIZE 65536", "LIMITS RCPTMAX=7"} {
		if !strings.Contains(greeting, want+"\r\n") {
			t.Errorf("%s is not offered in %q", want, greeting)
		}
	}
	if strings.Contains(greeting, "STARTTLS") || strings.Contains(greeting, "AUTH") {
		t.Errorf("too much is offered: %q", greeting)
	}
	c.do("MAIL FROM:<> BODY=8BITMIME", "250 2.")
	c.do("RCPT TO:<Soporte+abc@UNI.test>", "250 2.")
	c.do("RCPT TO:<edx@uni.test>", "250 2.")
	c.do("RCPT TO:<EDX@uni.test>", "250 2.")
	c.do("DATA", "354 ")
	c.send("X: 1\r\n\r\n..one\r\n...two\r\nñ\n.\nbare\r\n.\r\n")
	reply := c.expect("250 2.0.0 taken as sha256:")
	if strings.Contains(reply, "3181") {
		t.Errorf("the reply tells the ticket: %q", reply)
	}
	c.do("DATA", "503 5.5.1")
	c.do("QUIT", "221 ")
	c.expectEnd()

	mails := l.take.all()
	if len(mails) != 1 {
		t.Fatalf("%d messages", len(mails))
	}
	if want := "X: 1\r\n\r\n.one\r\n..two\r\nñ\n.\nbare\r\n"; mails[0].raw != want {
		t.Errorf("raw is %q, want %q", mails[0].raw, want)
	}
	env := mails[0].env
	if env.Account != "smtp" || env.MailFrom != "" || env.Remote != "127.0.0.1" || env.Received.IsZero() ||
		!slices.Equal(env.Recipients, []string{"Soporte+abc@UNI.test", "edx@uni.test"}) {
		t.Errorf("envelope %+v", env)
	}
}

func TestListenerRecipients(t *testing.T) {
	l := startListener(t, nil)
	c := l.dial(t).greet()
	c.do("RCPT TO:<soporte@uni.test>", "502 5.5.1")
	c.do("MAIL FROM:<ana@alumni.test>", "250 ")
	c.do("MAIL FROM:<eva@alumni.test>", "503 5.5.1")
	for _, to := range []string{
		"<nadie@uni.test>", "<victima@elsewhere.test>",
		"<victima%elsewhere.test@uni.test>", "<soporte+victima%elsewhere.test@uni.test>",
		"<elsewhere.test!soporte@uni.test>", "<soporte+a!b@uni.test>",
		"<@uni.test:victima@elsewhere.test>", "<@relay.test,@uni.test:soporte@uni.test>", "@relay.test:soporte@uni.test",
		`<"victima@elsewhere.test"@uni.test>`, `<"soporte+victima@elsewhere.test"@uni.test>`, `<"soporte+a b"@uni.test>`,
		"<soporte@uni.test@elsewhere.test>", "<soporte@[127.0.0.1]>",
	} {
		if got := c.do("RCPT TO:"+to, "550 5.1.1"); len(got) < 40 {
			t.Errorf("%s: unhelpful: %q", to, got)
		}
	}
	c.do("DATA", "503 5.5.1")
	c.do("RCPT TO:<pe\u00f1a@uni.test>", "553 5.6.7")
	for _, to := range []string{"<postmaster>", "<PostMaster>", "<postmaster@uni.test>", `<"soporte"@uni.test>`} {
		c.do("RCPT TO:"+to, "250 ")
	}
	c.do("DATA", "354 ")
	c.send(message + ".\r\n")
	c.expect("250 ")
	c.do("MAIL FROM:<josé@alumni.test> SMTPUTF8", "250 ")
	c.do("RCPT TO:<peña@uni.test>", "250 ")
	c.do("RSET", "250 ")
	c.do("MAIL FROM:<josé@alumni.test>", "553 5.6.7")
	c.do("MAIL FROM:<ana@alumni.test>", "250 ")
	for range 100 {
		c.do("RCPT TO:<soporte@uni.test>", "250 ")
	}
	c.do("RCPT TO:<soporte@uni.test>", "452 4.5.3")
	if got := l.take.all(); len(got) != 1 || !slices.Equal(got[0].env.Recipients, []string{"postmaster@mx.uni.test", "postmaster@uni.test", "soporte@uni.test"}) {
		t.Errorf("taken: %+v", got)
	}
	logs := l.logs.String()
	if !strings.Contains(logs, `msg=refused`) || !strings.Contains(logs, "from=alumni.test") || strings.Contains(logs, "ana@") || strings.Contains(logs, "victima") {
		t.Errorf("log: %s", logs)
	}
}

func TestListenerSize(t *testing.T) {
	const limit = 64 << 10
	l := startListener(t, nil)
	body := func(octets int) string { return strings.Repeat("0123456789abcde\n", octets/16+1)[:octets-2] + "\r\n" }
	send := map[string]func(c *client, body string){
		"DATA": func(c *client, body string) { c.do("DATA", "354 "); c.send(body + ".\r\n") },
		"BDAT": func(c *client, body string) { c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(body), body)) },
		"two BDAT": func(c *client, body string) {
			c.send(fmt.Sprintf("BDAT 10\r\n%sBDAT %d LAST\r\n%s", body[:10], len(body)-10, body[10:]))
			c.expect("250 2.0.0 Continue")
		},
	}
	for name, send := range send {
		t.Run(name, func(t *testing.T) {
			c := l.dial(t).greet()
			c.do(fmt.Sprintf("MAIL FROM:<a@b.test> SIZE=%d", limit+1), "552 5.3.4")
			if got := c.do("MAIL FROM:<a@b.test> SIZE=99999999", "552 5.3.4"); !strings.Contains(got, "65536") {
				t.Errorf("the limit is not named: %q", got)
			}
			c.do(fmt.Sprintf("MAIL FROM:<a@b.test> SIZE=%d", limit), "250 ")
			c.do("RCPT TO:<soporte@uni.test>", "250 ")
			before := len(l.take.all())
			exact := body(limit)
			send(c, exact)
			c.expect("250 ")
			if got := l.take.all(); len(got) != before+1 || got[before].raw != exact {
				t.Fatal("the message of exactly the limit did not arrive whole")
			}
			c.address()
			send(c, body(limit+1))
			if got := c.expect("552 5.3.4"); !strings.Contains(got, "65536") {
				t.Errorf("the limit is not named: %q", got)
			}
			c.data().send(message + ".\r\n") // the connection is still good
			c.expect("250 ")
			c.address()
			var huge = body(4*limit + 2<<20)
			go io.WriteString(c.conn, fmt.Sprintf("BDAT %d LAST\r\n", len(huge))+huge)
			c.expect("552 5.3.4")
			c.expectEnd()
			if got := l.take.all(); len(got) != before+2 {
				t.Errorf("%d messages", len(got)-before)
			}
		})
	}
	t.Run("far too large DATA", func(t *testing.T) {
		c := l.dial(t).greet().data()
		before := len(l.take.all())
		go io.WriteString(c.conn, body(4*limit+2<<20)+".\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<soporte@uni.test>\r\nDATA\r\n"+message+".\r\n")
		c.expect("552 5.3.4")
		if got := c.expectEnd(); got != "" {
			t.Errorf("commands after the refused message were answered: %q", got)
		}
		if len(l.take.all()) != before {
			t.Error("a message was taken")
		}
	})
	t.Run("lines", func(t *testing.T) {
		long := startListener(t, func(cfg *ListenerConfig) { cfg.MaxMessage = 4 << 20 })
		c := long.dial(t).greet().data()
		line := strings.Repeat("x", 1<<20) + "\r\n"
		c.send("\r\n" + line + line + ".\r\n")
		c.expect("250 ")
		c.data()
		// The reply reaches a client that first sends all it has.
		c.send(strings.Repeat("x", 16<<20) + "\r\n.\r\nNOOP\r\n")
		c.expect("554 5.6.0")
		if got := c.expectEnd(); got != "" {
			t.Errorf("more was answered: %q", got)
		}
		if len(long.take.all()) != 1 {
			t.Error("not one message")
		}
	})
}

func TestListenerVerdicts(t *testing.T) {
	l := startListener(t, nil)
	c := l.dial(t).greet()
	for _, test := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("archiving: %w", ticket.ErrFull), "452 4.3.1"},
		{fmt.Errorf("receiving: %w", ticket.ErrStopping), "451 4.3.0"},
		{errors.New("secret detail"), "451 4.3.0"},
		{nil, "250 2.0.0"},
	} {
		l.take.mu.Lock()
		l.take.err = test.err
		l.take.mu.Unlock()
		c.data().send(message + ".\r\n")
		if got := c.expect(test.want); strings.Contains(got, "secret") {
			t.Errorf("reply %q", got)
		}
	}
	c.do("AUTH PLAIN AGEAYg==", "504 5.7.4")
	c.do("VRFY soporte", "252 ")
}

func TestListenerPanic(t *testing.T) {
	l := startListener(t, nil)
	l.take.hook = func(context.Context) { panic("boom") }
	for _, send := range []string{"DATA\r\n" + message + ".\r\n", "BDAT 4 LAST\r\nhola"} {
		c := l.dial(t).greet().address()
		c.send(send)
		if strings.HasPrefix(send, "DATA") {
			c.expect("354 ")
		}
		c.expect("421 4.0.0")
		c.expectEnd()
	}
	if !strings.Contains(l.logs.String(), "level=ERROR") || !strings.Contains(l.logs.String(), "boom") {
		t.Error("the panic is not logged")
	}
	l.take.mu.Lock()
	l.take.hook = nil
	l.take.mu.Unlock()
	l.dial(t).greet().data().send(message + ".\r\n")
	until(t, "the next message is taken", func() bool { return len(l.take.all()) == 1 })
}

func TestListenerCaps(t *testing.T) {
	l := startListener(t, func(cfg *ListenerConfig) {
		cfg.MaxConnections, cfg.MaxPerAddress = 3, 2
	})
	first := l.dial(t).greet()
	l.dial(t).greet()
	third := l.dial(t)
	third.expect("421 4.7.0")
	third.expectEnd()
	// Another address has a count of its own, up to the cap for all.
	other := func() *client {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		conn, err := dialer.Dial("tcp", l.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		return newTestClient(t, conn)
	}
	other().greet()
	other().expect("421 4.7.0")
	first.do("QUIT", "221 ")
	until(t, "a place is free again", func() bool {
		got, _ := l.dial(t).reply()
		return strings.HasPrefix(got, "220 ")
	})
}

func TestListenerParallel(t *testing.T) {
	l := startListener(t, func(cfg *ListenerConfig) { cfg.MaxConnections, cfg.MaxPerAddress, cfg.MaxMessage = 100, 100, 4<<20 })
	const senders, each = 50, 3
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			c, err := smtp.Dial(l.Addrs()[0].String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for j := range each {
				body := fmt.Sprintf("X: %d-%d\r\n\r\n%s\r\n", i, j, strings.Repeat(".x\r\n", i*500))
				if err := c.SendMail("a@b.test", []string{"soporte@uni.test"}, strings.NewReader(body)); err != nil {
					t.Error(err)
				}
			}
			c.Quit()
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for _, m := range l.take.all() {
		seen[m.raw]++
	}
	for i := range senders {
		for j := range each {
			if body := fmt.Sprintf("X: %d-%d\r\n\r\n%s\r\n", i, j, strings.Repeat(".x\r\n", i*500)); seen[body] != 1 {
				t.Errorf("message %d-%d was taken %d times", i, j, seen[body])
			}
		}
	}
}

// A budget that is used up refuses large messages for now, and only those.
func TestListenerMemory(t *testing.T) {
	l := startListener(t, func(cfg *ListenerConfig) { cfg.MaxMessage = 4 << 20 })
	l.memoryWait = time.Millisecond
	if !l.memory.TryAcquire(memoryBudget - 1<<20) {
		t.Fatal("the budget is in use")
	}
	c := l.dial(t).greet()
	large := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 40000) + ".\r\n"
	c.data().send(large)
	c.expect("452 4.3.2")
	c.data().send(message + ".\r\n")
	c.expect("250 ")
	l.memory.Release(memoryBudget - 1<<20)
	for range 2 {
		c.data().send(large)
		c.expect("250 ")
	}
	until(t, "all memory is given back", func() bool {
		ok := l.memory.TryAcquire(memoryBudget)
		if ok {
			l.memory.Release(memoryBudget)
		}
		return ok
	})
}

func TestListenerLMTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lmtp")
	l := startListener(t, func(cfg *ListenerConfig) { cfg.Addresses, cfg.LMTPSocket = nil, path })
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	c := l.dial(t)
	c.expect("220 mx.uni.test LMTP")
	c.do("EHLO mta.test", "500 5.5.1")
	c.do("LHLO mta.test", "250")
	c.do("MAIL FROM:<ana@alumni.test>", "250 ")
	c.do("RCPT TO:<nadie@uni.test>", "550 5.1.1")
	c.do("DATA", "503 5.5.1")
	c.do("RCPT TO:<soporte@uni.test>", "250 ")
	c.do("RCPT TO:<edx@uni.test>", "250 ")
	c.do("DATA", "354 ")
	c.send(message + ".\r\n")
	c.expect("250 2.0.0 <soporte@uni.test> taken as")
	c.expect("250 2.0.0 <edx@uni.test> taken as")
	l.take.mu.Lock()
	l.take.err = ticket.ErrFull
	l.take.mu.Unlock()
	c.address().do("RCPT TO:<edx@uni.test>", "250 ")
	c.send("BDAT 4 LAST\r\nhola")
	c.expect("452 4.3.1 <soporte@uni.test>")
	c.expect("452 4.3.1 <edx@uni.test>")
	c.do("QUIT", "221 ")
	mails := l.take.all()
	if len(mails) != 1 || mails[0].env.Account != "lmtp" || mails[0].env.Remote != "" || len(mails[0].env.Recipients) != 2 || mails[0].raw != message {
		t.Errorf("taken: %+v", mails)
	}
}

func TestListenerStart(t *testing.T) {
	start := func(cfg ListenerConfig) error {
		l := NewListener(cfg, &counter{}, domainDirectory{}, slog.New(slog.DiscardHandler))
		err := l.Start()
		ctx, cancel := context.WithTimeout(t.Context(), listenerPatience)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
		return err
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	dir := t.TempDir()
	file, stale, used := filepath.Join(dir, "file"), filepath.Join(dir, "stale"), filepath.Join(dir, "used")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{stale, used} {
		s, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		s.SetUnlinkOnClose(false)
		if path == stale {
			s.Close()
		} else {
			defer s.Close()
		}
	}
	for _, test := range []struct {
		cfg  ListenerConfig
		want []string // in the error; none: success
	}{
		{ListenerConfig{Addresses: []string{other.Addr().String()}}, []string{other.Addr().String(), "another program"}},
		{ListenerConfig{Addresses: []string{"192.0.2.1:2525"}}, []string{"192.0.2.1:2525", "no interface"}},
		{ListenerConfig{Addresses: []string{"127.0.0.1:0", other.Addr().String()}}, []string{"another program"}},
		{ListenerConfig{LMTPSocket: file}, []string{file, "not a socket"}},
		{ListenerConfig{LMTPSocket: used}, []string{used, "another program"}},
		{ListenerConfig{LMTPSocket: filepath.Join(dir, "no", "such")}, []string{"make the folder"}},
		{ListenerConfig{LMTPSocket: stale}, nil},
		{ListenerConfig{TLS: "startls"}, []string{"startls", "starttls"}},
		{ListenerConfig{TLS: ListenerTLSRequired}, []string{"certificate"}},
	} {
		err := start(test.cfg)
		if (err == nil) != (test.want == nil) {
			t.Errorf("%+v: %v", test.cfg, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestListenerActivate(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(ListenerConfig{Addresses: []string{"192.0.2.1:25"}}, &counter{}, domainDirectory{}, slog.New(slog.DiscardHandler))
	l.Activate([]net.Listener{socket})
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if err := l.Start(); err == nil {
		t.Error("started twice")
	}
	conn, err := net.Dial("tcp", l.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	newTestClient(t, conn).greet()
}

// fromAddress is a connection of which only the peer's address is known.
type fromAddress struct {
	net.Conn
	ip string
}

func (f fromAddress) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.ip), Port: 4711} }

func TestPeerOf(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
	} {
		if got := peerOf(fromAddress{ip: ip}).String(); got != want {
			t.Errorf("%s: %s, want %s", ip, got, want)
		}
	}
}
