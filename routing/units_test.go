package routing

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "15m": 15 * time.Minute, "2h": 2 * time.Hour, "3d": 3 * day,
		"2w": 14 * day, "1d12h": 36 * time.Hour, "1w2d3h4m5s": 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second,
		"36500d": maxDuration,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%s: %v, %v", text, d.Std(), err)
		}
	}
	for _, text := range []string{"", " ", "1", "s", "-1h", "+1h", "1.5h", "1 h", "1h ", "1H", "1y", "1M", "1ms", "1h1h", "5m3h", "1d0",
		"36501d", "36500d1s", "99999999999999999999d", "9223372036854775807w", "１h"} {
		d := Duration(7)
		if err := d.UnmarshalText([]byte(text)); err == nil || d != 7 {
			t.Errorf("%q was read as %v", text, d)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512 KB": 512 << 10, "10 MB": 10 << 20, "10MB": 10 << 20, "1 gb": 1 << 30, "7 B": 7} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "10", "MB", "-1 MB", "1.5 MB", "10  MB", "10 M", "10 TB", "10 MBB", "9223372036854775807 KB", "99999999999999999999 B", "10 KM"} {
		s := Size(7)
		if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
			t.Errorf("%q was read as %v", text, s)
		}
	}
}

func TestUnitStrings(t *testing.T) {
	for want, d := range map[string]Duration{"2w": Duration(14 * day), "30d": Duration(30 * day), "8d": Duration(8 * day),
		"1d12h": Duration(36 * time.Hour), "1m30s": Duration(90 * time.Second), "0": 0} {
		if d.String() != want {
			t.Errorf("%s, not %s", d, want)
		}
	}
	for want, s := range map[string]Size{"0": 0, "10 MB": 10 << 20, "1536 KB": 3 << 19, "1 GB": 1 << 30, "1025 B": 1025} {
		if s.String() != want {
			t.Errorf("%s, not %s", s, want)
		}
	}
}

func TestUnitsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(time.Duration(rapid.Int64Range(0, int64(maxDuration/time.Second)).Draw(t, "seconds")) * time.Second)
		var d2 Duration
		if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d {
			t.Fatalf("%s: %v, %v", d, d2, err)
		}
		s := Size(rapid.Int64Range(0, 1<<62).Draw(t, "size"))
		var s2 Size
		if err := s2.UnmarshalText([]byte(s.String())); err != nil || s2 != s {
			t.Fatalf("%s: %v, %v", s, s2, err)
		}
	})
}

func TestNearest(t *testing.T) {
	right := []string{"agent", "addresses", "team", "id", "reply_within"}
	for name, want := range map[string]string{
		"agnet": "agent", "Agent": "agent", "adresses": "addresses", "reply-within": "reply_within", "teams": "team",
		"x": "", "colour": "", "": "",
	} {
		if got := nearest(name, right); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
