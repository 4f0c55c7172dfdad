package mailpipe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"buzon/ticket"
)

func smtpError(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// outgoingTo is a mail that was queued when the clock of the test began.
func outgoingTo(clock *manualClock, to string) *ticket.Outgoing {
	return &ticket.Outgoing{Class: ticket.ClassAnswer, EnvelopeFrom: "bounce+x@desk.test", To: to, Created: clock.now()}
}

func TestSenderReusesConnection(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	host := startSmarthost(t, nil)
	clock, box, logged := newManualClock(), &memoryOutbox{}, &senderLog{}
	for i := range 20 {
		box.add(outgoingTo(clock, fmt.Sprintf("r%d@example.org", i)))
	}
	s := NewSender(host.cfg, box, nil, logged.logger(), clock.now)
	stop := runSender(t, s)
	waitUntil(t, "20 mails sent", func() bool { return len(box.all()) == 20 })
	stop()
	host.server.Close()

	if mails, connections := host.count(); mails != 20 || connections != 1 {
		t.Errorf("%d mails over %d connections", mails, connections)
	}
	for i := range 20 {
		m := host.mail(i)
		want := arrivedMail{from: "bounce+x@desk.test", to: fmt.Sprintf("r%d@example.org", i)}
		want.data = box.rows[i].Chunks[0].Literal
		if m.from != want.from || m.to != want.to || string(m.data) != string(want.data) {
			t.Errorf("mail %d: from %s to %s: %q", i, m.from, m.to, m.data)
		}
		if m.opts.Size != int64(len(want.data)) || m.opts.Body != smtp.Body8BitMIME {
			t.Errorf("mail %d: size %d, body %s", i, m.opts.Size, m.opts.Body)
		}
	}
	if n := strings.Count(logged.String(), "msg=sent "); n != 20 || strings.Contains(logged.String(), "r1@") {
		t.Errorf("%d lines say that mail was sent; log:\n%s", n, logged.String())
	}
	if st := s.Status(); !st.LastSent.Equal(clock.now()) || !st.Connected || st.Err != nil {
		t.Errorf("status %+v", st)
	}
}

// A mail that is due later leaves when it is due, and not at the next poll.
func TestWhatIsDueLaterLeavesInTime(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	host := startSmarthost(t, nil)
	box := &memoryOutbox{}
	later := box.add(&ticket.Outgoing{Class: ticket.ClassAnswer, EnvelopeFrom: "b@desk.test", To: "a@example.org", NextTry: time.Now().Add(300 * time.Millisecond)})
	began := time.Now()
	stop := runSender(t, NewSender(host.cfg, box, nil, senderQuiet, time.Now))
	waitUntil(t, "the mail sent", func() bool { return len(box.all()) == 1 })
	stop()
	host.server.Close()
	if now := time.Now(); now.Before(later.NextTry) || now.Sub(began) >= pollOutbox {
		t.Errorf("it left after %s", now.Sub(began))
	}
}

// TestReplies: each refusal at each verb concerns one mail, and the next one goes
// over the same connection.
func TestReplies(t *testing.T) {
	for _, verb := range []string{"MAIL", "RCPT", "DATA"} {
		for _, code := range []int{450, 451, 452, 550, 552, 554} {
			t.Run(fmt.Sprint(verb, code), func(t *testing.T) {
				var refused atomic.Bool
				host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
					h.refuse = func(v, _ string) error {
						if v == verb && refused.CompareAndSwap(false, true) {
							return smtpError(code, smtp.EnhancedCode{code / 100, 2, 1}, "not today")
						}
						return nil
					}
				})
				clock, box := newManualClock(), &memoryOutbox{}
				box.add(outgoingTo(clock, "a@example.org"))
				box.add(outgoingTo(clock, "b@example.org"))
				runSender(t, NewSender(host.cfg, box, nil, senderQuiet, clock.now))
				waitUntil(t, "both reported", func() bool { return len(box.all()) == 2 })
				first, second := box.all()[0], box.all()[1]
				if first.result.Sent || first.result.Permanent != (code >= 500) {
					t.Errorf("%+v", first)
				}
				if want := fmt.Sprintf("%d %d.2.1 not today", code, code/100); !strings.HasSuffix(first.result.Detail, want) {
					t.Errorf("detail %q does not end in %q", first.result.Detail, want)
				}
				next := time.Time{}
				if code < 500 {
					next = clock.now().Add(time.Minute)
				}
				if !first.next.Equal(next) {
					t.Errorf("next try at %v, not %v", first.next, next)
				}
				if !second.result.Sent {
					t.Errorf("%+v", second)
				}
				if _, connections := host.count(); connections != 1 {
					t.Errorf("%d connections", connections)
				}
			})
		}
	}
}

// TestRetryTimes follows one mail from its first refusal to giving up.
func TestRetryTimes(t *testing.T) {
	host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
		h.refuse = func(verb, _ string) error {
			if verb == "RCPT" {
				return smtpError(451, smtp.EnhancedCode{4, 7, 1}, "Greylisting in action, please come back later at a lower rate")
			}
			return nil
		}
	})
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	host.cfg.GiveUp = 12 * time.Hour
	s := NewSender(host.cfg, box, nil, senderQuiet, clock.now)
	runSender(t, s)
	var pauses []time.Duration
	for {
		n := len(pauses)
		waitUntil(t, "another report", func() bool { return len(box.all()) > n })
		r := box.all()[n]
		if r.result.Permanent {
			if want := "gave up after 12h8m0s: RCPT TO: 451 4.7.1 Greylisting"; !strings.HasPrefix(r.result.Detail, want) {
				t.Errorf("%q", r.result.Detail)
			}
			break
		}
		pauses = append(pauses, r.next.Sub(clock.now()))
		clock.advance(r.next.Sub(clock.now()))
		s.Wake()
	}
	const m, h = time.Minute, time.Hour
	if diff := cmp.Diff([]time.Duration{m, 2 * m, 5 * m, 10 * m, 20 * m, 30 * m, h, 2 * h, 4 * h, 4 * h}, pauses); diff != "" {
		t.Error(diff)
	}
}

func TestDays(t *testing.T) {
	if got := days(5*24*time.Hour + time.Minute); got != "5 days" {
		t.Error(got)
	}
}

// TestDisconnect: a connection that ends at any point costs one try of one mail;
// after the final dot the mail is sent again with the same bytes.
func TestDisconnect(t *testing.T) {
	for _, at := range []string{"MAIL", "RCPT", "DATA", "."} {
		t.Run(at, func(t *testing.T) {
			var mu sync.Mutex
			var bodies []string
			listener := scriptedServer(t, func(n int, c *scriptedConn) {
				c.serve(func(command, body string) bool {
					if command == "." {
						mu.Lock()
						defer mu.Unlock()
						bodies = append(bodies, body)
					}
					return n > 1 || !strings.HasPrefix(command, at)
				})
			})
			clock, box := newManualClock(), &memoryOutbox{archive: memoryArchive{7: []byte("--b\r\n..head\nÑ\r\n.\r\n\rend\r")}}
			r := outgoingTo(clock, "a@example.org")
			r.Chunks = []ticket.Chunk{{Literal: []byte("Subject: x\r\n\r\n.dot\r\n")}, {Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 7}, Offset: 5, Length: 19}, {Literal: []byte("\r\n--b--\r\n")}}
			box.add(r)
			s := NewSender(configFor(listener, tlsPlain), box, nil, senderQuiet, clock.now)
			runSender(t, s)
			waitUntil(t, "the first report", func() bool { return len(box.all()) == 1 })
			if got := box.all()[0]; got.result.Sent || got.result.Permanent {
				t.Fatalf("%+v", got)
			}
			clock.advance(time.Minute)
			s.Wake()
			waitUntil(t, "the second report", func() bool { return len(box.all()) == 2 })
			if got := box.all()[1]; !got.result.Sent {
				t.Errorf("%+v", got)
			}
			want := "Subject: x\r\n\r\n..dot\r\n...head\r\nÑ\r\n..\r\n\r\nend\r\n\r\n--b--\r\n"
			wantBodies := []string{want}
			if at == "." {
				wantBodies = append(wantBodies, want)
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(wantBodies, bodies); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStaleConnection: a kept connection that the server has ended, in whatever
// way, costs no try at all.
func TestStaleConnection(t *testing.T) {
	for _, way := range []string{"close", "421"} {
		t.Run(way, func(t *testing.T) {
			var second atomic.Bool
			listener := scriptedServer(t, func(n int, c *scriptedConn) {
				mails := 0
				c.serve(func(command, _ string) bool {
					if strings.HasPrefix(command, "MAIL") {
						mails++
					}
					if mails > 1 {
						if way == "421" {
							c.say("421 4.4.2 idle for too long")
						}
						return false
					}
					if n == 2 && command == "." {
						second.Store(true)
					}
					return true
				})
			})
			clock, box := newManualClock(), &memoryOutbox{}
			box.add(outgoingTo(clock, "a@example.org"))
			box.add(outgoingTo(clock, "b@example.org"))
			runSender(t, NewSender(configFor(listener, tlsPlain), box, nil, senderQuiet, clock.now))
			waitUntil(t, "both sent", func() bool { return box.states() == "sent sent" })
			if n := len(box.all()); n != 2 || !second.Load() {
				t.Errorf("%d reports", n)
			}
		})
	}
}

// TestMutePeer: silence ends after the limits, at every point.
func TestMutePeer(t *testing.T) {
	for _, at := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA", "."} {
		t.Run(at, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			var up atomic.Bool
			listener := scriptedServer(t, func(_ int, c *scriptedConn) {
				if at != "greeting" || up.Load() {
					c.serve(func(command, _ string) bool { return up.Load() || !strings.HasPrefix(command, at) })
				}
				c.mute()
			})
			clock, box, statuses := newManualClock(), &memoryOutbox{}, &statusLog{}
			box.add(outgoingTo(clock, "a@example.org"))
			cfg := configFor(listener, tlsPlain)
			cfg.CommandTimeout, cfg.DataTimeout = 100*time.Millisecond, 100*time.Millisecond
			s := NewSender(cfg, box, statuses.add, senderQuiet, clock.now)
			stop := runSender(t, s)
			if at == "greeting" || at == "EHLO" {
				waitUntil(t, "a status", func() bool { return len(statuses.all()) == 1 })
				if st := statuses.all()[0]; st.Err == nil || st.Alarm || st.Connected || len(box.all()) != 0 {
					t.Errorf("status %+v, reports %+v", st, box.all())
				}
			} else {
				waitUntil(t, "a report", func() bool { return len(box.all()) == 1 })
				if r := box.all()[0].result; r.Sent || r.Permanent || !strings.Contains(r.Detail, "timeout") {
					t.Errorf("%+v", r)
				}
			}
			up.Store(true)
			clock.advance(time.Minute)
			s.Wake()
			waitUntil(t, "it sent", func() bool { return box.states() == "sent" })
			stop()
			listener.Close()
		})
	}
}

// TestEndAfterRefusal: a server that refuses a mail and then ends the connection
// does no harm to the next mail, whatever that needs.
func TestEndAfterRefusal(t *testing.T) {
	listener := scriptedServer(t, func(n int, c *scriptedConn) {
		greetings := 0
		c.say("220 hi")
		for {
			command := c.hear()
			switch {
			case strings.HasPrefix(command, "EHLO"):
				if greetings++; greetings > 1 {
					return
				}
				c.say("250-x", "250 SMTPUTF8")
			case strings.HasPrefix(command, "RCPT") && n == 1:
				c.say("550 5.1.1 nobody")
			case command == "DATA":
				c.say("354 go on")
				c.body()
				c.say("250 taken")
			case command == "" || command == "QUIT":
				return
			default:
				c.say("250 fine")
			}
		}
	})
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	box.add(outgoingTo(clock, "ñandú@example.org"))
	runSender(t, NewSender(configFor(listener, tlsPlain), box, nil, senderQuiet, clock.now))
	waitUntil(t, "both reported", func() bool { return len(box.all()) == 2 })
	if got := box.states(); got != "failed sent" {
		t.Errorf("%s: %+v", got, box.all())
	}
}

// TestStopWhileConnecting: a stop does not wait for a server that says nothing.
func TestStopWhileConnecting(t *testing.T) {
	arrived := make(chan struct{})
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		c.say("220 hi")
		c.hear()
		close(arrived)
		c.mute()
	})
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	stop := runSender(t, NewSender(configFor(listener, tlsPlain), box, nil, senderQuiet, clock.now))
	<-arrived
	stop()
	if len(box.all()) != 0 {
		t.Errorf("%+v", box.all())
	}
}

// TestStopFinishesMail: a stop lets the mail under way finish.
func TestStopFinishesMail(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	arrived, goOn := make(chan struct{}), make(chan struct{})
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		c.serve(func(command, _ string) bool {
			if command == "." {
				close(arrived)
				<-goOn
			}
			return true
		})
	})
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	box.add(outgoingTo(clock, "b@example.org"))
	s := NewSender(configFor(listener, tlsPlain), box, nil, senderQuiet, clock.now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	<-arrived
	cancel()
	close(goOn)
	<-done
	if got := box.states(); got != "sent waiting" {
		t.Error(got)
	}
	listener.Close()
}

// TestStopIsBounded: a peer that has gone mute does not hold up the stop, and the
// mail stays as it was.
func TestStopIsBounded(t *testing.T) {
	arrived := make(chan struct{})
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		c.serve(func(command, _ string) bool { return command != "." })
		close(arrived)
		c.mute()
	})
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	s := NewSender(configFor(listener, tlsPlain), box, nil, senderQuiet, clock.now)
	s.grace = 50 * time.Millisecond
	stop := runSender(t, s)
	<-arrived
	stop()
	if len(box.all()) != 0 || box.states() != "waiting" {
		t.Errorf("%+v", box.all())
	}
}

// TestUnreadableArchive: half a mail never ends in a final dot.
func TestUnreadableArchive(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box := newManualClock(), &memoryOutbox{readErr: errors.New("segment is gone")}
	r := outgoingTo(clock, "a@example.org")
	r.Chunks = []ticket.Chunk{{Literal: []byte("Subject: x\r\n\r\nhola\r\n")}, {Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 7}, Length: 20}}
	box.add(r)
	s := NewSender(host.cfg, box, nil, senderQuiet, clock.now)
	runSender(t, s)
	waitUntil(t, "a report", func() bool { return len(box.all()) == 1 })
	if got := box.all()[0].result; got.Sent || got.Permanent || !strings.Contains(got.Detail, "segment is gone") {
		t.Errorf("%+v", got)
	}
	waitUntil(t, "the connection closed", func() bool { host.mu.Lock(); defer host.mu.Unlock(); return host.open == 0 })
	if mails, _ := host.count(); mails != 0 {
		t.Error("half a mail was sent")
	}
}

// TestResultRecordedLate: what was sent is recorded when the outbox can again, and
// not sent twice meanwhile.
func TestResultRecordedLate(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box := newManualClock(), &memoryOutbox{failures: 1}
	box.add(outgoingTo(clock, "a@example.org"))
	runSender(t, NewSender(host.cfg, box, nil, senderQuiet, clock.now))
	waitUntil(t, "the result recorded", func() bool { return box.states() == "sent" })
	if mails, _ := host.count(); mails != 1 {
		t.Errorf("sent %d times", mails)
	}
}

// TestUnusableRows: what can't be sent by its nature fails at once, with a reason.
func TestUnusableRows(t *testing.T) {
	host := startSmarthost(t, func(_ *smarthost, s *smtp.Server) { s.MaxMessageBytes = 1000 })
	clock, box := newManualClock(), &memoryOutbox{}
	for _, to := range []string{"a@example.org> NOTIFY=NEVER", "a@example.org\r\nDATA", "nobody"} {
		box.add(outgoingTo(clock, to))
	}
	box.add(outgoingTo(clock, "ñandú@example.org"))
	large := box.add(outgoingTo(clock, "a@example.org"))
	large.Chunks = []ticket.Chunk{{Literal: []byte("Subject: x\r\n\r\n" + strings.Repeat("x\r\n", 400))}}
	runSender(t, NewSender(host.cfg, box, nil, senderQuiet, clock.now))
	waitUntil(t, "all reported", func() bool { return len(box.all()) == 5 })
	for i, want := range []string{"not a usable address", "not a usable address", "not a usable address", "SMTPUTF8", "at most 1000"} {
		if r := box.all()[i].result; r.Sent || !r.Permanent || !strings.Contains(r.Detail, want) {
			t.Errorf("%+v", r)
		}
	}
	if mails, _ := host.count(); mails != 0 {
		t.Errorf("%d mails arrived", mails)
	}
}

func TestSMTPUTF8(t *testing.T) {
	host := startSmarthost(t, func(_ *smarthost, s *smtp.Server) { s.EnableSMTPUTF8 = true })
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "ñandú@example.org"))
	box.add(outgoingTo(clock, "a@example.org"))
	runSender(t, NewSender(host.cfg, box, nil, senderQuiet, clock.now))
	waitUntil(t, "both sent", func() bool { return box.states() == "sent sent" })
	if a, b := host.mail(0), host.mail(1); !a.opts.UTF8 || a.to != "ñandú@example.org" || b.opts.UTF8 {
		t.Errorf("%+v, %+v", a, b)
	}
}
