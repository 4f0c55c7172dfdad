package desk

import (
	"context"
	"fmt"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// watch sets when a ticket that has come to rest is looked at, because nobody may
// write on it any more.
func (s *Setting) watch(t *ticket.Ticket, now time.Time) {
	if wait := s.patience(t); wait > 0 && t.RemindAt.IsZero() {
		t.RemindAt = s.slaOf(t).Calendar.Wall().Add(now, wait).UTC()
	}
}

// patience is how long a ticket may be silent before its requester is told; 0: for
// ever.
func (s *Setting) patience(t *ticket.Ticket) time.Duration {
	if topicOf(s.Table, t).Petition || t.IsHidden() || !t.MergedInto.IsZero() {
		return 0
	}
	switch conf := s.Table.Config.AutoClose; t.Status {
	case ticket.StatusResolved:
		return asDuration(conf.ResolvedAfter)
	case ticket.StatusWaiting:
		return asDuration(conf.NudgeAfter)
	}
	return 0
}

// watchAll sets it for those tickets that came to rest before the configuration
// asked for it, once for each configuration.
func (d *Desk) watchAll(ctx context.Context) error {
	s := d.setting.Load()
	if d.watched.Load() == s {
		return nil
	}
	var found []ticket.ID
	err := d.Store.View(func(tx *store.Tx) error {
		for _, status := range []ticket.Status{ticket.StatusWaiting, ticket.StatusResolved} {
			if conf := s.Table.Config.AutoClose; status == ticket.StatusWaiting && conf.NudgeAfter == 0 ||
				status == ticket.StatusResolved && conf.ResolvedAfter == 0 {
				continue
			}
			tickets, err := tx.Tickets(store.TicketFilter{Status: status}, 0)
			if err != nil {
				return err
			}
			for _, t := range tickets {
				if t.RemindAt.IsZero() && s.patience(t) > 0 {
					found = append(found, t.ID)
				}
			}
		}
		return nil
	})
	for len(found) > 0 && err == nil && ctx.Err() == nil {
		batch := found[:min(len(found), remindBatch)]
		found = found[len(batch):]
		_, err = d.apply(ctx, nil, func(tx *store.Tx, _ *Setting) (*change, error) {
			c := &change{now: d.Now().UTC()}
			for _, id := range batch {
				t, err := tx.Ticket(id)
				if err != nil {
					return nil, err
				}
				c.beside(t).quietly = true // writing it sets the time
			}
			return c, nil
		})
	}
	if err == nil && len(found) == 0 {
		d.watched.Store(s)
	}
	return err
}

// silent tells the requester of a ticket on which nobody writes that it will be
// closed, and closes it when that was told long enough ago.
func (r *round) silent(side *side) error {
	t, conf := side.ticket, r.setting.Table.Config.AutoClose
	t.RemindAt = time.Time{} // it is watched anew when it is written
	wait := r.setting.patience(t)
	if wait == 0 {
		return nil
	}
	since, theirs, text, err := r.lastSaid(t)
	if err != nil || theirs {
		return err
	}
	calendar := r.setting.slaOf(t).Calendar
	wall := calendar.Wall()
	if calendar.Closed(r.now) != nil {
		t.RemindAt = r.opens(calendar)
		return nil
	}
	// Not by the hour of the notice: a clock that was ahead may have set it.
	told, err := r.done(t, nudged(since))
	if err != nil {
		return err
	}
	if at := wall.Add(since, wait); !told {
		if r.now.Before(at) {
			t.RemindAt = at.UTC()
			return nil
		}
		return r.nudge(t, since, text)
	}
	at := wall.Add(t.Nudged, asDuration(conf.Notice))
	if t.Status == ticket.StatusWaiting {
		if conf.WaitingAfter == 0 {
			return nil
		}
		if end := wall.Add(since, asDuration(conf.WaitingAfter)); end.After(at) {
			at = end
		}
	}
	if r.now.Before(at) {
		t.RemindAt = at.UTC()
		return nil
	}
	return r.closeSilent(side, since)
}

// lastSaid is when someone last did something on a ticket, whether the last word is
// the requester's side's, and what the desk wrote last.
func (r *round) lastSaid(t *ticket.Ticket) (at time.Time, theirs bool, answer string, err error) {
	entries, err := r.tx.Entries(t.ID)
	for _, e := range entries {
		switch {
		case e.Kind == ticket.EntryRequest || e.Kind == ticket.EntryReply:
			theirs = true
		case e.Role == ticket.RoleSystem:
			continue // also a canned answer of a rule's: no person has said anything
		case e.Kind == ticket.EntryAnswer:
			theirs, answer = false, e.Text
		}
		at = e.At
	}
	return at, theirs, answer, err
}

// nudge tells the requester that the ticket is closed unless they write. Those who
// can't be written to at present are tried again in a day.
func (r *round) nudge(t *ticket.Ticket, since time.Time, text string) error {
	person, err := r.personByID(t.Requester)
	if err != nil {
		return err
	}
	if ok, err := r.mayWriteTo(person); err != nil || !ok {
		t.RemindAt = r.now.Add(day)
		return err
	}
	t.Nudged = r.now
	conf, wall := r.setting.Table.Config.AutoClose, r.setting.slaOf(t).Calendar.Wall()
	closing := wall.Add(r.now, asDuration(conf.Notice))
	if t.Status == ticket.StatusWaiting {
		if end := wall.Add(since, asDuration(conf.WaitingAfter)); end.After(closing) {
			closing = end
		}
		if conf.WaitingAfter == 0 {
			closing = time.Time{}
		}
	}
	if t.RemindAt = closing; !closing.IsZero() {
		t.RemindAt = closing.UTC()
	}
	if first, err := r.once(t, nudged(since)); err != nil || !first {
		return err
	}
	topic := r.topicOf(t)
	l := r.letter("nudge", ticket.ClassConfirmation, topic, person, ticket.RoleRequester)
	l.tickets = []ticket.ID{t.ID}
	l.data.Text, l.data.Signature, l.data.Due = text, topic.Signature, time.Time{}
	if !closing.IsZero() {
		l.data.Due = r.setting.local(closing)
	}
	r.noted = append(r.noted, person.Address.Key())
	r.fact("nudged", ticket.LogTicket, t.Number.String(), ticket.LogReason, "nobody has written since "+r.setting.local(since).Format(time.DateOnly))
	return nil
}

// nudged is what the journal says of a notice about a silence.
func nudged(since time.Time) string {
	return fmt.Sprintf("nudge %s 1", since.UTC().Format(time.RFC3339))
}

// closeSilent closes a ticket. The requester was told before and is not told again.
func (r *round) closeSilent(side *side, since time.Time) error {
	t := side.ticket
	if err := t.SetStatus(ticket.StatusClosed, r.now); err != nil {
		return err
	}
	r.setting.clocks(t, r.now)
	side.quietly = false
	side.entries = append(side.entries, &ticket.Entry{
		Kind: ticket.EntryEvent, Role: ticket.RoleSystem, At: r.now,
		Text: "closed: nobody has written since " + r.setting.local(since).Format(time.DateOnly),
	})
	r.event(ticket.Event{Kind: ticket.EventStatus, Ticket: t.ID, Detail: string(ticket.StatusClosed)})
	r.fact("closed", ticket.LogTicket, t.Number.String(), ticket.LogReason, "nobody has written since "+r.setting.local(since).Format(time.DateOnly))
	return nil
}
