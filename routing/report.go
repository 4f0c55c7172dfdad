package routing

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"buzon/ticket"
)

// ReportKinds are the reports that there are.
var ReportKinds = []string{"tickets", "times", "sla", "backlog"}

// report checks when reports are mailed, which, and to whom.
func (c *checker) report() {
	r := c.Report
	if r.At != "" && c.set("report.at") {
		if mistake := cronMistake(r.At); mistake != "" {
			c.rejectf("report.at", `five fields: minute, hour, day, month, weekday; such as "0 7 * * 1"`, "%q %s", r.At, mistake)
		}
	}
	for i, who := range r.To {
		c.party(elementPath("report.to", i), who)
	}
	c.distinct("report.to", r.To)
	for i, kind := range r.Kinds {
		if at := elementPath("report.kinds", i); c.set(at) && !slices.Contains(ReportKinds, kind) {
			c.rejectf(at, suggest(kind, "reports", ReportKinds), "there is no report %q", kind)
		}
	}
	c.distinct("report.kinds", r.Kinds)
	if len(c.Report.Kinds) == 0 {
		c.Report.Kinds = slices.Clone(ReportKinds)
	}
	if r.At == "" && len(r.To) > 0 && c.set("report.to") && !c.bad("report.at") {
		c.rejectf("report.to", `write at = "0 7 * * 1"`, "has no effect, because at is not set")
	}
}

// Reader is someone whom reports are mailed to.
type Reader struct {
	Address string
	Agent   *Agent // nil: an address outside
}

// ReportTo lists whom reports are mailed to, each once.
func (t *Table) ReportTo() (readers []Reader) {
	add := func(r Reader) {
		if !slices.ContainsFunc(readers, func(x Reader) bool { return x.Address == r.Address }) {
			readers = append(readers, r)
		}
	}
	agents := func(list []*Agent) {
		for _, a := range list {
			add(Reader{Address: a.Addresses[0], Agent: a})
		}
	}
	if len(t.Config.Report.To) == 0 {
		agents(t.Operators())
	}
	for _, who := range t.Config.Report.To {
		switch {
		case t.Agent(who) != nil:
			agents([]*Agent{t.Agent(who)})
		case t.Team(who) != nil:
			agents(t.Team(who).Members)
		default:
			add(Reader{Address: ticket.AddressKey(who)})
		}
	}
	return readers
}

// wallFormat is a time on the wall in the desk's zone.
const wallFormat = "2006-01-02T15:04:05"

// ReportDue tells whether an hour of the reports has come since last, which is a time
// on the wall that an earlier call returned, and the present time on the wall. It goes
// by that clock, so that an hour that is left out or comes twice when the clocks change
// is one hour. An empty or unreadable last has nothing due.
func (t *Table) ReportDue(last string, now time.Time) (at string, due bool) {
	local := now.In(t.Zone)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
	at = wall.Format(wallFormat)
	before, invalid := time.Parse(wallFormat, last)
	schedule, err := cron.ParseStandard(t.Config.Report.At)
	if invalid != nil || err != nil {
		return at, false
	}
	next := schedule.Next(before)
	return at, !next.IsZero() && !next.After(wall)
}
