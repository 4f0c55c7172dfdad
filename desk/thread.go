package desk

import (
	"errors"
	"slices"

	"buzon/store"
	"buzon/ticket"
)

// Evidence that ties a message to a ticket, the strongest first.
const (
	byReplyAddress = iota + 1
	byMessageIDToken
	bySeparator
	byStoredMessageID
	byTag
)

var evidenceNames = map[int]string{
	byReplyAddress:    "signed reply address",
	byMessageIDToken:  "signed Message-ID",
	bySeparator:       "signed separator line",
	byStoredMessageID: "a known Message-ID",
	byTag:             "the subject's tag",
}

// evidence is what a message says about the ticket that it belongs to.
type evidence struct {
	ticket *ticket.Ticket
	by     int             // one of the constants above; 0: nothing was found
	person ticket.PersonID // whom the token was sent to; 0: no token
	cited  []ticket.ID     // other tickets that are named by weaker evidence
	bounce *ticket.Token   // it came to a signed bounce address
	gone   *ticket.Token   // of a ticket that is not there any more
	inside bool            // it answers a mail whose replies stay inside
	// question is what the mail answers, whatever else it names: it can be
	// nothing but an answer to it.
	question *store.Question
}

// thread looks for the ticket that the message belongs to. Tokens are believed
// because only their person was sent them; a Message-ID and a tag only say what
// the sender means, and what they may do with it is decided by identify.
func (p *planner) thread() (evidence, error) {
	var ev evidence
	looked := map[ticket.ID]*ticket.Ticket{} // most of the evidence names the same one
	take := func(by int, t ticket.Token) error {
		found, ok := looked[t.Ticket]
		if !ok {
			var err error
			if found, err = p.current(t.Ticket); err != nil {
				return err
			}
			looked[t.Ticket] = found
		}
		if found == nil { // a restored desk may not know the ticket any more
			if ev.gone == nil && t.Person != 0 {
				ev.gone = &t
			}
			return nil
		}
		switch {
		case ev.ticket == nil:
			ev.ticket, ev.by, ev.person = found, by, t.Person
		case ev.ticket.ID != found.ID:
			ev.cite(found.ID)
		case ev.by == by && p.isSender(t.Person):
			ev.person = t.Person // of two people's tokens, the sender's own
		}
		return nil
	}
	// direct: it stands in what is answered, and not in what that quotes or cites.
	check := func(by int, token string, purpose ticket.Purpose, direct bool) error {
		t, err := p.desk.keys().Check(token, purpose, p.now)
		if err != nil {
			if t, err = p.desk.keys().Check(token, purpose.Inside(), p.now); err != nil {
				return nil // forged, expired or none: as if it were not there
			}
			ev.inside = ev.inside || direct
		}
		return take(by, t)
	}

	if err := p.questioned(&ev); err != nil {
		return ev, err
	}
	for _, target := range p.m.TargetAddresses() {
		_, detail := ticket.SplitPlus(target.Address)
		if t, err := p.desk.keys().Check(detail, ticket.PurposeBounce, p.now); err == nil && ev.bounce == nil {
			ev.bounce = &t
		}
		if err := check(byReplyAddress, detail, ticket.PurposeReply, true); err != nil {
			return ev, err
		}
	}
	parents := p.m.Parents()
	for i, id := range parents {
		if token, ok := ticket.MessageIDToken(id); ok {
			if err := check(byMessageIDToken, token, ticket.PurposeMessageID, i == 0); err != nil {
				return ev, err
			}
		}
	}
	for i, token := range p.m.Separators {
		if err := check(bySeparator, token, ticket.PurposeSeparator, i == 0); err != nil {
			return ev, err
		}
	}
	for _, id := range parents {
		refs, err := p.tx.TicketsByMessageID(id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return ev, err
		}
		for _, ref := range refs {
			if err := take(byStoredMessageID, ticket.Token{Ticket: ref.Ticket}); err != nil {
				return ev, err
			}
		}
	}
	for _, n := range ticket.Tags(p.m.Subject) {
		id, ok := p.tx.TicketNumbered(n)
		if !ok {
			continue
		}
		if err := take(byTag, ticket.Token{Ticket: id}); err != nil {
			return ev, err
		}
	}
	return ev, nil
}

// current finds the ticket with an id, or the one that it was merged into; nil
// when there is none any more.
func (p *planner) current(id ticket.ID) (*ticket.Ticket, error) {
	for range 10 { // merged again and again; a circle can't be made
		t, err := p.tx.Ticket(id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if t.IsHidden() {
			return nil, nil
		}
		if t.MergedInto.IsZero() {
			return t, nil
		}
		id = t.MergedInto
	}
	return nil, nil
}

func (ev *evidence) cite(id ticket.ID) {
	if !slices.Contains(ev.cited, id) {
		ev.cited = append(ev.cited, id)
	}
}

// isSender tells whether the message's From is the person's registered address.
func (p *planner) isSender(id ticket.PersonID) bool {
	person, err := p.storedPerson(id)
	return err == nil && p.isOf(person, p.m.From.Addr)
}

// questioned looks for the token of a question, wherever it stands. An expired
// one counts: its question says what became of it.
func (p *planner) questioned(ev *evidence) error {
	var tokens []string
	for _, target := range p.m.TargetAddresses() {
		_, detail := ticket.SplitPlus(target.Address)
		tokens = append(tokens, detail)
	}
	for _, id := range p.m.Parents() {
		token, _ := ticket.MessageIDToken(id)
		tokens = append(tokens, token)
	}
	for _, token := range append(tokens, p.m.Separators...) {
		for kind, purpose := range questionPurposes {
			t, err := p.desk.keys().Check(token, purpose, p.now)
			if err != nil && !errors.Is(err, ticket.ErrExpiredToken) {
				continue
			}
			q, err := p.tx.Question(t.Ticket)
			if errors.Is(err, store.ErrNotFound) {
				continue // a restored desk may not know it any more
			} else if err != nil {
				return err
			}
			if q.Kind == kind && q.Person == t.Person {
				ev.question = q
				return nil
			}
		}
	}
	return nil
}
