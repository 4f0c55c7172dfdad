package routing

import (
	"sync"
	"time"
)

// colombia returns the public holidays of Colombia in a year, with their names.
// Ley 51 of 1983 (Ley Emiliani) moves most of them to the Monday after, unless
// they are on one. Two may fall on the same day.
func colombia(year int) map[date]string {
	if known, ok := colombiaYears.Load(year); ok {
		return known.(map[date]string)
	}
	days := make(map[date]string, 18)
	add := func(t time.Time, name string) {
		d := dateOf(t)
		if first, ok := days[d]; ok {
			name = first + ", " + name
		}
		days[d] = name
	}
	at := func(m time.Month, d int) time.Time { return time.Date(year, m, d, 12, 0, 0, 0, time.UTC) }
	for _, h := range []struct {
		month time.Month
		day   int
		name  string
		moved bool
	}{
		{1, 1, "Año Nuevo", false},
		{1, 6, "Reyes Magos", true},
		{3, 19, "San José", true},
		{5, 1, "Día del Trabajo", false},
		{6, 29, "San Pedro y San Pablo", true},
		{7, 20, "Independencia", false},
		{8, 7, "Batalla de Boyacá", false},
		{8, 15, "Asunción de la Virgen", true},
		{10, 12, "Día de la Raza", true},
		{11, 1, "Todos los Santos", true},
		{11, 11, "Independencia de Cartagena", true},
		{12, 8, "Inmaculada Concepción", false},
		{12, 25, "Navidad", false},
	} {
		t := at(h.month, h.day)
		if h.moved {
			t = monday(t)
		}
		add(t, h.name)
	}
	easter := at(easterSunday(year))
	for _, h := range []struct {
		days int // after Easter Sunday
		name string
	}{
		{-3, "Jueves Santo"}, {-2, "Viernes Santo"},
		{43, "Ascensión del Señor"}, {64, "Corpus Christi"}, {71, "Sagrado Corazón de Jesús"}, // their Thursdays and Friday, moved
	} {
		add(easter.AddDate(0, 0, h.days), h.name)
	}
	colombiaYears.Store(year, days)
	return days
}

var colombiaYears sync.Map // of map[date]string by year

// monday is the day itself if it is one, or else the Monday after.
func monday(t time.Time) time.Time {
	return t.AddDate(0, 0, (int(time.Monday)-int(t.Weekday())+7)%7)
}

// easterSunday is its day in the Gregorian calendar (the algorithm known as Meeus,
// Jones and Butcher's).
func easterSunday(year int) (time.Month, int) {
	golden := year % 19
	century, rest := year/100, year%100
	correction := (century - (century+8)/25 + 1) / 3
	epact := (19*golden + century - century/4 - correction + 15) % 30
	weekday := (32 + 2*(century%4) + 2*(rest/4) - epact - rest%4) % 7
	late := (golden + 11*epact + 22*weekday) / 451
	n := epact + weekday - 7*late + 114
	return time.Month(n / 31), n%31 + 1
}
