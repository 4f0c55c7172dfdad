package templates

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"
)

// sources is the text of every template, and where each comes from.
type sources struct {
	text     map[string]string // by file name
	path     map[string]string // as it is shown to the administrator
	mistakes []error
}

// newSources reads the built-in files and those that replace them.
func newSources(builtIn fs.FS, overrideDir string) (*sources, error) {
	src := &sources{text: map[string]string{}, path: map[string]string{}}
	files, err := fs.ReadDir(builtIn, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the built-in templates: %w", err)
	}
	for _, f := range files {
		text, err := fs.ReadFile(builtIn, f.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the built-in templates: %w", err)
		}
		src.text[f.Name()], src.path[f.Name()] = string(text), "built-in "+f.Name()
	}
	if overrideDir == "" {
		return src, nil
	}
	return src, src.override(overrideDir)
}

// override takes the files of the administrator's folder.
func (src *sources) override(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading the templates folder: %w", err)
	}
	known := src.names()
	for _, f := range files {
		name, path := f.Name(), filepath.Join(dir, f.Name())
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") { // an editor's
			continue
		}
		if !slices.Contains(known, name) {
			src.mistake(path, 0, "no mail has a template of this name; did you mean %s?", nearest(name, known))
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			src.mistakes = append(src.mistakes, fmt.Errorf("reading a template: %w", err))
			continue
		}
		src.text[name] = strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n")
		src.path[name] = path
	}
	return nil
}

func (src *sources) names() []string {
	var names []string
	for name := range src.text {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (src *sources) mistake(path string, line int, format string, args ...any) {
	at := path
	if line > 0 {
		at += ":" + strconv.Itoa(line)
	}
	src.mistakes = append(src.mistakes, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// compile parses and tries every template. The error joins all mistakes.
func (src *sources) compile() (*Set, error) {
	set := &Set{mails: map[string]*mail{}}
	layouts := map[string]*htmltemplate.Template{}
	for lang := range languages {
		layout := htmltemplate.New(layoutFile).Funcs(functions(lang))
		_, err := layout.New(partsFile).Parse(src.text[partsFile])
		if err == nil {
			layout, err = layout.Parse(src.text[layoutFile])
		}
		if err != nil {
			if len(layouts) == 0 {
				src.explain(err)
			}
			layout = nil
		}
		layouts[lang] = layout
	}
	for _, file := range src.names() {
		key, ok := strings.CutSuffix(file, ".txt")
		if !ok {
			continue
		}
		name, lang, _ := strings.Cut(key, ".")
		if !slices.Contains(set.names, name) {
			set.names = append(set.names, name)
		}
		m := &mail{toRequester: slices.Contains(toRequesters, name)}
		if !src.parseText(m, file, lang) || !src.parseHTML(m, key+".html", layouts[lang]) {
			continue
		}
		if src.try(m, lang) {
			m.compile(lang)
		}
		set.mails[key] = m
	}
	if len(src.mistakes) > 0 {
		return nil, fmt.Errorf("mail templates:\n%w", errors.Join(src.mistakes...))
	}
	return set, nil
}

// parseText parses the subject and the text of a mail.
func (src *sources) parseText(m *mail, file, lang string) bool {
	first, rest, _ := strings.Cut(src.text[file], "\n")
	subject, ok := strings.CutPrefix(first, "Subject:")
	if !ok {
		src.mistake(src.path[file], 1, "the first line must be the subject, like \"Subject: {{.Tag}} {{.Subject}}\"")
		return false
	}
	second, rest, _ := strings.Cut(rest, "\n")
	if strings.TrimSpace(second) != "" {
		src.mistake(src.path[file], 2, "leave this line empty: it divides the subject from the text")
		return false
	}
	parsedSubject, errSubject := texttemplate.New(file).Funcs(functions(lang)).Parse(subject)
	// The two line ends, which are folded away later, keep the line numbers right.
	parsedText, errText := texttemplate.New(file).Funcs(functions(lang)).Parse("\n\n" + rest)
	m.subject.template, m.text.template = parsedSubject, parsedText
	for _, err := range []error{errSubject, errText} {
		if err != nil {
			src.explain(err)
		}
	}
	return errSubject == nil && errText == nil
}

// parseHTML parses the HTML of a mail into its frame.
func (src *sources) parseHTML(m *mail, file string, layout *htmltemplate.Template) bool {
	if strings.TrimSpace(src.text[file]) == "" {
		return true
	}
	if layout == nil {
		return false // its mistake has been noted
	}
	page, err := layout.Clone()
	if err == nil {
		m.html.template = page
		_, err = page.New(file).Parse(src.text[file])
	}
	if err == nil {
		_, err = page.New("content").Parse(`{{template "` + file + `" .}}`)
	}
	if err != nil {
		src.explain(err)
		return false
	}
	return true
}

// try renders a mail with data that leads into every branch: all fields filled
// and none, and each combination of the flags.
func (src *sources) try(m *mail, lang string) bool {
	for _, d := range []Data{Sample(lang), {}} {
		for flags := range 8 {
			d.Reopened, d.Closed, d.Unverified = flags&1 != 0, flags&2 != 0, flags&4 != 0
			if _, err := m.render(d); err != nil {
				src.explain(err)
				return false
			}
		}
	}
	return true
}

var (
	// What both template packages write: template: NAME:LINE:COLUMN: WHAT.
	templateError = regexp.MustCompile(`^(?:html/)?template: ?([^:]+):(\d+)(?::\d+)?: (.*)$`)
	unknownField  = regexp.MustCompile(`can't evaluate field (\w+) in type \*?(?:templates\.)?(\w+)`)
	unknownFunc   = regexp.MustCompile(`^function "(\w+)" not defined`)
)

// explain notes the error of a template package in the administrator's terms.
// The same mistake is noted once, though it shows in several mails.
func (src *sources) explain(err error) {
	parts := templateError.FindStringSubmatch(err.Error())
	if parts == nil {
		src.note(err)
		return
	}
	path, what := src.path[parts[1]], parts[3]
	if path == "" {
		path = parts[1]
	}
	if f := unknownField.FindStringSubmatch(what); f != nil {
		what = fmt.Sprintf("there is no field %s here; did you mean %s?", f[1], nearest(f[1], fields(f[2])))
	} else if f := unknownFunc.FindStringSubmatch(what); f != nil {
		var names []string
		for name := range functions(DefaultLanguage) {
			names = append(names, name)
		}
		slices.Sort(names)
		what = fmt.Sprintf("there is no function %s; did you mean %s?", f[1], nearest(f[1], names))
	}
	src.note(fmt.Errorf("%s:%s: %s", path, parts[2], what))
}

func (src *sources) note(err error) {
	if !slices.ContainsFunc(src.mistakes, func(e error) bool { return e.Error() == err.Error() }) {
		src.mistakes = append(src.mistakes, err)
	}
}

// fields lists what a template can show of a type.
func fields(typeName string) []string {
	for _, v := range []any{Data{}, Person{}, File{}, Item{}, Row{}, Action{}, Field{}} {
		t := reflect.TypeOf(v)
		if t.Name() != typeName {
			continue
		}
		var names []string
		for i := range t.NumField() {
			names = append(names, "."+t.Field(i).Name)
		}
		return names
	}
	return nil
}

// nearest returns the name that takes the fewest edits to reach.
func nearest(name string, names []string) string {
	best, cost := "", -1
	for _, n := range names {
		if c := edits(strings.ToLower(name), strings.ToLower(n)); cost < 0 || c < cost {
			best, cost = n, c
		}
	}
	return best
}

// edits is the distance of Levenshtein: insertions, deletions and replacements.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
