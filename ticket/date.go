package ticket

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrDate is wrapped by the errors of ParseDate.
var ErrDate = errors.New("not a date")

var (
	dateISO    = regexp.MustCompile(`^(\d{4})-(\d{1,2})-(\d{1,2})$`)
	dateDay    = regexp.MustCompile(`^(\d{1,2})[/.-](\d{1,2})(?:[/.-](\d{2}|\d{4}))?$`)
	dateNamed  = regexp.MustCompile(`^(\d{1,2}) (?:de )?([a-z]+)\.?(?: (?:de |del )?(\d{4}))?$`)
	dateNamed2 = regexp.MustCompile(`^([a-z]+)\.? (\d{1,2})(?:st|nd|rd|th)?,?(?: (\d{4}))?$`)
	dateSpan   = regexp.MustCompile(`^(?:en |in )?(\d{1,3}|un|una|one|a) ?(minuto|minute|min|hora|hour|h|dia|day|d|semana|week|mes|month)(?:s|es)?$`)
	dateClock  = regexp.MustCompile(`^(.*?)[ ,]+(?:a las |a la |at )?(\d{1,2})(?::(\d{2}))? ?(am|pm|a\.m|p\.m|h|hrs)?$`)
)

var monthNames = []string{
	"ene", "jan", "feb", "mar", "abr", "apr", "may", "jun", "jul", "ago", "aug",
	"sep", "set", "oct", "nov", "dic", "dec",
}

var monthNumbers = []time.Month{1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 9, 10, 11, 12, 12}

var weekdays = map[string]time.Weekday{
	"domingo": 0, "lunes": 1, "martes": 2, "miercoles": 3, "jueves": 4, "viernes": 5, "sabado": 6,
	"dom": 0, "lun": 1, "mar": 2, "mie": 3, "jue": 4, "vie": 5, "sab": 6,
	"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6,
	"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6,
}

// ParseDate reads a date as people write it, in Spanish or English, in the zone of
// now: 20/12 (day first), 20 dic, 20 de diciembre de 2026, 2026-12-20, mañana,
// viernes, 2 días, 3 horas; a clock time may follow. A date without a year is the
// next one that is not past; a weekday is the next of that name, never today.
// whole tells that no clock time was given: the value is then the start of the
// day. The error wraps ErrDate.
func ParseDate(s string, now time.Time) (at time.Time, whole bool, err error) {
	text := strings.Join(strings.Fields(accents.Replace(strings.ToLower(strings.Trim(s, " .,;:")))), " ")
	for _, lead := range []string{"el ", "la ", "este ", "proximo ", "on ", "next ", "hasta ", "until ", "by "} {
		text = strings.TrimPrefix(text, lead)
	}
	fail := fmt.Errorf("%q is %w", s, ErrDate)
	if m := dateSpan.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			n = 1
		}
		switch m[2] {
		case "minuto", "minute", "min":
			return now.Add(time.Duration(n) * time.Minute), false, nil
		case "hora", "hour", "h":
			return now.Add(time.Duration(n) * time.Hour), false, nil
		case "semana", "week":
			return startOfDay(now).AddDate(0, 0, 7*n), true, nil
		case "mes", "month":
			return startOfDay(now).AddDate(0, n, 0), true, nil
		}
		return startOfDay(now).AddDate(0, 0, n), true, nil
	}
	if day, ok := parseDay(text, now); ok {
		return day, true, nil
	}
	m := dateClock.FindStringSubmatch(text)
	if m == nil {
		return at, false, fail
	}
	day, ok := parseDay(m[1], now)
	hour, _ := strconv.Atoi(m[2])
	minute, _ := strconv.Atoi("0" + m[3])
	if strings.HasPrefix(m[4], "p") && hour < 12 {
		hour += 12
	} else if strings.HasPrefix(m[4], "a") && hour == 12 {
		hour = 0
	}
	if !ok || hour > 23 || minute > 59 || m[3] == "" && m[4] == "" && !strings.Contains(text, " a la") && !strings.Contains(text, " at ") {
		return at, false, fail
	}
	return time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, now.Location()), false, nil
}

func startOfDay(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// parseDay reads a day without a clock time.
func parseDay(text string, now time.Time) (time.Time, bool) {
	today := startOfDay(now)
	switch text {
	case "hoy", "today":
		return today, true
	case "manana", "tomorrow":
		return today.AddDate(0, 0, 1), true
	case "pasado manana", "day after tomorrow":
		return today.AddDate(0, 0, 2), true
	}
	if w, ok := weekdays[text]; ok {
		ahead := (int(w) - int(today.Weekday()) + 7) % 7
		if ahead == 0 {
			ahead = 7
		}
		return today.AddDate(0, 0, ahead), true
	}
	var year, month, day string
	if m := dateISO.FindStringSubmatch(text); m != nil {
		year, month, day = m[1], m[2], m[3]
	} else if m := dateDay.FindStringSubmatch(text); m != nil {
		day, month, year = m[1], m[2], m[3]
	} else if m := dateNamed.FindStringSubmatch(text); m != nil {
		day, month, year = m[1], monthNumber(m[2]), m[3]
	} else if m := dateNamed2.FindStringSubmatch(text); m != nil {
		day, month, year = m[2], monthNumber(m[1]), m[3]
	} else {
		return time.Time{}, false
	}
	y, _ := strconv.Atoi(year)
	mo, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	guess := year == ""
	if guess {
		y = today.Year()
	} else if y < 100 {
		y += 2000
	}
	for range 5 { // 29/2 may be years away
		t := time.Date(y, time.Month(mo), d, 0, 0, 0, 0, now.Location())
		real := t.Day() == d && int(t.Month()) == mo && mo >= 1
		if real && !(guess && t.Before(today)) {
			return t, true
		}
		if !guess {
			break
		}
		y++
	}
	return time.Time{}, false
}

func monthNumber(name string) string {
	for i, m := range monthNames {
		if len(name) >= 3 && strings.HasPrefix(name, m) {
			return strconv.Itoa(int(monthNumbers[i]))
		}
	}
	return ""
}
