package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"buzon/ticket"
)

// eraseStep is how many rows are changed in one transaction.
const eraseStep = 100

// Waiting is what mail that waits to be sent needs.
type Waiting struct {
	tickets map[ticket.ID]bool
	bytes   map[ticket.ArchiveRef]bool
	people  map[ticket.PersonID]bool
	last    uint64 // row of the outbox that was looked at
}

// Waiting reads all mail that waits to be sent.
func (tx *Tx) Waiting() (*Waiting, error) {
	w := &Waiting{tickets: map[ticket.ID]bool{}, bytes: map[ticket.ArchiveRef]bool{}, people: map[ticket.PersonID]bool{}}
	return w, w.look(tx)
}

// look reads what was queued since.
func (w *Waiting) look(tx *Tx) error {
	prefix := []byte(textKey(string(ticket.OutgoingWaiting)))
	last := w.last
	for k := range tx.ascend(bucketOutboxState, prefix, append(prefix, be64(last+1)...)) {
		o, err := tx.Outgoing(fromBE64(k[len(prefix):]))
		if err != nil {
			return err
		}
		chunks, err := tx.OutgoingChunks(o.ID)
		if err != nil {
			return err
		}
		w.people[o.Person] = true
		for _, id := range append([]ticket.ID{o.Ticket}, o.Tickets...) {
			w.tickets[id] = true
		}
		for _, c := range chunks {
			w.bytes[c.Archive] = true
		}
	}
	delete(w.bytes, ticket.ArchiveRef{})
	w.last = tx.bucket(bucketOutbox).Sequence()
	return nil
}

// Spares tells why a ticket must not be erased; empty: it may.
func (w *Waiting) Spares(t *ticket.Ticket) string {
	switch {
	case t.Hold != nil:
		return SparedHold
	case t.Status != ticket.StatusClosed:
		return SparedOpen
	case w.tickets[t.ID]:
		return SparedWaiting
	}
	return ""
}

// NeedsPerson tells whether mail to a person waits to be sent.
func (w *Waiting) NeedsPerson(id ticket.PersonID) bool { return w.people[id] }

// eraser carries out one erasure.
type eraser struct {
	*Store
	ctx     context.Context
	row     *Erasure // as it was last written
	by      ticket.Erased
	people  map[ticket.PersonID]bool
	keys    map[string]bool // of their addresses
	tickets map[ticket.ID]bool
	parts   map[ticket.ID]bool
	wrote   map[entryRef]bool // entries of parts that they wrote
	pending int               // rows that waiting mail needs
	// waiting is read once, and in each transaction what came since: there may be much.
	waiting *Waiting
}

type entryRef struct {
	ticket ticket.ID
	seq    uint32
}

// Erase carries out an erasure, or goes on with it, in transactions of a hundred
// rows at most, and then takes the bytes out of the archive's segments. What it
// can't do yet, since mail that waits needs it or a backup is being made, is left
// for the next call: then Finished or Purged of the returned row is zero. Of what
// it has erased the pages of the files that are being written to hold the bytes
// until Compact.
func (s *Store) Erase(ctx context.Context, id uint64) (*Erasure, error) {
	s.erasing.Lock()
	defer s.erasing.Unlock()
	w := &eraser{Store: s, ctx: ctx}
	if err := w.run(id); err != nil {
		return nil, fmt.Errorf("erasure %d: %w", id, err)
	}
	return w.row, nil
}

func (w *eraser) run(id uint64) error {
	err := w.View(func(tx *Tx) (err error) {
		if w.row, err = tx.Erasure(id); err == nil {
			w.waiting, err = tx.Waiting()
		}
		return err
	})
	if err != nil {
		return err
	}
	w.by = ticket.Erased{At: w.row.At, Event: w.row.Event}
	// gofail: var eraseBegun struct{}
	if w.row.Finished.IsZero() {
		for _, step := range []func() error{w.close, w.threads, w.others, w.messages, w.outbox, w.shelves, w.questions, w.nameless} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	// gofail: var eraseUnpurged struct{}
	if !w.row.Finished.IsZero() && w.row.Purged.IsZero() {
		return w.purge()
	}
	return nil
}

// update changes rows, and the erasure's own with them.
func (w *eraser) update(fn func(tx *Tx, e *Erasure) error) error {
	var done *Erasure
	err := w.Store.Update(w.ctx, func(tx *Tx) error {
		e, err := tx.Erasure(w.row.ID)
		if err != nil {
			return err
		}
		seen := w.waiting.last // of this run, which may be undone
		defer func() { w.waiting.last = seen }()
		if err := w.waiting.look(tx); err != nil {
			return err
		}
		if err := fn(tx, e); err != nil {
			return err
		}
		done = e
		return tx.putErasure(e)
	})
	if err == nil {
		w.row = done
	}
	return err
}

// close ends each ticket: from then on nothing is added to it. One that something
// needs by now is spared.
func (w *eraser) close() error {
	for _, id := range slices.Clone(w.row.Tickets) {
		err := w.update(func(tx *Tx, e *Erasure) error {
			t, err := tx.Ticket(id)
			if err != nil || t.Erased != nil {
				return err
			}
			if e.spare(w.waiting, t) {
				e.Tickets = slices.DeleteFunc(e.Tickets, func(o ticket.ID) bool { return o == id })
				return nil
			}
			t.Erase(w.by)
			e.Gone.Tickets++
			return tx.PutTicket(t)
		})
		if err != nil {
			return err
		}
		// gofail: var eraseHalfway struct{}
	}
	return nil
}

// spare notes that a ticket must not be touched, if so.
func (e *Erasure) spare(waiting *Waiting, t *ticket.Ticket) bool {
	why := waiting.Spares(t)
	if why == "" {
		return false
	}
	e.Kept = append(e.Kept, Spared{t.ID, why})
	e.Nameless = false
	return true
}

// threads empties the entries of the tickets.
func (w *eraser) threads() error {
	w.tickets = map[ticket.ID]bool{}
	for _, id := range w.row.Tickets {
		w.tickets[id] = true
		for next := uint32(1); next > 0; {
			from := next
			err := w.update(func(tx *Tx, e *Erasure) (err error) {
				next, err = tx.eraseEntries(id, from, &e.Gone, func(en *ticket.Entry) bool {
					if en.IsBare() {
						return false
					}
					en.Erase()
					return true
				})
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// eraseEntries has edit change entries of a ticket from one on, a hundred at most,
// and tells where to go on; 0: that was the last.
func (tx *Tx) eraseEntries(id ticket.ID, from uint32, gone *ErasedCounts, edit func(*ticket.Entry) bool) (next uint32, err error) {
	var list []*ticket.Entry
	for _, raw := range tx.ascend(bucketEntries, id[:], entryKey(id, from)) {
		e := new(ticket.Entry)
		if err := decode(bucketEntries, raw, e); err != nil {
			return 0, err
		}
		if len(list) == eraseStep {
			next = e.Seq
			break
		}
		list = append(list, e)
	}
	for _, e := range list {
		was := *e
		if !edit(e) {
			continue
		}
		if e.IsBare() {
			gone.Entries++
		}
		if old := trimMessageID(was.MessageID); old != "" && e.MessageID == "" {
			if err := tx.del(bucketMessageIDs, messageIDKey(old, MessageRef{Ticket: id, Entry: e.Seq, Person: e.Author})); err != nil {
				return 0, err
			}
		}
		if err := tx.save(bucketEntries, entryKey(id, e.Seq), e); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// others takes the people out of tickets of others: what they wrote, and where their
// addresses or names stand in what others wrote.
func (w *eraser) others() error {
	w.parts, w.wrote, w.keys, w.people = map[ticket.ID]bool{}, map[entryRef]bool{}, map[string]bool{}, map[ticket.PersonID]bool{}
	var people []*ticket.Person
	err := w.View(func(tx *Tx) error {
		for _, id := range w.row.People {
			p, err := tx.Person(id)
			if err != nil {
				return err
			}
			people = append(people, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range people {
		w.people[p.ID] = true
		for _, addr := range addressesOf(p) {
			w.keys[ticket.AddressKey(addr)] = true
		}
	}
	hide := redactor(people)
	for _, id := range slices.Clone(w.row.Parts) {
		for next, left := uint32(1), true; left; left = next > 0 {
			from := next
			err := w.update(func(tx *Tx, e *Erasure) (err error) {
				next, err = w.takeOut(tx, e, id, from, hide)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	for _, id := range w.row.Parts {
		w.parts[id] = true
		err := w.View(func(tx *Tx) error {
			list, err := tx.Entries(id)
			for _, e := range list {
				w.wrote[entryRef{id, e.Seq}] = w.people[e.Author]
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// takeOut takes the people out of a ticket, from an entry on, and tells where to go
// on; 0: that was all, or the ticket is spared.
func (w *eraser) takeOut(tx *Tx, e *Erasure, id ticket.ID, from uint32, hide *strings.Replacer) (next uint32, err error) {
	t, err := tx.Ticket(id)
	if err != nil {
		return 0, err
	}
	if e.spare(w.waiting, t) {
		e.Parts = slices.DeleteFunc(e.Parts, func(o ticket.ID) bool { return o == id })
		return 0, nil
	}
	left := t.Undo != nil
	t.Undo = nil
	for person := range w.people {
		left = t.Leave(person) || left
	}
	if left {
		if err := tx.PutTicket(t); err != nil {
			return 0, err
		}
	}
	next, err = tx.eraseEntries(id, from, &e.Gone, func(en *ticket.Entry) bool {
		if w.people[en.Author] {
			bare := en.IsBare()
			en.Erase()
			return !bare
		}
		text, quoted := hide.Replace(en.Text), hide.Replace(en.Quoted)
		changed := text != en.Text || quoted != en.Quoted
		en.Text, en.Quoted = text, quoted
		return changed
	})
	if err != nil || t.IsHidden() {
		return next, err
	}
	return next, tx.rewords(t)
}

// nameless makes the people nameless, and ends the work on rows.
func (w *eraser) nameless() error {
	if w.pending > 0 {
		return nil
	}
	people := w.row.People
	if !w.row.Nameless {
		people = nil
	}
	for part := range slices.Chunk(people, eraseStep) {
		err := w.update(func(tx *Tx, e *Erasure) error {
			for _, id := range part {
				old, err := tx.Person(id)
				if err != nil {
					return err
				}
				if old.Erased != nil {
					continue
				}
				p := *old
				p.Erase(w.by)
				if err := tx.save(bucketPeople, []byte(personKey(id)), &p); err != nil {
					return err
				}
				if err := tx.reindex(personIndex(old), personIndex(&p)); err != nil {
					return err
				}
				e.Gone.People++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	// gofail: var eraseUnfinished struct{}
	return w.update(func(tx *Tx, e *Erasure) error {
		e.Finished = tx.now().UTC()
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return tx.Append(&ticket.Event{At: e.Finished, Kind: ticket.EventErased, Object: e.ID,
			Detail: e.Gone.String(), Digest: tx.Digest(text)})
	})
}

// scan decodes all rows of a bucket in many short transactions.
func scan[T any](ctx context.Context, s *Store, bucket string, fn func(*T) error) error {
	var from []byte
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.View(func(tx *Tx) error {
			n := 0
			for k, raw := range tx.ascend(bucket, nil, from) {
				if n++; n > sweepStep {
					from = bytes.Clone(k)
					return nil
				}
				row := new(T)
				if err := decode(bucket, raw, row); err != nil {
					return err
				}
				if err := fn(row); err != nil {
					return err
				}
			}
			done = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
