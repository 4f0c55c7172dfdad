package desk

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// change is everything that one message does. It is worked out and rendered
// outside the write transaction, from a snapshot; apply checks that what it was
// worked out from still holds, and otherwise works it out again inside.
type change struct {
	seen     seen
	ticket   *ticket.Ticket   // after the change; nil: none is touched
	revision uint64           // of the ticket in the snapshot; 0: it is new
	people   []*ticket.Person // new ones
	touched  []*ticket.Person // known ones of whom something has changed
	entries  []*ticket.Entry
	sides    []*side // other tickets that it touches
	letters  []*letter
	events   []ticket.Event
	held     *store.HeldRow
	kept     *store.QuarantineRow
	bounced  []uint64         // outbox rows whose delivery a bounce reports as failed
	noted    []string         // addresses to which automatic mail goes
	footers  []footerNote     // texts at the end of the message that may be nobody's words
	learned  []store.FooterID // those of them that are known as footers once it is written
	outcome  ticket.Outcome
	also     func(*store.Tx) error // written with the rest; may refuse it all
	about    ticket.ID             // the ticket that a change of none is about
	asked    []*store.Question     // new ones
	decided  []*store.Question     // known ones that have changed
	adopted  []adoption            // addresses that people have said are theirs
	turn     *routing.Turn         // whose turn it was in a team
	with     *change               // what a kept message does that this one lets through
	now      time.Time
	// facts are logged once the change is durable.
	facts []fact

	placeholder string // stands for a new ticket's number until it is known
}

// side is another ticket that a change touches.
type side struct {
	ticket      *ticket.Ticket
	revision    uint64 // in the snapshot; 0: it is new
	entries     []*ticket.Entry
	placeholder string // of a new one's number
	quietly     bool   // nothing is new about it for anybody
}

// beside has another ticket changed too, and returns it.
func (c *change) beside(t *ticket.Ticket, entries ...*ticket.Entry) *side {
	s := &side{ticket: t, revision: t.Revision, entries: entries}
	for _, e := range entries {
		e.At = c.now
	}
	c.sides = append(c.sides, s)
	return s
}

type fact struct {
	text string
	args []any
}

func (c *change) fact(text string, args ...any) { c.facts = append(c.facts, fact{text, args}) }

// event adds a row to the journal, about the change's ticket.
func (c *change) event(e ticket.Event) {
	e.At = c.now
	c.events = append(c.events, e)
}

// touch has a person stored who has changed.
func (c *change) touch(p *ticket.Person) {
	if !slices.Contains(c.people, p) && !slices.Contains(c.touched, p) {
		c.touched = append(c.touched, p)
	}
}

// entry adds an item to the ticket's thread.
func (c *change) entry(e *ticket.Entry) *ticket.Entry {
	e.At = c.now
	c.entries = append(c.entries, e)
	return e
}

// errStale: the snapshot that a change was worked out from is no longer true.
var errStale = errors.New("the state has moved on")

// check tells whether the change still fits the state.
func (c *change) check(tx *store.Tx, m *ticket.Message) error {
	if !c.seen.holds(tx, m) {
		return errStale
	}
	if err := c.checkNew(tx); err != nil {
		return err
	}
	if c.ticket != nil && c.revision > 0 {
		if now, err := tx.TicketRevision(c.ticket.ID); err != nil {
			return err
		} else if now != c.revision {
			return errStale
		}
	}
	for _, s := range c.sides {
		if s.revision == 0 {
			continue
		}
		if now, err := tx.TicketRevision(s.ticket.ID); err != nil {
			return err
		} else if now != s.revision {
			return errStale
		}
	}
	if err := c.checkFolds(tx); err != nil {
		return err
	}
	if c.turn != nil && tx.Turn(c.turn.Team) != c.turn.Before {
		return errStale // somebody else's ticket came first
	}
	for _, p := range c.people {
		if tx.HasRegistered(p.Address.Addr) || tx.HasPerson(p.ID) {
			return errStale
		}
	}
	if err := c.checkQuestions(tx); err != nil {
		return err
	}
	if c.with != nil {
		return c.with.check(tx, nil)
	}
	return nil
}

// checkNew tells whether the IDs of new tickets are free.
func (c *change) checkNew(tx *store.Tx) error {
	if c.ticket != nil && c.revision == 0 && tx.HasTicket(c.ticket.ID) {
		return errStale
	}
	for _, s := range c.sides {
		if s.revision == 0 && tx.HasTicket(s.ticket.ID) {
			return errStale
		}
	}
	return nil
}

func orStale(err error) error {
	if err == nil {
		return errStale
	}
	return err
}

// copy returns a change that can be written without touching this one, because
// a transaction may run more than once.
func (c *change) copy() *change {
	n := *c
	if c.ticket != nil {
		n.ticket = c.ticket.Copy()
	}
	n.entries = cloneAll(c.entries)
	n.sides = cloneAll(c.sides)
	for _, s := range n.sides {
		s.ticket = s.ticket.Copy()
		s.entries = cloneAll(s.entries)
	}
	n.letters = cloneAll(c.letters)
	for _, l := range n.letters {
		out := *l.out
		out.Chunks = slices.Clone(out.Chunks)
		l.out = &out
	}
	n.events = slices.Clone(c.events)
	n.facts = slices.Clip(c.facts)
	if c.held != nil {
		h := *c.held
		n.held = &h
	}
	if c.kept != nil {
		q := *c.kept
		n.kept = &q
	}
	n.asked = cloneAll(c.asked)
	if c.with != nil {
		n.with = c.with.copy()
	}
	return &n
}

func cloneAll[T any](list []*T) []*T {
	out := make([]*T, len(list))
	for i, p := range list {
		v := *p
		out[i] = &v
	}
	return out
}

// write stores the change, numbering what is new. It works on a copy's own
// values. m is nil when no message caused it.
func (c *change) write(tx *store.Tx, s *Setting, m *ticket.Message) error {
	if c.with != nil {
		if err := c.with.write(tx, s, nil); err != nil {
			return err
		}
	}
	if err := c.writePeople(tx); err != nil {
		return err
	}
	if err := c.writeTicket(tx, s); err != nil {
		return err
	}
	// gofail: var applyHalfway struct{}
	row, err := c.writeMessage(tx, m)
	if err != nil {
		return err
	}
	if c.held != nil {
		c.held.Message = row
		if err := tx.AddHeld(c.held); err != nil {
			return err
		}
		c.event(ticket.Event{Kind: ticket.EventHeld, Object: c.held.ID, Detail: c.held.Reason})
	}
	if c.kept != nil {
		c.kept.Message = row
		if err := tx.AddQuarantine(c.kept); err != nil {
			return err
		}
		c.event(ticket.Event{Kind: ticket.EventQuarantined, Object: c.kept.ID})
	}
	if err := c.writeQuestions(tx); err != nil {
		return err
	}
	for _, id := range c.bounced {
		out, err := tx.Outgoing(id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		out.State, out.Finished, out.LastError = ticket.OutgoingFailed, c.now, "a bounce came back"
		if err := tx.PutOutgoing(out); err != nil {
			return err
		}
	}
	if c.also != nil {
		if err := c.also(tx); err != nil {
			return err
		}
	}
	for _, l := range c.letters {
		if err := c.queue(tx, l, m); err != nil {
			return err
		}
	}
	for _, addr := range c.noted {
		if err := tx.NoteAutomatic(addr, c.now); err != nil {
			return err
		}
	}
	if err := c.noteFooters(tx); err != nil {
		return err
	}
	if c.turn != nil {
		if err := tx.PutTurn(c.turn.Team, c.turn.Agent); err != nil {
			return err
		}
	}
	for i := range c.events {
		e := &c.events[i]
		if c.ticket != nil {
			e.Ticket = c.ticket.ID
		} else if e.Ticket.IsZero() {
			e.Ticket = c.about
		}
		if e.Object == 0 {
			e.Object = row
		}
		if err := tx.Append(e); err != nil {
			return err
		}
	}
	// gofail: var applied struct{}
	return nil
}

func (c *change) writeTicket(tx *store.Tx, s *Setting) error {
	for _, side := range c.sides {
		if side.revision == 0 {
			n, err := tx.NextNumber(ticket.Number(s.Table.Config.Desk.FirstNumber))
			if err != nil {
				return err
			}
			side.ticket.Number = n
			c.fill(side.placeholder, n)
			for i := range side.ticket.Participants {
				p := &side.ticket.Participants[i]
				p.Subject = strings.ReplaceAll(p.Subject, side.placeholder, n.String())
			}
		}
		if err := c.store(tx, s, side.ticket, side.entries, side.quietly); err != nil {
			return err
		}
	}
	if c.ticket == nil {
		return nil
	}
	if c.revision == 0 {
		n, err := tx.NextNumber(ticket.Number(s.Table.Config.Desk.FirstNumber))
		if err != nil {
			return err
		}
		c.ticket.Number, c.outcome.Number = n, n
		c.fill(c.placeholder, n)
	}
	return c.store(tx, s, c.ticket, c.entries, false)
}

// store writes a ticket with what is new in its thread.
func (c *change) store(tx *store.Tx, s *Setting, t *ticket.Ticket, entries []*ticket.Entry, quietly bool) error {
	if !quietly {
		t.Updated = c.now
	}
	s.watch(t, c.now)
	for _, e := range entries {
		if err := tx.AddEntry(t, e); err != nil {
			return err
		}
		if e.MessageID != "" {
			ref := store.MessageRef{Ticket: t.ID, Entry: e.Seq, Person: e.Author}
			if err := tx.IndexMessageID(e.MessageID, ref); err != nil {
				return err
			}
		}
	}
	if t.Undo != nil && t.Undo.Entry == 0 {
		t.Undo.Entry = t.Entries
	}
	return tx.PutTicket(t)
}

// fill puts a new ticket's number where its placeholder stands: in the thread
// and in mails that are finished but for it.
func (c *change) fill(placeholder string, n ticket.Number) {
	number := n.String()
	if c.ticket != nil {
		for i := range c.ticket.Participants {
			p := &c.ticket.Participants[i]
			p.Subject = strings.ReplaceAll(p.Subject, placeholder, number)
		}
	}
	for _, e := range c.entries {
		if e.Role != ticket.RoleSystem {
			continue // people's words don't know it
		}
		e.Text = strings.ReplaceAll(e.Text, placeholder, number)
	}
	for _, l := range c.letters {
		l.out.Subject = strings.ReplaceAll(l.out.Subject, placeholder, number)
		l.out.Size = 0
		for i := range l.out.Chunks {
			chunk := &l.out.Chunks[i]
			chunk.Literal = bytes.ReplaceAll(chunk.Literal, []byte(placeholder), []byte(number))
			l.out.Size += int64(len(chunk.Literal)) + chunk.Length
		}
	}
}

func (c *change) writeMessage(tx *store.Tx, m *ticket.Message) (uint64, error) {
	if m == nil {
		return 0, nil
	}
	row := &store.MessageRow{
		Correlation: m.ID,
		At:          c.now,
		Archive:     m.Archive,
		Envelope:    m.Envelope,
		Transport:   m.Envelope.TransportKey(m.SHA256),
		Identity:    m.IdentityKey,
		Variant:     m.VariantKey,
		MessageID:   m.MessageID,
		From:        m.From.Key(),
		Kind:        m.Kind,
		Outcome:     c.outcome.Event,
		Size:        m.Size,
		Digest:      hex.EncodeToString(m.SHA256[:]),
	}
	if c.ticket != nil {
		row.Ticket = c.ticket.ID
		if len(c.entries) > 0 {
			row.Entry = c.entries[0].Seq
		}
	} else if !c.about.IsZero() {
		row.Ticket = c.about
	} else if c.seen.same != nil {
		row.Ticket, row.Entry = c.seen.same.Ticket, c.seen.same.Entry
	}
	if err := tx.AddMessage(row); err != nil {
		return 0, err
	}
	if e := m.Envelope; e.FromIMAP() {
		if err := tx.LedgerTake(e.Account, e.Mailbox, e.UIDValidity, e.UID, row.ID); err != nil {
			return 0, err
		}
	}
	return row.ID, nil
}

func (c *change) queue(tx *store.Tx, l *letter, m *ticket.Message) error {
	out := l.out
	out.Ticket = c.about
	if len(l.tickets) == 1 {
		out.Ticket = l.tickets[0]
	} else {
		out.Tickets = l.tickets
	}
	if c.ticket != nil {
		out.Ticket = c.ticket.ID
		if len(c.entries) > 0 {
			out.Entry = c.entries[len(c.entries)-1].Seq
		}
	}
	if m != nil {
		out.Cause = m.ID
	}
	if err := tx.Enqueue(out); err != nil {
		return fmt.Errorf("queueing %s to %s: %w", l.template, out.To, err)
	}
	if l.folds != 0 {
		if err := c.giveWay(tx, l.folds, out); err != nil {
			return fmt.Errorf("taking back row %d of the outbox: %w", l.folds, err)
		}
	}
	return tx.Append(&ticket.Event{
		At: c.now, Kind: ticket.EventQueued, Ticket: out.Ticket, Entry: out.Entry,
		Person: out.Person, Object: out.ID, Detail: string(out.Class),
	})
}
