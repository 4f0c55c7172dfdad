package mailpipe

import (
	"slices"
	"time"

	"buzon/ticket"
)

// retryDelays are the pauses after a first, second, … temporary failure of one
// mail: short at first for greylisting, at most four hours (RFC 5321, section
// 4.5.4.1 asks for at least 30 minutes on average).
var retryDelays = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// maxRetryDelay bounds a pause after its jitter.
const maxRetryDelay = ticket.MaxRetryDelay

// retryDelay returns the pause before a mail is tried again that has failed
// attempts times before now: its delay, up to a fifth more or less by random,
// which is in [0,1).
func retryDelay(attempts int, random float64) time.Duration {
	delay := retryDelays[min(max(attempts, 0), len(retryDelays)-1)]
	return min(time.Duration(float64(delay)*(0.8+0.4*random)), maxRetryDelay)
}

// alarmClock holds the instants at which there will be something to do, so that
// a loop needs one timer only.
type alarmClock struct{ times []time.Time } // ascending

// maxAlarms bounds memory; what is forgotten is found by polling.
const maxAlarms = 10_000

func (c *alarmClock) set(t time.Time) {
	i, _ := slices.BinarySearchFunc(c.times, t, time.Time.Compare)
	if i < maxAlarms {
		c.times = slices.Insert(c.times[:min(len(c.times), maxAlarms-1)], i, t)
	}
}

// passed drops the instants that are not after now.
func (c *alarmClock) passed(now time.Time) {
	i, _ := slices.BinarySearchFunc(c.times, now.Add(1), time.Time.Compare)
	c.times = slices.Delete(c.times, 0, i)
}

// next returns the earliest of the instants set and of others that are not zero;
// zero if there is none.
func (c *alarmClock) next(others ...time.Time) time.Time {
	var earliest time.Time
	if len(c.times) > 0 {
		earliest = c.times[0]
	}
	for _, t := range others {
		if !t.IsZero() && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	return earliest
}
