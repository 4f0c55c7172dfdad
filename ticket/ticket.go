package ticket

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Status is where a ticket stands.
type Status string

const (
	StatusOpen     Status = "open"     // the desk's turn
	StatusWaiting  Status = "waiting"  // the requester's turn
	StatusResolved Status = "resolved" // answered for good, as the agent sees it
	StatusClosed   Status = "closed"
)

// Statuses lists every status in the order of a ticket's life.
var Statuses = []Status{StatusOpen, StatusWaiting, StatusResolved, StatusClosed}

// IsActive tells whether someone still owes the ticket something.
func (s Status) IsActive() bool { return s == StatusOpen || s == StatusWaiting }

// transitions lists where each status may lead.
var transitions = map[Status][]Status{
	StatusOpen:     {StatusWaiting, StatusResolved, StatusClosed},
	StatusWaiting:  {StatusOpen, StatusResolved, StatusClosed},
	StatusResolved: {StatusOpen, StatusWaiting, StatusClosed},
	StatusClosed:   {StatusOpen},
}

// Ticket is one request and all that came of it. Its entries are kept apart.
type Ticket struct {
	ID        ID       `json:"id"`
	Number    Number   `json:"number"`
	Revision  uint64   `json:"revision"` // counts changes; for optimistic writers
	Subject   string   `json:"subject"`  // without tag
	Topic     string   `json:"topic"`
	Assignee  string   `json:"assignee,omitempty"` // agent id of the configuration
	Team      string   `json:"team,omitempty"`
	Status    Status   `json:"status"`
	Language  string   `json:"language"`
	Requester PersonID `json:"requester"`
	Behalf    PersonID `json:"behalf,omitempty"` // the agent who opened it in the requester's name; zero: nobody

	Priority Priority          `json:"priority,omitempty"`
	Labels   []string          `json:"labels,omitempty"` // folded, sorted
	Fields   map[string]string `json:"fields,omitempty"` // of the topic's form
	SLA      string            `json:"sla,omitempty"`    // id of the service level that a rule has given it; empty: the topic's

	Participants []Participant `json:"participants"`
	Linked       []ID          `json:"linked,omitempty"`
	MergedInto   ID            `json:"merged_into,omitzero"` // it goes on there
	Merged       []ID          `json:"merged,omitempty"`     // those that go on here
	Referred     []string      `json:"referred,omitempty"`   // agents and teams who take part beside whoever has it, by id
	Moved        bool          `json:"moved,omitempty"`      // the requester was told of a transfer
	Spam         bool          `json:"spam,omitempty"`
	Deleted      time.Time     `json:"deleted,omitzero"` // hidden from everybody since
	Erased       *Erased       `json:"erased,omitempty"` // its content is gone; it goes nowhere any more
	Hold         *LegalHold    `json:"hold,omitempty"`   // neither retention nor erasure touches it
	Helped       int8          `json:"helped,omitempty"` // what the requester said of the answer: 1 it helped, -1 it did not
	Entries      uint32        `json:"entries"`          // how many there are; the newest has this number

	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Answered time.Time `json:"answered,omitzero"` // first answer of an agent
	Closed   time.Time `json:"closed,omitzero"`
	// AnswerClock measures the time to the desk's next answer, and ResolveClock the
	// time until the ticket is resolved. Both stand still while it is the
	// requester's turn.
	AnswerClock  Clock `json:"answer_clock,omitzero"`
	ResolveClock Clock `json:"resolve_clock,omitzero"`
	// AnswerDue is when the first answer was due, and ResolveDue when it was due to be
	// resolved, as it was last worked out; kept when that has happened. Zero: no limit.
	AnswerDue  time.Time `json:"answer_due,omitzero"`
	ResolveDue time.Time `json:"resolve_due,omitzero"`
	// Due is when the desk's next step is overdue; zero while it owes none.
	Due time.Time `json:"due,omitzero"`
	// WarnAt is when it is warned of Due; zero: it was, or won't be.
	WarnAt time.Time `json:"warn_at,omitzero"`
	// Reminded counts the reminders that were sent for this Due, and RemindAt is
	// when the ticket is looked at next, for a warning, a reminder, or because nobody
	// writes any more; zero: never.
	Reminded int       `json:"reminded,omitempty"`
	RemindAt time.Time `json:"remind_at,omitzero"`
	// DueFixed: a person has set Due, to Promised; no rule changes it.
	DueFixed bool      `json:"due_fixed,omitempty"`
	Promised time.Time `json:"promised,omitzero"`
	// Nudged is when the requester was last told that it will be closed unless they
	// write.
	Nudged time.Time `json:"nudged,omitzero"`
	// Undo is how the ticket was before the last mail of commands.
	Undo *Undo `json:"undo,omitempty"`
}

// Undo is what /undo takes back: the last change that an agent's mail made.
type Undo struct {
	By      PersonID `json:"by"`
	Entry   uint32   `json:"entry"`   // the entry of that mail; a later one means that the ticket has moved on
	Before  *Ticket  `json:"before"`  // without its own Undo
	Blocked bool     `json:"blocked"` // the requester was blocked by it
}

// Priority is how urgent a ticket is. The zero value is normal.
type Priority string

const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = ""
	PriorityHigh   Priority = "high"
	PriorityUrgent Priority = "urgent"
)

var priorityWords = map[string]Priority{
	"baja": PriorityLow, "low": PriorityLow, "normal": PriorityNormal, "media": PriorityNormal, "medium": PriorityNormal,
	"alta": PriorityHigh, "high": PriorityHigh, "urgente": PriorityUrgent, "urgent": PriorityUrgent,
}

// ParsePriority reads a priority in Spanish or English.
func ParsePriority(word string) (Priority, bool) {
	p, ok := priorityWords[FoldWord(word)]
	return p, ok
}

// Copy returns a ticket that shares nothing with this one that either may change.
func (t *Ticket) Copy() *Ticket {
	c := *t
	c.Labels = slices.Clone(t.Labels)
	c.Fields = maps.Clone(t.Fields)
	c.Participants = slices.Clone(t.Participants)
	for i := range c.Participants {
		c.Participants[i].Thread = slices.Clone(c.Participants[i].Thread)
	}
	c.Linked = slices.Clone(t.Linked)
	c.Merged = slices.Clone(t.Merged)
	c.Referred = slices.Clone(t.Referred)
	if t.Hold != nil {
		hold := *t.Hold
		c.Hold = &hold
	}
	if t.Undo != nil {
		undo := *t.Undo
		c.Undo = &undo
	}
	return &c
}

// Leave takes a person out of the ticket. It tells whether they took part.
func (t *Ticket) Leave(id PersonID) bool {
	before := len(t.Participants)
	t.Participants = slices.DeleteFunc(t.Participants, func(p Participant) bool { return p.Person == id })
	return len(t.Participants) < before
}

// SetStatus moves the ticket to a status. Moving to the present one is allowed
// and does nothing. It returns an error when the way there is not allowed.
func (t *Ticket) SetStatus(to Status, now time.Time) error {
	if t.Status == to {
		return nil
	}
	if t.Status != "" && !slices.Contains(transitions[t.Status], to) {
		return fmt.Errorf("a ticket can't go from %s to %s", t.Status, to)
	}
	t.Status = to
	t.Closed = time.Time{}
	if to == StatusClosed {
		t.Closed = now
	}
	if to != StatusOpen {
		t.Owe(time.Time{})
	}
	return nil
}

// Owe sets when the desk's next step is due; zero: it owes none. What was reminded
// of counts for a due time; the same one again changes nothing.
func (t *Ticket) Owe(due time.Time) {
	if due.IsZero() || !due.Equal(t.Due) {
		t.Due, t.WarnAt, t.Reminded, t.RemindAt = due, time.Time{}, 0, due
	}
}

// Participant returns the person's part in the ticket, or nil. The pointer is
// good until participants are added.
func (t *Ticket) Participant(id PersonID) *Participant {
	for i := range t.Participants {
		if t.Participants[i].Person == id {
			return &t.Participants[i]
		}
	}
	return nil
}

// Join makes the person a participant, unless they are one, and returns their
// part. An existing part keeps its role.
func (t *Ticket) Join(id PersonID, role Role) *Participant {
	if p := t.Participant(id); p != nil {
		return p
	}
	t.Participants = append(t.Participants, Participant{Person: id, Role: role})
	return &t.Participants[len(t.Participants)-1]
}

// EntryKind is what an item of a ticket's thread is.
type EntryKind string

const (
	EntryRequest EntryKind = "request" // what opened the ticket
	EntryReply   EntryKind = "reply"   // from the requester's side
	EntryAnswer  EntryKind = "answer"  // from an agent, sent to the requester
	EntryNote    EntryKind = "note"    // from an agent or an automaton, inside only
	EntryEvent   EntryKind = "event"   // something that happened: closed, assigned, bounced
)

// Entry is one item of a ticket's thread.
type Entry struct {
	Ticket     ID           `json:"ticket"`
	Seq        uint32       `json:"seq"` // from 1, without gaps
	Kind       EntryKind    `json:"kind"`
	Author     PersonID     `json:"author,omitempty"` // zero: the desk itself
	AuthorName string       `json:"author_name,omitempty"`
	Role       Role         `json:"role"`
	At         time.Time    `json:"at"`
	Text       string       `json:"text"`             // what was newly written, or the event
	Quoted     string       `json:"quoted,omitempty"` // what was cut away, signature included
	Archive    ArchiveRef   `json:"archive,omitzero"`
	MessageID  string       `json:"message_id,omitempty"`
	Files      []Attachment `json:"files,omitempty"`
	Verdict    Kind         `json:"verdict,omitempty"`
	// Unverified marks an entry whose sender could not be shown to be who they
	// say they are.
	Unverified bool `json:"unverified,omitempty"`
}
