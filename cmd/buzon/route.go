package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"buzon/control"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

type routeCmd struct {
	Config  string   `required:"" help:"Configuration file." placeholder:"FILE" type:"path"`
	Data    string   `help:"Data folder, for whose turn it is and who is away; default: that of a running desk." placeholder:"DIR" type:"path"`
	Explain bool     `help:"Tell why."`
	Expect  string   `help:"Agent, team or topic that each message must go to; exit 1 if one does not." placeholder:"WHO"`
	Account string   `help:"Account that the messages are taken to have come by." placeholder:"NAME"`
	Reply   string   `help:"Take the messages for replies to a ticket of this topic." placeholder:"TOPIC"`
	JSON    bool     `name:"json" help:"As JSON, an object a line."`
	Replay  bool     `help:"What the file would do otherwise with archived mail than the one in use."`
	Since   string   `help:"How far back to replay." default:"90d" placeholder:"SPAN"`
	Old     string   `help:"File to compare with; default: that of the running desk." placeholder:"FILE" type:"path"`
	Mail    []string `arg:"" optional:"" help:"Message files; - is standard input." type:"path"`
}

// Run asks the table in the way that the desk does.
func (c *routeCmd) Run(e *env) error {
	if c.Replay {
		if len(c.Mail) > 0 {
			return usage("--replay takes the archived mail; leave %s out", c.Mail[0])
		}
		return c.replay(e)
	}
	if len(c.Mail) == 0 {
		return usage("name a message file, or - for standard input")
	}
	table, err := (&where{Config: c.Config}).table()
	if err != nil {
		return err
	}
	var reply *routing.Topic
	if c.Reply != "" {
		if reply = table.Topic(c.Reply); reply == nil {
			return usage("there is no topic %q", c.Reply)
		}
	}
	wrong := false
	for _, file := range c.Mail {
		raw, err := readMail(e, file)
		if err != nil {
			return &exit{exitUsage, err}
		}
		m := mailpipe.Understand(raw, reading(table))
		m.Size = int64(len(raw))
		in := inputOf(m, raw, time.Now())
		in.Account, in.Reply, in.Explain = c.Account, reply, c.Explain || c.JSON
		roster, err := c.roster(e, table, m.From.Addr)
		if err != nil {
			return err
		}
		if roster != nil {
			in.Staff, in.Facts.Groups, in.Facts.Blocked = roster, roster.Groups, roster.Blocked
		}
		d := table.Match(in)
		told := destination(&d)
		if c.Expect != "" && !goesTo(&d, c.Expect) {
			wrong = true
			told += " (not " + c.Expect + ")"
		}
		if c.JSON {
			if err := json.NewEncoder(e.stdout).Encode(c.shown(file, m, &d)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.stdout, "%s: %s\n", file, told)
		if c.Explain {
			explain(e.stdout, table, m, &d, reply != nil, time.Now())
		}
	}
	if wrong {
		return &exit{code: exitNo}
	}
	return nil
}

// inputOf is what a message says to a table.
func inputOf(m *ticket.Message, raw []byte, at time.Time) routing.Input {
	return routing.Input{Group: m.Group, Targets: m.TargetAddresses(), Facts: routing.Facts{
		Message: m, At: at,
		Fields: func(topic *routing.Topic) map[string]string {
			return topic.Form.Guess(m.Text, ticket.Domain(m.From.Addr))
		},
		Header: func(name string) []string { return mailpipe.HeaderValues(raw, name) },
	}}
}

// roster asks the running desk, or the folder that was named, how the agents are;
// nil: nobody can tell.
func (c *routeCmd) roster(e *env, table *routing.Table, from string) (*routing.Roster, error) {
	w := &where{Config: c.Config, Data: c.Data}
	if c.Data == "" {
		if _, err := control.Dial(w.data(table)); err != nil {
			return nil, nil
		}
	}
	var r routing.Roster
	return &r, w.call(e, "staff", control.Which{Requester: from}, &r)
}

// destination says in a few words what becomes of a message.
func destination(d *routing.Decision) string {
	who := d.Topic.ID
	if d.Agent != nil {
		who += ", agent " + d.Agent.ID
	}
	if d.Team != nil {
		who += ", team " + d.Team.ID
	}
	switch {
	case d.Junk():
		who += ", closed as junk"
	case d.Hold:
		who += ", held"
	case d.Refuse != nil:
		who += ", refused"
	case d.Quiet != "":
		who += ", told to nobody"
	}
	return who
}

func goesTo(d *routing.Decision, who string) bool {
	return d.Topic.ID == who || d.Agent != nil && d.Agent.ID == who || d.Team != nil && d.Team.ID == who
}

// shown is a decision as JSON. The first keys are stable.
func (c *routeCmd) shown(file string, m *ticket.Message, d *routing.Decision) map[string]any {
	agent, team := "", ""
	if d.Agent != nil {
		agent = d.Agent.ID
	}
	if d.Team != nil {
		team = d.Team.ID
	}
	return map[string]any{
		"file": file, "topic": d.Topic.ID, "agent": agent, "team": team, "reasons": d.Reasons,
		"kind": m.Kind, "kind_reason": m.KindReason, "auto_reply_allowed": m.AutoReplyAllowed, "quarantine": m.Quarantine,
		"rules": d.Rules, "actions": d.Do(), "blocked": d.Blocked, "quiet": d.Quiet, "version": d.Version,
	}
}

// explain tells the decision about what came at a time as a story.
func explain(w io.Writer, table *routing.Table, m *ticket.Message, d *routing.Decision, reply bool, at time.Time) {
	say := func(format string, args ...any) { fmt.Fprintf(w, "  "+format+"\n", args...) }
	if m.Quarantine != "" {
		say("it would be quarantined: %s", m.Quarantine)
	}
	say("it is %s: %s", m.Kind, m.KindReason)
	// The reasons tell of rules that hold; here each rule tells of itself.
	var before, after []string
	for _, reason := range d.Reasons {
		switch {
		case strings.HasPrefix(reason, "rule "):
		case len(before) == 0 && !reply || strings.Contains(reason, " list, by ") || reason == d.Blocked:
			before = append(before, reason)
		default:
			after = append(after, reason)
		}
	}
	for _, reason := range before {
		say("%s", reason)
	}
	for _, trace := range d.Rules {
		word := "no "
		if trace.Matched {
			word = "yes"
		}
		say("rule %s: %s  %s", trace.Name, word, trace.Why)
		for _, r := range table.Rules {
			if trace.Matched && r.Name == trace.Name {
				say("    so: %s", strings.Join(r.Do(), "; "))
			}
		}
	}
	for _, reason := range after {
		say("%s", reason)
	}
	if d.Quiet != "" {
		say("nobody is told before it is overdue: %s", d.Quiet)
	}
	due := time.Time{}
	if !d.Junk() && d.Refuse == nil && !reply {
		due = dueStory(say, table, d, at)
	}
	if !reply {
		confirmation(w, table, m, d, at, due)
	}
}

// dueStory says when an answer would be due to what came at a time, and on which days
// the clock would stand still until then.
func dueStory(say func(string, ...any), table *routing.Table, d *routing.Decision, came time.Time) time.Time {
	priority := d.Topic.Priority
	if d.Priority != nil {
		priority = *d.Priority
	}
	sla := table.SLA(d.SLA, d.Topic)
	due, skipped := sla.Due(came, priority)
	if due.IsZero() {
		say("nothing says by when it would have to be answered")
		return due
	}
	due = due.In(table.Zone)
	by := "reply_within"
	if sla.ID != "" {
		by = "SLA " + sla.ID
	}
	say("if it came now, an answer would be due at %s, by %s", due.Format("2006-01-02 15:04"), by)
	for _, day := range skipped {
		say("    %s is skipped: %s", day.Day.Format("Mon 2006-01-02"), day.Reason)
	}
	return due
}

// confirmation shows what would be sent to the requester of what came at a time, or says
// why nothing. What the desk may know of them already, it doesn't.
func confirmation(w io.Writer, table *routing.Table, m *ticket.Message, d *routing.Decision, came, due time.Time) {
	none := ""
	switch {
	case d.Junk():
		none = "it is junk"
	case d.Hold:
		none = "it is held"
	case !m.AutoReplyAllowed || m.Kind != ticket.KindHuman:
		none = "an automatic answer is not allowed"
	case d.Refuse == nil && d.Canned == nil && d.NoAutoresponse:
		none = "a rule says so"
	case d.Refuse == nil && d.Canned == nil && !d.Topic.Autoresponse:
		none = "topic " + d.Topic.ID + " sends none"
	}
	if none != "" {
		fmt.Fprintf(w, "  no confirmation would be sent: %s\n", none)
		return
	}
	to := table.Requester(d, m)
	lang := d.Topic.Language
	if m.Language != "" {
		lang = m.Language
	}
	data := templates.Data{
		Desk: table.Config.Desk.Name, Topic: d.Topic.Name(lang), Number: "000000", Tag: "[#000000]", Subject: masked(table, m, d.Topic),
		Requester: templates.Person{Name: to.Name, Address: to.Addr}, Status: string(ticket.StatusOpen), Due: due,
		Signature: d.Topic.Signature, Notice: table.Config.Desk.Notice,
	}
	if d.Agent != nil {
		data.Assignee = d.Agent.Name
	} else if d.Team != nil {
		data.Assignee = d.Team.Name
	}
	if closed := table.SLA(d.SLA, d.Topic).Calendar.Closed(came); closed != nil {
		data.Closing = strings.TrimSpace(closed.Text(lang))
	}
	for _, f := range d.Topic.Form.Missing(d.Topic.Form.Guess(m.Text, ticket.Domain(to.Addr))) {
		data.Missing = append(data.Missing, templates.Field{Name: f.Name(lang), Choices: strings.Join(f.Offered(lang), ", ")})
	}
	name := "confirmation"
	for _, canned := range []*routing.Canned{d.Refuse, d.Canned} {
		if canned != nil {
			name = "answer"
			data.Text = strings.NewReplacer("{name}", to.Name, "{number}", data.Number, "{subject}", data.Subject,
				"{topic}", data.Topic, "{agent}", data.Topic).Replace(canned.Text(lang))
			break
		}
	}
	fmt.Fprintf(w, "  a confirmation would be sent to %s:\n", to.Addr)
	set, err := templates.New(table.Config.Desk.Templates)
	if err == nil {
		var mail templates.Mail
		if mail, err = set.Render(name, lang, data); err == nil {
			fmt.Fprintf(w, "    | %s\n    |\n", mail.Subject)
			for line := range strings.Lines(strings.TrimSpace(mail.Text)) {
				fmt.Fprintln(w, strings.TrimRight("    | "+line, " \n"))
			}
			return
		}
	}
	fmt.Fprintf(w, "    (it can't be shown: %v)\n", err)
}

// masked is a message's subject without the values of sensitive fields.
func masked(table *routing.Table, m *ticket.Message, topic *routing.Topic) string {
	return table.MaskSubject(ticket.WithoutTags(m.Subject), topic.Form.Guess(m.Text, ticket.Domain(m.From.Addr)))
}

// errNoOld says that there is nothing to compare with.
var errNoOld = errors.New("no desk is running whose configuration could be compared; add --old FILE")
