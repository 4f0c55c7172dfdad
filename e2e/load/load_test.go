// Package load measures the desk under load, with real Dovecot and Postfix
// servers around it.
package load

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"buzon/control"
	"buzon/e2e/world"
	"buzon/internal/load"
	"buzon/internal/realservers"
	"buzon/internal/stream"
	"buzon/ticket"
)

func TestMain(m *testing.M) { world.Main(m) }

const (
	agentDomain = world.PrivateDomain
	byIMAP      = "masivo@imap.test"
)

// setting reads a number from the environment.
func setting(b *testing.B, name string, otherwise float64) float64 {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 {
		b.Fatalf("%s=%q is not a number above 0", name, text)
	}
	return n
}

// BenchmarkLoad sends MSGS messages of the stream by SMTP at RATE a second and
// then as many at once by IMAP, and accounts for every one of them. The time of a
// request by SMTP is from its final dot to its confirmation's arrival at the
// smarthost. Mail goes in by Postfix, which is part of that time, or straight to
// the listener with DIRECT=1. Run it with -benchtime 1x; make load does.
func BenchmarkLoad(b *testing.B) {
	n, rate := int(setting(b, "MSGS", 1000)), setting(b, "RATE", 10)
	smarthost, err := load.NewSink("127.0.0.1:0", agentDomain)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { smarthost.Close() })
	w := world.New(b, world.Options{Accounts: map[string]string{byIMAP: "secreto"}})
	d := w.NewDesk(world.Settings{Smarthost: smarthost.Addr(), Desk: "automatic_per_hour = 1000\nquiet = \"0\""})
	d.Append(massAccount(w, d))
	d.Start()
	d.AwaitConnected("masivo")
	memory := load.WatchMemory(d.PID())

	run := &run{b: b, w: w, d: d, sink: smarthost, entry: w.Postfix.SMTPAddr}
	how := "by Postfix"
	if os.Getenv("DIRECT") != "" {
		run.entry, how = d.SMTPAddr, "straight to the listener"
	}
	b.ResetTimer()
	smtpTook := run.bySMTP(n, rate)
	imapTook := run.byIMAP(n)
	b.StopTimer()
	held := memory()

	fmt.Printf("\n%d messages by SMTP (%s) in %s, %d by IMAP in %s (%.0f a second)\n",
		n, how, smtpTook.Round(time.Second), n, imapTook.Round(100*time.Millisecond), float64(n)/imapTook.Seconds())
	run.account()
	accepted, confirmed := load.Latencies(run.bySMTPSent, smarthost)
	fmt.Printf("at %g a second, final dot to 250: %s; to confirmation: %s\n", rate, accepted, confirmed)
	fmt.Printf("RssAnon of the daemon: %d MB at its peak, %d MB at the end\n\n", held.Peak>>20, held.End>>20)
	b.ReportMetric(float64(confirmed.P50.Milliseconds()), "p50-ms")
	b.ReportMetric(float64(confirmed.P99.Milliseconds()), "p99-ms")
	b.ReportMetric(float64(held.Peak>>20), "peak-MB")
	b.ReportMetric(float64(n)/imapTook.Seconds(), "imap-msgs/s")
}

// massAccount is the mailbox that mail is taken from by IMAP, and its topic.
func massAccount(w *world.World, d *world.Desk) string {
	return fmt.Sprintf(`
[[account]]
name = "masivo"
host = %q
port = %d
tls = "plain"
username = %q
password_file = %q
after = "move"
move_to = "Procesados"

[[topic]]
id = "masivo"
name = "Masivo"
addresses = [%q]
agent = "ana"
`, w.Dovecot.Host, w.Dovecot.Port, byIMAP, d.Secret("password", "secreto"), byIMAP)
}

// run is the state of one load run.
type run struct {
	b     *testing.B
	w     *world.World
	d     *world.Desk
	sink  *load.Sink
	entry string // where mail is handed in, host:port

	messages []*stream.Message // all that were sent

	last  [2]int // messages taken and mails waiting, when that was last looked at
	moved time.Time

	mu         sync.Mutex
	bySMTPSent []load.Sent
}

// stream makes a stream. A reply waits for the confirmation that it answers, as
// people do.
func (r *run) stream(seed int64, domain, to string) *stream.Stream {
	return stream.New(seed, stream.Options{
		Domain: domain, Topics: []string{to}, Start: time.Now(),
		Confirmation: func(request string) (stream.Confirmation, bool) {
			c, ok := r.sink.Wait(request, realservers.Patience)
			if !ok {
				r.b.Fatalf("request %s was not confirmed within %s", request, realservers.Patience)
			}
			return c.Read(), true
		},
	})
}

// alone makes a stream whose replies add to the person's own mail, without waiting for
// any confirmation.
func (r *run) alone(seed int64, domain, to string) *stream.Stream {
	return stream.New(seed, stream.Options{Domain: domain, Topics: []string{to}, Start: time.Now(), Requesters: 2000})
}

// bySMTP sends messages at a steady rate, whether or not the earlier ones are
// through, and returns when the desk has taken them all.
func (r *run) bySMTP(n int, rate float64) time.Duration {
	s := r.stream(1, "smtp.test", "soporte@desk.test")
	start := time.Now()
	var sending sync.WaitGroup
	for i := range n {
		m := s.Next()
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		r.messages = append(r.messages, m)
		sending.Go(func() { r.send(m) })
	}
	sending.Wait()
	if r.b.Failed() {
		r.b.FailNow() // what was not taken can't be waited for
	}
	r.awaitTaken(n)
	return time.Since(start)
}

// send uses a connection of its own, as mail from all over does.
func (r *run) send(m *stream.Message) {
	way, err := load.DialSMTP(r.entry)
	if err != nil {
		r.b.Errorf("message %d: %v", m.N, err)
		return
	}
	defer way.Close()
	dot, err := way.Send(m)
	if err != nil {
		r.b.Errorf("message %d (%s): %v", m.N, m.Form, err)
		return
	}
	r.mu.Lock()
	r.bySMTPSent = append(r.bySMTPSent, load.Sent{Message: m, Dot: dot, Accepted: time.Now()})
	r.mu.Unlock()
}

// byIMAP puts messages into the mailbox as fast as it goes.
func (r *run) byIMAP(n int) time.Duration {
	s := r.stream(2, "imap-users.test", byIMAP)
	before := len(r.messages)
	start := time.Now()
	for range n {
		m := s.Next()
		r.messages = append(r.messages, m)
		r.w.Deliver(r.b, byIMAP, slices.Concat([]byte("Delivered-To: "+m.To+"\r\nReturn-Path: <"+m.From+">\r\n"), m.Raw))
	}
	r.awaitTaken(before + n)
	return time.Since(start)
}

// awaitTaken waits until the desk has taken so many messages in all and has sent
// what they caused.
func (r *run) awaitTaken(n int) {
	for !r.taken(n) || r.d.Metric("buzon_outbox_waiting") > 0 {
		time.Sleep(50 * time.Millisecond)
	}
}

// taken tells whether the desk has taken so many messages. When nothing has moved for
// long it fails the run.
func (r *run) taken(n int) bool {
	now := [2]int{int(r.d.Metric("buzon_messages_received_total")), int(r.d.Metric("buzon_outbox_waiting"))}
	if now != r.last || r.moved.IsZero() {
		r.last, r.moved = now, time.Now()
	}
	if time.Since(r.moved) > realservers.Patience {
		r.b.Fatalf("stuck: %d of %d messages were taken, %d outgoing mails wait", now[0], n, now[1])
	}
	return now[0] >= n
}

// account looks for every message in the desk and fails the run when one is
// missing or took effect twice.
func (r *run) account() {
	var list []control.Ticket
	r.d.Call("ticket list", control.Which{Limit: len(r.messages) * 2}, &list)
	found, total := []load.Found{}, 0
	for _, t := range list {
		var shown control.Ticket
		r.d.Call("ticket show", control.Which{Number: t.Number}, &shown)
		total += len(shown.Entries)
		for _, e := range shown.Entries {
			found = append(found, load.Found{MessageID: e.MessageID, Ticket: t.Number, Opened: e.Kind == ticket.EntryRequest, Text: e.Text})
		}
	}
	a := load.NewAccount(r.messages, found, r.sink)
	outcome := func(event string) int {
		return int(r.d.Metric("buzon_messages_received_total", fmt.Sprintf("outcome=%q", event)))
	}
	counted := 0
	fmt.Print("became:")
	for _, event := range []string{
		ticket.EventTicketed, ticket.EventReplied, ticket.EventAnswered, ticket.EventNoted, ticket.EventBounced, ticket.EventIgnored,
		ticket.EventDuplicate, ticket.EventVariant, ticket.EventQuarantined, ticket.EventHeld,
	} {
		fmt.Printf(" %d %s,", outcome(event), event)
		counted += outcome(event)
	}
	fmt.Printf(" together %d of %d\n", counted, len(r.messages))
	fmt.Printf("tickets: %d, of which %d newsletters, with %d entries\n%s\n", len(list), a.Newsletters, total, a)
	if err := a.Err(); err != nil {
		r.b.Error(err)
	}
	if counted != len(r.messages) || len(list) != a.Requests+a.Newsletters {
		r.b.Error("the figures above don't add up")
	}
}
