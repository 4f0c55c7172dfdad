package routing

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// Calendar knows when people work. Working time is the time that really passes
// within the working hours, so a day on which the clocks are changed inside them
// is shorter or longer by an hour. An hour that the clocks leave out counts as the
// moment of the change, and of one that comes twice an edge means the first. It is
// immutable but for a cache, and safe for concurrent use.
type Calendar struct {
	ID   string // empty: all hours of all days
	zone *time.Location
	week [7][]hours // by weekday, in order, without overlaps

	holidays func(year int) map[date]string // nil: none
	off      map[date]string                // with what it is called
	yearly   map[date]string                // in the year 0
	closed   []*Closed                      // those that hold here
	wall     *Calendar                      // nil: it is one itself

	years sync.Map // of *year by number
}

// Wall is the wall clock of those who work by the calendar: all hours of all days, but
// for its closed periods.
func (c *Calendar) Wall() *Calendar {
	if c.wall == nil {
		return c
	}
	return c.wall
}

// Closed is a time in which the desk is closed: clocks stand still, nobody is
// reminded, and confirmations say so.
type Closed struct {
	from, until    date // both included
	calendars      []string
	textES, textEN string
}

// Text is what confirmations say about it; empty: nothing.
func (c *Closed) Text(lang string) string {
	if lang == "en" {
		return c.textEN
	}
	return c.textES
}

// hours are from one minute of a day to another, which is not included.
type hours struct{ from, until int }

// date is a day of a calendar, in an order: 20261224.
type date int

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return makeDate(y, m, d)
}

func makeDate(y int, m time.Month, d int) date { return date(y*10000 + int(m)*100 + d) }

func (d date) split() (year int, month time.Month, day int) {
	return int(d) / 10000, time.Month(int(d) / 100 % 100), int(d) % 100
}

// inYear is the same day in the year 0.
func (d date) inYear() date { return d % 10000 }

// year is how much is worked in a year before each of its days, and in all.
type year struct {
	first  time.Time // its first day, in UTC, to count days from
	before []time.Duration
}

func (y *year) total() time.Duration { return y.before[len(y.before)-1] }

// idleYears is for how long work is looked for in a calendar without any.
const idleYears = 10

// Add returns the first moment at which work has been done since start: within
// working hours, or at their end. Without work to do that is start itself. It
// returns the zero time if nobody works for ten years. The result is in start's
// zone. Its cost doesn't depend on how much work there is, within a year.
func (c *Calendar) Add(start time.Time, work time.Duration) time.Time {
	if work <= 0 {
		return start
	}
	day := dateOf(start.In(c.zone))
	number, _, _ := day.split()
	y := c.year(number)
	work += y.before[y.index(day)] + c.worked(day, start)
	for idle := 0; work > y.total(); {
		if idle++; y.total() > 0 {
			idle = 0
		} else if idle > idleYears {
			return time.Time{}
		}
		work -= y.total()
		number++
		y = c.year(number)
	}
	i := sort.Search(len(y.before)-1, func(i int) bool { return y.before[i+1] >= work })
	work -= y.before[i]
	day = dateOf(y.first.AddDate(0, 0, i))
	for _, h := range c.week[y.first.AddDate(0, 0, i).Weekday()] {
		from, until := c.at(day, h.from), c.at(day, h.until)
		if length := until.Sub(from); work > length {
			work -= length
			continue
		}
		return from.Add(work).In(start.Location())
	}
	panic("routing: a year's table and its days differ")
}

// Between returns the working time from a to b; negative if b is before a.
func (c *Calendar) Between(a, b time.Time) time.Duration {
	if b.Before(a) {
		return -c.Between(b, a)
	}
	from, until := dateOf(a.In(c.zone)), dateOf(b.In(c.zone))
	first, _, _ := from.split()
	last, _, _ := until.split()
	y := c.year(first)
	work := -y.before[y.index(from)] - c.worked(from, a)
	for n := first; n < last; n++ {
		work += y.total()
		y = c.year(n + 1)
	}
	return work + y.before[y.index(until)] + c.worked(until, b)
}

// Works tells whether a moment is within working hours.
func (c *Calendar) Works(t time.Time) bool {
	day := dateOf(t.In(c.zone))
	if c.reason(day) != "" {
		return false
	}
	return slices.ContainsFunc(c.week[t.In(c.zone).Weekday()], func(h hours) bool {
		return !t.Before(c.at(day, h.from)) && t.Before(c.at(day, h.until))
	})
}

// Next returns t if it is within working hours, or else when they next begin; the
// zero time if nobody works for ten years.
func (c *Calendar) Next(t time.Time) time.Time {
	if c.Works(t) {
		return t
	}
	next := c.Add(t, 1)
	if next.IsZero() {
		return next
	}
	return next.Add(-1)
}

// Closed returns the closed period that a moment is in, or nil.
func (c *Calendar) Closed(t time.Time) *Closed {
	return c.closedOn(dateOf(t.In(c.zone)))
}

func (c *Calendar) closedOn(d date) *Closed {
	for _, p := range c.closed {
		if p.from <= d && d <= p.until {
			return p
		}
	}
	return nil
}

// DayOff is a day on which nobody works, and why.
type DayOff struct {
	Day    time.Time // its first moment
	Reason string    // in English; a holiday's name is its own
}

// Skipped lists the days without working hours from a to b, both included, with
// the reason of each.
func (c *Calendar) Skipped(a, b time.Time) []DayOff {
	var days []DayOff
	last := dateOf(b.In(c.zone))
	for t := noon(dateOf(a.In(c.zone))); dateOf(t) <= last; t = t.AddDate(0, 0, 1) {
		reason := c.reason(dateOf(t))
		if reason == "" && len(c.week[t.Weekday()]) == 0 {
			reason = "no working hours on a " + t.Weekday().String()
		}
		if reason != "" {
			days = append(days, DayOff{c.at(dateOf(t), 0), reason})
		}
	}
	return days
}

// noon is the middle of a day, in UTC, where every day has 24 hours.
func noon(d date) time.Time {
	y, m, day := d.split()
	return time.Date(y, m, day, 12, 0, 0, 0, time.UTC)
}

// lengths are those of a usual working day, the most frequent one of a week, and of
// several the longest; and of a whole week.
func (c *Calendar) lengths() (day, week time.Duration) {
	count := map[time.Duration]int{}
	for _, list := range c.week {
		var sum time.Duration
		for _, h := range list {
			sum += time.Duration(h.until-h.from) * time.Minute
		}
		week += sum
		if sum == 0 {
			continue
		}
		count[sum]++
		if n := count[sum] - count[day]; n > 0 || n == 0 && sum > day {
			day = sum
		}
	}
	return day, week
}

// reason says why nobody works on a day, whatever the hours of the week are.
func (c *Calendar) reason(d date) string {
	if c.closedOn(d) != nil {
		return "closed"
	}
	if name, ok := c.off[d]; ok {
		return name
	}
	if name, ok := c.yearly[d.inYear()]; ok {
		return name
	}
	if c.holidays != nil {
		n, _, _ := d.split()
		if name, ok := c.holidays(n)[d]; ok {
			return "holiday: " + name
		}
	}
	return ""
}

// worked is what has been worked on a day until a moment.
func (c *Calendar) worked(d date, t time.Time) (sum time.Duration) {
	if y := c.year(int(d) / 10000); y.before[y.index(d)] == y.before[y.index(d)+1] {
		return 0
	}
	for _, h := range c.week[noon(d).Weekday()] {
		if from, until := c.at(d, h.from), c.at(d, h.until); t.Before(until) {
			return sum + max(t.Sub(from), 0)
		} else {
			sum += until.Sub(from)
		}
	}
	return sum
}

// year returns the table of a year, which is made when it is first needed.
func (c *Calendar) year(n int) *year {
	if y, ok := c.years.Load(n); ok {
		return y.(*year)
	}
	y := &year{first: time.Date(n, 1, 1, 12, 0, 0, 0, time.UTC), before: []time.Duration{0}}
	for t := y.first; t.Year() == n; t = t.AddDate(0, 0, 1) {
		d := dateOf(t)
		sum := y.total()
		if c.reason(d) == "" {
			for _, h := range c.week[t.Weekday()] {
				sum += c.at(d, h.until).Sub(c.at(d, h.from))
			}
		}
		y.before = append(y.before, sum)
	}
	kept, _ := c.years.LoadOrStore(n, y)
	return kept.(*year)
}

// index is the place of a day in the year.
func (y *year) index(d date) int { return noon(d).YearDay() - 1 }

// at is a minute of a day, of which the last is the first one of the next day. One
// that the clocks leave out is the moment of the change; of one that comes twice
// it is the first.
func (c *Calendar) at(d date, minute int) time.Time {
	year, month, day := d.split()
	t := time.Date(year, month, day, 0, minute, 0, 0, c.zone)
	face := time.Date(year, month, day, 0, minute, 0, 0, time.UTC).Unix() // as the clock shows it
	_, offset := t.Zone()
	since, until := t.ZoneBounds()
	switch shown := t.Unix() + int64(offset); {
	case shown < face:
		return until
	case shown > face:
		return since
	case !since.IsZero():
		_, before := since.Add(-1).Zone()
		if first := time.Unix(face-int64(before), 0); first.Before(since) {
			return first.In(c.zone)
		}
	}
	return t
}
