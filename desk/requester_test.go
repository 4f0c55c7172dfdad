package desk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// person finds someone in the store, or returns nil.
func (o *office) person(addr string) (found *ticket.Person) {
	o.t.Helper()
	_ = o.store.View(func(tx *store.Tx) (err error) {
		found, err = tx.PersonByAddress(addr)
		return err
	})
	return found
}

func (o *office) tickets() (n int) {
	o.t.Helper()
	err := o.store.View(func(tx *store.Tx) error {
		all, err := tx.Tickets(store.TicketFilter{}, 0)
		n = len(all)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

const lauraAddr = "laura@estudiantes.example"

// The state by every way in which a requester can ask for it, with the thread as
// they know it: neither notes nor events, nor what an agent is.
func TestStateByMail(t *testing.T) {
	for _, ask := range []struct {
		name string
		mail func(confirmation mail) letter
	}{
		{"the confirmation's link", func(c mail) letter { return reply(c, laura, "/estado") }},
		{"a full stop", func(c mail) letter { return reply(c, laura, ".Estado") }},
		{"a new mail", func(mail) letter {
			return letter{from: laura, to: "posgrado@virtual.example", subject: "Estado 003181"}
		}},
		{"accents and case", func(mail) letter {
			return letter{from: laura, to: "posgrado@virtual.example", subject: "ESTÁDO #3181"}
		}},
		{"a tag", func(mail) letter {
			return letter{from: laura, to: "pregrado@virtual.example", subject: "RE: estado [#003181]"}
		}},
		{"the number in the text", func(mail) letter {
			return letter{from: laura, to: "pregrado@virtual.example", subject: "estado", text: "3181"}
		}},
		{"said twice", func(mail) letter {
			return letter{from: laura, to: "pregrado@virtual.example", subject: "estado 3181", text: "/estado 3181"}
		}},
	} {
		t.Run(ask.name, func(t *testing.T) {
			o := open(t)
			n, confirmation, notification := o.opened()
			o.send(reply(notification, ana, "/nota secreto interno"))
			o.send(reply(notification, ana, "Ya la matriculé."))
			o.sent()
			before, entries := o.ticket(n)
			if out := o.send(ask.mail(confirmation)); out.Event != ticket.EventSeen || out.Number != n {
				t.Fatalf("outcome %+v", out)
			}
			mails := o.sent()
			m := o.only(mails, lauraAddr)
			for _, want := range []string{"003181", "en espera de su respuesta", "Ana Ruiz", "No me abre el aula", "Ya la matriculé"} {
				if !strings.Contains(m.Text, want) {
					t.Errorf("the state lacks %q:\n%s", want, m.Text)
				}
			}
			if strings.Contains(m.raw, "secreto interno") || strings.Contains(m.raw, "privada.example") || len(mails) != 1 {
				t.Errorf("the state says too much, or to too many (%v):\n%s", addressees(mails), m.Text)
			}
			if after, now := o.ticket(n); after.Status != before.Status || len(now) != len(entries) || o.tickets() != 1 {
				t.Error("asking has changed something")
			}
		})
	}
}

func TestStatesAreAList(t *testing.T) {
	o := open(t)
	o.opened()
	o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Recibo de pago", text: "¿Dónde está?"})
	o.send(letter{from: "Otro <otro@estudiantes.example>", to: "posgrado@virtual.example", subject: "De otro", text: "Otra."})
	o.sent()
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "status"})
	m := o.only(o.sent(), lauraAddr)
	for _, want := range []string{"003181", "003182", "Recibo de pago"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("the list lacks %q:\n%s", want, m.Text)
		}
	}
	if strings.Contains(m.Text, "003183") || o.tickets() != 3 {
		t.Errorf("the list has another's request, or a ticket was opened:\n%s", m.Text)
	}
}

// Whoever asks for what is not theirs gets one and the same text, whether there is
// such a ticket or not, and no ticket is opened for it.
func TestStateOfOthersTellsNothing(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	o.send(letter{from: "Otro <otro@estudiantes.example>", to: "posgrado@virtual.example", subject: "De otro", text: "Otra."})
	o.sent()
	texts := map[string]bool{}
	for i, l := range []letter{
		{from: "Otro <otro@estudiantes.example>", subject: "estado 003181"},
		{from: "Otro <otro@estudiantes.example>", subject: "estado 009999"},
		{from: "Nadie <nadie@otra.example>", subject: "estado 003181"},
		{from: "Nadie <nadie@otra.example>", subject: "estado [#003181]"},
		{from: "Nadie <nadie@otra.example>", subject: "estado"},
	} {
		l.to = "pregrado@virtual.example"
		if out := o.send(l); out.Event != ticket.EventSeen || out.Number != 0 {
			t.Errorf("%d: outcome %+v", i, out)
		}
		mails := o.sent()
		if len(mails) != 1 || !strings.Contains(l.from, mails[0].row.To) {
			t.Fatalf("%d: sent %v", i, addressees(mails))
		}
		texts[mails[0].Text] = true
	}
	if len(texts) != 1 {
		t.Errorf("the answers differ: %v", texts)
	}
	for text := range texts {
		if strings.Contains(text, "003181") || strings.Contains(text, "Laura") {
			t.Errorf("the answer tells something:\n%s", text)
		}
	}
	if got, entries := o.ticket(n); o.tickets() != 2 || len(entries) != 1 || len(got.Participants) != 2 {
		t.Errorf("something changed: %d tickets, %+v", o.tickets(), got)
	}
	// Of a thousand more, no more are answered than the hour allows.
	for i := range 20 {
		o.send(letter{from: "Nadie <nadie@otra.example>", to: "pregrado@virtual.example", subject: fmt.Sprintf("estado %d", 3181+i)})
	}
	o.none("the hour's limit")
}

// A mail about a state is a request, if it says anything else.
func TestMailAboutAStateIsARequest(t *testing.T) {
	for _, l := range []letter{
		{subject: "estado", text: "¿Cómo va mi matrícula?"},
		{subject: "Estado de mi matrícula", text: ""},
		{subject: "estado 3181 urgente", text: ""},
		{subject: "Ayuda", text: "/estado"},
	} {
		o := open(t)
		l.from, l.to = laura, "pregrado@virtual.example"
		if out := o.send(l); out.Event != ticket.EventTicketed {
			t.Errorf("%q, %q: outcome %+v", l.subject, l.text, out)
		}
	}
}

func TestRequesterCloses(t *testing.T) {
	for _, word := range []string{"/resolver", ".resuelto", "/solved"} {
		o := open(t)
		n, confirmation, _ := o.opened()
		if out := o.send(reply(confirmation, laura, word)); out.Event != ticket.EventCommand {
			t.Fatalf("outcome %+v", out)
		}
		mails := o.sent()
		if m := o.only(mails, lauraAddr); !strings.Contains(m.Text, "quedó cerrada") {
			t.Errorf("confirmation:\n%s", m.Text)
		}
		if m := o.only(mails, "ana@privada.example"); !strings.Contains(m.Text, "Laura Rojas dio por terminada") {
			t.Errorf("to the agent:\n%s", m.Text)
		}
		got, entries := o.ticket(n)
		if got.Status != ticket.StatusClosed || !got.Due.IsZero() || entries[len(entries)-1].Kind != ticket.EntryEvent || len(mails) != 2 {
			t.Errorf("ticket %+v, sent %v", got, addressees(mails))
		}
		o.send(reply(confirmation, laura, word)) // once more changes nothing, and tells no agent
		if mails := o.sent(); len(mails) != 1 || mails[0].row.To != lauraAddr {
			t.Errorf("sent %v", addressees(mails))
		}
	}
}

func TestWhetherItHelped(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/cerrar\nListo."))
	closed := o.only(o.sent(), lauraAddr)
	o.send(reply(closed, laura, "/me-sirvió"))
	if mails := o.sent(); len(mails) != 1 || mails[0].row.To != lauraAddr {
		t.Errorf("helped: sent %v", addressees(mails))
	}
	if got, _ := o.ticket(n); got.Helped != 1 || got.Status != ticket.StatusClosed {
		t.Errorf("ticket %+v", got)
	}
	o.send(reply(closed, laura, "/no me sirvió"))
	mails := o.sent()
	o.only(mails, lauraAddr)
	if m := o.only(mails, "ana@privada.example"); !strings.Contains(m.Text, "no le sirvió") {
		t.Errorf("to the agent:\n%s", m.Text)
	}
	got, entries := o.ticket(n)
	if got.Helped != -1 || got.Status != ticket.StatusClosed || !strings.Contains(entries[len(entries)-1].Text, "no le sirvió") {
		t.Errorf("ticket %+v", got)
	}
}

func TestRequesterCopies(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	o.send(reply(confirmation, laura, "/copiar prima@familia.example"))
	if m := o.only(o.sent(), lauraAddr); !strings.Contains(m.Text, "prima@familia.example participa") {
		t.Errorf("confirmation:\n%s", m.Text)
	}
	o.send(reply(notification, ana, "Ya quedó."))
	mails := o.sent()
	o.only(mails, lauraAddr)
	answer := o.only(mails, "prima@familia.example")
	if out := o.send(reply(answer, "prima@familia.example", "Gracias; falta el otro curso.")); out.Event != ticket.EventReplied {
		t.Errorf("outcome %+v", out)
	}
	o.sent()
	// The collaborator knows what was sent to them, and orders nothing.
	o.send(reply(answer, "prima@familia.example", "/estado"))
	if m := o.only(o.sent(), "prima@familia.example"); !strings.Contains(m.Text, "Ya quedó.") || strings.Contains(m.Text, "No me abre el aula") {
		t.Errorf("state for a collaborator:\n%s", m.Text)
	}
	if out := o.send(reply(answer, "prima@familia.example", "/copiar otra@familia.example")); out.Event != ticket.EventReplied {
		t.Errorf("outcome %+v: a collaborator's command is text", out)
	}
	o.sent()
	o.pass(2 * time.Hour)
	o.send(reply(confirmation, laura, "/retirar prima@familia.example"))
	o.only(o.sent(), lauraAddr)
	if got, _ := o.ticket(n); got.Participant(o.person("prima@familia.example").ID) != nil {
		t.Error("the collaborator is still there")
	}
	for _, address := range []string{"beto@privada.example", "ana.ruiz@virtual.example", "posgrado@virtual.example", "pregrado+x@virtual.example", "nada@", "curso@groups.example"} {
		o.pass(time.Hour)
		o.send(reply(confirmation, laura, "/copiar "+address))
		if m := o.only(o.sent(), lauraAddr); strings.Contains(m.Text, "participa ahora") {
			t.Errorf("%s was copied:\n%s", address, m.Text)
		}
	}
	for i := range 12 {
		o.pass(time.Hour)
		o.send(reply(confirmation, laura, fmt.Sprintf("/copiar p%d@familia.example", i)))
	}
	got, _ := o.ticket(n)
	count := 0
	for _, part := range got.Participants {
		if part.Role == ticket.RoleCollaborator {
			count++
		}
	}
	if count != 10 {
		t.Errorf("%d collaborators, and the limit is 10", count)
	}
}

// A From and a tag decide nothing about who reads the answers, and a token that
// came from elsewhere does not either.
func TestCopyingTakesAVerifiedSender(t *testing.T) {
	for name, forge := range map[string]func(c mail) letter{
		"a tag": func(c mail) letter {
			return letter{from: laura, to: "pregrado@virtual.example", subject: "Re: " + c.Subject, text: "/copiar espia@otra.example"}
		},
		"another address": func(c mail) letter {
			return reply(c, "Laura <laura@otra.example>", "/copiar espia@otra.example")
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			n, confirmation, _ := o.opened()
			if out := o.send(forge(confirmation)); out.Event != ticket.EventReplied {
				t.Errorf("outcome %+v, want it kept as text", out)
			}
			if o.person("espia@otra.example") != nil {
				t.Error("someone was copied")
			}
			if m := o.only(o.sent(), "ana@privada.example"); !strings.Contains(m.Text, "/copiar espia") {
				t.Errorf("the agent was told:\n%s", m.Text)
			}
			if _, entries := o.ticket(n); entries[len(entries)-1].Kind != ticket.EntryReply {
				t.Errorf("entry %+v", entries[len(entries)-1])
			}
		})
	}
	o := open(t)
	_, confirmation, _ := o.opened()
	l := letter{from: laura, to: "pregrado@virtual.example", subject: "Re: " + confirmation.Subject, text: "/copiar prima@familia.example", envelope: byIMAP(1)}
	l.headers = []string{"Authentication-Results: mx.virtual.example; dmarc=pass header.from=estudiantes.example"}
	if out := o.send(l); out.Event != ticket.EventCommand {
		t.Errorf("outcome %+v: the account's server vouches for it", out)
	}
}

func TestRequesterChoosesALanguage(t *testing.T) {
	o := open(t)
	_, confirmation, notification := o.opened()
	o.send(reply(confirmation, laura, "/idioma inglés"))
	if m := o.only(o.sent(), lauraAddr); !strings.Contains(m.Text, "From now on we write to you in English") {
		t.Errorf("confirmation:\n%s", m.Text)
	}
	o.send(reply(notification, ana, "/cerrar"))
	if m := o.only(o.sent(), lauraAddr); !strings.Contains(m.Text, "closed") {
		t.Errorf("closing mail:\n%s", m.Text)
	}
	o.send(reply(confirmation, laura, "/idioma francés"))
	if m := o.only(o.sent(), lauraAddr); !strings.Contains(m.Text, "Spanish or English") || o.person(lauraAddr).Language != "en" {
		t.Errorf("answer:\n%s", m.Text)
	}
}

// What merely looks like an agent's command is text.
func TestRequestersTextIsText(t *testing.T) {
	for _, text := range []string{
		"/cerrar", "/spam", "/borrar todo", "/asignar beto", "/nota algo", "/resolver\nGracias, pero falta algo.", "/resolver\n/estado",
		"/copiar", "/foo", "/mod/quiz falla", "//estado", "Escriba /estado", "/idioma",
	} {
		o := open(t)
		n, confirmation, _ := o.opened()
		if out := o.send(reply(confirmation, laura, text)); out.Event != ticket.EventReplied {
			t.Errorf("%q: outcome %+v", text, out)
		}
		if m := o.only(o.sent(), "ana@privada.example"); !strings.Contains(m.Text, strings.Split(text, "\n")[0]) {
			t.Errorf("%q: the agent reads:\n%s", text, m.Text)
		}
		got, entries := o.ticket(n)
		if got.Status != ticket.StatusOpen || got.Assignee != "ana" || entries[len(entries)-1].Text != text {
			t.Errorf("%q: ticket %+v, entry %q", text, got, entries[len(entries)-1].Text)
		}
	}
}

func TestConfirmationsOfCommandsAreLimited(t *testing.T) {
	o := open(t)
	_, confirmation, _ := o.opened()
	for range 10 {
		o.send(reply(confirmation, laura, "/estado"))
	}
	if mails := o.sent(); len(mails) != 2 { // the confirmation was the first of the hour's three
		t.Errorf("sent %v", addressees(mails))
	}
}

func TestBlockedPerson(t *testing.T) {
	o := open(t)
	first, confirmation, _ := o.opened()
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Gane dinero", text: "Compre."})
	second := o.only(o.sent(), "ana@privada.example")
	o.send(reply(second, ana, "/spam"))
	o.sent()
	if o.person(lauraAddr).Blocked.IsZero() {
		t.Fatal("not blocked")
	}
	before, _ := o.ticket(first)

	out = o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra vez", text: "Compre más."})
	if out.Event != ticket.EventTicketed {
		t.Errorf("outcome %+v", out)
	}
	if got, entries := o.ticket(out.Number); !got.Spam || got.Status != ticket.StatusClosed || !got.Due.IsZero() || len(entries) != 1 {
		t.Errorf("ticket %+v", got)
	}
	for _, l := range []letter{
		reply(confirmation, laura, "Respondan."), reply(confirmation, laura, "/resolver"), reply(confirmation, laura, "/estado"),
	} {
		if out := o.send(l); out.Event != ticket.EventReplied || out.Number != first {
			t.Errorf("outcome %+v", out)
		}
	}
	o.pass(40 * 24 * time.Hour)
	if out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "estado"}); out.Event != ticket.EventTicketed {
		t.Errorf("outcome %+v", out)
	}
	o.none("a blocked person")
	got, entries := o.ticket(first)
	if got.Status != before.Status || len(entries) != 4 {
		t.Errorf("ticket %+v with %d entries", got, len(entries))
	}
}

func TestAutoReplyNeverReopens(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/cerrar\nListo."))
	closed := o.only(o.sent(), lauraAddr)
	l := reply(closed, laura, "Estoy de vacaciones.")
	l.headers = append(l.headers, "Auto-Submitted: auto-replied")
	o.send(l)
	o.none("an out-of-office")
	if got, entries := o.ticket(n); got.Status != ticket.StatusClosed || entries[len(entries)-1].Kind != ticket.EntryNote {
		t.Errorf("ticket %+v", got)
	}
}

// An answer that was written by hand from the mailbox is in the state too, for
// whom it was sent to.
func TestStateShowsAnswersByHand(t *testing.T) {
	o := openWith(t, strings.Replace(configuration, `authserv_id = "mx.virtual.example"`, `authserv_id = "mx.virtual.example"`+"\nsent = \"Enviados\"", 1))
	_, confirmation, _ := o.opened()
	o.send(inSent(1, letter{
		from: "Soporte <pregrado@virtual.example>", to: lauraAddr, subject: "Re: No abre el aula", text: "Se la abrimos a mano.",
		headers: []string{"In-Reply-To: <m1@cliente.example>"},
	}))
	o.send(reply(confirmation, laura, "/estado"))
	if m := o.only(o.sent(), lauraAddr); !strings.Contains(m.Text, "Se la abrimos a mano.") {
		t.Errorf("state:\n%s", m.Text)
	}
}
