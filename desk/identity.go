package desk

import (
	"errors"
	"strings"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// sender is who wrote a message, as far as that can be known, and what they may
// do with the ticket it belongs to.
type sender struct {
	person *ticket.Person // nil: never seen before
	agent  *routing.Agent // acts as this agent; nil: not as an agent
	role   ticket.Role
	joins  bool // may add to the ticket
	// unverified: the ticket's people are told that the sender was not shown to
	// be who they say they are.
	unverified bool
	hold       string         // why a person has to say what shall become of it
	owner      *routing.Agent // whose power it claims, when held
}

// identify decides who wrote the message. From proves nothing by itself: an
// agent's power needs a token that only this agent was sent, together with one
// of that agent's own addresses in From, and the agent must be one at present.
func (p *planner) identify(ev evidence) (sender, error) {
	table := p.setting.Table
	from, err := p.tx.PersonByAddress(p.m.From.Addr)
	if errors.Is(err, store.ErrNotFound) {
		from = nil
	} else if err != nil {
		return sender{}, err
	}
	who := sender{person: from, role: ticket.RoleThirdParty}
	if ev.ticket == nil {
		return who, nil
	}
	fromAgent := table.AgentByAddress(p.m.From.Addr)

	if ev.person != 0 {
		holder, err := p.tx.Person(ev.person)
		if errors.Is(err, store.ErrNotFound) {
			return who, nil
		} else if err != nil {
			return who, err
		}
		part := ev.ticket.Participant(holder.ID)
		asRequester := part != nil && part.Role != ticket.RoleAgent
		if agent := table.AgentByAddress(holder.Address.Addr); agent != nil && !asRequester {
			return p.identifyAgent(who, agent, fromAgent, holder), nil
		}
		if !asRequester {
			return who, nil // an agent once, nobody now
		}
		who.person, who.role, who.joins = holder, part.Role, true
		who.unverified = holder.Address.Key() != p.m.From.Key() || p.m.FromRewritten
		return who, nil
	}

	if from != nil {
		if part := ev.ticket.Participant(from.ID); part != nil && part.Role != ticket.RoleAgent {
			who.role, who.joins, who.unverified = part.Role, true, p.m.FromRewritten
			return who, nil
		}
	}
	if fromAgent != nil {
		if p.replay.as == fromAgent.ID {
			person, err := p.agentPerson(fromAgent)
			if err != nil {
				return who, err
			}
			return p.identifyAgent(who, fromAgent, fromAgent, person), nil
		}
		who.owner = fromAgent
		who.hold = "it claims to be from agent " + fromAgent.ID + " and carries none of the agent's tokens for this ticket"
		return who, nil
	}
	// A stranger who answers a participant's own message joins as a third party;
	// one who merely cites a number does not.
	who.joins = ev.by == byStoredMessageID
	who.unverified = true
	return who, nil
}

func (p *planner) identifyAgent(who sender, agent, fromAgent *routing.Agent, holder *ticket.Person) sender {
	who.owner = agent
	switch reason := p.unauthenticated(); {
	case p.replay.as == agent.ID:
		// A person who may decide has said that it was the agent.
	case p.m.FromRewritten:
		// The group named the author; nobody but the group vouches for that.
		who.hold = "it carries a token of agent " + agent.ID + " and came through group " + p.m.Group + ", which put its own address into From"
		return who
	case fromAgent != agent:
		who.hold = "it carries a token of agent " + agent.ID + " and comes from another address"
		return who
	case reason != "":
		who.hold = reason
		return who
	}
	who.person, who.agent, who.role, who.joins = holder, agent, ticket.RoleAgent, true
	return who
}

// unauthenticated says why the account's Authentication-Results (RFC 8601) do
// not vouch for From; empty when they do, or when the account can't tell.
func (p *planner) unauthenticated() string {
	account := p.setting.Table.Account(p.m.Envelope.Account)
	if account == nil || account.AuthservID == "" {
		return ""
	}
	if len(p.m.AuthResults) == 0 {
		return "no Authentication-Results vouch for its From"
	}
	id, dmarc := parseAuthResults(p.m.AuthResults[0]) // only the topmost is our server's
	if account.AuthservID != "topmost" && !strings.EqualFold(id, account.AuthservID) {
		return "its topmost Authentication-Results are by " + id + ", not by " + account.AuthservID
	}
	if dmarc != "pass" {
		return "DMARC did not pass for its From"
	}
	return ""
}

// parseAuthResults returns the authserv-id and the result of the dmarc method.
// Comments and quoted strings are taken out first, so that nothing inside them
// counts.
func parseAuthResults(value string) (id, dmarc string) {
	var plain strings.Builder
	depth, quoted := 0, false
	for _, r := range value {
		switch {
		case r == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
		case depth == 0:
			plain.WriteRune(r)
		}
	}
	parts := strings.Split(plain.String(), ";")
	if fields := strings.Fields(parts[0]); len(fields) > 0 {
		id = fields[0]
	}
	for _, part := range parts[1:] {
		fields := strings.Fields(part)
		if len(fields) == 0 {
			continue
		}
		if result, ok := strings.CutPrefix(strings.ToLower(fields[0]), "dmarc="); ok {
			return id, result
		}
	}
	return id, ""
}
