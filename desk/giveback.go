package desk

import (
	"errors"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// giveBackFor returns a new mail to the agent who wrote it when its /for line can't
// be carried out: nothing is opened, and nothing typed is lost. It does so only where
// the account's server vouches for From and the agent may be written to, so that
// whoever forges an agent's address causes no mail and learns nothing; otherwise
// the mail is a request like any other.
func (p *planner) giveBackFor(evidence) (bool, error) {
	agent := p.setting.Table.AgentByAddress(p.m.From.Addr)
	if agent == nil || p.m.Kind != ticket.KindHuman || !p.vouched() {
		return false, nil
	}
	_, _, no := p.forLine(agent)
	if no == nil {
		return false, nil
	}
	person, err := p.agentPerson(agent)
	if err != nil {
		return false, err
	}
	return p.giveBack(agent, person, p.setting.Table.TopicByAddress(firstOf(p.m.Envelope.Recipients)), no)
}

// giveBackDeleted tells an agent who answers a ticket that was deleted meanwhile.
// Whoever has none of the agent's tokens for it, or does not write from the agent's
// address, has written a request like any other.
func (p *planner) giveBackDeleted(ev evidence) (bool, error) {
	if ev.gone == nil || p.m.Kind != ticket.KindHuman {
		return false, nil
	}
	t, err := p.tx.Ticket(ev.gone.Ticket)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	holder, err := p.tx.Person(ev.gone.Person)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if part := t.Participant(holder.ID); part != nil && part.Role != ticket.RoleAgent {
		return false, nil
	}
	agent := p.setting.Table.AgentByAddress(holder.Address.Addr)
	from, err := p.known(p.m.From.Addr)
	if agent == nil || err != nil {
		return false, err
	}
	if who := p.identifyAgent(sender{}, agent, p.agentAt(p.m.From.Addr, from), holder); who.agent == nil {
		return false, nil
	}
	return p.giveBack(agent, holder, p.topicOf(t), &refusal{key: "no.deleted", args: []string{t.Number.String()}, final: true})
}

// giveBack returns a mail to the agent who wrote it, with the reason.
func (p *planner) giveBack(agent *routing.Agent, person *ticket.Person, topic *routing.Topic, no *refusal) (bool, error) {
	if ok, err := p.mayTell(person); !ok || err != nil {
		return false, err
	}
	lang := p.agentLanguage(agent)
	l := p.summary("notunderstood", lang, person)
	if topic != nil {
		l.topic = topic // the corrected mail goes there, also as a reply
		l.draft.EnvelopeFrom = topic.Sender()
	}
	l.class, l.draft.Class = ticket.ClassNotification, ticket.ClassNotification
	l.draft.InReplyTo, l.draft.References = p.m.MessageID, []string{p.m.MessageID}
	if p.m.MessageID == "" {
		l.draft.References = nil
	}
	l.data.Subject = "Re: " + ticket.WithoutTags(ticket.StripTokens(p.m.Subject))
	l.data.Reason, l.data.Hint, l.data.Final = phrase(lang, no.key, no.args), no.hint, no.final
	l.data.Text = ticket.StripTokens(p.m.ReplyText)
	p.event(ticket.Event{Kind: ticket.EventHeld, Person: person.ID, Detail: "command"})
	p.change.outcome = p.outcome(ticket.EventHeld, l.data.Reason)
	p.fact("not understood", ticket.LogAgent, agent.ID, ticket.LogReason, no.Error())
	return true, nil
}
