package desk

import (
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// askFor is how long a question can be answered. What is held is there for the
// operators afterwards.
const askFor = 14 * 24 * time.Hour

// questionPurposes says what the tokens of a question's mail are good for.
var questionPurposes = map[string]ticket.Purpose{
	store.QuestionRelease: ticket.PurposeRelease,
	store.QuestionAddress: ticket.PurposeAddress,
}

// mayTell tells whether an automatic mail may be sent to a person because of the
// message, and counts it.
func (p *planner) mayTell(person *ticket.Person) (bool, error) {
	if p.m.Envelope.Backlog || !p.m.AutoReplyAllowed && p.m.Kind != ticket.KindHuman {
		return false, nil
	}
	sent, err := p.tx.CountAutomatic(person.Address.Key(), p.now.Add(-hour))
	if err != nil || sent >= p.setting.Table.Config.Desk.AutomaticPerHour {
		return false, err
	}
	p.noted = append(p.noted, person.Address.Key())
	return true, nil
}

// askRelease asks the agent in whose name a held message comes whether it is
// theirs. The question goes to the registered address, and its answer suffices
// for this message alone.
func (p *planner) askRelease(t *ticket.Ticket, who sender, person *ticket.Person) error {
	id, err := ticket.NewID(p.desk.Random, p.now)
	if err != nil {
		return err
	}
	q := &store.Question{
		ID: id, Kind: store.QuestionRelease, Person: person.ID, Ticket: t.ID, Address: p.m.From.Key(),
		At: p.now, Expires: p.now.Add(askFor),
	}
	lang := who.owner.Language
	l := p.inquire("held", lang, q, person)
	l.data.Subject = maskedSubject(p.setting.Table, t)
	l.data.Reason = templates.Phrase(lang, who.why)
	l.data.Requester = shown(p.m.From)
	l.data.Text = ticket.StripTokens(p.m.ReplyText)
	l.give("ask.mine", "si")
	always, err := p.adoptable(q.Address, person)
	if err != nil {
		return err
	}
	if always {
		l.give("ask.always", "si siempre")
	}
	l.give("ask.notmine", "no")
	p.asked = append(p.asked, q)
	return nil
}

// askAddress asks someone of the requester's side whether the address is theirs
// from which their token came: once for each address, at the registered one.
func (p *planner) askAddress(t *ticket.Ticket, person *ticket.Person) error {
	if !p.m.AutoReplyAllowed || p.m.Courtesy {
		return nil
	}
	from := p.m.From.Key()
	digest, err := hex.DecodeString(p.tx.Digest([]byte("address\x00" + person.Address.Key() + "\x00" + from)))
	if err != nil {
		return err
	}
	id := ticket.ID(digest)
	if _, err := p.tx.Question(id); !errors.Is(err, store.ErrNotFound) {
		return err // was asked
	}
	if ok, err := p.adoptable(from, person); !ok || err != nil {
		return err
	}
	if ok, err := p.mayTell(person); !ok || err != nil {
		return err
	}
	q := &store.Question{
		ID: id, Kind: store.QuestionAddress, Person: person.ID, Ticket: t.ID, Address: from,
		At: p.now, Expires: p.now.Add(askFor),
	}
	lang := p.langOf(t, person)
	l := p.inquire("question", lang, q, person)
	l.data.Subject = templates.Phrase(lang, "title.address", from)
	l.data.Lines = []string{templates.Phrase(lang, "ask.address", t.Number.String(), from)}
	l.data.Hint = templates.Phrase(lang, "hint.address")
	l.give("ask.me", "si")
	l.give("ask.notme", "no")
	p.asked = append(p.asked, q)
	p.fact("asked whether an address is theirs", ticket.LogTo, ticket.Domain(person.Address.Addr), ticket.LogFrom, ticket.Domain(from))
	return nil
}

// adoptable tells whether an address can become one of the person's: it is not
// theirs yet and nobody else's, neither an agent's nor the desk's.
func (p *planner) adoptable(addr string, person *ticket.Person) (bool, error) {
	table := p.setting.Table
	owner, err := p.known(addr)
	switch {
	case err != nil:
		return false, err
	case p.m.FromRewritten || addr == "" || len(person.Also) >= ticket.MaxAlso:
		return false, nil
	case p.isOf(person, addr) || table.Own(addr) || table.Group(addr) || p.agentAt(addr, owner) != nil:
		return false, nil
	}
	// Someone may be registered under it: that was the person, writing from it.
	return owner == nil || owner.Address.Key() == ticket.AddressKey(addr), nil
}

// inquire begins a letter about a question. It is a conversation of its own, and
// all of its tokens are the question's, so that nothing that answers it can reach
// a ticket's requester.
func (p *planner) inquire(template, lang string, q *store.Question, to *ticket.Person) *letter {
	table := p.setting.Table
	topic, number := table.CatchAll(), ""
	if t, err := p.tx.Ticket(q.Ticket); err == nil {
		topic, number = p.topicOf(t), t.Number.String()
	}
	token := p.desk.keys().Mint(ticket.Token{Ticket: q.ID, Person: q.Person, Purpose: questionPurposes[q.Kind], Expires: q.Expires.Add(day)})
	class := ticket.ClassNotification
	if q.Kind == store.QuestionAddress { // it asks someone of the requester's side
		class = ticket.ClassConfirmation
	}
	l := &letter{template: template, lang: lang, class: class, topic: topic, to: to}
	l.draft = ticket.Draft{
		To: to.Address, EnvelopeFrom: topic.Sender(), Class: l.class, Date: p.setting.local(p.now),
		MessageID: ticket.MessageID(token, p.desk.nonce(10), table.Config.Desk.Hostname),
	}
	l.token = ticket.SeparatorToken(token)
	if base := table.ReplyBase(topic); base != "" {
		l.draft.ReplyTo = ticket.WithPlus(base, token)
		l.draft.EnvelopeFrom = ticket.WithPlus(base, p.desk.keys().Mint(ticket.Token{
			Ticket: q.Ticket, Person: to.ID, Purpose: ticket.PurposeBounce, Expires: p.now.Add(asDuration(table.Config.Desk.TokenLifetime)),
		}))
	}
	l.data = templates.Data{
		Desk: table.Config.Desk.Name, Hostname: table.Config.Desk.Hostname, Number: number,
		Separator: ticket.SeparatorToken(token), Received: p.setting.local(p.now),
	}
	p.letters = append(p.letters, l)
	return l
}

// give adds an answer that can be given with one tap.
func (l *letter) give(phrase, word string) {
	if l.lang == "en" {
		word = strings.NewReplacer("siempre", "always", "si", "yes").Replace(word)
	}
	l.action(templates.Phrase(l.lang, phrase), "/"+word)
}

// langOf is the language to write to someone of the requester's side in.
func (p *planner) langOf(t *ticket.Ticket, person *ticket.Person) string {
	for _, lang := range []string{person.Language, t.Language} {
		if lang != "" {
			return lang
		}
	}
	return p.setting.Table.Config.Desk.Language
}

// languageOf is that of an agent, or else of someone of the requester's side.
func (p *planner) languageOf(q *store.Question, t *ticket.Ticket, agent *routing.Agent, person *ticket.Person) string {
	if q.Kind == store.QuestionRelease && agent != nil {
		return agent.Language
	}
	return p.langOf(t, person)
}
