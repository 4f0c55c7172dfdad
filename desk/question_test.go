package desk_test

import (
	"context"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// heldFrom has Ana answer a notification from an address that is not hers, and
// returns the question that she gets.
func (o *office) heldFrom(from string) (n ticket.Number, question mail) {
	o.t.Helper()
	n, _, notification := o.opened()
	if out := o.send(reply(notification, from, "Ya la matriculé.")); out.Event != ticket.EventHeld {
		o.t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	if len(mails) != 1 {
		o.t.Fatalf("sent %v", addressees(mails))
	}
	return n, o.only(mails, "ana@privada.example")
}

func (o *office) heldState(id uint64) string {
	o.t.Helper()
	var state string
	err := o.store.View(func(tx *store.Tx) error {
		row, err := tx.Held(id)
		if err == nil {
			state = row.State
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return state
}

// links returns the mails that the mailto: links of a mail open, by what they say
// on the first line.
func links(t *testing.T, m mail, from string) map[string]letter {
	t.Helper()
	found := map[string]letter{}
	_, rest, _ := strings.Cut(htmlOf(m.raw), `href="mailto:`)
	for rest != "" {
		link, after, _ := strings.Cut(rest, `"`)
		to, query, _ := strings.Cut(html.UnescapeString(link), "?")
		values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
		if err != nil {
			t.Fatal(err)
		}
		to, err = url.PathUnescape(to)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.ReplaceAll(values.Get("body"), "\r\n", "\n")
		first, _, _ := strings.Cut(body, "\n")
		found[first] = letter{from: from, to: to, subject: values.Get("subject"), text: body}
		_, rest, _ = strings.Cut(after, `href="mailto:`)
	}
	return found
}

// "Yes, this was me", by Reply or by the link, from the registered address lets
// that one message through in the agent's name.
func TestYesThisWasMe(t *testing.T) {
	for name, answer := range map[string]func(question mail) letter{
		"reply":              func(q mail) letter { return reply(q, ana, "Sí.") },
		"reply, signed":      func(q mail) letter { return reply(q, ana, "sí, fui yo\n\n-- \nAna Ruiz\ncel 300 123 4567") },
		"another own adress": func(q mail) letter { return reply(q, "Ana <ana.ruiz@virtual.example>", "/si") },
		"link":               func(q mail) letter { return links(t, q, ana)["/si"] },
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			n, question := o.heldFrom("Ana <ana@casa.example>")
			if !strings.Contains(question.Text, "Ya la matriculé") || !strings.Contains(question.Text, "ana@casa.example") {
				t.Errorf("question:\n%s", question.Text)
			}
			if out := o.send(answer(question)); out.Event != ticket.EventDecided || out.Number != n {
				t.Fatalf("outcome %+v", out)
			}
			mails := o.sent()
			if m := o.only(mails, "laura@estudiantes.example"); !strings.Contains(m.Text, "Ya la matriculé") || m.From.Name != "Ana Ruiz · Pregrado" {
				t.Errorf("answer from %s:\n%s", m.From.Name, m.Text)
			}
			told := o.only(mails, "ana@privada.example")
			if !strings.Contains(told.Text, "se tramitó como suyo") || len(mails) != 2 {
				t.Errorf("told, of %d mails:\n%s", len(mails), told.Text)
			}
			if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
				t.Errorf("status %s", got.Status)
			}
			if state := o.heldState(1); state != store.HeldReleased {
				t.Errorf("held: %s", state)
			}
			// Once more, whether by the question or by what was told: nothing.
			for _, again := range []letter{reply(question, ana, "sí"), reply(told, ana, "No")} {
				o.pass(2 * time.Hour) // the hour's limit of automatic mail
				if out := o.send(again); out.Event != ticket.EventIgnored {
					t.Errorf("again: %+v", out)
				}
				if m := o.only(o.sent(), "ana@privada.example"); !strings.Contains(m.Text, "ya se había resuelto") {
					t.Errorf("told again:\n%s", m.Text)
				}
			}
			// That message alone: the next from there is held again.
			_, question = o.heldFrom("Ana <ana@casa.example>")
			if !strings.Contains(question.Text, "ana@casa.example") {
				t.Errorf("second question:\n%s", question.Text)
			}
		})
	}
}

// "Always" makes the address one of the agent's, in the state.
func TestYesAlways(t *testing.T) {
	o := open(t)
	n, question := o.heldFrom("Ana <ana@casa.example>")
	if out := o.send(links(t, question, ana)["/si siempre"]); out.Event != ticket.EventDecided {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	o.only(mails, "laura@estudiantes.example")
	if told := o.only(mails, "ana@privada.example"); !strings.Contains(told.Text, "desde ana@casa.example contará") {
		t.Errorf("told:\n%s", told.Text)
	}
	_, _, notification := o.opened()
	if out := o.send(reply(notification, "Ana <ANA@casa.example>", "Otra respuesta.")); out.Event != ticket.EventAnswered {
		t.Errorf("from the address that is hers now: %+v", out)
	}
	o.only(o.sent(), "laura@estudiantes.example")
	if out := o.send(letter{from: "Ana <ana@casa.example>", to: "pregrado@virtual.example", subject: "[#" + n.String() + "]", text: "Sin seña."}); out.Event != ticket.EventHeld {
		t.Errorf("without a token: %+v", out)
	}
	if out := o.send(reply(notification, "Ana <ana@otra.example>", "Más.")); out.Event != ticket.EventHeld {
		t.Errorf("from a third address: %+v", out)
	}
}

// Only where it can be: another agent's address is never offered or taken.
func TestAlwaysIsNotForOthersAddresses(t *testing.T) {
	for _, from := range []string{"Beto Sanz <beto@privada.example>", "Ana <ana@privada.example>"} {
		o := open(t)
		n, _, notification := o.opened()
		l := reply(notification, from, "Ya la matriculé.")
		l.envelope = byIMAP(1) // without Authentication-Results: held, whoever it is from
		o.send(l)
		question := o.only(o.sent(), "ana@privada.example")
		if _, ok := links(t, question, ana)["/si siempre"]; ok {
			t.Errorf("%s is offered as one of hers", from)
		}
		if out := o.send(reply(question, ana, "/si siempre")); out.Event != ticket.EventDecided || out.Number != n {
			t.Fatalf("outcome %+v", out)
		}
		err := o.store.View(func(tx *store.Tx) error {
			person, err := tx.PersonByAddress("ana@privada.example")
			if err == nil && len(person.Also) > 0 {
				t.Errorf("%s became hers: %+v", from, person.Also)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestItWasNotMe(t *testing.T) {
	o := open(t)
	n, question := o.heldFrom("Ana <ana@otra.example>")
	if out := o.send(links(t, question, ana)["/no"]); out.Event != ticket.EventDecided {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	if m := o.only(mails, "ana@privada.example"); len(mails) != 1 || !strings.Contains(m.Text, "se descartó") {
		t.Errorf("sent %v:\n%s", addressees(mails), m.Text)
	}
	if state := o.heldState(1); state != store.HeldDropped {
		t.Errorf("held: %s", state)
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusOpen {
		t.Errorf("status %s", got.Status)
	}
	if _, err := o.desk.Release(context.Background(), 1); err == nil {
		t.Error("what the agent disowned was released")
	}
}

// After its time a question does nothing, and the operators still can.
func TestQuestionExpires(t *testing.T) {
	o := open(t)
	_, question := o.heldFrom("Ana <ana@casa.example>")
	o.pass(15 * 24 * time.Hour)
	if out := o.send(reply(question, ana, "sí")); out.Event != ticket.EventIgnored {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	if m := o.only(mails, "ana@privada.example"); len(mails) != 1 || !strings.Contains(m.Text, "ya pasó") {
		t.Errorf("sent %v:\n%s", addressees(mails), m.Text)
	}
	if out, err := o.desk.Release(context.Background(), 1); err != nil || out.Event != ticket.EventAnswered {
		t.Errorf("release: %+v, %v", out, err)
	}
}

// An answer that only pretends to be the agent's does nothing: from another
// address with the right token, or with a token of another question.
func TestForgedYes(t *testing.T) {
	o := open(t)
	n, question := o.heldFrom("Ana <ana@casa.example>")
	for i, from := range []string{"Eva <eva@otra.example>", "Beto <beto@privada.example>", "Ana <ana@casa.example>", `"ana@privada.example" <eva@otra.example>`} {
		if out := o.send(reply(question, from, "sí")); out.Event != ticket.EventIgnored {
			t.Errorf("%s: %+v", from, out)
		}
		mails := o.sent()
		if i > 0 && len(mails) > 0 {
			t.Errorf("%s: sent %v", from, addressees(mails))
		}
		if i == 0 && !strings.Contains(o.only(mails, "ana@privada.example").Text, "eva@otra.example") {
			t.Error("the agent is not told that someone else answered")
		}
	}
	// Beto's own question, for Ana's message.
	_, _, notification := o.opened()
	o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra", text: "Para todos."})
	o.send(reply(o.only(o.sent(), "beto@privada.example"), "Beto <beto@casa.example>", "Hola."))
	betos := o.only(o.sent(), "beto@privada.example")
	if out := o.send(reply(betos, ana, "sí")); out.Event != ticket.EventIgnored {
		t.Errorf("another agent's question: %+v", out)
	}
	o.sent()
	for id := range uint64(2) {
		if state := o.heldState(id + 1); state != store.HeldKept {
			t.Errorf("held message %d: %s", id+1, state)
		}
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusOpen {
		t.Errorf("status %s", got.Status)
	}
	_ = notification
}

// What answers a question reaches no requester, whatever it says.
func TestAnswerToAQuestionIsNoAnswer(t *testing.T) {
	o := open(t)
	n, question := o.heldFrom("Ana <ana@casa.example>")
	_, before := o.ticket(n)
	l := reply(question, ana, "Hola, Laura. Ya la matriculé.")
	l.subject = "[#" + n.String() + "] " + l.subject
	if out := o.send(l); out.Event != ticket.EventIgnored {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	if m := o.only(mails, "ana@privada.example"); len(mails) != 1 || !strings.Contains(m.Text, "Hola, Laura") {
		t.Errorf("sent %v: what she wrote is lost:\n%s", addressees(mails), m.Text)
	}
	if _, after := o.ticket(n); len(after) != len(before) {
		t.Error("it was added to the ticket")
	}
	// An out-of-office to it does nothing either.
	l = reply(question, ana, "Estoy de vacaciones.")
	l.headers = append(l.headers, "Auto-Submitted: auto-replied")
	if out := o.send(l); out.Event != ticket.EventIgnored {
		t.Errorf("an out-of-office: %+v", out)
	}
	o.none("an out-of-office")
	if state := o.heldState(1); state != store.HeldKept {
		t.Errorf("held: %s", state)
	}
}

// Where addresses have no plus, the token stands in the body of the link's mail.
func TestQuestionWithoutPlusAddressing(t *testing.T) {
	o := openWith(t, strings.Replace(configuration, "[smtp]", "plus_addressing = false\n[smtp]", 1))
	_, question := o.heldFrom("Ana <ana@casa.example>")
	l := links(t, question, ana)["/si"]
	if strings.Contains(l.to, "+") {
		t.Fatalf("link to %s", l.to)
	}
	if out := o.send(l); out.Event != ticket.EventDecided {
		t.Fatalf("outcome %+v", out)
	}
	o.only(o.sent(), "laura@estudiantes.example")
}

// The requester's second address is asked about once, and known once confirmed.
func TestSecondAddress(t *testing.T) {
	for _, from := range []string{laura, "Laura <laura@casa.example>"} {
		t.Run(from, func(t *testing.T) {
			o := open(t)
			n, confirmation, _ := o.opened()
			o.send(reply(confirmation, "Laura <laura@casa.example>", "Escribo desde mi otro correo."))
			mails := o.sent()
			o.only(mails, "ana@privada.example")
			question := o.only(mails, "laura@estudiantes.example")
			if !strings.Contains(question.Text, "laura@casa.example") || len(mails) != 2 {
				t.Errorf("sent %v:\n%s", addressees(mails), question.Text)
			}
			o.send(reply(confirmation, "Laura <laura@casa.example>", "Y otra cosa."))
			o.only(o.sent(), "ana@privada.example") // and no second question

			if out := o.send(reply(question, "Eva <eva@otra.example>", "sí")); out.Event != ticket.EventIgnored {
				t.Errorf("confirmed from a third address: %+v", out)
			}
			o.sent()
			o.pass(2 * time.Hour) // the hour's limit of automatic mail
			answer := links(t, question, from)["/si"]
			if out := o.send(answer); out.Event != ticket.EventDecided {
				t.Fatalf("outcome %+v", out)
			}
			mails = o.sent()
			if m := o.only(mails, "laura@estudiantes.example"); len(mails) != 1 || !strings.Contains(m.Text, "contará como suyo") {
				t.Errorf("sent %v", addressees(mails))
			}
			if out := o.send(answer); out.Event != ticket.EventIgnored {
				t.Errorf("confirmed twice: %+v", out)
			}
			o.sent()

			o.send(reply(confirmation, "Laura <laura@casa.example>", "Ya confirmé."))
			update := o.only(o.sent(), "ana@privada.example")
			_, entries := o.ticket(n)
			if e := entries[len(entries)-1]; e.Unverified || e.Role != ticket.RoleRequester {
				t.Errorf("entry %+v", e)
			}
			// Even the number alone will do, and a new request is hers.
			if out := o.send(letter{from: "Laura <laura@casa.example>", to: "pregrado@virtual.example", subject: "[#" + n.String() + "]", text: "Más."}); out.Event != ticket.EventReplied {
				t.Errorf("by the number: %+v", out)
			}
			o.sent()
			out := o.send(letter{from: "Laura <laura@casa.example>", to: "pregrado@virtual.example", subject: "Nueva", text: "Nueva."})
			o.only(o.sent(), "laura@estudiantes.example")
			first, _ := o.ticket(n)
			if second, _ := o.ticket(out.Number); second.Requester != first.Requester {
				t.Error("a new request is not the same person's")
			}
			o.send(reply(update, ana, "Ya quedó."))
			mails = o.sent()
			o.only(mails, "laura@estudiantes.example")
			if len(mails) != 1 {
				t.Errorf("the answer went to %v", addressees(mails))
			}
		})
	}
}

// No, or words instead of an answer.
func TestSecondAddressOtherwise(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	o.send(reply(confirmation, "Eva <eva@otra.example>", "Laura me pidió escribir."))
	question := o.only(o.sent(), "laura@estudiantes.example")
	if out := o.send(reply(question, laura, "Es una amiga. ¿Ya la vieron?")); out.Event != ticket.EventReplied || out.Number != n {
		t.Errorf("words: %+v", out)
	}
	o.only(o.sent(), "ana@privada.example")
	if out := o.send(reply(question, laura, "No soy yo")); out.Event != ticket.EventDecided {
		t.Errorf("no: %+v", out)
	}
	o.sent()
	o.send(reply(confirmation, "Eva <eva@otra.example>", "Otra vez yo."))
	o.only(o.sent(), "ana@privada.example") // and no further question
	_, entries := o.ticket(n)
	if e := entries[len(entries)-1]; !e.Unverified {
		t.Errorf("entry %+v", e)
	}
}

// An agent may send as a topic address that the configuration lists, with a token.
func TestSendsAs(t *testing.T) {
	text := strings.Replace(configuration, `addresses = ["ana@privada.example", "ana.ruiz@virtual.example"]`,
		`addresses = ["ana@privada.example", "ana.ruiz@virtual.example"]`+"\n"+`sends_as = ["pregrado@virtual.example"]`, 1)
	o := openWith(t, text)
	_, _, notification := o.opened()
	if out := o.send(reply(notification, "Soporte <pregrado@virtual.example>", "Ya quedó.")); out.Event != ticket.EventAnswered {
		t.Errorf("with her token: %+v", out)
	}
	o.only(o.sent(), "laura@estudiantes.example")
	if out := o.send(reply(notification, "Soporte <posgrado@virtual.example>", "Ya quedó.")); out.Event != ticket.EventIgnored {
		t.Errorf("as an address that is not listed: %+v", out)
	}
	if out := o.send(letter{from: "Soporte <pregrado@virtual.example>", to: "pregrado@virtual.example", subject: notification.Subject, text: "Ya quedó."}); out.Event != ticket.EventIgnored {
		t.Errorf("without a token: %+v", out)
	}
	loop := reply(notification, "Soporte <pregrado@virtual.example>", "Ya quedó.")
	loop.headers = append(loop.headers, "Auto-Submitted: auto-generated")
	if out := o.send(loop); out.Event != ticket.EventIgnored {
		t.Errorf("our own notification come back: %+v", out)
	}
	loop = reply(notification, "Soporte <pregrado@virtual.example>", "Ya quedó.")
	loop.id = notification.MessageID
	if out := o.send(loop); out.Event != ticket.EventIgnored {
		t.Errorf("under our own Message-ID: %+v", out)
	}
	o.none("all of these")
}

// At paired domains the same local part is the same person.
func TestSameDomains(t *testing.T) {
	text := strings.Replace(configuration, "[smtp]", `same_domains = [["estudiantes.example", "correo.estudiantes.example"]]`+"\n[smtp]", 1)
	text = strings.Replace(text, `addresses = ["beto@privada.example"]`, `addresses = ["beto@estudiantes.example"]`, 1)
	o := openWith(t, text)
	n, confirmation, _ := o.opened()
	o.send(reply(confirmation, "Laura <laura@correo.estudiantes.example>", "Desde el otro dominio."))
	mails := o.sent()
	_, entries := o.ticket(n)
	if e := entries[len(entries)-1]; e.Unverified || len(mails) != 1 {
		t.Errorf("sent %v; entry %+v", addressees(mails), e)
	}
	first, _ := o.ticket(n)
	out := o.send(letter{from: "Laura <laura@correo.estudiantes.example>", to: "posgrado@virtual.example", subject: "Nueva", text: "Nueva."})
	if second, _ := o.ticket(out.Number); second.Requester != first.Requester {
		t.Error("a new request from there is another person's")
	}
	betos := o.only(o.sent(), "beto@estudiantes.example")
	if out := o.send(reply(betos, "Beto <beto@correo.estudiantes.example>", "Ya quedó.")); out.Event != ticket.EventAnswered {
		t.Errorf("an agent at the paired domain: %+v", out)
	}
	o.sent()
	if out := o.send(letter{from: "Laura <laura@otros.example>", to: "pregrado@virtual.example", subject: "[#" + n.String() + "]", text: "Yo."}); out.Event != ticket.EventTicketed {
		t.Errorf("at a domain that is not paired: %+v", out)
	}
}
