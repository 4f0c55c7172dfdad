package mailpipe

import (
	"strconv"
	"strings"
	"time"
)

// monthNames by number, as mail programs write them in a quoted header; the
// first three letters suffice where they differ.
var monthNames = [...]string{
	"",
	"jan ene gen jän янв січ sty led ocak oca",
	"feb fév fev feb févr фев лют lut úno şub",
	"mar mär mrz mars mrt maa мар бер bře",
	"abr apr avr huh апр кві kwi dub nis",
	"may mai mag mei maj tou май мая тра kvě",
	"jun jui kes июн чер cze čvn haz",
	"jul heinä июл лип lip tem",
	"ago aug aoû elo авг сер sie srp ağu",
	"sep set syy сен вер wrz zář eyl",
	"oct okt out ott lok окт жов paź říj eki",
	"nov marras ноя лис kas",
	"dic dec dez déc des joulu дек гру gru pro ara",
}

// readSpokenDate reads "lunes, 3 de marzo de 2025 a las 10:12 p. m." and dates in
// numbers, the day before the month unless that can't be. The zero time: it is
// none. Without a zone the time is taken for UTC.
func readSpokenDate(s string) time.Time {
	low := strings.ToLower(cutBytes(s, 200))
	var numbers []int
	day, month, year := 0, 0, 0
	hour, minute, second, zone := -1, 0, 0, 0
	for i := 0; i < len(low); {
		start, end := nextWord(low, i)
		if start == end {
			break
		}
		word := low[start:end]
		sign := byte(0)
		if start > 0 {
			sign = low[start-1]
		}
		next := byte(0)
		if end < len(low) {
			next = low[end]
		}
		i = end
		if !isDigit(word[0]) {
			switch {
			case month == 0 && monthOf(word) > 0:
				month = monthOf(word)
			case (word == "p" || word == "pm") && hour >= 0 && hour < 12:
				hour += 12
			case (word == "a" || word == "am") && hour == 12 && (next == '.' || word == "am"):
				hour = 0
			case strings.HasPrefix(word, "gmt-"):
				zone = readZone("-"+word[4:], low[end:])
			case word == "gmt" && next == '+':
				zone = readZone(low[end:], "")
			}
			continue
		}
		n, err := strconv.Atoi(strings.TrimRight(word, "abcdefghijklmnopqrstuvwxyzº"))
		if parts := strings.Split(word, "-"); err != nil && len(parts) == 3 {
			for _, p := range parts {
				if v, err := strconv.Atoi(p); err == nil {
					numbers = append(numbers, v)
				}
			}
			continue
		}
		switch {
		case err != nil:
		case (next == ':' || next == '.' && end+2 < len(low) && isDigit(low[end+1]) && isDigit(low[end+2]) && len(numbers)+month > 1) && hour < 0 && n < 25:
			hour = n
			start, end = nextWord(low, end)
			if minute, err = strconv.Atoi(low[start:end]); err != nil || minute > 59 {
				return time.Time{}
			}
			if i = end; end+3 <= len(low) && low[end] == ':' {
				if second, err = strconv.Atoi(low[end+1 : end+3]); err == nil && second < 60 {
					i = end + 3
				}
			}
		case (sign == '-' || sign == '+') && len(word) == 4 && hour >= 0:
			zone = readZone(string(sign)+word, "")
		default:
			numbers = append(numbers, n)
		}
	}
	for _, n := range numbers {
		if n >= 1990 && n < 2100 && year == 0 {
			year = n
		}
	}
	for _, n := range numbers {
		isDay := n >= 1 && n <= 31
		switch {
		case n == year:
		case day == 0 && isDay && (month > 0 || !yearFirst(numbers, year) || n > 12):
			day = n
		case month == 0 && n >= 1 && n <= 12:
			month = n
		case month == 0 && isDay && day >= 1 && day <= 12: // the month stood first
			day, month = n, day
		case day == 0 && isDay:
			day = n
		case year == 0 && n >= 0 && n < 100:
			year = 2000 + n
		}
	}
	if day == 0 || month == 0 || year == 0 {
		return time.Time{}
	}
	at := time.Date(year, time.Month(month), day, max(hour, 0), minute, second, 0, time.FixedZone("", zone))
	if at.Day() != day {
		return time.Time{}
	}
	if zone == 0 {
		return at.UTC()
	}
	return at
}

// yearFirst tells a date like 2025-03-13, in which the month is next.
func yearFirst(numbers []int, year int) bool { return year > 0 && numbers[0] == year }

func monthOf(word string) int {
	for m := 1; m < len(monthNames); m++ {
		for _, name := range strings.Fields(monthNames[m]) {
			if strings.HasPrefix(word, name) {
				return m
			}
		}
	}
	return 0
}

// readZone reads "-5", "-05" with ":00" behind it, or "-0500": seconds east of UTC.
func readZone(s, rest string) int {
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	digits := 1
	for digits < len(s) && isDigit(s[digits]) {
		digits++
	}
	n, err := strconv.Atoi(s[1:digits])
	if err != nil || n > 1400 {
		return 0
	}
	if digits-1 == 4 {
		return sign * (n/100*3600 + n%100*60)
	}
	if rest == "" {
		rest = s[digits:]
	}
	half := 0
	if strings.HasPrefix(rest, ":30") {
		half = 1800
	}
	if n > 14 {
		return 0
	}
	return sign * (n*3600 + half)
}
