package templates

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden files anew")

var wantNames = []string{
	"alarm", "answer", "assigned", "canary", "closed", "confirmation", "digest", "forwarded", "held", "internal", "moved", "note", "notification", "notunderstood", "nudge",
	"question", "reminder", "reminders", "report", "spam", "state", "thirdparty", "transcript", "undelivered", "update", "updates",
}

func builtIn(t testing.TB) *Set {
	t.Helper()
	set, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func render(t testing.TB, set *Set, name, lang string, d Data) Mail {
	t.Helper()
	m, err := set.Render(name, lang, d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// each calls fn for every template in every language.
func each(t *testing.T, set *Set, fn func(t *testing.T, name, lang string)) {
	for _, name := range set.Names() {
		for lang := range languages {
			t.Run(name+"."+lang, func(t *testing.T) { fn(t, name, lang) })
		}
	}
}

func TestEveryTemplateRenders(t *testing.T) {
	set := builtIn(t)
	if diff := cmp.Diff(wantNames, set.Names()); diff != "" {
		t.Fatal(diff)
	}
	each(t, set, func(t *testing.T, name, lang string) {
		d := Sample(lang)
		m := render(t, set, name, lang, d)
		apart := name == "alarm" || name == "canary" || name == "digest" || name == "reminders" || name == "report" || name == "spam" // on no ticket
		if !apart && m.Subject != d.Tag+" "+d.Subject {
			t.Errorf("subject is %q", m.Subject)
		}
		if !apart && !strings.HasPrefix(m.Text, d.Separator+"\n\n") {
			t.Errorf("text does not begin with the separator line:\n%s", m.Text)
		}
		checkText(t, m.Text)
		checkHTML(t, m.HTML, lang, "cid:captura.1@example.edu.co")
	})
}

// checkText checks the shape of a text: it says something, and neither empty
// lines nor what is left of empty fields disturb it.
func checkText(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "\n\n\n") || strings.HasPrefix(text, "\n") || strings.HasSuffix(text, "\n\n") || !strings.HasSuffix(text, "\n") {
		t.Errorf("odd empty lines in:\n%s", text)
	}
	if strings.Contains(text, "<no value>") || strings.Contains(text, "\x00") || strings.Contains(text, "%!") {
		t.Errorf("leftovers in:\n%s", text)
	}
}

var markup = map[string]bool{
	"html": true, "head": true, "meta": true, "title": true, "body": true, "div": true, "p": true, "br": true,
	"strong": true, "ul": true, "li": true, "blockquote": true, "code": true, "a": true, "img": true,
}

// checkHTML reads the page as a mail program would: only the markup of the
// templates may be in it, and nothing may be loaded but images of the mail.
func checkHTML(t *testing.T, page, lang string, images ...string) {
	t.Helper()
	if !strings.Contains(page, `<html lang="`+lang+`">`) || !strings.Contains(page, "max-width:640px") || !strings.Contains(page, "<!--[if mso]>") {
		t.Errorf("frame is missing in:\n%s", page)
	}
	checkMarkup(t, page, images...)
}

func checkMarkup(t *testing.T, page string, images ...string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(page))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		if !markup[token.Data] {
			t.Errorf("element <%s> in:\n%s", token.Data, page)
		}
		for _, a := range token.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), strings.Contains(a.Val, "url("), a.Key == "srcset", a.Key == "background":
				t.Errorf("attribute %s=%q", a.Key, a.Val)
			case a.Key == "src" && !slices.Contains(images, a.Val):
				t.Errorf("image %q, want one of %q", a.Val, images)
			case a.Key == "href" && !strings.HasPrefix(strings.ToLower(a.Val), "http://") && !strings.HasPrefix(strings.ToLower(a.Val), "https://") && !strings.HasPrefix(a.Val, "mailto:") && a.Val != "":
				t.Errorf("link to %q", a.Val)
			}
		}
	}
	if z.Err() != io.EOF {
		t.Errorf("reading the page: %v", z.Err())
	}
}

func TestGolden(t *testing.T) {
	set := builtIn(t)
	for _, tt := range []struct{ name, lang string }{{"confirmation", "es"}, {"notification", "en"}} {
		m := render(t, set, tt.name, tt.lang, Sample(tt.lang))
		for ext, got := range map[string]string{"txt": "Subject: " + m.Subject + "\n\n" + m.Text, "html": m.HTML} {
			file := filepath.Join("testdata", tt.name+"."+tt.lang+"."+ext)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got; run with -update to accept):\n%s", file, diff)
			}
		}
	}
}

func TestEmptyFieldsLeaveNoTrace(t *testing.T) {
	set := builtIn(t)
	fields := reflect.TypeOf(Data{})
	each(t, set, func(t *testing.T, name, lang string) {
		m := render(t, set, name, lang, Data{Number: "000001"})
		checkText(t, m.Text)
		checkHTML(t, m.HTML, lang)
		if strings.Contains(m.Text, "0001,") || strings.Contains(m.Text, " 1, 00:00") {
			t.Errorf("a time that is not set is shown:\n%s", m.Text)
		}
		for i := range fields.NumField() {
			d := Sample(lang)
			reflect.ValueOf(&d).Elem().Field(i).SetZero()
			m := render(t, set, name, lang, d)
			checkText(t, m.Text)
		}
	})
}

// hostile fills every field with a value that would do harm if it were taken
// for a template, for HTML or for a header line.
func hostile() (d Data, evil string) {
	evil = "{{.}} {{.Separator}} <script>alert(1)</script> \"' onload=x <img src=https://evil.example/x.gif> ñ漢🙂"
	p := Person{evil, evil + "\r\nBcc: victim@example.com"}
	return Data{
		Desk: evil, Topic: evil, Hostname: evil, Number: evil, Tag: evil, Subject: evil + "\r\nBcc: victim@example.com",
		Requester: p, Agent: p, Assignee: evil, Text: evil + "\n[imagen: " + evil + "]", Quoted: evil,
		Files:  []File{{Name: evil, Size: evil, ContentID: `"><script>x</script>`, Included: true}, {Name: evil + "\nX: y", Size: evil}},
		Notice: evil, Signature: evil, Separator: evil,
		Received: time.Unix(1, 0).UTC(), Due: time.Unix(1, 0).UTC(), Status: evil,
		Reopened: true, Closed: true, Unverified: true, Reason: evil, Hint: evil,
		Thread: []Item{{When: time.Unix(1, 0).UTC(), Author: evil, Kind: evil, Text: evil}}, Commands: []string{evil},
		News:  []Item{{When: time.Unix(1, 0).UTC(), Author: evil + "\nX: y", Kind: evil, Text: evil, Unverified: true}},
		Title: evil, Lines: []string{evil, evil + "\nBcc: x"}, Actions: []Action{{evil, evil, evil}, {evil, evil, "mailto:x?body=\"><script>"}},
		Rows:     []Row{{Number: evil, Subject: evil + "\nBcc: x", Status: evil, Requester: evil, Assignee: evil, Due: time.Unix(1, 0).UTC(), Link: "javascript:x"}},
		Sections: []Section{{evil + "\nBcc: x", []Row{{Number: evil, Subject: evil, Status: evil, Requester: evil, Assignee: evil, Link: "javascript:x"}}, []string{evil + "\nBcc: x"}}},
	}, evil
}

func TestDataIsNeverTemplateOrMarkup(t *testing.T) {
	set := builtIn(t)
	d, evil := hostile()
	each(t, set, func(t *testing.T, name, lang string) {
		m := render(t, set, name, lang, d)
		if !strings.Contains(m.Subject, evil) {
			t.Errorf("subject does not show the value literally: %q", m.Subject)
		}
		if strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("subject has several lines: %q", m.Subject)
		}
		if strings.Contains(m.Text, "\nBcc:") || strings.Contains(m.Text, "\nX: y") {
			t.Errorf("a one-line field made a line of its own:\n%s", m.Text)
		}
		if !strings.Contains(m.Text, evil) {
			t.Errorf("text does not show the value literally:\n%s", m.Text)
		}
		checkHTML(t, m.HTML, lang, "cid:%22%3E%3Cscript%3Ex%3C%2Fscript%3E", "cid:%22%3E%3Cscript%3Ex%3C%2Fscript")
		if !strings.Contains(m.HTML, "{{.}}") || !strings.Contains(m.HTML, "ñ漢🙂") {
			t.Errorf("page does not show the value literally:\n%s", m.HTML)
		}
	})
	for _, lang := range []string{"es", "en"} {
		d := Sample(lang)
		d.Subject = "{{.}}"
		if got := render(t, set, "answer", lang, d).Subject; got != "[#003181] {{.}}" {
			t.Errorf("subject is %q", got)
		}
	}
}

func TestRequestersSeeNoAgentAddress(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "answer.es.txt", "Subject: x\n\n{{.Agent}}\n")
	set, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range toRequesters {
		for lang := range languages {
			d := Sample(lang)
			d.Agent.Address = "canary@example.net"
			m := render(t, set, name, lang, d)
			if strings.Contains(m.Text+m.HTML+m.Subject, "canary") {
				t.Errorf("%s.%s shows the agent's address:\n%s", name, lang, m.Text)
			}
		}
	}
}

// A confirmation goes to whoever a mail says it is from, who may have written
// nothing: it must not carry the words of whoever did.
func TestConfirmationQuotesNothing(t *testing.T) {
	set := builtIn(t)
	for lang := range languages {
		d := Sample(lang)
		d.Text, d.Quoted, d.Requester.Name = "canary", "canary", "Compre en canary.example"
		d.Thread, d.Files = []Item{{Text: "canary"}}, []File{{Name: "canary"}}
		m := render(t, set, "confirmation", lang, d)
		if strings.Contains(m.Text+m.HTML, "canary") {
			t.Errorf("confirmation quotes the request:\n%s", m.Text)
		}
		for _, want := range []string{d.Number, d.Assignee, d.Notice, "2026, 10:15"} {
			if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
				t.Errorf("confirmation lacks %q:\n%s", want, m.Text)
			}
		}
	}
}

func TestAPersonsBlankLinesAreKept(t *testing.T) {
	set := builtIn(t)
	d := Data{Text: "uno\n\n\n\ndos\x00", Separator: "---"}
	m := render(t, set, "answer", "es", d)
	if !strings.Contains(m.Text, "---\n\nuno\n\n\n\ndos\n\n--\n") {
		t.Errorf("text is:\n%q", m.Text)
	}
	m = render(t, set, "notunderstood", "es", d)
	if !strings.Contains(m.Text, "> uno\n> \n> \n> \n> dos\n") {
		t.Errorf("text is:\n%q", m.Text)
	}
}

func TestLanguageAndNameOfRender(t *testing.T) {
	set := builtIn(t)
	for tag, want := range map[string]string{"es": "Hola", "": "Hola", "fr": "Hola", "en": "Hello", "en-US": "Hello", "EN_gb": "Hello", "es-CO": "Hola"} {
		if m := render(t, set, "confirmation", tag, Data{}); !strings.Contains(m.Text, want) {
			t.Errorf("in %q the mail reads:\n%s", tag, m.Text)
		}
	}
	if _, err := set.Render("confirmacion", "es", Data{}); err == nil {
		t.Error("an unknown template rendered")
	}
}

var linkTarget = regexp.MustCompile(`href="([^"]*)"`)

func TestEveryMailKeepsTheLinkOfTheText(t *testing.T) {
	set := builtIn(t)
	for _, name := range []string{"answer", "closed", "notification", "update", "reminder"} {
		m := render(t, set, name, "es", Sample("es"))
		found := linkTarget.FindStringSubmatch(m.HTML)
		if found == nil || found[1] != "https://aulas.example.edu.co/curso?id=42&amp;vista=1" {
			t.Errorf("%s links to %q", name, found)
		}
	}
}

func TestRenderIsSafeForConcurrentUse(t *testing.T) {
	set := builtIn(t)
	want := render(t, set, "update", "es", Sample("es"))
	done := make(chan Mail)
	for range 4 {
		go func() {
			var last Mail
			for range 50 {
				last, _ = set.Render("update", "es", Sample("es"))
			}
			done <- last
		}()
	}
	for range 4 {
		if diff := cmp.Diff(want, <-done); diff != "" {
			t.Error(diff)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	set := builtIn(b)
	for _, name := range []string{"confirmation", "answer", "notification"} {
		b.Run(name, func(b *testing.B) {
			d := Sample("es")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Render(name, "es", d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
