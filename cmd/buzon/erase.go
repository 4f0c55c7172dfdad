package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"buzon/control"
	"buzon/desk"
	"buzon/store"
	"buzon/ticket"
)

type personExportCmd struct {
	where
	Address string `arg:"" help:"One of their addresses."`
	To      string `arg:"" optional:"" help:"A file that ends with .zip, or a folder; neither may be there. Default: person.zip." default:"person.zip" type:"path"`
}

// Run writes all that the desk holds of a person: person.json, and their mails.
func (c *personExportCmd) Run(e *env) error {
	caller, done, err := c.caller()
	if err != nil {
		return err
	}
	defer done()
	var x control.Export
	if err := ask(e, caller, "person export", control.Which{Requester: c.Address}, &x); err != nil {
		return err
	}
	put, finish, err := exportTo(c.To)
	if err != nil {
		return &exit{exitUsage, err}
	}
	text, err := json.MarshalIndent(x, "", "  ")
	if err == nil {
		err = put("person.json", append(text, '\n'))
	}
	for _, m := range x.Messages {
		var raw []byte
		if err == nil {
			err = ask(e, caller, "message raw", control.Which{ID: m.ID}, &raw)
		}
		if err == nil {
			err = put(m.File, raw)
		}
	}
	if err = errors.Join(err, finish()); err != nil {
		return fmt.Errorf("exporting to %s, which is not whole: %w", c.To, err)
	}
	fmt.Fprintf(e.stdout, "exported to %s: %d tickets, parts of %d others, %d mails\n", c.To, len(x.Tickets), len(x.Parts), len(x.Messages))
	return nil
}

// exportTo makes a zip file or a folder that only its owner may read.
func exportTo(path string) (put func(name string, data []byte) error, finish func() error, err error) {
	if !strings.HasSuffix(path, ".zip") {
		if err := os.Mkdir(path, 0o700); err != nil {
			return nil, nil, err
		}
		return func(name string, data []byte) error {
			full := filepath.Join(path, filepath.FromSlash(name))
			return errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, data, 0o600))
		}, func() error { return nil }, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	z := zip.NewWriter(f)
	return func(name string, data []byte) error {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}, func() error { return errors.Join(z.Close(), f.Close()) }, nil
}

type personEraseCmd struct {
	where
	Address string `arg:"" help:"One of their addresses."`
	DryRun  bool   `help:"Only say what would go, and what would stay."`
	Yes     bool   `help:"Don't ask."`
	JSON    bool   `name:"json" help:"As JSON."`
}

// Run says what goes, asks, erases, and prints the receipt.
func (c *personEraseCmd) Run(e *env) error {
	done, compact, err := c.erase(e)
	if err != nil || !done {
		return err
	}
	if !compact {
		return c.say(e, "the files still hold the bytes in pages that are free: stop the desk and type: buzon compact")
	}
	// Nothing runs on the files, and they are closed.
	dir, err := c.existing()
	if err != nil {
		return err
	}
	if _, _, err := store.Compact(e.ctx, dir); err != nil {
		return fmt.Errorf("it is erased, and the files still hold the bytes in pages that are free; type: buzon compact: %w", refused(err))
	}
	return c.say(e, "compacted: the files hold nothing of it any more")
}

func (c *personEraseCmd) say(e *env, text string) error {
	out := e.stdout
	if c.JSON {
		out = e.stderr
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// erase tells whether something was erased, and whether the files may be compacted.
func (c *personEraseCmd) erase(e *env) (done, compact bool, err error) {
	caller, closed, err := c.caller()
	if err != nil {
		return false, false, err
	}
	defer func() { err = errors.Join(err, closed()) }()
	_, local := caller.(*control.Service)
	var plan, receipt desk.Removal
	if err := ask(e, caller, "person plan", control.Which{Requester: c.Address}, &plan); err != nil {
		return false, false, err
	}
	if c.DryRun || !c.Yes {
		if err := c.print(e, &plan); err != nil || c.DryRun {
			return false, false, err
		}
		fmt.Fprint(e.stderr, "erase it, for ever? (yes/no) ")
		answer, _ := bufio.NewReader(e.stdin).ReadString('\n')
		if word := ticket.FoldWord(strings.TrimSpace(answer)); word != "yes" && word != "si" {
			return false, false, &exit{exitNo, errors.New("nothing was erased")}
		}
	}
	if err := ask(e, caller, "person erase", control.Which{Requester: c.Address}, &receipt); err != nil {
		return false, false, err
	}
	return true, local && !receipt.Purged.IsZero(), c.print(e, &receipt)
}

func (c *personEraseCmd) print(e *env, r *desk.Removal) error {
	if c.JSON {
		return printJSON(e.stdout, r)
	}
	var b bytes.Buffer
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if r.Erasure > 0 {
		say("erasure %d of %s: %s, %.1f MB of mail", r.Erasure, r.Address, r.Gone, float64(r.Gone.Octets)/(1<<20))
	} else {
		say("erasing %s takes away what is known of it:", r.Address)
	}
	list(say, "tickets of theirs, whole", r.Tickets)
	list(say, "out of tickets of others", r.Parts)
	if r.Erasure == 0 && r.Loose > 0 {
		say("messages that belong to no ticket: %d", r.Loose)
	}
	for _, k := range r.Kept {
		say("kept: ticket %s: %s", k.Number, k.Why)
	}
	if !r.Whole {
		say("kept: name and address, which those need; when they are closed, type this again")
	}
	if len(r.Parts) > 0 {
		say("kept: what others wrote in their own tickets, which may quote the person, and the mails that it came by")
	}
	if r.Erasure > 0 && r.Finished.IsZero() {
		say("not all of it is done: mail that waits to be sent needs some; it goes on by itself, within an hour after that is sent")
	} else if r.Erasure > 0 && r.Purged.IsZero() {
		say("the archive still holds the bytes, since a copy of it is being made; they go within an hour after that")
	}
	for _, to := range r.MailedTo {
		say("has copies, by mail: %s", to)
	}
	for _, m := range r.Mailboxes {
		say("has copies: the mailbox %s", m)
	}
	for _, p := range r.Backups {
		say("has copies: the backup %s", p)
	}
	for _, p := range r.Files {
		say("has copies: %s in the data folder: delete it", p)
	}
	say("copies in other backups, and in logs and mailboxes of others, are not known here")
	_, err := e.stdout.Write(b.Bytes())
	return err
}

func list(say func(string, ...any), what string, numbers []ticket.Number) {
	if len(numbers) == 0 {
		return
	}
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = n.String()
	}
	say("%s: %s", what, strings.Join(words, ", "))
}

type personErasuresCmd struct {
	where
	Limit int  `help:"At most so many." default:"100"`
	JSON  bool `name:"json" help:"As JSON."`
}

// Run lists erasures. They name nobody.
func (c *personErasuresCmd) Run(e *env) error {
	var list []store.Erasure
	if err := c.call(e, "erasure list", control.Which{Limit: c.Limit}, &list); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e.stdout, list)
	}
	return printTable(e.stdout, "ID\tKIND\tORDERED\tFINISHED\tKEPT TICKETS\tGONE", func(row func(...any)) {
		for _, r := range list {
			finished := "not yet"
			if !r.Finished.IsZero() && !r.Purged.IsZero() {
				finished = r.Purged.Local().Format("2006-01-02 15:04")
			}
			row(r.ID, r.Kind, r.At.Local().Format("2006-01-02 15:04"), finished, len(r.Kept), r.Gone)
		}
	})
}

type ticketHoldCmd struct {
	where
	Number string `arg:"" help:"Its number: 123, #000123."`
	Reason string `required:"" help:"Why, for whoever looks at it later."`
}

// Run keeps a ticket from retention and erasure.
func (c *ticketHoldCmd) Run(e *env) error {
	if strings.TrimSpace(c.Reason) == "" {
		return usage("--reason must say why")
	}
	return hold(e, &c.where, c.Number, c.Reason)
}

type ticketReleaseCmd struct {
	where
	Number string `arg:"" help:"Its number: 123, #000123."`
}

// Run ends a legal hold.
func (c *ticketReleaseCmd) Run(e *env) error { return hold(e, &c.where, c.Number, "") }

func hold(e *env, w *where, number, reason string) error {
	n, err := ticket.ParseNumber(number)
	if err != nil {
		return &exit{exitUsage, err}
	}
	return w.call(e, "ticket hold", control.Which{Number: n, What: strings.TrimSpace(reason)}, nil)
}
