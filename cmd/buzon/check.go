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

// Run shows the compiled table: topics, rules in their order, lists.
func (c *routesCmd) Run(e *env) error {
	table, err := c.table()
	if err != nil {
		return err
	}
	type route struct {
		Topic     string   `json:"topic"`
		Parent    string   `json:"parent,omitempty"`
		Addresses []string `json:"addresses"`
		Groups    []string `json:"groups,omitempty"`
		Agent     string   `json:"agent,omitempty"`
		Team      string   `json:"team,omitempty"`
		Strategy  string   `json:"strategy,omitempty"`
		Priority  string   `json:"priority,omitempty"`
		Private   bool     `json:"private,omitempty"`
		Petition  bool     `json:"petition,omitempty"`
		CatchAll  bool     `json:"catch_all,omitempty"`
	}
	type rule struct {
		Name     string   `json:"name"`
		On       string   `json:"on"`
		If       string   `json:"if"`
		Do       []string `json:"do"`
		Continue bool     `json:"continue,omitempty"`
	}
	var routes []route
	for i, t := range table.Topics {
		r := route{Topic: t.ID, Addresses: table.Config.Topics[i].Addresses, Groups: t.Groups, CatchAll: t == table.CatchAll(),
			Private: !t.Public, Petition: t.Petition}
		if t.Agent != nil {
			r.Agent = t.Agent.ID
		}
		if t.Team != nil {
			r.Team = t.Team.ID
		}
		if t.Parent != nil {
			r.Parent = t.Parent.ID
		}
		if t.Strategy != routing.StrategyFixed {
			r.Strategy = t.Strategy
		}
		if t.Priority != ticket.PriorityNormal {
			r.Priority = routing.PriorityName(t.Priority)
		}
		routes = append(routes, r)
	}
	rules := []rule{}
	for _, r := range table.Rules {
		rules = append(rules, rule{r.Name, r.On, strings.Join(strings.Fields(r.If), " "), r.Do(), r.Continue})
	}
	lists := table.Config.Lists
	if c.JSON {
		return printJSON(e.stdout, map[string]any{"topics": routes, "rules": rules, "block": lists.Block, "allow": lists.Allow, "version": table.Version})
	}
	err = printTable(e.stdout, "ADDRESSES\tTOPIC\tGOES TO", func(row func(...any)) {
		for _, r := range routes {
			to := r.Agent
			if to == "" {
				to = "team " + r.Team
			}
			for _, more := range []struct {
				there bool
				text  string
			}{
				{r.Strategy != "", ", " + r.Strategy}, {r.Priority != "", ", priority " + r.Priority}, {r.Private, ", not public"},
				{r.Petition, ", petitions"}, {r.Parent != "", ", part of " + r.Parent}, {r.CatchAll, " (and whatever no address matches)"},
			} {
				if more.there {
					to += more.text
				}
			}
			row(strings.Join(append(r.Addresses, r.Groups...), ", "), r.Topic, to)
		}
	})
	if err != nil || len(rules)+len(lists.Block)+len(lists.Allow) == 0 {
		return err
	}
	fmt.Fprintln(e.stdout)
	for i, r := range rules {
		end := ""
		if r.Continue {
			end = "; and on"
		}
		fmt.Fprintf(e.stdout, "%d. %s (%s): if %s\n   %s%s\n", i+1, r.Name, r.On, r.If, strings.Join(r.Do, "; "), end)
	}
	if len(lists.Block) > 0 {
		fmt.Fprintf(e.stdout, "blocked: %s\n", strings.Join(lists.Block, ", "))
	}
	if len(lists.Allow) > 0 {
		fmt.Fprintf(e.stdout, "allowed: %s\n", strings.Join(lists.Allow, ", "))
	}
	return nil
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
