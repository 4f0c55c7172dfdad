package desk

import (
	"errors"
	"slices"
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
	foreign    bool           // a token of the person's, from an address that is not known as theirs
	hold       string         // why a person has to say what shall become of it
	why        string         // the same for the agent who is asked: a phrase's key
	owner      *routing.Agent // whose power it claims, when held
}

// identify decides who wrote the message. From proves nothing by itself: an
// agent's power needs a token that only this agent was sent, together with one
// of that agent's own addresses in From, and the agent must be one at present.
func (p *planner) identify(ev evidence) (sender, error) {
	table := p.setting.Table
	from, err := p.known(p.m.From.Addr)
	if err != nil {
		return sender{}, err
	}
	who := sender{person: from, role: ticket.RoleThirdParty}
	if ev.ticket == nil {
		return who, nil
	}
	fromAgent := p.agentAt(p.m.From.Addr, from)

	if ev.person != 0 {
		holder, err := p.storedPerson(ev.person)
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
		who.unverified = !p.isOf(holder, p.m.From.Addr) || p.m.FromRewritten
		who.foreign = who.unverified && !p.m.FromRewritten
		return who, nil
	}

	part, err := p.partOf(ev.ticket, from)
	if err != nil {
		return who, err
	}
	if part != nil {
		who.role, who.joins, who.unverified = part.Role, true, p.m.FromRewritten
		return who, nil
	}
	if fromAgent != nil {
		if p.replay.as == fromAgent.ID {
			person, err := p.agentPerson(fromAgent)
			if err != nil {
				return who, err
			}
			return p.identifyAgent(who, fromAgent, fromAgent, person), nil
		}
		who.owner, who.why = fromAgent, "hold.token"
		who.hold = "it claims to be from agent " + fromAgent.ID + " and carries none of the agent's tokens for this ticket"
		return who, nil
	}
	// A stranger who answers a participant's own message joins as a third party;
	// one who merely cites a number does not.
	who.joins = ev.by == byStoredMessageID
	who.unverified = true
	return who, nil
}

// partOf is what the sender of a message without a token is to the requester's
// side of a ticket: as the person that From leads to, or as whoever was
// registered under it before that person said that it is theirs. nil: nothing.
func (p *planner) partOf(t *ticket.Ticket, from *ticket.Person) (*ticket.Participant, error) {
	registered, err := p.registered(p.m.From.Addr)
	if err != nil {
		return nil, err
	}
	for _, person := range []*ticket.Person{from, registered} {
		if person == nil {
			continue
		}
		if part := t.Participant(person.ID); part != nil && part.Role != ticket.RoleAgent {
			return part, nil
		}
	}
	return nil, nil
}

func (p *planner) identifyAgent(who sender, agent, fromAgent *routing.Agent, holder *ticket.Person) sender {
	who.owner = agent
	switch reason := p.unauthenticated(); {
	case p.replay.as == agent.ID:
		// A person who may decide has said that it was the agent.
	case p.m.FromRewritten:
		// The group named the author; nobody but the group vouches for that.
		who.why = "hold.group"
		who.hold = "it carries a token of agent " + agent.ID + " and came through group " + p.m.Group + ", which put its own address into From"
		return who
	case fromAgent != agent && !agent.MaySendAs(p.m.From.Addr):
		who.why = "hold.address"
		who.hold = "it carries a token of agent " + agent.ID + " and comes from another address"
		return who
	case reason != "":
		who.hold, who.why = reason, "hold.from"
		return who
	}
	who.person, who.agent, who.role, who.joins = holder, agent, ticket.RoleAgent, true
	return who
}

// sentAs tells whether a mail from an address of the desk is an agent's who may
// send as it, and who has written by hand: it carries a token of theirs.
func (p *planner) sentAs(ev evidence) bool {
	if !p.m.ByHand || ev.ticket == nil || ev.person == 0 {
		return false
	}
	holder, err := p.storedPerson(ev.person)
	if err != nil {
		return false
	}
	agent := p.setting.Table.AgentByAddress(holder.Address.Addr)
	return agent != nil && agent.MaySendAs(p.m.From.Addr)
}

// known returns the person whose address it is, registered or further, or, where
// the configuration pairs its domain with another, the same at that one; nil:
// nobody's.
func (p *planner) known(addr string) (*ticket.Person, error) {
	for _, same := range p.setting.Table.SameAddresses(addr) {
		if person, err := p.whose(same); person != nil || err != nil {
			return person, err
		}
	}
	return nil, nil
}

// isOf tells whether an address is the person's: registered, further, or the same
// at a paired domain.
func (p *planner) isOf(person *ticket.Person, addr string) bool {
	return slices.ContainsFunc(p.setting.Table.SameAddresses(addr), person.Has)
}

// agentAt returns the agent whose address it is: of the configuration, or one
// that the agent, who is the person whom it leads to, has said is theirs; or nil.
func (p *planner) agentAt(addr string, person *ticket.Person) *routing.Agent {
	agent := p.setting.Table.AgentByAddress(addr)
	if agent == nil && person != nil && p.isOf(person, addr) {
		agent = p.setting.Table.AgentByAddress(person.Address.Addr)
	}
	return agent
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
	id, dmarc, domain := parseAuthResults(p.m.AuthResults[0]) // only the topmost is our server's
	if account.AuthservID != "topmost" && !strings.EqualFold(id, account.AuthservID) {
		return "its topmost Authentication-Results are by " + id + ", not by " + account.AuthservID
	}
	if dmarc != "pass" {
		return "DMARC did not pass for its From"
	}
	if domain != "" && domain != ticket.Domain(p.m.From.Addr) {
		// The server has read another address in a From that can be read two ways.
		return "DMARC passed for " + domain + ", which is not the domain of its From"
	}
	return ""
}

// parseAuthResults returns the authserv-id, the result of the dmarc method, and the
// domain of From that it is about, where that is told. Comments and quoted strings are taken out first, so that nothing inside them
// counts.
func parseAuthResults(value string) (id, dmarc, domain string) {
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
			for _, property := range fields[1:] {
				if from, ok := strings.CutPrefix(strings.ToLower(property), "header.from="); ok {
					domain = strings.TrimSuffix(from[strings.LastIndexByte(from, '@')+1:], ".")
				}
			}
			return id, result, domain
		}
	}
	return id, "", ""
}
