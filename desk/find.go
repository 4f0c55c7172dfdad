package desk

import (
	"errors"
	"slices"
	"strings"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// party is whom a command names.
type party struct {
	agent   *routing.Agent
	team    *routing.Team
	address string // of neither
}

func (p party) name() string {
	switch {
	case p.agent != nil:
		return p.agent.Name
	case p.team != nil:
		return p.team.Name
	}
	return p.address
}

func (p party) id() string {
	if p.agent != nil {
		return p.agent.ID
	}
	if p.team != nil {
		return p.team.ID
	}
	return ""
}

// agents are those whom it reaches.
func (p party) agents() []*routing.Agent {
	if p.agent != nil {
		return []*routing.Agent{p.agent}
	}
	if p.team != nil {
		return p.team.Members
	}
	return nil
}

// folded is a name in the form in which names are compared.
func folded(s string) string {
	words := strings.Fields(s)
	for i := range words {
		words[i] = ticket.FoldWord(words[i])
	}
	return strings.Join(words, " ")
}

// hasWords tells whether each of the words begins a word of the name.
func hasWords(name string, words []string) bool {
	have := strings.FieldsFunc(folded(name), func(r rune) bool { return r == ' ' || r == '-' || r == '_' })
	for _, w := range words {
		if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, w) }) {
			return false
		}
	}
	return len(words) > 0
}

// choose finds the one thing that the first words of a command name: by id or
// whole name, or else by some words of the name. It returns the words behind it,
// or the names of all that it may be.
func choose[T comparable](args []string, all []T, id, name func(T) string) (found T, rest []string, several []string) {
	var none T
	for n := len(args); n > 0; n-- {
		said := folded(strings.Join(args[:n], " "))
		for _, x := range all {
			if said == folded(id(x)) || said == folded(name(x)) {
				return x, args[n:], nil
			}
		}
	}
	for n := len(args); n > 0; n-- {
		words := strings.Fields(folded(strings.Join(args[:n], " ")))
		var match []T
		for _, x := range all {
			if hasWords(name(x), words) {
				match = append(match, x)
			}
		}
		switch {
		case len(match) == 1:
			return match[0], args[n:], nil
		case len(match) > 1:
			for _, x := range match {
				several = append(several, name(x))
			}
			return none, nil, several
		}
	}
	return none, nil, nil
}

// who finds the agent, team or address that a command names, and the words
// behind it.
func (o *orders) party(c ticket.Command) (party, string, error) {
	first := strings.Trim(c.Args[0], "<>,;")
	first = strings.TrimPrefix(first, "mailto:")
	if strings.Contains(first, "@") {
		rest := strings.Join(c.Args[1:], " ")
		if a := o.setting.Table.AgentByAddress(first); a != nil {
			return party{agent: a}, rest, nil
		}
		if !plausibleAddress(first) {
			return party{}, "", o.no(c, "no.who")
		}
		return party{address: first}, rest, nil
	}
	var all []party
	for _, a := range o.setting.Table.Agents {
		all = append(all, party{agent: a})
	}
	for _, t := range o.setting.Table.Teams {
		all = append(all, party{team: t})
	}
	found, rest, several := choose(c.Args, all, party.id, party.name)
	switch {
	case len(several) > 0:
		return party{}, "", o.no(c, "no.whoOf", strings.Join(several, ", "))
	case found == party{}:
		return party{}, "", o.no(c, "no.who")
	}
	return found, strings.Join(rest, " "), nil
}

// plausibleAddress tells whether mail could be sent to what someone typed.
func plausibleAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	domain := s[at+1:]
	return at > 0 && at <= ticket.MaxLocalPart && len(s) <= 254 && strings.Contains(domain, ".") &&
		!strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".") && !strings.ContainsAny(s, " \t\r\n\"<>()[]\\,;:") && strings.Count(s, "@") == 1
}

// staff is an agent or a team; an address is refused.
func (o *orders) staff(c ticket.Command) (party, string, error) {
	p, rest, err := o.party(c)
	if err == nil && p.address != "" {
		err = o.no(c, "no.who")
	}
	return p, rest, err
}

// topicNamed finds the topic that a command names, and the words behind it.
func (o *orders) topicNamed(c ticket.Command) (*routing.Topic, string, error) {
	first := strings.Trim(c.Args[0], "<>,;")
	if topic := o.setting.Table.TopicByAddress(first); topic != nil {
		return topic, strings.Join(c.Args[1:], " "), nil
	}
	topics := o.setting.Table.Topics
	found, rest, several := choose(c.Args, topics, func(t *routing.Topic) string { return t.ID }, func(t *routing.Topic) string { return t.Name(o.lang) })
	if len(several) > 0 {
		return nil, "", o.no(c, "no.whoOf", strings.Join(several, ", "))
	}
	if found == nil {
		var names []string
		for _, t := range topics {
			names = append(names, t.ID)
		}
		return nil, "", o.no(c, "no.topic", strings.Join(names, ", "))
	}
	return found, strings.Join(rest, " "), nil
}

// ticketNamed finds another ticket that the agent may see. One that they may not
// is answered like one that is not there.
func (o *orders) ticketNamed(c ticket.Command, number string) (*ticket.Ticket, error) {
	n, err := ticket.ParseNumber(number)
	if err != nil {
		return nil, o.no(c, "no.number")
	}
	found, err := o.tx.TicketByNumber(n)
	if errors.Is(err, store.ErrNotFound) {
		return nil, o.no(c, "no.number")
	} else if err != nil {
		return nil, err
	}
	if found, err = o.current(found.ID); err != nil {
		return nil, err
	}
	if found == nil || !o.maySee(found) {
		return nil, o.no(c, "no.number")
	}
	return found, nil
}

// maySee tells whether the agent may look at a ticket.
func (o *orders) maySee(t *ticket.Ticket) bool { return t.ID == o.ticket.ID || o.sees(o.who.agent, t) }

// sees tells whether an agent may look at a ticket: it is theirs, or they take
// part in it, or it is of a topic that they staff and their role allows it.
func (p *planner) sees(agent *routing.Agent, t *ticket.Ticket) bool {
	topic := p.topicOf(t)
	if t.Assignee == agent.ID || agent.Role == routing.RoleAdministrator {
		return true
	}
	for _, id := range t.Referred {
		if id == agent.ID || inTeam(p.setting.Table.Team(id), agent) {
			return true
		}
	}
	return (agent.Staffs(topic) || inTeam(p.setting.Table.Team(t.Team), agent)) && agent.May(ticket.MaySee, topic)
}

func inTeam(team *routing.Team, agent *routing.Agent) bool {
	return team != nil && slices.Contains(team.Members, agent)
}
