package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"buzon/ticket"
)

// journaled returns a store with n events.
func journaled(t *testing.T, n int) *Store {
	t.Helper()
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for i := range n {
			if err := tx.Append(&ticket.Event{Kind: ticket.EventNoted, Ticket: idOf(i % 3), Detail: fmt.Sprint(i), Digest: tx.Digest([]byte("x"))}); err != nil {
				return err
			}
		}
		return nil
	})
	return s
}

func TestJournal(t *testing.T) {
	s := journaled(t, verifyStep+50)
	view(t, s, func(tx *Tx) error {
		events, err := tx.Journal(5, 3)
		if err != nil {
			return err
		}
		if len(events) != 3 || events[0].Seq != 5 || events[2].Detail != "6" || !events[0].At.Equal(noon) {
			t.Errorf("three from 5 on are %+v", events)
		}
		first, err := tx.Journal(0, 1)
		if err != nil {
			return err
		}
		if first[0].Prev != strings.Repeat("0", 64) || first[0].Seq != 1 {
			t.Errorf("the first event is %+v", first[0])
		}
		of, err := tx.JournalOf(idOf(1))
		if err != nil {
			return err
		}
		if len(of) != (verifyStep+50)/3 || of[1].Seq != 5 {
			t.Errorf("the ticket has %d events, the second being %d", len(of), of[1].Seq)
		}
		c, err := tx.Counts()
		if c.Journal != verifyStep+50 {
			t.Errorf("the journal has %d events", c.Journal)
		}
		return errors.Join(err, VerifyJournal(tx))
	})
	if err := s.VerifyJournal(context.Background()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.VerifyJournal(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a check that was cancelled gives %v", err)
	}
}

func TestEmptyJournal(t *testing.T) {
	s := newStore(t)
	view(t, s, VerifyJournal)
	if err := s.VerifyJournal(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestTamperedJournal(t *testing.T) {
	edit := func(seq uint64, from, to string) func(*Tx) error {
		return func(tx *Tx) error {
			raw := tx.get(bucketJournal, be64(seq))
			changed := bytes.Replace(raw, []byte(from), []byte(to), 1)
			if bytes.Equal(raw, changed) {
				return fmt.Errorf("%q is not in event %d: %s", from, seq, raw)
			}
			return tx.put(bucketJournal, be64(seq), changed)
		}
	}
	for _, tt := range []struct {
		name   string
		tamper func(*Tx) error
		want   string
	}{
		{"content", edit(4, `"detail":"3"`, `"detail":"8"`), "event 5"},
		{"space only", edit(4, `{`, `{ `), "event 5"},
		{"the time of the first", edit(1, `2026-11-24`, `2026-11-23`), "event 2"},
		{"the number", edit(4, `"seq":4`, `"seq":5`), "event 4"},
		{"the chain", edit(4, `"prev":"`, `"prev":"0`), "event 4"},
		{"not JSON", edit(4, `{`, `[`), "event 4"},
		{"removed", func(tx *Tx) error { return tx.del(bucketJournal, be64(4)) }, "event 4"},
		{"the first removed", func(tx *Tx) error { return tx.del(bucketJournal, be64(1)) }, "event 1"},
		{"the last removed", func(tx *Tx) error { return tx.del(bucketJournal, be64(10)) }, "event 9 of 10"},
		{"one added behind the end", func(tx *Tx) error {
			last := tx.get(bucketJournal, be64(10))
			return tx.save(bucketJournal, be64(11), ticket.Event{Seq: 11, Prev: chain(last)})
		}, "event 11 of 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := journaled(t, 10)
			update(t, s, tt.tamper)
			for name, err := range map[string]error{"at once": s.View(VerifyJournal), "in steps": s.VerifyJournal(context.Background())} {
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want it to name %s", name, err, tt.want)
				}
			}
		})
	}
}
