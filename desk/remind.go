package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// remindBatch bounds how many tickets one look takes, so that no transaction takes
// long.
const remindBatch = 200

// Remind does what the clock asks for: it warns of answers that are nearly due,
// reminds of those that are overdue, and closes tickets on which nobody writes any
// more. Each happens once for each (ticket, rule, due time, n): what was done is
// kept in the ticket and in the journal, and changes in the transaction that queues
// the mail, so neither a restart nor a clock jump doubles or skips one. Who is to
// be told of several tickets gets one mail. It returns how many mails it queued.
func (d *Desk) Remind(ctx context.Context) (int, error) {
	total := 0
	if err := d.watchAll(ctx); err != nil {
		return total, err
	}
	for ctx.Err() == nil {
		var due []ticket.ID
		err := d.Store.View(func(tx *store.Tx) error {
			tickets, err := tx.DueTickets(d.Now().UTC(), remindBatch)
			for _, t := range tickets {
				due = append(due, t.ID)
			}
			return err
		})
		if err != nil || len(due) == 0 {
			return total, err
		}
		done, err := d.remind(ctx, due)
		if err != nil {
			return total, err
		}
		total += done
		if len(due) < remindBatch {
			break
		}
	}
	return total, ctx.Err()
}

func (d *Desk) remind(ctx context.Context, due []ticket.ID) (int, error) {
	// gofail: var reminderDue struct{}
	done, err := d.apply(ctx, nil, func(tx *store.Tx, s *Setting) (*change, error) {
		c := &change{now: d.Now().UTC()}
		r := &round{planner: &planner{desk: d, tx: tx, setting: s, m: &ticket.Message{}, change: c}}
		for _, id := range due {
			t, err := tx.Ticket(id)
			if err != nil {
				return nil, err
			}
			if t.RemindAt.IsZero() || t.RemindAt.After(c.now) {
				continue // answered or reminded meanwhile
			}
			side := c.beside(t)
			side.quietly = true
			if err := r.look(side); err != nil {
				return nil, err
			}
		}
		if len(c.sides) == 0 {
			return nil, nil
		}
		return c, r.write()
	})
	if err != nil {
		return 0, err
	}
	return len(done.letters), nil
}

// round is one look at the tickets whose time has come.
type round struct {
	*planner
	tells []*telling
}

// telling is what an agent is to be told of a ticket.
type telling struct {
	ticket    *ticket.Ticket
	agent     *routing.Agent
	warning   bool // it is not due yet
	escalated bool // it is not the agent's own
	after     time.Time
}

// about makes a ticket the change's for as long as fn runs.
func (r *round) about(t *ticket.Ticket, fn func() error) error {
	r.ticket = t
	defer func() { r.ticket = nil }()
	return fn()
}

// look does what is due on a ticket, and sets when it is looked at next.
func (r *round) look(side *side) error {
	t := side.ticket
	switch {
	case t.Status == ticket.StatusOpen && !t.Due.IsZero():
		return r.about(t, func() error { return r.overdue(t) })
	case t.Status == ticket.StatusWaiting, t.Status == ticket.StatusResolved:
		return r.about(t, func() error { return r.silent(side) })
	}
	t.RemindAt = time.Time{}
	return nil
}

// overdue reminds of a ticket whose answer is due, or warns of it.
func (r *round) overdue(t *ticket.Ticket) error {
	conf, rule, n := r.setting.Table.Config.Reminder, "due", t.Reminded+1
	switch {
	case !r.now.Before(t.Due) && n > conf.Max:
		t.WarnAt, t.RemindAt = time.Time{}, time.Time{}
		return nil
	case r.now.Before(t.Due) && (t.WarnAt.IsZero() || r.now.Before(t.WarnAt)):
		t.RemindAt = t.Due // the clock has jumped
		if !t.WarnAt.IsZero() {
			t.RemindAt = t.WarnAt
		}
		return nil
	case r.now.Before(t.Due):
		rule, n = "warn", 0
	}
	tells, later := r.tellings(t, n)
	if !later.IsZero() {
		t.RemindAt = later
		return nil
	}
	t.WarnAt = time.Time{}
	if rule == "warn" {
		t.RemindAt = t.Due
	} else {
		t.Reminded = n
		t.RemindAt = t.Due.Add(asDuration(conf.Repeat) * time.Duration(n))
		if conf.Repeat == 0 || n >= conf.Max {
			t.RemindAt = time.Time{}
		} else if t.RemindAt.Before(r.now) {
			// After a long stop one reminder is enough for what was missed.
			t.RemindAt = r.now.Add(asDuration(conf.Repeat))
		}
	}
	first, err := r.once(t, fmt.Sprintf("%s %s %d", rule, t.Due.UTC().Format(time.RFC3339), n))
	if err != nil || !first {
		return err
	}
	for _, tell := range tells {
		tell.warning = rule == "warn"
	}
	r.tells = append(r.tells, tells...)
	r.fact("reminded", ticket.LogTicket, t.Number.String(), ticket.LogReason,
		map[string]string{"warn": "the answer is due ", "due": "the answer was due "}[rule]+r.setting.local(t.Due).Format("2006-01-02 15:04"))
	return nil
}

// once notes in the journal that something happens, and tells whether it does so
// for the first time. A due time that went and came back has its reminders behind
// it.
func (r *round) once(t *ticket.Ticket, what string) (bool, error) {
	done, err := r.done(t, what)
	if err != nil || done {
		return false, err
	}
	r.event(ticket.Event{Kind: ticket.EventReminded, Ticket: t.ID, Detail: what})
	return true, nil
}

// done tells whether the journal has it that something happened.
func (r *round) done(t *ticket.Ticket, what string) (bool, error) {
	events, err := r.tx.JournalOf(t.ID)
	return slices.ContainsFunc(events, func(e ticket.Event) bool { return e.Kind == ticket.EventReminded && e.Detail == what }), err
}

// tellings are who is told of a ticket, or, if all of them have their rest, when
// that is over.
func (r *round) tellings(t *ticket.Ticket, n int) (tells []*telling, later time.Time) {
	sla := r.setting.slaOf(t)
	if sla.Calendar.Closed(r.now) != nil {
		return nil, r.opens(sla.Calendar)
	}
	for _, agent := range r.atOnce(r.audience(), "reminder") {
		tells = append(tells, &telling{ticket: t, agent: agent})
	}
	for _, agent := range r.superiors(t, n) {
		if !slices.ContainsFunc(tells, func(x *telling) bool { return x.agent == agent }) {
			tells = append(tells, &telling{ticket: t, agent: agent, escalated: true})
		}
	}
	if !r.setting.Table.Config.Reminder.Quiet {
		return tells, later
	}
	for _, tell := range tells {
		calendar := tell.agent.Calendar
		if calendar == nil {
			calendar = sla.Calendar
		}
		if calendar.Works(r.now) {
			later = time.Time{}
			continue
		}
		tell.after = r.opens(calendar)
	}
	if slices.ContainsFunc(tells, func(x *telling) bool { return x.after.IsZero() }) {
		return tells, time.Time{}
	}
	for _, tell := range tells {
		if later.IsZero() || tell.after.Before(later) {
			later = tell.after
		}
	}
	return tells, later
}

// opens is when people work again; in a day, where they never do.
func (r *round) opens(c *routing.Calendar) time.Time {
	if next := c.Next(r.now); next.After(r.now) {
		return next.UTC()
	}
	return r.now.Add(day)
}

// superiors are those who are told because a ticket is overdue for long: one step
// more with each reminder, or from the time on that the SLA names.
func (r *round) superiors(t *ticket.Ticket, n int) []*routing.Agent {
	conf := r.setting.Table.Config.Reminder
	steps := n - 1
	if sla := r.setting.slaOf(t); sla.Escalate() > 0 {
		steps = 0
		if clock, _ := nextClock(sla, t); clock != nil && n > 0 {
			if late := r.now.Sub(sla.Calendar.Add(clock.Since, sla.Escalate()-clock.Used)); late >= 0 {
				steps = 1
				if conf.Repeat > 0 {
					steps += int(late / asDuration(conf.Repeat))
				}
			}
		}
	}
	var found []*routing.Agent
	for _, role := range conf.Escalate[:min(max(steps, 0), len(conf.Escalate))] {
		list := r.withRole(routing.Role(role), t)
		if len(list) == 0 {
			list = r.withRole(routing.RoleAdministrator, t)
		}
		found = append(found, list...)
	}
	return found
}

// withRole are the agents of a role who are there: leads of the ticket's topic,
// administrators of any.
func (r *round) withRole(role routing.Role, t *ticket.Ticket) []*routing.Agent {
	return r.others(slices.DeleteFunc(slices.Clone(r.setting.Table.Agents), func(a *routing.Agent) bool {
		return a.Role != role || role == routing.RoleLead && !a.Staffs(r.topicOf(t))
	}))
}

// write begins the mails: one a person.
func (r *round) write() error {
	var agents []*routing.Agent
	for _, tell := range r.tells {
		if !slices.Contains(agents, tell.agent) {
			agents = append(agents, tell.agent)
		}
	}
	for _, agent := range agents {
		of := slices.DeleteFunc(slices.Clone(r.tells), func(x *telling) bool { return x.agent != agent })
		person, err := r.agentPerson(agent)
		if err != nil {
			return err
		}
		if len(of) == 1 {
			err = r.about(of[0].ticket, func() error { r.single(of[0], person); return nil })
		} else {
			err = r.list(of, person)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// single writes of one ticket, in its conversation.
func (r *round) single(tell *telling, person *ticket.Person) {
	l := r.letter("reminder", ticket.ClassReminder, r.topicOf(tell.ticket), person, ticket.RoleAgent)
	l.lang, l.after, l.tickets = r.agentLanguage(tell.agent), tell.after, []ticket.ID{tell.ticket.ID}
	l.data.Received = r.setting.local(tell.ticket.Created)
	l.data.Warning, l.data.Escalated = tell.warning, tell.escalated
}

// list writes of several tickets.
func (r *round) list(tells []*telling, person *ticket.Person) error {
	lang := r.agentLanguage(tells[0].agent)
	l := r.summary("reminders", lang, person)
	l.after = tells[0].after
	l.data.Title = phrase(lang, "title.reminders", []string{itoa(len(tells))})
	for _, part := range []struct {
		title string
		want  func(*telling) bool
	}{
		{"title.overdue", func(x *telling) bool { return !x.warning && !x.escalated }},
		{"title.soon", func(x *telling) bool { return x.warning }},
		{"title.escalated", func(x *telling) bool { return x.escalated }},
	} {
		var rows []*ticket.Ticket
		for _, tell := range tells {
			if part.want(tell) {
				rows = append(rows, tell.ticket)
				l.tickets = append(l.tickets, tell.ticket.ID)
			}
		}
		if err := r.section(l, phrase(lang, part.title, nil), rows, person); err != nil {
			return err
		}
	}
	return nil
}
