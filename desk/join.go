package desk

import (
	"slices"
	"strings"

	"buzon/ticket"
)

// merge makes another ticket the one that goes on: mail to this one goes there
// from now on, and whoever takes part in this one takes part there.
func (o *orders) merge(c ticket.Command) error {
	into, err := o.ticketNamed(c, c.Args[0])
	if err != nil {
		return err
	}
	t := o.ticket
	if into.ID == t.ID {
		return o.no(c, "no.itself")
	}
	into = into.Copy()
	t.MergedInto = into.ID
	t.Status, t.Closed = ticket.StatusClosed, o.now
	o.setting.clocks(t, o.now)
	into.Merged = append(into.Merged, t.ID)
	for _, part := range t.Participants {
		switch part.Role {
		case ticket.RoleRequester, ticket.RoleCollaborator:
			if into.Participant(part.Person) == nil {
				into.Join(part.Person, ticket.RoleCollaborator)
			}
		}
	}
	if into.Status != ticket.StatusOpen {
		into.Status, into.Closed = ticket.StatusOpen, ticket.Ticket{}.Closed
		o.setting.clocks(into, o.now)
	}
	o.beside(into, &ticket.Entry{
		Kind: ticket.EntryEvent, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
		Text: o.inDesk("event.merged", o.who.agent.Name, t.Number.String()),
	})
	o.status = ticket.StatusClosed
	if o.text == "" {
		o.silent = true
	}
	o.did("did.merged", t.Number.String(), into.Number.String())
	o.tell = append(o.tell, func() error {
		return o.tellRequester("state", func(l *letter) {
			l.data.Title = phrase(l.lang, "title.merged", []string{t.Number.String(), into.Number.String()})
		})
	})
	return nil
}

// link notes in two tickets that they have to do with each other.
func (o *orders) link(c ticket.Command) error {
	other, err := o.ticketNamed(c, c.Args[0])
	if err != nil {
		return err
	}
	t := o.ticket
	if other.ID == t.ID {
		return o.no(c, "no.itself")
	}
	o.did("did.linked", other.Number.String())
	if slices.Contains(t.Linked, other.ID) {
		return nil
	}
	t.Linked = append(slices.Clone(t.Linked), other.ID)
	other = other.Copy()
	if !slices.Contains(other.Linked, t.ID) {
		other.Linked = append(other.Linked, t.ID)
	}
	o.beside(other, &ticket.Entry{
		Kind: ticket.EntryEvent, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
		Text: o.inDesk("event.linked", o.who.agent.Name, t.Number.String()),
	})
	return nil
}

// split makes an entry of the thread a ticket of its own, of whoever wrote it: the
// one of a number, or the requester's last.
func (o *orders) split(c ticket.Command) error {
	entries, err := o.tx.Entries(o.ticket.ID)
	if err != nil {
		return err
	}
	var from *ticket.Entry
	for _, e := range entries {
		said := e.Kind == ticket.EntryRequest || e.Kind == ticket.EntryReply
		if said && (len(c.Args) == 0 || strings.TrimLeft(c.Args[0], "#") == itoa(e.Seq)) {
			from = e
		}
	}
	if from == nil {
		return o.no(c, "no.entry")
	}
	requester := o.ticket.Requester
	if _, err := o.tx.Person(from.Author); err == nil && !from.Unverified {
		requester = from.Author
	}
	id, err := ticket.NewID(o.desk.Random, o.now)
	if err != nil {
		return err
	}
	old := o.ticket
	made := &ticket.Ticket{
		ID: id, Subject: old.Subject, Topic: old.Topic, Team: old.Team, Assignee: old.Assignee, Status: ticket.StatusOpen,
		Language: old.Language, Requester: requester, Priority: o.topicOf(old).Priority, Created: o.now, Linked: []ticket.ID{old.ID},
	}
	if first := firstWords(from.Text); from.Seq > 1 && first != "" {
		made.Subject = first
	}
	o.setting.clocks(made, o.now)
	made.Join(requester, ticket.RoleRequester).Note(from.MessageID)
	request := *from
	request.Kind, request.Role = ticket.EntryRequest, ticket.RoleRequester
	s := o.beside(made, &request, &ticket.Entry{
		Kind: ticket.EntryEvent, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
		Text: o.inDesk("event.split", o.who.agent.Name, old.Number.String()),
	})
	s.placeholder = o.desk.nonce(12)
	old.Linked = append(slices.Clone(old.Linked), made.ID)
	o.event(ticket.Event{Kind: ticket.EventCommand, Person: o.who.person.ID, Detail: "split"})
	o.did("did.split", itoa(from.Seq), s.placeholder)
	return nil
}

// firstWords makes a subject of a text.
func firstWords(text string) string {
	words := strings.Fields(text)
	if len(words) > subjectWords {
		words = append(words[:subjectWords:subjectWords], "…")
	}
	return strings.Join(words, " ")
}
