package load

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"buzon/e2e/world"
	"buzon/internal/load"
)

// BenchmarkBacklog has MSGS messages of the stream wait in a mailbox of Dovecot's, as
// after a day without the desk, and times loading them all and doing nothing with
// them, twice, and then the desk: loaded, archived, applied, and moved away. Loading
// is by one connection with the desk's IMAP library, which is told to leave the flags
// alone. Run it with -benchtime 1x; make backlog does.
func BenchmarkBacklog(b *testing.B) {
	n := int(setting(b, "MSGS", 10_000))
	smarthost, err := load.NewSink("127.0.0.1:0", agentDomain)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { smarthost.Close() })
	w := world.New(b, world.Options{Accounts: map[string]string{byIMAP: "secreto"}})
	d := w.NewDesk(world.Settings{Smarthost: smarthost.Addr(), Desk: "automatic_per_hour = 1000\nquiet = \"0\""})
	d.Append(massAccount(w, d))
	// The first run begins at now: mail that comes after it, while the desk is
	// stopped, is taken as any other.
	d.Start()
	d.AwaitConnected("masivo")
	d.Stop()
	run := &run{b: b, w: w, d: d, sink: smarthost}
	s := run.alone(2, "imap-users.test", byIMAP)
	for range n {
		m := s.Next()
		run.messages = append(run.messages, m)
		w.Deliver(b, byIMAP, slices.Concat([]byte("Delivered-To: "+m.To+"\r\nReturn-Path: <"+m.From+">\r\n"), m.Raw))
	}

	loaded := func() time.Duration {
		start := time.Now()
		if got := loadAll(b, w.Dovecot.Addr); got != n {
			b.Fatalf("%d messages were loaded of %d", got, n)
		}
		return time.Since(start)
	}
	first := loaded()
	again := loaded()
	b.ResetTimer()
	start := time.Now()
	d.Start()
	up := time.Since(start)
	cpu, err := load.CPUTime(d.PID())
	if err != nil {
		b.Fatal(err)
	}
	memory := load.WatchMemory(d.PID())
	for !run.taken(n) {
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(start)
	b.StopTimer()
	used, err := load.CPUTime(d.PID())
	if err != nil {
		b.Fatal(err)
	}
	run.awaitTaken(n)
	held := memory()

	rate := func(d time.Duration) float64 { return float64(n) / d.Seconds() }
	fmt.Printf("\n%d messages in a mailbox of Dovecot's\n", n)
	fmt.Printf("loading alone: %.2f s (%.0f a second) the first time, %.2f s (%.0f a second) again\n", first.Seconds(), rate(first), again.Seconds(), rate(again))
	fmt.Printf("the desk: %.2f s (%.0f a second), of which %.2f s are its start; %.2f ms of CPU a message; RssAnon %d MiB at its peak\n",
		took.Seconds(), rate(took), up.Seconds(), (used-cpu).Seconds()*1000/float64(n), held.Peak>>20)
	fmt.Printf("the desk's rate is %.2f of loading alone the first time, %.2f of loading again\n", rate(took)/rate(first), rate(took)/rate(again))
	run.account()
	b.ReportMetric(rate(took), "msgs/s")
	b.ReportMetric(rate(first), "loaded-msgs/s")
	b.ReportMetric(rate(took)/rate(first), "of-loading-alone")
}

// loadAll loads every message of the mailbox, and tells how many there were.
func loadAll(b *testing.B, addr string) (n int) {
	b.Helper()
	c, err := imapclient.DialInsecure(addr, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(byIMAP, "secreto").Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		b.Fatal(err)
	}
	var all imap.UIDSet
	all.AddRange(1, 0)
	command := c.Fetch(all, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	for message := command.Next(); message != nil; message = command.Next() {
		n++
		for item := message.Next(); item != nil; item = message.Next() {
			if body, ok := item.(imapclient.FetchItemDataBodySection); ok && body.Literal != nil {
				if _, err := io.Copy(io.Discard, body.Literal); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	if err := command.Close(); err != nil {
		b.Fatal(err)
	}
	return n
}
