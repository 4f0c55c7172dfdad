package main

import (
	"fmt"
	"time"

	"buzon/control"
	"buzon/desk"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the keys that sign addresses, without their secrets."`
	Rotate keysRotateCmd `cmd:"" help:"Sign with a new key; what the old one signed works until it expires."`
}

type keysListCmd struct {
	where
	JSON bool `name:"json" help:"As JSON."`
}

// Run lists the keys.
func (c *keysListCmd) Run(e *env) error { return showKeys(e, &c.where, "keys list", c.JSON) }

type keysRotateCmd struct {
	where
	JSON bool `name:"json" help:"As JSON."`
}

// Run makes a new key and lists all.
func (c *keysRotateCmd) Run(e *env) error { return showKeys(e, &c.where, "keys rotate", c.JSON) }

func showKeys(e *env, w *where, operation string, asJSON bool) error {
	var list []desk.KeyInfo
	if err := w.call(e, operation, control.Which{}, &list); err != nil {
		return err
	}
	if asJSON {
		return printJSON(e.stdout, list)
	}
	return printTable(e.stdout, "KEY\tCREATED\tUSE", func(row func(...any)) {
		for _, k := range list {
			use := "signs"
			if !k.Signs {
				use = "verifies until " + k.Until.Local().Format(time.DateOnly)
			}
			row(k.ID, k.Created.Local().Format("2006-01-02 15:04"), use)
		}
	})
}

type personCmd struct {
	Show personShowCmd `cmd:"" help:"Show a person: addresses and tickets."`

	Export personExportCmd `cmd:"" help:"Write all that the desk holds of a person to a zip file or a folder."`
	Erase  personEraseCmd  `cmd:"" help:"Erase all that the desk holds of a person, and print a receipt."`

	Erasures personErasuresCmd `cmd:"" help:"List what was erased, by order and by retention, the newest first."`
}

type personShowCmd struct {
	where
	Address string `arg:"" help:"One of their addresses."`
	JSON    bool   `name:"json" help:"As JSON."`
}

// Run shows a person.
func (c *personShowCmd) Run(e *env) error {
	var p control.Person
	if err := c.call(e, "person show", control.Which{Requester: c.Address}, &p); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, p)
	}
	fmt.Fprintf(e.stdout, "%s <%s>\n", p.Name, p.Address)
	if p.Agent != "" {
		fmt.Fprintf(e.stdout, "agent %s\n", p.Agent)
	}
	for _, a := range p.Also {
		fmt.Fprintf(e.stdout, "also %s, since %s\n", a.Addr, a.Since.Local().Format(time.DateOnly))
	}
	for _, n := range p.Tickets {
		fmt.Fprintf(e.stdout, "ticket %s\n", n)
	}
	return nil
}
