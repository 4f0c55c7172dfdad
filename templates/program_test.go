package templates

import (
	"strings"
	"testing"
)

// Every built-in template is a program, all parts of it.
func TestBuiltInTemplatesCompile(t *testing.T) {
	for key, m := range builtIn(t).mails {
		_, lang, _ := strings.Cut(key, ".")
		for name, p := range map[string]*part{"subject": &m.subject, "text": &m.text, "page": &m.html} {
			if p.program == nil {
				t.Errorf("%s: the %s has no program: %v", key, name, p.compile(functions(lang)))
			}
		}
	}
}

// same checks that a part reads the same by its program as by its package.
func same(t *testing.T, p part, d Data) {
	t.Helper()
	programmed, executed := &filling{data: d}, &filling{data: d}
	errProgrammed, errExecuted := programmed.fill(p), executed.fill(part{template: p.template})
	if (errProgrammed == nil) != (errExecuted == nil) || errExecuted != nil && errProgrammed.Error() != errExecuted.Error() {
		t.Errorf("the program fails with %v, the template with %v", errProgrammed, errExecuted)
	}
	if string(programmed.out) != string(executed.out) {
		t.Errorf("the program writes\n%s\nthe template\n%s", programmed.out, executed.out)
	}
}

func TestProgramsWriteWhatTheirTemplatesDo(t *testing.T) {
	set := builtIn(t)
	each(t, set, func(t *testing.T, name, lang string) {
		m := set.mails[name+"."+lang]
		for _, d := range variants(lang) {
			for _, p := range []part{m.subject, m.text, m.html} {
				same(t, p, d)
			}
		}
	})
}

// FuzzProgram lets any text stand in a mail, where it is shown as text, as an attribute
// and as a link.
func FuzzProgram(f *testing.F) {
	set := builtIn(f)
	f.Add("a+b", "mailto:a@b.co?subject=%5B%23%5D&body=x")
	f.Add("<b>\"'\x00&\xff", "mailto:ñ %zz")
	f.Fuzz(func(t *testing.T, text, link string) {
		d := Sample("es")
		d.Subject, d.Text, d.Separator, d.Topic, d.Requester.Name, d.Signature = text, text, text, text, text, text
		d.Actions[0] = Action{text, text, link}
		d.Rows[0].Link, d.Rows[0].Subject, d.Thread[0].Author = link, text, text
		for _, name := range []string{"notification", "confirmation", "updates", "state"} {
			m := set.mails[name+".es"]
			for _, p := range []part{m.subject, m.text, m.html} {
				same(t, p, d)
			}
		}
	})
}

// What an administrator writes is executed with all that the template packages offer,
// whether a program can be made of it or not.
func TestOverridesAndPrograms(t *testing.T) {
	for _, tt := range []struct {
		text, html string
		programs   bool // both are
		want, page string
	}{
		{"{{.Requester}} {{len .Files}} {{with .Lines}}{{index . 1}}{{end}}", "<p>{{.Requester}} {{len .Files}} {{with .Lines}}{{index . 1}}{{end}}</p>", true,
			"María & Co <a@b.co> 2 dos", "<p>María &amp; Co &lt;a@b.co&gt; 2 dos</p>"},
		{"{{range .Lines}}{{.}},{{else}}none{{end}}{{range .Rows}}{{.Number}}{{else}} none{{end}}", "{{with .Title}}x{{else with .Desk}}{{.}}{{else}}y{{end}}", true,
			"uno,dos, none", "Mesa"},
		{"{{and .Desk .Number}} {{or .Title .Number}} {{eq .Desk \"Mesa\"}}", "x", false, "1+2 1+2 true", "x"},
		{"{{.Number | firstLine | quote}} {{date .Due | firstLine}}", "<p>{{.Number | firstLine}}</p>", true, "> 1+2 jueves 1 de enero de 1970, 00:00", "<p>1&#43;2</p>"},
		{"{{define \"x\"}}[{{.Name}}{{$.Size}}]{{end}}{{range .Files}}{{template \"x\" .}}{{end}}", "{{define \"x\"}}[{{.Name}}]{{end}}{{range .Files}}{{template \"x\" .}}{{end}}", true,
			"[a.png1][b.png2]", "[a.png][b.png]"},
		{"{{$n := .Number}}{{$n}}", "{{$n := .Number}}{{$n}}", false, "1+2", "1&#43;2"},
		{"{{range $i, $l := .Lines}}{{$i}}{{$l}}{{end}}", "{{range $l := .Lines}}{{$l}}{{end}}", false, "0uno1dos", "unodos"},
		{"{{range .Lines}}{{break}}{{end}}{{printf \"%05s\" .Number}} {{html .Number}}", "{{html .Number}}", false, "001+2 1+2", "1+2"},
		{"{{.Reopened}} {{.Due.Year}} {{with .Desk}}{{slice . 1}}{{end}}", "<p title={{.Desk}} style=\"color:{{.Number}}\">{{urlquery .Number}}</p>", false,
			"false 1970 esa", "<p title=Mesa style=\"color:1&#43;2\">1%2B2</p>"},
		{"x", "<a href=\"{{.Title}}https://x.co/?a={{.Number}}\" onclick=\"f({{.Number}})\">{{/* no */}}</a><script>var x = {{.Number}};</script>", false,
			"x", "<a href=\"https://x.co/?a=1%2b2\" onclick=\"f(&#34;1&#43;2&#34;)\"></a><script>var x = \"1+2\";</script>"},
		{"x", "<a href=\"{{.Subject}}\">x</a>", false, "x", "<a href=\"#ZgotmplZ\">x</a>"},
		{"x", "<p title=\"{{.Subject}}\"><textarea>{{.Number}}</textarea></p>", true, "x", "<p title=\"javascript:x\"><textarea>1&#43;2</textarea></p>"},
		{"x", "<p><!-- {{.Number}} --></p>", false, "x", "<p></p>"},
		{"x", "<p title=\"{{body .Number}}\"></p>", false, "x", "<p title=\"1&#43;2\"></p>"},
		{"{{define \"x\"}}{{if .Desk}}{{template \"x\" .Requester}}{{end}}{{end}}x", "x", true, "x", "x"},
	} {
		dir := t.TempDir()
		write(t, dir, "layout.html", `{{template "content" .}}{{define "content"}}{{end}}`+
			`{{define "separator"}}{{end}}{{define "signature"}}{{end}}{{define "notice"}}{{end}}{{define "thread"}}{{end}}`)
		write(t, dir, "note.es.txt", "Subject: x\n\n"+tt.text)
		write(t, dir, "note.es.html", tt.html)
		set, err := New(dir)
		if err != nil {
			t.Errorf("%s %s: %v", tt.text, tt.html, err)
			continue
		}
		d := Data{
			Desk: "Mesa", Number: "1+2", Subject: "javascript:x", Requester: Person{"María & Co", "a@b.co"},
			Lines: []string{"uno", "dos"}, Files: []File{{Name: "a.png", Size: "1"}, {Name: "b.png", Size: "2"}},
		}
		d.Due = d.Due.AddDate(1969, 0, 0)
		m := set.mails["note.es"]
		if got := m.text.program != nil && m.html.program != nil; got != tt.programs {
			t.Errorf("%s %s: programs %t (%v, %v)", tt.text, tt.html, got, m.text.compile(functions("es")), m.html.compile(functions("es")))
		}
		for _, p := range []part{m.text, m.html} {
			same(t, p, d)
		}
		if got := render(t, set, "note", "es", d); got.Text != tt.want+"\n" || got.HTML != tt.page {
			t.Errorf("%s %s:\ngot  %q, %q\nwant %q, %q", tt.text, tt.html, got.Text, got.HTML, tt.want, tt.page)
		}
	}
}

// What would fail while it is executed fails with a program, too, and in the same words.
func TestProgramsFailAsTheirTemplatesDo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "note.es.txt", "Subject: x\n\n{{if .Text}}{{index .Lines 0}}{{(index .News 0).Author}}{{end}}")
	set, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := set.mails["note.es"]
	if m.text.program == nil {
		t.Fatal("it is no program")
	}
	same(t, m.text, Data{})
	same(t, m.text, Data{Text: "x"})
	if _, err := set.Render("note", "es", Data{Text: "x"}); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("got %v", err)
	}
}
