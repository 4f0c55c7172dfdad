package ticket

import "time"

// Erased says when the content of something was erased, and by which event of the
// journal.
type Erased struct {
	At    time.Time `json:"at"`
	Event uint64    `json:"event"`
}

// LegalHold keeps a ticket from retention and erasure.
type LegalHold struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// IsHidden tells whether the ticket is none for anybody any more: deleted, or
// erased.
func (t *Ticket) IsHidden() bool { return !t.Deleted.IsZero() || t.Erased != nil }

// Erase takes all content out of the ticket. What remains is what is counted: its
// number, where it stood, with whom, and when.
func (t *Ticket) Erase(by Erased) {
	t.Subject, t.Labels, t.Fields, t.Undo, t.Erased = "", nil, nil, nil, &by
	t.WarnAt, t.RemindAt = time.Time{}, time.Time{}
	parts := make([]Participant, len(t.Participants))
	for i, p := range t.Participants {
		parts[i] = Participant{Person: p.Person, Role: p.Role}
	}
	t.Participants = parts
}

// Erase takes all content out of an entry of a thread.
func (e *Entry) Erase() {
	*e = Entry{Ticket: e.Ticket, Seq: e.Seq, Kind: e.Kind, Author: e.Author, Role: e.Role, At: e.At, Verdict: e.Verdict, Unverified: e.Unverified}
}

// IsBare tells whether an entry has no content.
func (e *Entry) IsBare() bool {
	return e.Text == "" && e.Quoted == "" && e.AuthorName == "" && e.MessageID == "" && len(e.Files) == 0 && e.Archive.IsZero()
}

// Erase makes a person one of whom nothing is known.
func (p *Person) Erase(by Erased) { *p = Person{ID: p.ID, Created: p.Created, Erased: &by} }
