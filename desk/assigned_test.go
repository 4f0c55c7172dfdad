package desk_test

import (
	"testing"

	"buzon/ticket"
)

// A ticket never goes to who is away, whether a topic or a rule names them, for new mail
// and for replies, and the decision says so.
func TestRulesAndTheAway(t *testing.T) {
	o := ruledOffice(t, "[[rule]]\nname = \"r\"\non = \"any\"\nif = \"body contains 'beca'\"\nassign = \"beto\"\n",
		"addresses = [\"beto@privada.example\"]", "addresses = [\"beto@privada.example\"]\naway = [\"2020-01-01..2999-12-31\"]")
	n, confirmation, _ := o.opened()
	out := o.send(asking("Otra", "Por la beca."))
	if tk, _ := o.ticket(out.Number); tk.Assignee != "" || tk.Team != "" {
		t.Errorf("%+v", tk)
	}
	o.sent()
	o.send(reply(confirmation, laura, "Es por la beca."))
	if tk, _ := o.ticket(n); tk.Assignee != "" {
		t.Errorf("a rule gives a reply to who is away: %+v", tk)
	}
	for _, m := range o.sent() {
		if m.row.To == "beto@privada.example" {
			t.Errorf("who is away is told:\n%s", m.Text)
		}
	}
	for i, e := range o.journal(n) {
		if e.Kind == ticket.EventAssigned && e.Detail == "beto" {
			t.Errorf("event %d: %+v", i, e)
		}
	}
}

// What a requester asks of another team in between doesn't change who they are used to.
func TestStickyToTheTeam(t *testing.T) {
	o := ruledOffice(t, "", "team = \"todos\"", "team = \"todos\"\nstrategy = \"sticky\"", "agent = \"ana\"", "agent = \"olga\"")
	ask := func(from, to, text string) string {
		tk, _ := o.ticket(o.send(letter{from: from, to: to, subject: "S", text: text}).Number)
		return tk.Assignee
	}
	const posgrado, pregrado = "posgrado@virtual.example", "pregrado@virtual.example"
	if a, b := ask("p1@otra.example", posgrado, "uno"), ask("p1@otra.example", pregrado, "dos"); a != "beto" || b != "olga" {
		t.Fatal(a, b)
	}
	if got := ask("p1@otra.example", posgrado, "tres"); got != "beto" {
		t.Errorf("%s, whose turn it is, got the ticket of someone whom beto knows", got)
	}
}

// A rule has its word about mail to postmaster too, which otherwise goes to the first
// operator; --explain asks the same decision.
func TestPostmasterByRule(t *testing.T) {
	o := ruledOffice(t, rule("subject contains 'clave'", "assign = \"beto\""))
	for subject, want := range map[string]string{"La clave": "beto", "Su servidor": "olga"} {
		out := o.send(letter{from: "admin@otra.example", to: "postmaster@virtual.example", subject: subject, text: "Hola. " + subject})
		if tk, _ := o.ticket(out.Number); tk.Assignee != want {
			t.Errorf("%s: %+v", subject, tk)
		}
	}
}

// A reply that a rule moves has the time of its new topic, not one that an earlier rule
// gave it in the old one.
func TestMovedReplyHasTheNewTime(t *testing.T) {
	o := openWith(t, withTime(`
[[rule]]
name = "rápido"
if = "subject contains 'urgente'"
sla = "quick"
[[rule]]
name = "mover"
on = "reply"
if = "body contains 'maestría'"
topic = "posgrado"
`))
	out := o.send(asking("Es urgente", "No abre."))
	o.dueAt(out.Number, "2026-11-24 11:00")
	confirmation := o.only(o.sent(), "laura@estudiantes.example")
	o.send(reply(confirmation, laura, "Es de la maestría."))
	o.dueAt(out.Number, "2026-11-26 10:00") // two days on the wall clock
	tk, entries := o.ticket(out.Number)
	if tk.Topic != "posgrado" || tk.SLA != "" {
		t.Errorf("%+v", tk)
	}
	if last := entries[len(entries)-1]; last.Text != "by rule, the answer is due 2026-11-26 10:00" {
		t.Errorf("the thread doesn't say when it is due now: %+v", last)
	}
}

// Whose turn it is is not spent on who asks by a form on the web.
func TestAskerByFormGetsNoTurn(t *testing.T) {
	o := ruledOffice(t, rule("subject contains 'web'", "use_reply_to = true"),
		"team = \"todos\"", "team = \"todos\"\nstrategy = \"round robin\"")
	out := o.send(letter{from: "web@otra.example", to: "posgrado@virtual.example", subject: "web", text: "Pido algo.",
		headers: []string{"Reply-To: beto@privada.example"}})
	if tk, _ := o.ticket(out.Number); tk.Assignee != "ana" {
		t.Errorf("beto asks for it himself: %+v", tk)
	}
}
