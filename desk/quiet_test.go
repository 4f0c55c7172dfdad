package desk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// openQuiet is an office in which notifications are told together.
func openQuiet(t *testing.T) *office {
	o := open(t)
	o.desk.Table().Config.Desk.Quiet = routing.Duration(2 * time.Minute)
	return o
}

// leave sends everything that is due, and returns what agents are told.
func (o *office) leave() (told []mail) {
	o.t.Helper()
	return o.leaving(ticket.Result{Sent: true})
}

// leaving has everything that is due tried, with one result.
func (o *office) leaving(r ticket.Result) (told []mail) {
	o.t.Helper()
	rows, _, err := o.desk.Outbox("").Due(o.t.Context(), o.clock(), 1000, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, row := range rows {
		if err := o.desk.Report(o.t.Context(), row.ID, r, o.clock().Add(time.Hour)); err != nil {
			o.t.Fatal(err)
		}
		if row.Class == ticket.ClassNotification {
			o.read = row.ID - 1
			told = append(told, o.sent()[0])
		}
	}
	return told
}

func (o *office) next() time.Time {
	o.t.Helper()
	_, next, err := o.desk.Outbox("").Due(o.t.Context(), o.clock(), 1, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return next
}

// outbox lists the notifications of the outbox, the oldest first.
func (o *office) outbox() (rows []*ticket.Outgoing) {
	o.t.Helper()
	err := o.store.View(func(tx *store.Tx) error {
		all, err := tx.OutgoingList("", 0)
		slices.Reverse(all)
		rows = slices.DeleteFunc(all, func(r *ticket.Outgoing) bool { return r.Class != ticket.ClassNotification })
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return rows
}

// toldOnce checks that every entry of the ticket that a person wrote is in exactly
// one mail to each agent that is not dropped.
func (o *office) toldOnce(n ticket.Number) {
	o.t.Helper()
	t, entries := o.ticket(n)
	told := map[string]map[uint32]int{}
	for _, row := range o.outbox() {
		if row.Ticket != t.ID || row.State == ticket.OutgoingDropped {
			if row.State == ticket.OutgoingDropped && row.FoldedInto == 0 {
				o.t.Errorf("row %d was dropped in favour of nothing", row.ID)
			}
			continue
		}
		if told[row.To] == nil {
			told[row.To] = map[uint32]int{}
		}
		for _, seq := range row.Tells {
			told[row.To][seq]++
		}
	}
	for to, times := range told {
		for _, e := range entries {
			if e.Kind != ticket.EntryRequest && e.Kind != ticket.EntryReply {
				continue
			}
			if times[e.Seq] != 1 {
				o.t.Errorf("%s is told %d times of entry %d", to, times[e.Seq], e.Seq)
			}
		}
	}
}

func TestSoonAfterIsOneNotification(t *testing.T) {
	o := openQuiet(t)
	n, confirmation, first := o.opened()
	if got := o.leave(); len(got) != 1 || got[0].MessageID != first.MessageID {
		t.Fatalf("at once: %v", addressees(got))
	}
	queued := o.clock()
	for i, text := range []string{"Se me olvidó: es el grupo dos.", "Y el profesor es Díaz.", "Adjunto la captura."} {
		o.pass(20 * time.Second)
		l := reply(confirmation, laura, text)
		if i == 2 {
			l = withFile(l, "captura.png")
		}
		if out := o.send(l); out.Event != ticket.EventReplied {
			t.Fatalf("outcome %+v", out)
		}
		if got := o.leave(); len(got) != 0 {
			t.Errorf("too soon: %v", addressees(got))
		}
	}
	if next := o.next(); !next.Equal(queued.Add(2 * time.Minute)) {
		t.Errorf("the next one is due at %s, and the first was queued at %s", next, queued)
	}
	o.pass(time.Minute)
	got := o.leave()
	if len(got) != 1 {
		t.Fatalf("after two minutes: %v", addressees(got))
	}
	m := got[0]
	last := 0
	for _, want := range []string{"3 mensajes en la solicitud 003181", "10:00, Laura Rojas <laura@estudiantes.example>", "es el grupo dos",
		"10:00, Laura Rojas", "Díaz", "10:01, Laura Rojas", "Adjunto la captura.", "captura.png"} {
		i := strings.Index(m.Text[last:], want)
		if i < 0 {
			t.Errorf("%q does not come in its place:\n%s", want, m.Text)
			continue
		}
		last += i
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "captura.png" {
		t.Errorf("attachments %+v", m.Attachments)
	}
	// In her mail program it answers a mail that she has.
	if !slices.Equal(m.InReplyTo, []string{first.MessageID}) || m.Subject != first.Subject {
		t.Errorf("it answers %q; %q", m.InReplyTo, m.Subject)
	}
	if got := o.outbox(); len(got) != 4 || got[1].FoldedInto != got[2].ID || got[2].FoldedInto != got[3].ID {
		t.Errorf("outbox %+v", got)
	}
	// Both have the next steps, to be tapped.
	for _, m := range []mail{first, m} {
		if page := strings.ReplaceAll(m.raw, "=\r\n", ""); !strings.Contains(page, "mailto:pregrado%2B") || !strings.Contains(page, "?subject=3DRe%3A%20%5B%23003181%5D") {
			t.Errorf("no next steps in:\n%s", m.raw)
		}
	}
	o.toldOnce(n)

	// What comes soon after that one waits for its two minutes.
	o.pass(time.Minute)
	o.send(reply(confirmation, laura, "Una cosa más."))
	if next := o.next(); !next.Equal(o.clock().Add(time.Minute)) || len(o.leave()) != 0 {
		t.Errorf("the next one is due at %s, and it is %s", next, o.clock())
	}
	o.pass(time.Minute)
	if got := o.leave(); len(got) != 1 || !strings.Contains(got[0].Text, "Laura Rojas respondió") {
		t.Errorf("got %v", addressees(got))
	}
	// Much later it goes at once.
	o.pass(time.Hour)
	o.send(reply(confirmation, laura, "Otra vez yo."))
	if got := o.leave(); len(got) != 1 {
		t.Errorf("got %v", addressees(got))
	}
	o.toldOnce(n)
}

// withFile gives a letter an attachment.
func withFile(l letter, name string) letter {
	l.contentType = "multipart/mixed; boundary=frontera"
	l.text = "--frontera\nContent-Type: text/plain; charset=utf-8\n\n" + l.text +
		"\n--frontera\nContent-Type: image/png; name=" + name + "\nContent-Disposition: attachment; filename=" + name +
		"\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--frontera--\n"
	return l
}

func TestAnAgentWhoAnsweredIsToldAtOnce(t *testing.T) {
	o := openQuiet(t)
	n, confirmation, notification := o.opened()
	o.leave()
	o.pass(10 * time.Second)
	o.send(reply(confirmation, laura, "Es el grupo dos."))
	o.send(reply(notification, ana, "¿Qué grupo es?"))
	answer := o.only(slices.DeleteFunc(o.sent(), func(m mail) bool { return m.row.Class != ticket.ClassAnswer }), "laura@estudiantes.example")
	o.pass(10 * time.Second)
	o.send(reply(answer, laura, "Ya lo dije: el dos."))
	got := o.leave()
	if len(got) != 1 || !strings.Contains(got[0].Text, "Es el grupo dos.") || !strings.Contains(got[0].Text, "Ya lo dije") {
		t.Fatalf("got %v", addressees(got))
	}
	o.toldOnce(n)
}

func TestEachAgentAndTicketIsQuietByItself(t *testing.T) {
	o := openQuiet(t)
	write := func(text string) ticket.Number {
		t.Helper()
		return o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Ayuda", text: text}).Number
	}
	one, other := write("Uno."), write("Dos.")
	confirmations := slices.DeleteFunc(o.sent(), func(m mail) bool { return m.row.Class != ticket.ClassConfirmation })
	if got := o.leave(); len(got) != 4 {
		t.Fatalf("two tickets, two members: %v", addressees(got))
	}
	for range 3 {
		for _, c := range confirmations {
			o.pass(time.Second)
			o.send(reply(c, laura, fmt.Sprintf("Más, a las %s.", o.clock())))
		}
	}
	if got := o.leave(); len(got) != 0 {
		t.Errorf("too soon: %v", addressees(got))
	}
	o.pass(2 * time.Minute)
	if got := o.leave(); len(got) != 4 {
		t.Errorf("two tickets, two members: %v", addressees(got))
	}
	o.toldOnce(one)
	o.toldOnce(other)
}

// What waits because the day's limit is used up is one mail when room comes back.
func TestShortQuotaFoldsNotifications(t *testing.T) {
	o := openQuiet(t)
	n, confirmation, _ := o.opened()
	o.leave()
	o.desk.Table().Config.Outgoing.DailyLimit = 2
	for i := range 5 {
		o.pass(time.Hour)
		o.send(reply(confirmation, laura, fmt.Sprintf("Pregunta %d.", i)))
		if got := o.leave(); len(got) != 0 {
			t.Fatalf("with the limit used up: %v", addressees(got))
		}
	}
	o.pass(26 * time.Hour)
	got := o.leave()
	if len(got) != 1 {
		t.Fatalf("with room again: %v", addressees(got))
	}
	for i := range 5 {
		if !strings.Contains(got[0].Text, fmt.Sprintf("Pregunta %d.", i)) {
			t.Errorf("question %d is missing:\n%s", i, got[0].Text)
		}
	}
	o.toldOnce(n)
}

// With notifications held up by the limit, what ranks below them and may still go
// is not held up with them.
func TestNoticesPassNotificationsThatWait(t *testing.T) {
	o := open(t)
	o.opened()
	o.leave()
	for range 5 {
		o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	}
	o.desk.Table().Config.Outgoing.DailyLimit = 10
	for range 7 {
		if err := o.desk.Report(t.Context(), o.due(1)[0].ID, ticket.Result{Sent: true}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if rows := o.due(1); len(rows) != 1 || rows[0].Class != ticket.ClassNotice {
		t.Errorf("with 9 of 10 used: %+v", rows)
	}
}

func (o *office) due(limit int) []*ticket.Outgoing {
	o.t.Helper()
	rows, _, err := o.desk.Outbox("").Due(o.t.Context(), o.clock(), limit, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return rows
}

func TestTooMuchIsTwoNotifications(t *testing.T) {
	o := openQuiet(t)
	o.desk.Table().Config.Desk.NotifyFiles = 20
	n, confirmation, _ := o.opened()
	o.leave()
	o.send(withFile(reply(confirmation, laura, "Uno."), "a.png"))
	o.send(withFile(reply(confirmation, laura, "Dos."), "b.png"))
	for i := range 25 {
		o.send(reply(confirmation, laura, fmt.Sprintf("Y %d.", i)))
	}
	o.pass(2 * time.Minute)
	got := o.leave()
	if len(got) != 3 || !strings.Contains(got[0].raw, "a.png") || !strings.Contains(got[1].raw, "b.png") {
		t.Errorf("got %v", addressees(got))
	}
	o.toldOnce(n)
}

func TestQuietOff(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	for range 3 {
		o.send(reply(confirmation, laura, "Otra vez."))
	}
	if got := o.leave(); len(got) != 4 {
		t.Errorf("got %v", addressees(got))
	}
	o.toldOnce(n)
}

// In English, with someone who takes no part among the writers, and in the order in
// which they wrote.
func TestToldTogetherInEnglish(t *testing.T) {
	o := openQuiet(t)
	o.desk.Table().Agent("ana").Language = "en"
	n, confirmation, _ := o.opened()
	o.leave()
	o.send(reply(confirmation, "Eva Gil <eva@otra.example>", "A mí me pasa lo mismo."))
	o.send(reply(confirmation, laura, "Ya somos dos."))
	o.pass(2 * time.Minute)
	// Laura is asked whether Eva's address is hers; that is no notification.
	got := slices.DeleteFunc(o.leave(), func(m mail) bool { return m.row.To != "ana@privada.example" })
	if len(got) != 1 {
		t.Fatalf("got %v", addressees(got))
	}
	for _, want := range []string{
		"2 messages in request 003181.",
		"Eva Gil <eva@otra.example> (it could not be checked that it is from that person):\n\nA mí me pasa lo mismo.",
		"Laura Rojas <laura@estudiantes.example>:\n\nYa somos dos.",
	} {
		if !strings.Contains(got[0].Text, want) {
			t.Errorf("%q is missing:\n%s", want, got[0].Text)
		}
	}
	o.toldOnce(n)
}

// A courtesy is recorded, wakes nobody and reopens nothing, not even as one of
// several mails and not as a reaction to a mail.
func TestCourtesiesWakeNobody(t *testing.T) {
	o := openQuiet(t)
	n, confirmation, notification := o.opened()
	o.leave()
	o.send(reply(confirmation, laura, "Es el grupo dos."))
	o.send(reply(confirmation, laura, "¡Gracias!"))
	o.pass(2 * time.Minute)
	if got := o.leave(); len(got) != 1 || strings.Contains(got[0].Text, "Gracias") || !strings.Contains(got[0].Text, "grupo dos") {
		t.Errorf("got %v", addressees(got))
	}
	o.send(reply(notification, ana, "/cerrar\nListo."))
	sent := o.sent()
	closed := o.only(slices.DeleteFunc(sent, func(m mail) bool { return m.row.To != "laura@estudiantes.example" }), "laura@estudiantes.example")
	o.leave()
	// Also long after it was closed, when anything else would open a new one.
	for _, wait := range []time.Duration{time.Minute, 40 * 24 * time.Hour} {
		o.pass(wait)
		for _, l := range []letter{
			reply(closed, laura, "Muchas gracias"), reply(closed, laura, "👍"), reaction(closed, "🎉"),
		} {
			if out := o.send(l); out.Event != ticket.EventReplied || out.Number != n {
				t.Errorf("outcome %+v", out)
			}
		}
	}
	if rows := o.due(10); len(rows) > 0 {
		t.Errorf("%s to %s", rows[0].Class, rows[0].To)
	}
	got, entries := o.ticket(n)
	if got.Status != ticket.StatusClosed || len(entries) < 9 {
		t.Errorf("status %s, %d entries", got.Status, len(entries))
	}
}

// reaction is what Gmail sends when someone taps an emoji under a mail.
func reaction(to mail, emoji string) letter {
	l := reply(to, laura, "")
	l.contentType = "multipart/alternative; boundary=frontera"
	l.text = "--frontera\nContent-Type: text/plain; charset=utf-8\n\n" + emoji + "\n\nLaura Rojas ha reaccionado mediante Gmail\n" +
		"--frontera\nContent-Type: text/vnd.google.email-reaction+json; charset=utf-8\n\n{\"emoji\":\"" + emoji + "\",\"version\":1}\n--frontera--\n"
	return l
}
