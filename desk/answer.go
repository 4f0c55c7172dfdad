package desk

import (
	"errors"
	"strings"
	"time"

	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// answer handles what an agent wrote by pressing Reply: the text goes to the
// requester or stays inside as a note, and the commands on the first lines are
// carried out, all of them or none.
func (p *planner) answer(ev evidence, who sender) error {
	t := p.take(ev.ticket)
	part := t.Join(who.person.ID, ticket.RoleAgent)
	part.Note(p.m.MessageID)
	commands, text := ticket.SplitCommands(p.m.ReplyText)
	o := &orders{
		planner: p, who: who, topic: p.topicOf(t), lang: p.agentLanguage(who.agent),
		text: strings.TrimSpace(ticket.StripTokens(text)), inside: ev.inside, evidence: ev,
	}
	untouched, before := *p.change, t.Copy()
	err := o.run(commands)
	var no *refusal
	if errors.As(err, &no) {
		// Nothing of the mail is carried out, and nothing typed is lost.
		*p.change = untouched
		p.ticket = before
		return o.refuse(no)
	}
	return err
}

// orders is what a mail of an agent asks for, while it is carried out.
type orders struct {
	*planner
	evidence evidence
	who      sender
	lang     string
	topic    *routing.Topic // of the ticket, as it is now
	text     string         // below the commands

	inside  bool           // the text stays inside
	given   bool           // a command has said who has the ticket
	silent  bool           // the requester is not written to
	status  ticket.Status  // where a command puts the ticket; empty: where an answer leaves it
	changed bool           // a command has changed the ticket: it can be taken back
	blocked bool           // a command has blocked the requester
	redue   bool           // a command has changed what the due time depends on
	done    []string       // what was done, for the transcript
	reports []func() error // mails that were asked for
	tell    []func() error // what others are told, once the entry is there
}

// say puts something short into words, in the agent's language.
func (o *orders) say(key string, args ...string) string {
	return templates.Phrase(o.lang, key, args...)
}

func (o *orders) did(key string, args ...string) { o.done = append(o.done, o.say(key, args...)) }

func (p *planner) agentLanguage(a *routing.Agent) string {
	if a.Language != "" {
		return a.Language
	}
	return p.setting.Table.Config.Desk.Language
}

// run carries out the commands and then deals with the text. It returns a
// *refusal when something of the mail can't be done.
func (o *orders) run(commands []ticket.Command) error {
	files := len(o.m.Attachments) > 0
	if len(commands) == 0 && !files && !o.inside {
		if c, ok := ticket.BareCommand(o.text); ok {
			return o.askBare(c)
		}
	}
	before := o.ticket.Copy()
	before.Undo = nil
	if err := o.carryOut(commands); err != nil {
		return err
	}
	if o.text == "" && !files && len(commands) == 0 {
		return &refusal{key: "no.empty"}
	}
	for _, report := range o.reports {
		if err := report(); err != nil {
			return err
		}
	}
	if len(o.reports) > 0 && !o.changed && o.text == "" && !files {
		o.change.outcome = o.outcome(ticket.EventCommand, commands[0].Name)
		o.fact("told", ticket.LogAgent, o.who.agent.ID, "command", commands[0].Name)
		return nil // nothing has happened to the ticket
	}
	if err := o.speak(commands); err != nil {
		return err
	}
	if o.changed || o.delay() > 0 {
		o.ticket.Undo = &ticket.Undo{By: o.who.person.ID, Before: before, Blocked: o.blocked}
	}
	for _, tell := range o.tell {
		if err := tell(); err != nil {
			return err
		}
	}
	return o.transcript(commands)
}

// carryOut carries out the commands, one after the other.
func (o *orders) carryOut(commands []ticket.Command) error {
	for _, c := range commands {
		switch c.Fault() {
		case ticket.FaultUnknown:
			word := strings.Fields(c.Line)[0]
			no := &refusal{key: "no.unknown", args: []string{c.Line}}
			if near := ticket.NearestWord(word[1:]); near != "" {
				no.hint = "/" + near + strings.TrimPrefix(c.Line, word)
			}
			return no
		case ticket.FaultArgument:
			return o.no(c, "no.argument", o.argument(c))
		case ticket.FaultExtra:
			no := o.no(c, "no.extra")
			no.hint = c.Verb().Word(o.lang)
			return no
		}
	}
	if c, ok := clash(commands); ok {
		return o.no(c, "no.note")
	}
	for _, c := range commands {
		verb := c.Verb()
		act := actions[c.Name]
		if act == nil { // the requester's
			return &refusal{key: "no.unknown", args: []string{c.Line}}
		}
		if !o.who.agent.May(verb.Needs, o.topic) {
			return o.no(c, "no.allowed", o.topic.Name(o.lang))
		}
		if err := act(o, c); err != nil {
			return err
		}
		if !verb.Alone {
			o.changed = o.changed || verb.Undo
		}
		kind := ticket.EventCommand
		if verb.Alone {
			kind = ticket.EventSeen
		}
		o.event(ticket.Event{Kind: kind, Person: o.who.person.ID, Detail: c.Name})
	}
	return nil
}

// clash finds a command that would send to the requester what another one of the
// same mail keeps inside.
func clash(commands []ticket.Command) (sends ticket.Command, ok bool) {
	notes := false
	for _, c := range commands {
		switch c.Name {
		case ticket.CommandNote:
			notes = true
		case ticket.CommandAnswer, ticket.CommandCanned:
			sends, ok = c, true
		}
	}
	return sends, ok && notes
}

// argument says what a command needs behind it.
func (o *orders) argument(c ticket.Command) string {
	if o.lang == "en" {
		return c.Verb().ArgumentEN
	}
	return c.Verb().ArgumentES
}

// speak records the mail in the thread and sends its text where it belongs.
func (o *orders) speak(commands []ticket.Command) error {
	t := o.ticket
	speaks := o.text != "" || len(o.m.Attachments) > 0
	e := o.entry(&ticket.Entry{
		Kind: ticket.EntryAnswer, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
		Text: o.text, Quoted: ticket.StripTokens(strings.TrimSpace(o.m.Signature + "\n" + o.m.QuotedText)),
		Archive: o.m.Archive, MessageID: o.m.MessageID, Files: o.m.Attachments, Verdict: o.m.Kind,
	})
	closing := o.status == ticket.StatusClosed || o.status == ticket.StatusResolved
	switch {
	case o.inside && speaks:
		e.Kind = ticket.EntryNote
		o.did("did.noted")
		o.change.outcome = o.outcome(ticket.EventNoted, evidenceNames[o.evidence.by])
		o.event(ticket.Event{Kind: ticket.EventNoted, Person: o.who.person.ID, Detail: "note"})
		o.tell = append(o.tell, o.tellNote)
		if o.status == "" {
			o.status = t.Status
		}
	case speaks && !o.silent:
		o.change.outcome = o.outcome(ticket.EventAnswered, evidenceNames[o.evidence.by])
		o.event(ticket.Event{Kind: ticket.EventAnswered, Person: o.who.person.ID})
		if t.Assignee == "" && !o.given {
			t.Assignee = o.who.agent.ID // who answers first has it
		}
		o.tell = append(o.tell, o.tellSecondAnswer, o.tellAssignee)
		if t.Answered.IsZero() {
			t.Answered = o.now
		}
		o.setting.answered(t, o.now)
	default:
		e.Kind = ticket.EntryEvent
		e.Text = strings.TrimSpace(o.who.agent.Name + ": " + o.lines(commands) + "\n" + o.text)
		o.change.outcome = o.outcome(ticket.EventCommand, names(commands))
		if o.status == "" {
			o.status = t.Status
		}
	}
	if o.status == "" {
		o.status = ticket.StatusWaiting
		if t.Status == ticket.StatusClosed {
			// An answer to a closed ticket is sent; it stays closed until the
			// requester writes.
			o.status = ticket.StatusClosed
		}
	}
	if err := o.moveTo(o.status); err != nil {
		return err
	}
	o.fact("answered", ticket.LogAgent, o.who.agent.ID, ticket.LogReason, "known by "+evidenceNames[o.evidence.by],
		"commands", names(commands), "status", t.Status)
	if o.silent || e.Kind == ticket.EntryNote && !closing || e.Kind == ticket.EntryEvent && !closing {
		return nil
	}
	text := o.text
	if e.Kind != ticket.EntryAnswer {
		text = ""
	}
	return o.sendAnswer(text, closing)
}

// moveTo sets the ticket's status.
func (o *orders) moveTo(status ticket.Status) error {
	t := o.ticket
	if t.Status == status {
		return nil
	}
	if err := t.SetStatus(status, o.now); err != nil {
		return err
	}
	o.event(ticket.Event{Kind: ticket.EventStatus, Person: o.who.person.ID, Detail: string(status)})
	o.setting.clocks(t, o.now)
	return nil
}

// delay is how long an answer waits before it leaves.
func (o *orders) delay() time.Duration { return asDuration(o.setting.Table.Config.Desk.SendDelay) }

// sendAnswer writes to the requester's side: to the requester and to each
// collaborator, in each one's own conversation.
func (o *orders) sendAnswer(text string, closing bool) error {
	template := "answer"
	if closing {
		template = "closed"
	}
	files := len(o.m.Attachments) > 0 && !o.inside
	var to []string
	for i := range o.ticket.Participants {
		part := o.ticket.Participants[i]
		if part.Role != ticket.RoleRequester && part.Role != ticket.RoleCollaborator {
			continue
		}
		person, err := o.personByID(part.Person)
		if err != nil {
			return err
		}
		class := ticket.ClassAnswer
		if text == "" && !files {
			class = ticket.ClassConfirmation // only the desk speaks
		}
		l := o.letter(template, class, o.topic, person, part.Role)
		l.data.Text = text
		l.data.Signature = o.topic.Signature
		l.data.Agent.Name = o.who.agent.Name
		l.data.Closed = closing
		l.sender = o.who.agent.Name
		l.wait = o.delay()
		if files {
			l.attach(o.m, true)
		}
		if closing && part.Role == ticket.RoleRequester {
			l.offer("helped", ticket.CommandHelped)
			l.offer("nothelped", ticket.CommandNotHelped)
		}
		to = append(to, person.Address.Addr)
	}
	if text != "" || files {
		list := strings.Join(to, ", ")
		if o.delay() > 0 {
			o.did("did.delayed", list, o.setting.local(o.now.Add(o.delay())).Format("15:04"))
		} else {
			o.did("did.sent", list)
		}
	}
	return nil
}

// personByID finds a person who may be new with this change.
func (p *planner) personByID(id ticket.PersonID) (*ticket.Person, error) {
	for _, fresh := range p.people {
		if fresh.ID == id {
			return fresh, nil
		}
	}
	return p.storedPerson(id)
}

// lines are the commands as they were written, and names what they are called.
func (o *orders) lines(commands []ticket.Command) string {
	var all []string
	for _, c := range commands {
		all = append(all, o.shownLine(c))
	}
	return strings.Join(all, "; ")
}

func names(commands []ticket.Command) string {
	var all []string
	for _, c := range commands {
		all = append(all, c.Name)
	}
	return strings.Join(all, " ")
}
