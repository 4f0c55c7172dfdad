package mailpipe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/semaphore"
)

const injected = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<soporte@uni.test>\r\nDATA\r\ninjected\r\n.\r\n"

// Only CR LF . CR LF ends a message. What other servers might take for it stays
// in the message, or has the message refused; what follows is never run.
func TestListenerEndOfData(t *testing.T) {
	for _, test := range []struct {
		end     string
		refused bool
	}{
		{"\n.\n", false},
		{"\n.\r\n", false},
		{"\r\n.\n", false},
		{"\n\n.\r\n", false},
		{"\r.\r", true},
		{"\r\n.\r", true},
		{"\r.\r\n", true},
		{"\r\n\x00.\r\n", true},
		{"\r\n.\x00\r\n", true},
		{"\r\n.\r\r\n", true}, // go-smtp swallows the first CR here
		{"\r\r\n.\r\n", true},
	} {
		t.Run(strings.Trim(strings.ReplaceAll(strings.ReplaceAll(test.end, "\r", "CR"), "\n", "LF"), " "), func(t *testing.T) {
			l := startListener(t, nil)
			c := l.dial(t).greet().data()
			body := "Subject: x\r\n\r\nhola" + test.end + injected[:len(injected)-len(".\r\n")]
			c.send(body + "\r\n.\r\n")
			if test.refused {
				c.expect("554 5.6.0")
				if rest := c.expectEnd(); rest != "" {
					t.Errorf("more was answered: %q", rest)
				}
				if got := l.take.all(); len(got) != 0 {
					t.Errorf("taken: %+v", got)
				}
				return
			}
			c.expect("250 2.0.0 taken as")
			c.do("QUIT", "221 ")
			got := l.take.all()
			// A dot that begins a line (after CR LF) is taken away.
			if want := strings.ReplaceAll(body, "\r\n.", "\r\n") + "\r\n"; len(got) != 1 || got[0].raw != want {
				t.Errorf("taken %+v, want %q", got, want)
			}
		})
	}
}

func TestListenerForbiddenOctets(t *testing.T) {
	for _, send := range []string{
		"DATA\r\nSubject: a\rb\r\n\r\n.\r\n",
		"DATA\r\n\r\n\x00\r\n.\r\n",
		"BDAT 3 LAST\r\na\rb",
		"BDAT 2\r\na\rBDAT 1 LAST\r\nb",
		"BDAT 2 LAST\r\na\r",
		"BDAT 1 LAST\r\n\x00",
	} {
		l := startListener(t, nil)
		c := l.dial(t).greet().address()
		c.send(send + injected)
		if strings.HasPrefix(send, "DATA") {
			c.expect("354 ")
		} else if strings.Count(send, "BDAT") > 1 {
			c.expect("250 2.0.0 Continue")
		}
		c.expect("554 5.6.0")
		if rest := c.expectEnd(); rest != "" {
			t.Errorf("%q: more was answered: %q", send, rest)
		}
		if got := l.take.all(); len(got) != 0 {
			t.Errorf("%q: taken: %+v", send, got)
		}
	}
	// A CR LF that two chunks share is whole.
	l := startListener(t, nil)
	c := l.dial(t).greet().address()
	c.send("BDAT 2\r\na\rBDAT 2 LAST\r\n\nb")
	c.expect("250 2.0.0 Continue")
	c.expect("250 2.0.0 taken as")
	if got := l.take.all(); len(got) != 1 || got[0].raw != "a\r\nb" {
		t.Errorf("taken: %+v", got)
	}
}

func TestListenerCommands(t *testing.T) {
	l := startListener(t, nil)
	c := l.dial(t).greet()
	// Pipelined, BDAT with a body that looks like commands included.
	chunk := "RCPT TO:<postmaster>\r\nSTARTTLS\r\n"
	c.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<nadie@uni.test>\r\nRCPT TO:<postmaster>\r\n" +
		fmt.Sprintf("BDAT 15\r\n%sbdat %d last\r\n%sNOOP\r\n", chunk[:15], len(chunk)-15, chunk[15:]))
	for _, want := range []string{"250 ", "550 5.1.1", "250 ", "250 2.0.0 Continue", "250 2.0.0 taken", "250 2.0.0 I have"} {
		c.expect(want)
	}
	if got := l.take.all(); len(got) != 1 || got[0].raw != chunk {
		t.Errorf("taken: %+v", got)
	}
	c.do("NOOP\x00", "500 5.5.2")
	c.send("NOOP\n")
	c.expect("500 5.5.2")
	c.send("NO\rOP\r\n")
	c.expect("500 5.5.2")
	c.send("QUIT\r\nEHLO x\r\n" + injected)
	c.expect("221 ")
	if rest := c.expectEnd(); rest != "" {
		t.Errorf("after QUIT: %q", rest)
	}

	c = l.dial(t).greet()
	c.send("NOOP " + strings.Repeat("x", 5000) + "\r\nNOOP\r\n")
	c.expect("500 5.5.2")
	if rest := c.expectEnd(); rest != "" {
		t.Errorf("after too long a command: %q", rest)
	}

	// A refused chunk is skipped, not run.
	c = l.dial(t).greet()
	c.do("MAIL FROM:<a@b.test>", "250 ")
	c.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
	c.expect("502 5.5.1")
	c.expect("250 2.0.0 I have")
	c.do("RSET", "250 ")
	// RSET between chunks gives the message up.
	c.address().send("BDAT 4\r\nhola")
	c.expect("250 2.0.0 Continue")
	c.send("RSET\r\n" + injected)
	c.expect("421 4.5.0")
	c.expectEnd()

	// The end of the connection is not the end of a command.
	c = l.dial(t).greet().address()
	c.send("BDAT 0 LAST")
	c.conn.(*net.TCPConn).CloseWrite()
	c.expectEnd()
	if err := l.Close(t.Context()); err != nil { // all has been run that ever is
		t.Error(err)
	}
	if got := l.take.all(); len(got) != 1 {
		t.Errorf("taken: %+v", got)
	}
}

// A message that is cut short is not taken, nor its rest run.
func TestListenerCut(t *testing.T) {
	for _, send := range []string{"DATA\r\nhola\r\n.\r", "DATA\r\nhola\r\n.", "BDAT 20 LAST\r\nhola", "BDAT 4\r\nhola"} {
		l := startListener(t, nil)
		c := l.dial(t).greet().address()
		c.send(send)
		c.conn.(*net.TCPConn).CloseWrite()
		if got := c.expectEnd(); strings.Contains(got, "taken") {
			t.Errorf("%q: %q", send, got)
		}
		if got := l.take.all(); len(got) != 0 {
			t.Errorf("%q: taken %+v", send, got)
		}
	}
}

func TestListenerSlow(t *testing.T) {
	t.Run("silence inside DATA", func(t *testing.T) {
		l := startListener(t, func(cfg *ListenerConfig) { cfg.ReadTimeout = 50 * time.Millisecond })
		c := l.dial(t).greet().data()
		c.send("Subject: x\r\n\r\nhola\r\n")
		c.expect("421 4.4.2") // only then does the rest come
		io.WriteString(c.conn, injected)
		c.conn.(*net.TCPConn).CloseWrite()
		if rest := c.expectEnd(); rest != "" {
			t.Errorf("the rest was run: %q", rest)
		}
		if got := l.take.all(); len(got) != 0 {
			t.Errorf("taken: %+v", got)
		}
	})
	t.Run("silence inside BDAT", func(t *testing.T) {
		l := startListener(t, func(cfg *ListenerConfig) { cfg.ReadTimeout = 50 * time.Millisecond })
		c := l.dial(t).greet().address()
		c.send("BDAT 4\r\nholaBDAT 9 LAST\r\nhola")
		c.expect("250 2.0.0 Continue")
		c.expect("421 4.4.2")
		c.expectEnd()
		if got := l.take.all(); len(got) != 0 {
			t.Errorf("taken: %+v", got)
		}
	})
	t.Run("drip within the read timeout, past the total", func(t *testing.T) {
		l := startListener(t, func(cfg *ListenerConfig) { cfg.ReadTimeout, cfg.DataTimeout = 10*time.Second, 200*time.Millisecond })
		c := l.dial(t).greet().data()
		drip(t, c, "x")
		c.expect("421 4.4.2")
		c.expectEnd()
		if got := l.take.all(); len(got) != 0 {
			t.Errorf("taken: %+v", got)
		}
	})
	t.Run("drip of a command", func(t *testing.T) {
		l := startListener(t, func(cfg *ListenerConfig) { cfg.IdleTimeout = 200 * time.Millisecond })
		c := l.dial(t)
		c.expect("220 ")
		drip(t, c, "x")
		c.expect("421 4.4.2")
		c.expectEnd()
	})
	t.Run("slow but steady", func(t *testing.T) {
		l := startListener(t, func(cfg *ListenerConfig) { cfg.ReadTimeout, cfg.IdleTimeout = time.Second, time.Second })
		c := l.dial(t).greet().data()
		// Longer in all than either timeout, because those begin anew.
		tick := time.NewTicker(150 * time.Millisecond)
		defer tick.Stop()
		for range 10 {
			<-tick.C
			c.send("x\r\n")
		}
		c.send(".\r\n")
		c.expect("250 ")
	})
}

// drip sends an octet now and then until the connection fails or a reply is there.
func drip(t *testing.T, c *client, octet string) {
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := io.WriteString(c.conn, octet); err != nil {
					return
				}
			}
		}
	}()
	c.in.Peek(1)
	close(stop)
	<-done
}

func TestListenerClose(t *testing.T) {
	l := startListener(t, nil)
	begun, goOn := make(chan struct{}), make(chan struct{})
	l.take.hook = func(context.Context) { close(begun); <-goOn }
	idle := l.dial(t).greet().address()
	silent := l.dial(t)
	silent.expect("220 ")
	chunks := l.dial(t).greet().address()
	chunks.send("BDAT 4\r\nhola")
	chunks.expect("250 2.0.0 Continue")
	receiving := l.dial(t).greet().data()
	receiving.send("Subject: x\r\n")
	taking := l.dial(t).greet().data()
	taking.send(message + ".\r\n")
	<-begun
	until(t, "DATA of the other has begun", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := 0
		for c := range l.conns {
			c.mu.Lock()
			if c.receiving {
				n++
			}
			c.mu.Unlock()
		}
		return n == 3
	})

	closed := make(chan error, 1)
	go func() { closed <- l.Close(context.Background()) }()
	for _, c := range []*client{idle, silent} {
		c.expect("421 4.3.2")
		c.expectEnd()
	}
	if conn, err := net.Dial("tcp", l.Addrs()[0].String()); err == nil {
		conn.Close()
		t.Error("still accepting")
	}
	l.take.mu.Lock()
	l.take.hook = nil
	l.take.mu.Unlock()
	// More than is read at once.
	receiving.send("\r\n" + strings.Repeat("0123456789\r\n", 5000) + ".\r\nNOOP\r\n")
	chunks.send("BDAT 0 LAST\r\nNOOP\r\n")
	close(goOn)
	for _, c := range []*client{receiving, chunks, taking} {
		c.expect("250 2.0.0 taken as")
		c.expect("421 4.3.2")
		c.expectEnd()
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := l.take.all(); len(got) != 3 {
		t.Errorf("%d messages", len(got))
	}
}

// A connection that was accepted while the listener closed is dismissed too.
func TestListenerCloseMeetsAccept(t *testing.T) {
	l := startListener(t, nil)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := net.Dial("tcp", other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := newTestClient(t, conn)
	sock, err := other.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.wg.Go(func() { l.serve(sock, false) })
	c.expect("220 ")
	c.expect("421 4.3.2")
	c.expectEnd()
}

// When time is up, what is not finished is cut off and not acknowledged.
func TestListenerCloseGivesUp(t *testing.T) {
	l := startListener(t, nil)
	begun := make(chan struct{})
	l.take.hook = func(ctx context.Context) { close(begun); <-ctx.Done() }
	receiving := l.dial(t).greet().data()
	taking := l.dial(t).greet().data()
	taking.send(message + ".\r\n")
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for _, c := range []*client{receiving, taking} {
		if got := c.expectEnd(); strings.Contains(got, "taken") {
			t.Errorf("reply %q", got)
		}
	}
	if got := l.take.all(); len(got) != 0 {
		t.Errorf("%d messages", len(got))
	}
}

func TestListenerSTARTTLS(t *testing.T) {
	files := newTestCertificate(t)
	files.write(t, "mx.uni.test")
	l := startListener(t, func(cfg *ListenerConfig) { cfg.TLS, cfg.Certificates = ListenerTLSRequired, files.reloader(t) })
	c := l.dial(t)
	c.expect("220 ")
	if got := c.do("EHLO client.test", "250"); !strings.Contains(got, "STARTTLS\r\n") {
		t.Errorf("not offered: %q", got)
	}
	c.do("MAIL FROM:<a@b.test>", "530 5.7.0")
	c.do("STARTTLS x", "501 5.5.4")
	// What is sent in the clear ahead of the handshake has no effect.
	c.send("STARTTLS\r\n" + injected)
	c.expect("220 2.0.0")
	over := tls.Client(c.conn, &tls.Config{RootCAs: files.pool, ServerName: "mx.uni.test"})
	if err := over.Handshake(); err != nil {
		t.Fatal(err)
	}
	s := newTestClient(t, over)
	if got := s.do("EHLO client.test", "250"); strings.Contains(got, "STARTTLS") || !strings.Contains(got, "SIZE 65536\r\n") {
		t.Errorf("offered: %q", got)
	}
	s.do("STARTTLS", "502 ")
	s.do("RCPT TO:<soporte@uni.test>", "502 5.5.1")
	s.do("DATA", "503 5.5.1")
	s.data().send(message + ".\r\n")
	s.expect("250 2.0.0 taken")
	s.do("MAIL FROM:<a@b.test>", "250 ")
	s.do("RCPT TO:<postmaster>", "250 ")
	// A clean end of TLS inside a chunk is not the end of the message.
	s.send("BDAT 100 LAST\r\nhola")
	over.CloseWrite()
	if got := s.expectEnd(); strings.Contains(got, "taken") {
		t.Errorf("reply %q", got)
	}
	if got := l.take.all(); len(got) != 1 || got[0].raw != message {
		t.Errorf("taken: %+v", got)
	}
}

// Nothing that was said before STARTTLS counts after it.
func TestListenerSTARTTLSForgets(t *testing.T) {
	files := newTestCertificate(t)
	files.write(t, "mx.uni.test")
	l := startListener(t, func(cfg *ListenerConfig) { cfg.TLS, cfg.Certificates = ListenerTLSStart, files.reloader(t) })
	for _, command := range []string{"MAIL FROM:<a@b.test>", "RCPT TO:<soporte@uni.test>", "DATA", "BDAT 4 LAST"} {
		c := l.dial(t).greet().address()
		c.do("STARTTLS", "220 ")
		over := tls.Client(c.conn, &tls.Config{RootCAs: files.pool, ServerName: "mx.uni.test"})
		s := newTestClient(t, over)
		s.send(command + "\r\n" + injected)
		s.expect("503 5.5.1")
		if rest := s.expectEnd(); rest != "" {
			t.Errorf("%s: more was answered: %q", command, rest)
		}
	}
	c := l.dial(t)
	c.expect("220 ")
	c.do("STARTTLS", "220 ")
	c.send("this is no handshake\r\n" + injected)
	c.expectEnd()
	if got := l.take.all(); len(got) != 0 {
		t.Errorf("taken: %+v", got)
	}
	client, err := smtp.DialStartTLS(l.Addrs()[0].String(), &tls.Config{RootCAs: files.pool, ServerName: "mx.uni.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SendMail("a@b.test", []string{"soporte@uni.test"}, strings.NewReader(message)); err != nil {
		t.Error(err)
	}
	if got := l.take.all(); len(got) != 1 || got[0].raw != message {
		t.Errorf("taken: %+v", got)
	}
}

// What is found does not depend on how the octets are cut into reads.
func TestWireCheck(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a\r\nb\nc\r\n": "", "a\rb": "CR without LF", "a\r": "CR without LF", "\r\r\n": "CR without LF", "a\x00": "NUL", "\r\n\r\n": "",
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text))} {
			var w wireCheck
			for buf := make([]byte, 8); ; {
				n, err := r.Read(buf)
				w.scan(bytes.Clone(buf[:n]))
				if err != nil {
					break
				}
			}
			if got := w.result(); got != want {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}
	}
}

// Whatever size the client declares, the message is read whole, and large ones are
// copied once; over the limit it is refused.
func TestReadMessageDeclared(t *testing.T) {
	const limit = 6 << 20
	l := &Listener{cfg: ListenerConfig{MaxMessage: limit}, ctx: t.Context(), memory: semaphore.NewWeighted(memoryBudget)}
	for _, size := range []int64{10, freeMessage, freeMessage + 1, 5 << 20, limit, limit + 1} {
		sent := bytes.Repeat([]byte("abcdefg\n"), int(size/8+1))[:size]
		for _, declared := range []int64{0, 1, size, limit} {
			raw, release, err := l.readMessage(bytes.NewReader(sent), declared)
			switch {
			case size > limit:
				if !errors.Is(err, errTooLarge) {
					t.Errorf("%d octets, %d declared: %v", size, declared, err)
				}
			case err != nil || !bytes.Equal(raw, sent):
				t.Errorf("%d octets, %d declared: %d were read, %v", size, declared, len(raw), err)
			case declared == size && size > 2*freeMessage && int64(cap(raw)) > size+1:
				t.Errorf("%d octets, as declared, take %d", size, cap(raw))
			}
			release()
		}
	}
	if !l.memory.TryAcquire(memoryBudget) {
		t.Error("memory was not given back")
	}
}
