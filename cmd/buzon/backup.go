package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"buzon/control"
	"buzon/store"
)

// folder returns the data folder that a command works on.
func (w *where) folder() (string, error) {
	if w.Data != "" {
		return w.Data, nil
	}
	table, err := w.table()
	if err != nil {
		return "", err
	}
	return table.Config.Desk.Data, nil
}

// existing is folder for commands that need one that is there.
func (w *where) existing() (string, error) {
	dir, err := w.folder()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", &exit{exitUsage, fmt.Errorf("no data folder: %w", err)}
	}
	return dir, nil
}

// hot has fn work on a snapshot that the desk that runs on a data folder makes.
// When none runs it returns control.ErrNotRunning.
func hot(e *env, dir string, fn func(store.Files) error) error {
	caller, err := control.Dial(dir)
	if err != nil {
		return err
	}
	var f store.Files
	if err := caller.Call(e.ctx, "snapshot", control.Which{}, &f); err != nil {
		return err
	}
	err = fn(f)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 10*time.Second)
	defer cancel()
	if dropped := caller.Call(ctx, "snapshot drop", control.Which{What: f.State}, nil); dropped != nil && err == nil {
		fmt.Fprintf(e.stderr, "buzon: the snapshot in the data folder was not removed, which the next start does: %v\n", dropped)
	}
	return err
}

// refused makes a command's error one of wrong input where the folder is.
func refused(err error) error {
	if errors.Is(err, store.ErrLocked) || errors.Is(err, store.ErrNewer) || errors.Is(err, os.ErrNotExist) {
		return &exit{exitUsage, err}
	}
	return err
}

type verifyCmd struct {
	where
	JSON bool `name:"json" help:"As JSON."`
}

// Run says what differs; exit 1 if anything does.
func (c *verifyCmd) Run(e *env) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	var report *store.Report
	err = hot(e, dir, func(f store.Files) error {
		// The snapshot's folder takes the temporary files as well.
		work := strings.TrimSuffix(f.State, "state.db")
		report, err = store.VerifyFiles(e.ctx, f, work)
		return err
	})
	if errors.Is(err, control.ErrNotRunning) {
		report, err = store.Verify(e.ctx, dir)
	}
	if err != nil {
		return refused(err)
	}
	return printReport(e, report, c.JSON)
}

func printReport(e *env, r *store.Report, asJSON bool) error {
	if asJSON {
		if err := printJSON(e.stdout, r); err != nil {
			return err
		}
	} else {
		say := func(format string, args ...any) { fmt.Fprintf(e.stdout, format+"\n", args...) }
		say("state: %d tickets, %d entries, %d people, %d messages, %d outgoing mails, %d events in the journal",
			r.Tickets, r.Entries, r.People, r.Messages, r.Outgoing, r.Journal)
		if r.Segments > 0 {
			say("archive: %d segments, %d messages, %d octets; %d unreferenced, which is harmless", r.Segments, r.Archived, r.Octets, r.Unreferenced)
		}
		for _, d := range r.Differences {
			say("DIFFERS  %s", d)
		}
		if r.More > 0 {
			say("DIFFERS  and %d more", r.More)
		}
	}
	if r.Clean() {
		if !asJSON {
			fmt.Fprintln(e.stdout, "nothing differs")
		}
		return nil
	}
	return &exit{exitNo, fmt.Errorf("%d differences; indexes and counters are made anew by: buzon rebuild; for the rest see docs/promises.md", len(r.Differences)+r.More)}
}

type backupCmd struct {
	where
	To   string `arg:"" name:"dir" help:"Folder of the backup; made if need be." type:"path"`
	JSON bool   `name:"json" help:"As JSON."`
}

// Run backs up the data folder.
func (c *backupCmd) Run(e *env) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	start := time.Now()
	var r *store.BackupResult
	err = hot(e, dir, func(f store.Files) error {
		r, err = store.Backup(e.ctx, f, c.To, version, start)
		return err
	})
	if errors.Is(err, control.ErrNotRunning) {
		r, err = store.BackupFolder(e.ctx, dir, c.To, version, start)
	}
	if err != nil {
		return refused(err)
	}
	if c.JSON {
		return printJSON(e.stdout, r)
	}
	fmt.Fprintf(e.stdout, "backed up to %s: %d files copied, %.1f MB; %d unchanged; the journal has %d events (%s)\n",
		c.To, r.Copied, float64(r.CopiedOctets)/(1<<20), r.Unchanged, r.Journal.Length, time.Since(start).Round(time.Millisecond))
	return nil
}

type restoreCmd struct {
	where
	From string `arg:"" name:"dir" help:"Folder of the backup." type:"existingdir"`
	Skip uint64 `help:"Ticket numbers to leave out, for those given after the backup was made." default:"1000"`
}

// Run makes a data folder of a backup and verifies it.
func (c *restoreCmd) Run(e *env) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	m, err := store.Restore(e.ctx, c.From, dir, c.Skip, time.Now())
	if err != nil {
		return refused(err)
	}
	fmt.Fprintf(e.stdout, "restored to %s the backup of %s\n", dir, m.Made.Local().Format("2006-01-02 15:04:05"))
	report, err := store.Verify(e.ctx, dir)
	if err != nil {
		return refused(err)
	}
	err = printReport(e, report, false)
	fmt.Fprintln(e.stdout, "outgoing mail is held; look at it with: buzon outbox list --state waiting; then: buzon outbox release")
	return err
}

type rebuildCmd struct {
	where
	JSON bool `name:"json" help:"As JSON."`
}

// Run writes all derived rows anew.
func (c *rebuildCmd) Run(e *env) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	kept, report, err := store.Rebuild(e.ctx, dir, time.Now())
	if err != nil {
		return refused(err)
	}
	if !c.JSON {
		fmt.Fprintf(e.stdout, "rebuilt; the old state is kept as %s: delete it when you are content\n", kept)
	}
	return printReport(e, report, c.JSON)
}

type compactCmd struct{ where }

// Run writes all files anew without what was deleted.
func (c *compactCmd) Run(e *env) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	before, after, err := store.Compact(e.ctx, dir)
	if err != nil {
		return refused(err)
	}
	fmt.Fprintf(e.stdout, "compacted: %.1f MB before, %.1f MB now\n", float64(before)/(1<<20), float64(after)/(1<<20))
	return nil
}

type outboxReleaseCmd struct{ where }

// Run lets a restored desk send its mail.
func (c *outboxReleaseCmd) Run(e *env) error {
	return c.call(e, "outbox release", control.Which{}, nil)
}
