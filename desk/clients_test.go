package desk_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"buzon/internal/mailclient"
	"buzon/ticket"
)

func (o *office) fromClient(t *testing.T, c mailclient.Client, to mail, from, text string) ticket.Outcome {
	t.Helper()
	o.mu.Lock()
	o.count++
	id := "c" + strings.Repeat("x", o.count) + "@cliente.example"
	o.mu.Unlock()
	shown, err := mailclient.Read([]byte(to.raw))
	if err != nil {
		t.Fatal(err)
	}
	raw, rcpt := c.Write(shown, mailclient.Reply{From: from, Text: text, MessageID: id, Date: o.clock()})
	out, err := o.desk.Receive(context.Background(), o.message(raw, ticket.Envelope{Account: "smtp", Recipients: []string{rcpt}}))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every mail program that an agent may have does what it should: the answer
// reaches the requester with nothing quoted, commands are carried out, a note
// stays inside, and what is not understood goes back whole.
func TestEveryClientOfAgents(t *testing.T) {
	for _, c := range mailclient.Clients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			n, _, notification := o.opened()
			if out := o.fromClient(t, c, notification, ana, "Buenas tardes.\n\n¿Con qué código entra?"); out.Event != ticket.EventAnswered {
				t.Fatalf("an answer: %+v", out)
			}
			m := o.only(o.sent(), lauraAt)
			if got := m.ReplyText; !strings.Contains(m.Text, "¿Con qué código entra?") || strings.Contains(m.Text, "No me abre") || strings.Contains(m.Text, "Solicitud nueva") || strings.Contains(m.Text, "Enviado desde") {
				t.Errorf("the requester gets:\n%s\n(%q)", m.Text, got)
			}
			_, entries := o.ticket(n)
			if e := entries[len(entries)-1]; strings.Join(strings.Fields(e.Text), " ") != "Buenas tardes. ¿Con qué código entra?" {
				t.Errorf("the entry is %q", e.Text)
			}

			if out := o.fromClient(t, c, notification, ana, "/nota\nEs la tercera vez que pregunta."); out.Event != ticket.EventNoted {
				t.Errorf("a note: %+v", out)
			}
			if got := to(o.sent()); !slices.Equal(got, []string{anaAt + " notification"}) {
				t.Errorf("a note goes to %q", got)
			}

			if out := o.fromClient(t, c, notification, ana, "/cerar\nYa quedó resuelto."); out.Event != ticket.EventHeld {
				t.Errorf("a mistyped command: %+v", out)
			}
			if back := o.only(o.sent(), anaAt); !strings.Contains(back.Text, "/cerrar") || !strings.Contains(back.Text, "Ya quedó resuelto.") {
				t.Errorf("what comes back:\n%s", back.Text)
			}

			if out := o.fromClient(t, c, notification, ana, "/prioridad alta\n/cierra\nYa quedó resuelto."); out.Event != ticket.EventAnswered {
				t.Errorf("commands: %+v", out)
			}
			m = o.only(o.sent(), lauraAt)
			got, _ := o.ticket(n)
			if got.Status != ticket.StatusClosed || got.Priority != ticket.PriorityHigh || !strings.Contains(m.Text, "Ya quedó resuelto.") || strings.Contains(m.Text, "/prioridad") {
				t.Errorf("%s, %s; the requester gets:\n%s", got.Status, got.Priority, m.Text)
			}
			if out := o.fromClient(t, c, m, laura, "Volvió a fallar con otro curso."); out.Event != ticket.EventReplied {
				t.Errorf("a reply: %+v", out)
			}
			if got, _ = o.ticket(n); got.Status != ticket.StatusOpen {
				t.Errorf("status %s", got.Status)
			}
			o.sent()
			if out := o.fromClient(t, c, notification, ana, "/tomar"); out.Event != ticket.EventCommand {
				t.Errorf("a command alone: %+v", out)
			}
			if got := to(o.sent()); !slices.Equal(got, []string{anaAt + " notification"}) {
				t.Errorf("a command alone goes to %q", got)
			}
		})
	}
}

// With every mail program an agent can bring in what came to their own mailbox, and
// open a ticket for someone; of the agent's words nothing reaches the requester.
func TestEveryClientBringsIn(t *testing.T) {
	mail := mailclient.Received{
		From: "Marta Gil <marta@estudiantes.example>", To: anaAt, Subject: "Clave de Turnitin", MessageID: "marta@estudiantes.example",
		Text: "Buenos días. No recuerdo mi clave.\n\n¿Qué hago?\n",
	}
	for _, c := range mailclient.Clients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			r := mailclient.Reply{From: ana, Text: "Beto, ¿puedes verlo?", MessageID: "f1@cliente.example", Date: o.clock()}
			take := func(raw []byte) (*ticket.Ticket, []*ticket.Entry) {
				out, err := o.desk.Receive(context.Background(), o.message(raw, ticket.Envelope{Account: "smtp", Recipients: []string{"posgrado@virtual.example"}}))
				if err != nil {
					t.Fatal(err)
				}
				return o.ticket(out.Number)
			}
			got, entries := take(c.Forward(mail, "posgrado@virtual.example", r))
			if got.Behalf == 0 || got.Requester != o.person("marta@estudiantes.example").ID || got.Subject != "Clave de Turnitin" || len(entries) != 2 {
				t.Fatalf("a forward: %q, of %d, %d entries", got.Subject, got.Requester, len(entries))
			}
			if text := strings.Join(strings.Fields(entries[0].Text), " "); text != "Buenos días. No recuerdo mi clave. ¿Qué hago?" {
				t.Errorf("the request is %q", text)
			}
			if entries[1].Text != "Beto, ¿puedes verlo?" {
				t.Errorf("the note is %q", entries[1].Text)
			}

			r.Text, r.MessageID = "/para Iván Mora <ivan@estudiantes.example>\nLlamó: no puede matricular.", "f2@cliente.example"
			got, entries = take(c.Compose("posgrado@virtual.example", "Matrícula", r))
			if got.Behalf == 0 || got.Requester != o.person("ivan@estudiantes.example").ID || len(entries) != 1 || entries[0].Text != "Llamó: no puede matricular." {
				t.Errorf("for someone: %+v, %q", got.Subject, entries[0].Text)
			}
		})
	}
}
