package mailpipe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/ticket"
)

// TestQuota: an exhausted account pauses everything and fails nobody; a mail that
// alone meets the limit while others pass is its own fault after all.
func TestQuota(t *testing.T) {
	for _, hard := range []bool{true, false} {
		t.Run(fmt.Sprintf("hard %t", hard), func(t *testing.T) {
			var limited atomic.Bool
			limited.Store(true)
			reply, pause := smtpError(450, smtp.EnhancedCode{4, 7, 28}, "unusual rate of mail"), time.Minute
			if hard {
				reply, pause = smtpError(550, smtp.EnhancedCode{5, 4, 5}, "Daily user sending limit exceeded."), 30*time.Minute
			}
			host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
				h.refuse = func(verb, to string) error {
					if verb == "DATA" && (limited.Load() || to == "bulk@example.org") {
						return reply
					}
					return nil
				}
			})
			clock, box, statuses := newManualClock(), &memoryOutbox{}, &statusLog{}
			box.add(outgoingTo(clock, "bulk@example.org"))
			box.add(outgoingTo(clock, "b@example.org"))
			s := NewSender(host.cfg, box, statuses.add, senderQuiet, clock.now)
			runSender(t, s)
			waitUntil(t, "a status", func() bool { return len(statuses.all()) == 1 })
			if st := statuses.all()[0]; st.Err == nil || st.Hint == "" || st.Alarm || !st.DownSince.Equal(clock.now()) {
				t.Errorf("%+v", st)
			}
			if len(box.all()) != 0 {
				t.Fatalf("%+v", box.all())
			}
			limited.Store(false)
			// The other mail goes first once the pause is over.
			clock.advance(pause)
			s.Wake()
			waitUntil(t, "the other mail sent", func() bool { return box.states() == "waiting sent" })
			waitUntil(t, "a good status", func() bool { st := s.Status(); return st.Err == nil && st.Connected })
			clock.advance(2 * time.Hour)
			s.Wake()
			waitUntil(t, "the first mail reported", func() bool { return len(box.all()) == 2 })
			if r := box.all()[1]; r.result.Sent || r.result.Permanent || r.id != 1 || !r.next.Equal(clock.now().Add(time.Minute)) {
				t.Errorf("%+v", r)
			}
			if s.Status().Err != nil {
				t.Errorf("one mail's refusal is taken for the account's: %+v", s.Status())
			}
		})
	}
}

// TestSmarthostDown: nobody's tries are spent, one status tells it, a second one
// raises the alarm after two minutes, a third one ends it.
func TestSmarthostDown(t *testing.T) {
	host := startSmarthost(t, nil)
	spare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := configFor(spare, tlsPlain)
	spare.Close()
	clock, box, statuses, logged := newManualClock(), &memoryOutbox{}, &statusLog{}, &senderLog{}
	start := clock.now()
	box.add(outgoingTo(clock, "a@example.org"))
	box.add(outgoingTo(clock, "b@example.org"))
	s := NewSender(cfg, box, statuses.add, logged.logger(), clock.now)
	stop := runSender(t, s)
	waitUntil(t, "the first status", func() bool { return len(statuses.all()) == 1 })
	for range 4 {
		clock.advance(20 * time.Second)
		s.Wake()
	}
	clock.advance(time.Minute)
	s.Wake()
	waitUntil(t, "the alarm", func() bool { return len(statuses.all()) == 2 })
	first, second := statuses.all()[0], statuses.all()[1]
	if first.Err == nil || first.Hint == "" || first.Alarm || !first.DownSince.Equal(start) {
		t.Errorf("%+v", first)
	}
	if !second.Alarm || !second.DownSince.Equal(start) {
		t.Errorf("%+v", second)
	}
	if n := strings.Count(logged.String(), "alarm:"); n != 1 {
		t.Errorf("%d alarms in the log", n)
	}
	stop()
	if len(box.all()) != 0 {
		t.Errorf("tries were spent: %+v", box.all())
	}

	s.cfg.Server.Port = host.cfg.Server.Port
	runSender(t, s)
	waitUntil(t, "all sent", func() bool { return box.states() == "sent sent" })
	waitUntil(t, "the end of the alarm", func() bool { return len(statuses.all()) == 3 })
	if st := statuses.all()[2]; st.Alarm || st.Err != nil || !st.DownSince.IsZero() || !st.Connected {
		t.Errorf("%+v", st)
	}
}

// TestDownPauses: the pauses between attempts to connect grow.
func TestDownPauses(t *testing.T) {
	tries := make(chan struct{}, 100)
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		tries <- struct{}{}
		c.say("554 5.3.2 not now")
	})
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	cfg := configFor(listener, tlsPlain)
	cfg.Rand = func() float64 { return 0 }
	s := NewSender(cfg, box, nil, senderQuiet, clock.now)
	d := newDispatcher(s, t.Context(), t.Context())
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		d.step()
		d.settle(<-d.reports)
		<-tries
		if got := d.downUntil.Sub(clock.now()); got != want*time.Second {
			t.Errorf("pause %v, not %v", got, want*time.Second)
		}
		clock.advance(want*time.Second - 1)
		if d.step(); d.busy > 0 {
			t.Fatal("tried before its time")
		}
		clock.advance(1)
	}
	if len(box.all()) != 0 {
		t.Errorf("%+v", box.all())
	}
	d.dismiss()
	d.wg.Wait()
}

// TestProbe: while nothing is known to work again, one mail tries it; when it has,
// all go, and the next trouble starts with a short pause.
func TestProbe(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box := newManualClock(), &memoryOutbox{}
	for range 3 {
		box.add(outgoingTo(clock, "a@example.org"))
	}
	host.cfg.Connections = 2
	first := map[string]time.Duration{"down": firstDownPause, "quota": firstRatePause}
	for what, trouble := range map[string]func(d *dispatcher, r sendReport){
		"down":  func(d *dispatcher, r sendReport) { d.smarthostDown(r, clock.now()) },
		"quota": func(d *dispatcher, r sendReport) { d.quota(r, clock.now()) },
	} {
		d := newDispatcher(NewSender(host.cfg, box, nil, senderQuiet, clock.now), t.Context(), t.Context())
		report := func(id uint64) sendReport {
			return sendReport{row: &ticket.Outgoing{ID: id}, attempt: attempt{err: &AccountError{Err: errors.New("x"), Permanent: true}}}
		}
		for id := range uint64(3) {
			trouble(d, report(100+id))
			clock.advance(time.Hour)
		}
		if d.step(); d.busy != 1 {
			t.Errorf("%s: %d mails try it", what, d.busy)
		}
		settleAll(d)
		if d.isDown() || !d.quotaUntil.IsZero() {
			t.Errorf("%s: a mail was sent, and it is still down", what)
		}
		if d.step(); d.busy != 2 {
			t.Errorf("%s: %d mails go when it works again", what, d.busy)
		}
		settleAll(d)
		trouble(d, report(200))
		if pause := latest(d.downUntil, d.quotaUntil).Sub(clock.now()); pause != first[what] {
			t.Errorf("%s: the next trouble starts with a pause of %v", what, pause)
		}
		d.dismiss()
		d.wg.Wait()
		for _, r := range box.rows {
			r.State = ticket.OutgoingWaiting
		}
	}
}

// settleAll takes in what is under way.
func settleAll(d *dispatcher) {
	for d.busy > 0 || d.unheard > 0 {
		d.settle(<-d.reports)
	}
}

func TestPauseResumeWake(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box, statuses := newManualClock(), &memoryOutbox{}, &statusLog{}
	s := NewSender(host.cfg, box, statuses.add, senderQuiet, clock.now)
	s.Pause()
	runSender(t, s)
	box.add(outgoingTo(clock, "a@example.org"))
	d := newDispatcher(s, t.Context(), t.Context())
	if d.step(); d.busy != 0 {
		t.Error("it sends although it is paused")
	}
	s.Wake()
	if st := statuses.all(); len(st) != 1 || !st[0].Paused {
		t.Errorf("%+v", st)
	}
	s.Resume()
	waitUntil(t, "the mail sent", func() bool { return box.states() == "sent" })
	box.add(outgoingTo(clock, "b@example.org"))
	s.Wake()
	waitUntil(t, "the second mail sent", func() bool { return box.states() == "sent sent" })
	if st := s.Status(); st.Paused {
		t.Errorf("%+v", st)
	}
}

// TestFewerConnections: where the server allows one connection less than
// configured, everything goes over the others.
func TestFewerConnections(t *testing.T) {
	var open atomic.Int32
	listener := scriptedServer(t, func(_ int, c *scriptedConn) {
		defer open.Add(-1)
		if open.Add(1) > 1 {
			c.say("421 4.7.0 too many connections")
			return
		}
		c.serve(func(string, string) bool { return true })
	})
	clock, box, statuses := newManualClock(), &memoryOutbox{}, &statusLog{}
	cfg := configFor(listener, tlsPlain)
	cfg.Connections = 3
	s := NewSender(cfg, box, statuses.add, senderQuiet, clock.now)
	runSender(t, s)
	box.add(outgoingTo(clock, "first@example.org"))
	s.Wake()
	waitUntil(t, "the first sent", func() bool { return box.states() == "sent" })
	for i := range 30 {
		box.add(outgoingTo(clock, fmt.Sprintf("r%d@example.org", i)))
	}
	s.Wake()
	waitUntil(t, "all sent", func() bool { return !strings.Contains(box.states(), "waiting") })
	for _, r := range box.all() {
		if !r.result.Sent {
			t.Errorf("%+v", r)
		}
	}
	for _, st := range statuses.all() {
		if st.Err != nil {
			t.Errorf("%+v", st)
		}
	}
}

// TestUnrecorded: what was sent and could not be recorded at all is not handed out
// again; what was only refused is, after a while.
func TestUnrecorded(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box := newManualClock(), &memoryOutbox{}
	a, b := box.add(outgoingTo(clock, "a@example.org")), box.add(outgoingTo(clock, "b@example.org"))
	d := newDispatcher(NewSender(host.cfg, box, nil, senderQuiet, clock.now), t.Context(), t.Context())
	for _, r := range []sendReport{
		{row: a, attempt: attempt{fate: fateSent}},
		{row: b, attempt: attempt{fate: fateTemporary, err: errors.New("x")}},
	} {
		d.busy++
		r.worker = &sendWorker{rows: make(chan *ticket.Outgoing)}
		d.settle(r)
	}
	if d.step(); d.busy != 0 {
		t.Error("handed out at once")
	}
	clock.advance(time.Minute)
	d.step()
	if settleAll(d); box.states() != "waiting sent" {
		t.Error(box.states())
	}
	if d.step(); d.busy != 0 {
		t.Error("the first mail is sent a second time")
	}
	d.dismiss()
}

// slowOutbox writes nothing down before it is let.
type slowOutbox struct {
	*memoryOutbox
	let chan struct{}
}

func (b *slowOutbox) Report(ctx context.Context, id uint64, result ticket.Result, next time.Time) error {
	<-b.let
	return b.memoryOutbox.Report(ctx, id, result, next)
}

// TestFewUnrecorded: a connection goes on while results are being recorded, but has
// never handed over more mails than promised of which the outbox does not know.
func TestFewUnrecorded(t *testing.T) {
	const mails = 5 * UnrecordedMails
	box := &slowOutbox{&memoryOutbox{}, make(chan struct{}, mails)}
	var begun, most atomic.Int64
	host := startSmarthost(t, func(h *smarthost, _ *smtp.Server) {
		h.refuse = func(verb, _ string) error {
			if verb == "DATA" {
				most.Store(max(most.Load(), begun.Add(1)-int64(len(box.all()))))
			}
			return nil
		}
	})
	host.cfg.Connections = 1
	clock := newManualClock()
	for range mails {
		box.add(outgoingTo(clock, "a@example.org"))
	}
	runSender(t, NewSender(host.cfg, box, nil, senderQuiet, clock.now))
	for done := range mails {
		waitUntil(t, "more mails sent", func() bool { n, _ := host.count(); return n == min(done+UnrecordedMails, mails) })
		box.let <- struct{}{}
	}
	waitUntil(t, "all recorded", func() bool { return len(box.all()) == mails })
	if most.Load() != UnrecordedMails {
		t.Errorf("up to %d mails were handed over and not recorded", most.Load())
	}
}

// TestManyMails: a connection is replaced after a hundred mails.
func TestManyMails(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box := newManualClock(), &memoryOutbox{}
	for range mailsPerLink + 1 {
		box.add(outgoingTo(clock, "a@example.org"))
	}
	runSender(t, NewSender(host.cfg, box, nil, senderQuiet, clock.now))
	waitUntil(t, "all sent", func() bool { return !strings.Contains(box.states(), "waiting") })
	if mails, connections := host.count(); mails != mailsPerLink+1 || connections != 2 {
		t.Errorf("%d mails over %d connections", mails, connections)
	}
}

// TestIdleConnection: a connection is not kept for ever.
func TestIdleConnection(t *testing.T) {
	host := startSmarthost(t, nil)
	clock, box := newManualClock(), &memoryOutbox{}
	box.add(outgoingTo(clock, "a@example.org"))
	s := NewSender(host.cfg, box, nil, senderQuiet, clock.now)
	runSender(t, s)
	waitUntil(t, "it sent", func() bool { return box.states() == "sent" })
	open := func() int { host.mu.Lock(); defer host.mu.Unlock(); return host.open }
	if open() != 1 {
		t.Error("the connection is not kept")
	}
	waitUntil(t, "the connection closed", func() bool {
		clock.advance(keepIdle)
		s.Wake()
		return open() == 0
	})
}
