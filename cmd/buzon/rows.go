package main

import (
	"buzon/control"
	"buzon/ticket"
)

type outboxCmd struct {
	List  outboxListCmd `cmd:"" help:"List outgoing mail, the newest first."`
	Show  outboxShowCmd `cmd:"" help:"Show one, as it is sent."`
	Retry outboxRow     `cmd:"" help:"Try one again at once." `
	Drop  dropRow       `cmd:"" help:"Never send one."`

	Release outboxReleaseCmd `cmd:"" help:"Let a restored desk send its mail."`
}

type outboxListCmd struct {
	where
	State string `help:"Only of this state: waiting, sent, failed, dropped." enum:",waiting,sent,failed,dropped" default:""`
	Limit int    `help:"At most so many." default:"100"`
	JSON  bool   `name:"json" help:"As JSON."`
}

// Run lists outgoing mail.
func (c *outboxListCmd) Run(e *env) error {
	var list []ticket.Outgoing
	if err := c.call(e, "outbox list", control.Which{State: c.State, Limit: c.Limit}, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, list)
	}
	return printTable(e.stdout, "ID\tSTATE\tCLASS\tTO\tTRIES\tCREATED\tSUBJECT\tLAST ERROR", func(row func(...any)) {
		for _, o := range list {
			row(o.ID, o.State, o.Class, o.To, o.Attempts, o.Created.Local().Format("2006-01-02 15:04"), o.Subject, o.LastError)
		}
	})
}

type outboxShowCmd struct {
	where
	ID   uint64 `arg:"" help:"Its number in the list."`
	JSON bool   `name:"json" help:"As JSON."`
}

// Run prints the mail's bytes.
func (c *outboxShowCmd) Run(e *env) error {
	var o control.Outgoing
	if err := c.call(e, "outbox show", control.Which{ID: c.ID}, &o); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, o)
	}
	_, err := e.stdout.Write(o.Raw)
	return err
}

// one is a command on one row.
type one struct {
	where
	ID uint64 `arg:"" help:"Its number in the list."`
}

type outboxRow struct{ one }

// Run tries the mail again at once.
func (c *outboxRow) Run(e *env) error {
	return c.call(e, "outbox retry", control.Which{ID: c.ID}, nil)
}

type dropRow struct{ one }

// Run drops the mail.
func (c *dropRow) Run(e *env) error { return c.call(e, "outbox drop", control.Which{ID: c.ID}, nil) }

type quarantineCmd struct {
	List  quarantineListCmd  `cmd:"" help:"List messages that could not be read."`
	Show  quarantineShowCmd  `cmd:"" help:"Show one, raw."`
	Retry quarantineRetryCmd `cmd:"" help:"Read one again, with the present program and configuration."`
	Drop  quarantineDropCmd  `cmd:"" help:"Be done with one."`
}

type heldCmd struct {
	List    heldListCmd    `cmd:"" help:"List messages that wait for a person's word."`
	Show    heldShowCmd    `cmd:"" help:"Show one, raw."`
	Release heldReleaseCmd `cmd:"" help:"Say that it was the agent, and let it take effect."`
	Drop    heldDropCmd    `cmd:"" help:"Be done with one."`
}

// keptList lists quarantined or held messages.
type keptList struct {
	where
	All   bool `help:"Also those that were dealt with."`
	Limit int  `help:"At most so many." default:"100"`
	JSON  bool `name:"json" help:"As JSON."`
}

func (c *keptList) run(e *env, operation, kept string) error {
	state := kept
	if c.All {
		state = ""
	}
	var list []control.Kept
	if err := c.call(e, operation, control.Which{State: state, Limit: c.Limit}, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, list)
	}
	return printTable(e.stdout, "ID\tSTATE\tSINCE\tFROM\tSUBJECT\tREASON", func(row func(...any)) {
		for _, k := range list {
			row(k.ID, k.State, k.At.Local().Format("2006-01-02 15:04"), k.From, k.Subject, k.Reason)
		}
	})
}

type keptShow struct {
	one
	JSON bool `name:"json" help:"As JSON."`
}

func (c *keptShow) run(e *env, operation string) error {
	var k control.Kept
	if err := c.call(e, operation, control.Which{ID: c.ID}, &k); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, k)
	}
	_, err := e.stdout.Write(k.Raw)
	return err
}

type (
	quarantineListCmd  struct{ keptList }
	quarantineShowCmd  struct{ keptShow }
	quarantineRetryCmd struct{ one }
	quarantineDropCmd  struct{ one }
	heldListCmd        struct{ keptList }
	heldShowCmd        struct{ keptShow }
	heldReleaseCmd     struct{ one }
	heldDropCmd        struct{ one }
)

// Run lists the quarantine.
func (c *quarantineListCmd) Run(e *env) error { return c.run(e, "quarantine list", "kept") }

// Run shows a quarantined message.
func (c *quarantineShowCmd) Run(e *env) error { return c.run(e, "quarantine show") }

// Run reads a quarantined message again.
func (c *quarantineRetryCmd) Run(e *env) error {
	return c.call(e, "quarantine retry", control.Which{ID: c.ID}, nil)
}

// Run is done with a quarantined message.
func (c *quarantineDropCmd) Run(e *env) error {
	return c.call(e, "quarantine drop", control.Which{ID: c.ID}, nil)
}

// Run lists what is held.
func (c *heldListCmd) Run(e *env) error { return c.run(e, "held list", "held") }

// Run shows a held message.
func (c *heldShowCmd) Run(e *env) error { return c.run(e, "held show") }

// Run lets a held message take effect.
func (c *heldReleaseCmd) Run(e *env) error {
	return c.call(e, "held release", control.Which{ID: c.ID}, nil)
}

// Run is done with a held message.
func (c *heldDropCmd) Run(e *env) error {
	return c.call(e, "held drop", control.Which{ID: c.ID}, nil)
}
