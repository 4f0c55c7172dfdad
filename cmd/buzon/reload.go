package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// watchEvery is how often the configuration file is looked at. A change has to
// stand for two looks, so that one that is still being written is not taken.
const watchEvery = 2 * time.Second

// Reload reads the configuration and the templates again, checks everything, and
// swaps them at once. With any mistake the old ones stay in use. Accounts are
// stopped and started as they changed; what can't change while running is said.
func (d *deskDaemon) Reload(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	table, tmpl, err := d.read()
	if err != nil {
		return err
	}
	before := d.table
	d.table = table
	if err := d.reloadAccounts(); err != nil {
		d.table = before
		return err
	}
	// gofail: var reloadHalfway struct{}
	d.desk.Use(desk.Setting{Table: table, Templates: tmpl})
	if err := d.inherit(); err != nil {
		return err
	}
	if err := d.clock.reschedule(table.Config); err != nil {
		return err
	}
	restart := waiting(d.begun, table.Config)
	d.restart.Store(&restart)
	for _, part := range restart {
		d.log.Warn("a change takes effect at the next start", "part", part)
	}
	d.desk.Clear("configuration")
	d.log.Info("reloaded", "version", table.Version)
	return nil
}

// read loads the configuration and the templates that it names.
func (d *deskDaemon) read() (*routing.Table, *templates.Set, error) {
	table, err := d.load()
	if err != nil {
		return nil, nil, err
	}
	tmpl, err := templates.New(table.Config.Desk.Templates)
	return table, tmpl, err
}

// waiting lists the parts of a configuration that differ from what the desk was
// started with and that only a start can change.
func waiting(begun, now *routing.Config) (parts []string) {
	for _, part := range []struct {
		name       string
		begun, now any
	}{
		{"[smtp]", begun.SMTP, now.SMTP},
		{"[outgoing]", begun.Outgoing, now.Outgoing},
		{"[[smarthost]]", begun.Smarthosts, now.Smarthosts},
		{"[web]", begun.Web, now.Web},
		{"[log]", begun.Log, now.Log},
		{"desk.data", begun.Desk.Data, now.Desk.Data},
		{"desk.hostname", begun.Desk.Hostname, now.Desk.Hostname},
		{"desk.disk_floor", begun.Desk.DiskFloor, now.Desk.DiskFloor},
		{"desk.time_zone, for cron lines", begun.Desk.TimeZone, now.Desk.TimeZone},
	} {
		if !reflect.DeepEqual(part.begun, part.now) {
			parts = append(parts, part.name)
		}
	}
	return parts
}

// tryReload reloads without anybody waiting for the answer. A mistake is an alarm,
// because the next start would fail with it.
func (d *deskDaemon) tryReload() (ok bool) {
	err := d.Reload(d.ctx)
	if err == nil || d.ctx.Err() != nil {
		return true
	}
	d.desk.Raise(desk.Alarm{Key: "configuration", What: fmt.Sprintf("not reloaded; the old configuration stays in use: %v", err),
		Try: "mend it (buzon check --config FILE says every mistake); then it is taken by itself, or with buzon reload"})
	return false
}

// startWatch reloads when the configuration file has changed, or a file that it
// includes. While it is refused it is tried again at each look, because what it is
// refused for may stand in a file that only the new one includes.
func (d *deskDaemon) startWatch() error {
	if d.file == "" {
		return nil
	}
	every := d.watch
	if every == 0 {
		every = watchEvery
	}
	w := &watched{file: d.file, with: d.included}
	w.look()
	if now, err := d.load(); err == nil && now.Version == d.table.Version {
		w.taken = w.seen // else it has changed while the desk started
	}
	d.spawn(func(ctx context.Context) {
		refused, why := false, ""
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !w.look() {
				continue
			}
			changed, now := w.changed(), ""
			if refused || changed {
				if _, _, err := d.read(); err != nil {
					now = err.Error()
				}
			}
			if changed || refused && now != why {
				d.log.Info("the configuration has changed", "file", d.file)
				refused, why = !d.tryReload(), now
			}
		}
	})
	return nil
}

// included are the files that the configuration in use includes: calendars, and what
// stands in the folder of templates. Secrets are read anew at each connection.
func (d *deskDaemon) included() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := slices.Clone(d.table.Included())
	if folder := d.table.Config.Desk.Templates; folder != "" {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return append(files, folder)
		}
		for _, e := range entries {
			if !e.IsDir() {
				files = append(files, filepath.Join(folder, e.Name()))
			}
		}
	}
	return files
}

// watched is a file, with those that it includes, that is looked at again and again.
type watched struct {
	file   string
	with   func() []string
	stamps []stamp
	seen   [sha256.Size]byte // of the last look
	taken  [sha256.Size]byte // of the content that was acted on
}

// stamp tells cheaply whether a file may have changed.
type stamp struct {
	file     string
	modified time.Time
	size     int64
}

// look reads the files if one of their stamps is another one than before, and tells
// whether what they hold is the same as at the last look. The file itself counts as
// being written while it isn't there or is empty, as between the two steps of some editors.
func (w *watched) look() (steady bool) {
	files := append([]string{w.file}, w.with()...)
	now := make([]stamp, len(files))
	fresh := false // a file system's clock is coarse: what was written just now is read again
	for i, file := range files {
		now[i].file = file
		info, err := os.Stat(file)
		switch {
		case err == nil && i == 0 && info.Size() == 0:
			w.stamps = nil // emptied, to be written anew
			return false
		case err == nil:
			now[i].modified, now[i].size = info.ModTime(), info.Size()
			fresh = fresh || time.Since(info.ModTime()) <= time.Second
		case i == 0:
			w.stamps = nil
			return false
		}
	}
	if slices.Equal(now, w.stamps) && !fresh {
		return true
	}
	sum := sha256.New()
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && i == 0 {
			return false
		}
		fmt.Fprintf(sum, "%q %d %v\n", file, len(text), err == nil)
		sum.Write(text)
	}
	before := w.seen
	w.stamps, w.seen = now, [sha256.Size]byte(sum.Sum(nil))
	return w.seen == before
}

// changed tells, once for each, of a content that was not acted on; it is the one of
// the last look, and must have stood.
func (w *watched) changed() bool {
	if w.seen == w.taken {
		return false
	}
	w.taken = w.seen
	return true
}

// reloadAccounts stops the accounts that changed or went, and starts those that
// changed or came. All that can fail is done before anything is touched.
func (d *deskDaemon) reloadAccounts() error {
	servers := d.servers()
	var fresh []routing.AccountConfig
	keep := map[string]bool{}
	for _, account := range d.table.Config.Accounts {
		if _, err := servers.mailboxes(account); err != nil {
			return err
		}
		running := false
		for _, w := range d.workers {
			running = running || reflect.DeepEqual(w.config, account)
		}
		if running {
			keep[account.Name] = true
		} else {
			fresh = append(fresh, account)
		}
	}
	var kept []*worker
	for _, w := range d.workers {
		if keep[w.config.Name] {
			kept = append(kept, w)
			continue
		}
		w.stop()
		d.health.forget(w.config.Name)
		d.log.Info("account stopped", ticket.LogAccount, w.config.Name)
	}
	d.workers = kept
	for _, account := range fresh {
		if err := d.startAccount(servers, account); err != nil {
			return err
		}
		d.log.Info("account started", ticket.LogAccount, account.Name)
	}
	return nil
}
