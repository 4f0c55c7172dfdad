package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/desk"
	"buzon/internal/load"
	"buzon/internal/stream"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// benchConfiguration is a desk that one machine may write to as much as it likes.
const benchConfiguration = `[desk]
name = "Mesa de ayuda"
hostname = "desk.test"
data = "data"
operators = ["ana"]
automatic_per_hour = 1000
quiet = "0"
notice = "Tratamos sus datos conforme a la Ley 1581 de 2012."
[smtp]
listen = ["127.0.0.1:2525"]
[outgoing]
host = "127.0.0.1"
port = %s
tls = "plain"
[[topic]]
id = "soporte"
name = "Soporte"
addresses = ["soporte@desk.test"]
agent = "ana"
signature = "Oficina de Soporte"
catch_all = true
[[agent]]
id = "ana"
name = "Ana Rojas"
addresses = ["ana@private.test"]
`

// senders is how many messages are under way at a time.
const senders = 16

// benchDesk is a desk on a store on disk, with its pipe.
type benchDesk struct {
	table *routing.Table
	store *store.Store
	desk  *desk.Desk
	pipe  *mailpipe.Pipe
	log   *slog.Logger
}

func newBenchDesk(b *testing.B, smarthostPort string) *benchDesk {
	b.Helper()
	table, err := routing.Parse("bench.toml", fmt.Appendf(nil, benchConfiguration, smarthostPort))
	if err != nil {
		b.Fatal(err)
	}
	d := &benchDesk{table: table, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if d.store, err = openStore(b.TempDir(), table, d.log); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.store.Close(); err != nil {
			b.Error(err)
		}
	})
	if d.desk, err = newDesk(d.store, table, d.log); err != nil {
		b.Fatal(err)
	}
	d.pipe = mailpipe.NewPipe(2 * runtime.GOMAXPROCS(0))
	d.pipe.Archive, d.pipe.Receiver, d.pipe.Log = d.store, d.desk, d.log
	d.pipe.Reading = func() mailpipe.Options { return readingOf(d.desk) }
	return d
}

// mixed are n messages of the stream, for as many senders, each of whom has people of
// its own: a reply comes after what it answers.
func mixed(n int) [senders][]*stream.Message {
	var lists [senders][]*stream.Message
	for i := range lists {
		s := stream.New(int64(i+1), stream.Options{Domain: fmt.Sprintf("c%d.uni.test", i)})
		for range (n - i + senders - 1) / senders {
			lists[i] = append(lists[i], s.Next())
		}
	}
	return lists
}

// each does something with b.N messages, senders at a time, and reports the
// messages a second and the CPU time of each.
func each(b *testing.B, do func(m *stream.Message) error) {
	b.Helper()
	b.ReportAllocs()
	lists := mixed(b.N)
	var failed atomic.Pointer[error]
	var working sync.WaitGroup
	runtime.GC() // of what made the messages
	cpu := load.OwnCPUTime()
	b.ResetTimer()
	for _, list := range lists {
		working.Go(func() {
			for _, m := range list {
				if err := do(m); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	working.Wait()
	b.StopTimer()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	reportCPU(b, cpu)
}

func reportCPU(b *testing.B, since time.Duration) {
	b.ReportMetric(float64(load.OwnCPUTime()-since)/float64(b.N)/1000, "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

func envelopeOf(m *stream.Message) ticket.Envelope {
	return ticket.Envelope{Account: "smtp", MailFrom: m.From, Recipients: []string{m.To}, Received: time.Now()}
}

// BenchmarkPipe is the mixed stream through the whole pipe, everything
// synced, 16 at a time, and beside it the two things that bound it: reading the same
// messages alone, and shared commits of the same octets alone.
func BenchmarkPipe(b *testing.B) {
	b.Run("read", func(b *testing.B) {
		d := newBenchDesk(b, "2526")
		slots := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
		each(b, func(m *stream.Message) error {
			slots <- struct{}{}
			defer func() { <-slots }()
			if m := mailpipe.Understand(m.Raw, readingOf(d.desk)); m.Quarantine != "" {
				return fmt.Errorf("quarantined: %s", m.Quarantine)
			}
			return nil
		})
	})
	b.Run("archive", func(b *testing.B) {
		d := newBenchDesk(b, "2526")
		each(b, func(m *stream.Message) error {
			_, err := d.store.Put(context.Background(), m.Raw)
			return err
		})
	})
	b.Run("whole", func(b *testing.B) {
		d := newBenchDesk(b, "2526")
		each(b, func(m *stream.Message) error {
			_, err := d.pipe.Take(context.Background(), envelopeOf(m), m.Raw)
			return err
		})
	})
}
