package desk_test

import (
	"strings"
	"testing"

	"buzon/store"
	"buzon/ticket"
)

// throughGroup is a mail as the group curso@groups.example passes it on to the
// mailbox that subscribes to it. With munged set the group writes its own address
// into From, as it must for domains whose DMARC policy says so.
func throughGroup(l letter, munged bool) letter {
	l.to = "curso@groups.example"
	l.envelope = ticket.Envelope{Account: "smtp", MailFrom: "curso+bounces@groups.example", Recipients: []string{"pregrado@virtual.example"}}
	l.headers = append(l.headers, "List-Id: <curso.groups.example>", "List-Post: <mailto:curso@groups.example>", "Precedence: list")
	if munged {
		name, _, _ := strings.Cut(l.from, " <")
		l.headers = append(l.headers, "X-Original-From: "+l.from)
		l.from = "'" + name + "' via Curso <curso@groups.example>"
	}
	return l
}

// A mail through a group is its author's request on the group's topic.
func TestRequestThroughGroup(t *testing.T) {
	for _, munged := range []bool{false, true} {
		o := open(t)
		out := o.send(throughGroup(letter{from: laura, subject: "Ayuda", text: "No puedo entrar."}, munged))
		if out.Event != ticket.EventTicketed {
			t.Fatalf("rewritten %v: %+v", munged, out)
		}
		got, _ := o.ticket(out.Number)
		if got.Topic != "posgrado" {
			t.Errorf("rewritten %v: topic %s", munged, got.Topic)
		}
		err := o.store.View(func(tx *store.Tx) error {
			person, err := tx.Person(got.Requester)
			if err == nil && (person.Address.Addr != "laura@estudiantes.example" || person.Address.Name != "Laura Rojas") {
				t.Errorf("rewritten %v: the requester is %+v", munged, person.Address)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		mails := o.sent()
		if m := o.only(mails, "laura@estudiantes.example"); m.row.Class != ticket.ClassConfirmation {
			t.Errorf("rewritten %v: the author got %s", munged, m.row.Class)
		}
		for _, m := range mails {
			if strings.HasSuffix(m.row.To, "@groups.example") {
				t.Errorf("rewritten %v: the group was written to", munged)
			}
		}
	}
}

// What a group claims about the author gives nobody an agent's power: the token
// is right, and From is only the group's word.
func TestAgentThroughGroupIsHeld(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	out := o.send(throughGroup(reply(notification, ana, "/cerrar\nListo."), true))
	if out.Event != ticket.EventHeld {
		t.Fatalf("outcome %+v", out)
	}
	if got, _ := o.ticket(n); got.Status != ticket.StatusOpen {
		t.Errorf("status %s", got.Status)
	}
	for _, m := range o.sent() {
		if !strings.HasSuffix(m.row.To, "@privada.example") {
			t.Errorf("%s was sent to %s", m.row.Class, m.row.To)
		}
	}
}

// The requester's own reply through the group joins the ticket, as unverified.
func TestRequesterRepliesThroughGroup(t *testing.T) {
	o := open(t)
	n, confirmation, _ := o.opened()
	out := o.send(throughGroup(reply(confirmation, laura, "Sigo igual."), true))
	if out.Number != n {
		t.Fatalf("outcome %+v", out)
	}
	_, entries := o.ticket(n)
	if last := entries[len(entries)-1]; last.Text != "Sigo igual." || !last.Unverified {
		t.Errorf("entry %+v", last)
	}
}

// The same mail to a topic and to the group is one request.
func TestGroupAndTopicAreOneRequest(t *testing.T) {
	o := open(t)
	l := letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "No puedo entrar.", id: "doble@estudiantes.example"}
	first := o.send(l)
	second := o.send(throughGroup(letter{from: laura, subject: "Ayuda", text: "No puedo entrar.", id: "doble@estudiantes.example"}, true))
	if first.Event != ticket.EventTicketed || second.Event == ticket.EventTicketed || second.Number != first.Number {
		t.Errorf("outcomes %+v, %+v", first, second)
	}
}
