package store

import (
	"bytes"
	"errors"
	"fmt"

	"buzon/ticket"
)

// tickets checks tickets and their threads.
func (v *verifier) tickets(tx *Tx) error {
	err := rows(tx, bucketTickets, v.bad, func(k []byte, t *ticket.Ticket) error {
		v.Tickets++
		if !bytes.Equal(k, t.ID[:]) {
			v.differf("tickets: row %x calls itself %s", k, t.ID)
		}
		v.thread(tx, t)
		v.person(tx, "tickets: "+t.Number.Tag(), t.Requester)
		for _, p := range t.Participants {
			v.person(tx, "tickets: "+t.Number.Tag(), p.Person)
		}
		for _, id := range t.Linked {
			v.exists(tx, "tickets: "+t.Number.Tag(), bucketTickets, id[:], id.String())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rows(tx, bucketEntries, v.bad, func(k []byte, e *ticket.Entry) error {
		v.Entries++
		where := fmt.Sprintf("entries: %s/%d", e.Ticket, e.Seq)
		if !bytes.Equal(k, entryKey(e.Ticket, e.Seq)) {
			v.differf("%s: it stands at %x", where, k)
		}
		v.exists(tx, where, bucketTickets, e.Ticket[:], e.Ticket.String())
		return nil
	})
}

// thread checks that a ticket's entries are as many as it says, without a gap.
func (v *verifier) thread(tx *Tx, t *ticket.Ticket) {
	n := uint32(0)
	for k := range tx.ascend(bucketEntries, t.ID[:], nil) {
		n++
		if !bytes.Equal(k, entryKey(t.ID, n)) {
			v.differf("entries: entry %d of ticket %s is missing", n, t.Number.Tag())
			return
		}
	}
	if n != t.Entries {
		v.differf("entries: ticket %s has %d of %d", t.Number.Tag(), n, t.Entries)
	}
}

// exists checks that a row is there which another one refers to.
func (v *verifier) exists(tx *Tx, where, bucket string, key []byte, name string) bool {
	if tx.get(bucket, key) == nil {
		v.differf("%s: it refers to %s of %s, which is missing", where, name, bucket)
		return false
	}
	return true
}

func (v *verifier) number(tx *Tx, where, bucket string, id uint64) bool {
	return v.exists(tx, where, bucket, be64(id), fmt.Sprint(id))
}

func (v *verifier) person(tx *Tx, where string, id ticket.PersonID) {
	if id != 0 {
		v.exists(tx, where, bucketPeople, []byte(personKey(id)), fmt.Sprint(id))
	}
}

// place checks a reference to a ticket and one of its entries.
func (v *verifier) place(tx *Tx, where string, id ticket.ID, entry uint32) {
	if !id.IsZero() && v.exists(tx, where, bucketTickets, id[:], id.String()) && entry > 0 {
		v.exists(tx, where, bucketEntries, entryKey(id, entry), fmt.Sprintf("%s/%d", id, entry))
	}
}

func archivedKey(r ticket.ArchiveRef) []byte {
	return append([]byte(textKey(r.Segment)), be64(r.Seq)...)
}

// messages checks messages, and notes which archived message belongs to which.
func (v *verifier) messages(tx *Tx) error {
	err := rows(tx, bucketMessages, v.bad, func(k []byte, m *MessageRow) error {
		v.Messages++
		where := fmt.Sprintf("messages: %d", m.ID)
		if !bytes.Equal(k, be64(m.ID)) {
			v.differf("%s: it stands at %x", where, k)
		}
		v.place(tx, where, m.Ticket, m.Entry)
		if m.Erased != nil {
			v.tombstone(tx, where, m)
		}
		if other := v.derived.get(bucketArchived, archivedKey(m.Archive)); other != nil {
			v.differf("%s: its bytes, %s, are those of message %d as well", where, m.Archive, fromBE64(other))
		}
		return v.derived.put(bucketArchived, archivedKey(m.Archive), be64(m.ID))
	})
	if err != nil {
		return err
	}
	for _, bucket := range []string{bucketEntries, bucketOutboxChunks} {
		for k, raw := range tx.ascend(bucket, nil, nil) {
			err := archiveRefs(bucket, raw, func(r ticket.ArchiveRef) {
				if v.derived.get(bucketArchived, archivedKey(r)) == nil {
					v.differf("%s: %s refers to archived bytes, %s, that are no message's", bucket, shownKey(k), r)
				}
			})
			if err != nil && bucket != bucketEntries { // those of entries are said elsewhere
				v.bad(bucket, k, err)
			}
		}
	}
	return nil
}

func (v *verifier) people(tx *Tx) error {
	return rows(tx, bucketPeople, v.bad, func(k []byte, p *ticket.Person) error {
		v.People++
		if string(k) != personKey(p.ID) {
			v.differf("people: row %x calls itself %d", k, p.ID)
		}
		return nil
	})
}

// outgoing checks that each row of the outbox was queued by an event of the
// journal and has what it needs to be sent, and that whatever an event is about
// exists.
func (v *verifier) outgoing(tx *Tx) error {
	queued := map[uint64]bool{}
	err := rows(tx, bucketJournal, v.bad, func(_ []byte, e *ticket.Event) error {
		where := fmt.Sprintf("journal: event %d, %s", e.Seq, e.Kind)
		v.place(tx, where, e.Ticket, e.Entry)
		if e.Kind == ticket.EventQueued {
			queued[e.Object] = true
		}
		if bucket := objectOf(e); bucket != "" && e.Object != 0 {
			v.number(tx, where, bucket, e.Object)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = rows(tx, bucketOutbox, v.bad, func(k []byte, o *ticket.Outgoing) error {
		v.Outgoing++
		where := fmt.Sprintf("outbox: %d", o.ID)
		if !bytes.Equal(k, be64(o.ID)) {
			v.differf("%s: it stands at %x", where, k)
		}
		if !queued[o.ID] {
			v.differf("%s: no event of the journal has queued it", where)
		}
		v.place(tx, where, o.Ticket, o.Entry)
		chunks, err := tx.OutgoingChunks(o.ID)
		switch {
		case errors.Is(err, ErrNotFound) && o.State == ticket.OutgoingWaiting:
			v.differf("%s: it waits, and its bytes are missing", where)
		case err == nil:
			v.chunks(tx, where, o, chunks)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k := range tx.ascend(bucketOutboxChunks, nil, nil) {
		v.exists(tx, "outbox_chunks: "+shownKey(k), bucketOutbox, k, shownKey(k))
	}
	return nil
}

// chunks checks that a mail's bytes add up, and lie within the messages that
// they are taken from.
func (v *verifier) chunks(tx *Tx, where string, o *ticket.Outgoing, chunks []ticket.Chunk) {
	size := int64(0)
	for _, c := range chunks {
		size += int64(len(c.Literal)) + c.Length
		id := v.derived.get(bucketArchived, archivedKey(c.Archive))
		if c.Archive.IsZero() || id == nil {
			continue
		}
		if m, err := tx.Message(fromBE64(id)); err == nil && (c.Offset < 0 || c.Length < 0 || c.Offset > m.Size-c.Length) {
			v.differf("%s: it takes octets %d to %d of message %d, which has %d", where, c.Offset, c.Offset+c.Length, m.ID, m.Size)
		}
	}
	if size != o.Size {
		v.differf("%s: it has %d octets of %d", where, size, o.Size)
	}
}

// objectOf names the bucket that an event's Object is a row of; empty: none.
func objectOf(e *ticket.Event) string {
	switch e.Kind {
	case ticket.EventQueued, ticket.EventSent, ticket.EventFailed, ticket.EventFolded:
		return bucketOutbox
	case ticket.EventErasing, ticket.EventErased:
		return bucketErasures
	case ticket.EventQuarantined:
		return bucketQuarantine
	case ticket.EventHeld:
		if e.Detail == "command" { // of an agent; the message itself was taken
			return bucketMessages
		}
		return bucketHeld
	case ticket.EventReleased, ticket.EventDropped:
		return map[string]string{"held": bucketHeld, "quarantine": bucketQuarantine, "outgoing": bucketOutbox}[e.Detail]
	case ticket.EventTicketed, ticket.EventReplied, ticket.EventAnswered, ticket.EventNoted, ticket.EventDuplicate,
		ticket.EventVariant, ticket.EventIgnored, ticket.EventBounced:
		return bucketMessages
	}
	return ""
}

// kept checks the quarantine and what is held.
func (v *verifier) kept(tx *Tx) error {
	check := func(bucket string, k []byte, id, message uint64, archive ticket.ArchiveRef) {
		where := fmt.Sprintf("%s: %d", bucket, id)
		if !bytes.Equal(k, be64(id)) {
			v.differf("%s: it stands at %x", where, k)
		}
		if !v.number(tx, where, bucketMessages, message) {
			return
		}
		if m, err := tx.Message(message); err == nil && m.Archive != archive {
			v.differf("%s: its bytes are %s, and those of its message %s", where, archive, m.Archive)
		}
	}
	err := rows(tx, bucketQuarantine, v.bad, func(k []byte, r *QuarantineRow) error {
		check(bucketQuarantine, k, r.ID, r.Message, r.Archive)
		return nil
	})
	if err != nil {
		return err
	}
	return rows(tx, bucketHeld, v.bad, func(k []byte, r *HeldRow) error {
		check(bucketHeld, k, r.ID, r.Message, r.Archive)
		return nil
	})
}

func (v *verifier) ledger(tx *Tx) error {
	for k, row := range tx.ascend(bucketLedger, nil, nil) {
		where := "ledger: " + shownKey(k)
		if len(row) != 9 {
			v.differf("%s: the row has %d octets", where, len(row))
			continue
		}
		v.number(tx, where, bucketMessages, fromBE64(row))
	}
	return rows(tx, bucketMailboxes, v.bad, func([]byte, *ticket.MailboxState) error { return nil })
}
