package postoffice

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hello = "From: Ana <ana@example.com>\r\nTo: soporte@example.edu.co\r\nSubject: hola\r\n\r\n¿Hay alguien?\r\n"

// open starts an office with the users soporte and agente.
func open(t *testing.T, opt Options) *Office {
	t.Helper()
	o, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil && !errors.Is(err, errClosed) {
			t.Error(err)
		}
	})
	o.AddUser("soporte", "secreto", "soporte@example.edu.co", "Edx@Example.edu.co")
	o.AddUser("agente@example.edu.co", "clave")
	return o
}

// send delivers by SMTP and returns the error of the first verb that failed.
func send(o *Office, from string, raw string, to ...string) error {
	c, err := smtp.Dial(o.SMTPAddr())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(from, &smtp.MailOptions{UTF8: true}); err != nil {
		return err
	}
	for _, addr := range to {
		if err := c.Rcpt(addr, nil); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(raw)); err != nil {
		return err
	}
	return w.Close()
}

func code(err error) int {
	var reply *smtp.SMTPError
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestAddressing(t *testing.T) {
	for _, tt := range []struct {
		to, owner string // owner empty: refused
		fallback  string
	}{
		{to: "soporte@example.edu.co", owner: "soporte"},
		{to: "SOPORTE@Example.EDU.co", owner: "soporte"},
		{to: "edx@example.edu.co", owner: "soporte"},
		{to: "soporte+aezsa3tf@example.edu.co", owner: "soporte"},
		{to: "soporte+a+b@example.edu.co", owner: "soporte"},
		{to: "agente@example.edu.co", owner: "agente@example.edu.co"},
		{to: "nadie@example.edu.co"},
		{to: "nadie@example.edu.co", fallback: "soporte", owner: "soporte"},
		{to: "nadie@example.edu.co", fallback: "otro"},
		{to: "+x@example.edu.co"},
		{to: "soporte@example.com", fallback: "soporte"},
		{to: "soporte@sub.example.edu.co", fallback: "soporte"},
	} {
		o := open(t, Options{Fallback: tt.fallback})
		err := send(o, "ana@example.com", hello, tt.to)
		if tt.owner == "" {
			if code(err) != 550 || len(o.Sent()) != 0 {
				t.Errorf("%s: got %v and %d mails, want 550 and none", tt.to, err, len(o.Sent()))
			}
			if err := o.Deliver(tt.to, []byte(hello)); !errors.Is(err, ErrUnknownAddress) {
				t.Errorf("%s: Deliver says %v", tt.to, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.to, err)
			continue
		}
		got := o.Messages(tt.owner, "INBOX")
		if len(got) != 1 {
			t.Errorf("%s: %d messages for %s", tt.to, len(got), tt.owner)
			continue
		}
		want := "Return-Path: <ana@example.com>\r\nDelivered-To: " + tt.to + "\r\n" + hello
		if string(got[0].Raw) != want || got[0].From != "ana@example.com" || got[0].To != tt.to {
			t.Errorf("%s: delivered %+v\n%s", tt.to, got[0], got[0].Raw)
		}
	}
}

func TestDeliver(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 15, 0, 0, time.UTC)
	o := open(t, Options{Now: func() time.Time { return at }})
	for raw, sender := range map[string]string{
		hello:                         "ana@example.com",
		"Return-Path: <>\r\n" + hello: "",
		"Return-Path: <b@example.com>\n" + "X: y\n\nz\n": "b@example.com",
		"no header at all":  "",
		"From: ana\r\n\r\n": "",
	} {
		if err := o.Deliver("soporte+x@example.edu.co", []byte(raw)); err != nil {
			t.Fatal(err)
		}
		all := o.Messages("soporte", "INBOX")
		last := all[len(all)-1]
		want := "Return-Path: <" + sender + ">\r\nDelivered-To: soporte+x@example.edu.co\r\n" + strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")
		if string(last.Raw) != want || last.From != sender || !last.At.Equal(at) {
			t.Errorf("delivered %q from %q, want %q", last.Raw, last.From, want)
		}
	}
	if len(o.Sent()) != 0 {
		t.Error("what did not come by SMTP is among what did")
	}
	if o.Messages("nadie", "INBOX") != nil || o.Messages("soporte", "Otra") != nil {
		t.Error("mail of nobody")
	}
}

func TestSentKeepsOrderAndBytes(t *testing.T) {
	o := open(t, Options{})
	if err := send(o, "", "Subject: 1\r\n\r\nñ\r\n..x\r\n", "soporte@example.edu.co", "agente@example.edu.co"); err != nil {
		t.Fatal(err)
	}
	if err := send(o, "ana@example.com", "Subject: 2\r\n\r\n", "agente@example.edu.co"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range o.Sent() {
		got = append(got, m.From+"|"+m.To+"|"+string(m.Raw))
	}
	want := []string{
		"|soporte@example.edu.co|Subject: 1\r\n\r\nñ\r\n..x\r\n",
		"|agente@example.edu.co|Subject: 1\r\n\r\nñ\r\n..x\r\n",
		"ana@example.com|agente@example.edu.co|Subject: 2\r\n\r\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := len(o.Messages("agente@example.edu.co", "INBOX")); n != 2 {
		t.Errorf("%d messages in the second user's INBOX", n)
	}
}

func TestAuth(t *testing.T) {
	o := open(t, Options{})
	for _, tt := range []struct {
		user, password string
		want           int
	}{{"soporte", "secreto", 0}, {"agente@example.edu.co", "clave", 0}, {"soporte", "clave", 535}, {"nadie", "", 535}} {
		c, err := smtp.Dial(o.SMTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		if got := code(c.Auth(sasl.NewPlainClient("", tt.user, tt.password))); got != tt.want {
			t.Errorf("%s with %q: %d, want %d", tt.user, tt.password, got, tt.want)
		}
		c.Close()
	}
}

func TestIntercept(t *testing.T) {
	var mutex sync.Mutex
	var seen []string
	o := open(t, Options{Intercept: func(from, to string, raw []byte) bool {
		mutex.Lock()
		defer mutex.Unlock()
		seen = append(seen, from+" "+to+" "+string(raw[:5]))
		return strings.HasSuffix(to, "@lejos.example")
	}})
	if err := send(o, "a@b.c", hello, "soporte@example.edu.co", "x@lejos.example"); err != nil {
		t.Fatal(err)
	}
	if err := send(o, "a@b.c", hello, "agente@example.edu.co", "x@otro.example"); code(err) != 550 {
		t.Errorf("a recipient that nobody takes: %v", err)
	}
	want := []string{"a@b.c soporte@example.edu.co From:", "a@b.c x@lejos.example From:", "a@b.c agente@example.edu.co From:", "a@b.c x@otro.example From:"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	if n := len(o.Sent()); n != 2 {
		t.Errorf("%d mails accepted, want 2", n)
	}
	if n := len(o.Messages("agente@example.edu.co", "INBOX")); n != 0 {
		t.Error("a refused mail was delivered")
	}
}

func TestScriptedFailures(t *testing.T) {
	o := open(t, Options{})
	quota := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 4, 5}, Message: "daily limit"}
	for _, tt := range []struct {
		verb, arg string
		err       error
		code      int
		delivered int
	}{
		{"EHLO", "localhost", quota, 550, 0},
		{"MAIL", "ana@example.com", quota, 550, 0},
		{"RCPT", "soporte@example.edu.co", errors.New("full"), 451, 0},
		{"DATA", "ana@example.com", quota, 550, 0},
		{"DATA", "ana@example.com", ErrDisconnect, 0, 0},
		{"MAIL", "ana@example.com", ErrDisconnect, 0, 0},
		{"DONE", "ana@example.com", ErrDisconnect, 0, 1},
	} {
		before := len(o.Messages("soporte", "INBOX"))
		o.Fail(func(verb, arg string) error {
			if verb == tt.verb && arg == tt.arg {
				return tt.err
			}
			return nil
		})
		err := send(o, "ana@example.com", hello, "soporte@example.edu.co")
		if err == nil || code(err) != tt.code {
			t.Errorf("%s: %v, want %d", tt.verb, err, tt.code)
		}
		if got := len(o.Messages("soporte", "INBOX")) - before; got != tt.delivered {
			t.Errorf("%s %v: %d delivered, want %d", tt.verb, tt.err, got, tt.delivered)
		}
	}
	o.Fail(nil)
	if err := send(o, "ana@example.com", hello, "soporte@example.edu.co"); err != nil {
		t.Error(err)
	}
}

func TestWait(t *testing.T) {
	o := open(t, Options{})
	ctx := deadline(t)
	subject := func(s string) func(Mail) bool {
		return func(m Mail) bool { return strings.Contains(string(m.Raw), "Subject: "+s+"\r\n") }
	}
	shown := 0
	waiting := make(chan struct{})
	result := make(chan Mail, 1)
	go func() {
		m, err := o.Wait(ctx, "soporte", func(m Mail) bool {
			if shown++; shown == 1 {
				close(waiting)
			}
			return subject("3")(m)
		})
		if err != nil {
			t.Error(err)
		}
		result <- m
	}()
	deliver := func(s string) {
		if err := o.Deliver("soporte@example.edu.co", []byte("Subject: "+s+"\r\n\r\n")); err != nil {
			t.Error(err)
		}
	}
	deliver("1")
	<-waiting // it is looking now, so the rest arrives while it waits
	deliver("2")
	deliver("3")
	if m := <-result; !subject("3")(m) || m.To != "soporte@example.edu.co" {
		t.Errorf("got %+v", m)
	}
	if shown != 3 {
		t.Errorf("match was asked %d times about 3 messages", shown)
	}
	// What is there already is found at once.
	if m, err := o.Wait(ctx, "soporte", subject("2")); err != nil || !subject("2")(m) {
		t.Errorf("got %+v, %v", m, err)
	}

	if _, err := o.Wait(ctx, "nadie", subject("1")); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("an unknown user: %v", err)
	}
	if _, err := o.WaitIn(ctx, "soporte", "Otra", subject("1")); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an unknown mailbox: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := o.Wait(cancelled, "soporte", subject("9")); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, err := o.Wait(ctx, "soporte", subject("9"))
		ended <- err
	}()
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("a wait in a closed office: %v", err)
	}
}

func TestCloseBreaksEverythingAndKeepsTheMail(t *testing.T) {
	o := open(t, Options{})
	if err := o.Deliver("soporte@example.edu.co", []byte(hello)); err != nil {
		t.Fatal(err)
	}
	idle := login(t, o, "soporte", "secreto", nil)
	if _, err := idle.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	cmd, err := idle.Idle()
	if err != nil {
		t.Fatal(err)
	}
	mute, err := net.Dial("tcp", o.IMAPAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	half, err := smtp.Dial(o.SMTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if err := half.Mail("a@b.c", nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("an idling client did not notice")
	}
	if err := half.Noop(); err == nil {
		t.Error("an SMTP client did not notice")
	}
	if err := o.Close(); !errors.Is(err, errClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if n := len(o.Messages("soporte", "INBOX")); n != 1 {
		t.Errorf("%d messages left", n)
	}
}

func TestAddressesInUse(t *testing.T) {
	o := open(t, Options{})
	for _, opt := range []Options{{IMAPAddr: o.IMAPAddr()}, {SMTPAddr: o.IMAPAddr()}} {
		if second, err := New(opt); err == nil {
			second.Close()
			t.Errorf("%+v: listens on an address in use", opt)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	o := open(t, Options{})
	ctx := deadline(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				var err error
				if i%2 == 0 {
					err = o.Deliver("soporte@example.edu.co", []byte(hello))
				} else {
					err = send(o, "a@b.c", hello, "soporte+x@example.edu.co")
				}
				if err != nil {
					t.Error(err)
				}
				o.Messages("soporte", "INBOX")
			}
		})
	}
	seen := 0
	if _, err := o.Wait(ctx, "soporte", func(Mail) bool { seen++; return seen == 40 }); err != nil {
		t.Error(err)
	}
	all.Wait()
	if n := len(o.Messages("soporte", "INBOX")); n != 40 {
		t.Errorf("%d messages, want 40", n)
	}
}

func subjectOf(m Mail) string {
	_, after, _ := strings.Cut(string(m.Raw), "Subject: ")
	subject, _, _ := strings.Cut(after, "\r\n")
	return subject
}
