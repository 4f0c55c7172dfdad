package desk

import (
	"context"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// remindBatch bounds how many tickets one look takes, so that no read
// transaction is held open long.
const remindBatch = 200

// Remind writes to those who have a ticket whose answer is overdue, once for
// each (ticket, due time, n): the count is kept in the ticket and changes in the
// transaction that queues the mail, so neither a restart nor a clock jump
// doubles or skips one. It returns how many reminders it queued.
func (d *Desk) Remind(ctx context.Context) (int, error) {
	total := 0
	for ctx.Err() == nil {
		var due []ticket.ID
		err := d.Store.View(func(tx *store.Tx) error {
			tickets, err := tx.DueTickets(d.Now().UTC(), remindBatch)
			for _, t := range tickets {
				due = append(due, t.ID)
			}
			return err
		})
		if err != nil {
			return total, err
		}
		for _, id := range due {
			done, err := d.remind(ctx, id)
			if err != nil {
				return total, err
			}
			total += done
		}
		if len(due) < remindBatch {
			break
		}
	}
	return total, ctx.Err()
}

func (d *Desk) remind(ctx context.Context, id ticket.ID) (int, error) {
	// gofail: var reminderDue struct{}
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		t, err := tx.Ticket(id)
		if err != nil {
			return nil, err
		}
		c := &change{now: d.Now().UTC(), ticket: t, revision: t.Revision}
		if t.RemindAt.IsZero() || t.RemindAt.After(c.now) || t.Status != ticket.StatusOpen {
			return nil, nil // answered or reminded meanwhile
		}
		conf := s.Table.Config.Reminder
		t.Reminded++
		t.RemindAt = t.Due.Add(asDuration(conf.Repeat) * time.Duration(t.Reminded))
		if conf.Repeat == 0 || t.Reminded >= conf.Max {
			t.RemindAt = time.Time{}
		} else if t.RemindAt.Before(c.now) {
			// After a long stop one reminder is enough for what was missed.
			t.RemindAt = c.now.Add(asDuration(conf.Repeat))
		}
		p := &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}
		topic := p.topicOf(t)
		for _, agent := range p.audience() {
			person, err := p.agentPerson(agent)
			if err != nil {
				return nil, err
			}
			l := p.letter("reminder", ticket.ClassReminder, topic, person, ticket.RoleAgent)
			l.lang = agent.Language
			l.data.Received = s.local(t.Created)
		}
		c.event(ticket.Event{Kind: ticket.EventReminded, Detail: t.Due.UTC().Format("2006-01-02T15:04:05Z")})
		c.fact("reminded", ticket.LogReason, "the answer was due "+s.local(t.Due).Format("2006-01-02 15:04"))
		return c, nil
	})
	if err != nil {
		return 0, err
	}
	return len(done.letters), nil
}
