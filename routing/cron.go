package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// cronField is a field of a cron line: the numbers that it takes, and the words that
// stand for them, from the first one on.
type cronField struct {
	name        string
	first, last int
	words       []string
}

var cronFields = []cronField{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"weekday", 0, 6, dayNames},
}

// cronNames stand for a whole cron line.
var cronNames = []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@midnight", "@annually"}

// cronMistake says what is wrong with a cron line, in an administrator's words; empty:
// nothing. The library's parser panics on some, and takes others that never fire.
func cronMistake(line string) (mistake string) {
	const no = "is not a cron line"
	defer func() {
		if recover() != nil {
			mistake = no
		}
	}()
	if strings.Contains(line, "TZ=") {
		return "must not name a time zone; desk.time_zone holds"
	}
	if why := cronWhy(line); why != "" {
		return no + ": " + why
	}
	schedule, err := cron.ParseStandard(line)
	if err != nil {
		return no
	}
	if every, ok := schedule.(cron.ConstantDelaySchedule); ok && every.Delay < time.Minute {
		return "fires more than once a minute"
	}
	if schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return "never fires: no month of it has such a day"
	}
	return ""
}

// cronWhy says why a text is not a cron line, as far as its form goes.
func cronWhy(line string) string {
	if span, ok := strings.CutPrefix(line, "@every "); ok {
		if _, err := time.ParseDuration(span); err != nil {
			return fmt.Sprintf("%q is no time of hours and minutes, such as @every 1h30m", span)
		}
		return ""
	}
	if strings.HasPrefix(line, "@") {
		if !slices.Contains(cronNames, line) {
			return fmt.Sprintf("names are %s, and @every 30m", strings.Join(cronNames[:5], ", "))
		}
		return ""
	}
	fields := strings.Fields(line)
	switch len(fields) {
	case len(cronFields):
	case len(cronFields) + 1:
		return "it has 6 fields, not 5; seconds are left out"
	default:
		return fmt.Sprintf("it has %d of 5 fields", len(fields))
	}
	for i, f := range cronFields {
		for item := range strings.SplitSeq(fields[i], ",") {
			if why := f.why(item); why != "" {
				return why
			}
		}
	}
	return ""
}

// why says what is wrong with one of the values that a field lists.
func (f cronField) why(item string) string {
	span, step, stepped := strings.Cut(item, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1) {
		return fmt.Sprintf("in %q a number from 1 on must follow the /", item)
	}
	if span == "*" || span == "?" {
		return ""
	}
	first, last, two := strings.Cut(span, "-")
	from, ok := f.value(first)
	if !ok {
		return f.no(cmp.Or(first, span))
	}
	if !two {
		return ""
	}
	until, ok := f.value(last)
	switch {
	case !ok:
		return f.no(cmp.Or(last, span))
	case until < from:
		return fmt.Sprintf("%q ends before it begins; write both parts of it, divided by a comma", span)
	}
	return ""
}

// value reads a number of the field, or a word for one.
func (f cronField) value(text string) (int, bool) {
	if i := slices.Index(f.words, strings.ToLower(text)); i >= 0 {
		return f.first + i, true
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && f.first <= int(n) && int(n) <= f.last
}

// no says that a text is no value of the field, and which ones there are.
func (f cronField) no(text string) string {
	why := fmt.Sprintf("%q is no %s, which is a number from %d to %d", text, f.name, f.first, f.last)
	if len(f.words) > 0 {
		why += " or one of " + strings.Join(f.words, ", ")
	}
	if f.name == "weekday" {
		why += "; Sunday is 0"
	}
	return why
}
