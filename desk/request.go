package desk

import (
	"slices"
	"strings"
	"time"

	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// request opens a ticket.
func (p *planner) request(ev evidence) error {
	from := p.opening()
	decision, err := p.matchNew(from)
	if err != nil {
		return err
	}
	if decision.Hold && !decision.Junk() && !p.replay.again {
		p.holdByRule(nil, &decision)
		return nil
	}
	if from.agent == nil {
		from.from = p.setting.Table.Requester(&decision, p.m)
	}
	requester, err := p.personFor(from.from)
	if err != nil {
		return err
	}
	if requester.Address.Name == "" && from.from.Name != "" { // was copied in before, by address
		requester.Address.Name = from.from.Name
		p.touch(requester)
	}
	if requester.Language == "" && from.agent == nil && p.m.Language != "" {
		requester.Language = p.m.Language // their first mail that leaves no doubt
		p.touch(requester)
	}
	id, err := ticket.NewID(p.desk.Random, p.now)
	if err != nil {
		return err
	}
	topic := decision.Topic
	t := &ticket.Ticket{
		ID:        id,
		Subject:   requestSubject(from, p.language(topic, requester)),
		Topic:     topic.ID,
		Status:    ticket.StatusOpen,
		Language:  p.language(topic, requester),
		Requester: requester.ID,
		Priority:  topic.Priority,
		Created:   p.now,
	}
	p.ticket = t
	p.placeholder = p.desk.nonce(12)
	p.assign(t, &decision)
	if !p.m.Envelope.Backlog && !decision.Junk() {
		p.setting.clocks(t, p.now)
	}
	if ev.ticket != nil {
		t.Linked = append(t.Linked, ev.ticket.ID)
	}
	t.Linked = append(t.Linked, ev.cited...)

	p.entry(&ticket.Entry{
		Kind: ticket.EntryRequest, Author: requester.ID, AuthorName: requester.Address.Name, Role: ticket.RoleRequester,
		Text: from.text, Archive: p.m.Archive, MessageID: p.m.MessageID, Files: p.m.Attachments, Verdict: p.m.Kind,
		Unverified: from.unverified,
	})
	p.event(ticket.Event{Kind: ticket.EventTicketed, Entry: 1, Person: requester.ID, Detail: topic.ID})
	p.change.outcome = p.outcome(ticket.EventTicketed, topic.ID)
	p.fact("ticketed", ticket.LogFrom, ticket.Domain(p.m.From.Addr), ticket.LogKind, p.m.Kind)
	p.recordDecision(&decision)

	if err := p.readRequest(topic, requester, from); err != nil {
		return err
	}
	part := t.Join(requester.ID, ticket.RoleRequester)
	if from.agent != nil {
		if err := p.noteBehalf(from); err != nil {
			return err
		}
	} else {
		part.Note(p.m.MessageID)
	}
	if err := p.mark(t, &decision); err != nil {
		return err
	}
	if reason := p.silent(&decision); reason != "" {
		p.fact("told nobody", ticket.LogReason, reason)
		return nil
	}
	return p.tellOfRequest(from, topic, requester, &decision)
}

// tellOfRequest confirms a new ticket to its requester and tells the agents.
func (p *planner) tellOfRequest(from opening, topic *routing.Topic, requester *ticket.Person, d *routing.Decision) error {
	if d.Refuse != nil {
		p.fact("told nobody", ticket.LogReason, "a rule refuses it")
		return p.respond(d.Refuse, topic, requester)
	}
	if err := p.involveAll(p.ticket, d); err != nil {
		return err
	}
	var err error
	switch {
	case from.unverified:
		p.fact("not confirmed", ticket.LogReason, "nothing vouches for the agent who opened it")
	case d.Canned != nil:
		err = p.respond(d.Canned, topic, requester)
	default:
		err = p.confirm(topic, requester, d.NoAutoresponse)
	}
	if err != nil {
		return err
	}
	if err := p.sendOn(topic, d, from.text); err != nil {
		return err
	}
	if d.Quiet != "" {
		p.fact("told nobody", ticket.LogReason, d.Quiet)
		return nil
	}
	open, err := p.alreadyOpen(requester)
	if err != nil {
		return err
	}
	told, err := p.tellAgents(topic, "notification", from.text, func(l *letter) {
		l.data.Unverified = from.unverified
		if from.note != "" {
			l.data.Thread = []templates.Item{{When: p.setting.local(p.now), Author: from.agent.Name, Kind: string(ticket.EntryNote), Text: from.note}}
		}
		p.withNotes(l, d)
		p.offerMerge(l, topic, open)
	})
	if err != nil {
		return err
	}
	if from.agent != nil {
		told = append(told, from.agent.ID)
		if err := p.tellBehalf(from, topic, requester); err != nil {
			return err
		}
	}
	return p.referTo(p.otherTopics(topic, d.First), told, from.text)
}

// silent says why nobody at all is written to; empty: people are.
func (p *planner) silent(d *routing.Decision) string {
	switch {
	case d.Blocked != "":
		return "the sender is blocked: " + d.Blocked
	case d.Junk():
		return "a rule says that it is junk"
	case p.m.Envelope.Backlog:
		return "it was in the mailbox before the desk first looked"
	}
	return ""
}

// bounceRest is how long no automatic mail goes to an address that bounced.
const bounceRest = 7 * 24 * time.Hour

// confirm tells the requester that the request has arrived, unless a machine
// must not answer it.
func (p *planner) confirm(topic *routing.Topic, requester *ticket.Person, ruledOut bool) error {
	reason := ""
	switch {
	case !p.m.AutoReplyAllowed:
		reason = "an automatic answer is not allowed: " + p.m.KindReason
	case ruledOut:
		reason = "a rule says so"
	case !topic.Autoresponse:
		reason = "topic " + topic.ID + " sends none"
	}
	if reason != "" {
		p.fact("not confirmed", ticket.LogReason, reason)
		return nil
	}
	if ok, err := p.mayWriteTo(requester); !ok || err != nil {
		return err
	}
	l := p.letter("confirmation", ticket.ClassConfirmation, topic, requester, ticket.RoleRequester)
	if closed := p.setting.slaOf(p.ticket).Calendar.Closed(p.now); closed != nil {
		l.data.Closing = strings.TrimSpace(closed.Text(l.lang))
	}
	p.inform(l, requester)
	l.offer("status", ticket.CommandStatus)
	l.data.Missing = p.missing(topic, l.lang)
	p.noted = append(p.noted, requester.Address.Key())
	return nil
}

// mayWriteTo tells whether a person may be sent automatic mail at present.
func (p *planner) mayWriteTo(person *ticket.Person) (bool, error) {
	reason := ""
	limit := p.setting.Table.Config.Desk.AutomaticPerHour
	switch sent, err := p.tx.CountAutomatic(person.Address.Key(), p.now.Add(-hour)); {
	case err != nil:
		return false, err
	case p.setting.Table.Own(person.Address.Addr):
		reason = "the sender is an address of the desk"
	case p.now.Before(person.Bounced.Add(bounceRest)):
		reason = "mail to this address came back as undeliverable"
	case sent >= limit:
		reason = "the hour's limit of automatic mail to this address is reached"
	}
	if reason != "" {
		p.fact("not confirmed", ticket.LogReason, reason)
	}
	return reason == "", nil
}

// otherTopics are the further topics that the same delivery is addressed to, besides
// those that have got it already, or from which a rule has taken it.
func (p *planner) otherTopics(except ...*routing.Topic) []*routing.Topic {
	var others []*routing.Topic
	for _, addr := range p.m.Envelope.Recipients {
		t := p.setting.Table.TopicByAddress(addr)
		if t != nil && !slices.Contains(except, t) && !slices.Contains(others, t) {
			others = append(others, t)
		}
	}
	return others
}

// referTo brings the agents of further topics into the ticket.
func (p *planner) referTo(topics []*routing.Topic, told []string, text string) error {
	for _, topic := range topics {
		p.entry(&ticket.Entry{Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "referred to topic " + topic.ID})
		p.event(ticket.Event{Kind: ticket.EventNoted, Detail: topic.ID})
		p.fact("referred", ticket.LogTopic, topic.ID, ticket.LogReason, "the same message is addressed to it too")
		for _, agent := range topic.Agents() {
			if slices.Contains(told, agent.ID) {
				continue
			}
			told = append(told, agent.ID)
			if err := p.tellAgent(agent, topic, "notification", text, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// personFor finds the person with an address, or makes a new one.
func (p *planner) personFor(a ticket.Address) (*ticket.Person, error) {
	for _, fresh := range p.people {
		if fresh.Address.Key() == a.Key() {
			return fresh, nil
		}
	}
	found, err := p.known(a.Addr)
	if found != nil || err != nil {
		return found, err
	}
	return p.newPerson(a)
}

func (p *planner) newPerson(a ticket.Address) (*ticket.Person, error) {
	id, err := p.desk.personID()
	if err != nil {
		return nil, err
	}
	fresh := &ticket.Person{ID: id, Address: a, Language: p.m.Language, Created: p.now}
	p.people = append(p.people, fresh)
	return fresh, nil
}

func (p *planner) agentPerson(agent *routing.Agent) (*ticket.Person, error) {
	// Nobody else becomes the agent by having said that the address is theirs.
	a := ticket.Address{Name: agent.Name, Addr: agent.Addresses[0]}
	for _, fresh := range p.people {
		if fresh.Address.Key() == a.Key() {
			return fresh, nil
		}
	}
	found, err := p.registered(a.Addr)
	if found != nil || err != nil {
		return found, err
	}
	return p.newPerson(a)
}

// language is the one to write to a requester in: their mail's, where it is
// sure, else what is known of them, else the topic's.
func (p *planner) language(topic *routing.Topic, person *ticket.Person) string {
	for _, lang := range []string{p.m.Language, person.Language, topic.Language} {
		if lang != "" {
			return lang
		}
	}
	return p.setting.Table.Config.Desk.Language
}

const subjectWords = 8

// requestSubject is the mail's subject without tags; without one, it says so and
// gives the first words.
func requestSubject(o opening, lang string) string {
	if s := ticket.WithoutTags(o.subject); s != "" {
		return s
	}
	none := "(sin asunto)"
	if lang == "en" {
		none = "(no subject)"
	}
	words := strings.Fields(o.text)
	if len(words) > subjectWords {
		words = append(words[:subjectWords:subjectWords], "…")
	}
	return strings.TrimSpace(none + " " + strings.Join(words, " "))
}
