package desk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/store"
	"buzon/ticket"
)

// byIMAP is the envelope of a mail from the mailbox, whose server writes
// Authentication-Results.
func byIMAP(uid uint32) ticket.Envelope {
	return ticket.Envelope{Account: "soporte", Mailbox: "INBOX", UIDValidity: 7, UID: uid}
}

// Mails that claim to be an agent's and are not shown to be: each is held, whole,
// nothing reaches the requester, nothing changes, and the agent is told.
func TestForgedAgent(t *testing.T) {
	pass := "Authentication-Results: mx.virtual.example; dmarc=pass header.from=privada.example"
	for name, forge := range map[string]func(o *office, notification mail) letter{
		"agent's From, tag only": func(_ *office, n mail) letter {
			return letter{from: ana, to: "pregrado@virtual.example", subject: "Re: " + n.Subject, text: "/cerrar\nListo."}
		},
		"agent's From, another ticket's token": func(o *office, n mail) letter {
			o.send(letter{from: "Otro <otro@estudiantes.example>", to: "pregrado@virtual.example", subject: "Otra cosa", text: "Otra."})
			other := o.only(o.sent(), "ana@privada.example")
			l := reply(other, "Beto Sanz <beto@privada.example>", "/cerrar\nListo.")
			l.subject = n.Subject
			return l
		},
		"the agent's token, a stranger's From": func(_ *office, n mail) letter {
			return reply(n, "Ana Ruiz <ana@otra.example>", "/cerrar\nListo.")
		},
		"the agent's token, another agent's From": func(_ *office, n mail) letter {
			return reply(n, "Beto Sanz <beto@privada.example>", "/cerrar\nListo.")
		},
		"the agent's address as a display name": func(_ *office, n mail) letter {
			return reply(n, `"ana@privada.example" <x@otra.example>`, "/cerrar\nListo.")
		},
		"no Authentication-Results where the account has them": func(_ *office, n mail) letter {
			l := reply(n, ana, "/cerrar\nListo.")
			l.envelope = byIMAP(1)
			return l
		},
		"a forged Authentication-Results below the topmost": func(_ *office, n mail) letter {
			l := reply(n, ana, "/cerrar\nListo.")
			l.envelope = byIMAP(1)
			l.headers = append(l.headers, "Authentication-Results: mx.virtual.example; dmarc=fail header.from=privada.example", pass)
			return l
		},
		"Authentication-Results of another server": func(_ *office, n mail) letter {
			l := reply(n, ana, "/cerrar\nListo.")
			l.envelope = byIMAP(1)
			l.headers = append(l.headers, "Authentication-Results: mx.otra.example; dmarc=pass")
			return l
		},
		"a pass inside a comment": func(_ *office, n mail) letter {
			l := reply(n, ana, "/cerrar\nListo.")
			l.envelope = byIMAP(1)
			l.headers = append(l.headers, `Authentication-Results: mx.virtual.example; spf=pass (x; dmarc=pass); dmarc=none`)
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			n, _, notification := o.opened()
			l := forge(o, notification)
			before, _ := o.ticket(n)
			out := o.send(l)
			if out.Event != ticket.EventHeld {
				t.Fatalf("outcome %+v", out)
			}
			for _, m := range o.sent() {
				if !strings.HasSuffix(m.row.To, "@privada.example") {
					t.Errorf("%s was sent to %s", m.row.Class, m.row.To)
				}
				_, why, _ := strings.Cut(m.Text, "Motivo: ")
				if why, _, _ = strings.Cut(why, "\n"); !strings.Contains(why, "correo") {
					t.Errorf("the agent is told why in words that are not theirs: %q", why)
				}
			}
			if after, _ := o.ticket(n); after.Status != before.Status {
				t.Errorf("status %s", after.Status)
			}
			err := o.store.View(func(tx *store.Tx) error {
				rows, err := tx.HeldList(10)
				if err != nil || len(rows) != 1 || rows[0].State != store.HeldKept {
					return fmt.Errorf("held: %+v, %w", rows, err)
				}
				raw, err := o.store.Raw(rows[0].Archive)
				if !strings.Contains(string(raw), "Listo.") {
					t.Error("the held message is not whole")
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAgentWithDMARCPass(t *testing.T) {
	o := open(t)
	_, _, notification := o.opened()
	l := reply(notification, "Ana Ruiz <ana.ruiz@virtual.example>", "Ya quedó.") // another of her addresses
	l.envelope = byIMAP(1)
	l.headers = append(l.headers, "Authentication-Results: mx.virtual.example;\r\n dkim=pass header.d=x; dmarc=pass (p=reject) header.from=virtual.example")
	if out := o.send(l); out.Event != ticket.EventAnswered {
		t.Fatalf("outcome %+v", out)
	}
	o.only(o.sent(), "laura@estudiantes.example")
}

func TestExpiredTokenIsAsNone(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.pass(401 * 24 * time.Hour)
	l := reply(notification, ana, "Ya quedó.")
	l.subject, l.headers = "Sin etiqueta", nil
	l.text = "Ya quedó."
	if out := o.send(l); out.Event != ticket.EventTicketed || out.Number == n {
		t.Fatalf("outcome %+v: mail to an expired address is taken as if it had none", out)
	}
}

func TestRelease(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, "Ana <ana@casa.example>", "Ya la matriculé."))
	o.sent()
	out, err := o.desk.Release(context.Background(), 1)
	if err != nil || out.Event != ticket.EventAnswered {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	if m := o.only(o.sent(), "laura@estudiantes.example"); !strings.Contains(m.Text, "Ya la matriculé") {
		t.Errorf("answer:\n%s", m.Text)
	}
	if _, err := o.desk.Release(context.Background(), 1); !errors.Is(err, desk.ErrSettled) {
		t.Errorf("released twice: %v", err)
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
		t.Errorf("status %s", got.Status)
	}
}

func TestStrangerCitesATag(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	_, before := o.ticket(n)
	existing := o.send(letter{from: "Eva <eva@otra.example>", to: "pregrado@virtual.example", subject: "Re: [#003181] No abre el aula", text: "¿Qué le dijeron?"})
	unknown := o.send(letter{from: "Eva <eva2@otra.example>", to: "pregrado@virtual.example", subject: "Re: [#999999] No abre el aula", text: "¿Qué le dijeron?"})
	if existing.Event != ticket.EventTicketed || unknown.Event != ticket.EventTicketed || existing.Number == n {
		t.Fatalf("outcomes %+v, %+v", existing, unknown)
	}
	if _, after := o.ticket(n); len(after) != len(before) {
		t.Error("a stranger added to the ticket by citing its number")
	}
	mails := o.sent()
	a, b := o.only(mails, "eva@otra.example"), o.only(mails, "eva2@otra.example")
	same := func(m mail, n ticket.Number) string { return strings.ReplaceAll(m.Text, n.String(), "N") }
	strip := func(s string) string { return ticket.StripTokens(s) }
	if strip(same(a, existing.Number)) != strip(same(b, unknown.Number)) {
		t.Errorf("the answers differ, and tell which number exists:\n%s\n---\n%s", a.Text, b.Text)
	}
	old, _ := o.ticket(n)
	if got, _ := o.ticket(existing.Number); !slices.Contains(got.Linked, old.ID) {
		t.Error("the new ticket is not linked to the cited one")
	}
}

func TestParticipantCitesTheTag(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	if out := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Más datos [#003181]", text: "Mi código es 123."}); out.Event != ticket.EventReplied || out.Number != n {
		t.Fatalf("outcome %+v", out)
	}
}

// A colleague in Cc answers all: it joins as an unverified third party's entry,
// without ticket or confirmation.
func TestReplyAll(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	out := o.send(letter{
		from: "Colega <colega@estudiantes.example>", to: "pregrado@virtual.example", subject: "Re: No abre el aula",
		text: "A mí me pasa igual.", headers: []string{"In-Reply-To: <m1@cliente.example>"},
	})
	if out.Event != ticket.EventReplied || out.Number != n {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	o.only(mails, "ana@privada.example")
	if len(mails) != 1 {
		t.Errorf("sent %v", addressees(mails))
	}
	_, entries := o.ticket(n)
	if e := entries[len(entries)-1]; e.Role != ticket.RoleThirdParty || !e.Unverified {
		t.Errorf("entry %+v", e)
	}
	o.send(letter{
		from: "Colega <colega@estudiantes.example>", to: "pregrado@virtual.example", subject: "Re: No abre el aula",
		text: "Y sigue igual.", headers: []string{"In-Reply-To: <m1@cliente.example>"},
	})
	o.none("the same third party again")
	if _, entries = o.ticket(n); len(entries) != 3 {
		t.Errorf("%d entries", len(entries))
	}
}

// The token with a foreign From: institutional mail that is forwarded to a
// private account. It joins, marked, and answers go to the registered address only.
func TestRequesterFromAnotherAddress(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	out := o.send(reply(confirmation, "Laura <laura@casa.example>", "Escribo desde mi otro correo."))
	if out.Event != ticket.EventReplied || out.Number != n {
		t.Fatalf("outcome %+v", out)
	}
	update := o.only(o.sent(), "ana@privada.example")
	_, entries := o.ticket(n)
	if !entries[1].Unverified {
		t.Error("the entry is not marked as unverified")
	}
	o.send(reply(update, ana, "Ya quedó."))
	mails := o.sent()
	o.only(mails, "laura@estudiantes.example")
	if len(mails) != 1 {
		t.Errorf("sent %v", addressees(mails))
	}
}

func TestAgentAsRequester(t *testing.T) {
	o := open(t)
	out := o.send(letter{from: ana, to: "pregrado@virtual.example", subject: "Mi propio curso", text: "Necesito ayuda."})
	got, _ := o.ticket(out.Number)
	if got.Assignee == "ana" {
		t.Error("an agent was assigned their own request")
	}
	mails := o.sent()
	o.only(mails, "ana@privada.example")  // the confirmation
	o.only(mails, "olga@privada.example") // the operators look after it
	o.send(reply(o.only(mails, "ana@privada.example"), ana, "/cerrar\nGracias, ya no."))
	if got, _ = o.ticket(out.Number); got.Status == ticket.StatusClosed {
		t.Error("a requester used an agent's command")
	}
}

func TestPostmaster(t *testing.T) {
	o := open(t)
	out := o.send(letter{from: "admin@otra.example", to: "postmaster@virtual.example", subject: "Su servidor", text: "Hola."})
	if got, _ := o.ticket(out.Number); got.Assignee != "olga" {
		t.Errorf("ticket %+v", got)
	}
	o.only(o.sent(), "olga@privada.example")
}

func TestNothingTwice(t *testing.T) {
	o := open(t)
	l := letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Una vez.", id: "unico@cliente.example"}
	first := o.send(l)
	if n := len(o.sent()); n != 2 {
		t.Fatalf("%d mails", n)
	}
	if out := o.send(l); out.Event != ticket.EventDuplicate {
		t.Errorf("the same delivery: %+v", out)
	}
	l.envelope = byIMAP(5)
	if out := o.send(l); out.Event != ticket.EventDuplicate {
		t.Errorf("the same message from the mailbox: %+v", out)
	}
	o.none("a copy")

	l.envelope = ticket.Envelope{}
	l.text = "Una vez.\n\n--\nEste mensaje pasó por la lista de correo."
	if out := o.send(l); out.Event != ticket.EventVariant {
		t.Errorf("with a footer: %+v", out)
	}
	o.none("a variant")

	l.from = "Otra <otra@estudiantes.example>"
	if out := o.send(l); out.Event != ticket.EventTicketed {
		t.Errorf("the same Message-ID from someone else: %+v", out)
	}
	o.sent()
	_, entries := o.ticket(first.Number)
	if len(entries) != 2 || entries[1].Kind != ticket.EntryEvent {
		t.Errorf("entries %+v", entries)
	}
	if _, unsettled, err := o.desk.Load(context.Background(), "soporte", "INBOX"); err != nil {
		t.Error(err, unsettled)
	}
}

func TestCopyToAnotherTopicRefersTheTicket(t *testing.T) {
	o := open(t)
	l := letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "A los dos.", id: "unico@cliente.example"}
	first := o.send(l)
	o.sent()
	l.envelope = ticket.Envelope{Account: "smtp", MailFrom: "x@cliente.example", Recipients: []string{"posgrado@virtual.example"}}
	if out := o.send(l); out.Event != ticket.EventDuplicate || out.Number != first.Number {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	o.only(mails, "beto@privada.example")
	for _, m := range mails {
		if strings.Contains(m.row.To, "estudiantes") {
			t.Error("the requester got a second confirmation")
		}
	}
	if out := o.send(l); out.Event != ticket.EventDuplicate {
		t.Errorf("outcome %+v", out)
	}
	o.none("the same delivery")
}

func TestBothTopicsInOneDelivery(t *testing.T) {
	o := open(t)
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "A los dos.", envelope: ticket.Envelope{
		Account: "smtp", Recipients: []string{"pregrado@virtual.example", "posgrado@virtual.example"},
	}})
	mails := o.sent()
	o.only(mails, "laura@estudiantes.example")
	o.only(mails, "ana@privada.example")
	o.only(mails, "beto@privada.example")
}

func TestAutomaticMail(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	ooo := reply(confirmation, laura, "Estoy de vacaciones.")
	ooo.headers = append(ooo.headers, "Auto-Submitted: auto-replied")
	if out := o.send(ooo); out.Event != ticket.EventNoted || out.Number != n {
		t.Errorf("out-of-office on the ticket: %+v", out)
	}
	agents := reply(notification, ana, "Estoy de vacaciones.")
	agents.headers = append(agents.headers, "Auto-Submitted: auto-replied")
	if out := o.send(agents); out.Event != ticket.EventNoted {
		t.Errorf("an agent's out-of-office: %+v", out)
	}
	byTag := letter{from: "robot@otra.example", to: "pregrado@virtual.example", subject: "Re: " + confirmation.Subject, text: "Recibido.", headers: []string{"Auto-Submitted: auto-replied"}}
	if out := o.send(byTag); out.Event != ticket.EventIgnored {
		t.Errorf("a robot that only cites the number: %+v", out)
	}
	if out := o.send(letter{from: "robot@otra.example", to: "pregrado@virtual.example", subject: "Acuse", text: "Recibido.", headers: []string{"Auto-Submitted: auto-replied"}}); out.Event != ticket.EventIgnored {
		t.Errorf("out of nothing: %+v", out)
	}
	if out := o.send(letter{from: "Pregrado <pregrado@virtual.example>", to: "pregrado@virtual.example", subject: "Eco", text: "Eco."}); out.Event != ticket.EventIgnored {
		t.Errorf("our own: %+v", out)
	}
	o.none("automatic mail")
	if got, _ := o.ticket(n); got.Status != ticket.StatusOpen {
		t.Errorf("status %s", got.Status)
	}
}

func TestBounce(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	out := o.send(letter{
		from: "Mail Delivery System <MAILER-DAEMON@mx.example>", to: confirmation.row.EnvelopeFrom, subject: "Undelivered Mail Returned to Sender",
		text: "<laura@estudiantes.example>: 550 5.1.1 no such user",
	})
	if out.Event != ticket.EventBounced || out.Number != n {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	if told := o.only(mails, "ana@privada.example"); !strings.Contains(told.Text, "laura@estudiantes.example") {
		t.Errorf("told:\n%s", told.Text)
	}
	if len(mails) != 1 {
		t.Errorf("sent %v", addressees(mails))
	}

	// An address that bounced gets no automatic mail for a while; what people
	// write to it is sent all the same.
	again := letter{from: laura, to: "pregrado@virtual.example", subject: "Otra", text: "Otra."}
	o.send(again)
	notification := o.only(o.sent(), "ana@privada.example")
	o.send(reply(notification, ana, "Hola."))
	o.only(o.sent(), "laura@estudiantes.example")
	o.pass(8 * 24 * time.Hour)
	o.send(again)
	o.only(o.sent(), "laura@estudiantes.example")
}

func TestUndelivered(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	err := o.desk.Report(context.Background(), confirmation.row.ID, ticket.Result{Permanent: true, Detail: "550 5.1.1 no such user"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	told := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(told.Text, "5.1.1") {
		t.Errorf("told:\n%s", told.Text)
	}
	_, entries := o.ticket(n)
	if e := entries[len(entries)-1]; e.Kind != ticket.EntryEvent || !strings.Contains(e.Text, "could not be delivered") {
		t.Errorf("entry %+v", e)
	}
	// Reported again, after a crash: nothing more happens.
	if err := o.desk.Report(context.Background(), confirmation.row.ID, ticket.Result{Permanent: true, Detail: "550"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	o.none("a second report")
}

// An attached mail of ours holds the token of whoever it was sent to: it is
// listed for others, and not sent along.
func TestAttachedMailOfOurs(t *testing.T) {
	o := open(t)
	_, confirmation, _ := o.opened()
	attach := func(inner string) mail {
		raw := "From: " + laura + "\r\nTo: pregrado@virtual.example\r\nSubject: Adjunto\r\nDate: Tue, 24 Nov 2026 11:00:00 -0500\r\n" +
			"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=MM\r\n\r\n--MM\r\nContent-Type: text/plain\r\n\r\nMire esto.\r\n" +
			"--MM\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=correo.eml\r\n\r\n" + inner + "\r\n--MM--\r\n"
		if _, err := o.desk.Receive(context.Background(), o.message([]byte(raw), ticket.Envelope{Account: "smtp", Recipients: []string{"pregrado@virtual.example"}})); err != nil {
			t.Fatal(err)
		}
		return o.only(o.sent(), "ana@privada.example")
	}
	ours := attach(confirmation.raw)
	token, _ := ticket.MessageIDToken(confirmation.MessageID)
	if strings.Contains(ours.raw, token) || len(ours.Attachments) != 0 || !strings.Contains(ours.Text, "correo.eml") {
		t.Errorf("files %+v:\n%s", ours.Attachments, ours.Text)
	}
	if other := attach("From: x@otra.example\r\nSubject: Otro\r\n\r\nHola"); len(other.Attachments) != 1 {
		t.Errorf("a harmless attached mail is not sent along: %+v", other.Attachments)
	}
}

// A message that breaks the desk's own code is kept, and the next one proceeds.
// Near the day's limit reminders and notifications wait, and answers still go.
