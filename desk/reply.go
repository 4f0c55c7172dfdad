package desk

import (
	"errors"
	"strings"

	"buzon/routing"
	"buzon/ticket"
)

// reply adds what someone of the requester's side wrote to their ticket, or
// opens a linked one when that was closed too long ago.
func (p *planner) reply(ev evidence, who sender) error {
	table := p.setting.Table
	t := p.take(ev.ticket)
	limit := table.Config.Desk.ReopenWithin
	blocked := p.isBlocked(who)
	if t.Status == ticket.StatusClosed && !p.m.Courtesy && !blocked && p.now.After(t.Closed.Add(asDuration(limit))) {
		p.ticket, p.revision = nil, 0
		p.fact("not reopened", ticket.LogReason, "it was closed too long ago; a linked ticket is opened")
		return p.request(ev)
	}
	decision, err := p.match(who.person, t)
	if err != nil {
		return err
	}
	if decision.Hold && !decision.Junk() && who.role != ticket.RoleThirdParty && !p.replay.again {
		p.holdByRule(t, &decision)
		return nil
	}
	author := who.person
	if who.foreign {
		if err := p.askAddress(t, who.person); err != nil {
			return err
		}
	}
	if author == nil || who.unverified {
		// Recorded under the address that it came from, not as the participant.
		if author, err = p.personFor(p.m.From); err != nil {
			return err
		}
	}
	text, quoted := newText(p.m)
	e := p.entry(&ticket.Entry{
		Kind: ticket.EntryReply, Author: author.ID, AuthorName: author.Address.Name, Role: who.role,
		Text: text, Quoted: quoted, Archive: p.m.Archive, MessageID: p.m.MessageID, Files: p.m.Attachments,
		Verdict: p.m.Kind, Unverified: who.unverified,
	})
	for _, id := range ev.cited {
		p.entry(&ticket.Entry{Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "the message names another ticket too: " + id.String()})
	}
	if part := t.Participant(author.ID); part != nil {
		part.Note(p.m.MessageID)
	}
	p.event(ticket.Event{Kind: ticket.EventReplied, Person: author.ID, Detail: string(who.role)})
	p.change.outcome = p.outcome(ticket.EventReplied, evidenceNames[ev.by])
	p.fact("replied", ticket.LogFrom, ticket.Domain(p.m.From.Addr), ticket.LogReason, "known by "+evidenceNames[ev.by])

	topic := p.topicOf(t)
	if who.role != ticket.RoleThirdParty && !who.unverified && !blocked {
		p.readReply(topic, text, quoted)
	}
	if p.m.Courtesy || blocked {
		p.fact("told nobody", ticket.LogReason, map[bool]string{true: "the sender is blocked", false: "it is only a courtesy"}[blocked])
		return nil
	}
	if decision.Junk() && who.role != ticket.RoleThirdParty {
		p.recordDecision(&decision)
		p.fact("told nobody", ticket.LogReason, "it is junk: it stands in the thread and changes nothing")
		return nil
	}
	if decision.Refuse != nil && who.role != ticket.RoleThirdParty {
		p.recordDecision(&decision)
		p.fact("told nobody", ticket.LogReason, "a rule refuses it: it is answered, stands in the thread and changes nothing")
		if p.m.Envelope.Backlog {
			return nil
		}
		return p.respond(decision.Refuse, topic, author)
	}
	reopened := false
	if who.role == ticket.RoleThirdParty {
		decision = routing.Decision{Topic: topic} // what strangers write sets no rules going
	}
	before := t.Copy()
	if len(decision.Rules) > 0 {
		topic = p.redirect(t, topic, &decision)
		p.recordDecision(&decision)
	}
	if who.role != ticket.RoleThirdParty && t.Status != ticket.StatusOpen {
		reopened = !t.Status.IsActive()
		if err := t.SetStatus(ticket.StatusOpen, p.now); err != nil {
			return err
		}
		p.event(ticket.Event{Kind: ticket.EventStatus, Detail: string(t.Status)})
		p.setting.clocks(t, p.now)
	}
	if err := p.mark(t, &decision); err != nil {
		return err
	}
	if p.m.Envelope.Backlog {
		return nil
	}
	if err := p.involveAll(t, &decision); err != nil {
		return err
	}
	if decision.Canned != nil {
		if err := p.respond(decision.Canned, topic, author); err != nil {
			return err
		}
	}
	if err := p.sendOn(topic, &decision, e.Text); err != nil {
		return err
	}
	template := "update"
	if who.role == ticket.RoleThirdParty {
		if told, err := p.wroteBefore(author.ID); told || err != nil {
			return err // a storm of answers to all is told of once a person
		}
		template = "thirdparty"
	}
	_, told := p.tellAgents(topic, template, e.Text, func(l *letter) {
		if before.Topic != t.Topic || before.Assignee != t.Assignee || before.Team != t.Team {
			err = errors.Join(err, p.catchUp(l, before))
		}
		l.data.Reopened, l.data.Unverified = reopened, who.unverified
		l.data.Requester = shown(author.Address)
		p.withNotes(l, &decision)
	})
	return errors.Join(err, told)
}

// earlierShown is how much of a conversation who comes to a ticket is shown.
const earlierShown = 5

// catchUp shows an agent who was told nothing of the ticket before what was written
// on it.
func (p *planner) catchUp(l *letter, before *ticket.Ticket) error {
	if before.Participant(l.to.ID) != nil {
		return nil
	}
	earlier, err := (&orders{planner: p, lang: l.lang}).earlier(before, earlierShown)
	l.data.Thread = append(l.data.Thread, earlier...)
	return err
}

// wroteBefore tells whether the agents know already that third parties write: of
// this person, or, in a storm, of another within a day.
func (p *planner) wroteBefore(id ticket.PersonID) (bool, error) {
	entries, err := p.tx.Entries(p.ticket.ID)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.Author == id || e.Role == ticket.RoleThirdParty && e.Kind == ticket.EntryReply && p.now.Before(e.At.Add(day)) {
			p.fact("told nobody", ticket.LogReason, "the agents know of third parties")
			return true, nil
		}
	}
	return false, nil
}

// take makes the change about a ticket as it is stored.
func (p *planner) take(t *ticket.Ticket) *ticket.Ticket {
	p.ticket, p.revision = t, t.Revision
	return t
}

// topicOf is the ticket's topic, or the catch-all when the configuration has
// dropped it.
func (p *planner) topicOf(t *ticket.Ticket) *routing.Topic { return topicOf(p.setting.Table, t) }

func topicOf(table *routing.Table, t *ticket.Ticket) *routing.Topic {
	if topic := table.Topic(t.Topic); topic != nil {
		return topic
	}
	return table.CatchAll()
}

// newText is what the sender newly wrote and what was cut away; where nothing
// new was found the whole is shown, so that no word is lost to a bad cut.
func newText(m *ticket.Message) (text, quoted string) {
	text = strings.TrimSpace(m.ReplyText)
	if text == "" && len(m.Attachments) == 0 {
		return ticket.StripTokens(m.Text), ""
	}
	quoted = strings.TrimSpace(m.Signature + "\n" + m.QuotedText)
	return ticket.StripTokens(text), ticket.StripTokens(quoted)
}
