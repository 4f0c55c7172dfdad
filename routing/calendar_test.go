package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The public holidays of Colombia as published. In 2025 and 2030 two of the
// eighteen are on one day.
var published = map[int]string{
	2024: "01-01 01-08 03-25 03-28 03-29 05-01 05-13 06-03 06-10 07-01 07-20 08-07 08-19 10-14 11-04 11-11 12-08 12-25",
	2025: "01-01 01-06 03-24 04-17 04-18 05-01 06-02 06-23 06-30 06-30 07-20 08-07 08-18 10-13 11-03 11-17 12-08 12-25",
	2026: "01-01 01-12 03-23 04-02 04-03 05-01 05-18 06-08 06-15 06-29 07-20 08-07 08-17 10-12 11-02 11-16 12-08 12-25",
	2027: "01-01 01-11 03-22 03-25 03-26 05-01 05-10 05-31 06-07 07-05 07-20 08-07 08-16 10-18 11-01 11-15 12-08 12-25",
	2028: "01-01 01-10 03-20 04-13 04-14 05-01 05-29 06-19 06-26 07-03 07-20 08-07 08-21 10-16 11-06 11-13 12-08 12-25",
	2029: "01-01 01-08 03-19 03-29 03-30 05-01 05-14 06-04 06-11 07-02 07-20 08-07 08-20 10-15 11-05 11-12 12-08 12-25",
	2030: "01-01 01-07 03-25 04-18 04-19 05-01 06-03 06-24 07-01 07-01 07-20 08-07 08-19 10-14 11-04 11-11 12-08 12-25",
}

func TestHolidaysOfColombia(t *testing.T) {
	for year, list := range published {
		want := strings.Fields(list)
		if len(want) != 18 {
			t.Fatalf("%d dates of %d", len(want), year)
		}
		var got []string
		for d, name := range colombia(year) {
			y, m, day := d.split()
			if y != year {
				t.Errorf("%d in %d", d, year)
			}
			for range strings.Split(name, ", ") {
				got = append(got, fmt.Sprintf("%02d-%02d", m, day))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d (-published +computed):\n%s", year, diff)
		}
	}
	if name := colombia(2025)[20250630]; !strings.Contains(name, "San Pedro") || !strings.Contains(name, "Sagrado") {
		t.Errorf("30 June 2025 is %q", name)
	}
}

// Easter Sundays as tables of the church give them, extremes among them.
func TestEaster(t *testing.T) {
	for _, want := range []string{
		"1818-03-22", "1943-04-25", "1961-04-02", "2000-04-23", "2008-03-23", "2011-04-24", "2019-04-21", "2035-03-25", "2038-04-25",
		"2049-04-18", "2076-04-19", "2100-03-28", "2285-03-22",
	} {
		at, err := time.Parse(time.DateOnly, want)
		if err != nil {
			t.Fatal(err)
		}
		month, day := easterSunday(at.Year())
		if month != at.Month() || day != at.Day() {
			t.Errorf("Easter is on %s, computed %d-%d", want, month, day)
		}
	}
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// office works from 8 to 12 and from 13 to 17, Mondays to Fridays, and Saturdays
// from 8 to 12.
func officeHours(zone *time.Location) *Calendar {
	c := &Calendar{ID: "office", zone: zone, holidays: colombia}
	for d := time.Monday; d <= time.Friday; d++ {
		c.week[d] = []hours{{8 * 60, 12 * 60}, {13 * 60, 17 * 60}}
	}
	c.week[time.Saturday] = []hours{{8 * 60, 12 * 60}}
	return c
}

// around works at all hours.
func around(zone *time.Location) *Calendar {
	c := &Calendar{zone: zone}
	for d := range c.week {
		c.week[d] = []hours{{0, 24 * 60}}
	}
	return c
}

func TestAddWorkingTime(t *testing.T) {
	bogota := mustZone(t, "America/Bogota")
	c := officeHours(bogota)
	c.off = map[date]string{20261224: "day off"}
	c.yearly = map[date]string{1231: "day off"}
	c.closed = []*Closed{{from: 20261228, until: 20270102}}
	for _, x := range []struct {
		start string
		work  time.Duration
		want  string
	}{
		{"2026-11-24 09:00", 2 * time.Hour, "2026-11-24 11:00"},
		{"2026-11-24 09:00", 3 * time.Hour, "2026-11-24 12:00"}, // the end belongs to it
		{"2026-11-24 09:00", 4 * time.Hour, "2026-11-24 14:00"}, // over noon
		{"2026-11-24 12:30", time.Minute, "2026-11-24 13:01"},
		{"2026-11-24 20:00", time.Hour, "2026-11-25 09:00"},
		{"2026-11-27 16:30", time.Hour, "2026-11-28 08:30"},     // Friday to Saturday
		{"2026-11-28 11:30", time.Hour, "2026-11-30 08:30"},     // Saturday to Monday
		{"2026-12-07 16:00", 2 * time.Hour, "2026-12-09 09:00"}, // Inmaculada
		{"2026-12-23 16:00", 2 * time.Hour, "2026-12-26 09:00"}, // the 24th is off, Navidad
		{"2026-12-26 11:00", 2 * time.Hour, "2027-01-04 09:00"}, // closed until the 2nd, Sunday
		{"2026-11-24 03:00", 0, "2026-11-24 03:00"},
		{"2026-01-05 08:00", 100 * 8 * time.Hour, "2026-05-19 12:00"},
	} {
		start, err := time.ParseInLocation("2006-01-02 15:04", x.start, bogota)
		if err != nil {
			t.Fatal(err)
		}
		got := c.Add(start, x.work)
		if got.Format("2006-01-02 15:04") != x.want {
			t.Errorf("%s and %s of work: %s, want %s", x.start, x.work, got, x.want)
		}
		if back := c.Between(start, got); back != x.work {
			t.Errorf("from %s to %s: %s of work, want %s", x.start, x.want, back, x.work)
		}
	}
}

// Days on which the clocks change have the hours that really pass.
func TestDaylightSaving(t *testing.T) {
	for _, x := range []struct {
		zone, day string
		hours     [2]int
		want      time.Duration
	}{
		{"Europe/Madrid", "2026-03-29", [2]int{0, 24}, 23 * time.Hour},
		{"Europe/Madrid", "2026-10-25", [2]int{0, 24}, 25 * time.Hour},
		{"Europe/Madrid", "2026-03-29", [2]int{2, 3}, 0}, // the hour that is left out
		{"Europe/Madrid", "2026-03-29", [2]int{1, 4}, 2 * time.Hour},
		{"Europe/Madrid", "2026-10-25", [2]int{8, 17}, 9 * time.Hour},
		{"America/Santiago", "2026-09-06", [2]int{0, 24}, 23 * time.Hour}, // from 24:00 to 1:00
		{"America/Santiago", "2026-09-05", [2]int{0, 24}, 24 * time.Hour},
		{"America/Santiago", "2026-04-04", [2]int{0, 24}, 25 * time.Hour}, // from 24:00 back to 23:00
		{"America/Santiago", "2026-04-04", [2]int{22, 24}, 3 * time.Hour},
		{"America/Santiago", "2026-04-05", [2]int{0, 24}, 24 * time.Hour},
		{"America/Bogota", "2026-03-29", [2]int{0, 24}, 24 * time.Hour},
	} {
		zone := mustZone(t, x.zone)
		day, err := time.ParseInLocation(time.DateOnly, x.day, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		c := &Calendar{zone: zone}
		c.week[day.Weekday()] = []hours{{x.hours[0] * 60, x.hours[1] * 60}}
		from := day.AddDate(0, 0, -2) // no other day of that name is near
		if got := c.Between(from, from.AddDate(0, 0, 5)); got != x.want {
			t.Errorf("%s on %s from %d to %d: %s of work, want %s", x.zone, x.day, x.hours[0], x.hours[1], got, x.want)
		}
	}
	// Around the clock, working time is the time that passes.
	santiago := around(mustZone(t, "America/Santiago"))
	start := time.Date(2026, 4, 1, 7, 30, 0, 0, time.UTC)
	for _, d := range []time.Duration{1, time.Hour, 30 * day, 1000 * day} {
		if got := santiago.Add(start, d); !got.Equal(start.Add(d)) {
			t.Errorf("%s after %s is %s", d, start, got)
		}
	}
}

func TestNobodyWorks(t *testing.T) {
	c := &Calendar{zone: time.UTC}
	if got := c.Add(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour); !got.IsZero() {
		t.Errorf("done at %s", got)
	}
	c = &Calendar{zone: time.UTC}
	c.week[time.Monday] = []hours{{480, 540}}
	c.closed = []*Closed{{from: 20260101, until: 20291231}}
	if got := c.Add(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour); got.Format(time.DateOnly) != "2030-01-07" {
		t.Errorf("done at %s", got)
	}
}

func TestSkippedDays(t *testing.T) {
	bogota := mustZone(t, "America/Bogota")
	c := officeHours(bogota)
	c.closed = []*Closed{{from: 20261228, until: 20261230}}
	c.off = map[date]string{20261224: "day off"}
	got := ""
	for _, d := range c.Skipped(time.Date(2026, 12, 23, 9, 0, 0, 0, bogota), time.Date(2026, 12, 31, 9, 0, 0, 0, bogota)) {
		got += d.Day.Format("2006-01-02 15:04 ") + d.Reason + "\n"
	}
	want := `2026-12-24 00:00 day off
2026-12-25 00:00 holiday: Navidad
2026-12-27 00:00 no working hours on a Sunday
2026-12-28 00:00 closed
2026-12-29 00:00 closed
2026-12-30 00:00 closed
`
	if got != want {
		t.Errorf("skipped\n%swant\n%s", got, want)
	}
}

// drawCalendar draws working hours that the clocks of the zones don't change in,
// or at times whole days, so that the test can look at the clock's face.
func drawCalendar(t *rapid.T) *Calendar {
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"America/Bogota", "America/Santiago", "Europe/Madrid", "UTC", "Asia/Kathmandu"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	c := &Calendar{zone: zone, off: map[date]string{}, yearly: map[date]string{}}
	if rapid.Bool().Draw(t, "colombia") {
		c.holidays = colombia
	}
	for d := range c.week {
		switch rapid.IntRange(0, 4).Draw(t, "kind of day") {
		case 0:
		case 1:
			c.week[d] = []hours{{0, 24 * 60}}
		default:
			at := 4 * 60
			for range rapid.IntRange(1, 3).Draw(t, "spans") {
				from := rapid.IntRange(at, 21*60).Draw(t, "from")
				until := rapid.IntRange(from+1, 22*60).Draw(t, "until")
				c.week[d] = append(c.week[d], hours{from, until})
				if at = until; at >= 21*60 {
					break
				}
			}
		}
	}
	for range rapid.IntRange(0, 5).Draw(t, "days off") {
		c.off[dateOf(drawTime(t, zone))] = "off"
	}
	c.yearly[date(rapid.SampledFrom([]int{229, 1231, 101}).Draw(t, "yearly"))] = "off"
	if rapid.Bool().Draw(t, "closed") {
		from := drawTime(t, zone)
		c.closed = []*Closed{{from: dateOf(from), until: dateOf(from.AddDate(0, 0, rapid.IntRange(0, 30).Draw(t, "for days")))}}
	}
	return c
}

func drawTime(t *rapid.T, zone *time.Location) time.Time {
	return time.Unix(rapid.Int64Range(1_735_000_000, 1_830_000_000).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)
}

// onTheClock tells whether the face of a clock is within working hours, or, if so
// wanted, at their end.
func onTheClock(c *Calendar, t time.Time, end bool) bool {
	t = t.In(c.zone)
	if end {
		t = t.Add(-1)
	}
	if c.off[dateOf(t)] != "" || c.yearly[dateOf(t).inYear()] != "" || c.Closed(t) != nil {
		return false
	}
	if c.holidays != nil && colombia(t.Year())[dateOf(t)] != "" {
		return false
	}
	minute := t.Hour()*60 + t.Minute()
	return slices.ContainsFunc(c.week[t.Weekday()], func(h hours) bool { return h.from <= minute && minute < h.until })
}

func TestAddProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		start := drawTime(t, c.zone)
		work := time.Duration(rapid.Int64Range(1, int64(90*24*time.Hour)).Draw(t, "work"))
		end := c.Add(start, work)
		if end.IsZero() {
			if slices.ContainsFunc(c.week[:], func(list []hours) bool { return len(list) > 0 }) {
				t.Fatal("the work is never done")
			}
			return
		}
		if !onTheClock(c, end, true) {
			t.Fatalf("%s of work after %s end outside working hours, at %s", work, start, end)
		}
		if got := c.Between(start, end); got != work {
			t.Fatalf("%s and %s of work is %s, but between them are %s", start, work, end, got)
		}
		if back := c.Between(end, start); back != -work {
			t.Fatalf("backwards it is %s", back)
		}
		// One after the other is the sum, and later is later.
		first := time.Duration(rapid.Int64Range(0, int64(work)).Draw(t, "first"))
		if got := c.Add(c.Add(start, first), work-first); !got.Equal(end) {
			t.Fatalf("%s and then %s end at %s, not at %s", first, work-first, got, end)
		}
		later := start.Add(time.Duration(rapid.Int64Range(0, int64(40*24*time.Hour)).Draw(t, "later")))
		if got := c.Add(later, work); got.Before(end) {
			t.Fatalf("begun later, at %s, it ends sooner: %s, not %s", later, got, end)
		}
		if got := c.Between(start, later); got < 0 || got > later.Sub(start) {
			t.Fatalf("in %s from %s there are %s of work", later.Sub(start), start, got)
		}
		if got, want := c.Works(later), onTheClock(c, later, false); got != want {
			t.Fatalf("Works(%s) is %v", later, got)
		}
		if next := c.Next(later); next.Before(later) || !onTheClock(c, next, false) || c.Between(later, next) != 0 {
			t.Fatalf("after %s working hours begin at %s", later, next)
		}
	})
}

// The table of a year must agree with counting minutes.
func TestBetweenCountsMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		a := drawTime(t, c.zone).Truncate(time.Minute)
		b := a.Add(time.Duration(rapid.IntRange(0, 5*24*60).Draw(t, "minutes")) * time.Minute)
		var want time.Duration
		for at := a; at.Before(b); at = at.Add(time.Minute) {
			if onTheClock(c, at, false) {
				want += time.Minute
			}
		}
		if got := c.Between(a, b); got != want {
			t.Fatalf("from %s to %s: %s, counted %s", a, b, got, want)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	c := officeHours(mustZone(b, "America/Bogota"))
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for _, x := range []struct {
		name string
		work time.Duration
	}{{"hours", 3 * time.Hour}, {"month", 160 * time.Hour}, {"year", 1900 * time.Hour}} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				c.Add(start, x.work)
			}
		})
	}
	b.Run("first of a year", func(b *testing.B) {
		for b.Loop() {
			officeHours(c.zone).Add(start, 160*time.Hour)
		}
	})
}

func BenchmarkBetween(b *testing.B) {
	c := officeHours(mustZone(b, "America/Bogota"))
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	end := start.AddDate(0, 1, 0)
	for b.Loop() {
		c.Between(start, end)
	}
}
