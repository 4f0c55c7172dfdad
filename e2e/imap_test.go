package e2e

import (
	"fmt"
	"strings"
	"testing"

	"buzon/e2e/world"
	"buzon/internal/realservers"
)

const (
	soporte = "soporte@imap.test" // polled or by IDLE, moved afterwards
	edx     = "edx@imap.test"     // by token, left where it is
	wrong   = "wrong@imap.test"   // whose password is wrong
)

func account(d *world.Desk, w *world.World, name, address, more string) string {
	return fmt.Sprintf(`
[[account]]
name = %q
host = %q
port = %d
tls = "plain"
username = %q
poll = "5s"
%s
`, name, w.Dovecot.Host, w.Dovecot.Port, address, more)
}

func topic(id, address string) string {
	return fmt.Sprintf("\n[[topic]]\nid = %q\nname = %q\naddresses = [%q]\nagent = \"ana\"\n", id, id, address)
}

func ask(w *world.World, to, subject string) {
	w.Send(world.Maria, to, world.Letter{From: world.Maria, To: to, Subject: subject, Text: "Buenas tardes:\n\nNecesito ayuda con " + subject + "."}.Raw())
}

func TestMailboxesAreRead(t *testing.T) {
	t.Parallel()
	grants := realservers.StartTokens(t)
	w := world.New(t, world.Options{
		Accounts: map[string]string{soporte: "secreto", edx: "", wrong: "la buena"},
		Tokens:   grants,
	})
	d := w.NewDesk(world.Settings{})
	d.Append(fmt.Sprintf("\n[oauth.uni]\ntoken_url = %q\nclient_id = \"buzon\"\nrefresh_token_file = %q\n",
		grants.URL, d.Secret("refresh", grants.Refresh(edx))))
	password := fmt.Sprintf("password_file = %q\n", d.Secret("password", "secreto"))
	d.Append(account(d, w, "soporte", soporte, password+"after = \"move\"\nmove_to = \"Procesados\"\n") + topic("aula", soporte))
	d.Append(account(d, w, "edx", edx, "auth = \"xoauth2\"\noauth = \"uni\"\nafter = \"leave\"\nidle = false\n") + topic("edx", edx))
	d.Append(account(d, w, "wrong", wrong, fmt.Sprintf("password_file = %q\n", d.Secret("other", "la mala"))) + topic("wrong", wrong))
	d.Start()
	d.AwaitConnected("soporte", "edx")

	// By IDLE: moved, and not marked as read.
	ask(w, soporte, "Plataforma uno")
	w.Await(world.Maria, "the confirmation", subjectHas("[#000001] Plataforma uno"))
	moved := w.WaitIn(t, soporte, "Procesados", "the request", subjectHas("Plataforma uno"))
	if moved.Seen() {
		t.Error("the request was marked as read")
	}

	// By polling with a token: left, and not marked as read.
	ask(w, edx, "Curso dos")
	w.Await(world.Maria, "the confirmation", subjectHas("[#000002] Curso dos"))
	left := w.Wait(t, edx, "the request", subjectHas("Curso dos"))
	if left.Seen() {
		t.Error("the request was marked as read")
	}
	if n := grants.Granted(); n == 0 {
		t.Error("no access token was asked for")
	}

	// The account with the wrong password is said, with what to do.
	d.Eventually("status to tell of the wrong password", func() bool {
		out, _, code := d.Run("status")
		return code == 1 && strings.Contains(out, "WRONG  account wrong") && strings.Contains(out, "password")
	})
	for _, a := range d.Status().Health.Accounts {
		if ok := a.Account != "wrong"; a.Connected != ok || (a.Error == "") != ok {
			t.Errorf("account %s: connected %v, error %q", a.Account, a.Connected, a.Error)
		}
	}

	// A restart takes nothing twice, neither where mail is moved nor where it is
	// left; and what came meanwhile is taken.
	d.Stop()
	ask(w, soporte, "Plataforma tres")
	ask(w, edx, "Curso cuatro")
	d.Start()
	w.Await(world.Maria, "the confirmation", subjectHas("Plataforma tres"))
	w.Await(world.Maria, "the confirmation", subjectHas("Curso cuatro"))
	w.WaitIn(t, soporte, "Procesados", "the request", subjectHas("Plataforma tres"))
	d.Settle()
	if n := len(d.Tickets()); n != 4 {
		t.Errorf("%d tickets, want 4", n)
	}
	count(t, w, world.Maria, 4)
	count(t, w, soporte, 0)
	count(t, w, edx, 2)
	leaks(t, w, world.Maria)
}

func TestConversationByIMAP(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{Accounts: map[string]string{soporte: "secreto"}})
	d := w.NewDesk(world.Settings{})
	d.Append(account(d, w, "soporte", soporte, fmt.Sprintf("password_file = %q\nafter = \"flag\"\n", d.Secret("password", "secreto"))) +
		topic("aula", soporte))
	d.Start()
	d.AwaitConnected("soporte")

	ask(w, soporte, "Plataforma")
	notification := w.Await(world.Ana, "the notification", subjectHas("[#000001]"))
	reply := world.Reply(notification, world.Ana, "Ya puede entrar.")
	if !strings.HasPrefix(reply.To, "soporte+") {
		t.Errorf("the agent's reply goes to %s, want a signed address of the mailbox", reply.To)
	}
	w.Send(world.Ana, reply.To, reply.Raw())
	answer := w.AwaitText(world.Maria, "Ya puede entrar.")
	if got := answer.Address("From"); got != soporte {
		t.Errorf("the answer is from %s", got)
	}
	again := world.Reply(answer, world.Maria, "Gracias, pero me falta el certificado.")
	w.Send(world.Maria, again.To, again.Raw())
	w.AwaitText(world.Ana, "me falta el certificado")
	d.Eventually("the mails to be marked as read", func() bool {
		for _, m := range w.Inbox(soporte) {
			if !m.Seen() {
				return false
			}
		}
		return true
	})
	d.Settle()
	count(t, w, soporte, 3)
	if n := len(d.Tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
	leaks(t, w, world.Maria)
}

// A server that goes away and comes back is used again, and nothing is lost.
func TestIMAPServerRestarts(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{Accounts: map[string]string{soporte: "secreto"}})
	d := w.NewDesk(world.Settings{})
	d.Append(account(d, w, "soporte", soporte, fmt.Sprintf("password_file = %q\n", d.Secret("password", "secreto"))) + topic("aula", soporte))
	d.Start()
	d.AwaitConnected("soporte")
	w.Dovecot.Stop()
	d.Eventually("the loss to be noticed", func() bool { return !d.Status().Health.Accounts[0].Connected })
	ask(w, soporte, "Mientras tanto")
	w.Dovecot.Restart(t)
	w.Await(world.Maria, "the confirmation", subjectHas("[#000001] Mientras tanto"))
	d.Settle()
	count(t, w, world.Maria, 1)
}
