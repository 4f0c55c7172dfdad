package routing

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// timetable is the compiled part of a configuration that is about time.
type timetable struct {
	wall      *Calendar // all hours of all days
	calendars map[string]*Calendar
	closed    []*Closed
	slas      map[string]*SLA
	away      [][]period // by agent
	included  []string   // files that were read
	digests   [][]byte   // their contents
}

// period is from one day to another, both included.
type period struct{ from, until date }

// timeAll checks calendars, closed periods, times to answer and absences, and
// compiles them as far as they make sense.
func (c *checker) timeAll() *timetable {
	t := &timetable{calendars: map[string]*Calendar{}, slas: map[string]*SLA{}}
	desk, err := zone(c.Desk.TimeZone)
	if err != nil {
		desk = time.UTC // was reported
	}
	t.wall = wallClock(desk)
	for i := range c.Calendars {
		c.id(c.calendars, "calendar", i, c.Calendars[i].ID, "calendar ")
	}
	for i := range c.Calendars {
		c.calendar(t, i, desk)
	}
	c.closedAll(t)
	for i := range c.SLAs {
		c.id(c.slas, "sla", i, c.SLAs[i].ID, "sla ")
		c.sla(t, i)
	}
	for i, topic := range c.Topics {
		path := elementPath("topic", i)
		if topic.SLA == "" {
			continue
		}
		c.refers(path+".sla", topic.SLA, "sla", c.slas)
		if c.set(path + ".reply_within") {
			c.rejectf(path+".reply_within", "keep one of them", "sla is set too")
		}
	}
	for i, a := range c.Agents {
		path := elementPath("agent", i)
		if a.Calendar != "" {
			c.refers(path+".calendar", a.Calendar, "calendar", c.calendars)
		}
		t.away = append(t.away, c.away(path+".away", a.Away))
	}
	c.escalation()
	c.autoClose()
	return t
}

// wallClock is a calendar of all hours of all days.
func wallClock(zone *time.Location) *Calendar {
	c := &Calendar{zone: zone}
	for d := range c.week {
		c.week[d] = []hours{{0, minutesOfDay}}
	}
	return c
}

func (c *checker) calendar(t *timetable, i int, desk *time.Location) {
	conf, path := &c.Calendars[i], elementPath("calendar", i)
	cal := &Calendar{ID: conf.ID, zone: desk, off: map[date]string{}, yearly: map[date]string{}}
	if conf.TimeZone != "" {
		place, err := zone(conf.TimeZone)
		if err != nil {
			c.rejectf(path+".time_zone", `write it like "America/Bogota"`, "%q is not a time zone", conf.TimeZone)
		} else {
			cal.zone = place
		}
	}
	if conf.Holidays == "colombia" {
		cal.holidays = colombia
	}
	for j, line := range conf.Hours {
		at := elementPath(path+".hours", j)
		if !c.set(at) {
			continue
		}
		if err := cal.readHours(line); err != nil {
			c.rejectf(at, `write it like "mon-fri 08:00-12:00 13:00-17:00"`, "%q %v", line, err)
		}
	}
	for j, text := range conf.DaysOff {
		at := elementPath(path+".days_off", j)
		if !c.set(at) {
			continue
		}
		if d, err := readDate(text); err == nil {
			cal.off[d] = "day off"
		} else if d, err := time.Parse("2006-01-02", "2000-"+text); err == nil { // a leap year
			cal.yearly[dateOf(d).inYear()] = "day off"
		} else {
			c.rejectf(at, `write a date, "2026-12-24", or a day of every year, "12-31"`, "%q is no day", text)
		}
	}
	if conf.ICalendar != "" && c.set(path+".icalendar") {
		c.include(t, cal, path+".icalendar", conf.ICalendar)
	}
	cal.wall = wallClock(cal.zone)
	t.calendars[conf.ID] = cal
}

// include takes over the days of an iCalendar file.
func (c *checker) include(t *timetable, cal *Calendar, path, file string) {
	text, err := readSmall(file, maxICalendar)
	if err != nil {
		c.rejectf(path, "", "%v", err)
		return
	}
	days, yearly, err := readICalendar(string(text))
	if err != nil {
		c.rejectf(path, "correct the file, or write its days into days_off", "%s: %v", file, err)
		return
	}
	maps.Copy(cal.off, days)
	maps.Copy(cal.yearly, yearly)
	t.included = append(t.included, file)
	t.digests = append(t.digests, text)
}

func readSmall(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		var detail *os.PathError
		if errors.As(err, &detail) {
			err = detail.Err
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", file)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s is longer than %d octets", file, limit)
	}
	return os.ReadFile(file)
}

func (c *checker) closedAll(t *timetable) {
	for i := range c.Closed {
		conf, path := &c.Closed[i], elementPath("closed", i)
		for j, id := range conf.Calendars {
			c.refers(elementPath(path+".calendars", j), id, "calendar", c.calendars)
		}
		c.distinct(path+".calendars", conf.Calendars)
		from, ok := c.date(path+".from", conf.From)
		until, ok2 := c.date(path+".until", conf.Until)
		if !ok || !ok2 {
			continue
		}
		if until < from {
			c.rejectf(path+".until", "", "%s is before from, %s", conf.Until, conf.From)
			continue
		}
		p := &Closed{from: from, until: until, calendars: conf.Calendars, textES: conf.Text, textEN: cmp.Or(conf.TextEN, conf.Text)}
		for j, other := range t.closed {
			if p.from <= other.until && other.from <= p.until && (len(p.calendars) == 0 || len(other.calendars) == 0 ||
				slices.ContainsFunc(p.calendars, func(id string) bool { return slices.Contains(other.calendars, id) })) {
				line, _ := c.position(c.valueOffset(elementPath("closed", j) + ".from"))
				c.rejectf(path+".from", "put both into one, or name other calendars", "overlaps the period in line %d", line)
				break
			}
		}
		t.closed = append(t.closed, p)
		if len(p.calendars) == 0 {
			t.wall.closed = append(t.wall.closed, p)
		}
		for id, cal := range t.calendars {
			if len(p.calendars) == 0 || slices.Contains(p.calendars, id) {
				cal.closed = append(cal.closed, p)
				cal.wall.closed = cal.closed
			}
		}
	}
}

// date reads the date of a key and reports what is none.
func (c *checker) date(path, text string) (date, bool) {
	if !c.set(path) {
		return 0, false
	}
	d, err := readDate(text)
	if err != nil {
		c.rejectf(path, `write it like "2026-12-24"`, "%q is not a date", text)
	}
	return d, err == nil
}

func readDate(text string) (date, error) {
	t, err := time.Parse(time.DateOnly, text)
	return dateOf(t), err
}

func (c *checker) sla(t *timetable, i int) {
	conf, path := &c.SLAs[i], elementPath("sla", i)
	s := &SLA{ID: conf.ID, Calendar: t.wall}
	if conf.Calendar != "" {
		if !c.refers(path+".calendar", conf.Calendar, "calendar", c.calendars) || t.calendars[conf.Calendar] == nil {
			return
		}
		s.Calendar = t.calendars[conf.Calendar]
	}
	for p := range priorityNames {
		s.answer[p], s.resolve[p] = conf.span("answer", p).in(s.Calendar), conf.span("resolve", p).in(s.Calendar)
	}
	s.escalate = conf.Escalate.in(s.Calendar)
	t.slas[conf.ID] = s
	for key := range c.spots {
		if strings.HasPrefix(key, path+".") && c.bad(key) {
			return // what follows would speak of a value that isn't meant
		}
	}
	if _, week := s.Calendar.lengths(); week == 0 {
		return // was reported: in a calendar without hours no span counts anything
	}
	if s.answer == (byPriority{}) && s.resolve == (byPriority{}) {
		c.rejectf(path+".answer", `write answer = "2d"`, "neither answer nor resolve is set, so nothing is ever due")
		return
	}
	for p, name := range priorityNames {
		first, at := s.answer[p], "answer"
		switch {
		case first == 0:
			first, at = s.resolve[p], "resolve"
		case s.resolve[p] > 0 && s.resolve[p] < first:
			c.rejectf(path+"."+c.slaKey(path, "resolve", name), "", "is less than %s: it would be resolved before it is answered", c.slaKey(path, "answer", name))
			return
		}
		if conf.Escalate != "" && s.escalate < first {
			c.rejectf(path+".escalate", "write a longer time", "is less than %s, %s: it would be escalated before it is due",
				c.slaKey(path, at, name), conf.span(at, p))
			return
		}
	}
	if conf.Escalate != "" && len(c.Reminder.Escalate) == 0 && !c.bad("reminder.escalate") {
		c.rejectf(path+".escalate", `write escalate = ["lead"] in [reminder]`, "has no effect, because reminder.escalate names nobody")
	}
	for p := 1; p < len(priorityNames); p++ {
		for _, times := range []struct {
			key  string
			list byPriority
		}{{"answer", s.answer}, {"resolve", s.resolve}} {
			if times.list[p] > times.list[p-1] && times.list[p-1] > 0 {
				c.warnf(path+"."+c.slaKey(path, times.key, priorityNames[p]), "", "priority %s has more time than priority %s", priorityNames[p], priorityNames[p-1])
			}
		}
	}
}

// slaKey is the key that holds a time for a priority: its own, or the general one.
func (c *checker) slaKey(path, key, priority string) string {
	if c.spots[path+"."+key+"_"+priority].set {
		return key + "_" + priority
	}
	return key
}

// span is the time for a priority, as it is written.
func (conf *SLAConfig) span(key string, p int) Span {
	if key == "resolve" {
		return cmp.Or([]Span{conf.ResolveLow, "", conf.ResolveHigh, conf.ResolveUrgent}[p], conf.Resolve)
	}
	return cmp.Or([]Span{conf.AnswerLow, "", conf.AnswerHigh, conf.AnswerUrgent}[p], conf.Answer)
}

func (c *checker) away(path string, list []string) (periods []period) {
	for i, text := range list {
		at := elementPath(path, i)
		if !c.set(at) {
			continue
		}
		first, last, two := strings.Cut(text, "..")
		if !two {
			last = first
		}
		from, err := readDate(first)
		until, err2 := readDate(last)
		switch {
		case err != nil || err2 != nil:
			c.rejectf(at, `write it like "2026-12-20..2027-01-10", or "2026-12-24"`, "%q is no time between two dates", text)
		case until < from:
			c.rejectf(at, "", "%s is before %s", last, first)
		default:
			periods = append(periods, period{from, until})
		}
	}
	return periods
}

// escalation checks whom reminders go to in the end.
func (c *checker) escalation() {
	const path = "reminder.escalate"
	list := c.Reminder.Escalate
	for i, role := range list {
		if at := elementPath(path, i); c.set(at) && role != string(RoleLead) && role != string(RoleAdministrator) {
			c.rejectf(at, "write lead or administrator", "%q is not allowed here", role)
		}
	}
	c.distinct(path, list)
	if len(list) == 0 || c.bad(path) || c.bad("reminder.max") || c.bad("reminder.repeat") {
		return
	}
	earlier := slices.ContainsFunc(c.SLAs, func(s SLAConfig) bool { return s.Escalate != "" })
	switch r := c.Reminder; {
	case r.Max == 0:
		c.rejectf(path, "", "has no effect, because max is 0")
	case earlier:
	case r.Repeat == 0:
		c.rejectf(path, "", `has no effect, because repeat is "0": only further reminders are escalated`)
	case r.Max <= len(list):
		c.rejectf(path, "", "needs max = %d or more: the first reminder goes to nobody else, and each further one goes one step up", len(list)+1)
	}
}

func (c *checker) autoClose() {
	a := c.AutoClose
	const nudge, waiting = "auto_close.nudge_after", "auto_close.waiting_after"
	if c.bad(nudge) || c.bad(waiting) || c.bad("auto_close.notice") {
		return
	}
	switch {
	case a.NudgeAfter == 0 && a.WaitingAfter == 0:
	case a.NudgeAfter == 0:
		c.rejectf(nudge, `write nudge_after = "10d"`, "is missing: nothing is closed without a word before")
	case a.WaitingAfter > 0 && a.NudgeAfter+a.Notice > a.WaitingAfter:
		c.rejectf(waiting, "", "is less than nudge_after and notice together, %s", a.NudgeAfter+a.Notice)
	}
}

const minutesOfDay = 24 * 60

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// readHours adds a line of working hours: days, and times of each.
func (cal *Calendar) readHours(line string) error {
	words := strings.Fields(line)
	if len(words) < 2 {
		return errors.New("lacks days or times")
	}
	var days []int
	for item := range strings.SplitSeq(words[0], ",") {
		first, last, two := strings.Cut(item, "-")
		if !two {
			last = first
		}
		from, until := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || until < 0 {
			return fmt.Errorf("names no days: %s (days are mon, tue, wed, thu, fri, sat, sun)", item)
		}
		for d := from; ; d = (d + 1) % 7 {
			days = append(days, d)
			if d == until {
				break
			}
		}
	}
	for _, word := range words[1:] {
		first, last, two := strings.Cut(word, "-")
		from, ok := readClock(first)
		until, ok2 := readClock(last)
		switch {
		case !two || !ok || !ok2 || from == minutesOfDay:
			return fmt.Errorf("has no times: %s", word)
		case until <= from:
			return fmt.Errorf("ends before it begins: %s (hours over midnight stand in both days, until 24:00 and from 00:00)", word)
		}
		for _, d := range days {
			if slices.ContainsFunc(cal.week[d], func(h hours) bool { return from < h.until && h.from < until }) {
				return fmt.Errorf("has %s twice on %s", word, dayNames[d])
			}
			cal.week[d] = append(cal.week[d], hours{from, until})
			slices.SortFunc(cal.week[d], func(a, b hours) int { return a.from - b.from })
		}
	}
	return nil
}

// readClock reads a time of day as minutes; 24:00 is the end of a day.
func readClock(text string) (int, bool) {
	if text == "24:00" {
		return minutesOfDay, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == len("15:04")
}

var priorityNames = []string{"low", "normal", "high", "urgent"}

// byPriority are times in the order of priorityNames.
type byPriority [4]time.Duration

func (b byPriority) of(p ticket.Priority) time.Duration {
	return b[max(slices.Index(priorityNames, cmp.Or(string(p), "normal")), 0)]
}
