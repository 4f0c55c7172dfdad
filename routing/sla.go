package routing

import (
	"time"

	"buzon/ticket"
)

// SLA is by when requesters are answered. Its times are working time of its
// calendar.
type SLA struct {
	ID       string // empty: a topic's reply_within
	Calendar *Calendar

	answer, resolve byPriority
	escalate        time.Duration
}

// Answer is the time to an answer; 0: no limit.
func (s *SLA) Answer(p ticket.Priority) time.Duration { return s.answer.of(p) }

// Resolve is the time until a ticket is resolved; 0: no limit.
func (s *SLA) Resolve(p ticket.Priority) time.Duration { return s.resolve.of(p) }

// Escalate is the time after which reminders also go to those of
// reminder.escalate; 0: the second reminder does.
func (s *SLA) Escalate() time.Duration { return s.escalate }

// Due is when an answer is due to what came at a time, and the days until then on
// which the clock stands still; the zero time if there is no limit.
func (s *SLA) Due(came time.Time, p ticket.Priority) (due time.Time, skipped []DayOff) {
	answer := s.Answer(p)
	if resolve := s.Resolve(p); answer == 0 || resolve > 0 && resolve < answer {
		answer = resolve
	}
	if answer == 0 {
		return due, nil
	}
	due = s.Calendar.Add(came, answer)
	return due, s.Calendar.Skipped(came, due)
}

// SLA returns the SLA with an id, or that of the topic where there is none such.
func (t *Table) SLA(id string, topic *Topic) *SLA {
	if s := t.time.slas[id]; s != nil {
		return s
	}
	return topic.SLA
}

// Wall is the calendar of the wall clock: all hours, but those of periods in which
// the whole desk is closed.
func (t *Table) Wall() *Calendar { return t.time.wall }

// Calendar returns the calendar with an id, or nil.
func (t *Table) Calendar(id string) *Calendar { return t.time.calendars[id] }

// Included lists the files, beside the configuration itself, that the table was
// made of.
func (t *Table) Included() []string { return t.time.included }

// Away tells whether the agent is absent at a time, as the file has it.
func (a *Agent) Away(t time.Time) bool {
	day := dateOf(t.In(a.zone))
	for _, p := range a.away {
		if p.from <= day && day <= p.until {
			return true
		}
	}
	return false
}
