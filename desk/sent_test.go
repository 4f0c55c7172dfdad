package desk_test

import (
	"strings"
	"testing"

	"buzon/ticket"
)

// inSent is a mail as it lies in the Sent folder of the mailbox.
func inSent(uid uint32, l letter) letter {
	l.envelope = ticket.Envelope{Account: "soporte", Mailbox: "Enviados", UIDValidity: 3, UID: uid}
	return l
}

// An answer that someone wrote from the mailbox itself becomes an entry, and is
// sent to nobody; anything else in that folder is only recorded.
func TestAnsweredByHand(t *testing.T) {
	text := strings.Replace(configuration, `authserv_id = "mx.virtual.example"`, `authserv_id = "mx.virtual.example"`+"\n"+`sent = "Enviados"`, 1)
	text = strings.Replace(text, `addresses = ["beto@privada.example"]`, `addresses = ["beto@privada.example"]`+"\n"+`sends_as = ["posgrado@virtual.example"]`, 1)
	o := openWith(t, text)
	n, confirmation, notification := o.opened()

	const soporte = "Soporte <pregrado@virtual.example>"
	toLaura := func(l letter) letter { l.to = "laura@estudiantes.example"; return l }
	uid := uint32(10)
	for name, l := range map[string]letter{
		"a new mail":         {from: soporte, to: "laura@estudiantes.example", subject: "Hola", text: "Un saludo."},
		"the number only":    {from: soporte, to: "laura@estudiantes.example", subject: confirmation.Subject, text: "Un saludo."},
		"to somebody else":   {from: soporte, to: "jefe@virtual.example", subject: "Fwd: No abre", text: "Mire.", headers: []string{"References: <m1@cliente.example>"}},
		"what the desk sent": toLaura(letter{from: soporte, subject: confirmation.Subject, text: confirmation.Text, id: confirmation.MessageID, headers: []string{"In-Reply-To: <m1@cliente.example>"}}),
		"a machine's":        toLaura(letter{from: soporte, subject: "Re: No abre", text: "Ausente.", headers: []string{"In-Reply-To: <m1@cliente.example>", "Auto-Submitted: auto-replied"}}),
		"two senders":        toLaura(letter{from: soporte, subject: "Re: No abre", text: "Hola.", headers: []string{"In-Reply-To: <m1@cliente.example>", "From: x@otra.example"}}),
		"to the agent":       {from: soporte, to: "ana@privada.example", subject: notification.Subject, text: "Ana, mire.", headers: []string{"In-Reply-To: <" + notification.MessageID + ">"}},
	} {
		uid++
		if out := o.send(inSent(uid, l)); out.Event != ticket.EventIgnored {
			t.Errorf("%s: %+v", name, out)
		}
	}
	o.none("all of these")
	if _, entries := o.ticket(n); len(entries) != 1 {
		t.Errorf("%d entries", len(entries))
	}

	byHand := toLaura(letter{from: soporte, subject: "Re: No abre el aula", text: "Ya se la abrimos.", id: "mano@virtual.example", headers: []string{"In-Reply-To: <m1@cliente.example>"}})
	if out := o.send(inSent(1, byHand)); out.Event != ticket.EventAnswered || out.Number != n {
		t.Fatalf("outcome %+v", out)
	}
	o.none("an answer that was sent already")
	got, entries := o.ticket(n)
	if e := entries[1]; e.Kind != ticket.EntryAnswer || e.Role != ticket.RoleAgent || e.AuthorName != "Soporte" || !strings.Contains(e.Text, "Ya se la abrimos") {
		t.Errorf("entry %+v", e)
	}
	if got.Status != ticket.StatusWaiting || !got.Due.IsZero() || got.Answered.IsZero() {
		t.Errorf("ticket %+v", got)
	}
	if out := o.send(inSent(1, byHand)); out.Event != ticket.EventDuplicate {
		t.Errorf("the same delivery: %+v", out)
	}
	if out := o.send(inSent(2, byHand)); out.Event != ticket.EventIgnored {
		t.Errorf("a copy of it: %+v", out)
	}
	// The requester's reply to it is known by its Message-ID.
	if out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Re: No abre el aula", text: "Sigue igual.", headers: []string{"In-Reply-To: <mano@virtual.example>"}}); out.Event != ticket.EventReplied || out.Number != n {
		t.Errorf("outcome %+v", out)
	}
	o.sent()

	// Where only one agent sends as the address, it is that agent's.
	out := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra", text: "Otra.", id: "otra@cliente.example"})
	o.sent()
	o.send(inSent(3, toLaura(letter{from: "Posgrado <posgrado@virtual.example>", subject: "Re: Otra", text: "Claro.", headers: []string{"In-Reply-To: <otra@cliente.example>"}})))
	got, entries = o.ticket(out.Number)
	if entries[1].AuthorName != "Beto Sanz" || got.Assignee != "beto" {
		t.Errorf("entry %+v, with %q", entries[1], got.Assignee)
	}
	o.none("another one")
}
