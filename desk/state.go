package desk

import (
	"errors"
	"slices"
	"strings"

	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// question asks for the state of a ticket, or of all of the sender's.
type question struct {
	number string // empty: of all
	lang   string // of the word it was asked with
}

var stateWords = map[string]string{"estado": "es", "status": "en"}

// asksState reads the question from a mail that is nothing else: its subject is
// the word, with or without a number, and it has no text or the same once more.
func (p *planner) asksState() (question, bool) {
	if !p.m.AutoReplyAllowed || p.m.Forwarded != nil || p.hasFiles() {
		return question{}, false
	}
	q, ok := readQuestion(p.m.Subject)
	if !ok {
		return q, false
	}
	text := strings.TrimSpace(p.m.ReplyText)
	if text == "" {
		return q, strings.TrimSpace(p.m.Text) == "" || p.m.QuotedText != "" || p.m.Signature != ""
	}
	more, ok := readQuestion(strings.TrimLeft(text, "/."))
	if _, err := ticket.ParseNumber(text); err == nil {
		more.number, ok = text, true
	}
	if q.number == "" {
		q.number = more.number
	}
	return q, ok && (more.number == q.number || more.number == "")
}

// readQuestion reads estado, estado 003181 or Re: estado [#003181].
func readQuestion(line string) (q question, ok bool) {
	numbers := ticket.Tags(line)
	words := strings.Fields(ticket.WithoutTags(line))
	for len(words) > 0 && strings.HasSuffix(words[0], ":") && len(words[0]) <= 4 {
		words = words[1:] // Re:, RV:
	}
	if len(words) == 0 || len(words) > 2 {
		return q, false
	}
	if q.lang, ok = stateWords[ticket.FoldWord(words[0])]; !ok {
		return q, false
	}
	switch {
	case len(words) == 2:
		if _, err := ticket.ParseNumber(words[1]); err != nil {
			return q, false
		}
		q.number = words[1]
	case len(numbers) > 0:
		q.number = numbers[0].String()
	}
	return q, true
}

// askedState answers a question for the state, which opens no ticket.
func (p *planner) askedState(q question) error {
	person, err := p.known(p.m.From.Addr)
	if err != nil {
		return err
	}
	return p.state(q, person)
}

// state answers a question of a person's, or of nobody's (nil). Whoever asks for
// what is not theirs learns nothing: a number that does not exist, one of someone
// else's, and an address that is nobody's are answered alike.
func (p *planner) state(q question, person *ticket.Person) error {
	if q.number == "" {
		return p.states(q, person)
	}
	if person != nil {
		t, err := p.numbered(q.number)
		if err != nil {
			return err
		}
		if t != nil {
			if part := t.Participant(person.ID); part != nil && (part.Role == ticket.RoleRequester || part.Role == ticket.RoleCollaborator) {
				p.take(t)
				part.Note(p.m.MessageID)
				return p.stateOf(t, person, part.Role)
			}
		}
	}
	return p.apart(q, person, func(l *letter) { l.data.Lines = []string{phrase(q.lang, "line.limited", nil)} })
}

// numbered finds the ticket with a number, or the one that it went on in; nil:
// there is none.
func (p *planner) numbered(number string) (*ticket.Ticket, error) {
	n, err := ticket.ParseNumber(number)
	if err != nil {
		return nil, nil
	}
	t, err := p.tx.TicketByNumber(n)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return p.current(t.ID)
}

// stateOf mails the state of a ticket, with what was said in it, to someone of the
// requester's side.
func (p *planner) stateOf(t *ticket.Ticket, person *ticket.Person, role ticket.Role) error {
	p.seenState(person)
	thread, err := p.readBy(t, person)
	if err != nil {
		return err
	}
	return p.acknowledge(person, role, func(l *letter) {
		lang := l.lang
		l.data.Title = phrase(lang, "title.state", []string{t.Number.String()})
		l.data.Lines = []string{phrase(lang, "line.status", []string{templates.StatusWord(lang, string(t.Status))})}
		if name := assigneeName(p.setting.Table, t); name != "" {
			l.data.Lines = append(l.data.Lines, phrase(lang, "line.assignee", []string{name}))
		}
		news := t.Created
		if len(thread) > 0 {
			news = thread[len(thread)-1].At
		}
		l.data.Lines = append(l.data.Lines, phrase(lang, "line.updated", []string{templates.LongDate(lang, p.setting.local(news))}))
		if !t.Due.IsZero() {
			l.data.Lines = append(l.data.Lines, phrase(lang, "line.due", []string{templates.LongDate(lang, p.setting.local(t.Due))}))
		}
		room := shownMax
		for _, e := range slices.Backward(thread) {
			text := ticket.StripTokens(e.Text)
			if room -= len(text); room < 0 {
				break
			}
			author := e.AuthorName
			if author == "" && e.Role != ticket.RoleAgent {
				author = person.Address.Addr
			}
			l.data.Thread = append(l.data.Thread, templates.Item{When: p.setting.local(e.At), Author: author, Kind: string(e.Kind), Text: text})
		}
		slices.Reverse(l.data.Thread)
	})
}

// readBy is the part of a conversation that a person knows: what they wrote, and
// the answers that were sent to them. In a ticket that others' were merged into,
// the others' words are not theirs to read.
func (p *planner) readBy(t *ticket.Ticket, person *ticket.Person) ([]*ticket.Entry, error) {
	type place struct {
		ticket ticket.ID
		entry  uint32
	}
	sent := map[place]bool{}
	for _, id := range append([]ticket.ID{t.ID}, t.Merged...) {
		events, err := p.tx.JournalOf(id)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Kind != ticket.EventQueued || e.Person != person.ID || e.Detail != string(ticket.ClassAnswer) {
				continue
			}
			row, err := p.tx.Outgoing(e.Object)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			unsent := err == nil && (row.State == ticket.OutgoingDropped || row.State == ticket.OutgoingWaiting && row.NextTry.After(p.now) && row.Attempts == 0)
			if !unsent {
				sent[place{id, e.Entry}] = true
			}
		}
	}
	all, err := p.conversation(t)
	if err != nil {
		return nil, err
	}
	var thread []string
	if part := t.Participant(person.ID); part != nil {
		thread = part.Thread
	}
	return slices.DeleteFunc(all, func(e *ticket.Entry) bool {
		switch e.Kind {
		case ticket.EntryRequest, ticket.EntryReply:
			return e.Author != person.ID || e.Unverified
		case ticket.EntryAnswer:
			byHand := e.MessageID != "" && slices.Contains(thread, e.MessageID)
			return !byHand && !sent[place{e.Ticket, e.Seq}]
		}
		return true
	}), nil
}

// states mails the list of a person's requests.
func (p *planner) states(q question, person *ticket.Person) error {
	var all []*ticket.Ticket
	if person != nil {
		var err error
		if all, err = p.tx.Tickets(store.TicketFilter{Requester: person.ID}, 10*listed); err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(t *ticket.Ticket) bool { return t.IsHidden() || !t.MergedInto.IsZero() || t.Spam })
	}
	if len(all) == 0 {
		return p.apart(q, person, func(l *letter) { l.data.Lines = []string{phrase(q.lang, "line.limited", nil)} })
	}
	if person.Language != "" {
		q.lang = person.Language
	}
	return p.apart(q, person, func(l *letter) {
		l.data.Title = phrase(q.lang, "title.states", nil)
		l.data.Requester = shown(person.Address)
		if len(all) > listed {
			l.data.Hint = phrase(q.lang, "title.more", []string{itoa(listed)})
			all = all[:listed]
		}
		for _, t := range all {
			row := templates.Row{
				Number: t.Number.String(), Subject: maskedSubject(p.setting.Table, t), Status: string(t.Status), Assignee: assigneeName(p.setting.Table, t),
			}
			if !t.Due.IsZero() {
				row.Due = p.setting.local(t.Due)
			}
			l.data.Rows = append(l.data.Rows, row)
		}
	})
}

// seenState notes in the journal that someone asked for the state.
func (p *planner) seenState(person *ticket.Person) {
	e := ticket.Event{Kind: ticket.EventSeen, Detail: ticket.CommandStatus}
	if person != nil {
		e.Person = person.ID
	}
	p.event(e)
	p.change.outcome = p.outcome(ticket.EventSeen, ticket.CommandStatus)
	p.fact("asked for the state", ticket.LogFrom, ticket.Domain(p.m.From.Addr))
}

// apart answers a question with a mail that is on no ticket: to the registered
// address of the person, or, where the sender is nobody's, to the sender.
func (p *planner) apart(q question, person *ticket.Person, edit func(*letter)) error {
	p.ticket, p.revision = nil, 0
	p.seenState(person)
	if person == nil {
		person = &ticket.Person{Address: ticket.Address{Addr: p.m.From.Addr}}
	}
	if p.m.Envelope.Backlog || !p.m.AutoReplyAllowed {
		return nil
	}
	if ok, err := p.mayWriteTo(person); !ok || err != nil {
		return err
	}
	table := p.setting.Table
	topic := table.CatchAll()
	for _, target := range p.m.TargetAddresses() {
		if t := table.TopicByAddress(target.Address); t != nil {
			topic = t
			break
		}
	}
	subject := table.MaskSubject(ticket.WithoutTags(p.m.Subject), nil)
	if head, _, _ := strings.Cut(subject, " "); !strings.EqualFold(head, "re:") {
		subject = "Re: " + subject
	}
	l := &letter{
		template: "state", lang: q.lang, class: ticket.ClassConfirmation, topic: topic, to: person,
		draft: ticket.Draft{
			To: person.Address, EnvelopeFrom: topic.Sender(), Class: ticket.ClassConfirmation, Subject: subject,
			MessageID: ticket.MessageID("state", p.desk.nonce(16), table.Config.Desk.Hostname), Date: p.setting.local(p.now),
		},
		data: templates.Data{Desk: table.Config.Desk.Name, Hostname: table.Config.Desk.Hostname, Signature: topic.Signature},
	}
	if p.m.MessageID != "" {
		l.draft.InReplyTo, l.draft.References = p.m.MessageID, []string{p.m.MessageID}
	}
	edit(l)
	p.letters = append(p.letters, l)
	p.noted = append(p.noted, person.Address.Key())
	return nil
}
