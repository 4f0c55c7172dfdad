package store

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// addressesOf lists a person's addresses.
func addressesOf(p *ticket.Person) []string {
	var list []string
	if p.Address.Addr != "" {
		list = append(list, p.Address.Addr)
	}
	for _, a := range p.Also {
		list = append(list, a.Addr)
	}
	return list
}

// redacted stands in the place of a name or an address.
const redacted = "[…]"

// redactor takes people's names and addresses out of a text.
func redactor(people []*ticket.Person) *strings.Replacer {
	var pairs []string
	for _, p := range people {
		for _, word := range append(addressesOf(p), p.Address.Name) {
			if len(word) > 2 {
				pairs = append(pairs, word, redacted, strings.ToLower(word), redacted)
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// concerns tells whether a message belongs to what is erased.
func (w *eraser) concerns(m *MessageRow) bool {
	switch {
	case m.Erased != nil:
		return false
	case w.tickets[m.Ticket]:
		return true
	case w.parts[m.Ticket]:
		return w.isPerson(m) || w.wrote[entryRef{m.Ticket, m.Entry}]
	}
	return m.Ticket.IsZero() && w.isPerson(m)
}

func (w *eraser) isPerson(m *MessageRow) bool {
	from := m.From
	if from == "" {
		from = m.Envelope.MailFrom
	}
	return from != "" && w.keys[ticket.AddressKey(from)]
}

// messages makes tombstones of messages, their copies included.
func (w *eraser) messages() error {
	ids, copies := []uint64{}, map[messageKey]bool{}
	note := func(m *MessageRow) error {
		if w.concerns(m) {
			ids = append(ids, m.ID)
			for _, k := range messageKeys(m) {
				copies[k] = true
			}
		}
		return nil
	}
	if err := scan(w.ctx, w.Store, bucketMessages, note); err != nil {
		return err
	}
	// A copy that came by another way belongs to no ticket. Those that stay share a
	// key with what goes, and take its place in the index.
	stay := map[messageKey][]uint64{}
	err := scan(w.ctx, w.Store, bucketMessages, func(m *MessageRow) error {
		if m.Erased != nil || w.concerns(m) {
			return nil
		}
		keys := slices.DeleteFunc(messageKeys(m), func(k messageKey) bool { return !copies[k] })
		if len(keys) > 0 && m.Ticket.IsZero() {
			ids = append(ids, m.ID)
			return nil
		}
		for _, k := range keys {
			stay[k] = append(stay[k], m.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(ids)
	return w.batches(ids, func(tx *Tx, e *Erasure, id uint64) error {
		m, err := tx.Message(id)
		if err != nil || m.Erased != nil {
			return err
		}
		if w.waiting.bytes[m.Archive] {
			w.pending++
			return nil
		}
		e.Gone.Messages++
		e.Gone.Octets += m.Size
		return tx.eraseMessage(m, w.by, stay)
	})
}

// batches calls fn with each id, a hundred in one transaction.
func (w *eraser) batches(ids []uint64, fn func(tx *Tx, e *Erasure, id uint64) error) error {
	for part := range slices.Chunk(ids, eraseStep) {
		before := w.pending
		err := w.update(func(tx *Tx, e *Erasure) error {
			w.pending = before
			for _, id := range part {
				if err := fn(tx, e, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		// gofail: var eraseMidway struct{}
	}
	return nil
}

// blindPrefix begins a key that is a salted digest of what it was.
const blindPrefix = "erased\x00"

// blind is a key of a message without the message: the same one that comes again is
// known by it, and nothing can be guessed from it without the salt.
func (tx *Tx) blind(key string) string {
	if key == "" || strings.HasPrefix(key, blindPrefix) {
		return key
	}
	return blindPrefix + hex.EncodeToString(tx.salted([]byte(key)))
}

// eraseMessage makes a tombstone of a message: what is known of it is when and by
// which way it came, what became of it, and where its bytes were.
func (tx *Tx) eraseMessage(m *MessageRow, by ticket.Erased, stay map[messageKey][]uint64) error {
	old := messageKeys(m)
	tx.entomb(m, by)
	if err := tx.save(bucketMessages, be64(m.ID), m); err != nil {
		return err
	}
	for _, k := range old {
		if tx.isIndexed(k, m.ID) {
			if err := tx.del(k.bucket, hashKey(k.key)); err != nil {
				return err
			}
		}
		for _, id := range stay[k] {
			other, err := tx.Message(id)
			if err == nil {
				err = tx.indexMessage(k, other)
			}
			if err != nil {
				return err
			}
		}
	}
	for _, k := range messageKeys(m) {
		if err := tx.indexMessage(k, m); err != nil {
			return err
		}
	}
	return nil
}

// entomb takes the content out of a message's row.
func (tx *Tx) entomb(m *MessageRow, by ticket.Erased) {
	e := m.Envelope
	m.Envelope = ticket.Envelope{Account: e.Account, Mailbox: e.Mailbox, UIDValidity: e.UIDValidity, UID: e.UID, Received: e.Received, Backlog: e.Backlog}
	m.Transport, m.Identity, m.Variant = tx.blind(m.Transport), tx.blind(m.Identity), tx.blind(m.Variant)
	m.MessageID, m.From, m.Digest, m.Erased = "", "", "", &by
}

// entombCopy takes the content out of the row of a message that was erased and has
// come again, and has its bytes taken away too.
func (tx *Tx) entombCopy(m *MessageRow) error {
	if !tx.anyErased() {
		return nil
	}
	for _, k := range messageKeys(m) {
		id := tx.get(k.bucket, hashKey(tx.blind(k.key)))
		if id == nil {
			continue
		}
		first, err := tx.Message(fromBE64(id))
		if err != nil || first.Erased == nil {
			return err
		}
		var order ticket.Event
		if err := tx.load(bucketJournal, be64(first.Erased.Event), &order); err != nil {
			return err
		}
		e, err := tx.Erasure(order.Object)
		if err != nil {
			return err
		}
		tx.entomb(m, *first.Erased)
		e.Purged = time.Time{}
		return tx.putErasure(e)
	}
	return nil
}

func (tx *Tx) isIndexed(k messageKey, id uint64) bool {
	return fromBE64(tx.get(k.bucket, hashKey(k.key))) == id
}

// indexMessage has a key lead to a message, unless it leads to one that comes
// before it: the first that has a ticket, or else the first.
func (tx *Tx) indexMessage(k messageKey, m *MessageRow) error {
	if id := tx.get(k.bucket, hashKey(k.key)); id != nil {
		first, err := tx.Message(fromBE64(id))
		if err != nil {
			return err
		}
		ticketed, other := !first.Ticket.IsZero(), !m.Ticket.IsZero()
		if ticketed && !other || ticketed == other && first.ID <= m.ID {
			return nil
		}
	}
	return tx.put(k.bucket, hashKey(k.key), be64(m.ID))
}

// outbox empties the rows of mail that was sent, and drops its bytes. Of mail to
// others about their own tickets only the bytes go.
func (w *eraser) outbox() error {
	in := func(set map[ticket.ID]bool, o *ticket.Outgoing) bool {
		return set[o.Ticket] || slices.ContainsFunc(o.Tickets, func(id ticket.ID) bool { return set[id] })
	}
	var ids []uint64
	whole := map[uint64]bool{}
	err := scan(w.ctx, w.Store, bucketOutbox, func(o *ticket.Outgoing) error {
		theirs := (w.people[o.Person] || w.keys[ticket.AddressKey(o.To)]) &&
			(o.Ticket.IsZero() || w.row.Nameless || w.parts[o.Ticket])
		if w.tickets[o.Ticket] || theirs {
			whole[o.ID] = true
		}
		if whole[o.ID] || in(w.tickets, o) || in(w.parts, o) {
			ids = append(ids, o.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.batches(ids, func(tx *Tx, e *Erasure, id uint64) error {
		o, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if o.State == ticket.OutgoingWaiting {
			w.pending++
			return nil
		}
		hasChunks := tx.get(bucketOutboxChunks, be64(id)) != nil
		bare := *o
		if whole[id] {
			bare.EnvelopeFrom, bare.To, bare.Subject, bare.MessageID, bare.LastError = "", "", "", "", ""
		}
		if !hasChunks && outgoingText(&bare) == outgoingText(o) {
			return nil
		}
		e.Gone.Outgoing++
		return errors.Join(
			tx.del(bucketOutboxChunks, be64(id)),
			tx.save(bucketOutbox, be64(id), &bare),
			tx.reindex(outgoingIndex(o, hasChunks), outgoingIndex(&bare, false)),
		)
	})
}

func outgoingText(o *ticket.Outgoing) string {
	return strings.Join([]string{o.EnvelopeFrom, o.To, o.Subject, o.MessageID, o.LastError}, "\x00")
}

// shelves empties the rows of the quarantine and of held messages whose message was
// erased. None of them waits for a word any more.
func (w *eraser) shelves() error {
	if err := w.quarantine(); err != nil {
		return err
	}
	return w.held()
}

func (w *eraser) quarantine() error {
	var ids []uint64
	err := scan(w.ctx, w.Store, bucketQuarantine, func(r *QuarantineRow) error { ids = append(ids, r.ID); return nil })
	if err != nil {
		return err
	}
	return w.batches(ids, func(tx *Tx, e *Erasure, id uint64) error {
		r, err := tx.Quarantine(id)
		if err != nil {
			return err
		}
		m, err := tx.Message(r.Message)
		if err != nil || m.Erased == nil || r.Reason == "" && r.State != QuarantineKept {
			return err
		}
		bare := &QuarantineRow{ID: r.ID, Archive: r.Archive, Envelope: m.Envelope, Message: r.Message, At: r.At, State: r.State}
		if bare.State == QuarantineKept {
			bare.State = QuarantineDropped
		}
		e.Gone.Kept++
		return tx.PutQuarantine(bare)
	})
}

func (w *eraser) held() error {
	var ids []uint64
	err := scan(w.ctx, w.Store, bucketHeld, func(r *HeldRow) error { ids = append(ids, r.ID); return nil })
	if err != nil {
		return err
	}
	return w.batches(ids, func(tx *Tx, e *Erasure, id uint64) error {
		r, err := tx.Held(id)
		if err != nil {
			return err
		}
		m, err := tx.Message(r.Message)
		if err != nil || m.Erased == nil || r.Reason == "" && r.State != HeldKept {
			return err
		}
		bare := &HeldRow{ID: r.ID, Archive: r.Archive, Envelope: m.Envelope, Agent: r.Agent, Person: r.Person, Ticket: r.Ticket,
			Message: r.Message, At: r.At, State: r.State}
		if bare.State == HeldKept {
			bare.State = HeldDropped
		}
		e.Gone.Kept++
		return tx.PutHeld(bare)
	})
}

// questions takes the address out of questions, which nobody can answer any more.
func (w *eraser) questions() error {
	var ids []ticket.ID
	err := scan(w.ctx, w.Store, bucketQuestions, func(q *Question) error {
		if q.Address != "" && (w.tickets[q.Ticket] || w.row.Nameless && w.people[q.Person]) {
			ids = append(ids, q.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(ids, eraseStep) {
		err := w.update(func(tx *Tx, _ *Erasure) error {
			for _, id := range part {
				q, err := tx.Question(id)
				if err != nil {
					return err
				}
				q.Address = ""
				if q.Answer == "" {
					q.Answer, q.Answered = AnswerNo, tx.now().UTC().Truncate(time.Second)
				}
				if err := tx.save(bucketQuestions, id[:], q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
