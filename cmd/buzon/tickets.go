package main

import (
	"fmt"
	"strings"

	"buzon/control"
	"buzon/ticket"
)

type ticketCmd struct {
	List ticketListCmd `cmd:"" help:"List tickets, the newest first, without those that were deleted."`
	Show ticketShowCmd `cmd:"" help:"Show a ticket with all of its thread."`

	Hold    ticketHoldCmd    `cmd:"" help:"Legal hold: keep a ticket from retention and erasure."`
	Release ticketReleaseCmd `cmd:"" help:"End a legal hold."`
}

type ticketListCmd struct {
	where
	Status    string `help:"Only of this status: open, waiting, resolved, closed."`
	Topic     string `help:"Only of this topic."`
	Assignee  string `help:"Only of this agent."`
	Requester string `help:"Only of this address."`
	Search    string `help:"Only with all of these words in subject, thread, or requester's name and address; the beginning of a word will do." placeholder:"WORDS"`
	Limit     int    `help:"At most so many." default:"100"`
	JSON      bool   `name:"json" help:"As JSON."`
}

// Run lists tickets.
func (c *ticketListCmd) Run(e *env) error {
	var list []control.Ticket
	err := c.call(e, "ticket list", control.Which{
		Status: ticket.Status(c.Status), Topic: c.Topic, Assignee: c.Assignee, Requester: c.Requester, Search: c.Search, Limit: c.Limit,
	}, &list)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, list)
	}
	return printTable(e.stdout, "NUMBER\tSTATUS\tTOPIC\tWITH\tREQUESTER\tUPDATED\tSUBJECT", func(row func(...any)) {
		for _, t := range list {
			with := t.Assignee
			if with == "" && t.Team != "" {
				with = "team " + t.Team
			}
			row(t.Number, t.Status, t.Topic, with, t.Requester, t.Updated.Local().Format("2006-01-02 15:04"), t.Subject)
		}
	})
}

type ticketShowCmd struct {
	where
	Number string `arg:"" help:"Its number: 123, #000123."`
	Quoted bool   `help:"Also show what was cut away as quoted."`
	JSON   bool   `name:"json" help:"As JSON."`
}

// Run shows a ticket.
func (c *ticketShowCmd) Run(e *env) error {
	n, err := ticket.ParseNumber(c.Number)
	if err != nil {
		return &exit{exitUsage, err}
	}
	var t control.Ticket
	if err := c.call(e, "ticket show", control.Which{Number: n}, &t); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, t)
	}
	say := func(format string, args ...any) { fmt.Fprintf(e.stdout, format+"\n", args...) }
	say("%s %s", t.Number.Tag(), t.Subject)
	with := t.Assignee
	if with == "" {
		with = "team " + t.Team
	}
	say("%s, topic %s, with %s, from %s", t.Status, t.Topic, with, t.Requester)
	if !t.Erased.IsZero() {
		say("erased %s", t.Erased.Local().Format("2006-01-02 15:04"))
	}
	if t.Hold != "" {
		say("legal hold: %s", t.Hold)
	}
	if !t.Due.IsZero() {
		say("answer due %s", t.Due.Local().Format("2006-01-02 15:04"))
	}
	if !t.Deleted.IsZero() {
		say("deleted %s; the reason stands below", t.Deleted.Local().Format("2006-01-02 15:04"))
	}
	for _, f := range t.Fields {
		say("%s: %s", f.Name, f.Value)
	}
	for _, en := range t.Entries {
		mark := ""
		if en.Unverified {
			mark = " (unverified)"
		}
		say("\n%d. %s  %s  %s%s", en.Seq, en.At.Local().Format("2006-01-02 15:04"), en.Kind, en.Author, mark)
		for _, line := range strings.Split(en.Text, "\n") {
			say("   %s", line)
		}
		for _, f := range en.Files {
			say("   [%s]", f)
		}
		if c.Quoted && en.Quoted != "" {
			for _, line := range strings.Split(en.Quoted, "\n") {
				say("   | %s", line)
			}
		} else if en.Quoted != "" {
			say("   (quoted text left out; --quoted shows it)")
		}
	}
	return nil
}
