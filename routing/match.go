package routing

import (
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// Input is what a decision looks at.
type Input struct {
	Account string          // account the message came by
	Group   string          // configured group that it came through; empty: none
	Targets []ticket.Target // most reliable first
	Facts   Facts
	// Reply is the topic of the ticket that the message replies to; nil: it asks for
	// a new one.
	Reply *Topic
	// Staff says who of a team gets a ticket; nil: strategies are left open.
	Staff Staff
	// Explain has the decision say of every rule why it holds or not.
	Explain bool
}

// Decision is where a message goes, what is done to it, and why.
type Decision struct {
	Topic   *Topic
	First   *Topic   // before the rules: the one it is addressed to, or the ticket's
	Agent   *Agent   // the assignee, or nil
	Team    *Team    // the team that is told, or nil
	Where   string   // which evidence decided: "group", "envelope recipient", "Delivered-To", "To", "Cc", "account default", "catch-all", "rule", "ticket"
	Address string   // the topic's address or group that matched; empty for the others
	Reasons []string // one fact each, in order, in English
	Version string   // of the table

	Actions             // of all rules that hold
	Rules   []RuleTrace // those that hold; with Explain, all that were tried
	Blocked string      // why it is closed silently as junk; empty: it is not
	Quiet   string      // why nobody is told of it; empty: they are
	Turn    *Turn       // to store with the ticket; nil: none
}

// RuleTrace is how one rule was tried.
type RuleTrace struct {
	Name    string `json:"name"`
	Matched bool   `json:"matched"`
	Why     string `json:"why,omitempty"` // the test that decided, with Explain
}

// Junk tells whether the message is closed silently.
func (d *Decision) Junk() bool { return d.Blocked != "" || d.Spam != nil && *d.Spam }

// Match decides where a message goes: to the topic of the group it came through,
// because the mailbox that the group delivers to only subscribes to it; or else
// to the topic of the first target that is an address or a group of one, or else to the account's default topic, or else to the
// catch-all. Own addresses that are no topic's decide nothing. Then the rules are
// tried, in order, unless the sender is blocked. There is always a topic, and, for
// a new ticket, an agent or a team, unless a rule gives it to nobody, or the agent is not there. Of a reply, the topic is the
// ticket's and nobody gets it, unless a rule says otherwise.
func (t *Table) Match(in Input) Decision {
	d := Decision{Version: t.Version}
	if in.Reply != nil {
		d.Topic, d.Where = in.Reply, "ticket"
	} else {
		t.byAddress(&d, &in)
	}
	d.First = d.Topic
	if t.lists(&d, &in) {
		t.tryRules(&d, &in)
	}
	if d.Actions.Topic != nil && d.Actions.Topic != d.Topic {
		d.Topic, d.Where, d.Address = d.Actions.Topic, "rule", ""
	}
	if in.Reply == nil || d.Topic != d.First || d.Assign != nil {
		t.assign(&d, &in)
	}
	return d
}

// byAddress finds the topic that a new message is addressed to.
func (t *Table) byAddress(d *Decision, in *Input) {
	if topic := t.TopicByGroup(in.Group); topic != nil {
		d.Topic, d.Where, d.Address = topic, "group", ticket.AddressKey(in.Group)
		d.Reasons = append(d.Reasons, "it came through "+d.Address+", a group of topic "+topic.ID)
	}
	for _, target := range in.Targets {
		if d.Topic != nil {
			break
		}
		if topic := t.TopicByGroup(target.Address); topic != nil {
			d.Topic, d.Where, d.Address = topic, target.Where, ticket.AddressKey(target.Address)
			d.Reasons = append(d.Reasons, target.Where+" "+d.Address+" is a group of topic "+topic.ID)
		} else if topic, addr := t.topicAt(target.Address); topic != nil {
			d.Topic, d.Where, d.Address = topic, target.Where, addr
			d.Reasons = append(d.Reasons, target.Where+" "+addr+" is an address of topic "+topic.ID)
		}
	}
	if d.Topic != nil {
		return
	}
	if topic := t.defaultTopic[in.Account]; topic != nil {
		d.Topic, d.Where = topic, "account default"
		d.Reasons = append(d.Reasons, "no recipient names a topic: account "+in.Account+" has default topic "+topic.ID)
	} else {
		d.Topic, d.Where = t.catchAll, "catch-all"
		d.Reasons = append(d.Reasons, "no recipient names a topic: "+t.catchAll.ID+" is the catch-all")
	}
}

// lists looks whether the sender is blocked, and tells whether the rules are to be
// tried. What a server has marked as junk makes a ticket that nobody is told of
// until its answer is overdue: a wrong mark costs a day, and not the request.
func (t *Table) lists(d *Decision, in *Input) bool {
	m := in.Facts.Message
	if m == nil {
		return true
	}
	blocked, allowed := t.Listed(m.From.Addr)
	switch {
	case allowed != "":
		d.Reasons = append(d.Reasons, "the sender is on the allow list, by "+allowed)
	case blocked != "":
		d.Blocked = "the sender is on the block list, by " + blocked
	case in.Facts.Blocked:
		d.Blocked = "an agent has marked the sender's mail as junk"
	case m.Kind == ticket.KindSpam && in.Reply == nil:
		d.Quiet = "marked as junk on its way: " + m.KindReason
	}
	if d.Blocked != "" {
		d.Reasons = append(d.Reasons, d.Blocked)
	}
	return d.Blocked == ""
}

// Listed returns the entries of the block list and the allow list that an address
// falls under; empty: none. Agents are never blocked.
func (t *Table) Listed(addr string) (blocked, allowed string) {
	if t.AgentByAddress(addr) == nil {
		blocked = listed(t.block, addr)
	}
	return blocked, listed(t.allow, addr)
}

// listed returns the entry of a list that an address falls under.
func listed(list []string, addr string) string {
	key, domain := ticket.AddressKey(addr), "@"+ticket.Domain(addr)
	for _, entry := range list {
		if entry == key || entry == domain {
			return entry
		}
	}
	return ""
}

// tryRules tries the rules in order.
func (t *Table) tryRules(d *Decision, in *Input) {
	rules := t.rulesOn["new"]
	if in.Reply != nil {
		rules = t.rulesOn["reply"]
	}
	if len(rules) == 0 {
		return
	}
	if in.Facts.At.IsZero() {
		in.Facts.At = time.Now()
	}
	r := &reading{in: in, zone: t.Zone, topic: d.Topic, reply: in.Reply != nil}
	if len(t.names) > 0 {
		r.named, r.asked = make([][]value, len(t.names)), make([]bool, len(t.names))
	}
	if in.Explain {
		var values map[string]string
		if in.Facts.Fields != nil {
			values = in.Facts.Fields(d.Topic)
		}
		r.mask = func(text string) string { return t.MaskSubject(text, values) }
	}
	for _, rule := range rules {
		holds := rule.condition.holds(r)
		if in.Explain {
			d.Rules = append(d.Rules, RuleTrace{rule.Name, holds, rule.condition.why(r, rule.If)})
		}
		if !holds {
			continue
		}
		if !in.Explain {
			d.Rules = append(d.Rules, RuleTrace{Name: rule.Name, Matched: true})
		}
		d.Actions.add(&rule.Actions)
		if d.Actions.Topic != nil {
			r.topic = d.Actions.Topic
		}
		d.Reasons = append(d.Reasons, "rule "+rule.Name+": "+strings.Join(rule.Do(), ", "))
		if !rule.Continue {
			break
		}
	}
	if d.Spam != nil {
		d.Quiet = ""
	}
}

// assign says who gets the ticket. Mail to postmaster (RFC 5321, section 4.5.1) that is
// no topic's goes to the first operator. An agent who is away, or asks for it, does not
// get it: then nobody has it, and the operators see to it that somebody is told.
func (t *Table) assign(d *Decision, in *Input) {
	from := t.Requester(d, in.Facts.Message).Addr
	switch topic := d.Topic; {
	case d.Assign != nil:
		d.Agent, d.Team = d.Assign.Agent, d.Assign.Team
		d.Reasons = append(d.Reasons, "a rule gives it to "+d.Assign.String())
	case d.Where == "catch-all" && toPostmaster(in.Targets):
		d.Agent = t.Operators()[0]
		d.Reasons = append(d.Reasons, "mail to postmaster goes to the first operator, agent "+d.Agent.ID)
	case topic.Agent != nil:
		d.Agent = topic.Agent
		d.Reasons = append(d.Reasons, "topic "+topic.ID+" goes to agent "+topic.Agent.ID)
	default:
		d.Team = topic.Team
		d.Reasons = append(d.Reasons, "topic "+topic.ID+" goes to team "+topic.Team.ID)
		if topic.Strategy == StrategyFixed || d.Junk() || d.Refuse != nil {
			return
		}
		agent, turn, why := topic.distribute(in.Staff, from)
		d.Agent, d.Turn = agent, turn
		d.Reasons = append(d.Reasons, why)
		return
	}
	gone := ""
	switch {
	case d.Agent == nil:
		return
	case d.Agent.Wrote(from):
		gone = " asks for it"
	case in.Staff != nil && in.Staff.Away(d.Agent):
		gone = " is away"
	default:
		return
	}
	d.Reasons = append(d.Reasons, d.Agent.ID+gone+", so nobody has it: others who staff the topic are told, or else the operators")
	d.Agent = nil
}

// Requester is who a message is from as far as its ticket is concerned: From, or, where
// a rule says so, who stands in Reply-To.
func (t *Table) Requester(d *Decision, m *ticket.Message) ticket.Address {
	switch {
	case m == nil:
		return ticket.Address{}
	case d.UseReplyTo && len(m.ReplyTo) > 0 && !t.Own(m.ReplyTo[0].Addr):
		return m.ReplyTo[0]
	}
	return m.From
}

func toPostmaster(targets []ticket.Target) bool {
	return slices.ContainsFunc(targets, func(t ticket.Target) bool {
		return strings.HasPrefix(ticket.AddressKey(t.Address), "postmaster@")
	})
}

// Asks tells whether any rule looks at a field, by its name in conditions.
func (t *Table) Asks(field string) bool {
	return slices.ContainsFunc(t.Rules, func(r *Rule) bool { return r.condition.asks(field) })
}

func (c *condition) asks(field string) bool {
	return c.test != nil && c.test.field.name == field || slices.ContainsFunc(c.kids, func(kid *condition) bool { return kid.asks(field) })
}
