package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// copyArrived handles a message that is known already and came by another way. It
// has no effect of its own, but a copy to another topic refers the ticket to it.
func (p *planner) copyArrived() error {
	first := p.seen.same
	if !first.Ticket.IsZero() && first.Erased == nil {
		if t, err := p.tx.Ticket(first.Ticket); err == nil {
			decision := p.setting.Table.Match(p.input())
			firstMessage := first.Outcome == ticket.EventTicketed
			if firstMessage && decision.Topic.ID != t.Topic && decision.Address != "" && !p.referred(t, decision.Topic) {
				p.take(t)
				if err := p.referTo([]*routing.Topic{decision.Topic}, nil, ticket.StripTokens(p.m.Text)); err != nil {
					return err
				}
			}
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	p.event(ticket.Event{Kind: ticket.EventDuplicate, Object: first.ID})
	p.change.outcome = p.outcome(ticket.EventDuplicate, "a copy of message "+first.Correlation)
	p.fact("copy recorded", ticket.LogReason, "the same message as "+first.Correlation)
	return nil
}

// referred tells whether the topic's agents take part in the ticket already.
func (p *planner) referred(t *ticket.Ticket, topic *routing.Topic) bool {
	for _, agent := range topic.Agents() {
		person, err := p.tx.PersonRegistered(agent.Addresses[0])
		if err != nil || t.Participant(person.ID) == nil {
			return false
		}
	}
	return true
}

// variantArrived keeps a message that differs from a known one only in content,
// as relays make them: visible in its ticket, without any other effect.
func (p *planner) variantArrived() error {
	first := p.seen.variant
	if !first.Ticket.IsZero() && first.Erased == nil {
		t, err := p.tx.Ticket(first.Ticket)
		if err == nil {
			p.take(t)
			text, quoted := newText(p.m)
			p.entry(&ticket.Entry{
				Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "a variant of an earlier message came in: " + text, Quoted: quoted,
				Archive: p.m.Archive, Files: p.m.Attachments, Verdict: p.m.Kind,
			})
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	p.event(ticket.Event{Kind: ticket.EventVariant, Object: first.ID})
	p.change.outcome = p.outcome(ticket.EventVariant, "a variant of message "+first.Correlation)
	p.fact("variant kept", ticket.LogReason, "the same Message-ID, sender and date as "+first.Correlation+", other content")
	return nil
}

// keptSubject is the subject under which a message that is kept stands in lists: without
// the values of sensitive fields, be they the ticket's, where there is one, or what the
// message itself says of any form. The message keeps its own.
func (p *planner) keptSubject(t *ticket.Ticket) string {
	table, subject := p.setting.Table, p.m.Subject
	if t != nil {
		subject = maskedSubject(table, &ticket.Ticket{Subject: subject, Fields: t.Fields})
	}
	for _, form := range table.Forms {
		subject = table.MaskSubject(subject, form.Guess(p.m.Text, ""))
	}
	return subject
}

// quarantine keeps a message that could not be read.
func (p *planner) quarantine(reason string) {
	p.kept = &store.QuarantineRow{
		Archive: p.m.Archive, Envelope: p.m.Envelope, Reason: reason,
		From: p.m.From.Addr, Subject: p.keptSubject(nil), At: p.now, State: store.QuarantineKept,
	}
	p.change.outcome = p.outcome(ticket.EventQuarantined, reason)
	p.fact("quarantined", ticket.LogReason, reason)
}

// hold keeps a message that was understood and must not take effect before a
// person has said so. The agent in whose name it comes is told at the registered
// address.
func (p *planner) hold(ev evidence, who sender) error {
	p.take(ev.ticket)
	person, err := p.agentPerson(who.owner)
	if err != nil {
		return err
	}
	p.held = &store.HeldRow{
		Archive: p.m.Archive, Envelope: p.m.Envelope, Reason: who.hold, Agent: who.owner.ID,
		Person: person.ID, Ticket: ev.ticket.ID, From: p.m.From.Addr, Subject: p.keptSubject(ev.ticket), At: p.now, State: store.HeldKept,
	}
	p.entry(&ticket.Entry{
		Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "held: " + who.hold,
		Archive: p.m.Archive, Verdict: p.m.Kind, Unverified: true,
	})
	p.change.outcome = p.outcome(ticket.EventHeld, who.hold)
	p.fact("held", ticket.LogAgent, who.owner.ID, ticket.LogReason, who.hold)
	if ok, err := p.mayTell(person); !ok || err != nil {
		return err
	}
	return p.askRelease(ev.ticket, who, person)
}

// Errors of Release and Retry.
var ErrSettled = errors.New("it has been dealt with already")

// Release lets a held message through in the name of the agent whose token it
// carries: an operator says that it was theirs.
func (d *Desk) Release(ctx context.Context, id uint64) (ticket.Outcome, error) {
	return d.again(ctx, held(id, "held"))
}

// held finds a held message that is to be let through.
func held(id uint64, detail string) func(*store.Tx) (again, error) {
	return func(tx *store.Tx) (again, error) {
		row, err := tx.Held(id)
		if err != nil {
			return again{}, err
		}
		if row.State != store.HeldKept {
			return again{}, fmt.Errorf("held message %d: %w (%s)", id, ErrSettled, row.State)
		}
		row.State = store.HeldReleased
		return again{archive: row.Archive, envelope: row.Envelope, message: row.Message, as: row.Agent,
			event:  ticket.Event{Kind: ticket.EventReleased, Object: id, Person: row.Person, Detail: detail},
			settle: func(tx *store.Tx) error { return tx.PutHeld(row) }}, nil
	}
}

// Retry reads a quarantined message again, with the present program and
// configuration.
func (d *Desk) Retry(ctx context.Context, id uint64) (ticket.Outcome, error) {
	return d.again(ctx, func(tx *store.Tx) (again, error) {
		row, err := tx.Quarantine(id)
		if err != nil {
			return again{}, err
		}
		if row.State != store.QuarantineKept {
			return again{}, fmt.Errorf("quarantined message %d: %w (%s)", id, ErrSettled, row.State)
		}
		row.State = store.QuarantineRetried
		return again{archive: row.Archive, envelope: row.Envelope, message: row.Message,
			event:  ticket.Event{Kind: ticket.EventReleased, Object: id, Detail: "quarantine"},
			settle: func(tx *store.Tx) error { return tx.PutQuarantine(row) }}, nil
	})
}

// again is a kept message that is to be handled once more.
type again struct {
	archive  ticket.ArchiveRef
	envelope ticket.Envelope
	message  uint64
	as       string // the agent in whose name
	event    ticket.Event
	settle   func(*store.Tx) error
}

func (d *Desk) again(ctx context.Context, find func(*store.Tx) (again, error)) (ticket.Outcome, error) {
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		return d.planAgain(tx, s, find)
	})
	if err != nil {
		return ticket.Outcome{}, err
	}
	return done.outcome, nil
}

// planAgain decides what a kept message does that is let through.
func (d *Desk) planAgain(tx *store.Tx, s *Setting, find func(*store.Tx) (again, error)) (*change, error) {
	a, err := find(tx)
	if err != nil {
		return nil, err
	}
	row, err := tx.Message(a.message)
	if err != nil {
		return nil, err
	}
	raw, err := d.Store.Raw(a.archive)
	if err != nil {
		return nil, err
	}
	m := d.Understand(raw)
	m.ID, m.Envelope, m.Archive, m.Size = row.Correlation, a.envelope, a.archive, int64(len(raw))
	c, err := d.plan(tx, s, m, replay{again: true, as: a.as})
	if err != nil {
		return nil, err
	}
	if c.kept != nil || c.held != nil {
		return nil, fmt.Errorf("it would be kept again: %s", c.outcome.Detail)
	}
	c.also = func(tx *store.Tx) error {
		// Looked at again, so that two people can't both let it through.
		now, err := find(tx)
		if err != nil {
			return err
		}
		return now.settle(tx)
	}
	c.event(a.event)
	return c, nil
}

// Drop marks a held message or a quarantined one as unwanted. Its bytes stay in
// the archive until retention removes them.
func (d *Desk) Drop(ctx context.Context, kind string, id uint64) error {
	return d.Store.Update(ctx, func(tx *store.Tx) error {
		switch kind {
		case "held":
			row, err := tx.Held(id)
			if err != nil {
				return err
			}
			if row.State != store.HeldKept {
				return fmt.Errorf("held message %d: %w (%s)", id, ErrSettled, row.State)
			}
			row.State = store.HeldDropped
			if err := tx.PutHeld(row); err != nil {
				return err
			}
		case "quarantine":
			row, err := tx.Quarantine(id)
			if err != nil {
				return err
			}
			if row.State != store.QuarantineKept {
				return fmt.Errorf("quarantined message %d: %w (%s)", id, ErrSettled, row.State)
			}
			row.State = store.QuarantineDropped
			if err := tx.PutQuarantine(row); err != nil {
				return err
			}
		}
		return tx.Append(&ticket.Event{At: d.Now().UTC(), Kind: ticket.EventDropped, Object: id, Detail: kind})
	})
}

// agentsOf lists the agents who are told of a ticket, without repeats.
func agentsOf(table *routing.Table, t *ticket.Ticket) []*routing.Agent {
	if a := table.Agent(t.Assignee); a != nil {
		return []*routing.Agent{a}
	}
	var agents []*routing.Agent
	add := func(list []*routing.Agent) {
		for _, a := range list {
			if !slices.Contains(agents, a) {
				agents = append(agents, a)
			}
		}
	}
	if team := table.Team(t.Team); team != nil {
		add(team.Members)
	} else {
		add(topicOf(table, t).Agents())
	}
	if len(agents) == 0 {
		add(table.Operators())
	}
	return agents
}
