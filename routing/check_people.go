package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"buzon/ticket"
)

func (c *checker) topicsAll() {
	if len(c.Topics) == 0 && !c.bad("topic") {
		c.rejectf("topic", "add a [[topic]]", "there are none, so no mail would have a place")
		return
	}
	catchAll := -1
	for i := range c.Topics {
		t := &c.Topics[i]
		path := elementPath("topic", i)
		key := func(k string) string { return childPath(path, k) }
		if t.Language == "" {
			t.Language = c.Desk.Language
		}
		if t.NameEN == "" {
			t.NameEN = t.Name
		}
		c.assignee(path, t)
		if t.Smarthost != "" {
			c.refers(key("smarthost"), t.Smarthost, "smarthost", c.smarthosts)
		}
		if t.Form != "" {
			c.refers(key("form"), t.Form, "form", c.forms)
		}
		for j, addr := range t.Addresses {
			c.topicAddress(elementPath(key("addresses"), j), addr, i, j)
		}
		c.refers(key("parent"), t.Parent, "topic", c.topics)
		if t.Strategy != StrategyFixed && t.Agent != "" && !c.bad(key("strategy")) && !c.bad(path+".agent") {
			c.rejectf(key("strategy"), "write team instead of agent", "needs a team to choose from")
		}
		if !t.CatchAll {
			continue
		}
		if catchAll >= 0 {
			line, _ := c.position(c.valueOffset(elementPath("topic", catchAll) + ".catch_all"))
			c.rejectf(key("catch_all"), "one topic takes what no address matches", "is set in line %d already", line)
			continue
		}
		catchAll = i
	}
	c.parents()
	if catchAll < 0 && !c.anyBad("catch_all") && !c.bad("topic") {
		c.rejectf("topic", "add catch_all = true to the topic that takes what no address matches", "none of them has catch_all = true")
	}
}

func (c *checker) anyBad(key string) bool {
	for i := range c.Topics {
		if c.bad(elementPath("topic", i) + "." + key) {
			return true
		}
	}
	return false
}

func (c *checker) assignee(path string, t *TopicConfig) {
	agent, team := path+".agent", path+".team"
	switch {
	case c.bad(agent) || c.bad(team):
	case t.Agent == "" && t.Team == "":
		c.rejectf(agent, `write agent = "…" or team = "…"`, "nobody answers: neither agent nor team is set")
	case t.Agent != "" && t.Team != "":
		c.rejectf(team, "keep one of them; an agent can be a member of the team", "agent is set too")
	}
	if t.Agent != "" {
		c.refers(agent, t.Agent, "agent", c.agents)
	}
	if t.Team != "" {
		c.refers(team, t.Team, "team", c.teams)
	}
}

// parents checks that no topic is a part of itself.
func (c *checker) parents() {
	parent := map[string]string{}
	for _, t := range c.Topics {
		parent[t.ID] = t.Parent
	}
	for i, t := range c.Topics {
		path := elementPath("topic", i) + ".parent"
		at := t.Parent
		for range c.Topics {
			if at == t.ID && c.set(path) {
				c.rejectf(path, "", "topic %q would be a part of itself", t.ID)
				return // the others of the circle are the same mistake
			}
			at = parent[at]
		}
	}
}

func (c *checker) topicAddress(path, addr string, topic, place int) {
	if domain, wild := wildcard(addr); wild && c.set(path) {
		other, taken := c.wildcards[domain]
		switch {
		case !isHostname(domain):
			c.rejectf(path, `write it like "*@dept.example.org"`, "%q takes the addresses of no domain", addr)
		case place == 0:
			c.rejectf(path, "put an address before it", "mail can't come from %q, and the first address is the sender", addr)
		case taken:
			c.rejectf(path, "a domain belongs to one topic", "%q is an address of topic %q already", addr, c.Topics[other].ID)
		default:
			c.wildcards[domain] = topic
		}
		return
	}
	if !c.address(path, addr) {
		return
	}
	key := ticket.AddressKey(addr)
	if other, ok := c.topicAddresses[key]; ok {
		hint := "an address belongs to one topic"
		if other == topic {
			hint = ""
		}
		c.rejectf(path, hint, "%q is an address of topic %q already", addr, c.Topics[other].ID)
		return
	}
	c.topicAddresses[key] = topic
	c.own[key] = "an address of topic " + strconv.Quote(c.Topics[topic].ID)
}

// groupsAll runs when all addresses of the desk are known: a group that is one
// of them would make the desk's own mail a stranger's.
func (c *checker) groupsAll() {
	for i, t := range c.Topics {
		for j, addr := range t.Groups {
			path := elementPath(elementPath("topic", i)+".groups", j)
			if !c.address(path, addr) {
				continue
			}
			key := ticket.AddressKey(addr)
			base, _ := ticket.SplitPlus(addr)
			ours := c.own[key]
			if ours == "" {
				ours = c.own[base]
			}
			switch other, taken := c.groups[key]; {
			case ours != "":
				c.rejectf(path, "groups are addresses of other servers that pass mail on to the desk", "%q is %s", addr, ours)
			case key == ticket.AddressKey(c.Desk.ReplyAddress):
				c.rejectf(path, "", "%q is desk.reply_address", addr)
			case taken:
				c.rejectf(path, "a group feeds one topic", "%q is a group of topic %q already", addr, c.Topics[other].ID)
			default:
				c.groups[key] = i
			}
		}
	}
}

func (c *checker) agentsAll() {
	if reply := c.Desk.ReplyAddress; reply != "" && !c.bad("desk.reply_address") {
		key := ticket.AddressKey(reply)
		if c.own[key] == "" {
			c.own[key] = "desk.reply_address"
		}
	}
	owner := c.agentAddresses
	for i := range c.Agents {
		a := &c.Agents[i]
		if a.Language == "" {
			a.Language = c.Desk.Language
		}
		for j, addr := range a.SendsAs {
			path := elementPath(elementPath("agent", i)+".sends_as", j)
			if !c.address(path, addr) {
				continue
			}
			if _, ok := c.topicAddresses[ticket.AddressKey(addr)]; !ok {
				c.rejectf(path, "name a topic's address; addresses of the agent's own stand in addresses", "%q is not an address of a topic", addr)
			}
		}
		for j, addr := range a.Addresses {
			path := elementPath(elementPath("agent", i)+".addresses", j)
			if !c.address(path, addr) {
				continue
			}
			key := ticket.AddressKey(addr)
			base, _ := ticket.SplitPlus(addr)
			ours := c.own[key]
			if ours == "" {
				ours = c.own[base]
			}
			_, isGroup := c.groups[key]
			if topic, ok := c.wildcards[ticket.Domain(key)]; ours == "" && ok {
				ours = "taken by topic " + strconv.Quote(c.Topics[topic].ID)
			}
			switch other, taken := owner[key]; {
			case isGroup:
				c.rejectf(path, "an agent needs an address of their own", "%q is a group that feeds a topic", addr)
			case ours != "":
				c.rejectf(path, "an agent needs an address of their own", "%q is %s: the desk would write to itself", addr, ours)
			case taken:
				c.rejectf(path, "", "%q is an address of agent %q already", addr, other)
			default:
				owner[key] = a.ID
			}
		}
	}
}

func (c *checker) teamsAll() {
	for i, t := range c.Teams {
		path := elementPath("team", i) + ".members"
		for j, id := range t.Members {
			c.refers(elementPath(path, j), id, "agent", c.agents)
		}
		c.distinct(path, t.Members)
	}
}

// cannedAll checks the prepared answers: a field that nobody fills would be sent
// to a requester as it is written.
func (c *checker) cannedAll() {
	for i := range c.Canned {
		a := &c.Canned[i]
		path := elementPath("canned", i)
		for key, text := range map[string]string{"text": a.Text, "text_en": a.TextEN} {
			for _, field := range cannedField.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(CannedFields, field[1]) {
					c.rejectf(childPath(path, key), "use one of {"+strings.Join(CannedFields, "}, {")+"}", "{%s} stands for nothing", field[1])
				}
			}
		}
		if a.TextEN == "" {
			a.TextEN = a.Text
		}
		for j, id := range a.Topics {
			c.refers(elementPath(childPath(path, "topics"), j), id, "topic", c.topics)
		}
		c.distinct(childPath(path, "topics"), a.Topics)
	}
}

var cannedField = regexp.MustCompile(`\{(\w+)\}`)

// unused warns of agents and teams that no mail would ever reach.
func (c *checker) unused() {
	if len(c.problems) > 0 {
		return // who is used may be among what is wrong
	}
	used, relays, forms := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, t := range c.Topics {
		used[t.Agent], used[t.Team], relays[t.Smarthost], forms[t.Form] = true, true, true, true
	}
	for i, f := range c.Forms {
		if !forms[f.ID] {
			c.warnf(elementPath("form", i)+".id", fmt.Sprintf("write form = %q in a topic", f.ID), "no topic asks for it")
		}
	}
	for _, r := range c.Rules {
		used[r.Assign] = true
		for _, who := range r.Copy {
			used[who] = true
		}
	}
	for i, r := range c.Smarthosts {
		if !relays[r.Name] {
			c.warnf(elementPath("smarthost", i)+".name", fmt.Sprintf("write smarthost = %q in a topic", r.Name), "no topic's mail goes to it")
		}
	}
	for i, t := range c.Teams {
		if !used[t.ID] {
			c.warnf(elementPath("team", i)+".id", "", "no topic goes to team %q", t.ID)
		}
	}
	for _, t := range c.Teams {
		for _, id := range t.Members {
			used[id] = true
		}
	}
	for _, id := range c.Desk.Operators {
		used[id] = true
	}
	for i, a := range c.Agents {
		if !used[a.ID] {
			c.warnf(elementPath("agent", i)+".id", fmt.Sprintf("name %q in a topic or a team", a.ID), "nothing goes to agent %q", a.ID)
		}
	}
}
