package routing

import (
	"time"

	"github.com/robfig/cron/v3"
)

// DigestDay tells whether the hour of a day's digest has come, and which day it is,
// as 2026-11-24. It goes by the clock on the wall in the desk's zone, so that a
// day whose hour is left out or comes twice when the clocks change has its digest
// like any other. A day on which the cron line never fires has none.
func (t *Table) DigestDay(now time.Time) (day string, ok bool) {
	if t.Config.Digest.At == "" {
		return "", false
	}
	return t.dayOf(t.Config.Digest.At, now)
}

// SpamDay tells whether the hour of a day's count of spam folders has come, and which
// day it is, as DigestDay does.
func (t *Table) SpamDay(now time.Time) (day string, ok bool) {
	return t.dayOf(t.Config.Spam.At, now)
}

func (t *Table) dayOf(line string, now time.Time) (day string, ok bool) {
	schedule, err := cron.ParseStandard(line)
	if err != nil {
		return "", false // was checked
	}
	local := now.In(t.Zone)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
	midnight := wall.Truncate(24 * time.Hour)
	return wall.Format(time.DateOnly), !schedule.Next(midnight.Add(-time.Second)).After(wall)
}

// DigestTime is the hour of a day's digest, such as "2026-11-24"; zero: there is none.
func (t *Table) DigestTime(day string) time.Time {
	schedule, err := cron.ParseStandard(t.Config.Digest.At)
	midnight, invalid := time.ParseInLocation(time.DateOnly, day, t.Zone)
	if err != nil || invalid != nil {
		return time.Time{}
	}
	return schedule.Next(midnight.Add(-time.Second))
}

// GetsDigest tells whether an agent is sent the daily digest.
func (t *Table) GetsDigest(a *Agent) bool { return a.Digest && t.Config.Digest.At != "" }

// Choices of what an agent is mailed.
const (
	NotifyEach     = "each"
	NotifyDigest   = "digest"
	NotifyMentions = "mentions"
)
