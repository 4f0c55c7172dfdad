// Package load measures the desk under load, with real Dovecot and Postfix
// servers around it.
package load

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"buzon/control"
	"buzon/e2e/world"
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
	smarthost := newSink(b)
	w := world.New(b, world.Options{Accounts: map[string]string{byIMAP: "secreto"}})
	d := w.NewDesk(world.Settings{Smarthost: smarthost.addr, Desk: "automatic_per_hour = 1000\nquiet = \"0\""})
	d.Append(fmt.Sprintf(`
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
`, w.Dovecot.Host, w.Dovecot.Port, byIMAP, d.Secret("password", "secreto"), byIMAP))
	d.Start()
	d.AwaitConnected("masivo")
	memory := watchMemory(b, d.PID())

	run := &run{b: b, w: w, d: d, sink: smarthost, entry: w.Postfix.SMTPAddr}
	how := "by Postfix"
	if os.Getenv("DIRECT") != "" {
		run.entry, how = d.SMTPAddr, "straight to the listener"
	}
	b.ResetTimer()
	smtpTook := run.bySMTP(n, rate)
	imapTook := run.byIMAP(n)
	b.StopTimer()
	peak, end := memory()

	fmt.Printf("\n%d messages by SMTP (%s) in %s, %d by IMAP in %s (%.0f a second)\n",
		n, how, smtpTook.Round(time.Second), n, imapTook.Round(100*time.Millisecond), float64(n)/imapTook.Seconds())
	run.account()
	p50, p99 := run.latency()
	fmt.Printf("final dot to confirmation at %g a second: p50 %d ms, p99 %d ms\n", rate, p50.Milliseconds(), p99.Milliseconds())
	fmt.Printf("RssAnon of the daemon: %d MB at its peak, %d MB at the end\n\n", peak>>10, end>>10)
	b.ReportMetric(float64(p50.Milliseconds()), "p50-ms")
	b.ReportMetric(float64(p99.Milliseconds()), "p99-ms")
	b.ReportMetric(float64(peak>>10), "peak-MB")
	b.ReportMetric(float64(n)/imapTook.Seconds(), "imap-msgs/s")
}

// run is the state of one load run.
type run struct {
	b     *testing.B
	w     *world.World
	d     *world.Desk
	sink  *sink
	entry string // where mail is handed in, host:port

	messages []*stream.Message // all that were sent
	mu       sync.Mutex
	dots     map[string]time.Time // final dot, by Message-ID
}

// stream makes a stream. A reply waits for the confirmation that it answers, as
// people do.
func (r *run) stream(seed int64, domain, to string) *stream.Stream {
	return stream.New(seed, stream.Options{
		Domain: domain, Topics: []string{to}, Start: time.Now(),
		Confirmation: func(request string) (stream.Confirmation, bool) {
			c, ok := r.sink.wait(request, realservers.Patience)
			if !ok {
				r.b.Fatalf("request %s was not confirmed within %s", request, realservers.Patience)
			}
			return c.Confirmation, true
		},
	})
}

// bySMTP sends messages at a steady rate, whether or not the earlier ones are
// through, and returns when the desk has taken them all.
func (r *run) bySMTP(n int, rate float64) time.Duration {
	s := r.stream(1, "smtp.test", "soporte@desk.test")
	r.dots = map[string]time.Time{}
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

func (r *run) send(m *stream.Message) {
	c, err := smtp.Dial(r.entry)
	if err != nil {
		r.b.Errorf("message %d: %v", m.N, err)
		return
	}
	defer c.Close()
	dot, err := deliver(c, m)
	if err != nil {
		r.b.Errorf("message %d (%s): %v", m.N, m.Form, err)
		return
	}
	r.mu.Lock()
	r.dots[m.MessageID] = dot
	r.mu.Unlock()
}

// deliver sends a message and returns when its final dot was written.
func deliver(c *smtp.Client, m *stream.Message) (dot time.Time, err error) {
	if err := c.Mail(m.From, nil); err != nil {
		return dot, err
	}
	if err := c.Rcpt(m.To, nil); err != nil {
		return dot, err
	}
	body, err := c.Data()
	if err != nil {
		return dot, err
	}
	if _, err := body.Write(m.Raw); err != nil {
		return dot, err
	}
	dot = time.Now()
	return dot, body.Close()
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
	last, moved := -1, time.Now()
	for {
		taken := int(r.d.Metric("buzon_messages_received_total"))
		if taken >= n && r.d.Metric("buzon_outbox_waiting") == 0 {
			return
		}
		if taken != last {
			last, moved = taken, time.Now()
		}
		if time.Since(moved) > realservers.Patience {
			r.b.Fatalf("stuck: %d of %d messages were taken, %g outgoing mails wait",
				taken, n, r.d.Metric("buzon_outbox_waiting"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// account looks for every message in the desk and fails the run when one is
// missing or took effect twice.
func (r *run) account() {
	kinds := map[stream.Kind]int{}
	for _, m := range r.messages {
		kinds[m.Kind]++
	}
	// Where each Message-ID ended up.
	var list []control.Ticket
	r.d.Call("ticket list", control.Which{Limit: len(r.messages) * 2}, &list)
	opened, entries, texts := map[string][]ticket.Number{}, map[string][]ticket.Number{}, map[string]string{}
	total, newsletters := 0, 0
	for _, t := range list {
		var shown control.Ticket
		r.d.Call("ticket show", control.Which{Number: t.Number}, &shown)
		for _, e := range shown.Entries {
			total++
			texts[e.MessageID] = e.Text
			if e.Kind == ticket.EntryRequest {
				opened[e.MessageID] = append(opened[e.MessageID], t.Number)
			} else if e.MessageID != "" {
				entries[e.MessageID] = append(entries[e.MessageID], t.Number)
			}
		}
	}
	var missing, twice, astray, miscut []string
	note := func(list *[]string, m *stream.Message) {
		*list = append(*list, fmt.Sprintf("%s %s", m.Form, m.MessageID))
	}
	unconfirmed := 0
	for _, m := range r.messages {
		in := opened[m.MessageID]
		if m.Kind != stream.Request {
			in = append(slices.Clone(in), entries[m.MessageID]...)
		}
		switch {
		case len(in) > 1:
			note(&twice, m)
		case len(in) == 0 && m.Kind != stream.Automatic:
			note(&missing, m)
		case m.Kind == stream.Reply && !slices.Equal(in, opened[m.Parent]):
			note(&astray, m)
		case m.Form == "newsletter":
			// Agents are shown it as a request, and its sender is told nothing.
			newsletters += len(in)
			if r.sink.knows(m.MessageID) {
				note(&astray, m)
			}
		case m.Kind == stream.Automatic && len(opened[m.MessageID]) > 0:
			note(&astray, m)
		case m.Kind == stream.Reply && texts[m.MessageID] != m.Text:
			note(&miscut, m)
		}
		if m.Kind == stream.Request {
			if _, ok := r.sink.wait(m.MessageID, realservers.Patience); !ok {
				unconfirmed++
			}
		}
	}
	outcome := func(event string) int {
		return int(r.d.Metric("buzon_messages_received_total", fmt.Sprintf("outcome=%q", event)))
	}
	counted := 0
	fmt.Printf("sent: %d requests, %d replies, %d automatic\n", kinds[stream.Request], kinds[stream.Reply], kinds[stream.Automatic])
	fmt.Print("became:")
	for _, event := range []string{
		ticket.EventTicketed, ticket.EventReplied, ticket.EventAnswered, ticket.EventNoted, ticket.EventBounced, ticket.EventIgnored,
		ticket.EventDuplicate, ticket.EventVariant, ticket.EventQuarantined, ticket.EventHeld,
	} {
		fmt.Printf(" %d %s,", outcome(event), event)
		counted += outcome(event)
	}
	fmt.Printf(" together %d of %d\n", counted, len(r.messages))
	fmt.Printf("tickets: %d, of which %d newsletters, with %d entries\n", len(list), newsletters, total)
	fmt.Printf("requests and replies missing: %d, with two effects: %d, in the wrong place: %d, with other text than was written: %d\n",
		len(missing), len(twice), len(astray), len(miscut))
	r.sink.mu.Lock()
	repeated := 0
	for _, c := range r.sink.confirmed {
		repeated += c.times - 1
	}
	fmt.Printf("at the smarthost: %d to requesters (%d confirmations missing, %d too many), %d to agents, %d sent again\n\n",
		r.sink.toPeople, unconfirmed, repeated, r.sink.toAgents, r.sink.again)
	again := r.sink.again
	r.sink.mu.Unlock()

	for what, list := range map[string][]string{
		"missing": missing, "with two effects": twice, "in the wrong place": astray, "with other text than was written": miscut,
	} {
		if len(list) > 0 {
			r.b.Errorf("%d messages %s:\n%s", len(list), what, strings.Join(list[:min(10, len(list))], "\n"))
		}
	}
	if counted != len(r.messages) || len(list) != kinds[stream.Request]+newsletters || unconfirmed+repeated+again != 0 {
		r.b.Error("the figures above don't add up")
	}
}

// latency is how long the requests by SMTP took to be confirmed.
func (r *run) latency() (p50, p99 time.Duration) {
	var took []time.Duration
	for _, m := range r.messages {
		dot, sent := r.dots[m.MessageID]
		if c, ok := r.sink.confirmed[m.MessageID]; ok && sent && m.Kind == stream.Request {
			took = append(took, c.at.Sub(dot))
		}
	}
	if len(took) == 0 {
		r.b.Fatal("no request by SMTP was confirmed")
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// watchMemory looks at a process's anonymous memory ten times a second. The
// returned function ends that and tells the peak and the last value, in kB.
func watchMemory(b *testing.B, pid int) (stop func() (peak, end int)) {
	var highest, last int
	quit, done := make(chan struct{}), make(chan struct{})
	look := func() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return // it has ended; the run fails elsewhere
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				fmt.Sscan(value, &last)
				highest = max(highest, last)
			}
		}
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			look()
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return func() (int, int) {
		close(quit)
		<-done
		look()
		if highest == 0 {
			b.Fatal("the daemon's memory could not be read")
		}
		return highest, last
	}
}
