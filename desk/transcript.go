package desk

import (
	"strings"

	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// refusal says why nothing of an agent's mail was done.
type refusal struct {
	key  string // of a phrase
	args []string
	hint string // what would work
	// final: nothing in the mail can be mended.
	final bool
}

func (r *refusal) Error() string { return r.key + " " + strings.Join(r.args, " ") }

// no refuses a command.
func (o *orders) no(c ticket.Command, key string, args ...string) *refusal {
	return &refusal{key: key, args: append([]string{ticket.StripTokens(c.Line)}, args...)}
}

// refuse tells the agent what was not understood or not allowed, with their text.
func (o *orders) refuse(no *refusal) error {
	reason := o.say(no.key, no.args...)
	o.entry(&ticket.Entry{
		Kind: ticket.EntryEvent, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
		Text: "not sent: " + reason, Archive: o.m.Archive, MessageID: o.m.MessageID, Verdict: o.m.Kind,
		Quoted: ticket.StripTokens(strings.TrimSpace(o.m.ReplyText + "\n" + o.m.Signature + "\n" + o.m.QuotedText)),
	})
	l := o.toAgent("notunderstood")
	l.data.Text, l.data.Reason, l.data.Hint = ticket.StripTokens(o.m.ReplyText), reason, no.hint
	o.event(ticket.Event{Kind: ticket.EventHeld, Person: o.who.person.ID, Detail: "command"})
	o.change.outcome = o.outcome(ticket.EventHeld, reason)
	what := "not understood"
	if no.key == "no.allowed" {
		what = "denied"
	}
	o.fact(what, ticket.LogAgent, o.who.agent.ID, ticket.LogReason, no.Error())
	return nil
}

// askBare asks whether a mail that is nothing but a command's word is a command.
func (o *orders) askBare(c ticket.Command) error {
	o.entry(&ticket.Entry{
		Kind: ticket.EntryEvent, Author: o.who.person.ID, AuthorName: o.who.agent.Name, Role: ticket.RoleAgent,
		Text: "not sent: " + o.text, Archive: o.m.Archive, MessageID: o.m.MessageID, Verdict: o.m.Kind,
	})
	l := o.toAgent("transcript")
	l.data.Title = o.say("ask.bare", o.text)
	l.action(o.say("ask.command"), c.Verb().Word(o.lang))
	l.action(o.say("ask.answer"), ticket.VerbNamed(ticket.CommandAnswer).Word(o.lang)+"\n"+o.text)
	o.event(ticket.Event{Kind: ticket.EventHeld, Person: o.who.person.ID, Detail: "command"})
	o.change.outcome = o.outcome(ticket.EventHeld, "command or answer: "+o.text)
	o.fact("asked", ticket.LogAgent, o.who.agent.ID, ticket.LogReason, "the mail is nothing but a command's word")
	return nil
}

// toAgent begins a letter to the agent who wrote.
func (o *orders) toAgent(template string) *letter {
	l := o.letter(template, ticket.ClassNotification, o.topic, o.who.person, ticket.RoleAgent)
	l.lang = o.lang
	return l
}

// transcript tells the agent what was done.
func (o *orders) transcript(commands []ticket.Command) error {
	if len(commands) == 0 || len(o.done) == 0 {
		return nil
	}
	if o.redue && !o.ticket.Due.IsZero() {
		o.did("did.due", templates.LongDate(o.lang, o.setting.local(o.ticket.Due)))
	}
	l := o.toAgent("transcript")
	l.data.Title = o.say("title.done")
	l.data.Lines = o.done
	if o.ticket.Undo != nil {
		l.offer("undo", ticket.CommandUndo)
	}
	return nil
}

// offer adds a command to what the letter's reader can do with one tap.
func (l *letter) offer(label, command string) {
	l.action(templates.Phrase(l.lang, "act."+label), ticket.VerbNamed(command).Word(l.lang))
}

// action adds something that can be done by sending a mail that is written
// already, to the letter's signed reply address. Where there is none the mail
// itself carries the token.
func (l *letter) action(label, body string) {
	to := l.draft.ReplyTo
	text := body + "\n"
	if to == "" {
		to = l.topic.Sender()
		text += "\n" + separatorLine(l.lang, l.token) + "\n"
	}
	command, _, _ := strings.Cut(body, "\n")
	subject := label // of a mail that begins a conversation
	if l.draft.Subject != "" {
		subject = "Re: " + l.draft.Subject
	}
	l.data.Actions = append(l.data.Actions, templates.Action{
		Label: label, Command: command,
		Link: "mailto:" + mailtoEscape(to) + "?subject=" + mailtoEscape(subject) + "&body=" + mailtoEscape(text),
	})
}

// mailtoEscape encodes what stands in a mailto URL (RFC 6068, section 2): white
// space is never written as a plus sign there, and line ends are CRLF.
func mailtoEscape(s string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	out.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~@", c) >= 0:
			out.WriteByte(c)
		case c == '\n':
			out.WriteString("%0D%0A")
		default:
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}

// steps adds the likely next steps to a notification of an agent.
func (l *letter) steps(t *ticket.Ticket, agent *routing.Agent, topic *routing.Topic) {
	if t.Assignee != agent.ID {
		l.offer("take", ticket.CommandTake)
	}
	l.offer("note", ticket.CommandNote)
	l.offer("close", ticket.CommandClose)
	if agent.May(ticket.MayTransfer, topic) {
		l.offer("transfer", ticket.CommandTransfer)
	}
	l.offer("help", ticket.CommandHelp)
}
