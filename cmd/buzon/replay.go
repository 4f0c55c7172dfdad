package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/control"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/ticket"
)

// replayPage is how many messages are asked for at a time.
const replayPage = 500

// replayExamples is how many messages of each difference are named.
const replayExamples = 3

// difference is a way in which the new file would treat some messages otherwise.
type difference struct {
	Before   string   `json:"before"`
	After    string   `json:"after"`
	Count    int      `json:"count"`
	Examples []string `json:"examples"`
}

// replayed is what a replay has found.
type replayed struct {
	Old         string        `json:"old"` // version
	New         string        `json:"new"` // version
	Since       time.Time     `json:"since"`
	Messages    int           `json:"messages"`
	Same        int           `json:"same"`
	Gone        int           `json:"gone"` // whose bytes the archive has no more
	Differences []*difference `json:"differences"`
}

// replay puts every archived message through the old file and the new one. It reads
// through the control socket, or from the files, and changes nothing.
func (c *routeCmd) replay(e *env) error {
	var span routing.Duration
	if err := span.UnmarshalText([]byte(c.Since)); err != nil {
		return usage("--since %q %v", c.Since, err)
	}
	w := &where{Config: c.Config, Data: c.Data}
	table, err := w.table()
	if err != nil {
		return err
	}
	caller, done, err := w.caller()
	if err != nil {
		return err
	}
	defer done()
	old, err := c.oldTable(e, caller)
	if err != nil {
		return err
	}
	r := &replayed{Old: old.Version, New: table.Version, Since: time.Now().Add(-span.Std()), Differences: []*difference{}}
	seen := map[string]bool{}
	for before := uint64(0); ; {
		var page []control.Archived
		if err := ask(e, caller, "message list", control.Which{ID: before, Since: r.Since, Limit: replayPage}, &page); err != nil {
			return err
		}
		for i := range page {
			a := &page[i]
			before = a.ID
			if !routed(a) {
				continue
			}
			if err := replayOne(e, caller, a, old, table, r, seen); err != nil {
				return err
			}
		}
		if len(page) < replayPage {
			break
		}
	}
	slices.SortStableFunc(r.Differences, func(a, b *difference) int { return b.Count - a.Count })
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(r)
	}
	return r.print(e)
}

// oldTable is what the new file is compared with.
func (c *routeCmd) oldTable(e *env, caller control.Caller) (*routing.Table, error) {
	if c.Old != "" {
		return (&where{Config: c.Old}).table()
	}
	var used control.Config
	if err := ask(e, caller, "config", control.Which{}, &used); err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("%w (%w)", errNoOld, err)}
	}
	return routing.Parse(used.Name, used.Text)
}

// routed tells whether a table decides about a message: it asked for a ticket or
// replied to one, or a rule held it.
func routed(a *control.Archived) bool {
	switch a.Outcome {
	case ticket.EventTicketed, ticket.EventReplied:
		return true
	}
	return a.Outcome == ticket.EventHeld && a.Number == 0
}

func replayOne(e *env, caller control.Caller, a *control.Archived, old, table *routing.Table, r *replayed, seen map[string]bool) error {
	var raw []byte
	err := ask(e, caller, "message raw", control.Which{ID: a.ID}, &raw)
	var refusal *control.Error
	if errors.As(err, &refusal) && refusal.Missing {
		r.Gone++
		return nil
	} else if err != nil {
		return err
	}
	var subject string
	try := func(t *routing.Table) string {
		m := mailpipe.Understand(raw, reading(t))
		m.Envelope, m.Size = a.Envelope, int64(len(raw))
		if key := m.IdentityKey; t == old {
			if seen[key] {
				return ""
			}
			seen[key] = true
		}
		in := inputOf(m, raw, a.At)
		in.Account, in.Facts.Groups, in.Facts.Blocked = a.Envelope.Account, a.Groups, a.Blocked
		if a.Outcome == ticket.EventReplied {
			in.Facts.Fields = func(*routing.Topic) map[string]string { return a.Fields }
			if in.Reply = t.Topic(a.Topic); in.Reply == nil {
				in.Reply = t.CatchAll()
			}
		}
		d := t.Match(in)
		subject = t.MaskSubject(masked(t, m, d.Topic), in.Facts.Fields(d.Topic))
		return outline(&d)
	}
	was := try(old)
	if was == "" {
		return nil // it was held, and released
	}
	is := try(table)
	r.Messages++
	if was == is {
		r.Same++
		return nil
	}
	i := slices.IndexFunc(r.Differences, func(d *difference) bool { return d.Before == was && d.After == is })
	if i < 0 {
		i = len(r.Differences)
		r.Differences = append(r.Differences, &difference{Before: was, After: is})
	}
	d := r.Differences[i]
	d.Count++
	if len(d.Examples) < replayExamples {
		example := fmt.Sprintf("%s «%s»", a.At.In(table.Zone).Format("2006-01-02 15:04"), oneLine(ticket.StripTokens(subject)))
		if a.Number != 0 {
			example = a.Number.Tag() + " " + example
		}
		d.Examples = append(d.Examples, example)
	}
	return nil
}

// outline is all that a decision does, on one line. Whose turn it is in a team
// depends on the moment and is left out.
func outline(d *routing.Decision) string {
	text := destination(d)
	if d.Topic.Strategy != routing.StrategyFixed && d.Team != nil && d.Assign == nil {
		text += " (" + d.Topic.Strategy + ")"
	}
	var rest []string
	for _, do := range d.Do() {
		if !strings.HasPrefix(do, "topic ") && !strings.HasPrefix(do, "assign ") && do != "junk" && do != "hold" {
			rest = append(rest, do)
		}
	}
	if len(rest) > 0 {
		text += "; " + strings.Join(rest, "; ")
	}
	return text
}

func (r *replayed) print(e *env) error {
	fmt.Fprintf(e.stdout, "%d messages since %s, with %s in use and %s as new: %d the same, %d otherwise",
		r.Messages, r.Since.Format("2006-01-02"), r.Old, r.New, r.Same, r.Messages-r.Same)
	if r.Gone > 0 {
		fmt.Fprintf(e.stdout, "; %d are not in the archive any more", r.Gone)
	}
	fmt.Fprintln(e.stdout)
	for _, d := range r.Differences {
		fmt.Fprintf(e.stdout, "%6d  before: %s\n        after:  %s\n", d.Count, d.Before, d.After)
		for _, example := range d.Examples {
			fmt.Fprintf(e.stdout, "        such as %s\n", example)
		}
	}
	return nil
}
