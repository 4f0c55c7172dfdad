package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buzon/ticket"
)

// canary is what must not be found after an erasure.
var canaries = []string{"p1@example.org", "also1@example.org", "m1@x", "Canario", "o1@x", "quark"}

// canaryFolder is a folder in which ticket n is closed and full of canaries, and the
// others are open.
func canaryFolder(t testing.TB, dir string, closed ...int) *Store {
	t.Helper()
	s := openAt(t, dir, Options{})
	for n := 1; n <= 3; n++ {
		if err := take(t.Context(), s, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range closed {
		update(t, s, func(tx *Tx) error {
			tk, err := tx.Ticket(idOf(n))
			if err != nil {
				return err
			}
			tk.Subject, tk.Fields = "Canario uno", map[string]string{"a": "Canario"}
			if err := tk.SetStatus(ticket.StatusClosed, noon); err != nil {
				return err
			}
			if err := tx.AddEntry(tk, &ticket.Entry{Kind: ticket.EntryAnswer, AuthorName: "Canario", Text: "quark", Files: []ticket.Attachment{{Name: "Canario.pdf"}}}); err != nil {
				return err
			}
			o, err := tx.Outgoing(uint64(n))
			if err != nil {
				return err
			}
			o.State, o.Subject = ticket.OutgoingSent, "Canario"
			return errors.Join(tx.PutTicket(tk), tx.PutOutgoing(o))
		})
	}
	return s
}

// hits counts the files of a folder that hold a word, by word.
func hits(t testing.TB, dir string, words []string) map[string]int {
	t.Helper()
	found := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, w := range words {
			if bytes.Contains(bytes.ToLower(raw), []byte(strings.ToLower(w))) {
				found[w]++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func order(t testing.TB, s *Store, e *Erasure) uint64 {
	t.Helper()
	update(t, s, func(tx *Tx) error { return tx.AddErasure(e) })
	return e.ID
}

func erase(t testing.TB, s *Store, id uint64) *Erasure {
	t.Helper()
	e, err := s.Erase(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEraseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := canaryFolder(t, dir, 1)
	if found := hits(t, dir, canaries); len(found) != len(canaries) {
		t.Fatalf("the search finds %v of %v before anything is erased", found, canaries)
	}
	id := order(t, s, &Erasure{Kind: ErasePerson, People: []ticket.PersonID{1}, Nameless: true, Tickets: []ticket.ID{idOf(1), idOf(2)}})
	e := erase(t, s, id)
	if e.Finished.IsZero() || e.Purged.IsZero() || e.Nameless || len(e.Kept) != 1 || e.Kept[0] != (Spared{idOf(2), SparedOpen}) {
		t.Errorf("an open ticket among them: %+v", e)
	}
	id = order(t, s, &Erasure{Kind: ErasePerson, People: []ticket.PersonID{1}, Nameless: true})
	if e = erase(t, s, id); e.Gone.People != 1 || e.Purged.IsZero() {
		t.Errorf("the person: %+v", e)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Compact(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if found := hits(t, dir, canaries); len(found) > 0 {
		t.Errorf("found after all: %v", found)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, stateFile)); err != nil || bytes.Contains(raw, addressKey("p1@example.org")) {
		t.Errorf("the address's key is in the state after all (%v)", err)
	}
	r := verified(t, dir)
	if !r.Clean() || r.Erased != 1 || r.Archived != 2 {
		t.Errorf("%+v", r)
	}
}

// A message that was erased and comes again is known, and leaves nothing.
func TestErasedMessageComesAgain(t *testing.T) {
	dir := t.TempDir()
	s := canaryFolder(t, dir, 1)
	erase(t, s, order(t, s, &Erasure{Kind: EraseRetention, Tickets: []ticket.ID{idOf(1)}}))
	ref, err := s.Put(t.Context(), []byte("Message-ID: <m1@x>\r\n\r\nagain"))
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error {
		first, err := tx.MessageByIdentity("m1@x")
		if err != nil {
			return fmt.Errorf("it is not known: %w", err)
		}
		if first.Erased == nil {
			t.Error("it is not known as erased")
		}
		return tx.AddMessage(&MessageRow{Archive: ref, From: "p1@example.org", MessageID: "m1@x", Identity: "m1@x", Transport: "another way", Outcome: ticket.EventDuplicate})
	})
	if e := erase(t, s, 1); e.Purged.IsZero() {
		t.Errorf("%+v", e)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); !r.Clean() || r.Erased != 2 || r.Unreferenced != 0 || r.Archived != 2 {
		t.Errorf("%+v", r)
	}
}

// The segment of a month that has passed is written anew while the store is open.
func TestErasePastMonthOnline(t *testing.T) {
	dir := t.TempDir()
	if err := canaryFolder(t, dir, 1).Close(); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, dir, Options{Now: func() time.Time { return noon.AddDate(0, 2, 0) }})
	path := filepath.Join(dir, archiveFolder, noon.Format(segmentLayout)+segmentSuffix)
	if raw, err := os.ReadFile(path); err != nil || !bytes.Contains(raw, []byte("m1@x")) {
		t.Fatalf("%s holds no canary (%v)", path, err)
	}
	if _, err := s.Raw(ticket.ArchiveRef{Segment: noon.Format(segmentLayout), Seq: 1}); err != nil {
		t.Fatal(err)
	}
	files, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := order(t, s, &Erasure{Kind: EraseRetention, Tickets: []ticket.ID{idOf(1)}})
	if e := erase(t, s, id); e.Finished.IsZero() || !e.Purged.IsZero() {
		t.Errorf("while a copy is made: %+v", e)
	}
	if err := s.DropSnapshot(files); err != nil {
		t.Fatal(err)
	}
	if e := erase(t, s, id); e.Purged.IsZero() {
		t.Errorf("%+v", e)
	}
	if raw, err := os.ReadFile(path); err != nil || bytes.Contains(raw, []byte("m1@x")) {
		t.Errorf("%s still holds the message (%v)", path, err)
	}
	if _, err := s.Raw(ticket.ArchiveRef{Segment: noon.Format(segmentLayout), Seq: 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("reading what is gone: %v", err)
	}
	if _, err := s.Raw(ticket.ArchiveRef{Segment: noon.Format(segmentLayout), Seq: 2}); err != nil {
		t.Errorf("reading what is kept: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); !r.Clean() || r.Erased != 1 {
		t.Errorf("%+v", r)
	}
}

// What waiting mail needs is left until it is sent, and then goes.
func TestEraseWaits(t *testing.T) {
	dir := t.TempDir()
	s := canaryFolder(t, dir, 1)
	e := erase(t, s, order(t, s, &Erasure{Kind: EraseRetention, Tickets: []ticket.ID{idOf(1)}}))
	if len(e.Kept) > 0 {
		t.Fatalf("%+v", e)
	}
	for name, why := range map[string]func(*ticket.Ticket){
		SparedHold:    func(tk *ticket.Ticket) { tk.Hold = &ticket.LegalHold{Since: noon, Reason: "court"} },
		SparedWaiting: func(tk *ticket.Ticket) { tk.Status = ticket.StatusClosed },
	} {
		n := map[string]int{SparedHold: 2, SparedWaiting: 3}[name]
		update(t, s, func(tx *Tx) error {
			tk, err := tx.Ticket(idOf(n))
			if err != nil {
				return err
			}
			why(tk)
			return tx.PutTicket(tk)
		})
		e := erase(t, s, order(t, s, &Erasure{Kind: EraseRetention, Tickets: []ticket.ID{idOf(n)}}))
		if len(e.Kept) != 1 || e.Kept[0].Why != name || e.Gone.Messages > 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); !r.Clean() {
		t.Errorf("%+v", r)
	}
}
