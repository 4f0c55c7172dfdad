package store

import (
	"errors"
	"sync/atomic"
	"testing"

	"buzon/ticket"
)

// apply writes what one mail typically does.
func apply(tx *Tx, n int) error {
	number, err := tx.NextNumber(1)
	if err != nil {
		return err
	}
	t := sampleTicket(n)
	t.Number = number
	return errors.Join(
		tx.AddEntry(t, &ticket.Entry{Kind: ticket.EntryRequest, Text: string(make([]byte, 500))}),
		tx.PutTicket(t),
		tx.Enqueue(sampleOutgoing(ticket.ClassConfirmation)),
		tx.Append(&ticket.Event{Kind: ticket.EventTicketed, Ticket: t.ID}),
	)
}

func BenchmarkUpdate(b *testing.B) {
	b.Run("sequential", func(b *testing.B) {
		s := newStore(b)
		n := 0
		for b.Loop() {
			n++
			update(b, s, func(tx *Tx) error { return apply(tx, n) })
		}
	})
	b.Run("parallel", func(b *testing.B) {
		s := newStore(b)
		var n atomic.Int64
		parallel(b, func() error {
			i := int(n.Add(1))
			return s.Update(b.Context(), func(tx *Tx) error { return apply(tx, i) })
		})
	})
}

func BenchmarkPut(b *testing.B) {
	raw := noise(4096)
	b.Run("sequential", func(b *testing.B) {
		s := newStore(b)
		for b.Loop() {
			put(b, s, raw)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		s := newStore(b)
		parallel(b, func() error { _, err := s.Put(b.Context(), raw); return err })
	})
}

// parallel has 64 goroutines do something b.N times in all.
func parallel(b *testing.B, do func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	errs := make(chan error, 64)
	b.ResetTimer()
	for range cap(errs) {
		go func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}
