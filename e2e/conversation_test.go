package e2e

import (
	"slices"
	"strings"
	"testing"

	"buzon/e2e/world"
	"buzon/internal/realservers"
	"buzon/ticket"
)

const requestText = "Buenas tardes:\n\nNo puedo entrar al aula. ¿Me ayudan?\n\nMaría Muñoz"

// open has María ask, and returns her confirmation and the agent's notification.
func open(t *testing.T, w *world.World, messageID string) (confirmation, notification realservers.Mail) {
	t.Helper()
	w.Send(world.Maria, "soporte@desk.test", world.Letter{
		FromName: "María Muñoz", From: world.Maria, To: "soporte@desk.test",
		Subject: "Contraseña del aula", Text: requestText, MessageID: messageID,
	}.Raw())
	return w.Await(world.Maria, "the confirmation", subjectHas("[#")),
		w.Await(world.Ana, "the notification", subjectHas("[#"))
}

func TestRequestByPostfixIsConfirmedAndTold(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	d := w.NewDesk(world.Settings{})
	d.Start()
	confirmation, notification := open(t, w, "first@client.test")

	if got, want := confirmation.Subject(), "[#000001] Contraseña del aula"; got != want {
		t.Errorf("subject of the confirmation %q, want %q", got, want)
	}
	if got := confirmation.Header("Auto-Submitted"); got != "auto-replied" {
		t.Errorf("Auto-Submitted %q", got)
	}
	if got := confirmation.Header("X-Auto-Response-Suppress"); got == "" {
		t.Error("no X-Auto-Response-Suppress")
	}
	if got := confirmation.Address("From"); got != "soporte@desk.test" {
		t.Errorf("the confirmation is from %q", got)
	}
	if got := ids(confirmation.Header("References")); !slices.Contains(got, "first@client.test") {
		t.Errorf("References %q lack her own message", got)
	}
	if !strings.HasPrefix(confirmation.Header("Content-Language"), "es") {
		t.Errorf("Content-Language %q", confirmation.Header("Content-Language"))
	}
	for _, text := range []string{"Recibimos su solicitud", "000001", "Ley 1581"} {
		if !strings.Contains(confirmation.Text(), text) {
			t.Errorf("the confirmation lacks %q:\n%s", text, confirmation.Text())
		}
	}
	if strings.Contains(confirmation.Text(), "No puedo entrar") {
		t.Error("the confirmation repeats the request, which makes it good for backscatter")
	}
	if !strings.Contains(notification.Text(), "No puedo entrar al aula. ¿Me ayudan?") {
		t.Errorf("the notification lacks the request:\n%s", notification.Text())
	}

	tickets := d.Tickets()
	if len(tickets) != 1 {
		t.Fatalf("%d tickets, want 1", len(tickets))
	}
	shown := d.Ticket(1)
	if shown.Requester != world.Maria || shown.Assignee != "ana" || shown.Status != ticket.StatusOpen || shown.Topic != "soporte" {
		t.Errorf("ticket: %+v", shown)
	}
	if len(shown.Entries) != 1 || shown.Entries[0].Kind != ticket.EntryRequest {
		t.Errorf("entries: %+v", shown.Entries)
	}
	d.Settle()
	count(t, w, world.Maria, 1)
	count(t, w, world.Ana, 1)
	count(t, w, world.Luis, 0)
	leaks(t, w, world.Maria)
}

func TestConversationFromRequestToClose(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	d := w.NewDesk(world.Settings{})
	d.Start()
	confirmation, notification := open(t, w, "first@client.test")

	// The agent presses Reply.
	send := func(l world.Letter) {
		t.Helper()
		w.Send(l.From, l.To, l.Raw())
	}
	send(world.Reply(notification, world.Ana, "Hola, María:\n\nPruebe ahora con la clave nueva."))
	answer := w.AwaitText(world.Maria, "Pruebe ahora con la clave nueva.")
	if got := answer.Address("From"); got != "soporte@desk.test" {
		t.Errorf("the answer is from %q", got)
	}
	if got := answer.Subject(); got != confirmation.Subject() {
		t.Errorf("the subject changed to %q: mail clients begin another conversation", got)
	}
	references := ids(answer.Header("References"))
	for _, id := range []string{"first@client.test", confirmation.MessageID()} {
		if !slices.Contains(references, id) {
			t.Errorf("References %q of the answer lack %s", references, id)
		}
	}
	if got := answer.Header("Auto-Submitted"); got != "" && got != "no" {
		t.Errorf("a person's answer says Auto-Submitted: %s", got)
	}
	if strings.Contains(answer.Text(), "Solicitud nueva") || strings.Contains(answer.Text(), "escribió:") {
		t.Errorf("the answer holds what the agent quoted:\n%s", answer.Text())
	}
	for _, secret := range tokens(notification) {
		if strings.Contains(answer.Everything(), secret) {
			t.Errorf("the requester was sent a token of the agent: %s", secret)
		}
	}
	if got := d.Ticket(1).Status; got != ticket.StatusWaiting {
		t.Errorf("after the answer the ticket is %s", got)
	}

	// The requester answers, and the agent gets it in their conversation.
	send(world.Reply(answer, world.Maria, "Sigue igual: error 403."))
	told := w.AwaitText(world.Ana, "Sigue igual: error 403.")
	if got := told.Subject(); got != notification.Subject() {
		t.Errorf("the agent's subject changed from %q to %q", notification.Subject(), got)
	}
	if !slices.Contains(ids(told.Header("References")), notification.MessageID()) {
		t.Errorf("References %q of the agent's mail lack the notification", told.Header("References"))
	}
	for _, secret := range tokens(answer) {
		if strings.Contains(told.Everything(), secret) {
			t.Errorf("the agent was sent a token of the requester: %s", secret)
		}
	}
	if got := d.Ticket(1).Status; got != ticket.StatusOpen {
		t.Errorf("after the reply the ticket is %s", got)
	}

	// The agent answers and closes.
	send(world.Reply(told, world.Ana, "/cerrar\nQuedó resuelto el permiso. Un saludo."))
	closed := w.AwaitText(world.Maria, "Quedó resuelto el permiso.")
	if strings.Contains(closed.Everything(), "/cerrar") {
		t.Error("the requester can read the command")
	}
	if !strings.Contains(closed.Text(), "cerr") {
		t.Errorf("the requester is not told that it is closed:\n%s", closed.Text())
	}
	shown := d.Ticket(1)
	if shown.Status != ticket.StatusClosed {
		t.Errorf("the ticket is %s", shown.Status)
	}
	var kinds []ticket.EntryKind
	for _, e := range shown.Entries {
		kinds = append(kinds, e.Kind)
	}
	if want := []ticket.EntryKind{ticket.EntryRequest, ticket.EntryAnswer, ticket.EntryReply, ticket.EntryAnswer}; !slices.Equal(kinds, want) {
		t.Errorf("entries %q, want %q", kinds, want)
	}

	d.Settle()
	count(t, w, world.Maria, 3)
	count(t, w, world.Ana, 3) // the notification, the update, what her commands did
	if n := len(d.Tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
	leaks(t, w, world.Maria)
}

// Whoever is not the agent has no power, whatever they write.
func TestForgedAgentIsNotObeyed(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	d := w.NewDesk(world.Settings{})
	d.Start()
	confirmation, _ := open(t, w, "first@client.test")

	// The agent's address in From, and the requester's token.
	forged := world.Reply(confirmation, world.Ana, "/cerrar\nTodo listo, gracias.")
	w.Send(world.Ana, forged.To, forged.Raw())
	// A stranger who knows the number.
	w.Send(world.Pedro, "soporte@desk.test", world.Letter{
		From: world.Pedro, To: "soporte@desk.test", Subject: "Re: [#000001] Contraseña del aula", Text: "/cerrar\nSoy yo.",
	}.Raw())
	w.Await(world.Pedro, "his own confirmation", subjectHas("[#000002]"))
	d.Settle()
	shown := d.Ticket(1)
	if shown.Status != ticket.StatusOpen {
		t.Errorf("the ticket is %s", shown.Status)
	}
	count(t, w, world.Maria, 1)
	for _, e := range shown.Entries {
		if strings.Contains(e.Text, "Soy yo") {
			t.Error("a stranger's text is in someone else's ticket")
		}
	}
	if strings.Contains(w.Inbox(world.Pedro)[0].Everything(), "No puedo entrar") {
		t.Error("a stranger learned what is in someone else's ticket")
	}
}
