package desk

import (
	"fmt"

	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// decide handles an answer to a question: yes or no, once, from one of the
// person's own addresses. It is the question's answer or nothing: whatever it
// says, it reaches no requester.
func (p *planner) decide(ev evidence) error {
	q := *ev.question
	t, err := p.tx.Ticket(q.Ticket)
	if err != nil {
		return err
	}
	person, err := p.tx.Person(q.Person)
	if err != nil {
		return err
	}
	from, err := p.known(p.m.From.Addr)
	if err != nil {
		return err
	}
	p.about = t.ID
	agent := p.setting.Table.AgentByAddress(person.Address.Addr)
	theirs := p.isOf(person, p.m.From.Addr)
	if q.Kind == store.QuestionRelease {
		theirs = agent != nil && p.agentAt(p.m.From.Addr, from) == agent
	} else {
		// The mailbox that is asked about may be where they read the question.
		theirs = theirs || p.m.From.Key() == q.Address
	}
	theirs = theirs && !p.m.FromRewritten

	tell := func(key string, args ...string) error {
		ok, err := p.mayTell(person)
		if !ok || err != nil {
			return err
		}
		lang := p.languageOf(&q, t, agent, person)
		l := p.inquire("question", lang, &q, person)
		l.data.Subject = templates.Phrase(lang, "title.question", t.Number.String())
		l.data.Lines = []string{templates.Phrase(lang, key, args...)}
		return nil
	}
	word, rest := ticket.ReadAssent(p.m.ReplyText)
	switch {
	case q.Kind == store.QuestionRelease && agent == nil:
		p.ignore("an answer of someone who is no agent any more")
		return nil
	case !theirs:
		p.ignore("an answer to a question, from an address that is not the person's")
		if q.Answer != "" || q.Warned {
			return nil
		}
		q.Warned = true
		p.decided = append(p.decided, &q)
		return tell("word.elsewhere", p.m.From.Addr)
	case word == "" && q.Kind == store.QuestionAddress:
		// They go on about their request: that is a reply like any other.
		p.about = ticket.ID{}
		return p.person(evidence{ticket: t, by: byReplyAddress, person: person.ID})
	case word == "":
		p.ignore("neither yes nor no")
		if err := tell("word.unclear"); err != nil || len(p.letters) == 0 {
			return err
		}
		l := p.letters[len(p.letters)-1]
		l.data.Text = ticket.StripTokens(p.m.ReplyText)
		if q.Answer == "" {
			l.give("ask.mine", "si")
			l.give("ask.notmine", "no")
		}
		return nil
	}

	if open, err := p.isOpen(&q); err != nil {
		return err
	} else if !open {
		p.ignore("the question was dealt with before")
		return tell("word.already")
	}
	if p.now.After(q.Expires) {
		p.ignore("the question has expired")
		return tell("word.expired")
	}
	if word == ticket.AssentAlways && q.Kind == store.QuestionAddress {
		word = ticket.AssentYes
	}
	q.Answer, q.Answered = string(word), p.now
	p.decided = append(p.decided, &q)
	p.event(ticket.Event{Kind: ticket.EventDecided, Person: person.ID, Detail: string(word)})
	said, err := p.carryOut(&q, word, person)
	if err != nil {
		return err
	}
	if err := tell(said, q.Address); err != nil || len(p.letters) == 0 {
		return err
	}
	if l := p.letters[len(p.letters)-1]; rest != "" {
		l.data.Lines = append(l.data.Lines, templates.Phrase(l.lang, "word.rest"))
		l.data.Text = ticket.StripTokens(rest)
	}
	return nil
}

// isOpen tells whether a question still waits for its answer; an operator may
// have dealt with what is held.
func (p *planner) isOpen(q *store.Question) (bool, error) {
	if q.Answer != "" || q.Kind != store.QuestionRelease {
		return q.Answer == "", nil
	}
	row, err := p.tx.Held(q.Held)
	return err == nil && row.State == store.HeldKept, err
}

// carryOut does what the answer says, and returns the phrase that tells of it.
func (p *planner) carryOut(q *store.Question, word ticket.Assent, person *ticket.Person) (phrase string, err error) {
	p.change.outcome = p.outcome(ticket.EventDecided, q.Kind+": "+string(word))
	p.fact("decided", ticket.LogReason, q.Kind+": "+string(word))
	switch {
	case q.Kind == store.QuestionAddress && word == ticket.AssentNo:
		return "word.refused", nil
	case q.Kind == store.QuestionAddress:
		return "word.confirmed", p.adopt(q, person)
	case word == ticket.AssentNo:
		p.also = func(tx *store.Tx) error {
			row, err := tx.Held(q.Held)
			if err != nil {
				return err
			}
			if row.State != store.HeldKept {
				return fmt.Errorf("held message %d: %w (%s)", q.Held, ErrSettled, row.State)
			}
			row.State = store.HeldDropped
			return tx.PutHeld(row)
		}
		p.event(ticket.Event{Kind: ticket.EventDropped, Object: q.Held, Person: person.ID, Detail: "held"})
		return "word.dropped", nil
	}
	if p.with, err = p.desk.planAgain(p.tx, p.setting, held(q.Held, "held")); err != nil {
		return "", err
	}
	p.change.outcome.Ticket, p.change.outcome.Number = p.with.outcome.Ticket, p.with.outcome.Number
	if word != ticket.AssentAlways {
		return "word.released", nil
	}
	if ok, err := p.adoptable(q.Address, person); !ok || err != nil {
		return "word.released", err
	}
	return "word.always", p.adopt(q, person)
}

// adopt makes the address that was asked about one of the person's.
func (p *planner) adopt(q *store.Question, person *ticket.Person) error {
	ok, err := p.adoptable(q.Address, person)
	if ok {
		p.adopted = append(p.adopted, adoption{person.ID, q.Address})
	}
	return err
}
