package desk

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// Report is a table of figures. Times are hours.
type Report struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// reports make their rows of the tickets that count. Merged, deleted and spam
// tickets don't.
var reports = map[string]func(*reporter) Report{
	"tickets": (*reporter).byTopicAndAgent,
	"times":   (*reporter).times,
	"sla":     (*reporter).sla,
	"backlog": (*reporter).backlog,
}

// ReportKinds lists what Tabulate can tell.
func ReportKinds() []string { return slices.Sorted(maps.Keys(reports)) }

// Tabulate counts the tickets that were opened since a time; the backlog, all that
// are open. It returns an error for a kind that is none of ReportKinds.
func (d *Desk) Tabulate(kind string, since time.Time) (Report, error) {
	write, ok := reports[kind]
	if !ok {
		return Report{}, fmt.Errorf("there is no report %q; there are: %s", kind, strings.Join(ReportKinds(), ", "))
	}
	r := &reporter{table: d.Table(), now: d.Now().UTC()}
	err := d.Store.View(func(tx *store.Tx) error {
		all, err := tx.Tickets(store.TicketFilter{}, 0)
		if err != nil {
			return err
		}
		for _, t := range all {
			if !t.Deleted.IsZero() || !t.MergedInto.IsZero() || t.Spam || kind != "backlog" && t.Created.Before(since) {
				continue
			}
			c := counted{Ticket: t}
			if kind == "times" || kind == "sla" {
				events, err := tx.JournalOf(t.ID)
				if err != nil {
					return err
				}
				c.follow(events)
			}
			r.tickets = append(r.tickets, c)
		}
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	return write(r), nil
}

type reporter struct {
	table   *routing.Table
	now     time.Time
	tickets []counted
}

// counted is a ticket with what its journal says of it.
type counted struct {
	*ticket.Ticket
	first    time.Time // first answer; zero: none yet
	resolved time.Time // since when it has been resolved or closed; zero: it is not
}

func (c *counted) follow(events []ticket.Event) {
	for _, e := range events {
		switch {
		case e.Kind == ticket.EventAnswered && c.first.IsZero():
			c.first = e.At
		case e.Kind == ticket.EventCommand && e.Detail == ticket.CommandAnswered && c.first.IsZero():
			c.first = e.At // by other means than mail
		case e.Kind == ticket.EventStatus:
			active := ticket.Status(e.Detail).IsActive()
			if active {
				c.resolved = time.Time{}
			} else if c.resolved.IsZero() {
				c.resolved = e.At
			}
		}
	}
	if c.Status.IsActive() {
		c.resolved = time.Time{} // it was put back without an event of its own
	}
}

// topics are the ids that tickets have, in the order of the configuration, and
// behind them those that it has dropped.
func (r *reporter) topics() (ids []string) {
	found := map[string]bool{}
	for _, t := range r.tickets {
		found[t.Topic] = true
	}
	for _, t := range r.table.Topics {
		if found[t.ID] {
			ids = append(ids, t.ID)
			delete(found, t.ID)
		}
	}
	return append(ids, slices.Sorted(maps.Keys(found))...)
}

func (r *reporter) of(topic string) (list []counted) {
	for _, t := range r.tickets {
		if t.Topic == topic {
			list = append(list, t)
		}
	}
	return list
}

// block is what stands in one row, or in one for each agent.
type block struct {
	topic   string // id, or that of several
	tickets []counted
	sum     bool // of a topic and of those that are parts of it
}

// blocks are those of all topics, and behind them, for each that others are parts of, the
// sums. A ticket counts in the sum of every topic above its own.
func (r *reporter) blocks() (all []block) {
	for _, id := range r.topics() {
		all = append(all, block{topic: id, tickets: r.of(id)})
	}
	for _, above := range r.table.Topics {
		sum, parts := block{topic: above.ID + " + parts", sum: true}, false
		for _, t := range r.tickets {
			at := r.table.Topic(t.Topic)
			for at != nil && at != above {
				at = at.Parent
			}
			if at == above {
				sum.tickets, parts = append(sum.tickets, t), parts || t.Topic != above.ID
			}
		}
		if parts {
			all = append(all, sum)
		}
	}
	return all
}

// calendarOf is the calendar in which the times of a ticket's topic are measured: of a
// topic that is no more, the wall clock.
func (r *reporter) calendarOf(t counted) *routing.Calendar {
	if topic := r.table.Topic(t.Topic); topic != nil {
		return topic.SLA.Calendar
	}
	return r.table.Wall()
}

func (r *reporter) byTopicAndAgent() Report {
	out := Report{Columns: []string{"topic", "with", "open", "waiting", "resolved", "closed", "all"}}
	for _, b := range r.blocks() {
		counts := map[string]map[ticket.Status]int{}
		for _, t := range b.tickets {
			with := t.Assignee
			switch {
			case b.sum:
				with = ""
			case with == "" && t.Team != "":
				with = "team " + t.Team
			}
			if counts[with] == nil {
				counts[with] = map[ticket.Status]int{}
			}
			counts[with][t.Status]++
		}
		for _, with := range slices.Sorted(maps.Keys(counts)) {
			row, sum := []string{b.topic, with}, 0
			for _, status := range ticket.Statuses {
				row = append(row, strconv.Itoa(counts[with][status]))
				sum += counts[with][status]
			}
			out.Rows = append(out.Rows, append(row, strconv.Itoa(sum)))
		}
	}
	return out
}

func (r *reporter) times() Report {
	out := Report{Columns: []string{"topic", "tickets", "answered", "answer median h", "answer 90% h", "resolved", "resolution median h", "resolution 90% h"}}
	for _, b := range r.blocks() {
		var answer, resolution []time.Duration
		for _, t := range b.tickets {
			calendar := r.calendarOf(t)
			if !t.first.IsZero() {
				answer = append(answer, calendar.Between(t.Created, t.first))
			}
			if !t.resolved.IsZero() {
				resolution = append(resolution, calendar.Between(t.Created, t.resolved))
			}
		}
		row := []string{b.topic, strconv.Itoa(len(b.tickets))}
		for _, spans := range [][]time.Duration{answer, resolution} {
			row = append(row, strconv.Itoa(len(spans)), hours(percentile(spans, 50)), hours(percentile(spans, 90)))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// sla tells whether first answers came within the topic's time, as it is now. Time
// in which a ticket waited for its requester counts as well. Sums have no time of their
// own: each ticket is measured by its topic's.
func (r *reporter) sla() Report {
	out := Report{Columns: []string{"topic", "within h", "in time", "late", "not due yet", "overdue", "kept %"}}
	for _, b := range r.blocks() {
		var inTime, late, pending, overdue int
		within, measured := "", false
		for _, t := range b.tickets {
			topic := r.table.Topic(t.Topic)
			if topic == nil || topic.SLA.Answer(ticket.PriorityNormal) == 0 {
				continue
			}
			measured = true
			if usual := topic.SLA.Answer(ticket.PriorityNormal); !b.sum {
				within = hours(&usual)
			}
			due := topic.SLA.Calendar.Add(t.Created, topic.SLA.Answer(t.Priority))
			switch {
			case !t.first.IsZero() && !t.first.After(due):
				inTime++
			case !t.first.IsZero():
				late++
			case !t.Status.IsActive():
				// Settled without an answer: nothing was due any more.
			case r.now.After(due):
				overdue++
			default:
				pending++
			}
		}
		if !measured {
			continue
		}
		kept := ""
		if n := inTime + late + overdue; n > 0 {
			kept = strconv.FormatFloat(100*float64(inTime)/float64(n), 'f', 1, 64)
		}
		out.Rows = append(out.Rows, []string{b.topic, within, strconv.Itoa(inTime), strconv.Itoa(late), strconv.Itoa(pending), strconv.Itoa(overdue), kept})
	}
	return out
}

// ages are the bounds of the backlog's columns.
var ages = []time.Duration{day, 3 * day, 7 * day, 30 * day}

func (r *reporter) backlog() Report {
	out := Report{Columns: []string{"topic", "under 1 d", "1-3 d", "3-7 d", "7-30 d", "over 30 d", "all", "oldest h"}}
	for _, b := range r.blocks() {
		counts, sum := make([]int, len(ages)+1), 0
		var oldest time.Duration
		for _, t := range b.tickets {
			if !t.Status.IsActive() {
				continue
			}
			age := r.now.Sub(t.Created)
			oldest = max(oldest, age)
			i := 0
			for i < len(ages) && age >= ages[i] {
				i++
			}
			counts[i]++
			sum++
		}
		if sum == 0 {
			continue
		}
		row := []string{b.topic}
		for _, n := range append(counts, sum) {
			row = append(row, strconv.Itoa(n))
		}
		out.Rows = append(out.Rows, append(row, hours(&oldest)))
	}
	return out
}

// percentile is the smallest span that so many of a hundred are not longer than
// (the nearest rank); nil without any.
func percentile(spans []time.Duration, percent int) *time.Duration {
	if len(spans) == 0 {
		return nil
	}
	spans = slices.Sorted(slices.Values(spans))
	rank := (len(spans)*percent + 99) / 100
	return &spans[max(rank, 1)-1]
}

// hours writes a span in hours; nil is empty.
func hours(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return strconv.FormatFloat(d.Hours(), 'f', 2, 64)
}
