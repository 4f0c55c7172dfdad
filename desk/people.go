package desk

import (
	"slices"
	"strings"

	"buzon/routing"
	"buzon/ticket"
)

// takeTicket gives the ticket to the agent who writes.
func (o *orders) takeTicket(ticket.Command) error {
	o.give(party{agent: o.who.agent})
	o.did("did.assigned", o.who.agent.Name)
	return nil
}

// assignTo gives the ticket to an agent or a team, who are told.
func (o *orders) assignTo(c ticket.Command) error {
	to, reason, err := o.staff(c)
	if err != nil {
		return err
	}
	if o.isRequester(to.agent) {
		return o.no(c, "no.requester") // nobody answers their own request
	}
	o.give(to)
	o.did("did.assigned", to.name())
	title := "title.assigned"
	args := []string{o.who.agent.Name, o.ticket.Number.String()}
	if to.team != nil {
		title, args = "title.teamed", append(args, to.team.Name)
	}
	o.tell = append(o.tell, func() error { return o.tellParty(to.agents(), title, args, reason) })
	return nil
}

// give makes an agent or a team the one who has the ticket. An agent's team is
// kept, so that the ticket can go back to it.
func (o *orders) give(to party) {
	t := o.ticket
	o.given = true
	if to.team != nil {
		t.Assignee, t.Team = "", to.team.ID
	} else {
		t.Assignee = to.agent.ID
		if team := o.setting.Table.Team(t.Team); team != nil && !slices.Contains(team.Members, to.agent) {
			t.Team = ""
		}
	}
	t.Referred = slices.DeleteFunc(slices.Clone(t.Referred), func(id string) bool { return id == to.id() })
}

// release gives the ticket back to its team, or to its topic's.
func (o *orders) release(ticket.Command) error {
	t := o.ticket
	o.given = true
	t.Assignee = ""
	if o.setting.Table.Team(t.Team) == nil {
		t.Team = ""
		if o.topic.Team != nil {
			t.Team = o.topic.Team.ID
		}
	}
	name := o.topic.Name(o.lang)
	if team := o.setting.Table.Team(t.Team); team != nil {
		name = team.Name
	}
	o.did("did.released", name)
	o.tell = append(o.tell, func() error {
		return o.tellParty(agentsOf(o.setting.Table, t), "title.teamed", []string{o.who.agent.Name, t.Number.String(), name}, "")
	})
	return nil
}

// transfer moves the ticket to another topic, with its people and its time. The
// requester is told, once, which address is the right one.
func (o *orders) transfer(c ticket.Command) error {
	topic, reason, err := o.topicNamed(c)
	if err != nil {
		return err
	}
	if topic == o.topic {
		return o.no(c, "no.itself")
	}
	t := o.ticket
	o.topic, o.given = topic, true
	t.Topic, t.Assignee, t.Team = topic.ID, "", ""
	switch {
	case topic.Team != nil:
		t.Team = topic.Team.ID
	case !o.isRequester(topic.Agent) && !o.isAway(topic.Agent):
		t.Assignee = topic.Agent.ID
	}
	t.SLA = "" // another topic has another one
	o.setting.due(t)
	o.redue = true
	if o.status == "" && o.text == "" {
		o.status = t.Status
	}
	if err := o.readThread(); err != nil {
		return err
	}
	o.did("did.transferred", topic.Name(o.lang), assigneeName(o.setting.Table, t))
	o.tell = append(o.tell, func() error {
		return o.tellParty(topic.Agents(), "title.transferred", []string{o.who.agent.Name, t.Number.String(), topic.Name(o.lang)}, reason)
	})
	if t.Moved || !topic.Public {
		return nil
	}
	t.Moved = true
	o.tell = append(o.tell, func() error {
		return o.tellRequester("moved", func(l *letter) { l.data.Hint = topic.Sender() })
	})
	return nil
}

// refer brings an agent or a team in: they get what whoever has the ticket gets.
func (o *orders) refer(c ticket.Command) error {
	to, reason, err := o.staff(c)
	if err != nil {
		return err
	}
	o.involve(to, reason)
	return nil
}

func (o *orders) involve(to party, reason string) {
	t := o.ticket
	o.did("did.referred", to.name())
	if slices.Contains(t.Referred, to.id()) || t.Assignee == to.id() {
		return
	}
	t.Referred = append(slices.Clone(t.Referred), to.id())
	o.tell = append(o.tell, func() error {
		return o.tellParty(to.agents(), "title.referred", []string{o.who.agent.Name, t.Number.String()}, reason)
	})
}

// withdraw takes someone out who was brought in, on either side.
func (o *orders) withdraw(c ticket.Command) error {
	from, _, err := o.party(c)
	if err != nil {
		return err
	}
	t := o.ticket
	if from.address == "" {
		i := slices.Index(t.Referred, from.id())
		if i < 0 {
			return o.no(c, "no.nobody")
		}
		t.Referred = slices.Delete(slices.Clone(t.Referred), i, i+1)
		o.did("did.withdrawn", from.name())
		return nil
	}
	person, err := o.tx.PersonByAddress(from.address)
	if err != nil {
		return o.no(c, "no.nobody")
	}
	part := t.Participant(person.ID)
	switch {
	case part == nil || part.Role == ticket.RoleAgent:
		return o.no(c, "no.nobody")
	case part.Role == ticket.RoleRequester:
		return o.no(c, "no.requester")
	}
	t.Leave(person.ID)
	o.did("did.withdrawn", from.address)
	return nil
}

// copyTo adds a collaborator of the requester's side, who gets the answers from
// now on; an agent or a team is brought in.
func (o *orders) copyTo(c ticket.Command) error {
	for _, word := range addressList(c) {
		to, _, err := o.party(word)
		if err != nil {
			return err
		}
		if to.address == "" {
			o.involve(to, "")
			continue
		}
		if o.setting.Table.Own(to.address) {
			return o.no(c, "no.own")
		}
		person, err := o.personFor(ticket.Address{Addr: to.address})
		if err != nil {
			return err
		}
		if part := o.ticket.Join(person.ID, ticket.RoleCollaborator); part.Role == ticket.RoleThirdParty {
			part.Role = ticket.RoleCollaborator
		}
		o.did("did.referred", person.Address.Addr)
	}
	return nil
}

// addressList divides a command that names several addresses into one for each.
func addressList(c ticket.Command) []ticket.Command {
	if len(c.Args) < 2 || !strings.Contains(c.Args[0], "@") {
		return []ticket.Command{c}
	}
	var list []ticket.Command
	for _, arg := range c.Args {
		if arg = strings.Trim(arg, ",;"); arg != "" && !slices.Contains([]string{"y", "and", "e"}, arg) {
			list = append(list, ticket.Command{Name: c.Name, Args: []string{arg}, Line: c.Line})
		}
	}
	return list
}

// requesterIs makes someone else the requester, or corrects the requester's name.
func (o *orders) requesterIs(c ticket.Command) error {
	t := o.ticket
	if name, value, ok := strings.Cut(c.Text(), "="); ok && slices.Contains([]string{"nombre", "name"}, ticket.FoldWord(name)) {
		person, err := o.personByID(t.Requester)
		if err != nil {
			return err
		}
		person.Address.Name = strings.Join(strings.Fields(ticket.StripTokens(value)), " ")
		o.touch(person)
		o.did("did.renamed", person.Address.Name)
		return nil
	}
	to, _, err := o.party(c)
	if err != nil {
		return err
	}
	address := to.address
	if to.agent != nil {
		address = to.agent.Addresses[0]
	}
	if address == "" || to.agent == o.who.agent && t.Assignee == o.who.agent.ID {
		return o.no(c, "no.who")
	}
	if o.setting.Table.Own(address) {
		return o.no(c, "no.own")
	}
	person, err := o.personFor(ticket.Address{Addr: address})
	if err != nil {
		return err
	}
	if person.ID != t.Requester {
		t.Leave(t.Requester)
		t.Requester = person.ID
		t.Join(person.ID, ticket.RoleRequester).Role = ticket.RoleRequester
	}
	o.did("did.requester", person.Address.Addr)
	return nil
}

// tellParty writes to agents that the ticket is now theirs too, and to the
// operators when all of them are away.
func (o *orders) tellParty(agents []*routing.Agent, title string, args []string, reason string) error {
	present := slices.DeleteFunc(slices.Clone(agents), func(a *routing.Agent) bool { return o.isAway(a) || o.isRequester(a) })
	if len(present) == 0 {
		present = o.setting.Table.Operators()
	}
	return o.tellEach(o.atOnce(present, "assigned"), title, args, reason)
}

// tellEach writes to agents what became of a ticket, with the thread, and not to
// the one who has done it.
func (o *orders) tellEach(agents []*routing.Agent, title string, args []string, reason string) error {
	thread, err := o.earlier(o.ticket, earlierShown)
	if err != nil {
		return err
	}
	for _, agent := range agents {
		if agent == o.who.agent || o.isRequester(agent) {
			continue
		}
		person, err := o.agentPerson(agent)
		if err != nil {
			return err
		}
		l := o.letter("assigned", ticket.ClassNotification, o.topic, person, ticket.RoleAgent)
		l.lang = o.agentLanguage(agent)
		l.data.Title = phrase(l.lang, title, args)
		l.data.Text = strings.TrimSpace(ticket.StripTokens(reason))
		if o.inside && o.text != "" {
			l.data.Text = strings.TrimSpace(l.data.Text + "\n\n" + o.text)
		}
		l.data.Thread = thread
		l.data.Fields = fieldsOf(o.setting.Table, o.ticket, l.lang, false)
		l.steps(o.ticket, agent, o.topic)
	}
	return nil
}

// tellAssignee tells whoever has the ticket that another agent has answered it.
func (o *orders) tellAssignee() error {
	agent := o.setting.Table.Agent(o.ticket.Assignee)
	if agent == nil || agent == o.who.agent || slices.ContainsFunc(o.letters, func(l *letter) bool {
		return l.class == ticket.ClassNotification && o.setting.Table.AgentByAddress(l.to.Address.Addr) == agent
	}) {
		return nil
	}
	return o.tellEach([]*routing.Agent{agent}, "title.answered", []string{o.who.agent.Name, o.ticket.Number.String()}, o.text)
}

// isAway tells whether an agent is absent at present, by the file or by what they
// have written.
func (p *planner) isAway(agent *routing.Agent) bool {
	if agent.Away(p.now) {
		return true
	}
	person, err := p.registered(agent.Addresses[0])
	return err == nil && person != nil && p.now.Before(person.Away)
}

// tellNote sends a note on to the others who have the ticket.
func (o *orders) tellNote() error {
	for _, agent := range o.involved() {
		if agent == o.who.agent || o.isAway(agent) || o.isRequester(agent) {
			continue
		}
		person, err := o.agentPerson(agent)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(o.letters, func(l *letter) bool { return l.to.ID == person.ID && l.data.Text != "" }) {
			continue // it stands in what they are told of already
		}
		l := o.letter("internal", ticket.ClassNotification, o.topic, person, ticket.RoleAgent)
		l.lang = o.agentLanguage(agent)
		l.data.Text, l.data.Agent.Name = o.text, o.who.agent.Name
		l.attach(o.m, true)
	}
	return nil
}

// involved are all agents who have to do with the ticket at present: whoever has
// it, and those who were brought in. A team that has it counts as a whole only
// while nobody of it has taken it.
func (p *planner) involved() []*routing.Agent { return involvedIn(p.setting.Table, p.ticket) }

func involvedIn(table *routing.Table, t *ticket.Ticket) []*routing.Agent {
	agents := slices.Clone(agentsOf(table, t))
	for _, id := range t.Referred {
		to := party{agent: table.Agent(id), team: table.Team(id)}
		for _, agent := range to.agents() {
			if !slices.Contains(agents, agent) {
				agents = append(agents, agent)
			}
		}
	}
	return agents
}

// tellRequester writes something automatic to the requester, within the hour's
// limit.
func (o *orders) tellRequester(template string, edit func(*letter)) error {
	person, err := o.personByID(o.ticket.Requester)
	if err != nil {
		return err
	}
	if ok, err := o.mayWriteTo(person); !ok || err != nil {
		return err
	}
	l := o.letter(template, ticket.ClassConfirmation, o.topic, person, ticket.RoleRequester)
	l.data.Signature = o.topic.Signature
	edit(l)
	o.noted = append(o.noted, person.Address.Key())
	return nil
}
