package store

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/ticket"
)

func numbers(list []*ticket.Ticket) []ticket.Number {
	var ns []ticket.Number
	for _, t := range list {
		ns = append(ns, t.Number)
	}
	return ns
}

func wantTickets(t testing.TB, tx *Tx, f TicketFilter, limit int, want ...ticket.Number) {
	t.Helper()
	found, err := tx.Tickets(f, limit)
	if err != nil {
		t.Fatal(err)
	}
	if got := numbers(found); !slices.Equal(got, want) {
		t.Errorf("%+v, limit %d: %v, want %v", f, limit, got, want)
	}
}

func TestTicketIndexes(t *testing.T) {
	s := newStore(t)
	tk := sampleTicket(7)
	tk.RemindAt = noon
	update(t, s, func(tx *Tx) error { return tx.PutTicket(tk) })
	view(t, s, func(tx *Tx) error {
		got, err := tx.TicketByNumber(7)
		if diff := gocmp.Diff(tk, got); diff != "" || tk.Revision != 1 {
			t.Errorf("revision %d, %s", tk.Revision, diff)
		}
		wantTickets(t, tx, TicketFilter{Status: ticket.StatusOpen, Topic: "sistemas", Requester: 1}, 0, 7)
		wantTickets(t, tx, TicketFilter{Topic: "sistema"}, 0)
		return err
	})
	old := TicketFilter{Status: ticket.StatusOpen, Topic: "sistemas", Requester: 1}
	update(t, s, func(tx *Tx) error {
		c, err := tx.Ticket(tk.ID)
		if err != nil {
			return err
		}
		c.Status, c.Topic, c.Assignee, c.Requester, c.Number, c.RemindAt = ticket.StatusWaiting, "biblioteca", "rosa", 2, 8, time.Time{}
		return tx.PutTicket(c)
	})
	view(t, s, func(tx *Tx) error {
		for _, f := range []TicketFilter{{Status: old.Status}, {Topic: old.Topic}, {Requester: old.Requester}} {
			wantTickets(t, tx, f, 0)
		}
		for _, f := range []TicketFilter{{}, {Status: ticket.StatusWaiting}, {Topic: "biblioteca"}, {Assignee: "rosa"}, {Requester: 2}} {
			wantTickets(t, tx, f, 0, 8)
		}
		if _, err := tx.TicketByNumber(7); !errors.Is(err, ErrNotFound) {
			t.Errorf("the old number gives %v", err)
		}
		due, err := tx.DueTickets(noon.AddDate(1, 0, 0), 0)
		if len(due) != 0 {
			t.Errorf("it is due although it owes nothing: %v", numbers(due))
		}
		c, err2 := tx.Counts()
		if c.Tickets[ticket.StatusOpen] != 0 || c.Tickets[ticket.StatusWaiting] != 1 {
			t.Errorf("the counts are %v", c.Tickets)
		}
		return errors.Join(err, err2)
	})
}

func TestPutTicketRefuses(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error { return tx.PutTicket(sampleTicket(1)) })
	for name, spoil := range map[string]func(*ticket.Ticket){
		"no id":            func(t *ticket.Ticket) { t.ID = ticket.ID{} },
		"no number":        func(t *ticket.Ticket) { t.Number = 0 },
		"no status":        func(t *ticket.Ticket) { t.Status = "" },
		"another's number": func(t *ticket.Ticket) { t.Number = 1 },
	} {
		tk := sampleTicket(2)
		spoil(tk)
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutTicket(tk) }); err == nil {
			t.Errorf("%s is stored", name)
		}
	}
	stale := sampleTicket(1)
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutTicket(stale) }); !errors.Is(err, ErrStale) {
		t.Errorf("a stale ticket gives %v", err)
	}
}

func TestNextNumber(t *testing.T) {
	s := newStore(t)
	next := func(first ticket.Number) (n ticket.Number) {
		update(t, s, func(tx *Tx) (err error) { n, err = tx.NextNumber(first); return err })
		return n
	}
	for _, tt := range []struct{ first, want ticket.Number }{{0, 1}, {1, 2}, {3181, 3181}, {3181, 3182}, {10, 3183}, {4000, 4000}} {
		if got := next(tt.first); got != tt.want {
			t.Errorf("the number after %d is %d, want %d", tt.first, got, tt.want)
		}
	}
}

func TestTicketsNewestFirst(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for n := 1; n <= 300; n++ {
			tk := sampleTicket(n)
			if n%100 == 0 {
				tk.Assignee = "rosa"
			}
			if err := tx.PutTicket(tk); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx *Tx) error {
		wantTickets(t, tx, TicketFilter{}, 3, 300, 299, 298)
		wantTickets(t, tx, TicketFilter{Assignee: "rosa", Status: ticket.StatusOpen, Topic: "sistemas"}, 0, 300, 200, 100)
		wantTickets(t, tx, TicketFilter{Assignee: "rosa", Status: ticket.StatusOpen}, 2, 300, 200)
		wantTickets(t, tx, TicketFilter{Assignee: "nadie", Status: ticket.StatusOpen}, 2)
		return nil
	})
	view(t, s, func(tx *Tx) error {
		for limit, want := range map[int]ticket.Number{0: 100, 3: 100, 2: 0} { // the third of rosa's
			looked := 0
			first, err := tx.FirstTicket(TicketFilter{Assignee: "rosa"}, limit, func(t *ticket.Ticket) bool {
				looked++
				return t.Number < 200
			})
			switch {
			case err != nil:
				return err
			case want == 0 && first != nil, want != 0 && (first == nil || first.Number != want):
				t.Errorf("of %d: got %+v, want number %d", limit, first, want)
			case limit > 0 && looked > limit:
				t.Errorf("of %d: looked at %d", limit, looked)
			}
		}
		return nil
	})
	view(t, s, func(tx *Tx) error {
		if id, ok := tx.TicketNumbered(7); !ok || id != idOf(7) {
			t.Errorf("number 7 is %v, %v", id, ok)
		}
		if _, ok := tx.TicketNumbered(301); ok {
			t.Error("number 301 is a ticket")
		}
		return nil
	})
}

func TestDueTickets(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for n, due := range map[int]time.Time{1: noon.Add(3 * time.Hour), 2: noon.Add(time.Hour), 3: {}, 4: noon.Add(2 * time.Hour), 5: noon.Add(time.Hour)} {
			tk := sampleTicket(n)
			tk.RemindAt = due
			if err := tx.PutTicket(tk); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx *Tx) error {
		for _, tt := range []struct {
			before time.Time
			limit  int
			want   []ticket.Number
		}{
			{noon, 0, nil},
			{noon.Add(time.Hour), 0, []ticket.Number{2, 5}},
			{noon.AddDate(1, 0, 0), 0, []ticket.Number{2, 5, 4, 1}},
			{noon.AddDate(1, 0, 0), 3, []ticket.Number{2, 5, 4}},
		} {
			due, err := tx.DueTickets(tt.before, tt.limit)
			if err != nil {
				return err
			}
			if got := numbers(due); !slices.Equal(got, tt.want) {
				t.Errorf("due by %s: %v, want %v", tt.before, got, tt.want)
			}
		}
		return nil
	})
}

func TestEntries(t *testing.T) {
	s := newStore(t)
	tk := sampleTicket(1)
	update(t, s, func(tx *Tx) error {
		tk := *tk
		for _, text := range []string{"ayuda", "claro", "gracias"} {
			if err := tx.AddEntry(&tk, &ticket.Entry{Kind: ticket.EntryReply, Text: text}); err != nil {
				return err
			}
		}
		other := sampleTicket(2)
		return errors.Join(tx.PutTicket(&tk), tx.AddEntry(other, &ticket.Entry{Text: "otro"}), tx.PutTicket(other))
	})
	view(t, s, func(tx *Tx) error {
		entries, err := tx.Entries(tk.ID)
		if err != nil {
			return err
		}
		var texts []string
		for i, e := range entries {
			texts = append(texts, e.Text)
			if e.Seq != uint32(i+1) || e.Ticket != tk.ID {
				t.Errorf("entry %d is number %d of %s", i, e.Seq, e.Ticket)
			}
		}
		if !slices.Equal(texts, []string{"ayuda", "claro", "gracias"}) {
			t.Errorf("the entries are %q", texts)
		}
		e, err := tx.Entry(tk.ID, 2)
		if err != nil || e.Text != "claro" {
			t.Errorf("entry 2 is %+v, %v", e, err)
		}
		if _, err := tx.Entry(tk.ID, 4); !errors.Is(err, ErrNotFound) {
			t.Errorf("entry 4 gives %v", err)
		}
		stored, err := tx.Ticket(tk.ID)
		if stored.Entries != 3 {
			t.Errorf("the ticket has %d entries", stored.Entries)
		}
		return err
	})
	for _, entries := range []uint32{0, 2, 4} { // 3 is right
		tk := sampleTicket(1)
		tk.Entries = entries
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.AddEntry(tk, &ticket.Entry{}) }); !errors.Is(err, ErrStale) {
			t.Errorf("adding to a ticket that is said to have %d entries gives %v", entries, err)
		}
	}
}

// TestTicketFilterProperty compares the indexes with a naive scan, after random
// changes.
func TestTicketFilterProperty(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		s, err := Open(filepath.Join(dir, time.Duration(runs).String()), Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		names := []string{"", "a", "ab", "b"}
		model := map[ticket.ID]*ticket.Ticket{}
		for range rapid.IntRange(1, 6).Draw(rt, "transactions") {
			fail := rapid.Bool().Draw(rt, "rolled back")
			var puts []*ticket.Ticket
			for range rapid.IntRange(1, 60).Draw(rt, "puts") {
				n := rapid.IntRange(1, 40).Draw(rt, "ticket")
				tk := sampleTicket(n)
				tk.Status = rapid.SampledFrom(ticket.Statuses).Draw(rt, "status")
				tk.Topic = rapid.SampledFrom(names).Draw(rt, "topic")
				tk.Assignee = rapid.SampledFrom(names).Draw(rt, "assignee")
				tk.Requester = ticket.PersonID(rapid.IntRange(0, 3).Draw(rt, "requester"))
				tk.RemindAt = rapid.SampledFrom([]time.Time{{}, noon, noon.Add(time.Hour)}).Draw(rt, "due")
				puts = append(puts, tk)
			}
			refused := errors.New("refused")
			err := s.Update(t.Context(), func(tx *Tx) error {
				for _, tk := range puts {
					tk := *tk
					if old, err := tx.Ticket(tk.ID); err == nil {
						tk.Revision = old.Revision
					}
					if err := tx.PutTicket(&tk); err != nil {
						return err
					}
				}
				if fail {
					return refused
				}
				return nil
			})
			if fail != errors.Is(err, refused) || !fail && err != nil {
				rt.Fatal(err)
			}
			if !fail {
				for _, tk := range puts {
					model[tk.ID] = tk
				}
			}
		}
		f := TicketFilter{
			Status:    rapid.SampledFrom(append(ticket.Statuses[:4:4], "")).Draw(rt, "filter status"),
			Topic:     rapid.SampledFrom(names).Draw(rt, "filter topic"),
			Assignee:  rapid.SampledFrom(names).Draw(rt, "filter assignee"),
			Requester: ticket.PersonID(rapid.IntRange(0, 3).Draw(rt, "filter requester")),
		}
		limit := rapid.IntRange(0, 5).Draw(rt, "limit")
		var want, due []*ticket.Ticket
		counts := map[ticket.Status]int{}
		for _, tk := range model {
			counts[tk.Status]++
			if (f.Status == "" || f.Status == tk.Status) && (f.Topic == "" || f.Topic == tk.Topic) &&
				(f.Assignee == "" || f.Assignee == tk.Assignee) && (f.Requester == 0 || f.Requester == tk.Requester) {
				want = append(want, tk)
			}
			if !tk.RemindAt.IsZero() {
				due = append(due, tk)
			}
		}
		slices.SortFunc(want, func(a, b *ticket.Ticket) int { return cmp.Compare(b.Number, a.Number) })
		slices.SortFunc(due, func(a, b *ticket.Ticket) int {
			return cmp.Or(a.RemindAt.Compare(b.RemindAt), cmp.Compare(a.Number, b.Number))
		})
		if limit > 0 && len(want) > limit {
			want = want[:limit]
		}
		err = s.View(func(tx *Tx) error {
			got, err := tx.Tickets(f, limit)
			gotDue, err2 := tx.DueTickets(noon.AddDate(1, 0, 0), 0)
			c, err3 := tx.Counts()
			if !slices.Equal(numbers(got), numbers(want)) {
				rt.Errorf("%+v: %v, want %v", f, numbers(got), numbers(want))
			}
			if !slices.Equal(numbers(gotDue), numbers(due)) {
				rt.Errorf("due: %v, want %v", numbers(gotDue), numbers(due))
			}
			for _, status := range ticket.Statuses {
				if c.Tickets[status] != counts[status] {
					rt.Errorf("%d tickets are %s, want %d", c.Tickets[status], status, counts[status])
				}
			}
			return errors.Join(err, err2, err3)
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}
