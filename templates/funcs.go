package templates

import (
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// words holds what differs from one language to the other in the functions.
type words struct {
	days, months []string
	of           string // stands before a month and before a year
	greeting     string
	names        []string          // what the language is called, folded
	status       map[string]string // as the requester is told
	standing     map[string]string // as agents are told
	kind         map[string]string
}

var languages = map[string]words{
	"es": {
		days:     []string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"},
		months:   []string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
		of:       " de ",
		greeting: "Hola",
		names:    []string{"espanol", "castellano", "spanish"},
		status:   map[string]string{"open": "abierta", "waiting": "en espera de su respuesta", "resolved": "resuelta", "closed": "cerrada"},
		standing: map[string]string{"open": "abierta", "waiting": "a la espera de quien la hizo", "resolved": "resuelta", "closed": "cerrada"},
		kind:     map[string]string{"request": "solicitud", "reply": "respuesta de quien la hizo", "answer": "respuesta enviada", "note": "nota interna", "event": "suceso"},
	},
	"en": {
		days:     []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
		months:   []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		of:       " ",
		greeting: "Hello",
		names:    []string{"ingles", "english"},
		status:   map[string]string{"open": "open", "waiting": "waiting for your reply", "resolved": "resolved", "closed": "closed"},
		standing: map[string]string{"open": "open", "waiting": "waiting for the requester", "resolved": "resolved", "closed": "closed"},
		kind:     map[string]string{"request": "request", "reply": "reply of the requester", "answer": "answer sent", "note": "internal note", "event": "event"},
	},
}

// functions are what templates can call, in a language.
func functions(lang string) map[string]any {
	w := languages[lang]
	return map[string]any{
		"lang":      func() string { return lang },
		"date":      w.longDate,
		"greet":     w.greet,
		"status":    func(s string) string { return inWords(w.status, s) },
		"standing":  func(s string) string { return inWords(w.standing, s) },
		"kind":      func(s string) string { return inWords(w.kind, s) },
		"firstLine": firstLine,
		"quote":     quote,
		"body":      body,
		"mso":       mso,
		"mailto":    mailto,
	}
}

// longDate writes martes 24 de noviembre de 2026, 10:15 in the time's own zone.
func (w words) longDate(t time.Time) string {
	year, month, day := t.Date()
	return w.days[t.Weekday()] + " " + strconv.Itoa(day) + w.of + w.months[month-1] + w.of + strconv.Itoa(year) + t.Format(", 15:04")
}

// greet writes Hola, María Peña: with the name, when it looks like one. A name
// is whatever the sender of a mail, or its forger, wrote there: an automatic
// mail must not carry their advertisement.
func (w words) greet(name string) string {
	if !isName(name) {
		return w.greeting + ":"
	}
	return w.greeting + ", " + name + ":"
}

// LongDate writes a time in words, in its own zone, with the hour.
func LongDate(lang string, t time.Time) string { return languages[baseLanguage(lang)].longDate(t) }

// StatusWord puts a ticket's status into words, as requesters read it.
func StatusWord(lang, status string) string {
	return inWords(languages[baseLanguage(lang)].status, status)
}

// LanguageNamed returns the language that a folded word names, in either of the
// languages: ingles, english, en.
func LanguageNamed(word string) (lang string, ok bool) {
	for lang, w := range languages {
		if word == lang || slices.Contains(w.names, word) {
			return lang, true
		}
	}
	return "", false
}

// LongDay is LongDate without the hour.
func LongDay(lang string, t time.Time) string {
	day, _, _ := strings.Cut(LongDate(lang, t), ",")
	return day
}

func isName(s string) bool {
	if s == "" || len(s) > 60 {
		return false
	}
	for i, r := range s {
		switch {
		case unicode.IsLetter(r), unicode.IsMark(r) && i > 0, r == ' ', r == '-', r == '\'', r == '’':
		case r == '.' && (i+1 == len(s) || s[i+1] == ' '): // María P. Gómez, not example.com
		default:
			return false
		}
	}
	return true
}

func inWords(table map[string]string, s string) string {
	if w, ok := table[s]; ok {
		return w
	}
	return s
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

var quoteLines = strings.NewReplacer("\n", "\n> ", keptNewline, keptNewline+"> ")

// quote puts "> " before each line, as mail programs do.
func quote(s string) string { return "> " + quoteLines.Replace(strings.TrimRight(s, "\n")) }

// mailto lets a link through that opens a new mail, and no other.
func mailto(link string) template.URL {
	if !strings.HasPrefix(link, "mailto:") {
		return ""
	}
	return template.URL(link)
}

// mso gives Outlook, which knows no max-width, a table of that width. They are
// conditional comments, which html/template would take out of the template.
func mso(part string) template.HTML {
	if part == "open" {
		return `<!--[if mso]><table role="presentation" width="640" align="center" cellpadding="0" cellspacing="0"><tr><td><![endif]-->`
	}
	return `<!--[if mso]></td></tr></table><![endif]-->`
}

// body turns a text that someone wrote into HTML: escaped, line ends and
// indentation kept, http and https addresses clickable, and a line that reads
// [imagen: NAME] replaced by the image, when one of the files has that name and
// the mail carries it. Everything is escaped piece by piece; the only markup in
// the result is the function's own.
func body(text string, files ...[]File) template.HTML {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	first := true
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		if !first {
			b.WriteString("<br>\n")
		}
		first = false
		if f := imageIn(line, files); f != nil {
			b.WriteString(`<img src="cid:`)
			b.WriteString(template.HTMLEscapeString(url.PathEscape(strings.Trim(f.ContentID, "<> "))))
			b.WriteString(`" alt="`)
			b.WriteString(template.HTMLEscapeString(f.Name))
			b.WriteString(`" style="max-width:100%;height:auto">`)
			continue
		}
		writeLine(&b, line)
	}
	return template.HTML(b.String())
}

// imageIn returns the file whose image stands in the line, or nil.
func imageIn(line string, lists [][]File) *File {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[") || !strings.HasSuffix(line, "]") {
		return nil
	}
	label, name, ok := strings.Cut(line[1:len(line)-1], ":")
	if !ok || !strings.EqualFold(label, "imagen") && !strings.EqualFold(label, "image") {
		return nil
	}
	name = strings.TrimSpace(name)
	for _, files := range lists {
		for i, f := range files {
			if f.Name == name && f.ContentID != "" && f.Included {
				return &files[i]
			}
		}
	}
	return nil
}

// writeLine writes one line, escaped, with its links and its indentation.
func writeLine(b *strings.Builder, line string) {
	text := strings.TrimLeft(line, " \t")
	for _, c := range line[:len(line)-len(text)] {
		if c == '\t' {
			b.WriteString("&nbsp;&nbsp;&nbsp;")
		}
		b.WriteString("&nbsp;")
	}
	for text != "" {
		start, end := findLink(text)
		if start < 0 {
			break
		}
		link := text[start:end]
		b.WriteString(template.HTMLEscapeString(text[:start]))
		b.WriteString(`<a href="`)
		b.WriteString(template.HTMLEscapeString(link))
		b.WriteString(`">`)
		b.WriteString(template.HTMLEscapeString(link))
		b.WriteString(`</a>`)
		text = text[end:]
	}
	b.WriteString(template.HTMLEscapeString(text))
}

// findLink returns where the first http or https address of a line begins and
// ends, or -1. Punctuation after it belongs to the sentence, and so does a
// closing bracket that was opened before it.
func findLink(s string) (start, end int) {
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 {
			return -1, -1
		}
		i += from
		from = i + len("://")
		start := schemeBefore(s[:i])
		if start < 0 {
			continue
		}
		end := from + linkLength(s[from:])
		if r, _ := utf8.DecodeRuneInString(s[from:end]); end > from && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '[') {
			return start, end
		}
	}
}

// schemeBefore returns where http or https begins at the end of s, as a word.
func schemeBefore(s string) int {
	for _, scheme := range []string{"https", "http"} {
		start := len(s) - len(scheme)
		if start < 0 || !strings.EqualFold(s[start:], scheme) {
			continue
		}
		if r, _ := utf8.DecodeLastRuneInString(s[:start]); start == 0 || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return start
		}
	}
	return -1
}

func linkLength(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool {
		// Format characters include those that change the direction of writing,
		// with which an address can be made to look like another.
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError ||
			strings.ContainsRune("<>\"`«»“”\\{}|^", r)
	})
	if end < 0 {
		end = len(s)
	}
	for end > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:end])
		switch {
		case strings.ContainsRune(".,;:!?'*_…’", r):
		case r == ')' && strings.Count(s[:end], "(") < strings.Count(s[:end], ")"):
		case r == ']' && strings.Count(s[:end], "[") < strings.Count(s[:end], "]"):
		default:
			return end
		}
		end -= size
	}
	return 0
}
