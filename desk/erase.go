package desk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// Removal is what erasing a person takes away, or what it took.
type Removal struct {
	Address string          `json:"address"`
	Tickets []ticket.Number `json:"tickets"` // of theirs, whose content goes
	Parts   []ticket.Number `json:"parts"`   // of others, out of which they go
	Loose   int             `json:"loose"`   // messages of theirs that belong to no ticket
	Kept    []KeptTicket    `json:"kept"`
	// Whole: nothing that is kept needs the person, of whom nothing is known then.
	Whole bool `json:"whole"`

	// Where else copies are, out of the desk's reach.
	MailedTo  []string `json:"mailed_to"` // addresses that were sent mail about it
	Mailboxes []string `json:"mailboxes"` // account/folder that messages were taken from
	Backups   []string `json:"backups"`
	Files     []string `json:"files"` // in the data folder, made by buzon rebuild

	Erasure  uint64             `json:"erasure,omitempty"` // 0: nothing was done yet
	Gone     store.ErasedCounts `json:"gone"`
	Finished time.Time          `json:"finished,omitzero"` // zero: something waits; it goes on by itself
	Purged   time.Time          `json:"purged,omitzero"`   // likewise, of the archive's segments

	people []ticket.PersonID
	parts  []ticket.ID
	own    []ticket.ID
}

// KeptTicket is a ticket that is left as it is.
type KeptTicket struct {
	Number ticket.Number `json:"number"`
	Why    string        `json:"why"`
}

// ErrAgent: an agent can't be erased.
var ErrAgent = errors.New("it is an agent's address; take the agent out of the configuration first")

// PlanErasure tells what erasing the person of an address would take away. It
// returns an error that wraps store.ErrNotFound when nothing is known of them, and
// ErrAgent for an agent.
func (d *Desk) PlanErasure(ctx context.Context, address string) (*Removal, error) {
	r := &Removal{Address: address, Tickets: []ticket.Number{}, Parts: []ticket.Number{}, Kept: []KeptTicket{}}
	known, err := d.Known(ctx, address)
	if err != nil {
		return nil, err
	}
	for _, key := range known.addresses {
		if d.Table().AgentByAddress(key) != nil {
			return nil, fmt.Errorf("%s: %w", address, ErrAgent)
		}
	}
	for _, m := range known.Messages {
		if m.Ticket.IsZero() {
			r.Loose++
		}
	}
	r.people = known.People
	if err := d.planTickets(r, known); err != nil {
		return nil, err
	}
	return r, d.findCopies(ctx, r)
}

// Known is what the desk has of somebody.
type Known struct {
	store.Holdings
	People   []ticket.PersonID
	Messages []*store.MessageRow // that came from them

	addresses []string // keys
}

// Known finds what the desk has of the person of an address. It returns an error that
// wraps store.ErrNotFound when that is nothing.
func (d *Desk) Known(ctx context.Context, address string) (*Known, error) {
	k := new(Known)
	keys := map[string]bool{ticket.AddressKey(address): true}
	err := d.Store.View(func(tx *store.Tx) error { return k.findPeople(tx, address, keys) })
	if err != nil {
		return nil, err
	}
	k.addresses = slices.Sorted(maps.Keys(keys))
	if k.Messages, err = d.Store.MessagesFrom(ctx, keys); err != nil {
		return nil, err
	}
	if len(k.People) == 0 && len(k.Messages) == 0 {
		return nil, fmt.Errorf("nobody has the address %s, and no message came from it: %w", address, store.ErrNotFound)
	}
	k.Holdings, err = d.Store.Holdings(ctx, k.People)
	return k, err
}

// findPeople finds the person of an address, and those who were registered under
// one of their addresses before they said that it is theirs.
func (k *Known) findPeople(tx *store.Tx, address string, keys map[string]bool) error {
	add := func(p *ticket.Person, err error) error {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		if !slices.Contains(k.People, p.ID) {
			k.People = append(k.People, p.ID)
		}
		keys[p.Address.Key()] = true
		for _, a := range p.Also {
			keys[ticket.AddressKey(a.Addr)] = true
		}
		return nil
	}
	if err := add(tx.PersonByAddress(address)); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if err := add(tx.PersonRegistered(key)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) planTickets(r *Removal, known *Known) error {
	r.Whole = true
	return d.Store.View(func(tx *store.Tx) error {
		waiting, err := tx.Waiting()
		if err != nil {
			return err
		}
		divide := func(from []*ticket.Ticket, numbers *[]ticket.Number, ids *[]ticket.ID) {
			for _, t := range from {
				if why := waiting.Spares(t); why != "" {
					r.Kept, r.Whole = append(r.Kept, KeptTicket{t.Number, why}), false
					continue
				}
				*numbers, *ids = append(*numbers, t.Number), append(*ids, t.ID)
			}
		}
		divide(known.Own, &r.Tickets, &r.own)
		divide(known.Parts, &r.Parts, &r.parts)
		return nil
	})
}

// findCopies finds what the desk can't take back.
func (d *Desk) findCopies(ctx context.Context, r *Removal) (err error) {
	about := map[ticket.ID]bool{}
	for _, id := range slices.Concat(r.own, r.parts) {
		about[id] = true
	}
	if r.MailedTo, r.Mailboxes, err = d.Store.Copies(ctx, about); err != nil {
		return err
	}
	if folder := d.Table().Config.Backup.Folder; folder != "" {
		if m, err := store.ReadManifest(folder); err == nil {
			r.Backups = append(r.Backups, fmt.Sprintf("%s, made %s: the next backup there replaces it", folder, m.Made.In(d.Table().Zone).Format(time.DateTime)))
		} else {
			r.Backups = append(r.Backups, folder+", which can't be looked into from here")
		}
	}
	r.Files, err = d.Store.OldStates()
	for i, path := range r.Files {
		r.Files[i] = filepath.Base(path)
	}
	return err
}

// ErasePerson erases what the desk holds of a person but for what open tickets,
// unsent mail and legal holds need. It may be called again.
func (d *Desk) ErasePerson(ctx context.Context, address string) (*Removal, error) {
	r, err := d.PlanErasure(ctx, address)
	if err != nil {
		return nil, err
	}
	order := &store.Erasure{Kind: store.ErasePerson, Nameless: r.Whole, Tickets: r.own, Parts: r.parts}
	err = d.Store.Update(ctx, func(tx *store.Tx) error {
		e := *order
		e.People = slices.Clone(r.people)
		if len(e.People) == 0 { // messages came from an address that is nobody's yet
			p := &ticket.Person{Address: ticket.Address{Addr: address}, Created: d.Now().UTC()}
			if err := tx.PutPerson(p); err != nil {
				return err
			}
			e.People = append(e.People, p.ID)
		}
		for _, k := range r.Kept {
			t, err := tx.TicketByNumber(k.Number)
			if err != nil {
				return err
			}
			e.Kept = append(e.Kept, store.Spared{Ticket: t.ID, Why: k.Why})
		}
		defer func() { r.Erasure = e.ID }()
		return tx.AddErasure(&e)
	})
	if err != nil {
		return nil, err
	}
	e, err := d.Store.Erase(ctx, r.Erasure)
	if err != nil {
		return nil, err
	}
	return r, d.receipt(r, e)
}

// receipt brings what was planned to what was done.
func (d *Desk) receipt(r *Removal, e *store.Erasure) error {
	r.Gone, r.Finished, r.Purged, r.Whole = e.Gone, e.Finished, e.Purged, e.Nameless
	r.Tickets, r.Parts, r.Kept = []ticket.Number{}, []ticket.Number{}, []KeptTicket{}
	return d.Store.View(func(tx *store.Tx) error {
		number := func(id ticket.ID) (ticket.Number, error) {
			t, err := tx.Ticket(id)
			if err != nil {
				return 0, err
			}
			return t.Number, nil
		}
		for _, list := range []struct {
			from []ticket.ID
			to   *[]ticket.Number
		}{{e.Tickets, &r.Tickets}, {e.Parts, &r.Parts}} {
			for _, id := range list.from {
				n, err := number(id)
				if err != nil {
					return err
				}
				*list.to = append(*list.to, n)
			}
		}
		for _, k := range e.Kept {
			n, err := number(k.Ticket)
			if err != nil {
				return err
			}
			r.Kept = append(r.Kept, KeptTicket{n, k.Why})
		}
		return nil
	})
}

// FinishErasures goes on with erasures that were cut off by a stop, or that had to
// wait for mail to be sent or for a backup to end.
func (d *Desk) FinishErasures(ctx context.Context) error {
	var open []uint64
	err := d.Store.View(func(tx *store.Tx) error {
		all, err := tx.Erasures(0)
		for _, e := range all {
			if e.Purged.IsZero() {
				open = append(open, e.ID)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(open)
	for _, id := range open {
		if _, err := d.Store.Erase(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Hold keeps a ticket from retention and erasure, or with an empty reason lets it go
// again. It returns an error that wraps store.ErrNotFound when there is no such
// ticket, or no hold to end.
func (d *Desk) Hold(ctx context.Context, n ticket.Number, reason string) error {
	return d.Store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.TicketByNumber(n)
		switch {
		case err != nil:
			return err
		case t.Erased != nil:
			return fmt.Errorf("ticket %s was erased: %w", n, store.ErrNotFound)
		case reason == "" && t.Hold == nil:
			return fmt.Errorf("ticket %s is not held: %w", n, store.ErrNotFound)
		}
		e := ticket.Event{At: d.Now().UTC(), Kind: ticket.EventHold, Ticket: t.ID, Detail: "released"}
		if t.Hold = nil; reason != "" {
			t.Hold = &ticket.LegalHold{Since: e.At, Reason: reason}
			e.Detail, e.Digest = "set", tx.Digest([]byte(reason))
		}
		if err := tx.PutTicket(t); err != nil {
			return err
		}
		return tx.Append(&e)
	})
}
