package templates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOverride(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "confirmation.es.txt", "\ufeffSubject: {{.Tag}} recibido\r\n\r\nHola, parce.\r\n")
	write(t, dir, "confirmation.es.html", "")
	write(t, dir, "layout.html", `<html><body><h1>{{.Desk}}</h1>{{template "content" .}}</body></html>`+
		`{{define "separator"}}{{end}}{{define "signature"}}{{end}}{{define "notice"}}{{end}}{{define "thread"}}{{end}}{{define "content"}}{{end}}`)
	write(t, dir, ".hidden", "x")
	write(t, dir, "confirmation.es.txt~", "x")
	set, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := Sample("es")
	if m := render(t, set, "confirmation", "es", d); m != (Mail{Subject: "[#003181] recibido", Text: "Hola, parce.\n"}) {
		t.Errorf("the override gave %+v", m)
	}
	// What is not in the folder stays built in, in the new frame.
	if m := render(t, set, "confirmation", "en", d); !strings.HasPrefix(m.HTML, "<html><body><h1>Mesa de ayuda</h1>") || !strings.Contains(m.Text, "We have your request") {
		t.Errorf("the other language gave %+v", m)
	}
	if m, want := render(t, set, "answer", "es", d), render(t, builtIn(t), "answer", "es", d); m.Text != want.Text {
		t.Errorf("another mail changed to:\n%s", m.Text)
	}
}

// Each mistake of a folder is told, with its place and what would be right.
func TestMistakesOfAnOverride(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"answer.es.txt":        "Asunto: x\n\ntext\n",
		"answer.en.txt":        "Subject: x\ntext\n",
		"closed.es.txt":        "Subject: {{.Tagg}}\n\ntext\n",
		"closed.en.txt":        "Subject: x\n\none\n{{if .Text}}\n",
		"reminder.es.txt":      "Subject: x\n\none\ntwo {{.Requester.Nome}}\n",
		"reminder.en.html":     "<p>\n{{dat .Due}}\n",
		"note.es.html":         "<p>{{range .Files}}\n{{.Nam}}{{end}}\n",
		"held.es.html":         "<p>\n\n{{template \"signatur\" .}}</p>\n",
		"update.es.html":       "<p>{{if .Unverified}}{{if not .Closed}}{{if .Reopened}}{{.Teext}}{{end}}{{end}}{{end}}</p>\n",
		"alarm.en.html":        "<a href=\"{{if .Desk}}\">{{end}}\n",
		"confirmacion.es.txt":  "Subject: x\n\ny\n",
		"notification.es.text": "",
		"confirmation.fr.txt":  "Subject: x\n\ny\n",
	} {
		write(t, dir, name, text)
	}
	_, err := New(dir)
	if err == nil {
		t.Fatal("every file of the folder is wrong, and New accepts it")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []struct{ at, what string }{
		{"answer.es.txt:1", "the first line must be the subject"},
		{"answer.en.txt:2", "leave this line empty"},
		{"closed.es.txt:1", "no field Tagg here; did you mean .Tag?"},
		{"closed.en.txt:5", "unexpected EOF"},
		{"reminder.es.txt:4", "no field Nome here; did you mean .Name?"},
		{"reminder.en.html:2", "no function dat; did you mean date?"},
		{"note.es.html:2", "no field Nam here; did you mean .Name?"},
		{"held.es.html:3", "no such template \"signatur\""},
		{"update.es.html:1", "no field Teext here; did you mean .Text?"},
		{"alarm.en.html:1", "{{if}} branches end in different contexts"},
		{"confirmacion.es.txt", "did you mean confirmation.es.txt?"},
		{"notification.es.text", "did you mean notification.es.txt?"},
		{"confirmation.fr.txt", "did you mean confirmation.e"},
	} {
		found := false
		for _, line := range lines {
			found = found || strings.HasPrefix(line, filepath.Join(dir, want.at)+": ") && strings.Contains(line, want.what)
		}
		if !found {
			t.Errorf("no line says %s: %s", want.at, want.what)
		}
	}
	if len(lines) != 14 {
		t.Errorf("want a heading and 13 mistakes, got %d lines", len(lines))
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestMistakeInTheLayoutIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "layout.html", "<html>\n{{.Dek}}{{template \"content\" .}}{{define \"content\"}}{{end}}")
	_, err := New(dir)
	if err == nil || strings.Count(err.Error(), "layout.html:2: there is no field Dek here; did you mean .Desk?") != 1 {
		t.Errorf("got %v", err)
	}
	write(t, dir, "layout.html", "<html>\n\n{{if}}")
	_, err = New(dir)
	if err == nil || strings.Count(err.Error(), "layout.html:3: ") != 1 || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v", err)
	}
}

func TestOverrideFolderIsMissing(t *testing.T) {
	if _, err := New(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "reading the templates folder") {
		t.Errorf("got %v", err)
	}
}
