package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/routing"
	"buzon/store"
	"buzon/ticket"
)

// use replaces the desk's configuration.
func (o *office) use(text string) {
	o.t.Helper()
	table, err := routing.Parse("test.toml", []byte(text))
	if err != nil {
		o.t.Fatal(err)
	}
	o.setting.Table = table
	o.desk.Use(o.setting)
}

func TestUndo(t *testing.T) {
	for text, lost := range map[string]string{
		"/prioridad alta\n/etiqueta vip\n/vence viernes": "",
		"/asignar beto":         "",
		"/transferir posgrado":  "",
		"/cerrar":               "",
		"/cerrar\nYa funciona.": "ya había salido",
		"/copiar tutor@otra.example, decana@otra.example\n/asunto Otro": "",
		"/spam":                                      "",
		"/campo facultad=Artes\n/referir beto":       "",
		"/nota Llamar mañana\n/espera-usuario":       "",
		"/contestado por chat\n/liberar\n/quitar no": "refused",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			o := open(t)
			n, _, notification := o.opened()
			before, _ := o.ticket(n)
			first := o.give(t, n, notification, ana, text)
			transcript := first.mails[len(first.mails)-1]
			if lost == "refused" {
				transcript = first.only(first.mails, anaAt)
			}
			r := o.give(t, n, transcript, ana, "/deshacer")
			got := r.only(r.mails, anaAt)
			if lost == "refused" {
				if !strings.Contains(got.Text, "no hay nada suyo") {
					t.Errorf("%s", got.Text)
				}
				return
			}
			others := slices.DeleteFunc(to(r.mails), func(s string) bool { return strings.HasPrefix(s, anaAt) })
			if len(others) > 0 && !strings.Contains(r.only(r.mails, betoAt).Text, "ya no está a su cargo") || slices.Contains(others, lauraAt+" confirmation") {
				t.Errorf("others are told: %q", others)
			}
			if !strings.Contains(got.Text, "Se deshizo") || !strings.Contains(got.Text, lost) {
				t.Errorf("to %q:\n%s", to(r.mails), got.Text)
			}
			a, b := *before, *r.ticket
			for _, x := range []*ticket.Ticket{&a, &b} {
				x.Revision, x.Entries, x.Updated, x.Undo, x.Participants, x.Fields = 0, 0, time.Time{}, nil, nil, nil
			}
			if len(a.Labels)+len(b.Labels) == 0 {
				a.Labels, b.Labels = nil, nil
			}
			if diff := compare(a, b); diff != "" {
				t.Error(diff)
			}
			agents := func(p ticket.Participant) bool { return p.Role == ticket.RoleAgent }
			if len(slices.DeleteFunc(r.ticket.Participants, agents)) != 1 || len(r.ticket.Fields) != 0 || !r.person.Blocked.IsZero() {
				t.Errorf("%+v, %+v", r.ticket, r.person)
			}
		})
	}
}

func TestUndoIsRefusedOnceTheTicketHasMovedOn(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	r := o.give(t, n, notification, ana, "/prioridad alta")
	transcript := r.only(r.mails, anaAt)
	o.send(reply(confirmation, laura, "Y además no me abre Álgebra."))
	o.sent()
	r = o.give(t, n, transcript, ana, "/deshacer")
	if got := r.only(r.mails, anaAt); !strings.Contains(got.Text, "desde entonces llegó algo más") || r.ticket.Priority != ticket.PriorityHigh {
		t.Errorf("priority %q:\n%s", r.ticket.Priority, got.Text)
	}
}

// With send_delay an answer can be taken back until it leaves.
func TestUndoTakesTheAnswerBack(t *testing.T) {
	o := open(t)
	o.use(strings.Replace(configuration, "[desk]\n", "[desk]\nsend_delay = \"2m\"\n", 1))
	n, _, notification := o.opened()
	r := o.give(t, n, notification, ana, "/cerrar\nYa funciona.")
	answer := r.only(r.mails, lauraAt)
	if want := o.clock().Add(2 * time.Minute); !answer.row.NextTry.Equal(want) {
		t.Errorf("the answer leaves at %v, not %v", answer.row.NextTry, want)
	}
	transcript := r.only(r.mails, anaAt)
	if !strings.Contains(transcript.Text, "10:02") {
		t.Errorf("transcript:\n%s", transcript.Text)
	}
	o.pass(time.Minute)
	r = o.give(t, n, transcript, ana, "/deshacer")
	if got := r.only(r.mails, anaAt); !strings.Contains(got.Text, "no se envió") || r.ticket.Status != ticket.StatusOpen {
		t.Errorf("status %s:\n%s", r.ticket.Status, got.Text)
	}
	if row := o.outgoing(answer.row.ID); row.State != ticket.OutgoingDropped {
		t.Errorf("the answer is %s", row.State)
	}

	// Too late: it has left.
	r = o.give(t, n, notification, ana, "/cerrar\nYa funciona de verdad.")
	transcript = r.only(r.mails, anaAt)
	o.pass(3 * time.Minute)
	r = o.give(t, n, transcript, ana, "/deshacer")
	if got := r.only(r.mails, anaAt); !strings.Contains(got.Text, "ya había salido") || r.ticket.Status != ticket.StatusOpen {
		t.Errorf("status %s:\n%s", r.ticket.Status, got.Text)
	}
}

func TestRelease_Withdraw_Reopen(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	o.give(t, n, notification, ana, "/referir beto\n/copiar tutor@otra.example\n/etiqueta vip\n/cerrar")
	r := o.give(t, n, notification, ana, "/retirar beto\n/retirar tutor@otra.example\n/quitar vip\n/reabrir")
	if len(r.ticket.Referred) != 0 || len(r.ticket.Labels) != 0 || r.ticket.Status != ticket.StatusOpen || r.ticket.Due.IsZero() {
		t.Errorf("%+v", r.ticket)
	}
	for _, p := range r.ticket.Participants {
		if p.Role == ticket.RoleCollaborator {
			t.Error("the collaborator still takes part")
		}
	}
	r = o.give(t, n, notification, ana, "/transferir posgrado")
	beto1 := r.only(r.mails, betoAt)
	r = o.give(t, n, beto1, beto, "/tomar")
	if r.ticket.Assignee != "beto" {
		t.Errorf("%+v", r.ticket)
	}
	r = o.give(t, n, beto1, beto, "/liberar no es lo mío")
	if r.ticket.Assignee != "" || r.ticket.Team != "todos" || !slices.Contains(to(r.mails), anaAt+" notification") {
		t.Errorf("%+v, to %q", r.ticket, to(r.mails))
	}
	r = o.give(t, n, notification, ana, "/contestado por chat")
	r = o.give(t, n, notification, ana, "/sin-responder")
	if r.ticket.Status != ticket.StatusOpen || !r.ticket.Answered.IsZero() || r.ticket.Due.IsZero() {
		t.Errorf("%+v", r.ticket)
	}
}

// Who transfers twice does not write twice to the requester.
func TestRequesterIsToldOfOneTransfer(t *testing.T) {
	o := open(t)
	n, _, notification := o.opened()
	r := o.give(t, n, notification, ana, "/transferir posgrado")
	r.only(r.mails, lauraAt)
	r = o.give(t, n, notification, ana, "/transferir pregrado")
	for _, m := range r.mails {
		if m.row.To == lauraAt {
			t.Error("the requester is told again")
		}
	}
}

func TestMerge(t *testing.T) {
	o := open(t)
	n1, confirmation1, notification1 := o.opened()
	o.give(t, n1, notification1, ana, "/cerrar")
	out := o.send(letter{from: "Pedro <pedro@estudiantes.example>", to: "pregrado@virtual.example", subject: "Tampoco me abre", text: "Soy compañero de Laura."})
	notification2 := o.only(o.sent(), anaAt)
	r := o.give(t, out.Number, notification2, ana, "/unir-a #"+n1.String())
	if !strings.Contains(r.only(r.mails, anaAt).Text, "("+out.Number.String()+") quedó unida a la "+n1.String()) {
		t.Errorf("transcript:\n%s", r.only(r.mails, anaAt).Text)
	}
	if got := r.only(r.mails, "pedro@estudiantes.example"); !strings.Contains(got.Text, "sigue en la "+n1.String()) {
		t.Errorf("Pedro is told:\n%s", got.Text)
	}
	target, entries := o.ticket(n1)
	if r.ticket.MergedInto != target.ID || r.ticket.Status != ticket.StatusClosed || target.Status != ticket.StatusOpen || !slices.Equal(target.Merged, []ticket.ID{r.ticket.ID}) {
		t.Errorf("%+v into %+v", r.ticket, target)
	}
	if e := entries[len(entries)-1]; !strings.Contains(e.Text, out.Number.String()) {
		t.Errorf("the target's thread ends with %q", e.Text)
	}
	// Mail to the old one goes on in the new one.
	r = o.give(t, n1, notification2, ana, "Para los dos: ya funciona.")
	o.only(r.mails, "pedro@estudiantes.example")
	o.only(r.mails, lauraAt)
	r = o.give(t, n1, notification1, ana, "/ver")
	if m := r.only(r.mails, anaAt); !strings.Contains(m.Text, "Soy compañero") || !strings.Contains(m.Text, "aula de Cálculo") {
		t.Errorf("the conversation:\n%s", m.Text)
	}
	o.send(reply(confirmation1, laura, "Gracias, pero sigue igual."))
	if got, _ := o.ticket(n1); got.Status != ticket.StatusOpen {
		t.Errorf("status %s", got.Status)
	}
}

func TestSplit(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	o.send(reply(confirmation, laura, "Otra cosa: perdí la clave de Turnitin."))
	o.sent()
	r := o.give(t, n, notification, ana, "/separar")
	m := r.only(r.mails, anaAt)
	if !strings.Contains(m.Text, "El mensaje 2 es ahora la solicitud 003182") || len(r.mails) != 1 {
		t.Errorf("to %q:\n%s", to(r.mails), m.Text)
	}
	made, entries := o.ticket(n + 1)
	if made.Requester != r.ticket.Requester || made.Status != ticket.StatusOpen || len(entries) != 2 || !strings.Contains(entries[0].Text, "clave de Turnitin") ||
		!slices.Contains(r.ticket.Linked, made.ID) || made.Subject != "Otra cosa: perdí la clave de Turnitin." {
		t.Errorf("%+v, %+v", made, entries)
	}
	if r := o.give(t, n, notification, ana, "/separar 9"); !strings.Contains(r.only(r.mails, anaAt).Text, "9") || r.outcome.Event != ticket.EventHeld {
		t.Errorf("outcome %+v", r.outcome)
	}
}

// What becomes a ticket of its own has the topic's priority, not that of the old one.
func TestSplitTakesTheTopicsPriority(t *testing.T) {
	o := openWith(t, withTime("", `id = "pregrado"`, "id = \"pregrado\"\npriority = \"urgent\""))
	n, confirmation, notification := o.opened()
	o.dueAt(n, "2026-11-24 15:00")
	o.send(reply(notification, ana, "/prioridad baja"))
	o.dueAt(n, "2026-11-26 10:00")
	o.send(reply(confirmation, laura, "Otra cosa: perdí la clave de Turnitin."))
	o.sent()
	o.give(t, n, notification, ana, "/dividir")
	if made, _ := o.ticket(n + 1); made.Priority != ticket.PriorityUrgent {
		t.Errorf("priority %q", made.Priority)
	}
	o.dueAt(n+1, "2026-11-24 15:00")
}

func TestDeleteNeedsASecondWord(t *testing.T) {
	o := open(t)
	n, confirmation, notification := o.opened()
	r := o.give(t, n, notification, ana, "/transferir posgrado")
	o.give(t, n, r.only(r.mails, betoAt), beto, "/asignar olga")
	mine := func() mail {
		r := o.give(t, n, notification, ana, "/referir olga")
		for _, m := range r.mails {
			if m.row.To == olgaAt {
				return m
			}
		}
		t.Fatalf("Olga is told nothing: %q", to(r.mails))
		return mail{}
	}
	o.give(t, n, notification, ana, "/asignar beto")
	toOlga := mine()
	r = o.give(t, n, toOlga, olga, "/borrar es de prueba")
	ask := r.only(r.mails, olgaAt)
	if !r.ticket.Deleted.IsZero() || !strings.Contains(ask.Text, "¿Borrar la solicitud 003181? Motivo: es de prueba") {
		t.Fatalf("deleted %v:\n%s", r.ticket.Deleted, ask.Text)
	}
	var order string
	for line := range strings.Lines(ask.Text) {
		if strings.HasPrefix(line, "- /borrar ") {
			order, _, _ = strings.Cut(strings.TrimPrefix(line, "- "), ":")
		}
	}
	// Not with another's word, nor with one that is made up.
	for _, text := range []string{"/borrar " + strings.Repeat("a", ticket.TokenLength), order} {
		r = o.give(t, n, notification, ana, text)
		if !r.ticket.Deleted.IsZero() {
			t.Fatalf("%q of Ana's deleted it", text)
		}
	}
	r = o.give(t, n, ask, olga, order)
	if r.ticket.Deleted.IsZero() || !slices.Equal(to(r.mails), []string{olgaAt + " notification"}) {
		t.Errorf("deleted %v, to %q", r.ticket.Deleted, to(r.mails))
	}
	if err := o.store.View(func(tx *store.Tx) error {
		events, err := tx.JournalOf(r.ticket.ID)
		deleted := events[slices.IndexFunc(events, func(e ticket.Event) bool { return e.Kind == ticket.EventDeleted })]
		if deleted.Digest != tx.Digest([]byte("es de prueba")) {
			t.Errorf("the journal says %+v", deleted)
		}
		if e, err := tx.Entry(r.ticket.ID, deleted.Entry); err != nil || e.Text != "Olga Paz: /borrar es de prueba" {
			t.Errorf("the journal names the entry %+v, %v", e, err)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if out := o.send(reply(confirmation, laura, "¿Y mi caso?")); out.Event != ticket.EventTicketed || out.Number == n {
		t.Errorf("outcome %+v", out)
	}
	o.sent()

	// An agent who still answers it is told, with their text; nobody else is, and
	// what they write is a request like any other.
	out := o.send(reply(notification, ana, "Ya quedó matriculada."))
	back := o.only(o.sent(), anaAt)
	if out.Event != ticket.EventHeld || !strings.Contains(back.Text, "La solicitud 003181 fue borrada") || !strings.Contains(back.Text, "Ya quedó matriculada.") || strings.Contains(back.Text, "Corrija esa línea") {
		t.Errorf("outcome %+v, and Ana is told:\n%s", out, back.Text)
	}
	for _, other := range []string{laura, "Otra <otra@example.org>"} {
		if out := o.send(reply(notification, other, "Ya quedó.")); out.Event != ticket.EventTicketed {
			t.Errorf("from %s: outcome %+v", other, out)
		}
	}
}

// Two agents who answer within minutes are both told; both answers go out.
func TestTwoAgentsAnswer(t *testing.T) {
	o := open(t)
	out := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Matrícula", text: "¿Hasta cuándo?"})
	mails := o.sent()
	toAna, toBeto := o.only(mails, anaAt), o.only(mails, betoAt)
	o.give(t, out.Number, toAna, ana, "Hasta el viernes.")
	o.pass(time.Minute)
	r := o.give(t, out.Number, toBeto, beto, "Hasta el lunes.")
	want := []string{anaAt + " notification", betoAt + " notification", lauraAt + " answer"}
	if got := to(r.mails); !slices.Equal(got, want) {
		t.Errorf("mails go to %q, want %q", got, want)
	}
	if m := r.only(r.mails, anaAt); !strings.Contains(m.Text, "casi al tiempo") || !strings.Contains(m.Text, "Hasta el lunes.") || !strings.Contains(m.Text, "Hasta el viernes.") {
		t.Errorf("Ana is told:\n%s", m.Text)
	}
	o.pass(time.Hour)
	if r = o.give(t, out.Number, toAna, ana, "Confirmado."); len(r.mails) != 1 {
		t.Errorf("an hour later mails go to %q", to(r.mails))
	}
}
