package routing

import (
	"regexp"
	"slices"
	"strings"
)

// Masked stands for a value that is not shown.
const Masked = "•••"

// leastMasked is the shortest value that is masked wherever it stands; a shorter
// one only behind its label.
const leastMasked = 4

// fewestDigits are those of the shortest number that is taken for a value behind a
// label in the middle of a line, and that is found in any writing.
const fewestDigits = 5

// Sensitive tells whether a form keeps a field with an id out of notifications.
func (t *Table) Sensitive(id string) bool {
	for _, f := range t.Forms {
		for _, field := range f.Fields {
			if field.ID == id && field.Sensitive {
				return true
			}
		}
	}
	return false
}

// Mask hides the values of sensitive fields in a text: those that stand behind their
// label at the beginning of a line, or, if they are numbers, anywhere; and those
// given, wherever they stand, also with other points and spaces between their digits.
func (t *Table) Mask(text string, values map[string]string) string {
	for _, f := range t.Forms {
		for _, at := range slices.Backward(f.find(text)) {
			if at.field.Sensitive && cleanValue(text[at.start:at.end]) != "" {
				text = text[:at.start] + Masked + text[at.end:]
			}
		}
		if f.inline != nil {
			text = f.inline.ReplaceAllString(text, "${1}"+Masked)
		}
	}
	for id, value := range values {
		if len(value) >= leastMasked && t.Sensitive(id) {
			text = valuePattern(value).ReplaceAllLiteralString(text, Masked)
		}
	}
	return text
}

// MaskSubject is Mask for a line that is a subject, in which a value may also stand
// behind a label and a colon in the middle.
func (t *Table) MaskSubject(subject string, values map[string]string) string {
	for _, f := range t.Forms {
		if f.titled != nil {
			subject = f.titled.ReplaceAllString(subject, "${1}"+Masked)
		}
	}
	return t.Mask(subject, values)
}

// valuePattern finds a value: a number in any writing, a text in any case.
func valuePattern(value string) *regexp.Regexp {
	var digits []string
	for _, r := range value {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, string(r))
		case !strings.ContainsRune(".,-' ", r):
			return regexp.MustCompile("(?i)" + regexp.QuoteMeta(value))
		}
	}
	if len(digits) < fewestDigits {
		return regexp.MustCompile(regexp.QuoteMeta(value))
	}
	return regexp.MustCompile(`\b` + strings.Join(digits, `[.,\-' ]?`) + `\b`)
}

// between is what people write between a label and its value.
const between = `(?:[\s:=#.°º-]|\b(?:es|is|n[°ºo]|nro|num|n[uú]mero|no|number)\b)*`

// labelPatterns find values behind the labels of sensitive fields within a line: in any
// text those that are numbers, in a subject those behind a colon. Both are nil where
// no field is sensitive.
func labelPatterns(fields []FormFieldConfig) (inline, titled *regexp.Regexp) {
	var labels []string
	for _, f := range fields {
		if !f.Sensitive {
			continue
		}
		for _, label := range f.labels() {
			if key := labelKey(label); key != "" {
				labels = append(labels, anyAccent(key))
			}
		}
	}
	if len(labels) == 0 {
		return nil, nil
	}
	// The longest first, so that no label is taken for the beginning of another.
	slices.SortFunc(labels, func(a, b string) int { return len(b) - len(a) })
	label := `(?i)((?:^|[^\pL\pN])(?:` + strings.Join(labels, "|") + `)`
	return regexp.MustCompile(label + between + `)\b\d(?:[.,\-' ]?\d){4,}\b`),
		regexp.MustCompile(label + `\s*[:=]\s*)[^\s,;|()][^,;|()]*`)
}

// anyAccent is a pattern of a label key in any spelling.
func anyAccent(key string) string {
	var b strings.Builder
	for _, r := range key {
		switch r {
		case 'a':
			b.WriteString(`[aáàâãä]\x{0301}?`)
		case 'e':
			b.WriteString(`[eéèêë]\x{0301}?`)
		case 'i':
			b.WriteString(`[iíìîï]\x{0301}?`)
		case 'o':
			b.WriteString(`[oóòôõö]\x{0301}?`)
		case 'u':
			b.WriteString(`[uúùûü][\x{0301}\x{0308}]?`)
		case 'n':
			b.WriteString(`[nñ]\x{0303}?`)
		case ' ':
			b.WriteString(`[^\pL\pN]+`)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}
