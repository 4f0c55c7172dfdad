package routing

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// checker looks for what makes no sense in a configuration whose values are each
// well-formed. It goes on after every mistake, and keeps silent about values
// that were reported already.
type checker struct {
	*source
	*Config
	topics, agents, teams map[string]bool   // ids that exist
	calendars, slas       map[string]bool   // likewise
	forms                 map[string]bool   // likewise
	canned                map[string]bool   // likewise
	smarthosts            map[string]bool   // names of smarthosts
	accountNames          map[string]int    // place of each name of an account or a smarthost
	unsure                map[string]bool   // tables some of whose ids can't be read
	names                 map[string]string // of agents, teams and topics: path by id
	topicAddresses        map[string]int    // topic by address key
	groups                map[string]int    // topic by a group's address key
	own                   map[string]string // what an address is ours as, by address key
	wildcards             map[string]int    // topic by a domain whose addresses it takes
	agentAddresses        map[string]string // agent by address key
	conditions            []*condition      // of the rules; nil: has a mistake
}

// check returns what it has compiled on the way.
func check(s *source, config *Config, folder string) (*timetable, []*condition) {
	s.rules(config, folder)
	c := &checker{source: s, Config: config,
		topics: map[string]bool{}, agents: map[string]bool{}, teams: map[string]bool{}, forms: map[string]bool{}, canned: map[string]bool{}, unsure: map[string]bool{},
		calendars: map[string]bool{}, slas: map[string]bool{},
		wildcards: map[string]int{}, agentAddresses: map[string]string{},
		smarthosts: map[string]bool{}, accountNames: map[string]int{},
		names: map[string]string{}, topicAddresses: map[string]int{}, groups: map[string]int{}, own: map[string]string{}}
	c.ids()
	c.inherit()
	c.desk()
	c.listener()
	c.outgoing()
	c.oauths()
	c.accounts()
	c.reminder()
	c.digest()
	c.backup()
	c.spam()
	c.canary()
	c.report()
	c.retention()
	c.web()
	c.alarm()
	c.formsAll()
	c.topicsAll()
	c.replyAddresses()
	c.groupsAll()
	c.agentsAll()
	c.teamsAll()
	c.cannedAll()
	times := c.timeAll()
	c.rulesAll()
	c.listsAll()
	c.unused()
	c.untold()
	return times, c.conditions
}

// ids collects what can be referred to and finds doubles. Agents and teams share
// their names, because a ticket can be transferred to either.
func (c *checker) ids() {
	for i := range c.Agents {
		c.id(c.agents, "agent", i, c.Agents[i].ID, "assignee ")
	}
	for i := range c.Teams {
		c.id(c.teams, "team", i, c.Teams[i].ID, "assignee ")
	}
	for i := range c.Topics {
		c.id(c.topics, "topic", i, c.Topics[i].ID, "topic ")
	}
	for i := range c.Forms {
		c.id(c.forms, "form", i, c.Forms[i].ID, "form ")
	}
	for i := range c.Canned {
		c.id(c.canned, "canned", i, c.Canned[i].ID, "canned ")
	}
}

func (c *checker) id(known map[string]bool, list string, i int, id, space string) {
	path := elementPath(list, i) + ".id"
	if !c.set(path) {
		c.unsure[list] = true
		return
	}
	known[id] = true
	if mistake := idMistake(id); mistake != "" {
		c.rejectf(path, "", "%q %s", id, mistake)
		return
	}
	if first, ok := c.names[space+id]; ok {
		line, _ := c.position(c.valueOffset(first))
		c.rejectf(path, "", "%q is taken by %s in line %d", id, parentPath(first), line)
		return
	}
	c.names[space+id] = path
}

// refers checks a reference by id. list is the table that holds what may be
// named; while that has unreadable ids, nobody knows who exists.
func (c *checker) refers(path, id, list string, known map[string]bool) bool {
	if !c.set(path) || known[id] || c.unsure[list] || c.guessed(list) {
		return true
	}
	hint := suggest(id, list+"s", slices.Collect(maps.Keys(known)))
	switch {
	case list == "agent" && c.teams[id]:
		hint = fmt.Sprintf("%q is a team", id)
	case list == "team" && c.agents[id]:
		hint = fmt.Sprintf("%q is an agent", id)
	}
	c.rejectf(path, hint, "there is no %s %q", list, id)
	return false
}

// distinct reports the items of a list that stand in it twice.
func (c *checker) distinct(path string, list []string) {
	for i, item := range list {
		if c.set(elementPath(path, i)) && slices.Index(list, item) < i {
			c.rejectf(elementPath(path, i), "", "%q stands in the list twice", item)
		}
	}
}

func (c *checker) desk() {
	if c.set("desk.hostname") && !isHostname(c.Desk.Hostname) {
		c.rejectf("desk.hostname", `write it like "mesa.example.org"`, "%q is not a host name", c.Desk.Hostname)
	}
	if c.set("desk.time_zone") {
		if _, err := zone(c.Desk.TimeZone); err != nil {
			c.rejectf("desk.time_zone", `write it like "America/Bogota"`, "%q is not a time zone", c.Desk.TimeZone)
		}
	}
	for i, id := range c.Desk.Operators {
		c.refers(elementPath("desk.operators", i), id, "agent", c.agents)
	}
	c.distinct("desk.operators", c.Desk.Operators)
	c.sameDomains()
	if strings.TrimSpace(c.Desk.Notice) == "" && !c.bad("desk.notice") {
		c.warnf("desk.notice", "write what is done with personal data, by whom, and how to object",
			"is empty: requesters are not told what happens to their data")
	}
}

func (c *checker) sameDomains() {
	seen := map[string]bool{}
	for i, group := range c.Desk.SameDomains {
		path := elementPath("desk.same_domains", i)
		if c.bad(path) {
			continue
		}
		if len(group) < 2 {
			c.rejectf(path, `write it like [["example.org", "mail.example.org"]]`, "needs at least two domains")
		}
		for j, domain := range group {
			at := elementPath(path, j)
			switch key := strings.ToLower(domain); {
			case !c.set(at):
			case !isHostname(domain):
				c.rejectf(at, `write it like "mail.example.org"`, "%q is not a domain", domain)
			case seen[key]:
				c.rejectf(at, "put all domains of the same people into one group", "%q stands there twice", domain)
			default:
				seen[key] = true
			}
		}
	}
}

// zone is time.LoadLocation without the names that depend on the machine.
func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("not a place")
	}
	return time.LoadLocation(name)
}

func (c *checker) listener() {
	s := c.SMTP
	for i, addr := range s.Listen {
		path := elementPath("smtp.listen", i)
		if _, ok := splitListen(addr); !ok && c.set(path) {
			c.rejectf(path, `write it like "0.0.0.0:25" or "127.0.0.1:2525"`, "%q is not host:port", addr)
		}
	}
	c.distinct("smtp.listen", s.Listen)
	if c.set("smtp.lmtp") && s.LMTP != "" {
		const longest = 107 // of a unix socket's address, with its final zero
		if !filepath.IsAbs(s.LMTP) {
			c.rejectf("smtp.lmtp", `write it like "/run/buzon/lmtp"`, "%q is not an absolute path", s.LMTP)
		} else if len(s.LMTP) > longest {
			c.rejectf("smtp.lmtp", "", "is longer than %d characters, which no socket may be", longest)
		}
	}
	for _, file := range [][2]string{{"smtp.certificate", s.Certificate}, {"smtp.key", s.Key}} {
		path, name := file[0], file[1]
		switch {
		case c.bad(path) || c.bad("smtp.tls"):
		case s.TLS != "off" && name == "":
			c.rejectf(path, "write "+lastPart(path)+` = "FILE.pem"`, "is missing: tls = %q needs it", s.TLS)
		case s.TLS == "off" && name != "":
			c.rejectf(path, `write tls = "starttls"`, "has no effect, because tls is off")
		}
	}
	if s.MaxPerAddress > s.MaxConnections {
		at := "smtp.max_per_address"
		if !c.set(at) {
			at = "smtp.max_connections"
		}
		c.rejectf(at, "", "max_per_address, %d, is more than max_connections, %d", s.MaxPerAddress, s.MaxConnections)
	}
	if len(c.Accounts) == 0 && len(s.Listen) == 0 && s.LMTP == "" &&
		!c.bad("account") && !c.bad("smtp") && !c.bad("smtp.listen") && !c.bad("smtp.lmtp") {
		c.rejectf("smtp.listen", "add an [[account]], or smtp.listen, or smtp.lmtp", "there is nothing to receive mail by")
	}
}

func (c *checker) reminder() {
	if !c.set("reminder.scan") {
		return
	}
	if mistake := cronMistake(c.Reminder.Scan); mistake != "" {
		c.rejectf("reminder.scan", `five fields: minute, hour, day, month, weekday; such as "*/5 * * * *"`,
			"%q %s", c.Reminder.Scan, mistake)
	}
}

func (c *checker) backup() {
	b := c.Backup
	if c.set("backup.at") && b.At != "" {
		if mistake := cronMistake(b.At); mistake != "" {
			c.rejectf("backup.at", `five fields: minute, hour, day, month, weekday; such as "30 2 * * *"`, "%q %s", b.At, mistake)
		}
	}
	switch {
	case c.bad("backup.at") || c.bad("backup.folder"):
	case b.At != "" && b.Folder == "":
		c.rejectf("backup.folder", `write folder = "/var/backups/buzon"`, "is missing: backup.at needs it")
	case b.At == "" && b.Folder != "":
		c.rejectf("backup.folder", `write at = "30 2 * * *"`, "has no effect, because at is not set")
	}
}

func (c *checker) retention() {
	r := c.Retention
	if c.set("retention.at") && r.At != "" {
		if mistake := cronMistake(r.At); mistake != "" {
			c.rejectf("retention.at", `five fields: minute, hour, day, month, weekday; such as "0 3 * * *"`, "%q %s", r.At, mistake)
		}
	}
	c.keeps("retention.keep", r.Keep)
	for i := range c.Topics {
		c.keeps(elementPath("topic", i)+".retention", c.Topics[i].Retention)
	}
}

// keeps checks how long tickets are kept: as long as a reply would reopen them.
func (c *checker) keeps(path string, keep Duration) {
	switch {
	case !c.set(path) || keep == 0 || c.bad("retention.at"):
	case c.Retention.At == "":
		c.rejectf(path, `write [retention] at = "0 3 * * *"`, "has no effect, because retention.at is not set")
	case keep < c.Desk.ReopenWithin && !c.bad("desk.reopen_within"):
		c.rejectf(path, "write a longer time, or a shorter desk.reopen_within", "is shorter than desk.reopen_within: a reply reopens a ticket for so long")
	}
}

func (c *checker) digest() {
	if c.Digest.At == "" || !c.set("digest.at") {
		return
	}
	if mistake := cronMistake(c.Digest.At); mistake != "" {
		c.rejectf("digest.at", `five fields: minute, hour, day, month, weekday; such as "0 7 * * 1-5"`, "%q %s", c.Digest.At, mistake)
	}
}

func (c *checker) spam() {
	if !c.set("spam.at") {
		return
	}
	if mistake := cronMistake(c.Spam.At); mistake != "" {
		c.rejectf("spam.at", `five fields: minute, hour, day, month, weekday; such as "0 7 * * *"`, "%q %s", c.Spam.At, mistake)
	} else if !slices.ContainsFunc(c.Accounts, func(a AccountConfig) bool { return a.Spam != "" }) {
		c.rejectf("spam.at", `write spam = "Spam" in an account`, "has no effect, because no account names a spam folder")
	}
}

func (c *checker) web() {
	listen := c.Web.Listen
	if !c.set("web.listen") || listen == "off" {
		return
	}
	if host, ok := splitListen(listen); !ok {
		c.rejectf("web.listen", `write it like "127.0.0.1:8025", or "off"`, "%q is not host:port", listen)
	} else if !isLoopback(host) {
		c.rejectf("web.listen", `write "127.0.0.1:8025", or "off"; let a web server in front speak to others`,
			"%q can be reached from other machines", listen)
	}
}

// alarm checks how alarms are told. The values of secrets are not repeated.
func (c *checker) alarm() {
	if c.set("alarm.command") && len(c.Alarm.Command) > 0 && strings.TrimSpace(c.Alarm.Command[0]) == "" {
		c.rejectf(elementPath("alarm.command", 0), `write it like ["/usr/local/bin/tell", "operators"]`, "names no program")
	}
	for _, at := range []struct{ path, value string }{{"alarm.webhook", c.Alarm.Webhook}, {"alarm.dead_man", c.Alarm.DeadMan}} {
		u, err := url.Parse(at.value)
		if c.set(at.path) && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			c.rejectf(at.path, `write it like "https://status.example.org/key"`, "is not an address of the web")
		}
	}
}

// address checks a mail address and tells whether it can be used.
func (c *checker) address(path, addr string) bool {
	if !c.set(path) {
		return false
	}
	if mistake := addressMistake(addr); mistake != "" {
		c.rejectf(path, `write it like "edx@example.org"`, "%q %s", addr, mistake)
		return false
	}
	return true
}

// replyRoom is the longest local part that leaves room for +TOKEN.
const replyRoom = ticket.MaxLocalPart - 1 - ticket.TokenLength

// hasReplyRoom tells whether signed reply addresses can be made of an address.
func hasReplyRoom(addr string) bool {
	local, _, _ := strings.Cut(addr, "@")
	return len(local) <= replyRoom && !strings.Contains(local, "+")
}

func (c *checker) replyAddresses() {
	const reply = "desk.reply_address"
	given := c.Desk.ReplyAddress
	switch {
	case c.bad(reply) || c.bad("desk.plus_addressing"):
		return
	case !c.Desk.PlusAddressing:
		if given != "" {
			c.rejectf(reply, "", "has no effect, because plus_addressing is false")
		}
		return
	case c.set(reply):
		if c.address(reply, given) && !hasReplyRoom(given) {
			c.rejectf(reply, "", "may have at most %d characters before the @, and no +, because a token is added", replyRoom)
		}
		return
	}
	for i, t := range c.Topics {
		if len(t.Addresses) == 0 {
			continue
		}
		path := elementPath(elementPath("topic", i)+".addresses", 0)
		if c.set(path) && !hasReplyRoom(t.Addresses[0]) {
			c.rejectf(path, "set desk.reply_address to a short address of the same mailbox, or put a shorter one first",
				"%q leaves no room for signed replies: at most %d characters before the @, and no +", t.Addresses[0], replyRoom)
		}
	}
}
