package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/ticket"
)

const autoClose = `
[auto_close]
resolved_after = "7d"
nudge_after = "10d"
waiting_after = "15d"
notice = "3d"
`

const oneDay = 24 * time.Hour

// days lets days pass, and has the clock look every six hours, with jumps and new
// starts between. It returns the mails to the requester.
func (o *office) days(n int) (mails []mail) {
	o.t.Helper()
	for i := range 4 * n {
		o.pass(6 * time.Hour)
		for _, jump := range []time.Duration{0, time.Hour, -time.Hour, 0} {
			o.pass(jump)
			o.remind()
		}
		if i%3 == 0 {
			o.restart()
			o.remind()
		}
	}
	for _, m := range o.sent() {
		if m.row.To == "laura@estudiantes.example" {
			mails = append(mails, m)
		}
	}
	return mails
}

// A canned answer of a rule's is nobody's word: a ticket that a rule has resolved with
// one, or has waiting, is not closed for the requester's silence; nor is it when the
// rule answers what they write later.
func TestCannedAnswersCloseNothing(t *testing.T) {
	for _, status := range []string{"resolved", "waiting"} {
		for _, on := range []string{"new", "reply"} {
			t.Run(status+" on "+on, func(t *testing.T) {
				o := openWith(t, withTime(autoClose+`
[[canned]]
id = "nueva"
name = "Clave nueva"
text = "Pida una clave nueva en la página."
[[rule]]
name = "clave"
on = "`+on+`"
if = "body contains 'mi clave'"
canned = "nueva"
status = "`+status+`"
`))
				text := "Perdí mi clave."
				if on == "reply" {
					text = "No puedo entrar."
				}
				out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: text})
				if on == "reply" {
					o.send(reply(o.only(o.sent(), "ana@privada.example"), ana, "¿Qué le falta?"))
					o.send(reply(o.only(o.sent(), "laura@estudiantes.example"), laura, "Perdí mi clave."))
				}
				if tk, _ := o.ticket(out.Number); string(tk.Status) != status {
					t.Fatalf("it is %s", tk.Status)
				}
				if !strings.Contains(o.sentTo("laura@estudiantes.example"), "Pida una clave nueva") {
					t.Error("no canned answer")
				}
				if mails := o.days(25); len(mails) != 0 {
					t.Errorf("%d mails:\n%s", len(mails), mails[0].Text)
				}
				if tk, _ := o.ticket(out.Number); string(tk.Status) != status {
					t.Errorf("it is %s", tk.Status)
				}
			})
		}
	}
}

// sentTo is all that was written to an address since the last look.
func (o *office) sentTo(address string) (all string) {
	o.t.Helper()
	for _, m := range o.sent() {
		if m.row.To == address {
			all += m.Text
		}
	}
	return all
}

func TestResolvedTicketsAreClosed(t *testing.T) {
	o := openWith(t, withTime(autoClose))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/resolver\nYa quedó el aula."))
	o.sent()
	if mails := o.days(6); len(mails) != 0 {
		t.Errorf("%d mails in the first days", len(mails))
	}
	mails := o.days(2)
	if len(mails) != 1 {
		t.Fatalf("%d notices", len(mails))
	}
	for _, want := range []string{"quedó resuelta", "La cerraremos el", "responda a este correo", "> Ya quedó el aula."} {
		if !strings.Contains(mails[0].Text, want) {
			t.Errorf("the notice lacks %q:\n%s", want, mails[0].Text)
		}
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusResolved {
		t.Errorf("%s before the notice has passed", got.Status)
	}
	if mails := o.days(4); len(mails) != 0 {
		t.Errorf("%d more mails", len(mails))
	}
	got, entries := o.ticket(n)
	if last := entries[len(entries)-1]; got.Status != ticket.StatusClosed || got.Closed.IsZero() || !strings.HasPrefix(last.Text, "closed: nobody has written since 2026-11-24") {
		t.Errorf("%s, %q", got.Status, last.Text)
	}
	if diff := cmp.Diff([]string{"nudge 2026-11-24T15:00:00Z 1"}, o.reminded(n)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWaitingTicketsAreClosed(t *testing.T) {
	o := openWith(t, withTime(autoClose))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "¿Cuál es el enlace?"))
	o.sent()
	if mails := o.days(9); len(mails) != 0 {
		t.Errorf("%d mails in the first days", len(mails))
	}
	mails := o.days(2)
	if len(mails) != 1 || !strings.Contains(mails[0].Text, "esperamos su respuesta") || !strings.Contains(mails[0].Text, "9 de diciembre") {
		t.Fatalf("%d nudges: %v", len(mails), mails)
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
		t.Error(got.Status)
	}
	o.days(5)
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}

// A reply to the notice keeps the ticket open, and the silence begins anew after
// the next answer.
func TestReplyToTheNoticeKeepsItOpen(t *testing.T) {
	o := openWith(t, withTime(autoClose))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/resolver\nYa quedó."))
	o.sent()
	notice := o.days(8)
	if len(notice) != 1 {
		t.Fatalf("%d notices", len(notice))
	}
	o.send(reply(notice[0], laura, "Todavía no me abre."))
	o.days(20)
	if got, _ := o.ticket(n); got.Status != ticket.StatusOpen {
		t.Fatalf("%s, and the requester has written", got.Status)
	}
	o.send(reply(notification, ana, "/resolver\nAhora sí."))
	o.sent()
	if again := o.days(8); len(again) != 1 {
		t.Errorf("%d notices of the second silence", len(again))
	}
	if o.days(4); len(o.reminded(n)) < 2 {
		t.Error(o.reminded(n))
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}

func TestNeverClosed(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		last   func(o *office, confirmation, notification mail)
	}{
		"a formal petition":   {withTime(autoClose, `id = "pregrado"`, "id = \"pregrado\"\npetition = true"), nil},
		"it is not asked for": {withTime(""), nil},
		"the last word is the requester's": {withTime(autoClose), func(o *office, confirmation, notification mail) {
			o.send(reply(confirmation, laura, "Gracias."))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := openWith(t, c.config)
			n, confirmation, notification := o.opened()
			o.send(reply(notification, ana, "/resolver\nListo."))
			if c.last != nil {
				c.last(o, confirmation, notification)
			}
			o.sent()
			before, _ := o.ticket(n)
			if mails := o.days(40); len(mails) != 0 {
				t.Errorf("%d mails to the requester", len(mails))
			}
			if got, _ := o.ticket(n); got.Status != before.Status || got.Status == ticket.StatusClosed {
				t.Errorf("%s became %s", before.Status, got.Status)
			}
		})
	}
}

// Tickets that came to rest before the configuration asked for it are watched too.
func TestAutoCloseSwitchedOn(t *testing.T) {
	o := openWith(t, withTime(""))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/resolver\nListo."))
	o.days(20)
	o.use(withTime(autoClose))
	if mails := o.days(8); len(mails) != 1 {
		t.Errorf("%d notices", len(mails))
	}
	o.days(4)
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}

// After a long stop the notice comes first, and its time passes before the end.
func TestNothingIsClosedWithoutAWord(t *testing.T) {
	o := openWith(t, withTime(autoClose))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "¿Cuál es el enlace?"))
	o.sent()
	o.pass(100 * oneDay)
	o.remind()
	o.remind()
	if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
		t.Fatalf("%s without a word", got.Status)
	}
	o.only(o.sent(), "laura@estudiantes.example")
	o.pass(3*oneDay - time.Minute)
	o.remind()
	if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
		t.Errorf("%s before the notice has passed", got.Status)
	}
	o.pass(time.Minute)
	o.remind()
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}

// A notice that a clock sent which was ahead by a week is none of the silence that
// begins when it is right again: nothing is closed without a word.
func TestNoticeOfAClockThatWasAhead(t *testing.T) {
	o := openWith(t, withTime(autoClose))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "¿Cuál es el enlace?"))
	o.sent()
	o.pass(16 * oneDay)
	o.remind()
	notice := o.only(o.sent(), "laura@estudiantes.example")
	o.pass(-7 * oneDay)
	o.send(reply(notice, laura, "Este es."))
	o.send(reply(notification, ana, "¿Y cuál curso?"))
	o.sent()
	if mails := o.days(12); len(mails) != 1 || !strings.Contains(mails[0].Text, "> ¿Y cuál curso?") {
		t.Errorf("%d notices of the second silence", len(mails))
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
		t.Error(got.Status)
	}
	o.days(4)
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}

// A period in which only those are closed who work by the ticket's calendar counts as
// little as one of the whole desk's, and the notice names the day after it.
func TestSilenceInAClosedPeriodOfACalendar(t *testing.T) {
	o := openWith(t, withTime(autoClose+`
[[closed]]
from = "2026-12-02"
until = "2026-12-10"
calendars = ["office"]
`))
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/resolver\nListo."))
	o.sent()
	mails := o.days(7)
	if len(mails) != 1 || !strings.Contains(mails[0].Text, "13 de diciembre") {
		t.Errorf("%d notices: %v", len(mails), mails)
	}
	o.at("2026-12-13 09:59")
	o.remind()
	if got, _ := o.ticket(n); got.Status != ticket.StatusResolved {
		t.Errorf("%s, and three days have not passed", got.Status)
	}
	o.at("2026-12-13 10:00")
	o.remind()
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}
