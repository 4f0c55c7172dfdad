package desk_test

import (
	"context"
	"strings"
	"testing"

	"buzon/ticket"
)

// withoutAna is the configuration after Ana has left.
func withoutAna(heir string) string {
	text := strings.Replace(configuration, `agent = "ana"`, heir, 1)
	text = strings.Replace(text, `members = ["beto", "ana"]`, `members = ["beto"]`, 1)
	before, after, _ := strings.Cut(text, "[[agent]]\nid = \"ana\"")
	_, after, _ = strings.Cut(after, "[[agent]]")
	return before + "[[agent]]" + after
}

// The open tickets of an agent who left go to the topic's team or agent, who are
// told once, however often the configuration is read; what the agent sends with an
// old token reaches no requester.
func TestAgentLeft(t *testing.T) {
	for heir, want := range map[string]struct{ assignee, team, told string }{
		`agent = "olga"`: {"olga", "", "olga@privada.example"},
		`team = "todos"`: {"", "todos", "beto@privada.example"},
	} {
		t.Run(heir, func(t *testing.T) {
			o := open(t)
			n, confirmation, notification := o.opened()
			closed, _, other := o.opened()
			o.send(reply(other, ana, "/cerrar\nYa quedó."))
			o.sent()

			o.use(withoutAna(heir))
			given, err := o.desk.Inherit(context.Background())
			if err != nil || given != 1 {
				t.Fatalf("%d tickets were given, %v", given, err)
			}
			got, entries := o.ticket(n)
			if got.Assignee != want.assignee || got.Team != want.team {
				t.Errorf("with %q, team %q", got.Assignee, got.Team)
			}
			if e := entries[len(entries)-1]; e.Kind != ticket.EntryEvent || !strings.Contains(e.Text, "ana is gone") {
				t.Errorf("entry %+v", e)
			}
			mails := o.sent()
			told := o.only(mails, want.told)
			if len(mails) != 1 || !strings.Contains(told.Text, "aula de Cálculo") {
				t.Errorf("sent %v:\n%s", addressees(mails), told.Text)
			}
			if was, _ := o.ticket(closed); was.Assignee != "ana" {
				t.Error("a closed ticket was given away")
			}
			if given, err := o.desk.Inherit(context.Background()); err != nil || given != 0 {
				t.Errorf("again: %d, %v", given, err)
			}
			o.none("the same configuration again")

			out := o.send(reply(notification, ana, "/cerrar\nSigo contestando."))
			if out.Event != ticket.EventTicketed || out.Number == n {
				t.Errorf("a mail with the old token: %+v", out)
			}
			for _, m := range o.sent() {
				if m.row.To == "laura@estudiantes.example" {
					t.Errorf("it reached the requester:\n%s", m.Text)
				}
			}
			old, _ := o.ticket(n)
			if linked, _ := o.ticket(out.Number); old.Status != ticket.StatusOpen || len(linked.Linked) != 1 || linked.Linked[0] != old.ID {
				t.Errorf("ticket %+v", linked)
			}
			// The heir can answer what they were told of, and it goes on.
			heirs := told.To[0].Name + " <" + want.told + ">"
			if out := o.send(reply(told, heirs, "Ya la atiendo yo.")); out.Event != ticket.EventAnswered || out.Number != n {
				t.Errorf("the heir's answer: %+v", out)
			}
			if m := o.only(o.sent(), "laura@estudiantes.example"); m.Subject != confirmation.Subject {
				t.Errorf("subject %q", m.Subject)
			}
		})
	}
}

// A question that was asked while Ana was an agent gives her no power afterwards.
func TestAgentLeftWithAQuestion(t *testing.T) {
	o := open(t)
	_, question := o.heldFrom("Ana <ana@casa.example>")
	o.use(withoutAna(`agent = "olga"`))
	if out := o.send(reply(question, ana, "sí")); out.Event != ticket.EventIgnored {
		t.Errorf("outcome %+v", out)
	}
	o.none("a former agent's yes")
	if state := o.heldState(1); state != "held" {
		t.Errorf("held: %s", state)
	}
}
