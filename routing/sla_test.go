package routing

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

const withTime = `
[[calendar]]
id = "office"
hours = ["mon-fri 08:00-12:00 13:00-17:00", "sat 08:00-12:00"]
holidays = "colombia"
days_off = ["2026-12-24", "12-31"]
icalendar = "off.ics"

[[calendar]]
id = "madrid"
time_zone = "Europe/Madrid"
hours = ["sun,mon-thu 09:00-18:00"]

[[closed]]
from = "2026-12-28"
until = "2026-12-30"
text = "Estamos en vacaciones."
`

const off = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nDTSTART:19700101T000000\r\nEND:VTIMEZONE\r\n" +
	"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261204\r\nSUMMARY:Día del in\r\n stituto\\, todo el día\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nDTSTART;X-SOURCE=\"a:b\";VALUE=DATE:20200910\r\nDTEND;VALUE=DATE:20200912\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Fiesta\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261203\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

// timed is the minimal configuration with calendars, and more.
func timed(t testing.TB, more string, oldnew ...string) *Table {
	t.Helper()
	text := change(t, oldnew...) + withTime + more
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "off.ics"), []byte(off), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := Parse(filepath.Join(folder, "buzon.toml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestCalendarsOfTheFile(t *testing.T) {
	table := timed(t, "")
	office, madrid := table.Calendar("office"), table.Calendar("madrid")
	bogota := table.Zone
	for day, works := range map[string]bool{
		"2026-11-24": true, "2026-11-28": true, "2026-11-29": false, // Tuesday, Saturday, Sunday
		"2026-12-04": false, "2026-12-03": true, "2027-09-10": false, "2026-09-11": false, // of the iCalendar file
		"2026-12-24": false, "2025-12-24": true, "2029-12-31": false, "2026-12-08": false,
		"2026-12-28": false, "2026-12-30": false,
	} {
		at, err := time.ParseInLocation("2006-01-02 15:04", day+" 09:30", bogota)
		if err != nil {
			t.Fatal(err)
		}
		if office.Works(at) != works {
			t.Errorf("on %s works: %v", day, !works)
		}
	}
	if len(table.Included()) != 1 || office.off[20261204] != "Día del instituto, todo el día" {
		t.Error(table.Included(), office.off)
	}
	if !madrid.Works(time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)) || madrid.Works(time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)) {
		t.Error("Sunday from 9 to 18 in Madrid, and no Friday")
	}
	at := time.Date(2026, 12, 29, 12, 0, 0, 0, bogota)
	if p := table.Wall().Closed(at); p == nil || p.Text("en") != "Estamos en vacaciones." || table.Wall().Closed(at.AddDate(0, 0, 2)) != nil {
		t.Error("the wall clock knows nothing of the closed period, or too much")
	}
	// On the wall clock the closed days don't count.
	if got := table.Wall().Add(time.Date(2026, 12, 27, 18, 0, 0, 0, bogota), day); !got.Equal(time.Date(2026, 12, 31, 18, 0, 0, 0, bogota)) {
		t.Errorf("a day later is %s", got)
	}
}

func TestVersionOfIncludedFiles(t *testing.T) {
	a := timed(t, "").Version
	if b := timed(t, "").Version; a != b {
		t.Error("the same files have two versions")
	}
	folder := t.TempDir()
	changed := strings.Replace(off, "20261204", "20261205", 1)
	if err := os.WriteFile(filepath.Join(folder, "off.ics"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := Parse(filepath.Join(folder, "buzon.toml"), []byte(change(t)+withTime))
	if err != nil {
		t.Fatal(err)
	}
	if table.Version == a {
		t.Error("another iCalendar file makes no other version")
	}
}

func TestSLA(t *testing.T) {
	table := timed(t, `
[[sla]]
id = "normal"
calendar = "office"
answer = "2d"
answer_low = "1w"
answer_urgent = "4h"
resolve = "1w2d4h"

[[sla]]
id = "wall"
answer = "1d12h"
`, "id = \"edx\"\n", "id = \"edx\"\nsla = \"normal\"\npetition = true\n")
	normal := table.SLA("", table.Topic("edx"))
	for p, want := range map[ticket.Priority]time.Duration{
		ticket.PriorityLow: 44 * time.Hour, ticket.PriorityNormal: 16 * time.Hour,
		ticket.PriorityHigh: 16 * time.Hour, ticket.PriorityUrgent: 4 * time.Hour,
	} {
		if got := normal.Answer(p); got != want {
			t.Errorf("priority %q: %s of work, want %s", p, got, want)
		}
		if got := normal.Resolve(p); got != 64*time.Hour {
			t.Errorf("priority %q is resolved in %s of work", p, got)
		}
	}
	if s := table.SLA("wall", table.Topic("edx")); s.Answer("") != 36*time.Hour || s.Calendar != table.Wall() {
		t.Error(s)
	}
	if s := table.SLA("gone", table.Topic("pregrado")); s.ID != "" || s.Answer(ticket.PriorityUrgent) != 2*day || s.Resolve("") != 0 {
		t.Error(s)
	}
	if !table.Topic("edx").Petition || table.Topic("pregrado").Petition {
		t.Error("the petition key")
	}
	due, skipped := normal.Due(time.Date(2026, 12, 23, 9, 0, 0, 0, table.Zone), "")
	if want := "2027-01-04 09:00"; due.Format("2006-01-02 15:04") != want {
		t.Errorf("due %s, want %s", due, want)
	}
	got := ""
	for _, d := range skipped {
		got += d.Day.Format("02 ") + d.Reason + "; "
	}
	want := "24 day off; 25 holiday: Navidad; 27 no working hours on a Sunday; 28 closed; 29 closed; 30 closed; 31 day off; 01 holiday: Año Nuevo; 03 no working hours on a Sunday; "
	if got != want {
		t.Errorf("skipped %s\nwant    %s", got, want)
	}
}

func TestAwayInTheFile(t *testing.T) {
	table := timed(t, "", "id = \"luis\"\n", "id = \"luis\"\naway = [\"2026-12-20..2027-01-10\", \"2026-11-30\"]\ncalendar = \"office\"\n")
	luis := table.Agent("luis")
	for text, want := range map[string]bool{
		"2026-11-29T23:59:59": false, "2026-11-30T00:00:00": true, "2026-12-01T00:00:00": false,
		"2026-12-20T00:00:00": true, "2027-01-10T23:59:59": true, "2027-01-11T00:00:00": false,
	} {
		at, err := time.ParseInLocation("2006-01-02T15:04:05", text, table.Zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := luis.Away(at.UTC()); got != want {
			t.Errorf("%s: away is %v", text, got)
		}
	}
	if table.Agent("ana").Away(time.Now()) || luis.Calendar != table.Calendar("office") {
		t.Error("ana is away, or the calendar is not luis's")
	}
}

func TestICalendarMistakes(t *testing.T) {
	event := func(lines string) string {
		return "BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + lines + "\nEND:VEVENT\nEND:VCALENDAR"
	}
	for text, want := range map[string]string{
		"":                    "it is not an iCalendar file: it has no BEGIN:VCALENDAR",
		"<html>":              `line 1: "<html>" has no colon`,
		"DTSTART:1":           "line 1: DTSTART stands outside of BEGIN:VCALENDAR",
		"BEGIN:VCARD":         "line 1: it is not an iCalendar file: it begins with VCARD",
		"BEGIN:VCALENDAR\n\n": "line 1: the file ends inside VCALENDAR: END:VCALENDAR is missing",
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261224\nEND:VCALENDAR": "line 4: END:VCALENDAR stands inside VEVENT: END:VEVENT is missing",
		"BEGIN:VCALENDAR\nEND:VEVENT":                                   "line 2: END:VEVENT closes nothing",
		"END:VEVENT":                                                    "line 1: END:VEVENT closes nothing",
		event("SUMMARY:x"):                                              "line 4: an event has no DTSTART",
		event("DTSTART:20261224"):                                       "line 3: DTSTART:20261224 has no VALUE=DATE; write DTSTART;VALUE=DATE:20261224",
		event("DTEND;TZID=\"a:b\":20261224T080000"):                     "line 3: 20261224T080000 has hours; only events of whole days are read, such as DTEND;VALUE=DATE:20261224",
		event("DTSTART;VALUE=DATE:20260231"):                            `line 3: "20260231" is not a date, such as 20261224`,
		event("EXDATE;VALUE=DATE:20260201"):                             "line 3: EXDATE is not read",
		event("RRULE:FREQ=YEARLY;COUNT=2"):                              "line 3: RRULE COUNT=2 is not read; only FREQ=YEARLY is",
		event("DTSTART;VALUE=DATE:20260201\nDTEND;VALUE=DATE:20260201"): "line 5: an event ends before it begins; its DTEND is the day after its last one",
		event("DTSTART;VALUE=DATE:20260201\nDTEND;VALUE=DATE:20290201"): "line 5: an event lasts 1096 days, more than 366",
	} {
		_, _, err := readICalendar(text)
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzICalendar(f *testing.F) {
	f.Add(off)
	f.Add("BEGIN:VCALENDAR\n")
	f.Fuzz(func(t *testing.T, text string) {
		days, yearly, err := readICalendar(text)
		if err == nil && days == nil || err != nil && (days != nil || yearly != nil) {
			t.Fatal(days, err)
		}
		for d, name := range days {
			if dateOf(noon(d)) != d || name == "" || strings.ContainsAny(name, "\r\n") {
				t.Fatalf("%d %q", d, name)
			}
		}
	})
}

func TestSpansRoundTrip(t *testing.T) {
	c := officeHours(time.UTC)
	got := map[Span]string{}
	for _, s := range []Span{"0", "90m", "1d", "2d4h", "1w", "1w1d", ""} {
		got[s] = s.in(c).String()
	}
	want := map[Span]string{"0": "0s", "90m": "1h30m0s", "1d": "8h0m0s", "2d4h": "20h0m0s", "1w": "44h0m0s", "1w1d": "52h0m0s", "": "0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
