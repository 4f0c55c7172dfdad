package desk_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/store"
	"buzon/ticket"
)

const officeCalendar = `
[[calendar]]
id = "office"
hours = ["mon-fri 08:00-12:00 13:00-17:00"]
holidays = "colombia"
[[sla]]
id = "normal"
calendar = "office"
answer = "2d"
answer_urgent = "4h"
resolve = "3d"
[[sla]]
id = "quick"
calendar = "office"
answer = "1h"
`

// withTime is the configuration with an SLA in its first topic, and more. It is a
// Tuesday at ten in Bogotá when the office opens.
func withTime(more string, oldnew ...string) string {
	text := strings.Replace(configuration, `reply_within = "1d"`, `sla = "normal"`, 1)
	return strings.NewReplacer(oldnew...).Replace(text) + officeCalendar + more
}

func (o *office) remind() int {
	o.t.Helper()
	n, err := o.desk.Remind(context.Background())
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// at sets the clock, in Bogotá.
func (o *office) at(text string) {
	o.t.Helper()
	now, err := time.ParseInLocation("2006-01-02 15:04", text, o.desk.Table().Zone)
	if err != nil {
		o.t.Fatal(err)
	}
	o.pass(now.Sub(o.clock()))
}

// dueAt looks when a ticket is due, in Bogotá; empty: never.
func (o *office) dueAt(n ticket.Number, want string) {
	o.t.Helper()
	t, _ := o.ticket(n)
	got := ""
	if !t.Due.IsZero() {
		got = t.Due.In(o.desk.Table().Zone).Format("2006-01-02 15:04")
	}
	if got != want {
		o.t.Errorf("ticket %s is due %q, want %q", n, got, want)
	}
}

// reminded lists what the journal says was done about a ticket by the clock.
func (o *office) reminded(n ticket.Number) (list []string) {
	o.t.Helper()
	t, _ := o.ticket(n)
	err := o.store.View(func(tx *store.Tx) error {
		events, err := tx.JournalOf(t.ID)
		for _, e := range events {
			if e.Kind == ticket.EventReminded {
				list = append(list, e.Detail)
			}
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

func TestDueInWorkingTime(t *testing.T) {
	o := openWith(t, withTime(""))
	n, confirmation, _ := o.opened()
	o.dueAt(n, "2026-11-26 10:00") // 16 hours of work later
	if !strings.Contains(confirmation.Text, "jueves 26 de noviembre de 2026, 10:00") {
		t.Errorf("the confirmation does not say when:\n%s", confirmation.Text)
	}
	o.at("2026-12-04 16:00") // before a weekend and a holiday on Tuesday
	n, _, _ = o.opened()
	o.dueAt(n, "2026-12-09 16:00")
}

// The independence of Cartagena is kept on the Monday after it (Ley 51 of 1983), in 2026
// on 16 November: neither it nor the days before it count, also when the requester
// writes on it.
func TestClocksOverALongWeekend(t *testing.T) {
	o := openWith(t, withTime(""))
	o.at("2026-11-12 15:00")
	n, confirmation, notification := o.opened()
	o.dueAt(n, "2026-11-17 15:00") // two hours, eight, and six of the Tuesday
	if !strings.Contains(confirmation.Text, "martes 17 de noviembre de 2026, 15:00") {
		t.Errorf("the confirmation does not say when:\n%s", confirmation.Text)
	}
	o.at("2026-11-13 16:00")
	o.send(reply(notification, ana, "/espera"))
	o.at("2026-11-16 10:00")
	o.send(reply(confirmation, laura, "Aquí está lo que falta."))
	o.dueAt(n, "2026-11-17 16:00") // seven hours are left
}

// What was used counts, and what passes while the requester has their turn doesn't.
func TestClocksStandStillWhileWaiting(t *testing.T) {
	o := openWith(t, withTime(""))
	n, confirmation, notification := o.opened()
	o.at("2026-11-24 12:00")
	o.send(reply(notification, ana, "/espera"))
	o.dueAt(n, "")
	o.at("2026-11-30 08:00")
	if o.remind() != 0 {
		t.Error("reminded of a ticket that waits for the requester")
	}
	o.send(reply(confirmation, laura, "Aquí está lo que falta."))
	o.dueAt(n, "2026-12-01 15:00") // 14 of 16 hours are left
	got, _ := o.ticket(n)
	if want := o.desk.Table().Calendar("office").Add(o.clock(), 22*time.Hour); !got.ResolveClock.Due.Equal(want) {
		t.Errorf("to be resolved by %s, want %s", got.ResolveClock.Due, want)
	}
	// An answer ends the first clock and not the second.
	o.at("2026-11-30 10:00")
	o.send(reply(notification, ana, "¿Y el enlace?"))
	o.dueAt(n, "")
	o.at("2026-12-02 10:00")
	o.send(reply(confirmation, laura, "Este es."))
	o.dueAt(n, "2026-12-04 10:00") // 16 hours anew; to be resolved in 20
	got, _ = o.ticket(n)
	if want := o.desk.Table().Calendar("office").Add(o.clock(), 20*time.Hour); !got.ResolveClock.Due.Equal(want) || got.AnswerDue.IsZero() {
		t.Errorf("to be resolved by %s, want %s", got.ResolveClock.Due, want)
	}
	// Resolved and reopened, everything begins anew.
	o.send(reply(notification, ana, "/resolver\nListo."))
	o.at("2026-12-03 08:00")
	o.send(reply(confirmation, laura, "No quedó."))
	got, _ = o.ticket(n)
	if want := o.desk.Table().Calendar("office").Add(o.clock(), 24*time.Hour); !got.ResolveClock.Due.Equal(want) {
		t.Errorf("reopened, to be resolved by %s, want %s", got.ResolveClock.Due, want)
	}
}

func TestPriorityAndTopicChangeTheDueTime(t *testing.T) {
	o := openWith(t, withTime("", `id = "posgrado"`, "id = \"posgrado\"\nsla = \"quick\""))
	n, _, notification := o.opened()
	o.at("2026-11-24 11:00")
	for _, x := range []struct{ command, due, says string }{
		{"/prioridad urgente", "2026-11-24 15:00", "Vence: martes 24 de noviembre de 2026, 15:00."},
		{"/prioridad normal", "2026-11-26 10:00", "Vence: jueves 26 de noviembre de 2026, 10:00."},
		{"/trasladar posgrado", "2026-11-24 11:00", "Vence: martes 24 de noviembre de 2026, 11:00."},
	} {
		o.sent()
		o.send(reply(notification, ana, x.command))
		o.dueAt(n, x.due)
		if m := o.only(o.sent(), "ana@privada.example"); !strings.Contains(m.Text, x.says) {
			t.Errorf("%s: the transcript does not say %q:\n%s", x.command, x.says, m.Text)
		}
	}
	// /undo brings the time back too.
	o.send(reply(notification, ana, "/deshacer"))
	o.dueAt(n, "2026-11-26 10:00")
	// A date that a person has set wins over both.
	o.send(reply(notification, ana, "/vence 30/11"))
	o.dueAt(n, "2026-11-30 23:59")
	o.send(reply(notification, ana, "/prioridad urgente\n/trasladar posgrado"))
	o.dueAt(n, "2026-11-30 23:59")
}

// A date that was promised holds when the requester writes before it, and is over
// when they write after it.
func TestPromisedDateAndWaiting(t *testing.T) {
	o := openWith(t, withTime(""))
	n, confirmation, notification := o.opened()
	o.send(reply(notification, ana, "/vence 30/11\nLe contestamos el lunes."))
	o.dueAt(n, "")
	o.at("2026-11-25 09:00")
	o.send(reply(confirmation, laura, "Gracias, ¿y el otro curso?"))
	o.dueAt(n, "2026-11-30 23:59")
	o.send(reply(notification, ana, "También."))
	o.at("2026-12-01 08:00")
	o.send(reply(confirmation, laura, "¿Qué pasó?"))
	o.dueAt(n, "2026-12-02 17:00")
}

// A date that is set while it is the requester's turn is not owed before theirs is over,
// and puts off neither the notice nor the end of a silence.
func TestPromiseWhileWaiting(t *testing.T) {
	o := openWith(t, withTime(autoClose))
	n, confirmation, notification := o.opened()
	o.send(reply(notification, ana, "¿Cuál es el enlace?"))
	o.send(reply(notification, ana, "/vence 31/01/2027"))
	o.dueAt(n, "")
	o.sent()
	if mails := o.days(11); len(mails) != 1 {
		t.Errorf("%d notices", len(mails))
	}
	o.send(reply(confirmation, laura, "Este es."))
	o.dueAt(n, "2027-01-31 23:59")
	o.send(reply(notification, ana, "¿Y el curso?"))
	o.sent()
	o.send(reply(notification, ana, "/vence 31/01/2027"))
	o.days(16)
	if got, _ := o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error(got.Status)
	}
}

func TestWarning(t *testing.T) {
	o := openWith(t, withTime(""))
	n, _, notification := o.opened()
	o.at("2026-11-25 14:59")
	if o.remind() != 0 {
		t.Error("warned too soon")
	}
	o.at("2026-11-25 15:00") // 12 of 16 hours
	if o.remind() != 1 || o.remind() != 0 {
		t.Error("a warning was due, once")
	}
	m := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(m.Text, "El plazo vence el jueves 26 de noviembre de 2026, 10:00.") || !slices.Contains(m.References, notification.MessageID) {
		t.Errorf("the warning:\n%s", m.Text)
	}
	o.restart()
	o.at("2026-11-26 10:00")
	if o.remind() != 1 {
		t.Error("the reminder is missing")
	}
	if m := o.only(o.sent(), "ana@privada.example"); !strings.Contains(m.Text, "El plazo venció el jueves") {
		t.Errorf("the reminder:\n%s", m.Text)
	}
	// A due time that goes and comes back has its reminders behind it.
	o.send(reply(notification, ana, "/prioridad urgente"))
	o.remind()
	o.send(reply(notification, ana, "/prioridad normal"))
	o.sent()
	if o.remind() != 0 {
		t.Errorf("reminded twice of one due time: %v", o.reminded(n))
	}
	want := []string{"warn 2026-11-26T15:00:00Z 0", "due 2026-11-26T15:00:00Z 1", "due 2026-11-24T20:00:00Z 1"}
	if diff := cmp.Diff(want, o.reminded(n)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who has several tickets that are due gets one mail, from which each can be
// answered.
func TestOneMailForSeveral(t *testing.T) {
	o := openWith(t, withTime("", `id = "posgrado"`, "id = \"posgrado\"\nsla = \"normal\""))
	first, _, _ := o.opened()
	second, _, _ := o.opened()
	third := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Del equipo", text: "Hola."}).Number
	o.sent()
	o.at("2026-11-26 10:00")
	if n := o.remind(); n != 2 {
		t.Errorf("%d mails, want one for Ana and one for Beto", n)
	}
	mails := o.sent()
	m := o.only(mails, "ana@privada.example")
	for _, n := range []ticket.Number{first, second, third} {
		if !strings.Contains(m.Text, n.String()) || len(o.reminded(n)) != 1 {
			t.Errorf("ticket %s: %v; the mail reads\n%s", n, o.reminded(n), m.Text)
		}
	}
	if m.Subject != "3 solicitudes esperan respuesta · Mesa de ayuda" || len(m.row.Tickets) != 3 || strings.Count(htmlOf(m.raw), "mailto:") != 3 {
		t.Errorf("%q, of %d tickets, with %d links", m.Subject, len(m.row.Tickets), strings.Count(htmlOf(m.raw), "mailto:"))
	}
	if beto := o.only(mails, "beto@privada.example"); !strings.HasPrefix(beto.Subject, "[#00318") {
		t.Errorf("Beto's only one is told as %q", beto.Subject)
	}
	o.restart()
	if o.remind() != 0 {
		t.Error("told twice")
	}
}

func TestEscalation(t *testing.T) {
	o := openWith(t, withTime("[reminder]\nwarn = 0\nescalate = [\"lead\", \"administrator\"]\n",
		`id = "beto"`, "id = \"beto\"\nrole = \"lead\"", `id = "posgrado"`, "id = \"posgrado\"\nsla = \"normal\""))
	out := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Del equipo", text: "Hola."})
	o.send(reply(o.only(o.sent(), "ana@privada.example"), ana, "/tomar"))
	o.sent()
	for _, want := range [][]string{
		{"ana@privada.example"},
		{"ana@privada.example", "beto@privada.example"},
		{"ana@privada.example", "beto@privada.example", "olga@privada.example"},
		nil,
	} {
		o.at(map[int]string{1: "2026-11-26 10:00", 2: "2026-11-27 10:00", 3: "2026-11-30 10:00", 0: "2026-12-02 10:00"}[len(want)])
		o.remind()
		mails := o.sent()
		var got []string
		for _, m := range mails {
			got = append(got, m.row.To)
			if told := strings.Contains(m.Text, "nadie la ha contestado"); told != (m.row.To != "ana@privada.example") {
				t.Errorf("%s reads:\n%s", m.row.To, m.Text)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ticket %s (-want +got):\n%s", out.Number, diff)
		}
	}
}

// Outside of working hours nobody is reminded, and nothing is lost by it.
func TestQuietHours(t *testing.T) {
	o := openWith(t, withTime("[reminder]\nwarn = 0\n", `sla = "normal"`, `reply_within = "10h"`, `id = "ana"`, "id = \"ana\"\ncalendar = \"office\""))
	n, _, _ := o.opened()
	o.at("2026-11-24 20:05")
	if o.remind() != 0 {
		t.Error("reminded in the evening")
	}
	o.restart()
	o.at("2026-11-25 07:59")
	if o.remind() != 0 {
		t.Error("reminded before work")
	}
	o.at("2026-11-25 08:00")
	if o.remind() != 1 || o.remind() != 0 || len(o.reminded(n)) != 1 {
		t.Errorf("reminded of %v", o.reminded(n))
	}
}

func TestClosedPeriod(t *testing.T) {
	o := openWith(t, withTime(`
[[closed]]
from = "2026-11-24"
until = "2026-11-26"
text = "Estamos en Semana Institucional y respondemos desde el viernes."
text_en = "We are closed until Friday."
[auto_close]
nudge_after = "1d"
`, `id = "beto"`, "id = \"beto\"\naway = [\"2026-11-24..2026-12-20\"]"))
	n, confirmation, notification := o.opened()
	if !strings.Contains(confirmation.Text, "Semana Institucional") || !strings.Contains(htmlOf(confirmation.raw), "Semana Institucional") {
		t.Errorf("the confirmation:\n%s", confirmation.Text)
	}
	o.dueAt(n, "2026-11-30 17:00")
	o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Del equipo", text: "Hola."})
	if mails := o.sent(); slices.ContainsFunc(mails, func(m mail) bool { return m.row.To == "beto@privada.example" }) {
		t.Error("Beto is away, and was told")
	}
	o.send(reply(notification, ana, "¿Cuál curso?\n\n"))
	o.send(reply(notification, ana, "/vence 25/11\n/reabrir")) // a promise in the closed days
	o.sent()
	o.at("2026-11-26 12:00")
	if n := o.remind(); n != 0 {
		t.Errorf("%d mails while it is closed: %v", n, addressees(o.sent()))
	}
	o.at("2026-11-27 08:00")
	if o.remind() == 0 {
		t.Error("no reminder when it opens again")
	}
	if m := o.only(o.sent(), "ana@privada.example"); m.row.Class != ticket.ClassReminder {
		t.Error(m.row.Class)
	}
	o.opened()
	o.at("2026-11-28 08:00")
	_, confirmation, _ = o.opened()
	if strings.Contains(confirmation.Text, "Semana Institucional") {
		t.Error("the closed period is over, and confirmations still speak of it")
	}
}
