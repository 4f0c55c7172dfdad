package routing

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"buzon/ticket"
)

// Form is what a topic's agents want to know of a request.
type Form struct {
	ID     string
	Fields []*FormField // in the order in which they are asked for

	labels map[string]*FormField // by label key
	starts map[string]bool       // first words of these

	inline, titled *regexp.Regexp // find sensitive values: see labelPatterns
}

// FormField is one thing that a form asks for.
type FormField struct {
	ID        string
	NameES    string
	NameEN    string
	Required  bool
	Sensitive bool
	Remember  bool
	Choices   []Choice // nil: any text

	domains [][]string
}

// Choice is a value that a field may have: its names, and how else people write it.
type Choice struct {
	ES, EN string // ES is what is recorded

	keys []string // label keys of all spellings
}

// MaxFieldValue is the longest value of a field, in octets; what is longer is prose.
const MaxFieldValue = 200

func compileForm(c *FormConfig) *Form {
	f := &Form{ID: c.ID, labels: map[string]*FormField{}, starts: map[string]bool{}}
	for _, fc := range c.Fields {
		field := &FormField{ID: fc.ID, NameES: fc.Name, NameEN: fc.NameEN, Required: fc.Required, Sensitive: fc.Sensitive,
			Remember: fc.Remember, domains: fc.ByDomain}
		for _, spellings := range fc.One {
			choice := Choice{ES: spellings[0], EN: spellings[min(1, len(spellings)-1)]}
			for _, s := range spellings {
				choice.keys = append(choice.keys, labelKey(s))
			}
			field.Choices = append(field.Choices, choice)
		}
		for _, label := range fc.labels() {
			key := labelKey(label)
			first, _, _ := strings.Cut(key, " ")
			f.labels[key], f.starts[first] = field, true
		}
		f.Fields = append(f.Fields, field)
	}
	f.inline, f.titled = labelPatterns(c.Fields)
	return f
}

// labels are all spellings of a field's name.
func (c *FormFieldConfig) labels() []string {
	return append([]string{c.ID, c.Name, c.NameEN}, c.Also...)
}

// labelKey is the form in which labels and choices are compared: lower case,
// without accents, letters and digits only, one space between words.
func labelKey(s string) string {
	return strings.Join(strings.Fields(lettersOnly(s)), " ")
}

// lettersOnly maps everything but letters and digits to spaces.
func lettersOnly(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1 // an accent that stands by itself
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			return r
		}
		return ' '
	}, ticket.FoldWord(s))
}

// Name is what the field is called in a language.
func (f *FormField) Name(lang string) string {
	if lang == "en" {
		return f.NameEN
	}
	return f.NameES
}

// Accept returns the value that a field is given by what someone wrote: one of
// its choices, where it has some, in any spelling, also inside a phrase that names
// no other choice. It returns false for nothing, for what is too long, and for
// what is no choice.
func (f *FormField) Accept(written string) (string, bool) {
	value := cleanValue(written)
	if value == "" || len(value) > MaxFieldValue {
		return "", false
	}
	if f.Choices == nil {
		return value, true
	}
	key := labelKey(value)
	var found []string
	for _, c := range f.Choices {
		if slices.Contains(c.keys, key) {
			return c.ES, true
		}
		if slices.ContainsFunc(c.keys, func(k string) bool { return strings.Contains(" "+key+" ", " "+k+" ") }) {
			found = append(found, c.ES)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

// Shown is a recorded value in a language.
func (f *FormField) Shown(value, lang string) string {
	for _, c := range f.Choices {
		if c.ES == value && lang == "en" {
			return c.EN
		}
	}
	return value
}

// Offered are the choices of the field in a language.
func (f *FormField) Offered(lang string) []string {
	var names []string
	for _, c := range f.Choices {
		names = append(names, f.Shown(c.ES, lang))
	}
	return names
}

// cleanValue takes markup and what ends a sentence off a value. A value without
// a letter or a digit is a blank to fill in.
func cleanValue(s string) string {
	s = strings.Join(strings.Fields(ticket.StripTokens(s)), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	s = strings.TrimRight(strings.Trim(s, "*_`\"'«»“” "), ".;, ")
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return ""
	}
	return s
}

// Field returns the field that a label names, in any spelling, or nil.
func (f *Form) Field(label string) *FormField {
	if f == nil {
		return nil
	}
	if i := strings.IndexAny(label, "(["); i > 0 { // Role (student, teacher)
		label = label[:i]
	}
	return f.labels[labelKey(label)]
}

// Guess is what a form says of a new request: what stands in its text, and what the
// sender's domain implies. It never returns nil, also of no form.
func (f *Form) Guess(text, domain string) map[string]string {
	if f == nil {
		return map[string]string{}
	}
	values := f.Read(text)
	for _, field := range f.Fields {
		if values[field.ID] == "" {
			values[field.ID] = field.Infer(domain)
		}
	}
	return values
}

// Read returns the values, by field, that stand in a text as labelled lines. A
// field that stands there twice has its first value that is one.
func (f *Form) Read(text string) map[string]string {
	values := map[string]string{}
	if f == nil {
		return values
	}
	for _, at := range f.find(text) {
		if _, ok := values[at.field.ID]; ok {
			continue
		}
		if value, ok := at.field.Accept(text[at.start:at.end]); ok {
			values[at.field.ID] = value
		}
	}
	return values
}

// ReadChoices returns the values of those fields, among those without one, one of
// whose choices is all that a line of the text says.
func (f *Form) ReadChoices(text string, have map[string]string) map[string]string {
	values := map[string]string{}
	if f == nil {
		return values
	}
	for line := range strings.Lines(text) {
		key := labelKey(line)
		for _, field := range f.Fields {
			for _, c := range field.Choices {
				if have[field.ID] == "" && values[field.ID] == "" && slices.Contains(c.keys, key) {
					values[field.ID] = c.ES
				}
			}
		}
	}
	return values
}

// Infer returns the value that the domain of a sender's address gives a field,
// or an empty text. Subdomains count as their domain.
func (f *FormField) Infer(domain string) string {
	domain = strings.ToLower(domain)
	for _, pair := range f.domains {
		if d := strings.ToLower(pair[0]); domain == d || strings.HasSuffix(domain, "."+d) {
			value, _ := f.Accept(pair[1])
			return value
		}
	}
	return ""
}

// Missing are the required fields that have no value.
func (f *Form) Missing(values map[string]string) []*FormField {
	var missing []*FormField
	if f == nil {
		return nil
	}
	for _, field := range f.Fields {
		if field.Required && values[field.ID] == "" {
			missing = append(missing, field)
		}
	}
	return missing
}
