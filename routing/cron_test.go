package routing

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// Every cron line of the file is held to the same rules.
func TestCronLines(t *testing.T) {
	base, err := os.ReadFile("testdata/good/minimal.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(base), "[[account]]\n", "[[account]]\nspam = \"Spam\"\n", 1)
	for section, key := range map[string]string{"reminder": "scan", "digest": "at", "spam": "at", "canary": "at", "report": "at", "backup": "at", "retention": "at"} {
		for line, want := range map[string]string{
			"TZ=0": "must not name a time zone", "TZ=UTC 0 7 * * *": "must not name a time zone", "CRON_TZ=UTC 0 7 * * *": "must not name a time zone",
			"0 0 30 2 *": "never fires", "@every 0s": "fires more than once a minute", "0 0 7 * * *": "is not a cron line", "mañana": "is not a cron line",
		} {
			more := "\n[" + section + "]\n" + key + " = \"" + line + "\"\n"
			if section == "backup" {
				more += "folder = \"copias\"\n"
			}
			_, err := Parse("testdata/good/minimal.toml", []byte(text+more))
			var problems Problems
			if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems.Error(), section+"."+key+": ") || !strings.Contains(problems.Error(), want) {
				t.Errorf("%s.%s = %q: %v, want %q", section, key, line, err, want)
			}
		}
	}
}

// What is said of a cron line is said in the words of its fields, and nothing of how it
// is read.
func TestCronMistakes(t *testing.T) {
	const weekday = `, which is a number from 0 to 6 or one of sun, mon, tue, wed, thu, fri, sat; Sunday is 0`
	for line, want := range map[string]string{
		"*/5 * * * *": "", "0 7 * * MON-Fri": "", "0,30 7-9/2 1 jan,12 ?": "", "@daily": "", "@every 1h30m": "", "0 0 29 2 *": "",
		"0 0 30 2 *":                   "never fires: no month of it has such a day",
		"0 0 31 4,6 *":                 "never fires: no month of it has such a day",
		"@every 0s":                    "fires more than once a minute",
		"@every -5m":                   "fires more than once a minute",
		"@every 1d":                    `is not a cron line: "1d" is no time of hours and minutes, such as @every 1h30m`,
		"@every":                       "is not a cron line: names are @hourly, @daily, @weekly, @monthly, @yearly, and @every 30m",
		"@diario":                      "is not a cron line: names are @hourly, @daily, @weekly, @monthly, @yearly, and @every 30m",
		"diario":                       "is not a cron line: it has 1 of 5 fields",
		"0 0 7 * * *":                  "is not a cron line: it has 6 fields, not 5; seconds are left out",
		"0 7 * * lun":                  `is not a cron line: "lun" is no weekday` + weekday,
		"0 7 * * lunes-viernes":        `is not a cron line: "lunes" is no weekday` + weekday,
		"0 7 * * mon-vie":              `is not a cron line: "vie" is no weekday` + weekday,
		"0 7 * * 7":                    `is not a cron line: "7" is no weekday` + weekday,
		"0 7 * ene *":                  `is not a cron line: "ene" is no month, which is a number from 1 to 12 or one of jan, feb, mar, apr, may, jun, jul, aug, sep, oct, nov, dec`,
		"0 7 0 * *":                    `is not a cron line: "0" is no day, which is a number from 1 to 31`,
		"60 7 * * *":                   `is not a cron line: "60" is no minute, which is a number from 0 to 59`,
		"-1 7 * * *":                   `is not a cron line: "-1" is no minute, which is a number from 0 to 59`,
		"*-5 * * * *":                  `is not a cron line: "*" is no minute, which is a number from 0 to 59`,
		"0 7, * * *":                   `is not a cron line: "" is no hour, which is a number from 0 to 23`,
		"*/0 * * * *":                  `is not a cron line: in "*/0" a number from 1 on must follow the /`,
		"*/x * * * *":                  `is not a cron line: in "*/x" a number from 1 on must follow the /`,
		"1/2/3 * * * *":                `is not a cron line: in "1/2/3" a number from 1 on must follow the /`,
		"0 7 * * fri-mon":              `is not a cron line: "fri-mon" ends before it begins; write both parts of it, divided by a comma`,
		"0 99999999999999999999 * * *": `is not a cron line: "99999999999999999999" is no hour, which is a number from 0 to 23`,
	} {
		if got := cronMistake(line); got != want {
			t.Errorf("%q %s\nwant %s", line, got, want)
		}
	}
}
