package desk_test

import (
	"context"
	"strings"
	"testing"

	"buzon/control"
	"buzon/ticket"
)

// Lists of what is held and in quarantine show no value of a sensitive field: not behind
// its label, not where the mail or the ticket says elsewhere that it is one.
func TestKeptListsAreMasked(t *testing.T) {
	const number = "1018273645"
	o := openWith(t, strings.Replace(configuration, `reply_within = "1d"`, "reply_within = \"1d\"\nform = \"solicitante\"", 1)+form+
		"[[rule]]\nname = \"espera\"\non = \"any\"\nif = \"subject contains 'espera'\"\nhold = true\n")
	list := func(which string) (subjects []string) {
		t.Helper()
		var rows []control.Kept
		if err := (&control.Service{Desk: o.desk}).Call(context.Background(), which, control.Which{}, &rows); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			subjects = append(subjects, row.Subject)
		}
		return subjects
	}
	o.send(asking("En espera, cédula: 10.182.736-45", "No abre."))
	o.send(asking("En espera de "+number, "Documento: 10.182.736-45\n\nNo abre."))
	o.send(asking("Aula", "Documento: "+number+"\n\nNo abre el aula."))
	mails := o.sent()
	answer := reply(o.only(mails, "laura@estudiantes.example"), laura, "Sigo sin entrar.")
	answer.subject = "Re: [#003181] espera 10 182 736 45"
	if held := o.send(answer); held.Event != ticket.EventHeld {
		t.Fatalf("%+v", held)
	}
	forged := reply(o.only(mails, "ana@privada.example"), "Ana <ana@otra.example>", "Ya quedó.")
	forged.subject = "Re: " + number
	if held := o.send(forged); held.Event != ticket.EventHeld {
		t.Fatalf("%+v", held)
	}
	two := asking("Cédula "+number, "Documento: "+number)
	two.headers = []string{"From: otra@otra.example"}
	if kept := o.send(two); kept.Event != ticket.EventQuarantined {
		t.Fatalf("%+v", kept)
	}
	held, kept := list("held list"), list("quarantine list")
	if len(held) != 4 || len(kept) != 1 {
		t.Errorf("%q, %q", held, kept)
	}
	for _, subject := range append(held, kept...) {
		if !strings.Contains(subject, "•••") || strings.ContainsAny(strings.ReplaceAll(subject, "#003181", ""), "0123456789") {
			t.Errorf("%q", subject)
		}
	}
}
