package mailpipe

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryDelay(t *testing.T) {
	for _, c := range []struct {
		attempts int
		random   float64
		want     time.Duration
	}{
		{0, 0, 48 * time.Second}, {0, 0.5, time.Minute}, {0, 1, 72 * time.Second}, {-1, 0.5, time.Minute},
		{5, 0.5, 30 * time.Minute}, {8, 0, 192 * time.Minute}, {8, 0.99, 4 * time.Hour}, {1000, 0.5, 4 * time.Hour},
	} {
		if got := retryDelay(c.attempts, c.random); got.Round(time.Millisecond) != c.want {
			t.Errorf("after %d attempts, random %v: %v, not %v", c.attempts, c.random, got, c.want)
		}
	}
}

func TestAlarmClock(t *testing.T) {
	base := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var clock alarmClock
		var model []time.Time
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 100)).Draw(t, "seconds") {
			at := base.Add(time.Duration(n) * time.Second)
			clock.set(at)
			model = append(model, at)
		}
		now := base.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "now")) * time.Second)
		clock.passed(now)
		model = slices.DeleteFunc(model, func(at time.Time) bool { return !at.After(now) })
		other := base.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "other")) * time.Second)
		want := slices.MinFunc(append(model, other), time.Time.Compare)
		if got := clock.next(time.Time{}, other); !got.Equal(want) {
			t.Fatalf("next %v, not %v", got, want)
		}
	})
	var clock alarmClock
	for i := range maxAlarms + 10 {
		clock.set(base.Add(-time.Duration(i)))
	}
	if len(clock.times) > maxAlarms || !clock.next().Equal(base.Add(-(maxAlarms + 9))) {
		t.Errorf("%d times, the next is %v", len(clock.times), clock.next())
	}
}
