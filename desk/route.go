package desk

import (
	"cmp"
	"slices"
	"strings"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// match asks the table where the message goes and what the rules do with it. who
// wrote it may be nil: nobody known. t is the ticket that it replies to; nil: it
// asks for a new one.
func (p *planner) match(who *ticket.Person, t *ticket.Ticket) (routing.Decision, error) {
	in := p.input()
	staff := &staff{planner: p}
	in.Staff = staff
	if who != nil {
		in.Facts.Groups, in.Facts.Blocked = who.Labels, !who.Blocked.IsZero()
		staff.requester = who.ID
	}
	if t != nil {
		in.Reply, in.Facts.Fields = p.topicOf(t), func(*routing.Topic) map[string]string { return t.Fields }
		staff.requester = t.Requester
	}
	d := p.setting.Table.Match(in)
	return d, staff.err
}

// matchNew asks the table about a message that opens a ticket. Where an agent opens
// it for someone else, the rules look at that person's words.
func (p *planner) matchNew(from opening) (routing.Decision, error) {
	who, err := p.known(from.from.Addr)
	if err != nil {
		return routing.Decision{}, err
	}
	if from.agent == nil {
		return p.match(who, nil)
	}
	in, staff := p.input(), &staff{planner: p}
	theirs := *p.m
	theirs.From, theirs.ReplyTo, theirs.Subject, theirs.Text = from.from, nil, from.subject, from.text
	in.Facts.Message, in.Staff = &theirs, staff
	in.Facts.Fields = func(topic *routing.Topic) map[string]string {
		return topic.Form.Guess(from.text, ticket.Domain(from.from.Addr))
	}
	if who != nil {
		in.Facts.Groups, staff.requester = who.Labels, who.ID
	}
	d := p.setting.Table.Match(in)
	d.Blocked = "" // an agent's word counts
	return d, staff.err
}

// input is what the message itself says.
func (p *planner) input() routing.Input {
	return routing.Input{
		Account: p.m.Envelope.Account, Group: p.m.Group, Targets: p.m.TargetAddresses(),
		Facts: routing.Facts{Message: p.m, Header: p.header, At: p.now, Fields: func(topic *routing.Topic) map[string]string {
			return topic.Form.Guess(p.m.Text, ticket.Domain(p.m.From.Addr))
		}},
	}
}

// header reads fields of the message's header; of what is not in the archive it
// knows none.
func (p *planner) header(name string) []string {
	if p.desk.Header == nil || p.m.Archive.IsZero() {
		return nil
	}
	raw, err := p.desk.Store.Raw(p.m.Archive)
	if err != nil {
		p.desk.Log.Error("rules can't read a header", ticket.LogMessage, p.m.ID, ticket.LogError, err)
		return nil
	}
	return p.desk.Header(raw, name)
}

// staff tells strategies how the agents are, by what the transaction sees.
type staff struct {
	*planner
	requester ticket.PersonID
	err       error
}

func (s *staff) Away(a *routing.Agent) bool { return s.isAway(a) }

func (s *staff) Open(a *routing.Agent) int {
	return s.tx.CountTickets(store.TicketFilter{Status: ticket.StatusOpen, Assignee: a.ID})
}

func (s *staff) Last(team *routing.Team) string { return s.tx.Turn(team.ID) }

// lookBack is how many of a requester's tickets are looked at for their last agent.
const lookBack = 20

func (s *staff) Before(team *routing.Team) string {
	if s.requester == 0 {
		return ""
	}
	tickets, err := s.tx.Tickets(store.TicketFilter{Requester: s.requester}, lookBack)
	if err != nil {
		s.err = err
		return ""
	}
	for _, t := range tickets {
		if slices.ContainsFunc(team.Members, func(a *routing.Agent) bool { return a.ID == t.Assignee }) {
			return t.Assignee
		}
	}
	return ""
}

// Roster tells how the agents are at present, and what is known of someone by
// address, for trying a decision.
func (d *Desk) Roster(address string) (*routing.Roster, error) {
	r := &routing.Roster{OpenOf: map[string]int{}, AwayNow: map[string]bool{}, LastOf: map[string]string{}, HadOf: map[string]string{}}
	set := d.setting.Load()
	err := d.Store.View(func(tx *store.Tx) error {
		s := &staff{planner: &planner{desk: d, tx: tx, setting: set, change: &change{now: d.Now().UTC()}}}
		for _, a := range set.Table.Agents {
			r.OpenOf[a.ID] = s.Open(a)
			if s.Away(a) {
				r.AwayNow[a.ID] = true
			}
		}
		for _, team := range set.Table.Teams {
			if last := s.Last(team); last != "" {
				r.LastOf[team.ID] = last
			}
		}
		person, err := s.known(address)
		if person == nil || err != nil {
			return err
		}
		s.requester = person.ID
		for _, team := range set.Table.Teams {
			if had := s.Before(team); had != "" {
				r.HadOf[team.ID] = had
			}
		}
		r.Groups, r.Blocked = person.Labels, !person.Blocked.IsZero()
		return s.err
	})
	return r, err
}

// assign gives the ticket to the agent or the team that the decision names; with
// neither, nobody has it.
func (p *planner) assign(t *ticket.Ticket, d *routing.Decision) {
	t.Assignee, t.Team = "", ""
	if d.Team != nil {
		t.Team = d.Team.ID
	}
	if d.Agent != nil {
		t.Assignee = d.Agent.ID
	}
}

// recordDecision notes a decision: in the journal, in the log, and whose turn it was.
func (p *planner) recordDecision(d *routing.Decision) {
	words := []string{d.Version}
	for _, r := range d.Rules {
		words = append(words, r.Name)
	}
	p.event(ticket.Event{Kind: ticket.EventRouted, Detail: strings.Join(words, " ")})
	p.fact("routed", ticket.LogTopic, d.Topic.ID, ticket.LogAgent, p.ticket.Assignee, ticket.LogReason, strings.Join(d.Reasons, "; "))
	p.change.turn = d.Turn
}

// mark puts on the ticket what rules say of it, without telling anybody.
func (p *planner) mark(t *ticket.Ticket, d *routing.Decision) error {
	if d.Priority != nil {
		t.Priority = *d.Priority
	}
	for _, label := range d.Labels {
		t.Labels = withLabel(t.Labels, label)
	}
	if d.Quiet != "" {
		t.Labels = withLabel(t.Labels, "spam")
	}
	if d.SLA != "" {
		t.SLA = d.SLA
	}
	before := t.Due
	p.setting.due(t)
	if t.Number != 0 && !t.Due.IsZero() && !t.Due.Equal(before) {
		p.entry(&ticket.Entry{
			Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "by rule, the answer is due " + p.setting.local(t.Due).Format("2006-01-02 15:04"),
		})
	}
	for _, note := range d.Notes {
		p.entry(&ticket.Entry{Kind: ticket.EntryNote, Role: ticket.RoleSystem, AuthorName: p.setting.Table.Config.Desk.Name, Text: note})
	}
	to := d.Status
	switch {
	case d.Junk():
		t.Spam, to = true, ticket.StatusClosed
	case d.Refuse != nil:
		to = ticket.StatusClosed
	}
	if to == "" || to == t.Status {
		return nil
	}
	if err := t.SetStatus(to, p.now); err != nil {
		p.fact("rule not carried out", ticket.LogReason, err.Error())
		return nil
	}
	p.setting.clocks(t, p.now)
	p.event(ticket.Event{Kind: ticket.EventStatus, Detail: string(to)})
	return nil
}

// involveAll brings in whom rules have copied.
func (p *planner) involveAll(t *ticket.Ticket, d *routing.Decision) error {
	table := p.setting.Table
	for _, who := range d.Copy {
		if table.Agent(who) != nil || table.Team(who) != nil {
			if who != t.Assignee && who != t.Team && !slices.Contains(t.Referred, who) {
				t.Referred = append(slices.Clone(t.Referred), who)
			}
			continue
		}
		person, err := p.personFor(ticket.Address{Addr: who})
		if err != nil {
			return err
		}
		t.Join(person.ID, ticket.RoleCollaborator)
	}
	return nil
}

// sendOn sends the mail, or a canned answer, to others, as rules say.
func (p *planner) sendOn(topic *routing.Topic, d *routing.Decision, text string) error {
	for _, addr := range d.Forward {
		l, err := p.toOutsider("forwarded", topic, addr)
		if l == nil || err != nil {
			return err
		}
		l.data.Text = text
		l.attachFiles([]ticket.Attachment{{
			Name: "mensaje.eml", Type: "message/rfc822", Encoding: "8bit", Length: p.m.Size, Size: p.m.Size, Private: true,
		}}, p.m.Archive, true)
	}
	for _, addr := range d.MailTo {
		l, err := p.toOutsider("answer", topic, addr)
		if l == nil || err != nil {
			return err
		}
		l.data.Text = p.fillCanned(d.Mail, l.data.Requester.Name, topic.Name(l.lang), topic, l.lang)
		l.data.Signature = topic.Signature
	}
	return nil
}

// toOutsider begins a letter to someone who has no part in the ticket; nil: mail to
// them comes back. What they answer is a third party's.
func (p *planner) toOutsider(template string, topic *routing.Topic, addr string) (*letter, error) {
	person, err := p.personFor(ticket.Address{Addr: addr})
	if err != nil {
		return nil, err
	}
	if p.now.Before(person.Bounced.Add(bounceRest)) {
		p.fact("not sent on", ticket.LogTo, ticket.Domain(addr), ticket.LogReason, "mail to this address came back as undeliverable")
		return nil, nil
	}
	l := p.letter(template, ticket.ClassNotification, topic, person, ticket.RoleThirdParty)
	l.lang = p.setting.Table.Config.Desk.Language
	if topic.Language != "" {
		l.lang = topic.Language
	}
	return l, nil
}

// fillCanned is a canned answer for the ticket, with its fields filled in: who it is
// for and who gives it.
func (p *planner) fillCanned(c *routing.Canned, name, agent string, topic *routing.Topic, lang string) string {
	number := p.placeholder
	if p.ticket.Number != 0 {
		number = p.ticket.Number.String()
	}
	text := strings.NewReplacer("{name}", name, "{number}", number, "{subject}", maskedSubject(p.setting.Table, p.ticket),
		"{topic}", topic.Name(lang), "{agent}", agent).Replace(c.Text(lang))
	return strings.TrimSpace(text)
}

// respond sends a canned answer to the requester, as rules say, unless a machine
// must not answer them. It stands in the thread.
func (p *planner) respond(c *routing.Canned, topic *routing.Topic, requester *ticket.Person) error {
	if !p.m.AutoReplyAllowed {
		p.fact("not answered", ticket.LogReason, "an automatic answer is not allowed: "+p.m.KindReason)
		return nil
	}
	if ok, err := p.mayWriteTo(requester); !ok || err != nil {
		return err
	}
	l := p.letter("answer", ticket.ClassConfirmation, topic, requester, ticket.RoleRequester)
	l.data.Text = p.fillCanned(c, requester.Address.Name, topic.Name(l.lang), topic, l.lang)
	l.data.Signature = topic.Signature
	p.inform(l, requester)
	p.entry(&ticket.Entry{
		Kind: ticket.EntryAnswer, Role: ticket.RoleSystem, AuthorName: p.setting.Table.Config.Desk.Name,
		Text: l.data.Text, MessageID: l.draft.MessageID,
	})
	p.noted = append(p.noted, requester.Address.Key())
	return nil
}

// inform puts the personal-data notice into the first automatic mail to someone.
func (p *planner) inform(l *letter, requester *ticket.Person) {
	if !requester.Consent.IsZero() {
		return
	}
	l.data.Notice = p.setting.Table.Config.Desk.Notice
	requester.Consent = p.now
	p.touch(requester)
}

// withNotes shows agents the notes that rules have made.
func (p *planner) withNotes(l *letter, d *routing.Decision) {
	for _, note := range d.Notes {
		l.data.Thread = append(l.data.Thread, templates.Item{
			When: p.setting.local(p.now), Author: p.setting.Table.Config.Desk.Name, Kind: string(ticket.EntryNote), Text: note,
		})
	}
}

// holdByRule keeps the message until an operator releases it.
func (p *planner) holdByRule(t *ticket.Ticket, d *routing.Decision) {
	reason := "by rule " + d.Rules[len(d.Rules)-1].Name
	p.held = &store.HeldRow{
		Archive: p.m.Archive, Envelope: p.m.Envelope, Reason: reason,
		From: p.m.From.Addr, Subject: p.keptSubject(t), At: p.now, State: store.HeldKept,
	}
	if t != nil {
		p.held.Ticket = t.ID
		p.entry(&ticket.Entry{
			Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "held: " + reason,
			Archive: p.m.Archive, Verdict: p.m.Kind, Unverified: true,
		})
	}
	p.change.outcome = p.outcome(ticket.EventHeld, reason)
	p.fact("held", ticket.LogReason, reason)
}

// redirect carries out on a ticket what rules do with a reply to it. It returns the
// topic that the ticket is in then.
func (p *planner) redirect(t *ticket.Ticket, topic *routing.Topic, d *routing.Decision) *routing.Topic {
	if d.Topic == topic && d.Assign == nil {
		return topic
	}
	if d.Topic != topic {
		t.SLA = "" // another topic has another one
		p.entry(&ticket.Entry{Kind: ticket.EntryEvent, Role: ticket.RoleSystem, Text: "a rule moved it to topic " + d.Topic.ID})
	}
	t.Topic = d.Topic.ID
	p.assign(t, d)
	heir := cmp.Or(t.Assignee, t.Team, "nobody")
	p.event(ticket.Event{Kind: ticket.EventAssigned, Detail: heir})
	return d.Topic
}
