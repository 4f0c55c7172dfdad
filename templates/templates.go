// Package templates holds the texts of the mails that the desk sends, in Spanish
// and English, and renders them. Texts are built in; files in a folder of the
// administrator's replace them one by one.
//
// A mail is two files. NAME.LANG.txt has the subject in its first line
// (Subject: …), an empty line, and the text, in the syntax of text/template.
// NAME.LANG.html has the same for HTML, in the syntax of html/template, without
// the frame, which is in layout.html; when it is empty the mail is text only.
package templates

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"unicode"
)

//go:embed mail
var embedded embed.FS

// layoutFile is the frame of every HTML mail.
const layoutFile = "layout.html"

// partsFile holds what several HTML mails are made of and no frame needs to know.
const partsFile = "parts.html"

// DefaultLanguage is used where a language has no templates.
const DefaultLanguage = "es"

// Set is a complete set of templates. It doesn't change after New and may be
// used by many goroutines.
type Set struct {
	names []string
	mails map[string]*mail // by NAME.LANG
}

// Mail is a rendered mail.
type Mail struct {
	Subject string // one line
	Text    string // lines end in LF; at most one empty line in a row, but for those that a person wrote
	HTML    string // empty: text only
}

// mail is one parsed template in one language.
type mail struct {
	subject, text part
	html          part // without a template: text only
	toRequester   bool
}

// compile makes programs of the parts that can be one.
func (m *mail) compile(lang string) {
	for _, p := range []*part{&m.subject, &m.text, &m.html} {
		if p.template != nil {
			_ = p.compile(functions(lang)) // without a program the template is executed
		}
	}
}

// toRequesters are the mails that requesters get. An agent's address is kept
// out of them, whatever an administrator's template says.
var toRequesters = []string{"confirmation", "answer", "closed", "forwarded", "moved", "nudge", "state"}

// New parses the built-in templates and those of the folder overrideDir, whose
// files replace the built-in ones of the same name; an empty overrideDir means
// none. Every template is rendered with invented data, so that a mistake shows
// now and not when a mail is due. The error lists every mistake of the folder,
// one a line, each with its file, its line and what is wrong.
func New(overrideDir string) (*Set, error) {
	builtIn, err := fs.Sub(embedded, "mail")
	if err != nil {
		return nil, fmt.Errorf("reading the built-in templates: %w", err)
	}
	src, err := newSources(builtIn, overrideDir)
	if err != nil {
		return nil, err
	}
	return src.compile()
}

// Names lists the templates, sorted.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Render fills in a template. The language is a tag such as es, en or en-US;
// one that has no templates gets DefaultLanguage. An error means that there is no
// template of that name, or that it failed on this data, which New makes
// unlikely.
func (s *Set) Render(name, lang string, d Data) (Mail, error) {
	m := s.mails[name+"."+baseLanguage(lang)]
	if m == nil {
		return Mail{}, fmt.Errorf("rendering a mail: there is no template %q", name)
	}
	out, err := m.render(d)
	if err != nil {
		return Mail{}, fmt.Errorf("rendering %s in %s: %w", name, baseLanguage(lang), err)
	}
	return out, nil
}

// baseLanguage reduces a language tag to one that has templates.
func baseLanguage(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	if _, ok := languages[base]; !ok {
		return DefaultLanguage
	}
	return base
}

var fillings = sync.Pool{New: func() any { return new(filling) }}

func (m *mail) render(data Data) (Mail, error) {
	f := fillings.Get().(*filling)
	defer func() {
		f.data = Data{} // nothing of a mail is kept
		fillings.Put(f)
	}()
	f.data = data.oneLine()
	d := &f.data
	if m.toRequester {
		d.Agent.Address = ""
	}
	if err := f.fill(m.subject); err != nil {
		return Mail{}, err
	}
	out := Mail{Subject: oneLine(string(f.out))}

	if m.html.template != nil {
		if err := f.fill(m.html); err != nil {
			return Mail{}, err
		}
		out.HTML = string(f.out)
	}

	d.Text, d.Quoted = keepBlankLines(d.Text), keepBlankLines(d.Quoted)
	d.News = slices.Clone(d.News)
	for i := range d.News {
		d.News[i].Text = keepBlankLines(d.News[i].Text)
	}
	if err := f.fill(m.text); err != nil {
		return Mail{}, err
	}
	f.out = foldBlankLines(f.out)
	out.Text = string(f.out)
	return out, nil
}

// oneLine folds the fields that have no business with more than one line, so
// that a name can't pose as a line of the mail.
func (d Data) oneLine() Data {
	for _, s := range []*string{
		&d.Desk, &d.Topic, &d.Hostname, &d.Number, &d.Tag, &d.Subject, &d.Assignee, &d.Separator, &d.Status,
		&d.Requester.Name, &d.Requester.Address, &d.Agent.Name, &d.Agent.Address, &d.Title,
	} {
		*s = oneLine(*s)
	}
	if slices.ContainsFunc(d.News, func(i Item) bool { return oneLine(i.Author) != i.Author }) {
		d.News = slices.Clone(d.News)
		for i := range d.News {
			d.News[i].Author = oneLine(d.News[i].Author)
		}
	}
	if slices.ContainsFunc(d.Files, func(f File) bool { return oneLine(f.Name) != f.Name }) {
		d.Files = slices.Clone(d.Files)
		for i := range d.Files {
			d.Files[i].Name = oneLine(d.Files[i].Name)
		}
	}
	d.Lines = allOneLine(d.Lines)
	d.Fields, d.Missing = slices.Clone(d.Fields), slices.Clone(d.Missing)
	for _, list := range [][]Field{d.Fields, d.Missing} {
		for i := range list {
			f := &list[i]
			f.Name, f.Value, f.Choices = oneLine(f.Name), oneLine(f.Value), oneLine(f.Choices)
		}
	}
	d.Rows = oneLineRows(d.Rows)
	d.Sections = slices.Clone(d.Sections)
	for i := range d.Sections {
		s := &d.Sections[i]
		s.Lines = allOneLine(s.Lines)
		s.Title, s.Rows = oneLine(s.Title), oneLineRows(s.Rows)
	}
	return d
}

func oneLineRows(rows []Row) []Row {
	rows = slices.Clone(rows)
	for i := range rows {
		r := &rows[i]
		r.Number, r.Subject, r.Requester, r.Assignee = oneLine(r.Number), oneLine(r.Subject), oneLine(r.Requester), oneLine(r.Assignee)
	}
	return rows
}

func allOneLine(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = oneLine(list[i])
	}
	return list
}

// oneLine folds white space and takes out control characters.
func oneLine(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f || c == 0xc2 || c == ' ' && (i == 0 || i == len(s)-1 || s[i+1] == ' ') {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	s = strings.Join(strings.Fields(s), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// keptNewline stands for a line end inside what a person wrote while the text
// is put together: their empty lines are theirs, those of the template fold.
const keptNewline = "\x00"

func keepBlankLines(s string) string {
	if strings.Contains(s, keptNewline) {
		s = strings.ReplaceAll(s, keptNewline, "")
	}
	s = strings.Trim(s, "\n")
	if !strings.Contains(s, "\n\n\n") {
		return s
	}
	return strings.ReplaceAll(s, "\n", keptNewline)
}

// foldBlankLines leaves at most one empty line in a row, none at the beginning,
// and one line end at the end. It works in place: what it writes is never longer
// than what it has read, but for the last line end.
func foldBlankLines(text []byte) []byte {
	out, blank := text[:0], false
	for more := true; more; {
		var line []byte
		line, text, more = bytes.Cut(text, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			blank = true
			continue
		}
		if blank && len(out) > 0 {
			out = append(out, '\n')
		}
		blank = false
		out = append(append(out, line...), '\n')
	}
	for i, c := range out {
		if c == keptNewline[0] {
			out[i] = '\n'
		}
	}
	return out
}
