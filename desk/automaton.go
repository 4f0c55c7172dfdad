package desk

import (
	"errors"
	"fmt"
	"strings"

	"buzon/store"
	"buzon/ticket"
)

// automaton handles what a machine sent: an out-of-office, an acknowledgement, a
// report. It is kept with the ticket that it belongs to, answers nothing, reopens
// nothing and is never sent on; without a ticket it is only recorded.
func (p *planner) automaton(ev evidence) error {
	if ev.ticket == nil || ev.by == byTag {
		p.ignore(string(p.m.Kind) + ": " + p.m.KindReason)
		return nil
	}
	p.take(ev.ticket)
	author := ticket.PersonID(0)
	if from, err := p.tx.PersonByAddress(p.m.From.Addr); err == nil {
		author = from.ID
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	text, quoted := newText(p.m)
	p.entry(&ticket.Entry{
		Kind: ticket.EntryNote, Author: author, AuthorName: p.m.From.Name, Role: ticket.RoleSystem, Text: text, Quoted: quoted,
		Archive: p.m.Archive, MessageID: p.m.MessageID, Files: p.m.Attachments, Verdict: p.m.Kind, Unverified: true,
	})
	p.event(ticket.Event{Kind: ticket.EventNoted, Detail: string(p.m.Kind)})
	p.change.outcome = p.outcome(ticket.EventNoted, string(p.m.Kind))
	p.fact("noted", ticket.LogKind, p.m.Kind, ticket.LogReason, p.m.KindReason+"; nobody is told and nothing is answered")
	return nil
}

// ignore records a message that has no effect.
func (p *planner) ignore(reason string) {
	p.event(ticket.Event{Kind: ticket.EventIgnored, Detail: string(p.m.Kind)})
	p.change.outcome = p.outcome(ticket.EventIgnored, reason)
	p.fact("recorded only", ticket.LogKind, p.m.Kind, ticket.LogReason, reason)
}

// bounce handles a delivery status notification: what could not be delivered is
// shown in its ticket and told to whoever has it. Mail to a signed bounce address
// is read as nothing else, and nothing here is ever answered.
func (p *planner) bounce(ev evidence) error {
	original := ""
	var recipients []ticket.BouncedRecipient
	if p.m.Bounce != nil {
		original, recipients = p.m.Bounce.OriginalMessageID, p.m.Bounce.Recipients
	}
	about := ev.bounce
	if token, ok := ticket.MessageIDToken(original); ok && about == nil {
		if t, err := p.desk.keys().Check(token, ticket.PurposeMessageID, p.now); err == nil {
			about = &t
		}
	}
	if about == nil {
		p.ignore("a bounce of no mail of ours: " + p.m.KindReason)
		return nil
	}
	t, err := p.tx.Ticket(about.Ticket)
	if errors.Is(err, store.ErrNotFound) {
		p.ignore("a bounce of a mail on no ticket we know")
		return nil
	} else if err != nil {
		return err
	}
	person, err := p.tx.Person(about.Person)
	if err != nil {
		return err
	}
	failed := p.m.Kind != ticket.KindBounce // to the bounce address, unreadable as a notification
	why := strings.TrimSpace(firstLine(p.m.Text))
	gone := false
	if r := bouncedFor(recipients, person.Address); r != nil {
		gone = isGone(*r)
		failed = failed || r.Action == "failed"
		why = strings.TrimSpace(r.Status + " " + r.Diagnostic)
	}
	p.take(t)
	text := fmt.Sprintf("mail to %s was delayed: %s", person.Address.Addr, why)
	if failed {
		text = fmt.Sprintf("mail to %s could not be delivered: %s", person.Address.Addr, why)
	}
	p.entry(&ticket.Entry{
		Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: text,
		Archive: p.m.Archive, MessageID: p.m.MessageID, Verdict: ticket.KindBounce,
	})
	p.event(ticket.Event{Kind: ticket.EventBounced, Person: person.ID, Detail: p.change.boolDetail(failed, "failed", "delayed")})
	p.change.outcome = p.outcome(ticket.EventBounced, text)
	p.fact("bounced", ticket.LogTo, ticket.Domain(person.Address.Addr), ticket.LogReason, why)
	if !failed {
		return nil
	}
	if gone {
		person.Bounced = p.now
		p.touch(person)
	}
	if original != "" {
		if id, err := p.tx.OutgoingByMessageID(original); err == nil {
			p.bounced = append(p.bounced, id)
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return p.tellUndelivered(person, why)
}

// bouncedFor is what a bounce says of a person's address; where it names another,
// because theirs forwards to it, the worst that it says. nil: it says nothing.
func bouncedFor(recipients []ticket.BouncedRecipient, a ticket.Address) *ticket.BouncedRecipient {
	var worst *ticket.BouncedRecipient
	for i := range recipients {
		r := &recipients[i]
		if ticket.AddressKey(r.Address) == a.Key() {
			return r
		}
		if worst == nil || r.Action == "failed" && worst.Action != "failed" {
			worst = r
		}
	}
	return worst
}

// isGone tells that nobody reads the address any more. A full mailbox or a blocked
// server passes, and is no reason to leave someone without confirmations.
func isGone(r ticket.BouncedRecipient) bool {
	switch r.Reason {
	case ticket.BounceMailboxUnknown, ticket.BounceMailboxDisabled, ticket.BounceHostUnknown:
		return r.Permanent()
	}
	return false
}

// tellUndelivered tells those who have the ticket that a mail did not reach a
// person. Someone whose own mail bounces isn't written to again.
func (p *planner) tellUndelivered(person *ticket.Person, why string) error {
	topic := p.topicOf(p.ticket)
	table := p.setting.Table
	agents := p.audience()
	if table.AgentByAddress(person.Address.Addr) != nil {
		agents = table.Operators()
	}
	for _, agent := range agents {
		if agent == table.AgentByAddress(person.Address.Addr) {
			continue
		}
		to, err := p.agentPerson(agent)
		if err != nil {
			return err
		}
		l := p.letter("undelivered", ticket.ClassNotification, topic, to, ticket.RoleAgent)
		l.lang = agent.Language
		l.data.Reason = why
		l.data.Requester = shown(person.Address)
	}
	return nil
}

func (c *change) boolDetail(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 200 {
		line = strings.ToValidUTF8(line[:200], "") + "…"
	}
	return line
}
