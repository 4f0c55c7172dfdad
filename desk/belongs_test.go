package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/ticket"
)

// Mail to a merged ticket goes to the one that goes on, by whatever names it, and
// its requester takes part there.
func TestMergedTickets(t *testing.T) {
	o := open(t)
	first, _, firstNotification := o.opened()
	other := "Otra <otra@estudiantes.example>"
	out := o.send(letter{from: other, to: "pregrado@virtual.example", subject: "Lo mismo", text: "Tampoco me abre el aula."})
	mails := o.sent()
	confirmation, notification := o.only(mails, "otra@estudiantes.example"), o.only(mails, "ana@privada.example")
	o.send(reply(firstNotification, ana, "Laura, ya la matriculé."))
	o.send(reply(notification, ana, "/unir-a "+first.String()))
	o.sent()
	if got, _ := o.ticket(out.Number); got.MergedInto.IsZero() || got.Status != ticket.StatusClosed {
		t.Fatalf("ticket %+v", got)
	}
	byToken := reply(confirmation, other, "Por el Message-ID.")
	byToken.to = "pregrado@virtual.example"
	byToken.subject = "Sin etiqueta"
	byAddress := letter{from: other, to: confirmation.ReplyTo[0].Addr, subject: "Sin nada", text: "Por la dirección."}
	byTag := letter{from: other, to: "pregrado@virtual.example", subject: "Re: " + confirmation.Subject, text: "Por la etiqueta."}
	for _, l := range []letter{byToken, byAddress, byTag} {
		if got := o.send(l); got.Event != ticket.EventReplied || got.Number != first {
			t.Errorf("%q: outcome %+v, want a reply in %s", l.text, got, first)
		}
		o.only(o.sent(), "ana@privada.example")
	}
	if got := o.send(reply(notification, ana, "Para las dos.")); got.Event != ticket.EventAnswered || got.Number != first {
		t.Errorf("outcome %+v: the agent's token of the old ticket leads to the new one", got)
	}
	mails = o.sent()
	o.only(mails, lauraAddr)
	answer := o.only(mails, "otra@estudiantes.example")
	if out := o.send(reply(answer, other, "Gracias, ya puedo entrar a todo menos a Física.")); out.Event != ticket.EventReplied || out.Number != first {
		t.Errorf("outcome %+v", out)
	}
	o.sent()
	// Neither reads the other's words.
	o.pass(2 * time.Hour)
	o.send(letter{from: other, to: "pregrado@virtual.example", subject: "estado " + out.Number.String()})
	m := o.only(o.sent(), "otra@estudiantes.example")
	if !strings.Contains(m.Text, "Tampoco me abre") || !strings.Contains(m.Text, "Para las dos") || strings.Contains(m.Text, "Cálculo") || strings.Contains(m.Text, "ya la matriculé") {
		t.Errorf("state:\n%s", m.Text)
	}
}

// A new mail from someone with an open ticket is offered to be joined to it.
func TestOpenTicketIsOffered(t *testing.T) {
	o := open(t)
	first, _, _ := o.opened()
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Más", text: "Olvidé decir algo."})
	m := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(m.Text, "otra solicitud abierta: 003181") || !strings.Contains(m.raw, "unir-a") {
		t.Errorf("notification:\n%s", m.Text)
	}
	if got := o.send(reply(m, ana, "/unir-a "+first.String())); got.Event != ticket.EventCommand {
		t.Errorf("outcome %+v", got)
	}
	if got, _ := o.ticket(out.Number); got.MergedInto.IsZero() {
		t.Error("not joined")
	}
	o.sent()
	// Beto may not see Ana's topic, and is told nothing of it.
	o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Posgrado", text: "Otra cosa."})
	mails := o.sent()
	if m := o.only(mails, "beto@privada.example"); strings.Contains(m.Text, "003181") {
		t.Errorf("Beto's notification:\n%s", m.Text)
	}
	if m := o.only(mails, "ana@privada.example"); !strings.Contains(m.Text, "003181") {
		t.Errorf("Ana's notification:\n%s", m.Text)
	}
	o.pass(31 * 24 * time.Hour)
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Un mes después", text: "Otra cosa."})
	if m := o.only(o.sent(), "ana@privada.example"); strings.Contains(m.Text, "solicitud abierta") {
		t.Errorf("after a month:\n%s", m.Text)
	}
}

func TestAgentsAreNeverAssignedTheirOwnTicket(t *testing.T) {
	o := open(t)
	out := o.send(letter{from: ana, to: "pregrado@virtual.example", subject: "Mi clave", text: "La olvidé."})
	got, _ := o.ticket(out.Number)
	if got.Assignee != "" || got.Requester != o.person("ana@privada.example").ID {
		t.Errorf("ticket %+v", got)
	}
	mails := o.sent()
	if o.only(mails, "ana@privada.example").row.Class != ticket.ClassConfirmation {
		t.Errorf("sent %v", addressees(mails))
	}
	toOlga := o.only(mails, "olga@privada.example")
	o.send(reply(toOlga, "Olga Paz <olga@privada.example>", "/asignar ana"))
	o.send(reply(toOlga, "Olga Paz <olga@privada.example>", "/transferir posgrado"))
	if got, _ := o.ticket(out.Number); got.Assignee == "ana" || got.Topic != "posgrado" {
		t.Errorf("ticket %+v", got)
	}
	for _, m := range o.sent() {
		if m.row.To == "ana@privada.example" && m.row.Class == ticket.ClassNotification {
			t.Errorf("Ana was told as an agent:\n%s", m.Text)
		}
	}
}

func TestAwayAgentsAreSkipped(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	o.send(reply(notification, ana, "/ausente 20/12"))
	o.sent()
	out := o.send(letter{from: "Otro <otro@estudiantes.example>", to: "pregrado@virtual.example", subject: "Hola", text: "Ayuda."})
	if got, _ := o.ticket(out.Number); got.Assignee != "" {
		t.Errorf("ticket %+v", got)
	}
	o.only(o.sent(), "olga@privada.example")
	o.send(letter{from: "Otro <otro@estudiantes.example>", to: "posgrado@virtual.example", subject: "Hola", text: "Ayuda."})
	mails := o.sent()
	o.only(mails, "beto@privada.example")
	if slices.ContainsFunc(mails, func(m mail) bool { return m.row.To == "ana@privada.example" }) {
		t.Errorf("sent %v", addressees(mails))
	}
	o.send(reply(confirmation, laura, "¿Hay noticias de mi aula?"))
	o.only(o.sent(), "olga@privada.example")
	if got, _ := o.ticket(n); got.Assignee != "ana" {
		t.Errorf("ticket %+v: it stays hers", got)
	}
}
