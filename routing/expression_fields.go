package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"buzon/ticket"
)

// ordering is how the values of a field are compared.
type ordering int

const (
	sortText    ordering = iota // without regard to case and accents
	sortAddress                 // as addresses are
	sortLabel                   // as labels are
	sortChoice                  // one of a few words
	sortBool
	sortSize    // octets
	sortClock   // minutes of the day
	sortDay     // of the week
	sortDate    // 20261224
	sortTopicID // of the configuration
)

// factField is what can be tested of a message.
type factField struct {
	name      string
	place     int // among all fields
	sort      ordering
	named     bool     // a name in quotes follows
	operators []string // that may compare it
	choices   []string
	example   string // a test
	means     string
}

var (
	textOperators   = []string{"is", "contains", "starts", "ends", "matches", "in"}
	choiceOperators = []string{"is", "in"}
	numberOperators = []string{"<", ">", "<=", ">="}
)

var weekdayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// conditionFields are all fields, in the order in which they are documented.
var conditionFields = placed([]factField{
	{name: "from", sort: sortAddress, operators: textOperators, example: "from is 'ana@example.org'", means: "the sender's address"},
	{name: "from_name", sort: sortText, operators: textOperators, example: "from_name contains 'decanatura'", means: "the sender's name, which proves nothing"},
	{name: "domain", sort: sortAddress, operators: textOperators, example: "domain in ('example.org', 'mail.example.org')", means: "what follows the @ of the sender"},
	{name: "reply_to", sort: sortAddress, operators: textOperators, example: "reply_to ends '@example.org'", means: "an address of Reply-To"},
	{name: "recipient", sort: sortAddress, operators: textOperators, example: "recipient is 'edx@example.org'", means: "an address that the mail was for: envelope, Delivered-To, To, Cc; without what follows a +"},
	{name: "subject", sort: sortText, operators: textOperators, example: "subject contains 'clave'", means: "the subject"},
	{name: "body", sort: sortText, operators: textOperators, example: "body contains 'no puedo entrar'", means: "the text; of a reply what is new in it; the first 64 KB"},
	{name: "header", sort: sortText, named: true, operators: textOperators, example: "header 'X-Origin' is 'formulario'", means: "a header field of that name"},
	{name: "attachment", sort: sortText, operators: textOperators, example: "attachment ends '.exe'", means: "a file's name"},
	{name: "attachment_type", sort: sortText, operators: textOperators, example: "attachment_type starts 'image/'", means: "a file's media type"},
	{name: "attachment_size", sort: sortSize, operators: numberOperators, example: "attachment_size > '10 MB'", means: "the size of the largest file"},
	{name: "size", sort: sortSize, operators: numberOperators, example: "size > '20 MB'", means: "the size of the whole mail"},
	{name: "verdict", sort: sortChoice, operators: choiceOperators, example: "verdict is 'list'", means: "what the mail is taken for",
		choices: []string{"human", "autoreply", "bounce", "report", "list", "challenge", "own", "spam"}},
	{name: "spam", sort: sortBool, operators: []string{"is"}, example: "spam is true", means: "whether a server on its way has marked it as spam"},
	{name: "language", sort: sortChoice, operators: choiceOperators, example: "language is 'en'", means: "the language, where it is sure", choices: []string{"es", "en"}},
	{name: "field", sort: sortText, named: true, operators: textOperators, example: "field 'facultad' is 'Ingeniería'", means: "a field of the form"},
	{name: "requester_group", sort: sortLabel, operators: []string{"is", "contains", "starts", "ends", "in"}, example: "requester_group is 'becarios'", means: "a label that agents gave the person (/marcar)"},
	{name: "topic", sort: sortTopicID, operators: choiceOperators, example: "topic is 'edx'", means: "the topic so far: of the address, of an earlier rule, or of the ticket that is replied to"},
	{name: "hour", sort: sortClock, operators: numberOperators, example: "hour >= '18:00'", means: "the time of day at which it came, in desk.time_zone"},
	{name: "weekday", sort: sortDay, operators: choiceOperators, example: "weekday in ('sat', 'sun')", means: "the day on which it came", choices: weekdayNames},
	{name: "date", sort: sortDate, operators: append([]string{"is"}, numberOperators...), example: "date >= '2026-12-16'", means: "the date on which it came"},
})

// placed gives each field its place.
func placed(fields []factField) []factField {
	for i := range fields {
		fields[i].place = i
	}
	return fields
}

func fieldNamed(name string) *factField {
	for i := range conditionFields {
		if conditionFields[i].name == name {
			return &conditionFields[i]
		}
	}
	return nil
}

func fieldNames() []string {
	names := make([]string, len(conditionFields))
	for i := range conditionFields {
		names[i] = conditionFields[i].name
	}
	return names
}

// add takes a value for the test. It returns what is wrong with it, if anything is,
// and what would work.
func (t *test) add(value string) (message, hint string) {
	f := t.field
	if t.op == opMatches {
		re, err := regexp.Compile(value)
		if err != nil {
			text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
			return fmt.Sprintf("'%s' is not a regular expression: %s", value, text), "RE2 syntax; for the text itself write: contains"
		}
		t.re, t.texts = re, []string{value}
		return "", ""
	}
	switch f.sort {
	case sortText:
		value = fold(value)
	case sortAddress:
		value = ticket.AddressKey(value)
	case sortLabel:
		value = foldLabel(value)
	case sortChoice:
		if !slices.Contains(f.choices, value) {
			return fmt.Sprintf("'%s' is never a %s", value, f.name), suggest(value, "it is one of", f.choices)
		}
	case sortDay:
		day := strings.ToLower(value)
		if len(day) > 3 && slices.Contains(weekdayNames, day[:3]) && strings.HasSuffix(day, "day") {
			day = day[:3]
		}
		if !slices.Contains(weekdayNames, day) {
			return fmt.Sprintf("'%s' is not a day of the week", value), "days are " + strings.Join(weekdayNames, ", ")
		}
		value = day
	case sortBool:
		if value != "true" && value != "false" {
			return fmt.Sprintf("'%s' is neither true nor false", value), "write " + f.example
		}
	case sortSize:
		var size Size
		if err := size.UnmarshalText([]byte(value)); err != nil {
			return fmt.Sprintf("'%s' is not a size", value), "write it like '512 KB' or '10 MB'"
		}
		t.number = int64(size)
	case sortClock:
		at, err := time.Parse("15:04", value)
		if err != nil {
			return fmt.Sprintf("'%s' is not a time of day", value), "write it like '08:00'"
		}
		t.number = int64(at.Hour()*60 + at.Minute())
	case sortDate:
		at, err := time.Parse("2006-01-02", value)
		if err != nil {
			return fmt.Sprintf("'%s' is not a date", value), "write it like '2026-12-24'"
		}
		t.number = dateNumber(at)
	}
	if value == "" {
		return "an empty value would hold for everything", "to test that there is none, write: not " + f.name + " matches '.'"
	}
	t.texts = append(t.texts, value)
	return "", ""
}

func dateNumber(t time.Time) int64 {
	y, m, d := t.Date()
	return int64(y*10000 + int(m)*100 + d)
}

// measured tells whether the field is a number.
func (f *factField) measured() bool {
	return f.sort == sortSize || f.sort == sortClock || f.sort == sortDate
}
