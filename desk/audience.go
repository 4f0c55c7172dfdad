package desk

import (
	"slices"

	"buzon/routing"
	"buzon/ticket"
)

// audience are the agents who are told of what someone else did on the ticket:
// whoever has it and those who were brought in. Nobody is told of what they wrote
// themselves, nor of their own request as an agent, nor while away. Where nobody
// is left the operators see to it.
func (p *planner) audience() []*routing.Agent {
	table := p.setting.Table
	agents := p.others(p.involved())
	if author := table.AgentByAddress(p.m.From.Addr); author != nil && author.ID == p.ticket.Assignee && !p.isRequester(author) {
		return agents // whoever wrote has it, and knows
	}
	if has := table.Agent(p.ticket.Assignee); has != nil && !slices.Contains(agents, has) {
		if team := p.teamOf(p.ticket); team != nil { // who has it is away
			for _, member := range p.others(team.Members) {
				if !slices.Contains(agents, member) {
					agents = append(agents, member)
				}
			}
		}
	}
	if len(agents) == 0 {
		agents = p.others(table.Operators())
	}
	if len(agents) == 0 {
		agents = table.Operators() // all of them are away, or one of them is the requester
	}
	return agents
}

// others leaves out who wrote, who asked, and who is away.
func (p *planner) others(agents []*routing.Agent) []*routing.Agent {
	return slices.DeleteFunc(slices.Clone(agents), func(a *routing.Agent) bool {
		return slices.Contains(a.Addresses, p.m.From.Key()) || p.isRequester(a) || p.isAway(a)
	})
}

// isRequester tells whether the ticket is the agent's own request.
func (p *planner) isRequester(agent *routing.Agent) bool {
	if agent == nil {
		return false
	}
	person, err := p.personByID(p.ticket.Requester)
	return err == nil && (p.isOf(person, agent.Addresses[0]) || slices.Contains(agent.Addresses, person.Address.Key()))
}

// teamOf is the team that the ticket goes back to, or nil.
func (p *planner) teamOf(t *ticket.Ticket) *routing.Team {
	if team := p.setting.Table.Team(t.Team); team != nil {
		return team
	}
	return p.topicOf(t).Team
}
