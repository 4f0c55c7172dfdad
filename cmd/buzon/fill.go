package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/mail"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	buzon "buzon"
	"buzon/desk"
	"buzon/internal/stream"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

const (
	// fillers is how many messages are under way at once while a store is filled;
	// each has people of its own, so that replies come after what they answer.
	fillers = 128
	// fillRequesters is how many people write, for each of the fillers, and fillRecent
	// to how many of their newest tickets they still do.
	fillRequesters, fillRecent = 500, 20
	// fillRound is how many messages each filler hands in before what they caused is
	// settled.
	fillRound = 16
	// fillDrain is how many mails of the outbox are settled at a time.
	fillDrain = 256
	// fillOpen is how many of the newest tickets wait for an answer.
	fillOpen = 200
)

// filler fills a store with tickets that mail makes, by the same code as always but
// for the syncing, which is done at the end. It leaves what a desk of years has:
// answered, closed and nothing to remind of, but for the newest tickets.
type filler struct {
	pipe  *mailpipe.Pipe
	desk  *desk.Desk
	store *store.Store
	table *routing.Table
	want  int // tickets
	made  atomic.Int64
	took  atomic.Int64 // messages
}

// fill makes the tickets. What the desk would send is settled as sent.
func (c *demoCmd) fill(e *env) (err error) {
	collectLess()
	if c.Data == "" {
		return usage("where to? add --data DIR, a folder that is not there yet")
	}
	if _, err := os.Lstat(c.Data); !errors.Is(err, os.ErrNotExist) {
		return usage("%s is there already; a desk's folder is not filled up", c.Data)
	}
	table, err := c.fillTable()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	st, err := store.Open(c.Data, store.Options{Now: time.Now, Log: log, Filling: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	d, err := newDesk(st, table, log)
	if err != nil {
		return err
	}
	f := &filler{desk: d, store: st, table: table, want: c.Tickets, pipe: mailpipe.NewPipe(2 * runtime.GOMAXPROCS(0))}
	f.pipe.Archive, f.pipe.Receiver, f.pipe.Log = st, d, log
	f.pipe.Reading = func() mailpipe.Options { return readingOf(d) }
	start := time.Now()
	if err := f.run(e); err != nil {
		return err
	}
	var counts store.Counts
	if err := st.View(func(tx *store.Tx) (err error) { counts, err = tx.Counts(); return err }); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%d tickets with %d entries, of %d messages, in %s\n",
		f.made.Load(), counts.Entries, f.took.Load(), time.Since(start).Round(time.Second))
	return nil
}

// fillTable is the configuration, with no limit on confirmations and no wait before
// notifications: what would be sent is settled at once. Its bytes are not kept, as if
// the tickets were older than keep_sent.
func (c *demoCmd) fillTable() (*routing.Table, error) {
	table, err := routing.Parse("config.example.toml", buzon.ExampleConfig)
	if c.Config != "" {
		table, err = (&where{Config: c.Config}).table()
	}
	if err != nil {
		return nil, err
	}
	table.Config.Desk.Quiet, table.Config.Desk.AutomaticPerHour, table.Config.Desk.KeepSent = 0, 1000, 0
	return table, nil
}

// run hands in a round of messages and settles what they caused, until there are
// enough tickets.
func (f *filler) run(e *env) error {
	var topics []string
	for _, t := range f.table.Topics {
		topics = append(topics, t.Addresses...)
	}
	var streams []*stream.Stream
	for i := range fillers {
		streams = append(streams, stream.New(int64(i+1), stream.Options{
			Domain: fmt.Sprintf("c%d.uni.test", i), Topics: topics, Requesters: fillRequesters, Recent: fillRecent, Bare: true,
		}))
	}
	for told := int64(0); f.made.Load() < int64(f.want); {
		if err := f.round(e.ctx, streams); err != nil {
			return err
		}
		if err := f.settle(e.ctx); err != nil {
			return err
		}
		if n := f.made.Load() / 10_000; n > told {
			told = n
			fmt.Fprintf(e.stdout, "%d tickets\n", n*10_000)
		}
	}
	return nil
}

func (f *filler) round(ctx context.Context, streams []*stream.Stream) error {
	return together(streams, func(s *stream.Stream) error {
		for n := 0; n < fillRound && f.made.Load() < int64(f.want); n++ {
			m := s.Next()
			out, err := f.take(ctx, m.From, m.To, m.Raw)
			if err != nil {
				return err
			}
			if out.Event == ticket.EventTicketed {
				f.made.Add(1)
			}
		}
		return nil
	})
}

func (f *filler) take(ctx context.Context, from, to string, raw []byte) (ticket.Outcome, error) {
	f.took.Add(1)
	env := ticket.Envelope{Account: "smtp", MailFrom: from, Recipients: []string{to}, Received: time.Now()}
	return f.pipe.Take(ctx, env, raw)
}

// settle has agents answer what they are notified of, and everything in the outbox
// count as sent, until nothing waits any more.
func (f *filler) settle(ctx context.Context) error {
	box := f.desk.Outbox("")
	for {
		rows, _, err := box.Due(ctx, time.Now(), fillDrain, func(uint64) bool { return false })
		if err != nil || len(rows) == 0 {
			return err
		}
		err = together(rows, func(row *ticket.Outgoing) error {
			return box.Report(ctx, row.ID, ticket.Result{Sent: true, Detail: "filled"}, time.Time{})
		})
		if err != nil {
			return err
		}
		answered := map[ticket.ID]bool{}
		rows = slices.DeleteFunc(rows, func(row *ticket.Outgoing) bool {
			again := row.Class != ticket.ClassNotification || answered[row.Ticket]
			answered[row.Ticket] = true
			return again
		})
		if err := together(rows, func(row *ticket.Outgoing) error { return f.answer(ctx, row) }); err != nil {
			return err
		}
		if _, err := f.desk.Prune(ctx); err != nil {
			return err
		}
	}
}

// answer has the agent who got a notification close the ticket with an answer, by
// Reply, unless that was done or the ticket is one of the newest.
func (f *filler) answer(ctx context.Context, row *ticket.Outgoing) error {
	agent := f.table.AgentByAddress(row.To)
	if agent == nil || row.Ticket.IsZero() {
		return nil
	}
	var t *ticket.Ticket
	err := f.store.View(func(tx *store.Tx) (err error) { t, err = tx.Ticket(row.Ticket); return err })
	if err != nil || t.Status != ticket.StatusOpen || int(t.Number) > f.want-fillOpen {
		return err
	}
	got, err := mail.ReadMessage(bytes.NewReader(row.Chunks[0].Literal))
	if err != nil {
		return fmt.Errorf("reading a notification: %w", err)
	}
	to, err := mail.ParseAddress(got.Header.Get("Reply-To"))
	if err != nil {
		return fmt.Errorf("the Reply-To of a notification: %w", err)
	}
	raw := fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: Re: %s\r\nDate: %s\r\nMessage-ID: <%d@mail.agents.test>\r\n"+
		"In-Reply-To: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+
		"/cerrar\r\n\r\nBuenos días:\r\n\r\nYa quedó resuelto: lo revisamos con la oficina de registro y el cambio aparece desde hoy.\r\n"+
		"Si algo no funciona, basta con responder a este mensaje.\r\n",
		row.To, to.Address, got.Header.Get("Subject"), time.Now().Format(time.RFC1123Z), row.ID, row.MessageID)
	_, err = f.take(ctx, row.To, to.Address, raw)
	return err
}

// together does something with each of a list, all at once.
func together[T any](list []T, do func(T) error) error {
	errs := make([]error, len(list))
	var working sync.WaitGroup
	for i, one := range list {
		working.Go(func() { errs[i] = do(one) })
	}
	working.Wait()
	return errors.Join(errs...)
}
