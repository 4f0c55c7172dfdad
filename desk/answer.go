package desk

import (
	"strings"

	"buzon/ticket"
)

// answer handles what an agent wrote by pressing Reply: the text goes to the
// requester, commands on the first lines are carried out.
func (p *planner) answer(ev evidence, who sender) error {
	t := p.take(ev.ticket)
	topic := p.topicOf(t)
	part := t.Join(who.person.ID, ticket.RoleAgent)
	part.Note(p.m.MessageID)

	commands, text := ticket.SplitCommands(p.m.ReplyText)
	text = strings.TrimSpace(ticket.StripTokens(text))
	e := p.entry(&ticket.Entry{
		Kind: ticket.EntryAnswer, Author: who.person.ID, AuthorName: who.agent.Name, Role: ticket.RoleAgent,
		Text: text, Quoted: ticket.StripTokens(strings.TrimSpace(p.m.Signature + "\n" + p.m.QuotedText)),
		Archive: p.m.Archive, MessageID: p.m.MessageID, Files: p.m.Attachments, Verdict: p.m.Kind,
	})
	if reason, hint := refusal(commands, text, len(p.m.Attachments)); reason != "" {
		// Nothing of the mail is carried out, and nothing typed is lost.
		e.Kind = ticket.EntryEvent
		e.Quoted = strings.TrimSpace(p.m.ReplyText + "\n" + e.Quoted)
		e.Text = "not sent: " + reason
		l := p.letter("notunderstood", ticket.ClassNotification, topic, who.person, ticket.RoleAgent)
		l.lang = who.agent.Language
		l.data.Text, l.data.Reason, l.data.Hint = ticket.StripTokens(p.m.ReplyText), reason, hint
		p.event(ticket.Event{Kind: ticket.EventHeld, Person: who.person.ID, Detail: "command"})
		p.change.outcome = p.outcome(ticket.EventHeld, reason)
		p.fact("not understood", ticket.LogAgent, who.agent.ID, ticket.LogReason, reason)
		return nil
	}
	closing := len(commands) > 0
	speaks := text != "" || len(p.m.Attachments) > 0
	if !speaks {
		e.Kind = ticket.EntryEvent
		e.Text = "closed by " + who.agent.Name
	}

	if t.Assignee == "" {
		t.Assignee = who.agent.ID // who answers first has it
	}
	if speaks && t.Answered.IsZero() {
		t.Answered = p.now
	}
	status := ticket.StatusWaiting
	if closing {
		status = ticket.StatusClosed
	} else if t.Status == ticket.StatusClosed {
		// An answer to a closed ticket is sent; it stays closed until the
		// requester writes.
		status = ticket.StatusClosed
	}
	if t.Status != status {
		if err := t.SetStatus(status, p.now); err != nil {
			return err
		}
		p.event(ticket.Event{Kind: ticket.EventStatus, Person: who.person.ID, Detail: string(status)})
	}
	p.event(ticket.Event{Kind: ticket.EventAnswered, Person: who.person.ID})
	p.change.outcome = p.outcome(ticket.EventAnswered, evidenceNames[ev.by])
	p.fact("answered", ticket.LogAgent, who.agent.ID, ticket.LogReason, "known by "+evidenceNames[ev.by], "status", t.Status)
	return p.sendAnswer(who, text, closing)
}

// refusal says why nothing of an agent's mail can be done.
func refusal(commands []ticket.Command, text string, files int) (reason, hint string) {
	for _, c := range commands {
		if c.Name == "" {
			return c.Line, "/cerrar"
		}
		if len(c.Args) > 0 {
			return c.Line, "/" + strings.TrimPrefix(strings.Fields(c.Line)[0], "/")
		}
	}
	if len(commands) == 0 && text == "" && files == 0 {
		return "(…)", ""
	}
	return "", ""
}

// sendAnswer writes to the requester's side: to the requester and to each
// collaborator, in each one's own conversation.
func (p *planner) sendAnswer(who sender, text string, closing bool) error {
	topic := p.topicOf(p.ticket)
	template := "answer"
	if closing {
		template = "closed"
	}
	for i := range p.ticket.Participants {
		part := p.ticket.Participants[i]
		if part.Role != ticket.RoleRequester && part.Role != ticket.RoleCollaborator {
			continue
		}
		person, err := p.tx.Person(part.Person)
		if err != nil {
			return err
		}
		class := ticket.ClassAnswer
		if text == "" && len(p.m.Attachments) == 0 {
			class = ticket.ClassConfirmation // only the desk speaks
		}
		l := p.letter(template, class, topic, person, part.Role)
		l.data.Text = text
		l.data.Signature = topic.Signature
		l.data.Agent.Name = who.agent.Name
		l.data.Closed = closing
		l.sender = who.agent.Name
		l.attach(p.m, true)
	}
	return nil
}
