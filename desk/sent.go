package desk

import (
	"errors"
	"slices"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// sentByHand handles a mail in the Sent folder of a mailbox from which people also
// answer by hand. What answers a ticket, and went to someone of the requester's
// side, becomes an answer in its thread and is sent to nobody. Anything else,
// our own mail among it, is only recorded.
func (p *planner) sentByHand() error {
	known := p.seen.same
	if known == nil {
		known = p.seen.variant
	}
	_, err := p.tx.OutgoingByMessageID(p.m.MessageID)
	switch {
	case err == nil:
		p.ignore("sent by the desk")
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	case p.m.Quarantine != "" || known != nil && !known.Ticket.IsZero():
		p.ignore("in the Sent folder, unreadable or known")
		return nil
	case p.m.Kind != ticket.KindHuman && !p.m.ByHand:
		p.ignore("in the Sent folder, not written by hand: " + p.m.KindReason)
		return nil
	}
	ev, err := p.thread()
	if err != nil {
		return err
	}
	if ev.ticket == nil || ev.by == byTag || ev.question != nil || ev.bounce != nil {
		p.ignore("in the Sent folder, on no ticket")
		return nil
	}
	to, err := p.writtenTo(ev.ticket)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		p.ignore("in the Sent folder, to nobody of the requester's side")
		return nil
	}
	return p.answeredByHand(ev, to)
}

// writtenTo lists the people of the requester's side that the mail was sent to.
func (p *planner) writtenTo(t *ticket.Ticket) ([]ticket.PersonID, error) {
	var list []ticket.PersonID
	for _, part := range t.Participants {
		if part.Role != ticket.RoleRequester && part.Role != ticket.RoleCollaborator {
			continue
		}
		person, err := p.tx.Person(part.Person)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(slices.Concat(p.m.To, p.m.Cc), func(a ticket.Address) bool { return p.isOf(person, a.Addr) }) {
			list = append(list, person.ID)
		}
	}
	return list, nil
}

func (p *planner) answeredByHand(ev evidence, to []ticket.PersonID) error {
	t := p.take(ev.ticket)
	agent, err := p.handOf()
	if err != nil {
		return err
	}
	text, quoted := newText(p.m)
	e := p.entry(&ticket.Entry{
		Kind: ticket.EntryAnswer, AuthorName: p.m.From.Name, Role: ticket.RoleAgent, Text: text, Quoted: quoted,
		Archive: p.m.Archive, MessageID: p.m.MessageID, Files: p.m.Attachments, Verdict: p.m.Kind,
	})
	name := ""
	if agent != nil {
		person, err := p.agentPerson(agent)
		if err != nil {
			return err
		}
		e.Author, e.AuthorName, name = person.ID, agent.Name, agent.ID
		if t.Assignee == "" {
			t.Assignee = agent.ID
		}
	}
	for _, id := range to {
		t.Participant(id).Note(p.m.MessageID) // their clients have it in the conversation
	}
	if t.Answered.IsZero() {
		t.Answered = p.now
	}
	p.setting.answered(t, p.now)
	if t.Status == ticket.StatusOpen {
		if err := t.SetStatus(ticket.StatusWaiting, p.now); err != nil {
			return err
		}
		p.setting.clocks(t, p.now)
		p.event(ticket.Event{Kind: ticket.EventStatus, Person: e.Author, Detail: string(t.Status)})
	}
	p.event(ticket.Event{Kind: ticket.EventAnswered, Person: e.Author, Detail: "by hand"})
	p.change.outcome = p.outcome(ticket.EventAnswered, "by hand")
	p.fact("answered by hand", ticket.LogAgent, name, ticket.LogReason, "found in "+p.m.Envelope.Mailbox+", known by "+evidenceNames[ev.by])
	return nil
}

// handOf is the agent who wrote from the mailbox: whose address From is, or the
// only one who may send as it. nil: it may have been anyone.
func (p *planner) handOf() (*routing.Agent, error) {
	from, err := p.known(p.m.From.Addr)
	if err != nil {
		return nil, err
	}
	if agent := p.agentAt(p.m.From.Addr, from); agent != nil {
		return agent, nil
	}
	var found *routing.Agent
	for _, agent := range p.setting.Table.Agents {
		if !agent.MaySendAs(p.m.From.Addr) {
			continue
		}
		if found != nil {
			return nil, nil
		}
		found = agent
	}
	return found, nil
}
