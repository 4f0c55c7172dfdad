package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	buzon "buzon"
	"buzon/control"
	"buzon/desk"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/store"
	"buzon/templates"
	"buzon/ticket"
)

// where says which desk a command works on.
type where struct {
	Config string `help:"Configuration file." placeholder:"FILE" type:"path"`
	Data   string `help:"Data folder, instead of the one that the configuration names." placeholder:"DIR" type:"path"`
}

// table loads the configuration.
func (w *where) table() (*routing.Table, error) {
	if w.Config == "" {
		return nil, usage("which desk? add --config FILE (a first one: config.example.toml)")
	}
	table, err := routing.Load(w.Config)
	if err != nil {
		var problems routing.Problems
		if errors.As(err, &problems) {
			return nil, &exit{exitUsage, fmt.Errorf("the configuration has mistakes:\n%w", err)}
		}
		return nil, &exit{exitUsage, err}
	}
	return table, nil
}

// data is the data folder.
func (w *where) data(table *routing.Table) string {
	if w.Data != "" {
		return w.Data
	}
	return table.Config.Desk.Data
}

// call runs an operation in the desk that runs on the data folder, or, when none
// runs, on the files.
func (w *where) call(e *env, operation string, in control.Which, out any) error {
	caller, done, err := w.caller()
	if err != nil {
		return err
	}
	defer done()
	return ask(e, caller, operation, in, out)
}

// caller is who carries out operations: the running desk, or the files. done must be
// called in the end.
func (w *where) caller() (caller control.Caller, done func() error, err error) {
	var table *routing.Table
	if w.Config != "" || w.Data == "" {
		if table, err = w.table(); err != nil {
			var problems routing.Problems
			if errors.As(err, &problems) {
				err = fmt.Errorf("%w\n(meanwhile the running desk answers to --data DIR instead of --config FILE)", err)
			}
			return nil, nil, err
		}
	}
	caller, err = control.Dial(w.data(table))
	switch {
	case errors.Is(err, control.ErrNotRunning):
		local, err := w.open(table)
		if err != nil {
			return nil, nil, err
		}
		return local, local.Desk.Store.Close, nil
	case err != nil:
		return nil, nil, err
	}
	return caller, func() error { return nil }, nil
}

// ask runs an operation, and says which one was refused.
func ask(e *env, caller control.Caller, operation string, in control.Which, out any) error {
	err := caller.Call(e.ctx, operation, in, out)
	var refusal *control.Error
	if errors.As(err, &refusal) {
		return &exit{exitNo, fmt.Errorf("%s: %w", operation, refusal)}
	}
	return err
}

// open makes a desk on the files, with nothing running around it.
func (w *where) open(table *routing.Table) (*control.Service, error) {
	dir := w.data(table)
	if _, err := os.Stat(dir); err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("no data folder: %w", err)}
	}
	if table == nil {
		// Looking needs no configuration of its own; any will do.
		var err error
		if table, err = routing.Parse("config.example.toml", buzon.ExampleConfig); err != nil {
			return nil, err
		}
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	st, err := openStore(dir, table, log)
	if err != nil {
		return nil, err
	}
	d, err := newDesk(st, table, log)
	if err != nil {
		st.Close()
		return nil, err
	}
	return &control.Service{Desk: d}, nil
}

func openStore(dir string, table *routing.Table, log *slog.Logger) (*store.Store, error) {
	st, err := store.Open(dir, store.Options{Now: time.Now, Log: log, DiskFloor: int64(table.Config.Desk.DiskFloor)})
	if err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("opening the data folder: %w", err)}
	}
	return st, nil
}

// reading says what a table knows for reading mail.
func reading(table *routing.Table) mailpipe.Options {
	return mailpipe.Options{Own: table.Own, Group: table.Group, Hostname: table.Config.Desk.Hostname, Footers: table.Config.Desk.Footers}
}

// readingOf says what a desk knows for it: its table, and the footers that it has
// learned.
func readingOf(d *desk.Desk) mailpipe.Options {
	o := reading(d.Table())
	o.Learned = d.KnownFooter
	return o
}

// newDesk puts a desk together on an open store.
func newDesk(st *store.Store, table *routing.Table, log *slog.Logger) (*desk.Desk, error) {
	tmpl, err := templates.New(table.Config.Desk.Templates)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	var d *desk.Desk
	d, err = desk.New(desk.Parts{
		Store:    st,
		Composer: &mailpipe.Composer{Hostname: table.Config.Desk.Hostname},
		Understand: func(raw []byte) *ticket.Message {
			return mailpipe.Understand(raw, readingOf(d))
		},
		Unpack: mailpipe.DecodeAttachment,
		Header: mailpipe.HeaderValues,
		Log:    log,
		Now:    time.Now,
	}, desk.Setting{Table: table, Templates: tmpl})
	return d, err
}
