package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// Person is a person as operators look at them.
type Person struct {
	ID       ticket.PersonID      `json:"id"`
	Name     string               `json:"name,omitempty"`
	Address  string               `json:"address"` // the registered one
	Also     []ticket.AlsoAddress `json:"also"`    // that they have said are theirs
	Agent    string               `json:"agent,omitempty"`
	Language string               `json:"language,omitempty"`
	Created  time.Time            `json:"created"`
	Tickets  []ticket.Number      `json:"tickets"` // of which they are the requester, the newest first
}

func (s *Service) personShow(_ context.Context, in Which) (any, error) {
	v := Person{Also: []ticket.AlsoAddress{}, Tickets: []ticket.Number{}}
	err := s.Desk.Store.View(func(tx *store.Tx) error {
		p, err := tx.PersonByAddress(in.Requester)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("nobody has the address %s: %w", in.Requester, err)
		} else if err != nil {
			return err
		}
		v.ID, v.Name, v.Address, v.Language, v.Created = p.ID, p.Address.Name, p.Address.Addr, p.Language, p.Created
		v.Also = append(v.Also, p.Also...)
		if a := s.Desk.Table().AgentByAddress(p.Address.Addr); a != nil {
			v.Agent = a.ID
		}
		tickets, err := tx.Tickets(store.TicketFilter{Requester: p.ID}, limit(in))
		for _, t := range tickets {
			v.Tickets = append(v.Tickets, t.Number)
		}
		return err
	})
	return v, err
}
