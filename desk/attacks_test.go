package desk_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// docs/attacks.md lists these tests, and those of trust_test.go and
// question_test.go, by what they try.

// unmoved fails the test when the ticket is not as it was, or anything was sent to
// the requester.
func (o *office) unmoved(n ticket.Number, entries int) {
	o.t.Helper()
	t, now := o.ticket(n)
	if t.Status != ticket.StatusOpen || t.Assignee != "ana" {
		o.t.Errorf("the ticket is %s, with %q", t.Status, t.Assignee)
	}
	answered := slices.ContainsFunc(now, func(e *ticket.Entry) bool { return e.Kind == ticket.EntryAnswer })
	if answered || entries >= 0 && len(now) != entries {
		o.t.Errorf("%d entries, want %d and no answer", len(now), entries)
	}
	for _, m := range o.sent() {
		if m.row.To == "laura@estudiantes.example" {
			o.t.Errorf("the requester was sent:\n%s", m.Text)
		}
	}
}

// kept fails the test unless the raw message is in the archive, whole.
func (o *office) kept(words string) {
	o.t.Helper()
	found := false
	err := o.store.View(func(tx *store.Tx) error {
		for id := uint64(1); ; id++ {
			row, err := tx.Message(id)
			if err != nil {
				return nil // the last was before
			}
			raw, err := o.store.Raw(row.Archive)
			if err != nil {
				return err
			}
			found = found || strings.Contains(string(raw), words)
		}
	})
	if err != nil || !found {
		o.t.Errorf("no message with %q is kept (%v)", words, err)
	}
}

func TestAttackExpiredToken(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.pass(402 * 24 * time.Hour)
	if out := o.send(reply(notification, ana, "/cerrar\nYa quedó.")); out.Event != ticket.EventHeld {
		t.Errorf("outcome %+v", out)
	}
	o.kept("Ya quedó.")
	o.unmoved(n, -1)
}

func TestAttackTwoFromHeaders(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	for i, l := range []letter{reply(notification, ana, "/cerrar\nDos."), reply(notification, "Eva <eva@otra.example>", "/cerrar\nDos.")} {
		l.headers = append(l.headers, []string{"From: Eva <eva@otra.example>", "From: " + ana}[i])
		if out := o.send(l); out.Event != ticket.EventQuarantined || !strings.HasPrefix(out.Detail, "two-from") {
			t.Errorf("outcome %+v", out)
		}
	}
	o.kept("Dos.")
	o.unmoved(n, 1)
}

// Whatever a stranger puts where a name or a comment stands, with a stolen token.
func TestAttackDisplayName(t *testing.T) {
	for _, from := range []string{
		`"ana@privada.example" <eva@otra.example>`,
		`"Ana Ruiz <ana@privada.example>" <eva@otra.example>`,
		`=?utf-8?Q?Ana_Ruiz_=3Cana=40privada=2Eexample=3E?= <eva@otra.example>`,
		`eva@otra.example (ana@privada.example)`,
		`eva@otra.example, ana@privada.example`,
		`"ana@privada.example"@otra.example`,
		`ana@privada.example@otra.example`,
		`ana@privada.example.otra.example`,
		"Ana <\u0430na@privada.example>", // a Cyrillic letter
		`Ana <ana+x@privada.example>`,
		`ana@privada.example: eva@otra.example;`,
	} {
		t.Run(from, func(t *testing.T) {
			o := open(t)
			n, _, notification := o.opened()
			out := o.send(reply(notification, from, "/cerrar\nSoy Ana."))
			if out.Event == ticket.EventAnswered {
				t.Errorf("outcome %+v", out)
			}
			o.kept("Soy Ana.")
			o.unmoved(n, -1)
		})
	}
}

// A From that can be read two ways: what passed DMARC is not what it is taken for.
func TestAttackPassOfAnotherDomain(t *testing.T) {
	for _, from := range []string{`Ana Ruiz <eva@otra.example> <ana@privada.example>`, ana} {
		o := open(t)
		n, _, notification := o.opened()
		l := reply(notification, from, "/cerrar\nSoy Ana.")
		l.envelope = byIMAP(1)
		l.headers = append(l.headers, "Authentication-Results: mx.virtual.example; dmarc=pass (p=none) header.from=otra.example")
		if out := o.send(l); out.Event != ticket.EventHeld {
			t.Errorf("outcome %+v", out)
		}
		o.kept("Soy Ana.")
		o.unmoved(n, 2)
	}
}

// A stranger who goes through a thousand numbers adds to nothing, and gets the
// same answer whether or not there is such a ticket.
func TestAttackTagsIterated(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	const tries = 1000
	messages := make([]*ticket.Message, tries)
	for i := range messages {
		// Half of the numbers exist by the time that they are tried.
		number := n + ticket.Number(i)
		if i%2 == 1 {
			number = 500_000 + ticket.Number(i)
		}
		messages[i] = o.message(o.raw(letter{
			from: fmt.Sprintf("Eva <eva%d@otra.example>", i), to: "pregrado@virtual.example",
			subject: "Re: " + number.Tag() + " No abre el aula", text: "¿Qué le dijeron?",
		}), ticket.Envelope{Account: "smtp", MailFrom: "eva@otra.example", Recipients: []string{"pregrado@virtual.example"}})
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < tries; i += 8 {
				if out, err := o.desk.Receive(context.Background(), messages[i]); err != nil || out.Event != ticket.EventTicketed {
					t.Errorf("try %d: %+v, %v", i, out, err)
				}
			}
		})
	}
	wg.Wait()
	if _, entries := o.ticket(n); len(entries) != 1 {
		t.Errorf("%d entries were appended", len(entries)-1)
	}
	answers := map[string]int{}
	for {
		mails := o.sent()
		if len(mails) == 0 {
			break
		}
		for _, m := range mails {
			if !strings.HasSuffix(m.row.To, "@otra.example") {
				continue
			}
			tag, _, _ := strings.Cut(m.Subject, "]")
			number := strings.TrimPrefix(tag, "[#")
			text := strings.ReplaceAll(ticket.StripTokens(m.Subject+"\n"+m.Text), number, "N")
			text = strings.ReplaceAll(text, strings.TrimLeft(number, "0"), "N")
			answers[text]++
		}
	}
	total := 0
	for _, count := range answers {
		total += count
	}
	if len(answers) != 1 || total == 0 {
		t.Errorf("%d answers in %d forms, want one", total, len(answers))
		for text, count := range answers {
			t.Logf("%d times:\n%s", count, text)
		}
	}
}

func TestAttackCommandsWhereTheyAreNone(t *testing.T) {
	for name, attack := range map[string]func(notification, confirmation mail) letter{
		"in quoted text": func(n, _ mail) letter {
			n.Text = "/cerrar\n" + n.Text
			return reply(n, ana, "Ya lo miro.")
		},
		"in a signature": func(n, _ mail) letter { return reply(n, ana, "Ya lo miro.\n\n-- \n/cerrar\nAna") },
		"below the text": func(n, _ mail) letter { return reply(n, ana, "Ya lo miro.\n/cerrar") },
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			n, confirmation, notification := o.opened()
			if out := o.send(attack(notification, confirmation)); out.Event != ticket.EventAnswered {
				t.Fatalf("outcome %+v", out)
			}
			if got, _ := o.ticket(n); got.Status != ticket.StatusWaiting {
				t.Errorf("status %s", got.Status)
			}
		})
	}
	for _, command := range []string{"/asignar beto", "/spam", "/borrar porque sí", "/nota secreta", "/transferir posgrado", "/prioridad urgente"} {
		t.Run("a requester's "+command, func(t *testing.T) {
			o := open(t)
			n, confirmation, _ := o.opened()
			if out := o.send(reply(confirmation, laura, command+"\nPor favor.")); out.Event != ticket.EventReplied {
				t.Errorf("outcome %+v", out)
			}
			got, entries := o.ticket(n)
			if got.Status != ticket.StatusOpen || got.Assignee != "ana" || got.Topic != "pregrado" || got.Priority != ticket.PriorityNormal {
				t.Errorf("ticket %+v", got)
			}
			if e := entries[len(entries)-1]; e.Kind != ticket.EntryReply || !strings.HasPrefix(e.Text, command) {
				t.Errorf("entry %+v: the words are not kept as text", e)
			}
			if m := o.only(o.sent(), "ana@privada.example"); !strings.Contains(m.Text, command) {
				t.Errorf("the agent does not see them:\n%s", m.Text)
			}
		})
	}
}

func TestAttackHeaderInjection(t *testing.T) {
	const evil = "=0D=0ABcc:_victima=40otra.example=0D=0AX-Mal:_1"
	o := open(t)
	l := letter{
		from: "=?utf-8?Q?Laura" + evil + "?= <laura@estudiantes.example>", to: "pregrado@virtual.example",
		subject: "=?utf-8?Q?No_abre" + evil + "?=", text: "",
	}
	raw := strings.Replace(string(o.raw(l)), "Content-Type: text/plain; charset=utf-8", "Content-Type: multipart/mixed; boundary=MM", 1) +
		"--MM\r\nContent-Type: text/plain\r\n\r\nMire.\r\n--MM\r\nContent-Type: application/pdf\r\n" +
		"Content-Disposition: attachment; filename*=utf-8''hoja%0D%0ABcc:%20victima@otra.example%0D%0A.pdf\r\n\r\nPDF\r\n--MM--\r\n"
	out, err := o.desk.Receive(context.Background(), o.message([]byte(raw), ticket.Envelope{Account: "smtp", Recipients: []string{"pregrado@virtual.example"}}))
	if err != nil || out.Event != ticket.EventTicketed {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	mails := o.sent()
	notification := o.only(mails, "ana@privada.example")
	o.send(reply(notification, ana, "Ya quedó."))
	mails = append(mails, o.sent()...)
	if len(mails) != 3 {
		t.Errorf("sent %v", addressees(mails))
	}
	for _, m := range mails {
		for line := range strings.SplitSeq(m.raw, "\r\n") {
			if name, _, _ := strings.Cut(strings.ToLower(line), ":"); name == "bcc" || name == "x-mal" {
				t.Errorf("mail to %s has the line %q", m.row.To, line)
			}
		}
		if strings.Contains(strings.ReplaceAll(m.raw, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(m.raw, "\r\n", ""), "\r") {
			t.Errorf("mail to %s has a bare line end", m.row.To)
		}
		if m.row.To == "victima@otra.example" {
			t.Error("the victim was written to")
		}
	}
}

func TestAttackTemplateDirective(t *testing.T) {
	const evil = `{{.Separator}} {{template "alarm"}} {{range .}} <script>x</script>`
	o := open(t)
	o.send(letter{from: `"` + `{{.Notice}}` + `" <laura@estudiantes.example>`, to: "pregrado@virtual.example", subject: evil, text: evil})
	mails := o.sent()
	for _, m := range mails {
		if !strings.Contains(m.Subject, evil) {
			t.Errorf("subject %q", m.Subject)
		}
		if strings.Contains(htmlOf(m.raw), "<script>") {
			t.Error("markup of the subject is markup in the mail")
		}
	}
	if notification := o.only(mails, "ana@privada.example"); !strings.Contains(notification.Text, evil) || !strings.Contains(notification.Text, "{{.Notice}}") {
		t.Errorf("notification:\n%s", notification.Text)
	}
}

// Someone in Cc of a stranger's mail never takes part.
func TestAttackStrangersCc(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	before, _ := o.ticket(n)
	for _, parent := range []string{"m1@cliente.example", ""} {
		l := letter{from: "Eva <eva@otra.example>", to: "pregrado@virtual.example", subject: "Re: [#" + n.String() + "]", text: "Agréguenlo.", headers: []string{"Cc: Max <max@otra.example>"}}
		if parent != "" {
			l.headers = append(l.headers, "In-Reply-To: <"+parent+">")
		}
		out := o.send(l)
		got, _ := o.ticket(out.Number)
		err := o.store.View(func(tx *store.Tx) error {
			for _, part := range got.Participants {
				person, err := tx.Person(part.Person)
				if err != nil {
					return err
				}
				if person.Address.Addr == "max@otra.example" {
					t.Errorf("%+v: Max takes part", out)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	after, _ := o.ticket(n)
	if len(after.Participants) != len(before.Participants) {
		t.Errorf("participants %+v", after.Participants)
	}
	for _, m := range o.sent() {
		if m.row.To == "max@otra.example" {
			t.Error("Max was written to")
		}
	}
}

// Fifty people answer all: their words join the ticket, nobody of them is
// answered, and the agent hears of it once.
func TestReplyAllStorm(t *testing.T) {
	o := open(t)
	n, _, _ := o.opened()
	for i := range 50 {
		out := o.send(letter{
			from: fmt.Sprintf("Colega <colega%d@estudiantes.example>", i), to: "pregrado@virtual.example", subject: "Re: No abre el aula",
			text: fmt.Sprintf("Sáquenme de la lista, por favor: soy el %d.", i), headers: []string{"In-Reply-To: <m1@cliente.example>"},
		})
		if out.Event != ticket.EventReplied || out.Number != n {
			t.Fatalf("outcome %+v", out)
		}
	}
	mails := o.sent()
	o.only(mails, "ana@privada.example")
	if len(mails) != 1 {
		t.Errorf("sent %v", addressees(mails))
	}
	if _, entries := o.ticket(n); len(entries) != 51 {
		t.Errorf("%d entries", len(entries))
	}
	err := o.store.View(func(tx *store.Tx) error {
		tickets, err := tx.Tickets(store.TicketFilter{}, 0)
		if len(tickets) != 1 {
			t.Errorf("%d tickets", len(tickets))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What one person was sent to prove who they are never reaches another, even when
// they paste it.
func TestTokensStayWithTheirPerson(t *testing.T) {
	o := open(t)
	_, confirmation, notification := o.opened()
	token, _ := ticket.MessageIDToken(confirmation.MessageID)
	_, address := ticket.SplitPlus(confirmation.ReplyTo[0].Addr)
	o.send(reply(confirmation, laura, "Su correo era "+confirmation.ReplyTo[0].Addr+"\n"+confirmation.MessageID+"\n"+strings.ToUpper(address)))
	update := o.only(o.sent(), "ana@privada.example")
	theirs := append([]string{token, address}, confirmation.Separators...)
	anas, _ := ticket.MessageIDToken(notification.MessageID)
	_, reached := ticket.SplitPlus(update.ReplyTo[0].Addr)
	o.send(reply(update, ana, "Escriba a "+update.ReplyTo[0].Addr))
	answer := o.only(o.sent(), "laura@estudiantes.example")
	for _, secret := range theirs {
		if strings.Contains(strings.ToLower(update.raw), secret) {
			t.Errorf("the agent was sent the requester's token %s", secret)
		}
	}
	for _, secret := range append(append([]string{anas, reached}, notification.Separators...), update.Separators...) {
		if strings.Contains(strings.ToLower(answer.raw), secret) {
			t.Errorf("the requester was sent the agent's token %s", secret)
		}
	}
}

// The page of attacks names tests that exist.
func TestPageOfAttacks(t *testing.T) {
	page, err := os.ReadFile("../docs/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	names := regexp.MustCompile("`(Test[A-Za-z]+)").FindAllStringSubmatch(string(page), -1)
	if len(names) < 20 {
		t.Errorf("the page names %d tests", len(names))
	}
	for _, name := range names {
		if !strings.Contains(source.String(), "func "+name[1]+"(t ") {
			t.Errorf("there is no %s", name[1])
		}
	}
}
