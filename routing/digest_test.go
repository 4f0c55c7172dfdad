package routing

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The hour of the digest comes once on every day that the line names, whatever the
// clocks do in the zone.
func TestDigestDay(t *testing.T) {
	file, err := os.ReadFile("testdata/good/minimal.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		zone, at string
		now      string // in the zone
		day      string // empty: not yet, or never
	}{
		{"America/Bogota", "0 7 * * 1-5", "2026-11-24 06:59", ""},
		{"America/Bogota", "0 7 * * 1-5", "2026-11-24 07:00", "2026-11-24"},
		{"America/Bogota", "0 7 * * 1-5", "2026-11-24 23:59", "2026-11-24"},
		{"America/Bogota", "0 7 * * 1-5", "2026-11-28 12:00", ""},           // a Saturday
		{"America/Bogota", "0 0 * * *", "2026-11-28 00:00", "2026-11-28"},   // at midnight
		{"Europe/Madrid", "30 2 * * *", "2026-03-29 03:00", "2026-03-29"},   // 02:30 is left out
		{"Europe/Madrid", "30 2 * * *", "2026-03-29 01:59", ""},             //
		{"Europe/Madrid", "30 2 * * *", "2026-10-25 02:30", "2026-10-25"},   // comes twice
		{"America/Santiago", "0 0 * * *", "2026-09-06 01:00", "2026-09-06"}, // there is no midnight
		{"America/Bogota", "", "2026-11-24 12:00", ""},
	} {
		conf := strings.Replace(string(file), "[desk]", "[digest]\nat = \""+c.at+"\"\n[desk]\ntime_zone = \""+c.zone+"\"", 1)
		table, err := Parse("testdata/good/minimal.toml", []byte(conf))
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.ParseInLocation("2006-01-02 15:04", c.now, table.Zone)
		if err != nil {
			t.Fatal(err)
		}
		day, ok := table.DigestDay(now.UTC())
		if ok != (c.day != "") || ok && day != c.day {
			t.Errorf("%s, %q at %s: %s, %t", c.zone, c.at, c.now, day, ok)
		}
	}
}
