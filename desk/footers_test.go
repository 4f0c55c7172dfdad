package desk_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/mailpipe"
	"buzon/templates"
	"buzon/ticket"
)

// A notice that no list of phrases knows.
const notice = "En la Universidad del Valle Alto cuidamos los datos de las personas según la política que se publica en la página institucional."

// From five mails of three people of a domain the desk learns the notice below
// them: then an agent's command with nothing but the notice under it is a command.
func TestFooterLearned(t *testing.T) {
	o := open(t)
	close := func() (quoted string, m mail) {
		n, _, notification := o.opened()
		o.send(reply(notification, ana, "/cerrar\n\n"+notice))
		closed, entries := o.ticket(n)
		if closed.Status != ticket.StatusClosed {
			t.Fatalf("the ticket is %s", closed.Status)
		}
		for _, e := range entries {
			quoted += e.Quoted
		}
		return quoted, o.only(o.sent(), "laura@estudiantes.example")
	}
	if _, m := close(); !strings.Contains(m.Text, "Valle Alto") {
		t.Fatalf("nobody has learned the notice, and it is not in\n%s", m.Text)
	}
	for i, who := range []string{"uno", "dos", "uno", "tres", "dos"} {
		o.send(letter{from: who + "@privada.example", to: "pregrado@virtual.example", subject: "Consulta", text: fmt.Sprintf("Tengo la pregunta %d.\n\n%s", i, notice)})
	}
	o.sent()

	quoted, m := close()
	if strings.Contains(m.Text, "Valle") || m.row.Class != ticket.ClassConfirmation {
		t.Errorf("the requester is sent, as %s,\n%s", m.row.Class, m.Text)
	}
	if !strings.Contains(quoted, notice) {
		t.Errorf("what was cut is not kept: %q", quoted)
	}
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "Ya quedó.\n\n"+notice))
	if m := o.only(o.sent(), "laura@estudiantes.example"); !strings.Contains(m.Text, "Ya quedó.") || strings.Contains(m.Text, "Valle") {
		t.Errorf("ticket %s: the requester is sent\n%s", n, m.Text)
	}

	digest := mailpipe.Understand(o.raw(letter{from: ana, text: notice}), mailpipe.Options{}).Ending.Paragraphs[0]
	if !o.desk.KnownFooter("privada.example", digest) || o.desk.KnownFooter("estudiantes.example", digest) {
		t.Error("a footer is known in its own domain alone")
	}
	again := o.restarted()
	if !again.KnownFooter("privada.example", digest) {
		t.Error("it is forgotten after a restart")
	}
	o.pass(80 * 24 * time.Hour) // still in use, which is noted
	_, _, notification = o.opened()
	o.send(reply(notification, ana, "Otra.\n\n"+notice))
	for _, after := range []time.Duration{20, 80} {
		o.pass(after * 24 * time.Hour)
		if _, err := o.desk.Prune(context.Background()); err != nil {
			t.Fatal(err)
		}
		if known := o.desk.KnownFooter("privada.example", digest); known != (after == 20) {
			t.Errorf("%d days later: known %v", after, known)
		}
	}
}

// What teaches nothing: a letter that goes round, robots, copies of one mail.
func TestFooterNotLearned(t *testing.T) {
	o := open(t)
	digest := mailpipe.Understand(o.raw(letter{from: ana, text: notice}), mailpipe.Options{}).Ending.Paragraphs[0]
	send := func(i int, text string, headers ...string) letter {
		l := letter{from: fmt.Sprintf("p%d@colegio.example", i), to: "pregrado@virtual.example", subject: "Petición", text: text + "\n\n" + notice, headers: headers}
		o.send(l)
		return l
	}
	for i := range 30 {
		send(i, "Pedimos que se amplíe el plazo.")
		send(i%3, fmt.Sprintf("Estoy fuera hasta el %d.", i), "Auto-Submitted: auto-replied")
	}
	for i := range 6 { // each of three again, by another way
		l := letter{from: fmt.Sprintf("q%d@colegio.example", i%3), to: "pregrado@virtual.example", subject: "Petición", text: fmt.Sprintf("Soy %d.\n\n%s", i%3, notice), id: fmt.Sprintf("q%d@x", i%3)}
		if i >= 3 {
			l.envelope = byIMAP(uint32(i))
		}
		o.send(l)
	}
	if o.desk.KnownFooter("colegio.example", digest) {
		t.Error("learned")
	}
	o.sent()
}

// restarted is another desk on the same store.
func (o *office) restarted() *desk.Desk {
	o.t.Helper()
	tmpl, err := templates.New("")
	if err != nil {
		o.t.Fatal(err)
	}
	d, err := desk.New(desk.Parts{
		Store: o.store, Composer: &mailpipe.Composer{Hostname: "mesa.virtual.example"}, Log: slog.New(slog.DiscardHandler), Now: o.clock,
	}, desk.Setting{Table: o.desk.Table(), Templates: tmpl})
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}
