package routing

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// maxDuration keeps sums of times and durations far away from an overflow.
const maxDuration = 100 * 365 * day

var errDuration = errors.New(`is not a time span; write it like "90s", "15m", "2h", "3d", "2w" or "1d12h" (m is minutes)`)

// durationUnits are in the order in which a combination names them.
var durationUnits = []struct {
	letter byte
	length time.Duration
}{{'w', 7 * day}, {'d', day}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

// UnmarshalText reads a time span: whole numbers with the units w, d, h, m, s,
// the larger before the smaller, such as 90s or 1d12h; or 0. A day has 24 hours.
// It returns an error for anything else and for more than 100 years.
func (d *Duration) UnmarshalText(text []byte) error {
	sum, err := readSpan(string(text), day, 7*day)
	if err == nil {
		*d = Duration(sum)
	}
	return err
}

// readSpan reads a time span in which days and weeks have given lengths. Those of
// no length count nothing.
func readSpan(rest string, day, week time.Duration) (sum time.Duration, err error) {
	if rest == "0" {
		return 0, nil
	}
	if rest == "" {
		return 0, errDuration
	}
	for units := durationUnits; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits == len(rest) {
			return 0, errDuration
		}
		for len(units) > 0 && units[0].letter != rest[digits] {
			units = units[1:]
		}
		if len(units) == 0 {
			return 0, errDuration
		}
		length := units[0].length
		switch units[0].letter {
		case 'w':
			length = week
		case 'd':
			length = day
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil || length > 0 && n > int64((maxDuration-sum)/length) {
			return 0, errors.New("is longer than 100 years")
		}
		sum += time.Duration(n) * length
		units, rest = units[1:], rest[digits+1:]
	}
	return sum, nil
}

// UnmarshalText reads a time span as Duration does.
func (s *Span) UnmarshalText(text []byte) error {
	_, err := readSpan(string(text), day, 7*day)
	if err == nil {
		*s = Span(text)
	}
	return err
}

// in is the span in a calendar's time; 0 for the empty one.
func (s Span) in(c *Calendar) time.Duration {
	day, week := c.lengths()
	d, err := readSpan(string(s), day, week)
	if err != nil {
		return 0 // it is empty: others were read when the file was
	}
	return d
}

// String writes the span as UnmarshalText reads it; weeks only when nothing is
// left over, because people say 30 days. Parts of a second are dropped.
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest > 0 && rest%(7*day) == 0 {
		return strconv.FormatInt(int64(rest/(7*day)), 10) + "w"
	}
	var b strings.Builder
	for _, u := range durationUnits[1:] {
		if n := rest / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
			rest -= n * u.length
		}
	}
	if b.Len() == 0 {
		return "0"
	}
	return b.String()
}

// Std is the span for use with package time.
func (d Duration) Std() time.Duration { return time.Duration(d) }

var errSize = errors.New(`is not a size; write it like "512 KB", "10 MB" or "1 GB"`)

var sizeUnits = []struct {
	name  string
	shift uint
}{{"GB", 30}, {"MB", 20}, {"KB", 10}, {"B", 0}}

// UnmarshalText reads a size: a whole number and B, KB, MB or GB, in powers of
// 1024; or 0.
func (s *Size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "BbKkMmGg")
	unit := strings.ToUpper(string(text)[len(number):])
	n, err := strconv.ParseUint(strings.TrimSuffix(number, " "), 10, 63)
	if err != nil {
		return errSize
	}
	for _, u := range sizeUnits {
		if u.name == unit {
			if n > math.MaxInt64>>u.shift {
				return errSize
			}
			*s = Size(n << u.shift)
			return nil
		}
	}
	if unit != "" || n != 0 {
		return errSize
	}
	*s = 0
	return nil
}

// String writes the size with the largest unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d %s", int64(s)>>u.shift, u.name)
		}
	}
	return "0"
}
