package desk

import (
	"context"
	"maps"
	"slices"

	"buzon/store"
	"buzon/ticket"
)

// retainStep is how many tickets one erasure takes.
const retainStep = 500

// Retain erases the tickets whose time is over, by the configuration: so long after
// they were closed, or deleted. With them go the people of whom nothing else is
// kept. It returns how many tickets went. It does nothing without a [retention] at.
func (d *Desk) Retain(ctx context.Context) (gone int, err error) {
	if d.Table().Config.Retention.At == "" {
		return 0, nil
	}
	for {
		e, err := d.expired(ctx)
		if err != nil || len(e.Tickets)+len(e.People) == 0 {
			return gone, err
		}
		err = d.Store.Update(ctx, func(tx *store.Tx) error {
			e.ID = 0
			return tx.AddErasure(e)
		})
		if err != nil {
			return gone, err
		}
		done, err := d.Store.Erase(ctx, e.ID)
		if err != nil {
			return gone, err
		}
		gone += done.Gone.Tickets
		if done.Gone.Tickets+done.Gone.People == 0 {
			return gone, nil // all were spared: the next time
		}
	}
}

// isExpired tells whether the time of a ticket is over.
func (s *Setting) isExpired(t *ticket.Ticket, d *Desk) bool {
	conf := s.Table.Config
	if t.Erased != nil || t.Status != ticket.StatusClosed {
		return false
	}
	now := d.Now()
	if !t.Deleted.IsZero() && now.After(t.Deleted.Add(asDuration(conf.Retention.Deleted))) {
		return true
	}
	keep := asDuration(conf.Retention.Keep)
	for i := range conf.Topics {
		if conf.Topics[i].ID == t.Topic {
			keep = asDuration(conf.Topics[i].Retention)
		}
	}
	return keep > 0 && !t.Closed.IsZero() && now.After(t.Closed.Add(keep))
}

// expired plans an erasure of the tickets whose time is over, and of the people who
// took part in those alone.
func (d *Desk) expired(ctx context.Context) (*store.Erasure, error) {
	s := d.setting.Load()
	e := &store.Erasure{Kind: store.EraseRetention, Nameless: true}
	past, needed := map[ticket.PersonID]bool{}, map[ticket.PersonID]bool{}
	var waiting *store.Waiting
	err := d.Store.View(func(tx *store.Tx) (err error) {
		waiting, err = tx.Waiting()
		return err
	})
	if err != nil {
		return nil, err
	}
	err = d.Store.EachTicket(ctx, func(t *ticket.Ticket) error {
		people := needed
		switch {
		case t.Erased != nil:
			people = past
		case len(e.Tickets) < retainStep && s.isExpired(t, d) && waiting.Spares(t) == "":
			e.Tickets = append(e.Tickets, t.ID)
			people = past
		}
		people[t.Requester] = true
		for _, p := range t.Participants {
			people[p.Person] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e, d.Store.View(func(tx *store.Tx) error {
		kept, err := keptFrom(tx)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(past)) {
			p, err := tx.Person(id)
			if err != nil {
				return err
			}
			if needed[id] || p.Erased != nil || waiting.NeedsPerson(id) || d.isKnown(s, p, kept) {
				continue
			}
			e.People = append(e.People, id)
		}
		return nil
	})
}

// isKnown tells whether a person is an agent, or has sent what waits for a word.
func (d *Desk) isKnown(s *Setting, p *ticket.Person, kept map[string]bool) bool {
	for _, addr := range append([]string{p.Address.Addr}, alsoOf(p)...) {
		if s.Table.AgentByAddress(addr) != nil || kept[ticket.AddressKey(addr)] {
			return true
		}
	}
	return false
}

func alsoOf(p *ticket.Person) (list []string) {
	for _, a := range p.Also {
		list = append(list, a.Addr)
	}
	return list
}

// keptFrom is whom the messages come from that wait for a person's word.
func keptFrom(tx *store.Tx) (map[string]bool, error) {
	from := map[string]bool{}
	quarantine, err := tx.QuarantineList(0)
	if err != nil {
		return nil, err
	}
	for _, r := range quarantine {
		if r.State == store.QuarantineKept {
			from[ticket.AddressKey(r.From)], from[ticket.AddressKey(r.Envelope.MailFrom)] = true, true
		}
	}
	held, err := tx.HeldList(0)
	for _, r := range held {
		if r.State == store.HeldKept {
			from[ticket.AddressKey(r.From)] = true
		}
	}
	return from, err
}
