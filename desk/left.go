package desk

import (
	"context"
	"slices"

	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// Inherit gives the open tickets of agents who are not in the configuration any
// more to their topic's team or agent, who are told of each once. It belongs
// after every change of the table and at the start; when there is nothing to give
// it does nothing. It returns how many tickets it gave.
func (d *Desk) Inherit(ctx context.Context) (int, error) {
	var orphans []ticket.ID
	err := d.Store.View(func(tx *store.Tx) error {
		table := d.Table()
		for _, id := range tx.Assignees() {
			if table.Agent(id) != nil {
				continue
			}
			for _, status := range []ticket.Status{ticket.StatusOpen, ticket.StatusWaiting} {
				tickets, err := tx.Tickets(store.TicketFilter{Assignee: id, Status: status}, 0)
				if err != nil {
					return err
				}
				for _, t := range slices.Backward(tickets) { // the oldest first
					orphans = append(orphans, t.ID)
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	given := 0
	for _, id := range orphans {
		done, err := d.inherit(ctx, id)
		if err != nil {
			return given, err
		}
		if done {
			given++
		}
	}
	return given, ctx.Err()
}

func (d *Desk) inherit(ctx context.Context, id ticket.ID) (bool, error) {
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		t, err := tx.Ticket(id)
		if err != nil {
			return nil, err
		}
		left := t.Assignee
		if left == "" || s.Table.Agent(left) != nil || !t.Status.IsActive() {
			return nil, nil // given or closed meanwhile
		}
		c := &change{now: d.Now().UTC(), ticket: t, revision: t.Revision}
		p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
		requester, err := tx.Person(t.Requester)
		if err != nil {
			return nil, err
		}
		topic := p.topicOf(t)
		t.Assignee, t.Team = "", ""
		heir := ""
		switch {
		case topic.Team != nil:
			t.Team, heir = topic.Team.ID, topic.Team.ID
		case !p.isOf(requester, topic.Agent.Addresses[0]):
			t.Assignee, heir = topic.Agent.ID, topic.Agent.ID
		default: // nobody has their own request
			heir = "operators"
		}
		c.entry(&ticket.Entry{Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "agent " + left + " is gone; it goes to " + heir})
		c.event(ticket.Event{Kind: ticket.EventAssigned, Detail: heir})
		c.fact("inherited", ticket.LogTopic, topic.ID, ticket.LogAgent, heir, ticket.LogReason, "agent "+left+" is not in the configuration any more")
		text, err := p.lastWords(t)
		if err != nil {
			return nil, err
		}
		for _, agent := range p.atOnce(p.audience(), "assigned") {
			person, err := p.agentPerson(agent)
			if err != nil {
				return nil, err
			}
			l := p.letter("assigned", ticket.ClassNotification, topic, person, ticket.RoleAgent)
			l.lang = p.agentLanguage(agent)
			l.data.Title = templates.Phrase(l.lang, "title.left", left, t.Number.String(), l.data.Assignee)
			l.data.Text = text
			l.steps(t, agent, topic)
		}
		return c, nil
	})
	return err == nil && done.ticket != nil, err
}

// lastWords is what the requester's side wrote last.
func (p *planner) lastWords(t *ticket.Ticket) (string, error) {
	entries, err := p.tx.Entries(t.ID)
	for _, e := range slices.Backward(entries) {
		if e.Kind == ticket.EntryRequest || e.Kind == ticket.EntryReply {
			return e.Text, err
		}
	}
	return "", err
}
