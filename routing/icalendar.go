package routing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxICalendar is the longest iCalendar file that is read, in octets.
const maxICalendar = 1 << 20

// longestEvent is for how many days an event of an iCalendar file may last.
const longestEvent = 366

// readICalendar reads the days off in an iCalendar file (RFC 5545): its events of
// whole days, with DTSTART;VALUE=DATE and, where there is one, DTEND;VALUE=DATE,
// once or with RRULE:FREQ=YEARLY. Cancelled ones are left out. The error names the
// line and what is not read: events with hours, other rules and lists of dates
// (RDATE, EXDATE, RECURRENCE-ID, DURATION), because a day left out would be a wrong
// due time. A yearly event holds in the years before it too.
func readICalendar(text string) (days, yearly map[date]string, err error) {
	days, yearly = map[date]string{}, map[date]string{}
	r := &icalReader{days: days, yearly: yearly}
	last := 0
	for i, line := range unfold(text) {
		if line == "" {
			continue
		}
		last = i + 1
		if err := r.line(line); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	switch {
	case len(r.inside) > 0:
		return nil, nil, fmt.Errorf("line %d: the file ends inside %s: END:%[2]s is missing", last, r.inside[len(r.inside)-1])
	case !r.begun:
		return nil, nil, fmt.Errorf("it is not an iCalendar file: it has no BEGIN:VCALENDAR")
	}
	return days, yearly, nil
}

// unfold joins lines that were divided (RFC 5545, section 3.1), which leaves the
// numbers of the others as they were.
func unfold(text string) []string {
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	last := 0
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
		if i > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			lines[last] += lines[i][1:]
			lines[i] = ""
			continue
		}
		last = i
	}
	return lines
}

type icalReader struct {
	days, yearly map[date]string
	inside       []string // components that are open
	begun        bool
	event        icalEvent
}

type icalEvent struct {
	from, until time.Time // until is not included
	name        string
	yearly, off bool // off: cancelled
}

func (r *icalReader) line(line string) error {
	name, value, ok := cutValue(line)
	if !ok {
		return fmt.Errorf("%q has no colon", line)
	}
	name, params, _ := strings.Cut(strings.ToUpper(name), ";")
	switch name {
	case "BEGIN":
		value = strings.ToUpper(value)
		if len(r.inside) == 0 && value != "VCALENDAR" {
			return fmt.Errorf("it is not an iCalendar file: it begins with %s", value)
		}
		r.begun = true
		r.inside = append(r.inside, value)
		r.event = icalEvent{}
		return nil
	case "END":
		value = strings.ToUpper(value)
		if !slices.Contains(r.inside, value) {
			return fmt.Errorf("END:%s closes nothing", value)
		}
		if inner := r.inside[len(r.inside)-1]; inner != value {
			return fmt.Errorf("END:%s stands inside %s: END:%[2]s is missing", value, inner)
		}
		r.inside = r.inside[:len(r.inside)-1]
		if value == "VEVENT" {
			return r.close()
		}
		return nil
	}
	if len(r.inside) == 0 {
		return fmt.Errorf("%s stands outside of BEGIN:VCALENDAR", name)
	}
	if !slices.Equal(r.inside, []string{"VCALENDAR", "VEVENT"}) {
		return nil
	}
	return r.property(name, params, value)
}

func (r *icalReader) property(name, params, value string) (err error) {
	switch name {
	case "DTSTART":
		r.event.from, err = icalDate(name, params, value)
	case "DTEND":
		r.event.until, err = icalDate(name, params, value)
	case "SUMMARY":
		value = strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value)
		r.event.name = strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return -1
			}
			return c
		}, value)
	case "STATUS":
		r.event.off = strings.EqualFold(value, "CANCELLED")
	case "RRULE":
		r.event.yearly = true
		for part := range strings.SplitSeq(strings.ToUpper(value), ";") {
			if part != "FREQ=YEARLY" && part != "INTERVAL=1" && part != "WKST=MO" && part != "WKST=SU" {
				return fmt.Errorf("RRULE %s is not read; only FREQ=YEARLY is", part)
			}
		}
	case "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "DURATION":
		err = fmt.Errorf("%s is not read", name)
	}
	return err
}

// cutValue divides a line at its colon, of which there can be others in quotes
// (RFC 5545, section 3.1).
func cutValue(line string) (name, value string, ok bool) {
	quoted := false
	i := strings.IndexFunc(line, func(c rune) bool {
		quoted = quoted != (c == '"')
		return c == ':' && !quoted
	})
	if i < 0 {
		return line, "", false
	}
	return line[:i], line[i+1:], true
}

// icalDate reads a date without hours.
func icalDate(name, params, value string) (time.Time, error) {
	t, err := time.Parse("20060102", value)
	switch whole := slices.Contains(strings.Split(params, ";"), "VALUE=DATE"); {
	case whole && err != nil:
		return t, fmt.Errorf("%q is not a date, such as 20261224", value)
	case !whole && err == nil:
		return t, fmt.Errorf("%s:%s has no VALUE=DATE; write %[1]s;VALUE=DATE:%[2]s", name, value)
	case !whole:
		return t, fmt.Errorf("%s has hours; only events of whole days are read, such as %s;VALUE=DATE:20261224", value, name)
	}
	return t.Add(12 * time.Hour), nil
}

// close takes in the event that has ended.
func (r *icalReader) close() error {
	e := r.event
	r.event = icalEvent{}
	if e.from.IsZero() {
		return fmt.Errorf("an event has no DTSTART")
	}
	if e.until.IsZero() {
		e.until = e.from.AddDate(0, 0, 1)
	}
	switch n := e.until.Sub(e.from) / day; {
	case n < 1:
		return errors.New("an event ends before it begins; its DTEND is the day after its last one")
	case n > longestEvent:
		return fmt.Errorf("an event lasts %d days, more than %d", n, longestEvent)
	}
	if e.name = strings.TrimSpace(e.name); e.name == "" {
		e.name = "day off"
	}
	for t := e.from; t.Before(e.until) && !e.off; t = t.AddDate(0, 0, 1) {
		if e.yearly {
			r.yearly[dateOf(t).inYear()] = e.name
		} else {
			r.days[dateOf(t)] = e.name
		}
	}
	return nil
}
