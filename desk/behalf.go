package desk

import (
	"slices"
	"strings"

	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// opening is what a new ticket is made of.
type opening struct {
	from    ticket.Address // the requester
	subject string
	text    string
	// What an agent opens in the requester's name.
	agent      *routing.Agent // nil: the requester wrote
	note       string         // the agent's own words, which stay inside
	unverified bool           // nothing vouches for the agent's From
}

// opening reads what the message asks for: in the sender's name, or, where an
// agent says so, in someone else's.
func (p *planner) opening() opening {
	if o, ok := p.behalf(); ok {
		return o
	}
	o := opening{from: p.m.From, subject: p.m.Subject, text: ticket.StripTokens(p.m.Text)}
	if strings.TrimSpace(o.text) == "" {
		o.text = p.m.Subject // some people write the whole request in the subject
	}
	return o
}

// behalf reads what an agent brings in for a requester: a forwarded mail, or one
// that begins with /for and the requester's address. From proves nothing, so all
// that it gets a stranger who forges it is a ticket that says so.
func (p *planner) behalf() (opening, bool) {
	agent := p.setting.Table.AgentByAddress(p.m.From.Addr)
	if agent == nil || p.m.Kind != ticket.KindHuman {
		return opening{}, false
	}
	o := opening{subject: p.m.Subject, agent: agent, unverified: !p.vouched()}
	words := strings.TrimSpace(p.m.ReplyText)
	if c, rest, no := p.forLine(agent); c != nil && no == nil {
		o.from, words = addressIn(c.Text()), strings.TrimSpace(rest)
		o.text = words
	}
	if f := p.m.Forwarded; f != nil {
		if o.from.IsZero() {
			if p.setting.Table.AgentByAddress(f.From.Addr) != nil {
				return opening{}, false
			}
			o.from = f.From
		}
		o.text, o.note = f.Text, words
		if f.Subject != "" {
			o.subject = f.Subject
		}
	}
	if p.unfit(o.from.Addr, agent) != "" {
		return opening{}, false
	}
	o.text, o.note = strings.TrimSpace(ticket.StripTokens(o.text)), ticket.StripTokens(o.note)
	if o.text == "" {
		o.text = ticket.WithoutTags(o.subject)
	}
	return o, true
}

// unfit says, as a phrase's key, why an agent can't open a ticket in the name of
// whoever has the address; empty: they can.
func (p *planner) unfit(addr string, agent *routing.Agent) string {
	switch table := p.setting.Table; {
	case !plausibleAddress(addr):
		return "no.address"
	case table.Own(addr) || table.Group(addr):
		return "no.own"
	case table.AgentByAddress(addr) == agent:
		return "no.yourself"
	}
	return ""
}

// forLine reads the /for line at the top of an agent's new mail, and says why it
// can't be carried out; nil: there is none.
func (p *planner) forLine(agent *routing.Agent) (c *ticket.Command, rest string, no *refusal) {
	commands, rest := ticket.SplitCommands(strings.TrimSpace(p.m.ReplyText))
	for i := range commands {
		if commands[i].Name == ticket.CommandFor {
			c = &commands[i]
		}
	}
	refuse := func(c *ticket.Command, key string) *refusal {
		return &refusal{key: key, args: []string{ticket.StripTokens(c.Line)}}
	}
	switch {
	case c == nil && len(commands) > 0 && mistypedFor(commands[0]):
		no = refuse(&commands[0], "no.unknown")
		no.hint = ticket.VerbNamed(ticket.CommandFor).Word(p.agentLanguage(agent)) + " " + ticket.StripTokens(commands[0].Text())
		return &commands[0], rest, no
	case c == nil:
		return nil, rest, nil
	case len(commands) > 1:
		return c, rest, refuse(c, "no.foralone")
	case strings.Count(c.Text(), "@") > 1 || strings.Contains(c.Text(), "@") && !strings.Contains(c.Args[len(c.Args)-1], "@"):
		return c, rest, refuse(c, "no.forone")
	}
	to := addressIn(c.Text())
	if key := p.unfit(to.Addr, agent); key != "" {
		return c, rest, refuse(c, key)
	}
	_, allowed := p.setting.Table.Listed(to.Addr)
	if person, err := p.known(to.Addr); err == nil && person != nil && !person.Blocked.IsZero() && allowed == "" {
		return c, rest, refuse(c, "no.blocked")
	}
	return c, rest, nil
}

// mistypedFor tells whether a line that is no command was meant to be /for: it has
// an address behind a word like it.
func mistypedFor(c ticket.Command) bool {
	word, _, _ := strings.Cut(c.Line, " ")
	if c.Name != "" || !strings.Contains(c.Text(), "@") {
		return false
	}
	near, _ := ticket.SplitCommands("/" + ticket.NearestWord(strings.TrimLeft(word, "/.")) + " " + c.Text())
	return len(near) == 1 && near[0].Name == ticket.CommandFor
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// addressIn reads Ana Gil <ana@example.edu>, or the address alone.
func addressIn(text string) (a ticket.Address) {
	var name []string
	for _, word := range strings.Fields(text) {
		if strings.Contains(word, "@") {
			a.Addr = strings.TrimPrefix(strings.Trim(word, "<>,;()"), "mailto:")
			break
		}
		name = append(name, strings.Trim(word, `"'`))
	}
	if a.Addr != "" {
		a.Name = strings.Join(name, " ")
	}
	return a
}

// noteBehalf keeps the agent's own words inside, and says in the journal who has
// opened the ticket.
func (p *planner) noteBehalf(o opening) error {
	person, err := p.agentPerson(o.agent)
	if err != nil {
		return err
	}
	p.ticket.Behalf = person.ID
	p.event(ticket.Event{Kind: ticket.EventCommand, Person: person.ID, Detail: ticket.CommandFor})
	p.fact("opened for someone else", ticket.LogAgent, o.agent.ID, ticket.LogReason, map[bool]string{true: "nothing vouches for its From", false: "its From is vouched for"}[o.unverified])
	if o.note != "" {
		p.entry(&ticket.Entry{
			Kind: ticket.EntryNote, Author: person.ID, AuthorName: o.agent.Name, Role: ticket.RoleAgent, Text: o.note,
			Verdict: p.m.Kind, Unverified: o.unverified,
		})
	}
	return nil
}

// tellBehalf tells the agent at the registered address what was opened in their
// name, and how to take it back.
func (p *planner) tellBehalf(o opening, topic *routing.Topic, requester *ticket.Person) error {
	person, err := p.agentPerson(o.agent)
	if err != nil {
		return err
	}
	l := p.letter("transcript", ticket.ClassNotification, topic, person, ticket.RoleAgent)
	l.lang = p.agentLanguage(o.agent)
	l.data.Title = phrase(l.lang, "title.behalf", []string{l.data.Number, shown(requester.Address).String()})
	line := "line.untold"
	if slices.ContainsFunc(p.letters, func(other *letter) bool { return other.to == requester }) {
		line = "line.told"
	}
	l.data.Lines = []string{phrase(l.lang, line, nil)}
	l.offer("spam", ticket.CommandSpam)
	p.ticket.Participant(person.ID).Note(p.m.MessageID)
	return nil
}

// recent is how long ago an open request must have been made to be offered as
// the one that a new one belongs to.
const recent = 30 * day

// alreadyOpen is the requester's newest other request that is open; nil: none.
func (p *planner) alreadyOpen(requester *ticket.Person) (*ticket.Ticket, error) {
	for _, fresh := range p.people {
		if fresh == requester {
			return nil, nil
		}
	}
	return p.tx.FirstTicket(store.TicketFilter{Requester: requester.ID}, listed, func(t *ticket.Ticket) bool {
		return t.Status.IsActive() && t.Deleted.IsZero() && t.MergedInto.IsZero() && t.Created.After(p.now.Add(-recent))
	})
}

// offerMerge says in an agent's notification that the requester has another
// request open, which the new one can be joined to with one tap: if the agent may
// see that one, and merge.
func (p *planner) offerMerge(l *letter, topic *routing.Topic, open *ticket.Ticket) {
	agent := p.setting.Table.AgentByAddress(l.to.Address.Addr)
	if open == nil || agent == nil || !agent.May(ticket.MayMerge, topic) || !p.sees(agent, open) {
		return
	}
	n := open.Number.String()
	l.data.Lines = append(l.data.Lines, templates.Phrase(l.lang, "title.open", n, maskedSubject(p.setting.Table, open)))
	l.action(templates.Phrase(l.lang, "act.merge", n), ticket.VerbNamed(ticket.CommandMerge).Word(l.lang)+" "+n)
}
