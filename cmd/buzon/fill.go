package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
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
	// fillRequesters is how many people write, for each of the fillers.
	fillRequesters = 500
	// fillDrain is how many mails of the outbox are settled at a time.
	fillDrain = 256
)

// filler fills a store with tickets that mail makes, by the same code as always but
// for the syncing, which is done at the end.
type filler struct {
	pipe  *mailpipe.Pipe
	desk  *desk.Desk
	store *store.Store
	want  int // tickets
	made  atomic.Int64
	took  atomic.Int64 // messages
}

// fill makes the tickets. What the desk would send is settled as sent.
func (c *demoCmd) fill(e *env) (err error) {
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
	f := &filler{desk: d, store: st, want: c.Tickets, pipe: mailpipe.NewPipe(2 * runtime.GOMAXPROCS(0))}
	f.pipe.Archive, f.pipe.Receiver, f.pipe.Log = st, d, log
	f.pipe.Reading = func() mailpipe.Options { return readingOf(d) }
	start := time.Now()
	if err := f.run(e, table); err != nil {
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

func (f *filler) run(e *env, table *routing.Table) error {
	ctx, cancel := context.WithCancelCause(e.ctx)
	defer cancel(nil)
	var topics []string
	for _, t := range table.Topics {
		topics = append(topics, t.Addresses...)
	}
	drained, filled := make(chan error, 1), make(chan struct{})
	go func() { drained <- f.drain(ctx, filled) }()
	var working sync.WaitGroup
	for i := range fillers {
		s := stream.New(int64(i+1), stream.Options{Domain: fmt.Sprintf("c%d.uni.test", i), Topics: topics, Requesters: fillRequesters, Bare: true})
		working.Go(func() {
			for ctx.Err() == nil && f.made.Load() < int64(f.want) {
				m := s.Next()
				env := ticket.Envelope{Account: "smtp", MailFrom: m.From, Recipients: []string{m.To}, Received: time.Now()}
				out, err := f.pipe.Take(ctx, env, m.Raw)
				if err != nil {
					cancel(err)
					return
				}
				f.took.Add(1)
				if out.Event != ticket.EventTicketed {
					continue
				}
				if n := f.made.Add(1); n%10_000 == 0 {
					fmt.Fprintf(e.stdout, "%d tickets\n", n)
				}
			}
		})
	}
	working.Wait()
	close(filled)
	if err := <-drained; err != nil {
		return err
	}
	return context.Cause(ctx)
}

// drain settles what is in the outbox as sent, until the store is filled and nothing
// waits any more.
func (f *filler) drain(ctx context.Context, filled <-chan struct{}) error {
	box := f.desk.Outbox("")
	for last := false; ctx.Err() == nil; {
		rows, _, err := box.Due(ctx, time.Now(), fillDrain, func(uint64) bool { return false })
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			if last {
				return nil
			}
			select {
			case <-filled:
				last = true
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		var settling sync.WaitGroup
		errs := make([]error, len(rows))
		for i, row := range rows {
			settling.Go(func() {
				errs[i] = box.Report(ctx, row.ID, ticket.Result{Sent: true, Detail: "filled"}, time.Time{})
			})
		}
		settling.Wait()
		if _, err := f.desk.Prune(ctx); err != nil {
			return err
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}
