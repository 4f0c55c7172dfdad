package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"buzon/control"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

type checkCmd struct {
	Config string `required:"" help:"Configuration file." placeholder:"FILE" type:"path"`
	Data   string `help:"Data folder to compare with, also when no desk runs on it." placeholder:"DIR" type:"path"`
	Online bool   `help:"Also log in to each account, and test that each topic may be sent as."`
}

// Run says every mistake; exit 1 if there is any.
func (c *checkCmd) Run(e *env) error {
	table, err := routing.Load(c.Config)
	if err != nil {
		fmt.Fprintln(e.stdout, err)
		return &exit{code: exitNo}
	}
	bad := false
	say := func(p routing.Problem) {
		bad = bad || !p.Warning
		fmt.Fprintln(e.stdout, p.Error())
	}
	for _, p := range table.Warnings() {
		say(p)
	}
	for _, p := range table.CheckFiles() {
		say(p)
	}
	if _, err := templates.New(table.Config.Desk.Templates); err != nil {
		bad = true
		fmt.Fprintln(e.stdout, err)
	}
	standing, err := c.standing(e, table)
	if err != nil {
		bad = true
		fmt.Fprintf(e.stdout, "looking at what is open: %v\n", err)
	}
	for _, p := range standing {
		say(p)
	}
	if c.Online && !bad {
		newServers(table.Config, slog.New(slog.NewTextHandler(e.stderr, nil))).checkOnline(e.ctx, table, func(what string, err error) {
			if err != nil {
				bad = true
				fmt.Fprintf(e.stdout, "%s: %v\n", what, err)
				return
			}
			fmt.Fprintf(e.stdout, "%s: works\n", what)
		})
	} else if c.Online {
		fmt.Fprintln(e.stdout, "(not tried online: mend the above first)")
	}
	if bad {
		return &exit{code: exitNo}
	}
	fmt.Fprintf(e.stdout, "%s: good; %d topics, %d agents, %d accounts\n", c.Config, len(table.Topics), len(table.Agents), len(table.Config.Accounts))
	return nil
}

// standing compares the file with what is open on the desk that runs on its data
// folder, or on the files, if they are named.
func (c *checkCmd) standing(e *env, table *routing.Table) ([]routing.Problem, error) {
	at := where{Config: c.Config, Data: c.Data}
	caller, err := control.Dial(at.data(table))
	if errors.Is(err, control.ErrNotRunning) {
		if c.Data == "" {
			return nil, nil
		}
		files, err := at.open(table)
		if err != nil {
			return nil, err
		}
		defer files.Desk.Store.Close()
		caller = files
	} else if err != nil {
		return nil, err
	}
	var in control.Which
	for _, a := range table.Agents {
		in.Addresses = append(in.Addresses, a.Addresses[0])
	}
	var st control.Standing
	if err := caller.Call(e.ctx, "standing", in, &st); err != nil {
		return nil, err
	}
	var found []routing.Problem
	for _, id := range slices.Sorted(maps.Keys(st.Owners)) {
		if table.Agent(id) == nil {
			found = append(found, table.Orphaned(id, st.Owners[id]))
		}
	}
	for _, topic := range table.Topics {
		here := func(a *routing.Agent) bool { _, away := st.Away[a.Addresses[0]]; return !away }
		if !slices.ContainsFunc(topic.Agents(), here) {
			found = append(found, table.Absent(topic))
		}
	}
	return found, nil
}

type routesCmd struct {
	where
	JSON bool `name:"json" help:"As JSON."`
}

// Run shows the compiled table.
func (c *routesCmd) Run(e *env) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	type route struct {
		Topic     string   `json:"topic"`
		Addresses []string `json:"addresses"`
		Agent     string   `json:"agent,omitempty"`
		Team      string   `json:"team,omitempty"`
		CatchAll  bool     `json:"catch_all,omitempty"`
	}
	var routes []route
	for _, t := range table.Topics {
		r := route{Topic: t.ID, Addresses: t.Addresses, CatchAll: t == table.CatchAll()}
		if t.Agent != nil {
			r.Agent = t.Agent.ID
		}
		if t.Team != nil {
			r.Team = t.Team.ID
		}
		routes = append(routes, r)
	}
	if c.JSON {
		return printJSON(e.stdout, routes)
	}
	return printTable(e.stdout, "ADDRESSES\tTOPIC\tGOES TO", func(row func(...any)) {
		for _, r := range routes {
			to := r.Agent
			if to == "" {
				to = "team " + r.Team
			}
			if r.CatchAll {
				to += " (and whatever no address matches)"
			}
			row(strings.Join(r.Addresses, ", "), r.Topic, to)
		}
	})
}

type routeCmd struct {
	Config  string   `required:"" help:"Configuration file." placeholder:"FILE" type:"path"`
	Explain bool     `help:"Tell why."`
	Expect  string   `help:"Agent, team or topic that each message must go to; exit 1 if one does not." placeholder:"WHO"`
	Account string   `help:"Account that the messages are taken to have come by." placeholder:"NAME"`
	JSON    bool     `name:"json" help:"As JSON, an object a line."`
	Mail    []string `arg:"" help:"Message files; - is standard input." type:"path"`
}

// Run asks the table in the way that the desk does.
func (c *routeCmd) Run(e *env) error {
	table, err := (&where{Config: c.Config}).table()
	if err != nil {
		return err
	}
	wrong := false
	for _, file := range c.Mail {
		raw, err := readMail(e, file)
		if err != nil {
			return &exit{exitUsage, err}
		}
		m := mailpipe.Understand(raw, reading(table))
		d := table.Match(routing.Input{Account: c.Account, Group: m.Group, Targets: m.TargetAddresses()})
		who := d.Topic.ID
		agent, team := "", ""
		if d.Agent != nil {
			agent = d.Agent.ID
			who += ", agent " + agent
		}
		if d.Team != nil {
			team = d.Team.ID
			who += ", team " + team
		}
		if c.Expect != "" && c.Expect != agent && c.Expect != team && c.Expect != d.Topic.ID {
			wrong = true
			who += " (not " + c.Expect + ")"
		}
		if c.JSON {
			json.NewEncoder(e.stdout).Encode(map[string]any{
				"file": file, "topic": d.Topic.ID, "agent": agent, "team": team, "reasons": d.Reasons,
				"kind": m.Kind, "kind_reason": m.KindReason, "auto_reply_allowed": m.AutoReplyAllowed, "quarantine": m.Quarantine,
			})
			continue
		}
		fmt.Fprintf(e.stdout, "%s: %s\n", file, who)
		if c.Explain {
			explain(e.stdout, m, d)
		}
	}
	if wrong {
		return &exit{code: exitNo}
	}
	return nil
}

func explain(w io.Writer, m *ticket.Message, d routing.Decision) {
	if m.Quarantine != "" {
		fmt.Fprintf(w, "  it would be quarantined: %s\n", m.Quarantine)
	}
	fmt.Fprintf(w, "  it is %s: %s\n", m.Kind, m.KindReason)
	for _, reason := range d.Reasons {
		fmt.Fprintf(w, "  %s\n", reason)
	}
	switch {
	case m.Kind != ticket.KindHuman || !m.AutoReplyAllowed:
		fmt.Fprintln(w, "  no confirmation would be sent: an automatic answer is not allowed")
	case !d.Topic.Autoresponse:
		fmt.Fprintf(w, "  no confirmation would be sent: topic %s sends none\n", d.Topic.ID)
	default:
		fmt.Fprintf(w, "  a confirmation would be sent to %s\n", m.From.Addr)
	}
}

// readMail reads a message from a file, or from standard input for "-".
func readMail(e *env, file string) ([]byte, error) {
	if file == "-" || strings.HasSuffix(file, "/-") {
		return io.ReadAll(e.stdin)
	}
	return os.ReadFile(file)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func printTable(w io.Writer, head string, rows func(row func(...any))) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, head)
	rows(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, oneLine(fmt.Sprint(cell)))
		}
		fmt.Fprintln(tw)
	})
	return tw.Flush()
}

// oneLine keeps a cell from breaking its table or the terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 70 {
		return string(r[:69]) + "…"
	}
	return s
}
