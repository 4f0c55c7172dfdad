package store

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"buzon/internal/load"
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

// BenchmarkIndex is what the index of words adds to a transaction of 64 messages: the
// difference between texts of sixty words and the same octets without a word. Nothing
// is synced; what comes of it in pages is part of it.
func BenchmarkIndex(b *testing.B) {
	const sharing = 64
	rng := rand.New(rand.NewPCG(1, 2))
	vocabulary := make([]string, 20_000)
	for i := range vocabulary {
		word := make([]byte, 4+rng.IntN(8))
		for j := range word {
			word[j] = 'a' + byte(rng.IntN(26))
		}
		vocabulary[i] = string(word)
	}
	text := func() string {
		var words []string
		for range 60 {
			// A few words are in most texts, and most in few.
			words = append(words, vocabulary[int(float64(len(vocabulary))*math.Pow(rng.Float64(), 4))])
		}
		return strings.Join(words, " ")
	}
	for name, say := range map[string]func() string{
		"words": text, "none": func() string { return strings.Repeat(".", len(text())) },
	} {
		b.Run(name, func(b *testing.B) {
			s := openAt(b, b.TempDir(), Options{Filling: true})
			b.ReportAllocs()
			cpu := load.OwnCPUTime()
			for done := 0; done < b.N; done += sharing {
				update(b, s, func(tx *Tx) error {
					for i := done; i < min(done+sharing, b.N); i++ {
						number, err := tx.NextNumber(1)
						if err != nil {
							return err
						}
						t := sampleTicket(i + 1)
						t.Number = number
						err = errors.Join(
							tx.AddEntry(t, &ticket.Entry{Kind: ticket.EntryRequest, Text: say()}),
							tx.PutTicket(t),
							tx.Enqueue(sampleOutgoing(ticket.ClassConfirmation)),
							tx.Append(&ticket.Event{Kind: ticket.EventTicketed, Ticket: t.ID}),
						)
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(load.OwnCPUTime()-cpu)/float64(b.N)/1000, "cpu-µs/op")
		})
	}
}
