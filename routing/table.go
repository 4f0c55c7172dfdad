package routing

import (
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// Table is a checked configuration, compiled for use. It is immutable, so it is
// safe for concurrent use.
type Table struct {
	Config  *Config
	Version string // digest of the file, recorded with each decision
	Zone    *time.Location
	Topics  []*Topic // in the order of the file
	Agents  []*Agent
	Teams   []*Team
	Canned  []*Canned
	Forms   []*Form
	Rules   []*Rule // in the order of the file

	topicByAddress map[string]*Topic // by address key
	topicByDomain  map[string]*Topic // those that take all addresses of a domain
	topicByGroup   map[string]*Topic // by address key
	agentByAddress map[string]*Agent
	topicByID      map[string]*Topic
	agentByID      map[string]*Agent
	teamByID       map[string]*Team
	accountByName  map[string]*AccountConfig
	defaultTopic   map[string]*Topic // by account name
	own            map[string]bool   // topics', accounts' and reply addresses, by key
	catchAll       *Topic
	operators      []*Agent
	time           *timetable
	rulesOn        map[string][]*Rule // those for new messages and those for replies
	names          map[string]int     // slots of the header and form fields that rules ask for
	block, allow   []string           // address keys, and domains with their @
	source         *source
}

// Topic is a compiled help topic. Exactly one of Agent and Team is set.
type Topic struct {
	ID           string
	NameES       string
	NameEN       string
	Addresses    []string // keys; the first is the sender
	Groups       []string // keys of the groups that feed it
	Agent        *Agent
	Team         *Team
	SLA          *SLA  // its own, or one made of its reply_within
	Form         *Form // nil: none
	Language     string
	Autoresponse bool
	Signature    string
	Smarthost    string // name; empty: the one of [outgoing]
	Strategy     string // one of the Strategy constants
	Priority     ticket.Priority
	Public       bool   // requesters may be told of its address
	Parent       *Topic // that it is a part of; nil: of none
	Petition     bool   // its tickets are never closed automatically

	needs map[ticket.Permission]Role
}

// Agent is someone who answers.
type Agent struct {
	ID        string
	Name      string
	Addresses []string // keys; the first is written to
	SendsAs   []string // keys of topic addresses that they may send as
	Language  string
	Role      Role
	Digest    bool      // gets the daily digest
	Notify    string    // what they are mailed at once: see the constants
	Calendar  *Calendar // nil: none of their own

	zone *time.Location
	away []period
}

// Team is a group of agents.
type Team struct {
	ID      string
	Name    string
	Members []*Agent
}

// compile makes the table of a configuration without mistakes.
func compile(config *Config, s *source, times *timetable, conditions []*condition, version string) *Table {
	t := &Table{
		Config:         config,
		Version:        version,
		topicByAddress: map[string]*Topic{},
		topicByDomain:  map[string]*Topic{},
		topicByGroup:   map[string]*Topic{},
		agentByAddress: map[string]*Agent{},
		topicByID:      map[string]*Topic{},
		agentByID:      map[string]*Agent{},
		teamByID:       map[string]*Team{},
		accountByName:  map[string]*AccountConfig{},
		defaultTopic:   map[string]*Topic{},
		own:            map[string]bool{},
		time:           times,
		source:         s,
	}
	t.Zone, _ = zone(config.Desk.TimeZone) // was checked
	for i, c := range config.Agents {
		a := &Agent{ID: c.ID, Name: c.Name, Addresses: addressKeys(c.Addresses), SendsAs: addressKeys(c.SendsAs), Language: c.Language, Role: Role(c.Role), Digest: c.Digest, Notify: c.Notify,
			Calendar: times.calendars[c.Calendar], zone: t.Zone, away: times.away[i]}
		if a.Calendar != nil {
			a.zone = a.Calendar.zone
		}
		t.Agents = append(t.Agents, a)
		t.agentByID[a.ID] = a
		for _, addr := range a.Addresses {
			for _, key := range t.SameAddresses(addr) {
				if t.agentByAddress[key] == nil || key == addr {
					t.agentByAddress[key] = a
				}
			}
		}
	}
	for _, c := range config.Teams {
		team := &Team{ID: c.ID, Name: c.Name, Members: t.agentsByID(c.Members)}
		t.Teams = append(t.Teams, team)
		t.teamByID[team.ID] = team
	}
	forms := map[string]*Form{}
	for i := range config.Forms {
		f := compileForm(&config.Forms[i])
		t.Forms = append(t.Forms, f)
		forms[f.ID] = f
	}
	for _, c := range config.Topics {
		topic := &Topic{
			ID: c.ID, NameES: c.Name, NameEN: c.NameEN, Addresses: addressKeys(plainAddresses(c.Addresses)),
			Groups: addressKeys(c.Groups), Agent: t.agentByID[c.Agent], Team: t.teamByID[c.Team], SLA: times.slas[c.SLA], Form: forms[c.Form],
			Language: c.Language, Autoresponse: c.Autoresponse, Signature: c.Signature, Smarthost: c.Smarthost,
			Strategy: c.Strategy, Priority: priorityOf(c.Priority), Public: c.Public, Petition: c.Petition, needs: needsOf(&config.Permissions, &c),
		}
		if within := c.ReplyWithin.Std(); topic.SLA == nil {
			topic.SLA = &SLA{Calendar: times.wall, answer: byPriority{within, within, within, within}}
		}
		t.Topics = append(t.Topics, topic)
		t.topicByID[topic.ID] = topic
		if c.CatchAll {
			t.catchAll = topic
		}
		for _, key := range topic.Groups {
			t.topicByGroup[key] = topic
		}
		for _, key := range topic.Addresses {
			t.topicByAddress[key] = topic
			t.own[key] = true
		}
		for _, addr := range c.Addresses {
			if domain, ok := wildcard(addr); ok {
				t.topicByDomain[domain] = topic
			}
		}
	}
	for i, c := range config.Topics {
		t.Topics[i].Parent = t.topicByID[c.Parent]
	}
	for i := range config.Accounts {
		a := &config.Accounts[i]
		t.accountByName[a.Name] = a
		if topic := t.topicByID[a.DefaultTopic]; topic != nil {
			t.defaultTopic[a.Name] = topic
		}
		if addressMistake(a.Username) == "" {
			t.own[ticket.AddressKey(a.Username)] = true
		}
	}
	if config.Desk.ReplyAddress != "" {
		t.own[ticket.AddressKey(config.Desk.ReplyAddress)] = true
	}
	t.operators = t.agentsByID(config.Desk.Operators)
	for _, a := range t.operators {
		a.Role = RoleAdministrator
	}
	for _, c := range config.Canned {
		t.Canned = append(t.Canned, &Canned{ID: c.ID, Name: c.Name, TextES: c.Text, TextEN: c.TextEN, topics: c.Topics})
	}
	t.compileRules(config, conditions, s)
	return t
}

// wildcard tells whether an address of a topic is *@domain, which takes every
// address of the domain that no other topic has, and returns the domain.
func wildcard(addr string) (domain string, ok bool) {
	return strings.CutPrefix(ticket.AddressKey(addr), "*@")
}

func plainAddresses(addrs []string) []string {
	return slices.DeleteFunc(slices.Clone(addrs), func(a string) bool {
		_, wild := wildcard(a)
		return wild
	})
}

func addressKeys(addrs []string) []string {
	keys := make([]string, len(addrs))
	for i, a := range addrs {
		keys[i] = ticket.AddressKey(a)
	}
	return keys
}

func (t *Table) agentsByID(ids []string) []*Agent {
	agents := make([]*Agent, len(ids))
	for i, id := range ids {
		agents[i] = t.agentByID[id]
	}
	return agents
}

// Warnings are what is probably not as meant, in the order of the file.
func (t *Table) Warnings() []Problem { return t.source.warnings }

// Source is the name and the text of the file that the table was made of.
func (t *Table) Source() (name string, text []byte) { return t.source.name, t.source.text }

// TopicByAddress returns the topic that an address belongs to, also in its form
// local+anything@domain, or nil.
func (t *Table) TopicByAddress(addr string) *Topic {
	topic, _ := t.topicAt(addr)
	return topic
}

// topicAt also tells which of the topic's addresses it is: without the detail,
// which may be a token and is nobody else's business.
func (t *Table) topicAt(addr string) (*Topic, string) {
	key := ticket.AddressKey(addr)
	if topic := t.topicByAddress[key]; topic != nil {
		return topic, key
	}
	base, _ := ticket.SplitPlus(key)
	if topic := t.topicByAddress[base]; topic != nil {
		return topic, base
	}
	return t.topicByDomain[ticket.Domain(base)], base
}

// TopicByGroup returns the topic that a group feeds, or nil.
func (t *Table) TopicByGroup(addr string) *Topic { return t.topicByGroup[ticket.AddressKey(addr)] }

// Group tells whether an address is a group that feeds a topic.
func (t *Table) Group(addr string) bool { return t.TopicByGroup(addr) != nil }

// Topic returns the topic with an id, or nil.
func (t *Table) Topic(id string) *Topic { return t.topicByID[id] }

// Agent returns the agent with an id, or nil.
func (t *Table) Agent(id string) *Agent { return t.agentByID[id] }

// AgentByAddress returns the agent who has an address, exactly or at a paired
// domain, or nil.
func (t *Table) AgentByAddress(addr string) *Agent {
	return t.agentByAddress[ticket.AddressKey(addr)]
}

// MaySendAs tells whether the agent may send as a topic address.
func (a *Agent) MaySendAs(addr string) bool {
	return slices.Contains(a.SendsAs, ticket.AddressKey(addr))
}

// SameAddresses lists the addresses that are one person's as this one is: itself
// first, as a key, and the same local part at the domains that desk.same_domains
// pairs with its domain.
func (t *Table) SameAddresses(addr string) []string {
	key := ticket.AddressKey(addr)
	same := []string{key}
	local, domain, ok := strings.Cut(key, "@")
	if !ok {
		return same
	}
	for _, group := range t.Config.Desk.SameDomains {
		if !slices.ContainsFunc(group, func(d string) bool { return strings.EqualFold(d, domain) }) {
			continue
		}
		for _, other := range group {
			if !strings.EqualFold(other, domain) {
				same = append(same, local+"@"+strings.ToLower(other))
			}
		}
	}
	return same
}

// Team returns the team with an id, or nil.
func (t *Table) Team(id string) *Team { return t.teamByID[id] }

// Account returns the IMAP account with a name, or nil.
func (t *Table) Account(name string) *AccountConfig { return t.accountByName[name] }

// SentByHand tells whether a mailbox of an account is where people's own answers
// are looked for.
func (t *Table) SentByHand(account, mailbox string) bool {
	a := t.Account(account)
	return a != nil && a.Sent != "" && a.Sent == mailbox
}

// Smarthost returns the settings of the smarthost with a name, or nil; those of
// [outgoing] for the empty one.
func (t *Table) Smarthost(name string) *OutgoingConfig {
	if name == "" {
		return &t.Config.Outgoing
	}
	for i := range t.Config.Smarthosts {
		if r := &t.Config.Smarthosts[i]; r.Name == name {
			return &r.OutgoingConfig
		}
	}
	return nil
}

// CatchAll is the topic of what no address and no account's default decides.
func (t *Table) CatchAll() *Topic { return t.catchAll }

// Operators are the agents who are told of alarms; there is at least one.
func (t *Table) Operators() []*Agent { return t.operators }

// Own tells whether an address is one of the desk's: a topic's, also one of a domain
// of which it takes all, an account's user name, or where replies go, also in the form local+anything@domain.
func (t *Table) Own(addr string) bool {
	key := ticket.AddressKey(addr)
	if t.own[key] {
		return true
	}
	base, _ := ticket.SplitPlus(key)
	return t.own[base] || t.topicByDomain[ticket.Domain(base)] != nil
}

// ReplyBase is the address that signed reply addresses of a topic are made of:
// desk.reply_address where it is set, or else the topic's sender. It is empty
// when plus addressing is off. ticket.WithPlus has room for a token in it.
func (t *Table) ReplyBase(topic *Topic) string {
	switch {
	case !t.Config.Desk.PlusAddressing:
		return ""
	case t.Config.Desk.ReplyAddress != "":
		return ticket.AddressKey(t.Config.Desk.ReplyAddress)
	default:
		return topic.Sender()
	}
}

// Name is what the topic is called in a language.
func (topic *Topic) Name(lang string) string {
	if lang == "en" {
		return topic.NameEN
	}
	return topic.NameES
}

// Path is what the topic is called in a language, behind the topics that it is a
// part of.
func (topic *Topic) Path(lang string) string {
	if topic.Parent == nil {
		return topic.Name(lang)
	}
	return topic.Parent.Path(lang) + " / " + topic.Name(lang)
}

// Sender is the address that the topic's mail comes from.
func (topic *Topic) Sender() string { return topic.Addresses[0] }

// Agents are those who are told of the topic's tickets: its agent, or the
// members of its team. There is at least one.
func (topic *Topic) Agents() []*Agent {
	if topic.Agent != nil {
		return []*Agent{topic.Agent}
	}
	return topic.Team.Members
}
