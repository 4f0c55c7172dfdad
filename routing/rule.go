package routing

import (
	"slices"
	"strings"

	"buzon/ticket"
)

// Rule is a compiled rule.
type Rule struct {
	Name     string
	On       string // new, reply or any
	If       string // the condition, as it is written
	Continue bool
	Actions

	condition *condition
}

// Actions are what rules have done to a message. Zero values are actions that no
// rule asks for.
type Actions struct {
	Topic          *Topic
	Assign         *Assignment
	Priority       *ticket.Priority
	Labels         []string // folded
	SLA            string
	Status         ticket.Status
	Copy           []string // addresses, and ids of agents and teams
	Forward        []string // addresses
	Canned         *Canned  // sent instead of the confirmation
	MailTo         []string // addresses that are sent Mail
	Mail           *Canned
	NoAutoresponse bool
	UseReplyTo     bool
	Hold           bool
	Refuse         *Canned
	Notes          []string
	Spam           *bool
}

// Assignment is whom a ticket is given to: an agent, a team, or with neither,
// nobody.
type Assignment struct {
	Agent *Agent
	Team  *Team
}

func (a *Assignment) String() string {
	switch {
	case a.Agent != nil:
		return "agent " + a.Agent.ID
	case a.Team != nil:
		return "team " + a.Team.ID
	}
	return "nobody"
}

// add puts another rule's actions on top.
func (a *Actions) add(o *Actions) {
	if o.Topic != nil {
		a.Topic = o.Topic
	}
	if o.Assign != nil {
		a.Assign = o.Assign
	}
	if o.Priority != nil {
		a.Priority = o.Priority
	}
	if o.SLA != "" {
		a.SLA = o.SLA
	}
	if o.Status != "" {
		a.Status = o.Status
	}
	if o.Canned != nil {
		a.Canned = o.Canned
	}
	if o.Mail != nil {
		a.MailTo, a.Mail = o.MailTo, o.Mail
	}
	if o.Refuse != nil {
		a.Refuse = o.Refuse
	}
	if o.Spam != nil {
		a.Spam = o.Spam
	}
	a.Labels = union(a.Labels, o.Labels)
	a.Copy = union(a.Copy, o.Copy)
	a.Forward = union(a.Forward, o.Forward)
	a.Notes = union(a.Notes, o.Notes)
	a.NoAutoresponse = a.NoAutoresponse || o.NoAutoresponse
	a.UseReplyTo = a.UseReplyTo || o.UseReplyTo
	a.Hold = a.Hold || o.Hold
}

// union never changes a's array, which may be a rule's own.
func union(a, b []string) []string {
	if len(a) == 0 {
		return slices.Clip(b)
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(slices.Clip(a), s)
		}
	}
	return a
}

// Do lists what is done, in words of the file.
func (a *Actions) Do() []string {
	var list []string
	say := func(there bool, text string) {
		if there {
			list = append(list, text)
		}
	}
	if a.Topic != nil {
		say(true, "topic "+a.Topic.ID)
	}
	if a.Assign != nil {
		say(true, "assign "+a.Assign.String())
	}
	if a.Priority != nil {
		say(true, "priority "+PriorityName(*a.Priority))
	}
	say(len(a.Labels) > 0, "labels "+strings.Join(a.Labels, ", "))
	say(a.SLA != "", "sla "+a.SLA)
	say(a.Status != "", "status "+string(a.Status))
	say(len(a.Copy) > 0, "copy to "+strings.Join(a.Copy, ", "))
	say(len(a.Forward) > 0, "forward to "+strings.Join(a.Forward, ", "))
	if a.Canned != nil {
		say(true, "canned answer "+a.Canned.ID)
	}
	if a.Mail != nil {
		say(true, "mail "+a.Mail.ID+" to "+strings.Join(a.MailTo, ", "))
	}
	say(a.NoAutoresponse, "no autoresponse")
	say(a.UseReplyTo, "the requester is who stands in Reply-To")
	say(a.Hold, "hold")
	if a.Refuse != nil {
		say(true, "refuse with "+a.Refuse.ID)
	}
	say(len(a.Notes) > 0, "note")
	if a.Spam != nil && *a.Spam {
		say(true, "junk")
	} else if a.Spam != nil {
		say(true, "not junk")
	}
	return list
}

// PriorityName is the word of the file for a priority.
func PriorityName(p ticket.Priority) string {
	if p == ticket.PriorityNormal {
		return "normal"
	}
	return string(p)
}

func priorityOf(word string) ticket.Priority {
	if word == "normal" {
		return ticket.PriorityNormal
	}
	return ticket.Priority(word)
}

// compileRules makes the rules of the table, whose conditions were parsed when
// they were checked.
func (t *Table) compileRules(config *Config, conditions []*condition, s *source) {
	t.names, t.rulesOn = map[string]int{}, map[string][]*Rule{}
	for i := range config.Rules {
		c := &config.Rules[i]
		r := &Rule{Name: c.Name, On: c.On, If: c.If, Continue: c.Continue, condition: conditions[i]}
		t.slots(r.condition)
		r.Topic, r.SLA, r.Status = t.topicByID[c.Topic], c.SLA, ticket.Status(c.Status)
		if c.Assign != "" {
			r.Assign = &Assignment{Agent: t.agentByID[c.Assign], Team: t.teamByID[c.Assign]}
		}
		if c.Priority != "" {
			p := priorityOf(c.Priority)
			r.Priority = &p
		}
		for _, label := range c.Labels {
			r.Labels = append(r.Labels, foldLabel(label))
		}
		r.Copy, r.Forward, r.MailTo = c.Copy, c.Forward, c.MailTo
		r.Canned, r.Mail, r.Refuse = t.cannedByID(c.Canned), t.cannedByID(c.Mail), t.cannedByID(c.Refuse)
		r.NoAutoresponse, r.UseReplyTo, r.Hold = !c.Autoresponse, c.UseReplyTo, c.Hold
		if note := strings.TrimSpace(c.Note); note != "" {
			r.Notes = []string{note}
		}
		if s.set(elementPath("rule", i) + ".spam") {
			r.Spam = &c.Spam
		}
		t.Rules = append(t.Rules, r)
		for _, on := range []string{"new", "reply"} {
			if r.On == on || r.On == "any" {
				t.rulesOn[on] = append(t.rulesOn[on], r)
			}
		}
	}
	t.block, t.allow = addressKeys(config.Lists.Block), addressKeys(config.Lists.Allow)
}

// slots gives the header fields and form fields that rules ask for their places.
func (t *Table) slots(c *condition) {
	for _, kid := range c.kids {
		t.slots(kid)
	}
	if c.op != isTest || !c.test.field.named {
		return
	}
	key := c.test.field.name + " " + foldLabel(c.test.name)
	slot, ok := t.names[key]
	if !ok {
		slot = len(t.names)
		t.names[key] = slot
	}
	c.test.slot = slot
}

func (t *Table) cannedByID(id string) *Canned {
	for _, c := range t.Canned {
		if c.ID == id {
			return c
		}
	}
	return nil
}
