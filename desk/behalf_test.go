package desk_test

import (
	"slices"
	"strings"
	"testing"

	"buzon/ticket"
)

const anaPass = "Authentication-Results: mx.virtual.example; dmarc=pass header.from=privada.example"

// forwarded is what an agent's mail program makes of a requester's mail.
func forwarded(words string) letter {
	return letter{from: ana, to: "posgrado@virtual.example", subject: "RV: Clave de Turnitin", text: words + `

---------- Forwarded message ---------
De: Marta Gil <marta@estudiantes.example>
Date: lun, 23 nov 2026 a las 9:12
Subject: Clave de Turnitin
To: <ana@privada.example>


Buenos días. No recuerdo mi clave de Turnitin.

Marta`}
}

func TestForwardIn(t *testing.T) {
	for _, vouched := range []bool{true, false} {
		o := open(t)
		l := forwarded("Beto, ¿puedes verlo? Es de posgrado.")
		if vouched {
			l.headers, l.envelope = []string{anaPass}, byIMAP(1)
		}
		out := o.send(l)
		if out.Event != ticket.EventTicketed {
			t.Fatalf("outcome %+v", out)
		}
		got, entries := o.ticket(out.Number)
		if got.Requester != o.person("marta@estudiantes.example").ID || got.Subject != "Clave de Turnitin" || got.Topic != "posgrado" {
			t.Errorf("ticket %+v", got)
		}
		if len(entries) != 2 || entries[0].Kind != ticket.EntryRequest || entries[1].Kind != ticket.EntryNote {
			t.Fatalf("entries %+v", entries)
		}
		if !strings.HasPrefix(entries[0].Text, "Buenos días.") || strings.Contains(entries[0].Text, "Beto") || !strings.Contains(entries[1].Text, "Beto, ¿puedes verlo?") {
			t.Errorf("texts %q, %q", entries[0].Text, entries[1].Text)
		}
		if entries[0].Unverified == vouched {
			t.Errorf("vouched %t: entry %+v", vouched, entries[0])
		}
		mails := o.sent()
		toBeto := o.only(mails, "beto@privada.example")
		if !strings.Contains(toBeto.Text, "No recuerdo mi clave") || !strings.Contains(toBeto.Text, "puedes verlo") ||
			strings.Contains(toBeto.Text, "no se pudo comprobar") == vouched {
			t.Errorf("vouched %t: notification:\n%s", vouched, toBeto.Text)
		}
		transcript := o.only(mails, "ana@privada.example")
		if !strings.Contains(transcript.Text, "Se abrió la solicitud "+out.Number.String()+" a nombre de Marta Gil") {
			t.Errorf("transcript:\n%s", transcript.Text)
		}
		if strings.Contains(transcript.Text, "Todavía no le hemos escrito.") == vouched {
			t.Errorf("vouched %t: transcript:\n%s", vouched, transcript.Text)
		}
		if vouched {
			m := o.only(mails, "marta@estudiantes.example")
			if strings.Contains(m.raw, "Beto") || strings.Contains(m.raw, "privada.example") {
				t.Errorf("the confirmation tells of the agents:\n%s", m.raw)
			}
		}
		if want := map[bool]int{true: 3, false: 2}[vouched]; len(mails) != want {
			t.Errorf("vouched %t: sent %v", vouched, addressees(mails))
		}
		// An answer reaches the requester, and the note never does.
		o.send(reply(toBeto, "Beto Sanz <beto@privada.example>", "Hola, Marta: es su documento."))
		answer := o.only(o.sent(), "marta@estudiantes.example")
		if strings.Contains(answer.raw, "puedes verlo") || strings.Contains(answer.raw, "privada.example") || strings.Contains(answer.raw, "m1@cliente.example") {
			t.Errorf("answer:\n%s", answer.raw)
		}
	}
}

// What was opened in someone's name is taken back without blaming them.
func TestBehalfIsTakenBack(t *testing.T) {
	o := open(t)
	out := o.send(forwarded("Mírenlo."))
	transcript := o.only(o.sent(), "ana@privada.example")
	o.send(reply(transcript, ana, "/spam"))
	got, _ := o.ticket(out.Number)
	if got.Status != ticket.StatusClosed || !got.Spam {
		t.Errorf("ticket %+v", got)
	}
	if !o.person("marta@estudiantes.example").Blocked.IsZero() {
		t.Error("the requester is blocked, and wrote nothing")
	}
	for _, m := range o.sent() {
		if m.row.To == "marta@estudiantes.example" {
			t.Errorf("the requester was told:\n%s", m.Text)
		}
	}
}

func TestOpenedForSomeone(t *testing.T) {
	for _, first := range []string{"/para marta@estudiantes.example", "/for Marta Gil <marta@estudiantes.example>", ".para marta@estudiantes.example"} {
		o := open(t)
		out := o.send(letter{
			from: ana, to: "pregrado@virtual.example", subject: "Matrícula por teléfono", text: first + "\n\nLlamó porque no puede matricular Física.",
			headers: []string{anaPass}, envelope: byIMAP(1),
		})
		got, entries := o.ticket(out.Number)
		if got.Requester != o.person("marta@estudiantes.example").ID || got.Assignee != "ana" || got.Subject != "Matrícula por teléfono" {
			t.Errorf("%s: ticket %+v", first, got)
		}
		if len(entries) != 1 || entries[0].Text != "Llamó porque no puede matricular Física." || entries[0].Unverified {
			t.Errorf("%s: entries %+v", first, entries)
		}
		mails := o.sent()
		o.only(mails, "marta@estudiantes.example")
		transcript := o.only(mails, "ana@privada.example")
		if !strings.Contains(transcript.Text, "Ya le enviamos el número.") {
			t.Errorf("%s: transcript:\n%s", first, transcript.Text)
		}
		if len(mails) != 2 {
			t.Errorf("%s: sent %v", first, addressees(mails))
		}
		o.send(reply(transcript, ana, "Hola, Marta: ya puede."))
		o.only(o.sent(), "marta@estudiantes.example")
	}
}

// Whoever writes an agent's address into From gets nobody written to but agents.
func TestForgedBehalf(t *testing.T) {
	fail := "Authentication-Results: mx.virtual.example; dmarc=fail header.from=privada.example"
	for name, headers := range map[string][]string{
		"none": nil, "a failed one": {fail}, "another server's": {strings.Replace(anaPass, "mx.virtual", "mx.otra", 1)}, "one below": {fail, anaPass},
	} {
		o := open(t)
		out := o.send(letter{
			from: ana, to: "posgrado@virtual.example", subject: "Gane dinero", text: "/para victima@otra.example\nCompre.",
			headers: headers, envelope: byIMAP(1),
		})
		if _, entries := o.ticket(out.Number); !entries[0].Unverified {
			t.Errorf("%s: entry %+v", name, entries[0])
		}
		for _, m := range o.sent() {
			if !strings.HasSuffix(m.row.To, "@privada.example") {
				t.Errorf("%s: %s was written to", name, m.row.To)
			}
		}
	}
}

// A mail that only looks like it is an ordinary one.
func TestNotOnBehalf(t *testing.T) {
	for name, l := range map[string]letter{
		"a requester's forward":   {from: laura, subject: "Fwd: Clave", text: forwarded("Miren.").text},
		"a requester's command":   {from: laura, subject: "Ayuda", text: "/para marta@estudiantes.example\nHola."},
		"an address of the desk":  {from: ana, subject: "Ayuda", text: "/para posgrado@virtual.example\nHola."},
		"their own address":       {from: ana, subject: "Ayuda", text: "/para ana.ruiz@virtual.example\nHola."},
		"no address":              {from: ana, subject: "Ayuda", text: "/para Marta\nHola."},
		"another agent's forward": {from: ana, subject: "Fwd: Clave", text: strings.ReplaceAll(forwarded("Miren.").text, "marta@estudiantes", "beto@privada")},
	} {
		o := open(t)
		l.to = "posgrado@virtual.example"
		out := o.send(l)
		got, entries := o.ticket(out.Number)
		from := strings.TrimSuffix(l.from[strings.Index(l.from, "<")+1:], ">")
		if got.Behalf != 0 || got.Requester != o.person(from).ID || len(entries) != 1 {
			t.Errorf("%s: ticket %+v", name, got)
		}
	}
}

// What can't be carried out comes back to the agent, with the text, and nothing is
// opened; where nothing vouches for From it is a request like any other.
func TestForThatIsNotUnderstood(t *testing.T) {
	for name, c := range map[string]struct{ line, says string }{
		"no address":           {"/para Marta", "una dirección de correo completa"},
		"nothing":              {"/for", "una dirección de correo completa"},
		"half an address":      {"/para marta@", "una dirección de correo completa"},
		"two addresses":        {"/para marta@estudiantes.example, ivan@estudiantes.example", "una sola dirección"},
		"a topic behind it":    {"/para marta@estudiantes.example posgrado", "una sola dirección"},
		"another command":      {"/prioridad alta\n/para marta@estudiantes.example", "la única orden"},
		"an address of ours":   {"/para pregrado@virtual.example", "una dirección de la mesa de ayuda"},
		"the agent themselves": {".para ana.ruiz@virtual.example", "es una dirección suya"},
		"someone blocked":      {"/para laura@estudiantes.example", "está bloqueada"},
		"mistyped":             {"/prara marta@estudiantes.example", "/para marta@estudiantes.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			n, _, notification := o.opened()
			o.give(t, n, notification, ana, "/spam")
			mail := letter{
				from: "Ana <ana.ruiz@virtual.example>", to: "posgrado@virtual.example", subject: "Matrícula por teléfono",
				text:    c.line + "\nLlamó porque no puede matricular Física.\n\n-- \nAna",
				headers: []string{strings.Replace(anaPass, "privada.example", "virtual.example", 1)}, envelope: byIMAP(1),
			}
			out := o.send(mail)
			if out.Event != ticket.EventHeld || out.Number != 0 {
				t.Fatalf("outcome %+v", out)
			}
			mails := o.sent()
			back := o.only(mails, anaAt) // the registered address
			if len(mails) != 1 || !strings.Contains(back.Text, c.says) || !strings.Contains(back.Text, "no puede matricular Física") {
				t.Errorf("sent %v:\n%s", addressees(mails), back.Text)
			}
			if back.Subject != "Re: Matrícula por teléfono" || len(back.References) != 1 || back.From.Addr != "posgrado@virtual.example" {
				t.Errorf("it comes from %s as %q, in the conversation %q", back.From.Addr, back.Subject, back.References)
			}

			// The corrected mail, as a reply to what came back, does what was wanted.
			again := reply(back, "Ana <ana.ruiz@virtual.example>", "/para ivan@estudiantes.example\nLlamó.")
			again.headers = append([]string{mail.headers[0]}, again.headers...)
			again.envelope = byIMAP(2)
			out = o.send(again)
			if got, _ := o.ticket(out.Number); got.Behalf == 0 || got.Requester != o.person("ivan@estudiantes.example").ID {
				t.Errorf("corrected: %+v", got)
			}
		})
	}
}

func TestForgedForIsNotReturned(t *testing.T) {
	const line = "/para Marta\nCompre."
	fail := "Authentication-Results: mx.virtual.example; dmarc=fail header.from=privada.example"
	for name, l := range map[string]letter{
		"no results":        {from: ana, envelope: byIMAP(1)},
		"DMARC failed":      {from: ana, headers: []string{fail}, envelope: byIMAP(1)},
		"one below":         {from: ana, headers: []string{fail, anaPass}, envelope: byIMAP(1)},
		"another way in":    {from: ana, headers: []string{anaPass}},
		"a requester's own": {from: laura, headers: []string{"Authentication-Results: mx.virtual.example; dmarc=pass header.from=estudiantes.example"}, envelope: byIMAP(1)},
	} {
		o := open(t)
		l.to, l.subject, l.text = "posgrado@virtual.example", "Ayuda", line
		out := o.send(l)
		if got, _ := o.ticket(out.Number); out.Event != ticket.EventTicketed || got.Behalf != 0 {
			t.Errorf("%s: outcome %+v", name, out)
		}
		for _, m := range o.sent() {
			if strings.Contains(m.Text, "no se tramitó") {
				t.Errorf("%s: %s is told:\n%s", name, m.row.To, m.Text)
			}
		}
	}

	// Within the hour's limit of automatic mail; beyond it nothing is lost either.
	o := open(t)
	var events []string
	for i := range 5 {
		out := o.send(letter{from: ana, to: "posgrado@virtual.example", subject: "Ayuda", text: line, headers: []string{anaPass}, envelope: byIMAP(uint32(i + 1))})
		events = append(events, out.Event)
	}
	if want := []string{ticket.EventHeld, ticket.EventHeld, ticket.EventHeld, ticket.EventTicketed, ticket.EventTicketed}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
}
