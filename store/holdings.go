package store

import (
	"context"
	"maps"
	"path/filepath"
	"slices"

	"buzon/ticket"
)

// Holdings are the tickets that have to do with people.
type Holdings struct {
	Own   []*ticket.Ticket // of which one of them is the requester
	Parts []*ticket.Ticket // of others, in which one of them takes part or has written
}

// Holdings finds the tickets of people, erased ones left out. It reads all tickets
// and entries, in many short transactions.
func (s *Store) Holdings(ctx context.Context, people []ticket.PersonID) (h Holdings, err error) {
	parts := map[ticket.ID]bool{}
	err = scan(ctx, s, bucketEntries, func(e *ticket.Entry) error {
		if slices.Contains(people, e.Author) {
			parts[e.Ticket] = true
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	err = scan(ctx, s, bucketTickets, func(t *ticket.Ticket) error {
		in := func(p ticket.Participant) bool { return slices.Contains(people, p.Person) }
		switch {
		case t.Erased != nil:
		case slices.Contains(people, t.Requester):
			h.Own = append(h.Own, t)
		case parts[t.ID] || slices.ContainsFunc(t.Participants, in):
			h.Parts = append(h.Parts, t)
		}
		return nil
	})
	order := func(a, b *ticket.Ticket) int { return int(a.Number) - int(b.Number) }
	slices.SortFunc(h.Own, order)
	slices.SortFunc(h.Parts, order)
	return h, err
}

// Copies finds to whom mail about tickets was sent, and the mailboxes that messages
// of them came from, as account/folder; both sorted.
func (s *Store) Copies(ctx context.Context, tickets map[ticket.ID]bool) (to, mailboxes []string, err error) {
	sent, from := map[string]bool{}, map[string]bool{}
	err = scan(ctx, s, bucketOutbox, func(o *ticket.Outgoing) error {
		about := tickets[o.Ticket] || slices.ContainsFunc(o.Tickets, func(id ticket.ID) bool { return tickets[id] })
		if about && o.State == ticket.OutgoingSent && o.To != "" {
			sent[ticket.AddressKey(o.To)] = true
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	err = scan(ctx, s, bucketMessages, func(m *MessageRow) error {
		if tickets[m.Ticket] && m.Envelope.FromIMAP() {
			from[m.Envelope.Account+"/"+m.Envelope.Mailbox] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(sent)), slices.Sorted(maps.Keys(from)), err
}

// MessagesFrom lists the messages that came from addresses, the oldest first, erased
// ones left out. keys are as ticket.AddressKey makes them.
func (s *Store) MessagesFrom(ctx context.Context, keys map[string]bool) (found []*MessageRow, err error) {
	w := &eraser{keys: keys}
	err = scan(ctx, s, bucketMessages, func(m *MessageRow) error {
		if m.Erased == nil && w.isPerson(m) {
			found = append(found, m)
		}
		return nil
	})
	return found, err
}

// EachTicket calls fn with every ticket, in many short transactions. What fn keeps may
// be changed.
func (s *Store) EachTicket(ctx context.Context, fn func(*ticket.Ticket) error) error {
	return scan(ctx, s, bucketTickets, fn)
}

// OldStates lists the states that Rebuild has kept in the data folder.
func (s *Store) OldStates() ([]string, error) {
	return filepath.Glob(filepath.Join(s.dir, stateFile+beforeRebuild+"*"))
}
