package desk_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

func TestRequest(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	if n != 3181 {
		t.Errorf("the first ticket has number %d, and the configuration says 3181", n)
	}
	got, entries := o.ticket(n)
	if got.Subject != "No abre el aula" || got.Topic != "pregrado" || got.Assignee != "ana" || got.Status != ticket.StatusOpen {
		t.Errorf("ticket %+v", got)
	}
	if want := o.now.Add(24 * time.Hour); !got.Due.Equal(want) {
		t.Errorf("due %v, want %v", got.Due, want)
	}
	if len(entries) != 1 || entries[0].Kind != ticket.EntryRequest || !strings.Contains(entries[0].Text, "aula de Cálculo") {
		t.Errorf("entries %+v", entries)
	}

	if confirmation.Subject != "[#003181] No abre el aula" {
		t.Errorf("subject of the confirmation: %q", confirmation.Subject)
	}
	for _, want := range []string{"003181", "Ley 1581"} {
		if !strings.Contains(confirmation.Text, want) {
			t.Errorf("the confirmation lacks %q:\n%s", want, confirmation.Text)
		}
	}
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Otra cosa", text: "Otra."})
	if second := o.only(o.sent(), "laura@estudiantes.example"); strings.Contains(second.Text, "Ley 1581") {
		t.Error("the notice is in the second confirmation too")
	}
	if strings.Contains(confirmation.Text, "aula de Cálculo") {
		t.Error("the confirmation quotes the request's body, which makes backscatter worth while")
	}
	for _, want := range []string{"Auto-Submitted: auto-replied", "X-Auto-Response-Suppress: All"} {
		if !strings.Contains(confirmation.raw, want) {
			t.Errorf("the confirmation lacks %q", want)
		}
	}
	if !slices.Equal(confirmation.InReplyTo, []string{"m1@cliente.example"}) {
		t.Errorf("In-Reply-To %q", confirmation.InReplyTo)
	}
	if confirmation.From.Addr != "pregrado@virtual.example" {
		t.Errorf("From %q", confirmation.From.Addr)
	}

	if notification.Subject != "[#003181] No abre el aula" || !strings.Contains(notification.Text, "aula de Cálculo") {
		t.Errorf("notification %q:\n%s", notification.Subject, notification.Text)
	}
	if len(notification.InReplyTo) > 0 || len(notification.References) > 0 {
		t.Error("the notification refers to a mail that the agent never had")
	}
}

// The point where others fail: an answer by pressing Reply reaches the requester.
func TestConversation(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()

	if out := o.send(reply(notification, ana, "Hola, Laura. Ya la matriculé.\n\n-- \nAna Ruiz\nana@privada.example\ncel 300 123 4567")); out.Event != ticket.EventAnswered {
		t.Fatalf("outcome %+v", out)
	}
	mails := o.sent()
	answer := o.only(mails, "laura@estudiantes.example")
	if len(mails) != 1 {
		t.Errorf("others were told too: %v", addressees(mails))
	}
	if !strings.Contains(answer.Text, "Ya la matriculé") || !strings.Contains(answer.Text, "Equipo de pregrado") {
		t.Errorf("answer:\n%s", answer.Text)
	}
	for _, private := range []string{"privada.example", "300 123"} {
		if strings.Contains(answer.raw, private) {
			t.Errorf("the answer shows the agent's %q", private)
		}
	}
	if strings.Contains(answer.raw, "Auto-Submitted") {
		t.Error("a person's answer is marked as automatic")
	}
	if answer.Subject != confirmation.Subject {
		t.Errorf("the subject changed from %q to %q, which breaks the conversation", confirmation.Subject, answer.Subject)
	}
	if want := []string{"m1@cliente.example", confirmation.MessageID}; !slices.Equal(answer.References, want) {
		t.Errorf("References %q, want %q", answer.References, want)
	}
	got, _ := o.ticket(n)
	if got.Status != ticket.StatusWaiting || got.Answered.IsZero() || !got.Due.IsZero() {
		t.Errorf("ticket %+v", got)
	}

	if out := o.send(reply(answer, laura, "Sigue sin abrir.")); out.Event != ticket.EventReplied {
		t.Fatalf("outcome %+v", out)
	}
	update := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(update.Text, "Sigue sin abrir") || update.Subject != notification.Subject {
		t.Errorf("update %q:\n%s", update.Subject, update.Text)
	}
	if !slices.Contains(update.References, notification.MessageID) {
		t.Errorf("References %q lack the notification %q", update.References, notification.MessageID)
	}
	if got, _ = o.ticket(n); got.Status != ticket.StatusOpen || got.Due.IsZero() {
		t.Errorf("ticket %+v", got)
	}

	if out := o.send(reply(update, ana, "/cerrar\nListo, quedó resuelto.")); out.Event != ticket.EventAnswered {
		t.Fatalf("outcome %+v", out)
	}
	closed := o.only(o.sent(), "laura@estudiantes.example")
	if !strings.Contains(closed.Text, "quedó resuelto") || strings.Contains(closed.Text, "/cerrar") {
		t.Errorf("closing mail:\n%s", closed.Text)
	}
	if got, _ = o.ticket(n); got.Status != ticket.StatusClosed {
		t.Errorf("status %s", got.Status)
	}

	// A thanks wakes nobody, a real reply reopens.
	o.send(reply(closed, laura, "¡Muchas gracias!"))
	o.none("a courtesy")
	if got, _ = o.ticket(n); got.Status != ticket.StatusClosed {
		t.Error("a courtesy reopened the ticket")
	}
	o.send(reply(closed, laura, "Volvió a fallar hoy con otro curso."))
	if got, _ = o.ticket(n); got.Status != ticket.StatusOpen {
		t.Errorf("status %s after a reply to a closed ticket", got.Status)
	}
	o.only(o.sent(), "ana@privada.example")

	// No token of one person is in what another is sent.
	for _, m := range []mail{update} {
		for _, theirs := range []mail{confirmation, answer} {
			token, _ := ticket.MessageIDToken(theirs.MessageID)
			if strings.Contains(m.raw, token) {
				t.Error("the agent was sent a token of the requester's")
			}
		}
	}
	for _, m := range []mail{answer, closed} {
		token, _ := ticket.MessageIDToken(notification.MessageID)
		if strings.Contains(m.raw, token) {
			t.Error("the requester was sent a token of the agent's")
		}
	}
}

func TestCommandOnlyIsNotSentOn(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/cerrar"))
	closed := o.only(o.sent(), "laura@estudiantes.example")
	if !strings.Contains(closed.raw, "Auto-Submitted") {
		t.Error("nobody wrote anything, and the mail is not marked as automatic")
	}
	if got, entries := o.ticket(n); got.Status != ticket.StatusClosed || entries[len(entries)-1].Kind != ticket.EntryEvent {
		t.Errorf("ticket %+v, last entry %+v", got, entries[len(entries)-1])
	}
}

func TestUnknownCommandDoesNothing(t *testing.T) {
	for _, text := range []string{"/cerar\nListo.", "/cerrar ya\nListo.", "/cerrar\n/foo\nListo.", ""} {
		o := open(t)
		n, _, notification := o.opened()
		before, _ := o.ticket(n)
		if out := o.send(reply(notification, ana, text)); out.Event != ticket.EventHeld {
			t.Errorf("%q: outcome %+v", text, out)
		}
		mails := o.sent()
		back := o.only(mails, "ana@privada.example")
		if len(mails) != 1 {
			t.Errorf("%q: sent %v", text, addressees(mails))
		}
		if strings.Contains(text, "Listo") && !strings.Contains(back.Text, "Listo.") {
			t.Errorf("%q: the agent's text is not returned:\n%s", text, back.Text)
		}
		if after, _ := o.ticket(n); after.Status != before.Status {
			t.Errorf("%q: status %s", text, after.Status)
		}
	}
}

func TestTextThatLooksLikeACommand(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/mod/quiz falla en todos los cursos.\nLo reviso."))
	if answer := o.only(o.sent(), "laura@estudiantes.example"); !strings.Contains(answer.Text, "/mod/quiz falla") {
		t.Errorf("answer:\n%s", answer.Text)
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
		t.Errorf("status %s", got.Status)
	}
}

func TestSubjectOfRequests(t *testing.T) {
	for _, c := range []struct{ subject, text, want, entry string }{
		{"", "Hola, no puedo entrar al aula desde ayer por la noche", "(sin asunto) Hola, no puedo entrar al aula desde ayer …", "Hola, no puedo entrar al aula desde ayer por la noche"},
		{"Solicito recibo de pago de la matrícula", "", "Solicito recibo de pago de la matrícula", "Solicito recibo de pago de la matrícula"},
		{"", "", "(sin asunto)", ""},
		{"{{.Notice}} %s", "Texto", "{{.Notice}} %s", "Texto"},
	} {
		o := open(t)
		out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: c.subject, text: c.text})
		got, entries := o.ticket(out.Number)
		if got.Subject != c.want || strings.TrimSpace(entries[0].Text) != c.entry {
			t.Errorf("%q, %q: subject %q, text %q", c.subject, c.text, got.Subject, entries[0].Text)
		}
		if m := o.only(o.sent(), "laura@estudiantes.example"); m.Subject != "[#003181] "+c.want {
			t.Errorf("confirmation's subject %q", m.Subject)
		}
	}
}

func TestReplyToOldClosedTicketOpensALinkedOne(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/cerrar\nListo."))
	closed := o.only(o.sent(), "laura@estudiantes.example")
	o.pass(31 * 24 * time.Hour)
	out := o.send(reply(closed, laura, "Otra vez tengo el mismo problema."))
	if out.Event != ticket.EventTicketed || out.Number == n {
		t.Fatalf("outcome %+v", out)
	}
	old, _ := o.ticket(n)
	if fresh, _ := o.ticket(out.Number); !slices.Contains(fresh.Linked, old.ID) {
		t.Error("the new ticket is not linked to the old one")
	}
}

func TestReminders(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	remind := func() int {
		t.Helper()
		count, err := o.desk.Remind(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	if remind() != 0 {
		t.Error("reminded before it was due")
	}
	o.pass(25 * time.Hour)
	if remind() != 1 || remind() != 0 {
		t.Error("one reminder was due, once")
	}
	m := o.only(o.sent(), "ana@privada.example")
	if !slices.Contains(m.References, notification.MessageID) {
		t.Error("the reminder is not in the ticket's conversation")
	}
	o.pass(-3 * time.Hour) // a clock that jumps back and on again
	remind()
	o.pass(3 * time.Hour)
	remind()
	o.none("a clock jump")
	o.pass(24 * time.Hour)
	if remind() != 1 {
		t.Error("the second reminder is missing")
	}
	o.pass(24 * time.Hour)
	if remind() != 1 {
		t.Error("the third reminder is missing")
	}
	o.pass(10 * 24 * time.Hour)
	if remind() != 0 {
		t.Error("a fourth reminder, and the configuration says three")
	}
	o.sent()
	o.send(reply(notification, ana, "Ya quedó."))
	o.sent()
	o.pass(24 * time.Hour)
	if remind() != 0 {
		t.Error("reminded of an answered ticket")
	}
	if got, _ := o.ticket(n); got.Reminded != 0 {
		t.Errorf("ticket %+v", got)
	}
}

// Many at once, of the same new people: the snapshot each was planned on goes
// stale, and the result must be as if they had come one after the other.
func TestManyAtOnce(t *testing.T) {
	o := open(t)
	const senders, each = 5, 20
	var wg sync.WaitGroup
	for s := range senders {
		for range each {
			m := o.message(o.raw(letter{
				from: "p" + string(rune('a'+s)) + "@estudiantes.example", to: "pregrado@virtual.example", subject: "Ayuda", text: "Uno de muchos.",
			}), ticket.Envelope{Account: "smtp", Recipients: []string{"pregrado@virtual.example"}})
			wg.Go(func() {
				if _, err := o.desk.Receive(context.Background(), m); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	numbers := map[ticket.Number]bool{}
	people := map[ticket.PersonID]bool{}
	err := o.store.View(func(tx *store.Tx) error {
		tickets, err := tx.Tickets(store.TicketFilter{}, 1000)
		for _, got := range tickets {
			numbers[got.Number] = true
			people[got.Requester] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(numbers) != senders*each || len(people) != senders {
		t.Errorf("%d numbers of %d people, want %d of %d", len(numbers), len(people), senders*each, senders)
	}
	for i := range ticket.Number(senders * each) {
		if !numbers[3181+i] {
			t.Fatalf("number %d is missing", 3181+i)
		}
	}
	for _, m := range o.sent() {
		if !strings.Contains(m.Subject, "[#003") {
			t.Fatalf("a mail went out with subject %q", m.Subject)
		}
	}
}

// An answer written in HTML with a picture in its text and a file: both reach the
// requester as they were, the picture in its place, and neither is stored again.
func TestAnswerWithPictureAndFile(t *testing.T) {
	o := open(t)
	_, _, notification := o.opened()
	l := reply(notification, ana, "")
	raw := strings.Join(append([]string{
		"From: " + l.from, "To: " + l.to, "Subject: " + l.subject, "Message-ID: <html@privada.example>", "Date: Tue, 24 Nov 2026 11:00:00 -0500",
		"MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="M"`,
	}, l.headers...), "\r\n") + "\r\n\r\n" + strings.ReplaceAll(`--M
Content-Type: multipart/related; boundary="R"

--R
Content-Type: text/html; charset=utf-8

<div dir="ltr">Pulse aquí:<br><img src="cid:foto@x" alt="foto.png"><br>y listo.</div>
<div class="gmail_quote"><div class="gmail_attr">El mar, 24 nov 2026 a las 10:00, Pregrado (&lt;pregrado@virtual.example&gt;) escribió:</div><blockquote>secreto citado</blockquote></div>
--R
Content-Type: image/png; name="foto.png"
Content-ID: <foto@x>
Content-Disposition: inline; filename="foto.png"
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ
--R--
--M
Content-Type: application/pdf; name="guia.pdf"
Content-Disposition: attachment; filename="guia.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoK
--M--
`, "\n", "\r\n")
	out, err := o.desk.Receive(context.Background(), o.message([]byte(raw), ticket.Envelope{Account: "smtp", Recipients: []string{l.to}}))
	if err != nil || out.Event != ticket.EventAnswered {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	answer := o.only(o.sent(), "laura@estudiantes.example")
	if !strings.Contains(answer.Text, "Pulse aquí:") || !strings.Contains(answer.Text, "y listo.") || strings.Contains(answer.Text, "secreto citado") {
		t.Errorf("text:\n%s", answer.Text)
	}
	if len(answer.Attachments) != 2 {
		t.Fatalf("files %+v", answer.Attachments)
	}
	for i, want := range []struct {
		name    string
		content string
	}{{"foto.png", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}, {"guia.pdf", "JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoK"}} {
		a := answer.Attachments[i]
		if a.Name != want.name || !strings.Contains(answer.raw[a.Offset:a.Offset+a.Length], want.content) {
			t.Errorf("file %+v", a)
		}
	}
	if !strings.Contains(answer.raw, "cid:foto@x") {
		t.Error("the picture has lost its place")
	}
}

// Beyond the limit the team gets the list of files, and the assignee the files.
func TestLargeFiles(t *testing.T) {
	o := open(t)
	big := strings.Repeat(strings.Repeat("A", 76)+"\r\n", 11<<20/78)
	send := func(to string) []mail {
		raw := "From: " + laura + "\r\nTo: " + to + "\r\nSubject: Grande\r\nMessage-ID: <" + to + ">\r\nDate: Tue, 24 Nov 2026 11:00:00 -0500\r\n" +
			"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=M\r\n\r\n--M\r\nContent-Type: text/plain\r\n\r\nAdjunto el video.\r\n" +
			"--M\r\nContent-Type: video/mp4; name=video.mp4\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n" + big + "--M--\r\n"
		if _, err := o.desk.Receive(context.Background(), o.message([]byte(raw), ticket.Envelope{Account: "smtp", Recipients: []string{to}})); err != nil {
			t.Fatal(err)
		}
		return o.sent()
	}
	assignee := o.only(send("pregrado@virtual.example"), "ana@privada.example")
	if len(assignee.Attachments) != 1 || assignee.row.Size < 11<<20 {
		t.Errorf("the assignee did not get the file: %d octets", assignee.row.Size)
	}
	mails := send("posgrado@virtual.example")
	member := o.only(mails, "beto@privada.example")
	if len(member.Attachments) != 0 || member.row.Size > 1<<20 || !strings.Contains(member.Text, "video.mp4") {
		t.Errorf("a member of the team: %d octets, files %+v", member.row.Size, member.Attachments)
	}
}
