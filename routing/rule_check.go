package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"buzon/ticket"
)

// rulesAll checks the rules and keeps their conditions.
func (c *checker) rulesAll() {
	c.conditions = make([]*condition, len(c.Rules))
	first := map[string]int{}
	for i := range c.Rules {
		r := &c.Rules[i]
		path := elementPath("rule", i)
		key := func(k string) string { return childPath(path, k) }
		if c.set(key("name")) {
			if at, ok := first[r.Name]; ok {
				line, _ := c.position(c.valueOffset(elementPath("rule", at) + ".name"))
				c.rejectf(key("name"), "", "%q is taken by the rule in line %d", r.Name, line)
			} else {
				first[r.Name] = i
			}
		}
		c.conditions[i] = c.condition(key("if"), r.If)
		c.actions(path, r)
		if c.conditions[i] != nil {
			c.shadowed(i)
		}
	}
}

// condition parses the condition of a rule, and reports what is wrong with it at
// its place inside the text.
func (c *checker) condition(path, text string) *condition {
	if !c.set(path) {
		return nil
	}
	parsed, wrong := parseCondition(text)
	if wrong == nil {
		wrong = c.namesIn(parsed)
	}
	if wrong != nil {
		c.problems = append(c.problems, c.problem(path, c.inside(path, wrong.at), wrong.hint, wrong.message))
		c.spoil(path)
		return nil
	}
	return parsed
}

// namesIn checks that topics and fields of forms that a condition names exist.
func (c *checker) namesIn(cond *condition) *mistake {
	for _, kid := range cond.kids {
		if wrong := c.namesIn(kid); wrong != nil {
			return wrong
		}
	}
	if cond.op == isTest && cond.test.field.name == "field" {
		return c.formField(cond)
	}
	if cond.op != isTest || cond.test.field.sort != sortTopicID || c.unsure["topic"] {
		return nil
	}
	for _, id := range cond.test.texts {
		if !c.topics[id] {
			return &mistake{cond.start, fmt.Sprintf("there is no topic '%s'", id), suggest(id, "topics", slices.Collect(maps.Keys(c.topics)))}
		}
	}
	return nil
}

// inside is where an octet of a text's value stands in the file.
func (s *source) inside(path string, n int) int {
	at := s.spots[path].value
	text := s.text[min(at, len(s.text)):]
	quote := byte('"')
	if len(text) > 0 {
		quote = text[0]
	}
	i := 1
	multi := len(text) >= 3 && text[1] == quote && text[2] == quote
	if multi {
		i = 3
		if i < len(text) && text[i] == '\r' {
			i++
		}
		if i < len(text) && text[i] == '\n' {
			i++
		}
	}
	for ; n > 0 && i < len(text); n-- {
		if quote == '\'' || text[i] != '\\' || i+1 >= len(text) {
			i++
			continue
		}
		switch next := text[i+1]; next {
		case 'u':
			i += 6
		case 'U':
			i += 10
		case '\n', '\r', ' ', '\t': // the line goes on in the next one
			for i++; i < len(text) && isSpace(text[i]); i++ {
			}
			n++
		default:
			i += 2
		}
	}
	return at + min(i, len(text))
}

// actions checks what a rule does.
func (c *checker) actions(path string, r *RuleConfig) {
	key := func(k string) string { return childPath(path, k) }
	c.refers(key("topic"), r.Topic, "topic", c.topics)
	if r.SLA != "" {
		c.refers(key("sla"), r.SLA, "sla", c.slas)
	}
	if r.Assign != "nobody" && c.set(key("assign")) && !c.agents[r.Assign] && !c.teams[r.Assign] && !c.unsure["agent"] && !c.unsure["team"] {
		known := append(slices.Collect(maps.Keys(c.agents)), slices.Collect(maps.Keys(c.teams))...)
		c.rejectf(key("assign"), suggest(r.Assign, "agents and teams", append(known, "nobody")), "there is no agent or team %q", r.Assign)
	}
	for _, k := range []struct{ key, id string }{{"canned", r.Canned}, {"refuse", r.Refuse}, {"mail", r.Mail}} {
		if !c.set(key(k.key)) || c.canned[k.id] || c.unsure["canned"] {
			continue
		}
		c.rejectf(key(k.key), suggest(k.id, "canned answers", slices.Collect(maps.Keys(c.canned))), "there is no canned answer %q", k.id)
	}
	for i, who := range r.Copy {
		c.party(elementPath(key("copy"), i), who)
	}
	for i, addr := range r.Forward {
		c.outside(elementPath(key("forward"), i), addr)
	}
	for i, addr := range r.MailTo {
		c.outside(elementPath(key("mail_to"), i), addr)
	}
	for i, label := range r.Labels {
		if at := elementPath(key("labels"), i); c.set(at) && foldLabel(label) == "" {
			c.rejectf(at, "", "%q is not a label", label)
		}
	}
	c.distinct(key("labels"), r.Labels)
	c.distinct(key("copy"), r.Copy)
	c.distinct(key("forward"), r.Forward)
	switch {
	case c.set(key("mail_to")) && r.Mail == "" && !c.bad(key("mail")):
		c.rejectf(key("mail_to"), `write mail = "…", the id of a canned answer`, "nothing says what they are sent")
	case c.set(key("mail")) && len(r.MailTo) == 0 && !c.bad(key("mail_to")):
		c.rejectf(key("mail"), `write mail_to = ["…"]`, "nothing says whom it is sent to")
	}
	c.ineffective(path, r)
	if !c.doesAnything(path, r) {
		c.rejectf(path, "add topic, assign, priority, labels, note, …", "does nothing")
	}
}

// ineffective refuses actions that another one of the rule leaves nothing to do. That of
// an earlier rule, which says continue, may; it is the later one's word that counts.
func (c *checker) ineffective(path string, r *RuleConfig) {
	refuse := func(hint, message string, keys ...string) {
		for _, k := range keys {
			if at := childPath(path, k); c.set(at) && !c.bad(at) && r.asks(k) {
				c.rejectf(at, hint, "%s", message)
			}
		}
	}
	switch {
	case r.Spam:
		refuse("keep one of them", "has no effect with spam = true: junk is closed without a word",
			"status", "copy", "forward", "canned", "mail", "use_reply_to", "hold", "refuse")
	case r.Refuse != "":
		refuse("keep one of them", "refuse sends a canned answer already", "canned")
		refuse("keep one of them", "what is refused can't be held", "hold")
		refuse("keep one of them", "has no effect with refuse: nobody else is told of what is refused, and its ticket is closed",
			"status", "copy", "forward", "mail")
	}
	if r.On != "reply" {
		return
	}
	refuse(`it needs on = "new"`, "has no effect on replies", "autoresponse", "use_reply_to")
	if r.Spam || r.Refuse != "" {
		refuse("leave it out", "has no effect on a reply that is junk or refused: it changes nothing",
			"topic", "assign", "priority", "labels", "sla", "note")
	}
}

// asks tells whether a rule asks for an action, by its key, where the file has it.
func (r *RuleConfig) asks(key string) bool {
	switch key {
	case "use_reply_to":
		return r.UseReplyTo
	case "hold":
		return r.Hold
	}
	return true
}

// doesAnything tells whether a rule has an action, be it a wrong one.
func (c *checker) doesAnything(path string, r *RuleConfig) bool {
	if len(r.Labels)+len(r.Copy)+len(r.Forward)+len(r.MailTo) > 0 || !r.Autoresponse || r.UseReplyTo || r.Hold || strings.TrimSpace(r.Note) != "" {
		return true
	}
	for _, k := range []string{"topic", "assign", "priority", "sla", "status", "canned", "mail", "refuse", "spam"} {
		if c.set(path+"."+k) || c.bad(path+"."+k) {
			return true
		}
	}
	for _, k := range []string{"labels", "copy", "forward", "mail_to", "autoresponse", "use_reply_to", "hold", "note"} {
		if c.bad(path + "." + k) {
			return true
		}
	}
	return false
}

// party checks who is brought into a ticket: an agent, a team, or an address.
func (c *checker) party(path, who string) {
	if strings.Contains(who, "@") {
		c.outside(path, who)
		return
	}
	if c.set(path) && !c.agents[who] && !c.teams[who] && !c.unsure["agent"] && !c.unsure["team"] {
		known := append(slices.Collect(maps.Keys(c.agents)), slices.Collect(maps.Keys(c.teams))...)
		c.rejectf(path, suggest(who, "agents and teams", known), "%q is neither an address nor an agent or team", who)
	}
}

// outside checks an address that the desk writes to: one of its own would make a
// loop, and an agent's has its own way.
func (c *checker) outside(path, addr string) {
	if !c.address(path, addr) {
		return
	}
	key := ticket.AddressKey(addr)
	base, _ := ticket.SplitPlus(key)
	ours := c.own[key]
	if ours == "" {
		ours = c.own[base]
	}
	if topic, ok := c.wildcards[ticket.Domain(key)]; ours == "" && ok {
		ours = fmt.Sprintf("taken by topic %q", c.Topics[topic].ID)
	}
	_, isGroup := c.groups[key]
	switch owner := c.agentAddresses[key]; {
	case ours != "":
		c.rejectf(path, "name an address of another server", "%q is %s: the desk would write to itself", addr, ours)
	case isGroup:
		c.rejectf(path, "name an address that doesn't come back to the desk", "%q is a group that feeds a topic", addr)
	case owner != "":
		c.rejectf(path, fmt.Sprintf("write copy = [%q]", owner), "%q is an address of agent %q", addr, owner)
	}
}

// shadowed warns of a rule that can never hold, because an earlier one always holds
// before it and ends the list.
func (c *checker) shadowed(i int) {
	for j := range c.Rules[:i] {
		earlier := &c.Rules[j]
		if earlier.Continue || c.conditions[j] == nil || earlier.On != "any" && earlier.On != c.Rules[i].On {
			continue
		}
		if c.conditions[i].implies(c.conditions[j]) {
			line, _ := c.position(c.valueOffset(elementPath("rule", j) + ".name"))
			c.warnf(elementPath("rule", i)+".if", "put it before that one, or write continue = true there",
				"never gets its turn: whenever it holds, rule %q in line %d holds first", earlier.Name, line)
			return
		}
	}
}

// listsAll checks the block and allow lists.
func (c *checker) listsAll() {
	for _, l := range []struct {
		key  string
		list []string
	}{{"lists.block", c.Lists.Block}, {"lists.allow", c.Lists.Allow}} {
		for i, entry := range l.list {
			path := elementPath(l.key, i)
			if domain, ok := strings.CutPrefix(entry, "@"); ok {
				if c.set(path) && !isHostname(domain) {
					c.rejectf(path, `write it like "@example.org"`, "%q is not a domain", entry)
				}
				continue
			}
			if c.address(path, entry) && l.key == "lists.block" && c.agentAddresses[ticket.AddressKey(entry)] != "" {
				c.rejectf(path, "", "%q is an address of agent %q", entry, c.agentAddresses[ticket.AddressKey(entry)])
			}
		}
		c.distinct(l.key, l.list)
	}
	for i, entry := range c.Lists.Block {
		if j := slices.Index(c.Lists.Allow, entry); j >= 0 && c.set(elementPath("lists.block", i)) {
			c.rejectf(elementPath("lists.block", i), "keep it in one of them", "%q is on the allow list too, which comes first", entry)
		}
	}
}
