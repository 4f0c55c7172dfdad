package desk

import (
	"time"

	"buzon/routing"
	"buzon/ticket"
)

// slaOf is the SLA of a ticket: its own, or its topic's.
func (s *Setting) slaOf(t *ticket.Ticket) *routing.SLA {
	return s.Table.SLA(t.SLA, topicOf(s.Table, t))
}

// clocks lets a ticket's clocks run or stand still, as its status has it, which
// has just changed. While it is the requester's turn what was used is kept; when
// it is resolved or closed the next time begins anew.
func (s *Setting) clocks(t *ticket.Ticket, now time.Time) {
	switch t.Status {
	case ticket.StatusOpen:
		for _, c := range []*ticket.Clock{&t.AnswerClock, &t.ResolveClock} {
			if c.Since.IsZero() {
				c.Since = now
			}
		}
		if t.DueFixed && !t.Promised.After(now) && t.Due.IsZero() {
			t.DueFixed, t.Promised = false, time.Time{} // it was kept: the requester has had their turn since
		}
	case ticket.StatusWaiting:
		for _, c := range []*ticket.Clock{&t.AnswerClock, &t.ResolveClock} {
			if !c.Since.IsZero() {
				c.Used += s.slaOf(t).Calendar.Between(c.Since, now)
			}
			c.Since = time.Time{}
		}
	default:
		t.AnswerClock, t.ResolveClock = ticket.Clock{}, ticket.Clock{}
	}
	s.due(t)
}

// answered has the time to the next answer begin anew.
func (s *Setting) answered(t *ticket.Ticket, now time.Time) {
	t.AnswerClock = ticket.Clock{}
	if t.Status == ticket.StatusOpen {
		s.clocks(t, now)
	}
}

// due works out when the desk's next step is due. It belongs after every change of
// the clocks, the topic, the priority or the SLA.
func (s *Setting) due(t *ticket.Ticket) {
	sla := s.slaOf(t)
	set(sla, &t.AnswerClock, sla.Answer(t.Priority))
	set(sla, &t.ResolveClock, sla.Resolve(t.Priority))
	if t.Answered.IsZero() && !t.AnswerClock.Due.IsZero() {
		t.AnswerDue = t.AnswerClock.Due
	}
	if !t.ResolveClock.Due.IsZero() {
		t.ResolveDue = t.ResolveClock.Due
	}
	switch {
	case t.Status != ticket.StatusOpen:
		t.Owe(time.Time{})
	case t.DueFixed:
		if t.Due.IsZero() {
			s.owe(t, t.Promised, time.Time{})
		}
	default:
		clock, total := nextClock(sla, t)
		if clock == nil {
			t.Owe(time.Time{})
			return
		}
		warn := sla.Calendar.Add(clock.Since, percent(total, s.Table.Config.Reminder.Warn)-clock.Used)
		s.owe(t, clock.Due, warn)
	}
}

// set works out when a clock's time is over. A time that is used up already is over
// at once.
func set(sla *routing.SLA, c *ticket.Clock, total time.Duration) {
	c.Due = time.Time{}
	if total > 0 && !c.Since.IsZero() {
		c.Due = sla.Calendar.Add(c.Since, total-c.Used).UTC()
	}
}

// nextClock is the clock whose time is over first, and that time; nil: there is no
// limit.
func nextClock(sla *routing.SLA, t *ticket.Ticket) (*ticket.Clock, time.Duration) {
	answer, resolve := &t.AnswerClock, &t.ResolveClock
	if answer.Due.IsZero() || !resolve.Due.IsZero() && resolve.Due.Before(answer.Due) {
		answer, resolve = resolve, nil
	}
	switch {
	case answer.Due.IsZero():
		return nil, 0
	case resolve == nil:
		return answer, sla.Resolve(t.Priority)
	}
	return answer, sla.Answer(t.Priority)
}

// owe sets when the next step is due, and when it is warned of.
func (s *Setting) owe(t *ticket.Ticket, due, warn time.Time) {
	if due.Equal(t.Due) {
		return
	}
	t.Owe(due.UTC())
	if s.Table.Config.Reminder.Warn > 0 && !warn.IsZero() && warn.Before(due) {
		t.WarnAt, t.RemindAt = warn.UTC(), warn.UTC()
	}
}

// promise sets a due time that a person has chosen. While it is not the desk's turn
// nothing is owed, and it holds from when it is.
func (s *Setting) promise(t *ticket.Ticket, due, now time.Time) {
	t.DueFixed, t.Promised = true, due
	if t.Status != ticket.StatusOpen {
		return
	}
	s.owe(t, due, now.Add(percent(due.Sub(now), s.Table.Config.Reminder.Warn)))
}

// percent is some percent of a time, to a hundredth of a microsecond.
func percent(d time.Duration, n int) time.Duration { return d / 100 * time.Duration(n) }
