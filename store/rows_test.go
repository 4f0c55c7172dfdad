package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

// A further address leads to whoever said that it is theirs, also where someone
// is registered under it, and is nobody else's further one.
func TestFurtherAddress(t *testing.T) {
	s := newStore(t)
	also := []ticket.AlsoAddress{{Addr: "Ana@Casa.example", Since: noon}}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.PutPerson(&ticket.Person{ID: 1, Address: ticket.Address{Addr: "ana@example.org"}, Also: also}),
			tx.PutPerson(&ticket.Person{ID: 2, Address: ticket.Address{Addr: "ana@casa.example"}}))
	})
	view(t, s, func(tx *Tx) error {
		p, err := tx.PersonByAddress("ana@casa.example")
		if err == nil && (p.ID != 1 || !p.Has("ANA@casa.example")) {
			t.Errorf("it leads to person %d", p.ID)
		}
		registered, err2 := tx.PersonRegistered("ana@casa.example")
		if err2 == nil && registered.ID != 2 {
			t.Errorf("person %d is registered under it", registered.ID)
		}
		return errors.Join(err, err2)
	})
	err := s.Update(t.Context(), func(tx *Tx) error {
		return tx.PutPerson(&ticket.Person{ID: 3, Address: ticket.Address{Addr: "eva@example.org"}, Also: also})
	})
	if err == nil {
		t.Error("two people have the same further address")
	}
	update(t, s, func(tx *Tx) error {
		return tx.PutPerson(&ticket.Person{ID: 1, Address: ticket.Address{Addr: "ana@example.org"}})
	})
	view(t, s, func(tx *Tx) error {
		p, err := tx.PersonByAddress("ana@casa.example")
		if err == nil && p.ID != 2 {
			t.Errorf("once it is taken away, it leads to person %d", p.ID)
		}
		return err
	})
}

// A question is answered once.
func TestQuestions(t *testing.T) {
	s := newStore(t)
	q := &Question{ID: idOf(1), Kind: QuestionAddress, Person: 1, Ticket: idOf(2), Address: "x@example.org", At: noon}
	update(t, s, func(tx *Tx) error { return tx.PutQuestion(q) })
	answered := *q
	answered.Answer = AnswerYes
	update(t, s, func(tx *Tx) error { return tx.PutQuestion(&answered) })
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutQuestion(q) }); !errors.Is(err, ErrStale) {
		t.Errorf("answered twice: %v", err)
	}
	view(t, s, func(tx *Tx) error {
		got, err := tx.Question(q.ID)
		if diff := gocmp.Diff(&answered, got); diff != "" {
			t.Error(diff)
		}
		if _, err := tx.Question(idOf(9)); !errors.Is(err, ErrNotFound) {
			t.Errorf("no question gives %v", err)
		}
		return err
	})
}

func TestPeople(t *testing.T) {
	s := newStore(t)
	ana := &ticket.Person{Address: ticket.Address{Name: "Ana", Addr: "Ana@Example.org"}, Language: "es"}
	chosen := &ticket.Person{ID: 2, Address: ticket.Address{Addr: "b@example.org"}}
	eva := &ticket.Person{Address: ticket.Address{Addr: "eva@example.org"}}
	update(t, s, func(tx *Tx) error {
		ana.ID, eva.ID = 0, 0
		return errors.Join(tx.PutPerson(ana), tx.PutPerson(chosen), tx.PutPerson(eva))
	})
	if ana.ID != 1 || chosen.ID != 2 || eva.ID != 3 {
		t.Errorf("the ids are %d, %d, %d: one that was chosen is not left out", ana.ID, chosen.ID, eva.ID)
	}
	view(t, s, func(tx *Tx) error {
		got, err := tx.PersonByAddress(" ana@EXAMPLE.org ")
		if diff := gocmp.Diff(ana, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	update(t, s, func(tx *Tx) error {
		p, err := tx.Person(1)
		if err != nil {
			return err
		}
		p.Address.Addr = "ana.gil@example.org"
		return tx.PutPerson(p)
	})
	view(t, s, func(tx *Tx) error {
		if _, err := tx.PersonByAddress("ana@example.org"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the old address gives %v", err)
		}
		p, err := tx.PersonByAddress("ana.gil@example.org")
		c, err2 := tx.Counts()
		if err == nil && p.ID != 1 || c.People != 3 {
			t.Errorf("the new address is person %d's, of %d", p.ID, c.People)
		}
		if _, err := tx.Person(9); !errors.Is(err, ErrNotFound) {
			t.Errorf("nobody gives %v", err)
		}
		return errors.Join(err, err2)
	})
	for name, p := range map[string]*ticket.Person{
		"no address":            {},
		"another's address":     {Address: ticket.Address{Addr: "EVA@example.org"}},
		"another's, with an id": {ID: 1, Address: ticket.Address{Addr: "eva@example.org"}},
	} {
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutPerson(p) }); err == nil {
			t.Errorf("%s is stored", name)
		}
	}
}

func TestMessages(t *testing.T) {
	s := newStore(t)
	long := strings.Repeat("x", 100_000) // longer than any key of bbolt
	held := &MessageRow{Correlation: "a1", Transport: "t1", Identity: long, Variant: "v", MessageID: "m@x", Kind: ticket.KindHuman, Outcome: ticket.EventHeld}
	copied := &MessageRow{Transport: "t2", Identity: long, Outcome: ticket.EventDuplicate}
	released := &MessageRow{Transport: "t1", Identity: long, Variant: "v", Outcome: ticket.EventReplied, Ticket: idOf(1)}
	later := &MessageRow{Transport: "t3", Identity: long, Outcome: ticket.EventDuplicate, Ticket: idOf(1)}
	none := &MessageRow{}
	want := func(tx *Tx, name string, find func(string) (*MessageRow, error), key string, id uint64) {
		t.Helper()
		m, err := find(key)
		if err != nil || m.ID != id {
			t.Errorf("by %s: %+v, %v, want row %d", name, m, err, id)
		}
	}
	update(t, s, func(tx *Tx) error { return errors.Join(tx.AddMessage(held), tx.AddMessage(copied)) })
	view(t, s, func(tx *Tx) error {
		want(tx, "transport", tx.MessageByTransport, "t1", 1)
		want(tx, "transport", tx.MessageByTransport, "t2", 2)
		want(tx, "identity", tx.MessageByIdentity, long, 1)
		want(tx, "variant", tx.MessageByVariant, "v", 1)
		m, err := tx.Message(1)
		if diff := gocmp.Diff(held, m); diff != "" || !m.At.Equal(noon) {
			t.Error(diff)
		}
		return err
	})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.AddMessage(released), tx.AddMessage(later), tx.AddMessage(none))
	})
	view(t, s, func(tx *Tx) error {
		want(tx, "transport, once it was released", tx.MessageByTransport, "t1", 3)
		want(tx, "identity, once it was released", tx.MessageByIdentity, long, 3)
		want(tx, "variant, once it was released", tx.MessageByVariant, "v", 3)
		for _, find := range []func(string) (*MessageRow, error){tx.MessageByTransport, tx.MessageByIdentity, tx.MessageByVariant} {
			for _, key := range []string{"", "t9"} {
				if m, err := find(key); !errors.Is(err, ErrNotFound) {
					t.Errorf("the key %q gives %+v, %v", key, m, err)
				}
			}
		}
		if _, err := tx.Message(99); !errors.Is(err, ErrNotFound) {
			t.Errorf("no message gives %v", err)
		}
		c, err := tx.Counts()
		if c.Messages != 5 {
			t.Errorf("there are %d messages", c.Messages)
		}
		return err
	})
}

func TestMessageIDs(t *testing.T) {
	s := newStore(t)
	refs := []MessageRef{{idOf(1), 1, 5}, {idOf(1), 3, 6}, {idOf(2), 1, 5}}
	slices.SortFunc(refs, func(a, b MessageRef) int { return strings.Compare(a.Ticket.String(), b.Ticket.String()) })
	update(t, s, func(tx *Tx) error {
		var errs []error
		for _, r := range refs {
			errs = append(errs, tx.IndexMessageID("<a@x>", r), tx.IndexMessageID("a@x", r), tx.IndexMessageID("", r))
		}
		return errors.Join(append(errs, tx.IndexMessageID("A@x", MessageRef{idOf(3), 1, 1}), tx.IndexMessageID(strings.Repeat("y", 100_000), refs[0]))...)
	})
	view(t, s, func(tx *Tx) error {
		for id, want := range map[string][]MessageRef{"a@x": refs, " <a@x>": refs, "A@x": {{idOf(3), 1, 1}}, "b@x": nil, "": nil, strings.Repeat("y", 100_000): refs[:1]} {
			got, err := tx.TicketsByMessageID(id)
			if diff := gocmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%.20q: %v %s", id, err, diff)
			}
		}
		return nil
	})
}

func TestQuarantineAndHeld(t *testing.T) {
	s := newStore(t)
	update(t, s, func(tx *Tx) error {
		for i := range 3 {
			q := &QuarantineRow{Reason: fmt.Sprint(i), Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 1}, State: "x"}
			h := &HeldRow{Reason: fmt.Sprint(i), Person: 4, Ticket: idOf(1), At: noon.Add(time.Hour)}
			if err := errors.Join(tx.AddQuarantine(q), tx.AddHeld(h)); err != nil {
				return err
			}
		}
		q, err := tx.Quarantine(2)
		h, err2 := tx.Held(3)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		q.State, h.State = QuarantineRetried, HeldReleased
		return errors.Join(tx.PutQuarantine(q), tx.PutHeld(h))
	})
	view(t, s, func(tx *Tx) error {
		qs, err := tx.QuarantineList(2)
		hs, err2 := tx.HeldList(0)
		if len(qs) != 2 || qs[0].Reason != "2" || qs[1].State != QuarantineRetried || !qs[0].At.Equal(noon) {
			t.Errorf("the quarantine lists %+v", qs)
		}
		if len(hs) != 3 || hs[0].State != HeldReleased || hs[2].Reason != "0" || hs[2].State != HeldKept || !hs[0].At.Equal(noon.Add(time.Hour)) {
			t.Errorf("held are %+v", hs)
		}
		if diff := gocmp.Diff(map[string]int{QuarantineKept: 2, QuarantineRetried: 1, QuarantineDropped: 0}, tx.QuarantineCounts()); diff != "" {
			t.Error(diff)
		}
		if diff := gocmp.Diff(map[string]int{HeldKept: 2, HeldReleased: 1, HeldDropped: 0}, tx.HeldCounts()); diff != "" {
			t.Error(diff)
		}
		c, err3 := tx.Counts()
		if c.Quarantined != 2 || c.Held != 2 {
			t.Errorf("%d and %d wait", c.Quarantined, c.Held)
		}
		_, err4 := tx.Held(9)
		_, err5 := tx.Quarantine(9)
		if !errors.Is(err4, ErrNotFound) || !errors.Is(err5, ErrNotFound) {
			t.Errorf("rows that aren't there give %v, %v", err4, err5)
		}
		return errors.Join(err, err2, err3)
	})
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutHeld(&HeldRow{ID: 1, State: "x"}) }); err == nil {
		t.Error("an unknown state was stored")
	}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutQuarantine(&QuarantineRow{ID: 9, State: QuarantineKept}) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("changing a row that isn't there gives %v", err)
	}
}

func TestLedger(t *testing.T) {
	s := newStore(t)
	load := func(account, mailbox string) (state ticket.MailboxState, unsettled []uint32) {
		view(t, s, func(tx *Tx) (err error) { state, unsettled, err = tx.LedgerLoad(account, mailbox); return err })
		return state, unsettled
	}
	save := func(state ticket.MailboxState, settled ...uint32) {
		update(t, s, func(tx *Tx) error { return tx.LedgerSave("soporte", "INBOX", state, settled) })
	}
	if state, unsettled := load("soporte", "INBOX"); !gocmp.Equal(state, ticket.MailboxState{}) || unsettled != nil {
		t.Errorf("a new mailbox is at %+v, %v", state, unsettled)
	}
	first := ticket.MailboxState{UIDValidity: 7, Next: 300, BacklogBelow: 2, Since: noon}
	save(first)
	update(t, s, func(tx *Tx) error {
		for _, uid := range []uint32{300, 2, 5} {
			if err := tx.LedgerTake("soporte", "INBOX", 7, uid, uint64(uid)*10); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.LedgerTake("soporte", "INBOX", 7, 5, 999), // once more
			tx.LedgerTake("soporte", "INBOX", 6, 4, 1),
			tx.LedgerTake("soporte", "INBOX.Otro", 7, 9, 1),
			tx.LedgerTake("soport", "eINBOX", 7, 8, 1))
	})
	if state, unsettled := load("soporte", "INBOX"); !gocmp.Equal(state, first) || !slices.Equal(unsettled, []uint32{2, 5, 300}) {
		t.Errorf("the ledger is at %+v, %v", state, unsettled)
	}
	save(ticket.MailboxState{UIDValidity: 7, Next: 4, Since: noon}, 5, 77)
	if state, unsettled := load("soporte", "INBOX"); state.Next != 4 || !slices.Equal(unsettled, []uint32{2, 300}) {
		t.Errorf("after settling one, the ledger is at %+v, %v", state, unsettled)
	}
	view(t, s, func(tx *Tx) error {
		type taken struct {
			message     uint64
			settled, ok bool
		}
		for uid, want := range map[uint32]taken{2: {20, false, true}, 5: {50, true, true}, 77: {}, 4: {}} {
			var got taken
			got.message, got.settled, got.ok = tx.LedgerTaken("soporte", "INBOX", 7, uid)
			if got != want {
				t.Errorf("UID %d: %+v, want %+v", uid, got, want)
			}
		}
		return nil
	})
	// Taking a settled one again does not unsettle it.
	update(t, s, func(tx *Tx) error { return tx.LedgerTake("soporte", "INBOX", 7, 5, 50) })
	if _, unsettled := load("soporte", "INBOX"); slices.Contains(unsettled, 5) {
		t.Error("a settled UID is unsettled again")
	}
	save(ticket.MailboxState{UIDValidity: 8, Next: 1, RescanBelow: 40})
	if state, unsettled := load("soporte", "INBOX"); state.RescanBelow != 40 || unsettled != nil {
		t.Errorf("under a new UIDVALIDITY the ledger is at %+v, %v", state, unsettled)
	}
}

func TestAutomatic(t *testing.T) {
	s := newStore(t)
	note := func(addr string, at time.Time) {
		update(t, s, func(tx *Tx) error { return tx.NoteAutomatic(addr, at) })
	}
	count := func(addr string, since time.Time) (n int) {
		view(t, s, func(tx *Tx) (err error) { n, err = tx.CountAutomatic(addr, since); return err })
		return n
	}
	for range 3 {
		note("ana@example.org", noon)
	}
	note("ANA@example.org", noon.Add(time.Hour))
	note("eva@example.org", noon)
	for _, tt := range []struct {
		addr  string
		since time.Time
		want  int
	}{
		{"Ana@example.org", noon, 4}, {"ana@example.org", noon.Add(1), 1}, {"ana@example.org", noon.Add(2 * time.Hour), 0},
		{"eva@example.org", time.Time{}, 1}, {"ivo@example.org", time.Time{}, 0},
	} {
		if got := count(tt.addr, tt.since); got != tt.want {
			t.Errorf("%s since %s: %d, want %d", tt.addr, tt.since, got, tt.want)
		}
	}
	note("ivo@example.org", noon.Add(automaticMemory+time.Minute))
	if a, e, i := count("ana@example.org", noon), count("eva@example.org", noon), count("ivo@example.org", noon); a != 1 || e != 0 || i != 1 {
		t.Errorf("after a week %d, %d and %d are remembered", a, e, i)
	}
	view(t, s, func(tx *Tx) error {
		for _, bucket := range []string{bucketAutomatic, bucketAutomaticAge} {
			n := 0
			for range tx.ascend(bucket, nil, nil) {
				n++
			}
			if n != 2 {
				t.Errorf("%s has %d rows, want 2", bucket, n)
			}
		}
		return nil
	})
}

func TestTimeKey(t *testing.T) {
	times := []time.Time{{}, time.Unix(0, 0), noon, noon.Add(1), noon.AddDate(200, 0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := 1; i < len(times); i++ {
		if a, b := times[i-1], times[i]; string(timeKey(a)) > string(timeKey(b)) {
			t.Errorf("%s sorts after %s", a, b)
		}
	}
	east := time.Date(1970, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)) // 1969 in UTC
	if string(timeKey(east)) != string(be64(0)) {
		t.Errorf("%s sorts as %x", east, timeKey(east))
	}
}
