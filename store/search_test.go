package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/ticket"
)

// say adds a ticket with an entry.
func say(t testing.TB, s *Store, number int, subject, text string) *ticket.Ticket {
	t.Helper()
	k := &ticket.Ticket{ID: idOf(number), Number: ticket.Number(number), Subject: subject, Topic: "sistemas", Status: ticket.StatusOpen, Created: noon}
	update(t, s, func(tx *Tx) error {
		if _, err := tx.NextNumber(k.Number); err != nil {
			return err
		}
		if err := tx.AddEntry(k, &ticket.Entry{Kind: ticket.EntryRequest, AuthorName: "Íñigo Peña", Text: text}); err != nil {
			return err
		}
		return tx.PutTicket(k)
	})
	return k
}

func searchFor(t testing.TB, s *Store, f TicketFilter) []int {
	t.Helper()
	var found []int
	err := s.View(func(tx *Tx) error {
		list, err := tx.Tickets(f, 0)
		for _, k := range list {
			found = append(found, int(k.Number))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	update(t, s, func(tx *Tx) error {
		return tx.PutPerson(&ticket.Person{Address: ticket.Address{Addr: "laura.rojas@uni.example"}})
	})
	first := say(t, s, 1, "Matrícula extemporánea", "No puedo pagar el recibo.")
	say(t, s, 2047, "Aula virtual", "La MATRICULA no aparece")
	say(t, s, 2048, "Aula", "Pagué la matri\u0301cula 20251234")
	say(t, s, 70_000, "Otra cosa", "Nada")
	update(t, s, func(tx *Tx) error {
		k, err := tx.Ticket(first.ID)
		if err != nil {
			return err
		}
		k.Requester = 1
		return tx.PutTicket(k)
	})
	check := func(when string) {
		t.Helper()
		for text, want := range map[string][]int{
			"matricula": {2048, 2047, 1}, "MATRÍC": {2048, 2047, 1}, "matrícula recibo": {1}, "recibo aula": nil, "aula matri": {2048, 2047},
			"2025": {2048}, "pena": {70_000, 2048, 2047, 1}, "rojas": {1}, "laura.rojas@uni.example": {1}, "nadie": nil, "¡!": nil, "tricula": nil,
			"otra cosa nada": {70_000},
		} {
			if got := searchFor(t, s, TicketFilter{Text: text}); !slices.Equal(got, want) {
				t.Errorf("%s, %q: %v, want %v", when, text, got, want)
			}
		}
		if got := searchFor(t, s, TicketFilter{Text: "matricula", Requester: 1}); !slices.Equal(got, []int{1}) {
			t.Errorf("%s, of one requester: %v", when, got)
		}
		if got := searchFor(t, s, TicketFilter{Text: "matricula", Topic: "otro"}); got != nil {
			t.Errorf("%s, of another topic: %v", when, got)
		}
	}
	check("noted")
	update(t, s, (*Tx).placeWords)
	check("placed")
	say(t, s, 2049, "Gracias", "recibo")
	if got := searchFor(t, s, TicketFilter{Text: "recibo"}); !slices.Equal(got, []int{2049, 1}) {
		t.Errorf("one placed and one noted: %v", got)
	}

	// A deleted ticket leaves no word, wherever it stands.
	for _, n := range []int{2049, 1} {
		update(t, s, func(tx *Tx) error {
			k, err := tx.TicketByNumber(ticket.Number(n))
			if err != nil {
				return err
			}
			k.Deleted = noon
			return tx.PutTicket(k)
		})
	}
	if got := searchFor(t, s, TicketFilter{Text: "recibo"}); got != nil {
		t.Errorf("deleted: %v", got)
	}
	view(t, s, func(tx *Tx) error {
		for _, bucket := range []string{bucketWords, bucketWordsNoted} {
			for k, v := range tx.ascend(bucket, nil, nil) {
				if strings.Contains(string(k)+string(v), "recibo") {
					t.Errorf("%s still has %q", bucket, k)
				}
			}
		}
		return nil
	})
	// A changed subject is found, and the old one not.
	update(t, s, func(tx *Tx) error {
		k, err := tx.TicketByNumber(2047)
		if err != nil {
			return err
		}
		k.Subject = "Certificado"
		return tx.PutTicket(k)
	})
	if got := searchFor(t, s, TicketFilter{Text: "certificado matricula"}); !slices.Equal(got, []int{2047}) {
		t.Errorf("new subject: %v", got)
	}
	if got := searchFor(t, s, TicketFilter{Text: "virtual"}); got != nil {
		t.Errorf("old subject: %v", got)
	}
}

// Whatever was written and taken away in whatever order, the index says the same as
// reading everything.
func TestSearchFindsWhatReadingFinds(t *testing.T) {
	s := newStore(t)
	rng := rand.New(rand.NewPCG(1, 2))
	vocabulary := []string{"aula", "aulas", "árbol", "recibo", "Recibí", "nota", "notas", "20251", "ñame"}
	texts := map[int]string{}
	update(t, s, func(tx *Tx) error {
		clear(texts)
		for i := range 900 {
			n := 1 + rng.IntN(700)
			text := vocabulary[rng.IntN(len(vocabulary))] + " " + vocabulary[rng.IntN(len(vocabulary))]
			k, err := tx.TicketByNumber(ticket.Number(n))
			if err != nil {
				k = &ticket.Ticket{ID: idOf(n), Number: ticket.Number(n), Status: ticket.StatusOpen}
			} else if !k.Deleted.IsZero() {
				continue
			}
			if i%17 == 0 {
				k.Deleted, texts[n] = noon, ""
			} else {
				texts[n] += " " + text
				if err := tx.AddEntry(k, &ticket.Entry{Kind: ticket.EntryNote, Text: text}); err != nil {
					return err
				}
			}
			if err := tx.PutTicket(k); err != nil {
				return err
			}
		}
		return nil
	})
	for _, look := range []string{"aula", "aulas", "arb", "reci", "nota aula", "not 20", "name recibi arbol"} {
		var want []int
		for n := 700; n > 0; n-- {
			all := true
			for _, word := range strings.Fields(look) {
				all = all && strings.Contains(" "+strings.NewReplacer("á", "a", "í", "i", "ñ", "n").Replace(strings.ToLower(texts[n])), " "+word)
			}
			if all {
				want = append(want, n)
			}
		}
		if got := searchFor(t, s, TicketFilter{Text: look}); !slices.Equal(got, want) {
			t.Errorf("%q: %d found, want %d\n%v\n%v", look, len(got), len(want), got, want)
		}
	}
}

// Verify knows each way in which the index can be wrong, and Rebuild mends it.
func TestVerifyKnowsWords(t *testing.T) {
	for name, spoil := range map[string]func(tx *Tx) error{
		"missing":  func(tx *Tx) error { return tx.del(bucketWords, append(blockKey(0), "recibo"...)) },
		"extra":    func(tx *Tx) error { return tx.put(bucketWords, append(blockKey(0), "zzz"...), []byte{0, 1}) },
		"astray":   func(tx *Tx) error { return tx.put(bucketWords, append(blockKey(0), "recibo"...), []byte{0, 1, 0, 9}) },
		"unnoted":  func(tx *Tx) error { return tx.del(bucketWordsNoted, append(be64(2), 0, 0, 0, 1)) },
		"misnoted": func(tx *Tx) error { return tx.put(bucketWordsNoted, append(be64(7), 0, 0, 0, 1), []byte("aula\x00")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, Options{})
			say(t, s, 1, "Uno", "recibo")
			update(t, s, (*Tx).placeWords)
			say(t, s, 2, "Dos", "recibo nuevo")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if r := verified(t, dir); !r.Clean() {
				t.Fatalf("before: %q", r.Differences)
			}
			s = openAt(t, dir, Options{})
			update(t, s, spoil)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			r := verified(t, dir)
			if r.Clean() || !strings.Contains(strings.Join(r.Differences, "\n"), "words: ") {
				t.Errorf("%q", r.Differences)
			}
			if _, _, err := Rebuild(t.Context(), dir, time.Now()); err != nil {
				t.Fatal(err)
			}
			if r := verified(t, dir); !r.Clean() {
				t.Errorf("after: %q", r.Differences)
			}
			s = openAt(t, dir, Options{})
			if got := searchFor(t, s, TicketFilter{Text: "recibo"}); !slices.Equal(got, []int{2, 1}) {
				t.Errorf("found %v", got)
			}
		})
	}
}

// A state from before the index gets one.
func TestWordsOfAnOlderState(t *testing.T) {
	s := newStore(t)
	for n := range 3 {
		say(t, s, 1+n*3000, fmt.Sprint("Asunto ", n), "recibo")
	}
	update(t, s, func(tx *Tx) error {
		for _, name := range []string{bucketWords, bucketWordsNoted} {
			if err := tx.tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(placeAll(tx.tx), addWords(tx.tx))
	})
	if got := searchFor(t, s, TicketFilter{Text: "recibo asunto"}); !slices.Equal(got, []int{6001, 3001, 1}) {
		t.Errorf("found %v", got)
	}
}

func TestWordSet(t *testing.T) {
	var s wordSet
	for n := range blockTickets {
		if got := decodeWordSet(s.encode()); got != s {
			t.Fatalf("of %d: %v, want %v", n, got, s)
		}
		if len(s.encode()) > wordSetSize {
			t.Fatalf("of %d: %d octets", n, len(s.encode()))
		}
		low := uint16(n * 7 % blockTickets)
		s.add(low)
		if got, ok := s.upTo(low); !ok || got != low {
			t.Fatalf("up to %d: %d", low, got)
		}
	}
	s = wordSet{}
	s.add(70)
	s.add(5)
	for low, want := range map[uint16]int{4: -1, 5: 5, 69: 5, 70: 70, 71: 70, 2047: 70} {
		if got, ok := s.upTo(low); ok != (want >= 0) || ok && int(got) != want {
			t.Errorf("up to %d: %d, %v; want %d", low, got, ok, want)
		}
	}
}
