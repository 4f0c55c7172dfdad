package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// ruledOffice is an office with rules.
func ruledOffice(t *testing.T, rules string, oldnew ...string) *office {
	t.Helper()
	return openWith(t, strings.NewReplacer(oldnew...).Replace(configuration)+rules)
}

func rule(condition, actions string) string {
	return fmt.Sprintf("[[rule]]\nname = \"r\"\nif = %q\n%s\n", condition, actions)
}

const clave = "subject contains 'clave'"

func asking(subject, text string) letter {
	return letter{from: laura, to: "pregrado@virtual.example", subject: subject, text: text}
}

func (o *office) journal(n ticket.Number) []ticket.Event {
	o.t.Helper()
	t, _ := o.ticket(n)
	var events []ticket.Event
	err := o.store.View(func(tx *store.Tx) (err error) {
		events, err = tx.JournalOf(t.ID)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return events
}

func TestRuleActions(t *testing.T) {
	o := ruledOffice(t, rule(clave, `topic = "posgrado"
assign = "beto"
priority = "urgent"
labels = ["Clave perdida"]
copy = ["olga", "decana@otra.example"]
forward = ["archivo@otra.example"]
mail_to = ["monitor@otra.example"]
mail = "clave"
canned = "clave"
note = "Ver el procedimiento."`))
	out := o.send(asking("Olvidé mi clave", "No puedo entrar."))
	mails := o.sent()
	tk, entries := o.ticket(out.Number)
	if tk.Topic != "posgrado" || tk.Assignee != "beto" || tk.Priority != ticket.PriorityUrgent || !slices.Equal(tk.Labels, []string{"clave-perdida"}) || !slices.Equal(tk.Referred, []string{"olga"}) {
		t.Errorf("%+v", tk)
	}
	var kinds []ticket.EntryKind
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []ticket.EntryKind{ticket.EntryRequest, ticket.EntryNote, ticket.EntryAnswer}) {
		t.Errorf("entries %v", kinds)
	}
	answer := o.only(mails, "laura@estudiantes.example")
	if want := "Hola, Laura Rojas: use el enlace de la solicitud 003181. Posgrado"; !strings.Contains(answer.Text, want) || answer.row.Class != ticket.ClassConfirmation ||
		!strings.Contains(answer.Text, "Ley 1581") || !strings.Contains(answer.raw, "Auto-Submitted: auto-replied") {
		t.Errorf("%s", answer.raw)
	}
	if entries[2].Text != "Hola, Laura Rojas: use el enlace de la solicitud 003181. Posgrado" {
		t.Errorf("%q", entries[2].Text)
	}
	for _, agent := range []string{"beto@privada.example", "olga@privada.example"} {
		if m := o.only(mails, agent); !strings.Contains(m.Text, "No puedo entrar") {
			t.Error(m.Text)
		}
	}
	if m := o.only(mails, "beto@privada.example"); !strings.Contains(m.Text, "Ver el procedimiento.") {
		t.Errorf("the note is not told: %s", m.Text)
	}
	forwarded := o.only(mails, "archivo@otra.example")
	if !strings.Contains(forwarded.raw, "Content-Type: message/rfc822") || !strings.Contains(forwarded.raw, "\r\nFrom: Laura Rojas <laura@estudiantes.example>\r\n") ||
		strings.Contains(forwarded.raw, "privada.example") {
		t.Errorf("%s", forwarded.raw)
	}
	if m := o.only(mails, "monitor@otra.example"); !strings.Contains(m.Text, "use el enlace") {
		t.Error(m.Text)
	}
	if len(mails) != 5 {
		t.Errorf("mails %v", addressees(mails))
	}
	// Whom a mail was sent on to answers into the ticket, and not to the requester.
	o.send(reply(forwarded, "archivo@otra.example", "Quedó archivado."))
	for _, m := range o.sent() {
		if m.row.To == "laura@estudiantes.example" || m.row.To == "decana@otra.example" {
			t.Errorf("an outsider's words went to %s", m.row.To)
		}
	}
	// Who was copied gets the answers.
	o.send(reply(o.only(mails, "beto@privada.example"), "Beto <beto@privada.example>", "Ya quedó."))
	if m := o.only(o.sent(), "decana@otra.example"); !strings.Contains(m.Text, "Ya quedó.") {
		t.Error(m.Text)
	}
}

// The table's version and the rules that held stand in the journal.
func TestDecisionIsRecorded(t *testing.T) {
	o := ruledOffice(t, rule(clave, "priority = \"high\""))
	out := o.send(asking("clave", "x"))
	i := slices.IndexFunc(o.journal(out.Number), func(e ticket.Event) bool {
		return e.Kind == ticket.EventRouted && e.Detail == o.setting.Table.Version+" r"
	})
	if i < 0 {
		t.Errorf("%+v", o.journal(out.Number))
	}
}

func TestRefuse(t *testing.T) {
	o := ruledOffice(t, rule(clave, "refuse = \"clave\"\nlabels = [\"x\"]"))
	out := o.send(asking("Mi clave", "No puedo entrar."))
	mails := o.sent()
	if m := o.only(mails, "laura@estudiantes.example"); !strings.Contains(m.Text, "use el enlace") || len(mails) != 1 {
		t.Errorf("%v: %s", addressees(mails), m.Text)
	}
	if tk, _ := o.ticket(out.Number); tk.Status != ticket.StatusClosed || tk.Spam || !slices.Contains(tk.Labels, "x") || !tk.Due.IsZero() {
		t.Errorf("%+v", tk)
	}
}

func TestHoldByRule(t *testing.T) {
	o := ruledOffice(t, rule(clave, "hold = true\npriority = \"high\""))
	out := o.send(asking("Mi clave", "No puedo entrar."))
	if out.Event != ticket.EventHeld || out.Number != 0 {
		t.Fatalf("%+v", out)
	}
	if a := o.desk.Alarms(); len(a) != 1 || a[0].Key != "held by rule" || a[0].Lasts() || !strings.Contains(a[0].Try, "buzon held show 1") {
		t.Errorf("alarms %+v", a)
	}
	for _, m := range o.sent() {
		if m.row.Class != ticket.ClassNotice {
			t.Errorf("%s to %s", m.row.Class, m.row.To)
		}
	}
	again := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Mi clave", text: "No puedo entrar.", id: "m1@cliente.example"})
	if again.Event != ticket.EventDuplicate {
		t.Errorf("a copy: %+v", again)
	}
	released, err := o.desk.Release(context.Background(), 1)
	if err != nil || released.Event != ticket.EventTicketed {
		t.Fatal(released, err)
	}
	mails := o.sent()
	o.only(mails, "laura@estudiantes.example")
	o.only(mails, "ana@privada.example")
	if tk, _ := o.ticket(released.Number); tk.Priority != ticket.PriorityHigh {
		t.Errorf("%+v", tk)
	}
	if _, err := o.desk.Release(context.Background(), 1); err == nil {
		t.Error("released twice")
	}
}

func TestJunk(t *testing.T) {
	lists := "[lists]\nblock = [\"@ventas.example\"]\nallow = [\"bueno@ventas.example\"]\n"
	marked := []string{"X-Spam-Flag: YES"}
	for _, tt := range []struct {
		name    string
		from    string
		headers []string
		rules   string
		status  ticket.Status
		label   bool
		mails   int
	}{
		{"blocked", "x@ventas.example", nil, lists, ticket.StatusClosed, false, 0},
		{"allowed", "bueno@ventas.example", nil, lists, ticket.StatusOpen, false, 2},
		{"a rule says so", "x@otra.example", nil, rule("domain is 'otra.example'", "spam = true"), ticket.StatusClosed, false, 0},
		{"marked on its way", "x@otra.example", marked, "", ticket.StatusOpen, true, 0},
		{"marked, and a rule closes it", "x@otra.example", marked, rule("spam is true", "spam = true"), ticket.StatusClosed, false, 0},
		{"marked, and a rule trusts it", "x@otra.example", marked, rule("spam is true", "spam = false"), ticket.StatusOpen, false, 1},
		{"marked, and allowed", "bueno@ventas.example", marked, lists, ticket.StatusOpen, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := ruledOffice(t, tt.rules)
			l := asking("Compre", "Compre ya.")
			l.from, l.headers = tt.from, tt.headers
			out := o.send(l)
			tk, _ := o.ticket(out.Number)
			if tk.Status != tt.status || tk.Spam != (tt.status == ticket.StatusClosed) || slices.Contains(tk.Labels, "spam") != tt.label {
				t.Errorf("%+v", tk)
			}
			if mails := o.sent(); len(mails) != tt.mails {
				t.Errorf("mails %v", addressees(mails))
			}
			if tt.label && tk.Due.IsZero() {
				t.Error("what was wrongly marked would never be seen")
			}
		})
	}
}

// Whoever was marked with /spam is closed without a word, in new mail and in
// replies, unless the allow list says otherwise.
func TestSpamClosesSilently(t *testing.T) {
	o := ruledOffice(t, "")
	n, confirmation, notification := o.opened()
	o.send(reply(notification, ana, "/spam"))
	o.sent()
	if tk, _ := o.ticket(n); !tk.Spam {
		t.Fatal("not marked")
	}
	out := o.send(asking("Otra", "Otra cosa."))
	if tk, _ := o.ticket(out.Number); tk.Status != ticket.StatusClosed || !tk.Spam {
		t.Errorf("%+v", tk)
	}
	o.send(reply(confirmation, laura, "Por favor."))
	if tk, entries := o.ticket(n); tk.Status != ticket.StatusClosed || entries[len(entries)-1].Text != "Por favor." {
		t.Errorf("%+v", tk)
	}
	o.none("their mail is junk")
}

func TestUseReplyTo(t *testing.T) {
	o := ruledOffice(t, rule("from is 'web@otra.example'", "use_reply_to = true"))
	l := asking("Formulario", "Nombre: Rosa")
	l.from, l.headers = "Web <web@otra.example>", []string{"Reply-To: Rosa Paz <rosa@estudiantes.example>"}
	o.send(l)
	if m := o.only(o.sent(), "rosa@estudiantes.example"); !strings.Contains(m.Text, "Rosa Paz") {
		t.Error(m.Text)
	}
	l.headers = []string{"Reply-To: pregrado@virtual.example"}
	l.subject = "Otro formulario"
	o.send(l)
	o.only(o.sent(), "web@otra.example")
}

func TestReplyRules(t *testing.T) {
	o := ruledOffice(t, `[[rule]]
name = "a posgrado"
on = "reply"
if = "topic is 'pregrado' and body contains 'maestria'"
topic = "posgrado"
priority = "high"
labels = ["Movida"]
note = "La movió una regla."
[[rule]]
name = "basura"
on = "reply"
if = "body contains 'compre'"
spam = true
[[rule]]
name = "después"
on = "reply"
if = "body contains 'gracias por esperar'"
hold = true
`, "team = \"todos\"", "team = \"todos\"\nstrategy = \"round robin\"")
	n, confirmation, notification := o.opened()
	o.send(reply(notification, ana, "¿De qué programa es?"))
	answer := o.only(o.sent(), "laura@estudiantes.example")
	o.send(reply(answer, laura, "De la maestría."))
	tk, entries := o.ticket(n)
	if tk.Topic != "posgrado" || tk.Assignee != "beto" || tk.Team != "todos" || tk.Priority != ticket.PriorityHigh || !slices.Contains(tk.Labels, "movida") || tk.Status != ticket.StatusOpen {
		t.Errorf("%+v", tk)
	}
	if last := entries[len(entries)-1]; last.Kind != ticket.EntryNote || last.Text != "La movió una regla." {
		t.Errorf("%+v", last)
	}
	told := o.sent()
	if m := o.only(told, "beto@privada.example"); !strings.Contains(m.Text, "La movió una regla.") || len(told) != 1 {
		t.Errorf("%v: %s", addressees(told), m.Text)
	} else if !strings.Contains(m.Text, "> ¿De qué programa es?") || !strings.Contains(m.Text, "> No me abre el aula de Cálculo.") {
		t.Errorf("who gets it now is not shown what was written before:\n%s", m.Text)
	}
	o.send(reply(answer, laura, "Sí, de la maestría."))
	if m := o.only(o.sent(), "beto@privada.example"); strings.Contains(m.Text, "> ¿De qué programa es?\n") && strings.Contains(m.Text, "No me abre el aula de Cálculo.") {
		t.Errorf("who knows it is shown it again:\n%s", m.Text)
	}
	// Strangers set no rules going.
	stranger := reply(confirmation, "Otro <otro@otra.example>", "Compre ya la maestría.")
	stranger.to = "pregrado@virtual.example"
	o.send(stranger)
	o.sent()
	o.send(reply(answer, laura, "Compre ya."))
	if after, entries := o.ticket(n); after.Status != ticket.StatusOpen || entries[len(entries)-1].Text != "Compre ya." {
		t.Errorf("%+v", after)
	}
	o.none("a reply that is junk")
	if out := o.send(reply(answer, laura, "Gracias por esperar.")); out.Event != ticket.EventHeld {
		t.Errorf("%+v", out)
	}
	if out, err := o.desk.Release(context.Background(), 1); err != nil || out.Event != ticket.EventReplied || out.Number != n {
		t.Error(out, err)
	}
}

// Mail that comes at the same time is given out by turn all the same, and who has
// said that they are away gets none.
func TestRoundRobinAtOnce(t *testing.T) {
	o := ruledOffice(t, "", "team = \"todos\"", "team = \"todos\"\nstrategy = \"round robin\"", "members = [\"beto\", \"ana\"]", "members = [\"beto\", \"ana\", \"olga\"]")
	var wait sync.WaitGroup
	var mu sync.Mutex
	var numbers []ticket.Number
	const each = 7
	for i := range 3 * each {
		m := o.message(o.raw(letter{from: fmt.Sprintf("p%d@otra.example", i), to: "posgrado@virtual.example", subject: "S", text: fmt.Sprint("Texto ", i)}),
			ticket.Envelope{Account: "smtp", MailFrom: "x@otra.example", Recipients: []string{"posgrado@virtual.example"}})
		wait.Go(func() {
			out, err := o.desk.Receive(context.Background(), m)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			numbers = append(numbers, out.Number)
		})
	}
	wait.Wait()
	got := map[string]int{}
	slices.Sort(numbers)
	last := ""
	for _, n := range numbers {
		tk, _ := o.ticket(n)
		got[tk.Assignee]++
		if tk.Assignee == last {
			t.Errorf("%s got two tickets in a row", last)
		}
		last = tk.Assignee
	}
	if got["beto"] != each || got["ana"] != each || got["olga"] != each {
		t.Errorf("%v", got)
	}
	o.sent()
	n, _, notification := o.opened()
	_ = n
	o.send(reply(notification, ana, "/ausente 2026-12-20"))
	o.pass(time.Hour)
	for i := range 4 {
		out := o.send(letter{from: fmt.Sprintf("q%d@otra.example", i), to: "posgrado@virtual.example", subject: "S", text: fmt.Sprint("Otro texto ", i)})
		if tk, _ := o.ticket(out.Number); tk.Assignee == "ana" {
			t.Error("who is away got a ticket")
		}
	}
}

func TestLeastOpenAndSticky(t *testing.T) {
	o := ruledOffice(t, "", "team = \"todos\"", "team = \"todos\"\nstrategy = \"least open\"")
	ask := func(from, text string) *ticket.Ticket {
		out := o.send(letter{from: from, to: "posgrado@virtual.example", subject: "S", text: text})
		tk, _ := o.ticket(out.Number)
		return tk
	}
	if a, b := ask("p1@otra.example", "uno").Assignee, ask("p2@otra.example", "dos").Assignee; a != "beto" || b != "ana" {
		t.Error(a, b)
	}
	o.send(reply(o.only(o.sent(), "ana@privada.example"), ana, "/cerrar\nListo."))
	if got := ask("p3@otra.example", "tres").Assignee; got != "ana" {
		t.Errorf("%s has fewer than beto", got)
	}
	r, err := o.desk.Roster("p1@otra.example")
	if err != nil || r.OpenOf["ana"] != 1 || r.OpenOf["beto"] != 1 || r.LastOf["todos"] != "ana" || r.HadOf["todos"] != "beto" {
		t.Errorf("%+v, %v", r, err)
	}

	o = ruledOffice(t, "", "team = \"todos\"", "team = \"todos\"\nstrategy = \"sticky\"")
	for i, want := range []string{"beto", "ana", "beto", "ana", "beto"} {
		from := []string{"p1@otra.example", "p2@otra.example", "p1@otra.example", "p2@otra.example", "p3@otra.example"}[i]
		if got := ask(from, fmt.Sprint("texto ", i)).Assignee; got != want {
			t.Errorf("%d, of %s: %s", i, from, got)
		}
	}
}

// A mail to one topic that a rule moves to another is not referred back, also not by
// a copy that comes by another way.
func TestMovedIsNotReferredBack(t *testing.T) {
	o := ruledOffice(t, rule(clave, "topic = \"posgrado\""))
	l := asking("clave", "No puedo entrar.")
	l.id = "uno@cliente.example"
	out := o.send(l)
	tk, _ := o.ticket(out.Number)
	if tk.Topic != "posgrado" {
		t.Fatal(tk.Topic)
	}
	before := len(o.sent())
	l.envelope = ticket.Envelope{Account: "soporte", Mailbox: "INBOX", UIDValidity: 1, UID: 1}
	if out := o.send(l); out.Event != ticket.EventDuplicate {
		t.Errorf("%+v", out)
	}
	o.none("a copy of what a rule has moved")
	if before != 3 { // the confirmation, and the two of the team
		t.Errorf("%d mails", before)
	}
}

// Rules see what a form reads in a new mail, and what it infers from the domain, under
// any spelling of the field's name.
func TestRulesSeeForms(t *testing.T) {
	o := ruledOffice(t, `[[form]]
id = "quien"
[[form.field]]
id = "rol"
name = "Rol"
name_en = "Role"
by_domain = [["profesores.example", "Docente"]]
`+rule("field 'Role' is 'docente'", "priority = \"high\""), "reply_within = \"1d\"", "reply_within = \"1d\"\nform = \"quien\"")
	for text, want := range map[string]ticket.Priority{"Rol: Docente\n\nNo abre.": ticket.PriorityHigh, "Rol: Estudiante\n\nNo abre.": ticket.PriorityNormal} {
		out := o.send(asking("S", text))
		if tk, _ := o.ticket(out.Number); tk.Priority != want {
			t.Errorf("%q: %q", text, tk.Priority)
		}
	}
	l := asking("S", "No abre el aula.")
	l.from = "x@profesores.example"
	if tk, _ := o.ticket(o.send(l).Number); tk.Priority != ticket.PriorityHigh {
		t.Error("what the domain says is not seen")
	}
}

// A reply that a rule refuses is answered, stands in the thread, and changes nothing
// else: nobody is told, and the ticket is neither closed nor reopened.
func TestRefusedReply(t *testing.T) {
	for _, on := range []string{"reply", "any"} {
		o := ruledOffice(t, "[[rule]]\nname = \"r\"\non = \""+on+"\"\nif = \"body contains 'cadena'\"\nrefuse = \"clave\"\n")
		n, _, notification := o.opened()
		o.send(reply(notification, ana, "/esperar\n¿De qué programa es?"))
		answer := o.only(o.sent(), "laura@estudiantes.example")
		before, _ := o.ticket(n)
		if out := o.send(reply(answer, laura, "Es una cadena.")); out.Event != ticket.EventReplied || out.Number != n {
			t.Errorf("%s: %+v", on, out)
		}
		mails := o.sent()
		if m := o.only(mails, "laura@estudiantes.example"); !strings.Contains(m.Text, "use el enlace de la solicitud 003181") || len(mails) != 1 {
			t.Errorf("%s: %v: %s", on, addressees(mails), m.Text)
		}
		after, entries := o.ticket(n)
		if after.Status != before.Status || after.Status != ticket.StatusWaiting || after.Assignee != before.Assignee {
			t.Errorf("%s: %+v", on, after)
		}
		if words := entries[len(entries)-2:]; words[0].Text != "Es una cadena." || words[1].Kind != ticket.EntryAnswer || words[1].Role != ticket.RoleSystem {
			t.Errorf("%s: %+v", on, words)
		}
		// What the rule doesn't hold for goes its way.
		o.send(reply(answer, laura, "Es de pregrado."))
		if after, _ := o.ticket(n); after.Status != ticket.StatusOpen {
			t.Errorf("%s: %+v", on, after)
		}
	}
}
