package desk

import "buzon/ticket"

// isBlocked tells whether whoever wrote is someone whose mail an agent has called
// spam. It is kept, closed, and nobody is told.
func (p *planner) isBlocked(who sender) bool {
	if who.person != nil && !who.person.Blocked.IsZero() {
		return true
	}
	from, err := p.known(p.m.From.Addr)
	return err == nil && from != nil && !from.Blocked.IsZero()
}

// silence closes a new ticket of a blocked person's as soon as it is there.
func (p *planner) silence() error {
	t := p.ticket
	t.Spam = true
	if err := t.SetStatus(ticket.StatusClosed, p.now); err != nil {
		return err
	}
	p.event(ticket.Event{Kind: ticket.EventStatus, Detail: string(t.Status)})
	p.fact("told nobody", ticket.LogReason, "the sender is blocked")
	return nil
}
