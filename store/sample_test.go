package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"buzon/ticket"
)

// take does in one transaction, as the desk does, what message n causes: a new
// ticket with an entry, a mail to its requester, an event each.
func take(ctx context.Context, s *Store, n int) error {
	raw := []byte(fmt.Sprintf("Message-ID: <m%d@x>\r\n\r\n%0*d", n, n%3*pieceSize, n))
	ref, err := s.Put(ctx, raw)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	return s.Update(ctx, func(tx *Tx) error {
		person := &ticket.Person{Address: ticket.Address{Addr: fmt.Sprintf("p%d@example.org", n)}}
		if n%2 == 1 {
			person.Also = []ticket.AlsoAddress{{Addr: fmt.Sprintf("also%d@example.org", n), Since: noon}}
		}
		if err := tx.PutPerson(person); err != nil {
			return err
		}
		number, err := tx.NextNumber(1)
		if err != nil {
			return err
		}
		t := &ticket.Ticket{ID: idOf(n), Number: number, Topic: "sistemas", Status: ticket.StatusOpen, Requester: person.ID, Created: noon}
		t.Join(person.ID, ticket.RoleRequester)
		t.Owe(noon.Add(time.Hour))
		messageID := fmt.Sprintf("m%d@x", n)
		e := &ticket.Entry{Kind: ticket.EntryRequest, Author: person.ID, Archive: ref, MessageID: messageID}
		if err := tx.AddEntry(t, e); err != nil {
			return err
		}
		if err := tx.IndexMessageID(messageID, MessageRef{t.ID, e.Seq, person.ID}); err != nil {
			return err
		}
		if err := tx.PutTicket(t); err != nil {
			return err
		}
		env := ticket.Envelope{Account: "soporte", Mailbox: "INBOX", UIDValidity: 7, UID: uint32(n)}
		m := &MessageRow{
			Archive: ref, Envelope: env, Transport: env.TransportKey(sum), Identity: messageID, Variant: "v" + messageID, Outcome: ticket.EventTicketed,
			Ticket: t.ID, Entry: 1, Size: int64(len(raw)), Digest: hex.EncodeToString(sum[:]),
		}
		if err := tx.AddMessage(m); err != nil {
			return err
		}
		if err := tx.LedgerTake(env.Account, env.Mailbox, 7, env.UID, m.ID); err != nil {
			return err
		}
		o := &ticket.Outgoing{
			Ticket: t.ID, Entry: 1, Person: person.ID, Class: ticket.ClassConfirmation, To: person.Address.Addr, MessageID: fmt.Sprintf("o%d@x", n),
			Chunks: []ticket.Chunk{{Literal: []byte("x")}, {Archive: ref, Offset: 3, Length: 5}},
		}
		if err := tx.Enqueue(o); err != nil {
			return err
		}
		if err := tx.NoteAutomatic(person.Address.Addr, noon); err != nil {
			return err
		}
		for _, ev := range []ticket.Event{
			{Kind: ticket.EventTicketed, Ticket: t.ID, Entry: 1, Person: person.ID, Object: m.ID},
			{Kind: ticket.EventQueued, Ticket: t.ID, Entry: 1, Person: person.ID, Object: o.ID},
		} {
			if err := tx.Append(&ev); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep puts one message into the quarantine and holds another.
func keep(t testing.TB, s *Store) {
	t.Helper()
	for i, kind := range []string{ticket.EventQuarantined, ticket.EventHeld} {
		raw := []byte(kind)
		ref, err := s.Put(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx *Tx) error {
			m := &MessageRow{Archive: ref, Transport: kind, Outcome: kind, Size: int64(len(raw))}
			if err := tx.AddMessage(m); err != nil {
				return err
			}
			var id uint64
			if i == 0 {
				q := &QuarantineRow{Archive: ref, Message: m.ID}
				err = tx.AddQuarantine(q)
				id = q.ID
			} else {
				h := &HeldRow{Archive: ref, Message: m.ID}
				err = errors.Join(tx.AddHeld(h), tx.PutQuestion(&Question{ID: idOf(90), Kind: QuestionRelease, Person: 1, Ticket: idOf(1), Held: 1, At: noon}))
				id = h.ID
			}
			if err != nil {
				return err
			}
			return tx.Append(&ticket.Event{Kind: kind, Object: id, Detail: "x"})
		})
	}
}

// filledFolder is a data folder with a little of everything, closed.
func filledFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	s := openAt(t, dir, Options{})
	for n := 1; n <= 5; n++ {
		if err := take(t.Context(), s, n); err != nil {
			t.Fatal(err)
		}
	}
	keep(t, s)
	if _, err := s.Put(t.Context(), []byte("the same delivery again")); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error { // sent, and settled
		o, err := tx.Outgoing(1)
		if err != nil {
			return err
		}
		for n := range 2 { // one that is known as a footer, and one that is not
			for m := range 5 - 4*n {
				if _, err := tx.NoteFooter(FooterID{byte(n)}, []FooterSighting{sightingOf(m%3, m)}, noon); err != nil {
					return err
				}
			}
		}
		o.State = ticket.OutgoingSent
		if err := tx.PutOutgoing(o); err != nil {
			return err
		}
		return tx.LedgerSave("soporte", "INBOX", ticket.MailboxState{UIDValidity: 7, Next: 2, Since: noon}, []uint32{1, 3})
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func verified(t testing.TB, dir string) *Report {
	t.Helper()
	r, err := Verify(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
