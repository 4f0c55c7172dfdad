package main

import (
	"strings"
	"time"

	"buzon/control"
	"buzon/desk"
	"buzon/routing"
)

type reportCmd struct {
	where
	Kind  string `arg:"" enum:"tickets,times,sla,backlog" help:"tickets: by topic, agent and status; times: to the first answer and to resolution; sla: answers in time; backlog: open ones by age."`
	Since string `help:"Only tickets that were opened in this time; the backlog has all." default:"30d"`
	CSV   bool   `name:"csv" help:"As CSV."`
	JSON  bool   `name:"json" help:"As JSON."`
}

// Run prints a report.
func (c *reportCmd) Run(e *env) error {
	var since routing.Duration
	if err := since.UnmarshalText([]byte(c.Since)); err != nil {
		return usage("--since: %q %v", c.Since, err)
	}
	var r desk.Report
	if err := c.call(e, "report", control.Which{What: c.Kind, Since: time.Now().Add(-since.Std())}, &r); err != nil {
		return err
	}
	switch {
	case c.JSON:
		return printJSON(e.stdout, r)
	case c.CSV:
		return r.WriteCSV(e.stdout)
	}
	return printTable(e.stdout, strings.ToUpper(strings.Join(r.Columns, "\t")), func(row func(...any)) {
		for _, cells := range r.Rows {
			var any []any
			for _, cell := range cells {
				any = append(any, cell)
			}
			row(any...)
		}
	})
}
