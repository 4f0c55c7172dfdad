package desk

import (
	"strings"

	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// maxCollaborators is how many people a requester may add to a ticket.
const maxCollaborators = 10

// requesterActions carries out what the requester's side may order by mail.
var requesterActions = map[string]func(*wish) error{
	ticket.CommandStatus:    (*wish).tellStatus,
	ticket.CommandResolve:   (*wish).resolve,
	ticket.CommandHelped:    (*wish).helped,
	ticket.CommandNotHelped: (*wish).notHelped,
	ticket.CommandCopy:      (*wish).copyTo,
	ticket.CommandWithdraw:  (*wish).withdraw,
	ticket.CommandLanguage:  (*wish).chooseLanguage,
}

// wish is a command of someone of the requester's side, while it is carried out.
type wish struct {
	*planner
	who     sender
	command ticket.Command
	topic   *routing.Topic
	lines   []string // what was done, or why not, for the confirmation
}

// wished returns the command that a mail of the requester's side is: one line,
// and nothing else. What this person may not order, or can't have it shown that
// they did, is text like any other, so that whoever has the ticket reads it.
func (p *planner) wished(ev evidence, who sender) (ticket.Command, bool) {
	text := strings.TrimSpace(p.m.ReplyText)
	commands, rest := ticket.SplitCommands(text)
	if len(commands) != 1 || rest != "" || strings.Contains(text, "\n") || p.hasFiles() {
		return ticket.Command{}, false
	}
	c := commands[0]
	verb := c.Verb()
	part := who.person != nil && ev.ticket.Participant(who.person.ID) != nil
	if verb == nil || !verb.Requester || c.Fault() != "" || !part || p.isBlocked(who) {
		return c, false
	}
	switch c.Name {
	case ticket.CommandStatus, ticket.CommandLanguage:
		return c, who.role == ticket.RoleRequester || who.role == ticket.RoleCollaborator
	case ticket.CommandCopy, ticket.CommandWithdraw:
		// It decides who reads the answers: a tag and a From don't suffice.
		own := ev.person == who.person.ID && !who.unverified
		return c, who.role == ticket.RoleRequester && (own || p.vouched())
	}
	return c, who.role == ticket.RoleRequester
}

// hasFiles tells whether the mail brings more than its text and the pictures of
// a signature.
func (p *planner) hasFiles() bool {
	for _, a := range p.m.Attachments {
		if !a.Inline {
			return true
		}
	}
	return false
}

// vouched tells whether the account's server says that From is genuine.
func (p *planner) vouched() bool {
	account := p.setting.Table.Account(p.m.Envelope.Account)
	return account != nil && account.AuthservID != "" && !p.m.FromRewritten && p.unauthenticated() == ""
}

// obey carries out a command of the requester's side and confirms it.
func (p *planner) obey(ev evidence, who sender, c ticket.Command) error {
	t := p.take(ev.ticket)
	w := &wish{planner: p, who: who, command: c, topic: p.topicOf(t)}
	if part := t.Participant(who.person.ID); part != nil {
		part.Note(p.m.MessageID)
	}
	p.change.outcome = p.outcome(ticket.EventCommand, c.Name)
	p.fact("asked by the requester's side", ticket.LogFrom, ticket.Domain(p.m.From.Addr), "command", c.Name, ticket.LogReason, "known by "+evidenceNames[ev.by])
	if err := requesterActions[c.Name](w); err != nil || len(w.lines) == 0 {
		return err
	}
	return p.acknowledge(who.person, who.role, func(l *letter) { l.data.Lines = w.lines })
}

// record keeps what was ordered in the thread and in the journal.
func (w *wish) record(text string) {
	w.entry(&ticket.Entry{
		Kind: ticket.EntryEvent, Author: w.who.person.ID, AuthorName: w.who.person.Address.Name, Role: w.who.role, Text: text,
		Archive: w.m.Archive, MessageID: w.m.MessageID, Verdict: w.m.Kind, Unverified: w.who.unverified,
	})
	w.event(ticket.Event{Kind: ticket.EventCommand, Person: w.who.person.ID, Detail: w.command.Name})
}

// name is how the person who writes is called in the thread.
func (w *wish) name() string {
	if name := w.who.person.Address.Name; name != "" {
		return name
	}
	return w.who.person.Address.Addr
}

func (w *wish) recordLine() { w.record(w.name() + ": " + ticket.StripTokens(w.command.Line)) }

func (w *wish) say(key string, args ...string) {
	w.lines = append(w.lines, phrase(w.languageFor(w.who.person), key, args))
}

// languageFor is the language in which someone of the requester's side is written
// to about the ticket.
func (p *planner) languageFor(person *ticket.Person) string {
	if person.Language != "" {
		return person.Language
	}
	return p.ticket.Language
}

// acknowledge writes a short mail about the ticket to someone of the requester's
// side, at the registered address and within the hour's limit.
func (p *planner) acknowledge(person *ticket.Person, role ticket.Role, edit func(*letter)) error {
	if !p.m.AutoReplyAllowed || p.m.Envelope.Backlog {
		return nil
	}
	if ok, err := p.mayWriteTo(person); !ok || err != nil {
		return err
	}
	topic := p.topicOf(p.ticket)
	l := p.letter("state", ticket.ClassConfirmation, topic, person, role)
	l.data.Requester = shown(person.Address)
	l.data.Signature = topic.Signature
	edit(l)
	p.noted = append(p.noted, person.Address.Key())
	return nil
}

// tellStatus answers with the state of this ticket, or of the one that is named.
func (w *wish) tellStatus() error {
	if len(w.command.Args) > 0 {
		return w.state(question{number: w.command.Args[0], lang: w.languageFor(w.who.person)}, w.who.person)
	}
	return w.stateOf(w.ticket, w.who.person, w.who.role)
}

// resolve closes the ticket: whoever asked says that nothing more is needed.
func (w *wish) resolve() error {
	t := w.ticket
	w.recordLine()
	w.say("did.closed")
	if t.Status == ticket.StatusClosed {
		return nil
	}
	if err := t.SetStatus(ticket.StatusClosed, w.now); err != nil {
		return err
	}
	w.event(ticket.Event{Kind: ticket.EventStatus, Person: w.who.person.ID, Detail: string(t.Status)})
	return w.tellWho("title.solved", w.name(), t.Number.String())
}

// tellWho tells those who have the ticket what the requester's side has done.
func (w *wish) tellWho(title string, args ...string) error {
	if w.m.Envelope.Backlog {
		return nil
	}
	_, err := w.tellAgents(w.topic, "assigned", "", func(l *letter) {
		l.data.Title = phrase(l.lang, title, args)
		l.data.Unverified = w.who.unverified
	})
	return err
}

// helped counts the answer as one that helped, and wakes nobody.
func (w *wish) helped() error {
	w.say("did.thanks")
	if w.ticket.Helped != 1 {
		w.ticket.Helped = 1
		w.record(w.inDesk("event.helped"))
	}
	return nil
}

// notHelped counts the answer as one that did not help, and tells whoever has the
// ticket. It reopens nothing: a reply does.
func (w *wish) notHelped() error {
	w.say("did.thanks")
	if w.ticket.Helped == -1 {
		return nil
	}
	w.ticket.Helped = -1
	w.record(w.inDesk("event.unhelped"))
	return w.tellWho("title.unhelped", w.name(), w.ticket.Number.String())
}

// copyTo adds people of the requester's own side: never an agent or an address of
// the desk, whose mail would come back.
func (w *wish) copyTo() error {
	w.recordLine()
	for _, c := range addressList(w.command) {
		address := strings.TrimPrefix(strings.Trim(c.Args[0], "<>,;"), "mailto:")
		table := w.setting.Table
		if !plausibleAddress(address) || table.Own(address) || table.Group(address) || table.AgentByAddress(address) != nil {
			w.say("no.copy", address)
			continue
		}
		person, err := w.personFor(ticket.Address{Addr: address})
		if err != nil {
			return err
		}
		part := w.ticket.Participant(person.ID)
		switch {
		case part != nil && part.Role != ticket.RoleThirdParty:
			// Takes part already.
		case w.collaborators() >= maxCollaborators:
			w.say("no.toomany", itoa(maxCollaborators))
			return nil
		case part != nil:
			part.Role = ticket.RoleCollaborator
		default:
			w.ticket.Join(person.ID, ticket.RoleCollaborator)
		}
		w.say("did.referred", person.Address.Addr)
	}
	return nil
}

func (w *wish) collaborators() (n int) {
	for _, part := range w.ticket.Participants {
		if part.Role == ticket.RoleCollaborator {
			n++
		}
	}
	return n
}

// withdraw takes collaborators out.
func (w *wish) withdraw() error {
	w.recordLine()
	for _, c := range addressList(w.command) {
		address := strings.TrimPrefix(strings.Trim(c.Args[0], "<>,;"), "mailto:")
		person, err := w.tx.PersonByAddress(address)
		var part *ticket.Participant
		if err == nil {
			part = w.ticket.Participant(person.ID)
		}
		if part == nil || part.Role != ticket.RoleCollaborator {
			w.say("no.nobody", address)
			continue
		}
		w.ticket.Leave(person.ID)
		w.say("did.withdrawn", person.Address.Addr)
	}
	return nil
}

// chooseLanguage has the person written to in a language from now on.
func (w *wish) chooseLanguage() error {
	lang, ok := templates.LanguageNamed(ticket.FoldWord(w.command.Text()))
	if !ok {
		w.say("no.lang", ticket.StripTokens(w.command.Line))
		return nil
	}
	w.who.person.Language = lang
	w.touch(w.who.person)
	w.recordLine()
	w.say("did.language")
	return nil
}
