package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/control"
	"buzon/desk"
	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

const watchedConfig = `
[desk]
name = "Mesa"
hostname = "mesa.virtual.example"
operators = ["ana"]
notice = "Ley 1581 de 2012"
[smtp]
listen = ["%s"]
[outgoing]
host = "127.0.0.1"
port = 9
tls = "plain"
[web]
listen = "off"
[[topic]]
id = "pregrado"
name = "Pregrado"
addresses = ["pregrado@virtual.example"]
agent = "%s"
catch_all = true
[[agent]]
id = "ana"
name = "Ana"
addresses = ["ana@privada.example"]
[[agent]]
id = "beto"
name = "Beto"
addresses = ["beto@privada.example"]
`

// watching is a desk in this process that watches its configuration file.
type watching struct {
	*deskDaemon
	t            *testing.T
	file, listen string
}

func startWatching(t *testing.T) *watching {
	t.Helper()
	listen, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &watching{t: t, file: filepath.Join(dir, "buzon.toml"), listen: listen}
	w.write(w.config("ana"))
	at := where{Config: w.file, Data: filepath.Join(dir, "data")}
	table, err := at.table()
	if err != nil {
		t.Fatal(err)
	}
	w.deskDaemon, err = startDaemon(context.Background(), daemonOptions{
		table: table, data: at.Data, log: slog.New(slog.DiscardHandler), load: at.table, file: w.file, watch: 2 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *watching) config(agent string) string { return fmt.Sprintf(watchedConfig, w.listen, agent) }

// write puts a file in its place at once: at this watch's pace a half-written one
// might stand for two looks.
func (w *watching) write(text string) {
	w.t.Helper()
	aside := w.file + ".new"
	if err := os.WriteFile(aside, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(aside, w.file); err != nil {
		w.t.Fatal(err)
	}
}

// until waits, with patience, for something to be so.
func (w *watching) until(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s; alarms: %v", what, w.desk.Alarms())
		}
	}
}

func (w *watching) alarm() *desk.Alarm {
	for _, a := range w.desk.Alarms() {
		if a.Key == "configuration" {
			return &a
		}
	}
	return nil
}

func (w *watching) agent() string { return w.desk.Table().Topics[0].Agent.ID }

func TestChangedFileIsTaken(t *testing.T) {
	w := startWatching(t)
	w.write(w.config("beto"))
	w.until("the file is not taken", func() bool { return w.agent() == "beto" })

	bad := strings.Replace(w.config("ana"), "[outgoing]\n", "[outgoing]\nhosst = \"x\"\n", 1)
	w.write(bad)
	w.until("no alarm", func() bool { return w.alarm() != nil })
	if a := w.alarm(); !strings.Contains(a.What, "buzon.toml:10:1: outgoing.hosst: is unknown") || w.agent() != "beto" {
		t.Errorf("the alarm says %q, and tickets go to %s", a.What, w.agent())
	}
	// Touched, and nothing in it changed: nothing is said again.
	count := w.alarm().Count
	now := time.Now().Add(time.Minute)
	for i := range 5 {
		if err := os.Chtimes(w.file, now, now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}

	// As editors do: written beside, and put in its place; and what needs a start.
	aside := w.file + "~"
	good := strings.Replace(w.config("ana"), "[web]\n", "[log]\nlevel = \"debug\"\n[web]\n", 1)
	if err := os.WriteFile(aside, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := w.alarm().Count; c != count {
		t.Errorf("the alarm was raised %d times", c)
	}
	if err := os.Rename(aside, w.file); err != nil {
		t.Fatal(err)
	}
	w.until("the mended file is not taken", func() bool { return w.agent() == "ana" })
	w.until("the alarm is not over", func() bool { return w.alarm() == nil })
	w.until("what needs a start is not said", func() bool { r := w.Health().Restart; return len(r) == 1 && r[0] == "[log]" })
	w.write(w.config("ana"))
	w.until("what needs no start any more is said", func() bool { return len(w.Health().Restart) == 0 })
}

// A file that the configuration includes is watched as it is itself: a calendar, and
// the templates.
func TestChangedIncludedFileIsTaken(t *testing.T) {
	w := startWatching(t)
	dir := filepath.Dir(w.file)
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	day := func(date string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//ES\r\nBEGIN:VEVENT\r\nUID:1@x\r\nDTSTART;VALUE=DATE:" + date + "\r\nSUMMARY:Día\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	if err := os.Mkdir(filepath.Join(dir, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	put("days.ics", day("20261204"))
	w.write(strings.Replace(w.config("ana"), "[smtp]", "templates = \"templates\"\n[smtp]", 1) +
		"[[calendar]]\nid = \"office\"\nhours = [\"mon-fri 08:00-17:00\"]\nicalendar = \"days.ics\"\n")
	works := func(day int) bool {
		return w.desk.Table().Calendar("office").Works(time.Date(2026, 12, day, 15, 0, 0, 0, time.UTC))
	}
	w.until("the file is not taken", func() bool { return w.desk.Table().Calendar("office") != nil })
	put("days.ics", day("20261211"))
	w.until("the calendar is not taken", func() bool { return works(4) && !works(11) })

	put("days.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n")
	w.until("no alarm", func() bool { return w.alarm() != nil })
	put("days.ics", day("20261218"))
	w.until("the mended calendar is not taken", func() bool { return w.alarm() == nil && !works(18) })

	put("templates/alarm.es.txt", "Subject: {{.Nothing}}\n\nx\n")
	w.until("no alarm", func() bool { return w.alarm() != nil })
	put("templates/alarm.es.txt", "Subject: Alarma propia\n\n{{.Reason}}\n")
	w.until("the mended template is not taken", func() bool { return w.alarm() == nil })
}

// What a refused configuration includes is not watched yet, and still the alarm ends by
// itself when that is mended: it says so.
func TestMendedIncludedFileOfARefusedConfiguration(t *testing.T) {
	w := startWatching(t)
	days := filepath.Join(filepath.Dir(w.file), "days.ics")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(days, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20261204\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	w.write(w.config("beto") + "[[calendar]]\nid = \"office\"\nhours = [\"mon-fri 08:00-17:00\"]\nicalendar = \"days.ics\"\n")
	w.until("no alarm", func() bool { return w.alarm() != nil })
	if a := w.alarm(); !strings.Contains(a.What, "days.ics: line 3: ") || w.agent() != "ana" {
		t.Errorf("the alarm says %q, and tickets go to %s", a.What, w.agent())
	}
	put("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261204\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	w.until("the mended calendar is not taken", func() bool { return w.alarm() == nil && w.agent() == "beto" })
}

// While mail comes, the file is rewritten again and again, good and bad and half;
// every message that was acknowledged is one ticket.
func TestReloadLosesNothing(t *testing.T) {
	const senders, each, rewrites = 4, 20, 50
	w := startWatching(t)
	first := w.desk.Table().Version
	var sending, writing sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				name := fmt.Sprintf("s%d-%d", s, i)
				mail := "From: " + name + "@estudiantes.example\r\nTo: pregrado@virtual.example\r\nSubject: " + name +
					"\r\nMessage-ID: <" + name + "@estudiantes.example>\r\nDate: Tue, 24 Nov 2026 10:00:00 -0500\r\n\r\nNo abre el aula.\r\n"
				if err := smtp.SendMail(w.listen, nil, name+"@estudiantes.example", []string{"pregrado@virtual.example"}, []byte(mail)); err != nil {
					t.Errorf("%s was refused: %v", name, err)
				}
			}
		})
	}
	writing.Go(func() {
		for i := range rewrites {
			text := w.config([]string{"ana", "beto"}[i%2]) + fmt.Sprintf("# %d\n", i)
			switch i % 5 {
			case 3:
				text = strings.Replace(text, "[[topic]]", "[[topik]]", 1)
			case 4:
				text = text[:len(text)/2]
			}
			w.write(text)
			before := w.desk.Table().Version
			if i%5 < 3 { // long enough for the watch to take it, unless it was rewritten too fast
				for range 100 {
					if w.desk.Table().Version != before {
						break
					}
					time.Sleep(time.Millisecond)
				}
			}
		}
		w.write(w.config("beto") + "# the last\n")
	})
	writing.Wait()
	sending.Wait()
	w.until("the last file is not taken", func() bool {
		table, err := routing.Load(w.file)
		return err == nil && w.desk.Table().Version == table.Version && table.Version != first
	})

	var list []control.Ticket
	s := &control.Service{Desk: w.desk}
	if err := s.Call(context.Background(), "ticket list", control.Which{Limit: 1000}, &list); err != nil {
		t.Fatal(err)
	}
	subjects := map[string]int{}
	for _, found := range list {
		subjects[found.Subject]++
	}
	if len(list) != senders*each || len(subjects) != senders*each {
		t.Errorf("%d messages became %d tickets with %d subjects", senders*each, len(list), len(subjects))
	}
	err := w.store.View(func(tx *store.Tx) error {
		counts, err := tx.Counts()
		if err == nil && (counts.Quarantined != 0 || counts.Tickets[ticket.StatusOpen] != senders*each) {
			t.Errorf("counts: %+v", counts)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
