package desk

import (
	"errors"
	"slices"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// undo takes back what the agent's last mail of commands did to the ticket, while
// nothing else has happened to it, and its answer, if that has not left yet.
func (o *orders) undo(c ticket.Command) error {
	t := o.ticket
	u := t.Undo
	switch {
	case o.text != "" || len(o.m.Attachments) > 0:
		return o.no(c, "no.together")
	case u == nil || u.By != o.who.person.ID:
		return o.no(c, "no.undo")
	case u.Entry != t.Entries:
		return o.no(c, "no.moved")
	}
	e, err := o.tx.Entry(t.ID, u.Entry)
	if err != nil {
		return err
	}
	had := o.involved()
	if err := o.restore(c, u.Before); err != nil {
		return err
	}
	have := o.involved()
	had = slices.DeleteFunc(had, func(a *routing.Agent) bool { return slices.Contains(have, a) })
	o.tell = append(o.tell, func() error {
		return o.tellEach(had, "title.undone", []string{o.who.agent.Name, t.Number.String()}, "")
	})
	if u.Blocked {
		person, err := o.personByID(t.Requester)
		if err != nil {
			return err
		}
		person.Blocked = time.Time{}
		o.touch(person)
	}
	o.did("did.undone", o.setting.local(e.At).Format("15:04"))
	return o.unsend(u.Entry)
}

// restore brings the ticket's fields back. What others see of it stays: who is
// in the conversation, its thread and its mails.
func (o *orders) restore(c ticket.Command, b *ticket.Ticket) error {
	t := o.ticket
	if !t.MergedInto.IsZero() {
		return o.no(c, "no.status")
	}
	t.Subject, t.Topic, t.Assignee, t.Team, t.Status = b.Subject, b.Topic, b.Assignee, b.Team, b.Status
	t.Priority, t.Labels, t.Fields, t.Linked, t.Referred = b.Priority, b.Labels, b.Fields, b.Linked, b.Referred
	t.Spam, t.Moved, t.Answered, t.Closed = b.Spam, b.Moved, b.Answered, b.Closed
	t.SLA, t.AnswerClock, t.ResolveClock, t.AnswerDue, t.ResolveDue = b.SLA, b.AnswerClock, b.ResolveClock, b.AnswerDue, b.ResolveDue
	t.Due, t.WarnAt, t.Reminded, t.RemindAt = b.Due, b.WarnAt, b.Reminded, b.RemindAt
	t.DueFixed, t.Promised, t.Nudged = b.DueFixed, b.Promised, b.Nudged
	t.Participants = slices.DeleteFunc(t.Participants, func(part ticket.Participant) bool {
		return part.Role == ticket.RoleCollaborator && b.Participant(part.Person) == nil
	})
	for _, part := range b.Participants {
		if part.Role == ticket.RoleCollaborator && t.Participant(part.Person) == nil {
			t.Participants = append(t.Participants, part)
		}
	}
	t.Undo = nil
	o.topic = o.topicOf(t)
	o.status, o.silent = t.Status, true
	return nil
}

// unsend drops the answer that an entry caused from the outbox, if it still
// waits for its time.
func (o *orders) unsend(entry uint32) error {
	events, err := o.tx.JournalOf(o.ticket.ID)
	if err != nil {
		return err
	}
	var waiting []uint64
	left := false
	for _, e := range events {
		if e.Kind != ticket.EventQueued || e.Entry != entry || e.Detail != string(ticket.ClassAnswer) {
			continue
		}
		row, err := o.tx.Outgoing(e.Object)
		if err != nil {
			return err
		}
		if row.State == ticket.OutgoingWaiting && row.Attempts == 0 && row.NextTry.After(o.now) {
			waiting = append(waiting, row.ID)
		} else {
			left = true
		}
	}
	if left {
		o.did("did.toolate")
		return nil
	}
	if len(waiting) == 0 {
		return nil
	}
	o.did("did.unsent")
	o.also = func(tx *store.Tx) error {
		for _, id := range waiting {
			row, err := tx.Outgoing(id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err != nil || row.State != ticket.OutgoingWaiting || !row.NextTry.After(o.desk.Now()) {
				return errStale // it has left meanwhile
			}
			row.State, row.Finished, row.NextTry = ticket.OutgoingDropped, o.now, time.Time{}
			if err := tx.PutOutgoing(row); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}
