package desk_test

import (
	"strings"
	"testing"
)

const (
	inEnglish = "Good morning,\n\nI can not open the classroom since yesterday, and the students are waiting for the exam. What should I do?\n\nThank you"
	inSpanish = "Buenos días:\n\nDesde ayer no puedo entrar al aula y los estudiantes esperan el examen. ¿Qué debo hacer?\n\nMuchas gracias"
	inNeither = "Moodle 4.5 error 500"
)

// A requester is written to in the language of their mail; where that says nothing,
// in the one that is known of them; else in the topic's. What they order stands.
func TestLanguageOfARequester(t *testing.T) {
	o := openWith(t, strings.Replace(configuration, `agent = "ana"`, "agent = \"ana\"\nlanguage = \"en\"", 1))
	written := func(from, to, text string) string {
		t.Helper()
		o.pass(2 * 60 * 60e9) // past the hour's limit of automatic mail
		o.send(letter{from: from, to: to, subject: "Moodle", text: text})
		_, addr, _ := strings.Cut(from, "<")
		confirmation := o.only(o.sent(), strings.TrimSuffix(addr, ">"))
		switch {
		case strings.Contains(confirmation.Text, "We have your request"):
			return "en"
		case strings.Contains(confirmation.Text, "Recibimos su solicitud"):
			return "es"
		}
		t.Fatalf("neither:\n%s", confirmation.Text)
		return ""
	}
	const pregrado, posgrado = "pregrado@virtual.example", "posgrado@virtual.example"
	for i, step := range []struct{ from, to, text, want string }{
		{laura, pregrado, inNeither, "en"}, // the topic's
		{laura, posgrado, inNeither, "es"}, // the desk's
		{laura, pregrado, inSpanish, "es"}, // the mail's
		{laura, pregrado, inNeither, "es"}, // remembered
		{"Rosa <rosa@otra.example>", posgrado, inEnglish, "en"},
		{"Rosa <rosa@otra.example>", posgrado, inNeither, "en"},
	} {
		if got := written(step.from, step.to, step.text); got != step.want {
			t.Errorf("step %d: written to in %s, want %s", i, got, step.want)
		}
	}
	o.pass(2 * 60 * 60e9)
	o.send(letter{from: laura, to: pregrado, subject: "Otra", text: inSpanish})
	o.send(reply(o.only(o.sent(), "laura@estudiantes.example"), laura, "/idioma inglés"))
	o.sent()
	if got := written(laura, posgrado, inSpanish); got != "en" {
		t.Errorf("what was ordered does not stand: %s", got)
	}
}
