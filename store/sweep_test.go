package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"buzon/ticket"
)

func TestSweep(t *testing.T) {
	dir := filledFolder(t) // with one orphan
	s := openAt(t, dir, Options{})
	young, err := s.Put(t.Context(), []byte("put since the start"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		if n, err := s.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("sweep %d: %d, %v; want %d", i, n, err, want)
		}
	}
	if _, err := s.Raw(young); err != nil {
		t.Errorf("what was put since the start: %v", err)
	}
	if _, err := s.Raw(ticket.ArchiveRef{Segment: young.Segment, Seq: young.Seq - 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("the orphan: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); !r.Clean() || r.Unreferenced != 1 || r.Archived != 8 {
		t.Errorf("%+v", r)
	}
}

// Whatever kind of row refers to archived bytes keeps them.
func TestSweepKeepsWhatIsReferredTo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := openAt(t, dir, Options{})
	var refs []ticket.ArchiveRef
	for range 5 {
		ref, err := s.Put(t.Context(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.AddMessage(&MessageRow{Archive: refs[0]}),
			tx.AddEntry(sampleTicket(1), &ticket.Entry{Archive: refs[1]}),
			tx.AddQuarantine(&QuarantineRow{Archive: refs[2]}),
			tx.AddHeld(&HeldRow{Archive: refs[3]}),
			tx.Enqueue(&ticket.Outgoing{Chunks: []ticket.Chunk{{Literal: []byte("x")}, {Archive: refs[4], Length: 1}}}))
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Options{})
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
}

func TestSweepStopsAtTheNextMonth(t *testing.T) {
	dir := filledFolder(t)
	c := &clock{now: noon}
	s := openAt(t, dir, Options{Now: c.Now})
	c.set(noon.AddDate(0, 1, 0))
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sweep(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLedgerIsPruned(t *testing.T) {
	s := newStore(t)
	taken := func(uid uint32) (ok bool) {
		view(t, s, func(tx *Tx) error { _, _, ok = tx.LedgerTaken("soporte", "INBOX", 7, uid); return nil })
		return ok
	}
	save := func(state ticket.MailboxState, settled ...uint32) {
		update(t, s, func(tx *Tx) error { return tx.LedgerSave("soporte", "INBOX", state, settled) })
	}
	update(t, s, func(tx *Tx) error {
		for uid := range uint32(4) {
			if err := tx.LedgerTake("soporte", "INBOX", 7, uid+1, 1); err != nil {
				return err
			}
		}
		return tx.LedgerTake("soporte", "INBOX.Otro", 7, 1, 1)
	})
	save(ticket.MailboxState{UIDValidity: 7, Next: 3}, 1, 3)
	for uid, want := range map[uint32]bool{1: false, 2: true, 3: true, 4: true} {
		if taken(uid) != want {
			t.Errorf("UID %d: kept %v", uid, !want)
		}
	}
	save(ticket.MailboxState{UIDValidity: 8, Next: 1})
	for uid, want := range map[uint32]bool{2: true, 3: false, 4: true} {
		if taken(uid) != want {
			t.Errorf("under a new UIDVALIDITY, UID %d: kept %v", uid, !want)
		}
	}
}

// A page that is damaged while the store is open gives an error, and stops it.
func TestDamageIsMet(t *testing.T) {
	dir := filledFolder(t)
	for _, fn := range map[string]func(s *Store) error{
		"reading": func(s *Store) error {
			return s.View(func(tx *Tx) error { _, err := tx.Entries(idOf(1)); return err })
		},
		"writing": func(s *Store) error {
			return s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Entries(idOf(1)); return err })
		},
	} {
		s, err := Open(dir, Options{Now: (&clock{now: noon}).Now})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, stateFile)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte(nil), good...)
		for i := 2 * 4096; i < len(bad); i++ {
			bad[i] = 0xff
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fn(s); !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v", err)
		}
		select {
		case <-s.Failed():
		default:
			t.Error("the store goes on")
		}
		if err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ticket.ErrStopping) {
			t.Errorf("afterwards: %v", err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDamageIsToldFromMistakes(t *testing.T) {
	s := newStore(t)
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("recovered %v", p)
		}
	}()
	s.View(func(*Tx) error { panic("mine") })
}
