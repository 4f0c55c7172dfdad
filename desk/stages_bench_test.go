package desk

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"buzon/internal/load"
	"buzon/internal/stream"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

const stagesConfiguration = `[desk]
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
port = 2526
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

// sharing is how many messages share a transaction.
const sharing = 64

// stages is a desk with a few tickets, and messages that it has not seen.
type stages struct {
	*Desk
	s        *Setting
	messages map[string][]*ticket.Message // by kind of the stream
}

func newStages(b *testing.B) *stages {
	b.Helper()
	table, err := routing.Parse("bench.toml", []byte(stagesConfiguration))
	if err != nil {
		b.Fatal(err)
	}
	tmpl, err := templates.New("")
	if err != nil {
		b.Fatal(err)
	}
	// Commits are no part of these stages.
	st, err := store.Open(b.TempDir(), store.Options{Filling: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	d, err := New(Parts{
		Store: st, Composer: &mailpipe.Composer{Hostname: "desk.test"}, Unpack: mailpipe.DecodeAttachment,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
	}, Setting{Table: table, Templates: tmpl})
	if err != nil {
		b.Fatal(err)
	}
	f := &stages{Desk: d, s: d.setting.Load(), messages: map[string][]*ticket.Message{}}
	s := stream.New(1, stream.Options{Bare: true})
	for n := 0; len(f.messages["reply"]) < 100; n++ {
		raw := s.Next()
		ref, err := st.Put(context.Background(), raw.Raw)
		if err != nil {
			b.Fatal(err)
		}
		m := mailpipe.Understand(raw.Raw, mailpipe.Options{Own: table.Own, Hostname: "desk.test"})
		m.ID, m.Archive, m.Size = fmt.Sprint("m", n), ref, int64(len(raw.Raw))
		m.Envelope = ticket.Envelope{Account: "smtp", MailFrom: raw.From, Recipients: []string{raw.To}}
		// Half of the requests are applied, so that replies have what they answer.
		if raw.Kind == stream.Request && n%2 == 0 {
			if _, err := d.Receive(context.Background(), m); err != nil {
				b.Fatal(err)
			}
			continue
		}
		f.messages[string(raw.Kind)] = append(f.messages[string(raw.Kind)], m)
	}
	return f
}

// planned works out what a message does.
func (f *stages) planned(b *testing.B, m *ticket.Message) *change {
	var c *change
	err := f.Store.View(func(tx *store.Tx) (err error) {
		c, err = f.plan(tx, f.s, m, replay{})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// uncomposed is a planned change as it was before its letters were composed.
func uncomposed(c *change) *change {
	once := *c
	once.letters = make([]*letter, len(c.letters))
	for i, l := range c.letters {
		fresh := *l
		once.letters[i] = &fresh
	}
	return &once
}

// BenchmarkStage are the desk's stages of one message, each by itself: what ties it to
// a ticket, the decision (thread included), the letters' texts and MIME form, and the
// rows, in transactions of 64 messages that are not synced.
func BenchmarkStage(b *testing.B) {
	f := newStages(b)
	for _, kind := range []string{"request", "reply", "automatic"} {
		list := f.messages[kind]
		measure := func(name string, do func(i int, m *ticket.Message)) {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				cpu := load.OwnCPUTime()
				for i := 0; b.Loop(); i++ {
					do(i, list[i%len(list)])
				}
				b.ReportMetric(float64(load.OwnCPUTime()-cpu)/float64(b.N)/1000, "cpu-µs/op")
			})
		}
		measure("thread", func(_ int, m *ticket.Message) {
			err := f.Store.View(func(tx *store.Tx) error {
				c := &change{now: f.Now().UTC()}
				_, err := (&planner{desk: f.Desk, tx: tx, setting: f.s, m: m, change: c}).thread()
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		})
		measure("decide", func(_ int, m *ticket.Message) { f.planned(b, m) })
		b.Run("compose/"+kind, func(b *testing.B) {
			b.ReportAllocs()
			changes := make([]*change, 0, len(list))
			for _, m := range list {
				changes = append(changes, f.planned(b, m))
			}
			cpu, i := load.OwnCPUTime(), 0
			for ; b.Loop(); i++ {
				if err := f.compose(uncomposed(changes[i%len(changes)]), f.s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(load.OwnCPUTime()-cpu)/float64(b.N)/1000, "cpu-µs/op")
		})
	}
	b.Run("apply/request", func(b *testing.B) {
		b.ReportAllocs()
		list, used := f.messages["request"], time.Duration(0)
		for done := 0; done < b.N; done += sharing {
			b.StopTimer()
			var changes []*change
			var messages []*ticket.Message
			for i := done; i < min(done+sharing, b.N); i++ {
				// The same messages as if they were others.
				m := *list[i%len(list)]
				m.ID = fmt.Sprintf("b%d-%d", b.N, i)
				m.MessageID, m.IdentityKey, m.VariantKey = m.ID+"@bench.test", m.ID, m.ID
				m.From.Addr = m.ID + "@bench.test"
				m.SHA256 = sha256.Sum256([]byte(m.ID))
				ref, err := f.Store.Put(context.Background(), []byte(m.ID))
				if err != nil {
					b.Fatal(err)
				}
				m.Archive = ref
				c := f.planned(b, &m)
				if err := f.compose(c, f.s); err != nil {
					b.Fatal(err)
				}
				changes, messages = append(changes, c), append(messages, &m)
			}
			cpu := load.OwnCPUTime()
			b.StartTimer()
			err := f.Store.Update(context.Background(), func(tx *store.Tx) error {
				for i, c := range changes {
					run := c.copy()
					if err := run.write(tx, f.s, messages[i]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			used += load.OwnCPUTime() - cpu
		}
		b.ReportMetric(float64(used)/float64(b.N)/1000, "cpu-µs/op")
	})
}
