package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"

	"buzon/e2e/world"
	"buzon/internal/realservers"
	"buzon/ticket"
)

// People also answer by hand from the mailbox that the desk reads. What their mail
// program files in Sent, and answers a ticket, becomes an entry and is sent to
// nobody; the rest is left alone; and a restart takes nothing twice.
func TestSentFolderIsWatched(t *testing.T) {
	t.Parallel()
	const password = "secreto"
	w := world.New(t, world.Options{Accounts: map[string]string{soporte: password}})
	d := w.NewDesk(world.Settings{Desk: `quiet = "0"`})
	d.Append(account(d, w, "soporte", soporte, fmt.Sprintf("password_file = %q\nsent = \"Sent\"\n", d.Secret("password", password))) +
		topic("aula", soporte))
	mailProgram := signIn(t, w.Dovecot, soporte, password)
	if err := mailProgram.Create("Sent", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	file(t, mailProgram, byHand("De antes", "Un correo de antes.").Raw()) // older than the desk
	d.Start()
	d.AwaitConnected("soporte")

	request := world.Letter{From: world.Maria, To: soporte, Subject: "Plataforma", Text: "No puedo entrar.", MessageID: "uno@uni.test"}
	w.Send(world.Maria, soporte, request.Raw())
	w.Await(world.Maria, "the confirmation", subjectHas("[#000001]"))
	notification := w.Await(world.Ana, "the notification", subjectHas("[#000001]"))

	answer := byHand("Re: Plataforma", "Ya puede entrar, María.")
	answer.Fields = []string{"In-Reply-To: <uno@uni.test>", "References: <uno@uni.test>"}
	file(t, mailProgram, byHand("Almuerzo", "¿Almorzamos el viernes?").Raw())
	sent := answer.Raw()
	file(t, mailProgram, sent)
	byHandEntries := func() (n int) {
		for _, e := range d.Ticket(1).Entries {
			if e.Kind == ticket.EntryAnswer && e.Text == "Ya puede entrar, María." {
				n++
			}
		}
		return n
	}
	d.Eventually("the answer to be an entry", func() bool { return byHandEntries() == 1 })
	d.Settle()

	// Once more in the folder, as after a move out and back: nothing new.
	file(t, mailProgram, sent)
	d.Stop()
	d.Start()
	d.AwaitConnected("soporte")

	// What is filed now is read after all that came before.
	answer.Text, answer.MessageID = "Y el certificado va en camino.", world.NewMessageID()
	file(t, mailProgram, answer.Raw())
	d.Eventually("the second answer to be an entry", func() bool {
		entries := d.Ticket(1).Entries
		return entries[len(entries)-1].Text == "Y el certificado va en camino."
	})
	d.Settle()
	shown := d.Ticket(1)
	if byHandEntries() != 1 || len(shown.Entries) != 3 || shown.Status != ticket.StatusWaiting {
		t.Errorf("the ticket is %s: %+v", shown.Status, shown.Entries)
	}
	if n := len(d.Tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
	if kept := d.Quarantine(); len(kept) != 0 {
		t.Errorf("quarantined: %+v", kept)
	}
	count(t, w, world.Maria, 1) // the confirmation
	count(t, w, world.Ana, 1)   // the notification
	if n := len(w.Mail(t, soporte, "Sent")); n != 5 {
		t.Errorf("%d mails in Sent, want the 5 that were filed", n)
	}

	// María answers what was written by hand, and Ana hears of it in her conversation.
	again := world.Letter{From: world.Maria, To: soporte, Subject: "Re: Plataforma", Text: "Entré, pero no veo el curso.", Fields: []string{"In-Reply-To: <" + answer.MessageID + ">"}}
	w.Send(world.Maria, soporte, again.Raw())
	update := w.AwaitText(world.Ana, "no veo el curso")
	if !strings.Contains(update.Header("References"), notification.MessageID()) {
		t.Errorf("the update is not in the conversation: %s", update.Header("References"))
	}
	leaks(t, w, world.Maria)
}

// byHand is a mail that someone sends from the mailbox itself.
func byHand(subject, text string) world.Letter {
	return world.Letter{FromName: "Soporte", From: soporte, To: world.Maria, Subject: subject, Text: text, MessageID: world.NewMessageID()}
}

// signIn opens the mailbox as a mail program does.
func signIn(t *testing.T, d *realservers.Dovecot, user, password string) *imapclient.Client {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(d.Host, fmt.Sprint(d.Port)))
	if err != nil {
		t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	t.Cleanup(func() { c.Close() })
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// file has the program put what it has sent into its Sent folder.
func file(t *testing.T, c *imapclient.Client, raw []byte) {
	t.Helper()
	literal := c.Append("Sent", int64(len(raw)), nil)
	if _, err := literal.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := literal.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := literal.Wait(); err != nil {
		t.Fatal(err)
	}
}
