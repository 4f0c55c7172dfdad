package desk_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/mailpipe"
	"buzon/store"
	"buzon/ticket"
)

const form = `
[[form]]
id = "solicitante"
[[form.field]]
id = "rol"
name = "Rol"
name_en = "Role"
one = [["Estudiante", "Student"], ["Docente", "Teacher", "profesor"]]
required = true
by_domain = [["docentes.example", "Docente"]]
[[form.field]]
id = "facultad"
name = "Facultad o dependencia"
name_en = "Faculty or department"
also = ["facultad"]
required = true
[[form.field]]
id = "programa"
name = "Proyecto curricular"
also = ["programa"]
[[form.field]]
id = "documento"
name = "Número de documento"
name_en = "Document number"
also = ["documento", "cédula"]
required = true
sensitive = true
`

func openForm(t testing.TB) *office {
	t.Helper()
	return openWith(t, strings.Replace(configuration, `reply_within = "1d"`, "reply_within = \"1d\"\nform = \"solicitante\"", 1)+form)
}

func (o *office) fields(n ticket.Number, want map[string]string) {
	o.t.Helper()
	t, _ := o.ticket(n)
	if len(t.Fields) == 0 && len(want) == 0 {
		return
	}
	if diff := compare(want, t.Fields); diff != "" {
		o.t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// journalText is all that the journal says of a ticket.
func (o *office) journalText(n ticket.Number) string {
	o.t.Helper()
	t, _ := o.ticket(n)
	var all []string
	err := o.store.View(func(tx *store.Tx) error {
		events, err := tx.JournalOf(t.ID)
		for _, e := range events {
			all = append(all, e.Kind+" "+e.Detail)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// all is everything that a mail says, in text and in HTML.
func (m mail) all() string { return m.Text + "\n" + htmlOf(m.raw) }

func TestFormIsAskedForOnceAndFilled(t *testing.T) {
	o := openForm(t)
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "No abre", text: "Buenos días.\n\n- FACULTAD = Ingeniería\n\nNo me abre el aula."})
	o.fields(out.Number, map[string]string{"facultad": "Ingeniería"})
	mails := o.sent()
	confirmation, notification := o.only(mails, "laura@estudiantes.example"), o.only(mails, "ana@privada.example")
	for _, text := range []string{confirmation.Text, htmlOf(confirmation.raw)} {
		for _, want := range []string{"Rol (Estudiante, Docente):", "Número de documento:", "ya está en curso"} {
			if !strings.Contains(text, want) {
				t.Errorf("the confirmation lacks %q:\n%s", want, text)
			}
		}
		if strings.Contains(text, "Facultad o dependencia:") || strings.Contains(text, "curricular") {
			t.Errorf("the confirmation asks for what is known, or not required:\n%s", text)
		}
	}
	if !strings.Contains(notification.Text, "Facultad o dependencia: Ingeniería") || !strings.Contains(htmlOf(notification.raw), "Facultad o dependencia: <strong>Ingeniería</strong>") {
		t.Errorf("the notification lacks the field:\n%s", notification.Text)
	}

	answer := reply(confirmation, laura, "Claro:")
	answer.text = strings.NewReplacer("> Rol (Estudiante, Docente):", "> Rol (Estudiante, Docente): estudiante", "> Número de documento:", "> Número de documento: 1.020.304.050").Replace(answer.text)
	o.send(answer)
	o.fields(out.Number, map[string]string{"facultad": "Ingeniería", "rol": "Estudiante", "documento": "1.020.304.050"})
	mails = o.sent()
	if len(mails) != 1 {
		t.Errorf("after the reply: %v", addressees(mails))
	}
	update := o.only(mails, "ana@privada.example")
	if !strings.Contains(update.Text, "Rol: Estudiante") || strings.Contains(update.raw+update.all(), "020.304") {
		t.Errorf("the update:\n%s", update.Text)
	}

	// The next request knows what the sender has said, and asks nothing.
	again := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Otra cosa", text: "Buenas. Programa: Física."})
	_ = again
	next := o.only(o.sent(), "laura@estudiantes.example")
	if strings.Contains(next.Text, "(Estudiante") || strings.Contains(next.Text, "documento") {
		t.Errorf("it is asked again:\n%s", next.Text)
	}
	o.fields(again.Number, map[string]string{"facultad": "Ingeniería", "rol": "Estudiante", "documento": "1.020.304.050"})
}

func TestFormInEnglishAndByDomain(t *testing.T) {
	o := openForm(t)
	out := o.send(letter{from: "Rosa <rosa@fac.docentes.example>", to: "pregrado@virtual.example", subject: "Cannot open the classroom",
		text: "Good morning,\n\nI can not open the classroom since yesterday, and the students are waiting for the exam.\n\nThank you"})
	o.fields(out.Number, map[string]string{"rol": "Docente"})
	confirmation := o.only(o.sent(), "rosa@fac.docentes.example")
	if !strings.Contains(confirmation.Text, "Faculty or department:\nDocument number:") || strings.Contains(confirmation.Text, "Role") {
		t.Errorf("asks:\n%s", confirmation.Text)
	}
}

func TestFormReadsHTMLTables(t *testing.T) {
	o := openForm(t)
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Tabla", contentType: "text/html; charset=utf-8",
		text: "<p>Hola</p><table><tr><td>Rol</td><td>Estudiante</td></tr><tr><td><b>Facultad o dependencia</b></td><td>Artes</td></tr>" +
			"<tr><td><p>Número de documento</p></td><td><p>80123</p></td></tr></table><p>No abre.</p>"})
	o.fields(out.Number, map[string]string{"rol": "Estudiante", "facultad": "Artes", "documento": "80123"})
}

// A sensitive value is in the ticket and in the mail in which it came, and in what
// an agent asks to see; in nothing that goes out by itself, nor in log or journal.
func TestSensitiveFieldsAreKeptBack(t *testing.T) {
	o := openForm(t)
	var log bytes.Buffer
	d, err := desk.New(desk.Parts{
		Store: o.store, Composer: &mailpipe.Composer{Hostname: "mesa.virtual.example"}, Now: o.clock, Unpack: mailpipe.DecodeAttachment,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, o.setting)
	if err != nil {
		t.Fatal(err)
	}
	o.desk = d
	const secret = "80123456"
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "No abre", text: "Rol: profesor\nCédula: " + secret + "\n\nMi usuario es " + secret + " y no abre."})
	notification := o.only(o.sent(), "ana@privada.example")
	if strings.Contains(notification.raw+notification.all(), secret) || !strings.Contains(notification.Text, "Cédula: •••") || !strings.Contains(notification.Text, "Mi usuario es •••") {
		t.Errorf("the notification:\n%s", notification.Text)
	}

	o.send(reply(notification, ana, "/campo Número de Documento = 99887766"))
	for _, m := range o.sent() {
		if strings.Contains(m.raw+m.all(), "99887766") {
			t.Errorf("a mail has the new value:\n%s", m.raw)
		}
	}
	o.fields(out.Number, map[string]string{"rol": "Docente", "documento": "99887766"})

	o.send(reply(notification, ana, "/ver"))
	seen := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(seen.Text, "Número de documento: 99887766") || !strings.Contains(seen.Text, "Cédula: "+secret) {
		t.Errorf("what was asked for:\n%s", seen.Text)
	}

	o.send(reply(notification, ana, "/asignar beto"))
	for _, m := range o.sent() {
		if strings.Contains(m.raw+m.all(), "99887766") || strings.Contains(m.raw+m.all(), "Cédula: "+secret) {
			t.Errorf("a mail to %s has it:\n%s", m.row.To, m.Text)
		}
	}
	journal := o.journalText(out.Number)
	if !strings.Contains(journal, "fields documento rol") {
		t.Errorf("the journal:\n%s", journal)
	}
	for _, secret := range []string{secret, "99887766"} {
		if strings.Contains(journal, secret) || strings.Contains(log.String(), secret) {
			t.Errorf("journal or log have %s", secret)
		}
	}
}

// What the requester wrote into the subject stands in no mail that goes out, in no
// list and no log line, but in the ticket.
func TestSensitiveFieldsInTheSubject(t *testing.T) {
	o := openForm(t)
	var log bytes.Buffer
	o.desk.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	const secret = "80123456"
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "No abre, cédula " + secret, text: "Rol: profesor\nNo abre."})
	also := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Otra de 80.123.456", text: "Cédula: " + secret + "\nNo abre."})
	mails := o.sent()
	var toAna, toLaura mail
	for _, m := range mails {
		switch m.row.To {
		case "ana@privada.example":
			toAna = m
		case lauraAddr:
			toLaura = m
		}
	}
	if toLaura.row.Subject != "["+"#"+also.Number.String()+"] Otra de •••" {
		t.Errorf("subject %q", toLaura.row.Subject)
	}
	o.send(reply(toAna, ana, "/asignar beto"))
	o.send(reply(toLaura, laura, "/estado"))
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "estado"})
	o.send(reply(toAna, ana, "Ya quedó."))
	o.pass(48 * time.Hour)
	if _, err := o.desk.Remind(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.desk.Table().Config.Digest.At = "0 7 * * *"
	o.digest()
	mails = append(mails, o.sent()...)
	if len(mails) < 10 {
		t.Errorf("only %d mails", len(mails))
	}
	for _, m := range mails {
		all := m.raw + m.all() + m.row.Subject
		if m.row.To == lauraAddr {
			all = m.row.Subject // who asks for the state is shown their own words
		}
		if strings.Contains(all, secret) || strings.Contains(all, "80.123.456") {
			t.Errorf("%s to %s has it:\n%s\n%s", m.row.Class, m.row.To, m.row.Subject, m.Text)
		}
	}
	if strings.Contains(log.String(), secret) || strings.Contains(log.String(), "80.123.456") {
		t.Errorf("the log has it:\n%s", log.String())
	}
	if kept, _ := o.ticket(out.Number); !strings.Contains(kept.Subject, secret) {
		t.Errorf("the ticket's subject is %q", kept.Subject)
	}
}

func TestFieldsAreCorrectedByCommand(t *testing.T) {
	o := openForm(t)
	n, _, notification := o.opened()
	o.send(reply(notification, ana, "/campo rol=PROFESOR\n/campo facultad = Artes y Oficios\n/campo sede=Norte"))
	o.fields(n, map[string]string{"rol": "Docente", "facultad": "Artes y Oficios", "sede": "Norte"})
	done := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(done.Text, "Facultad o dependencia: Artes y Oficios") {
		t.Errorf("the transcript:\n%s", done.Text)
	}
	o.send(reply(notification, ana, "/campo rol=rector"))
	refused := o.only(o.sent(), "ana@privada.example")
	if !strings.Contains(refused.Text, "Estudiante, Docente") {
		t.Errorf("the refusal:\n%s", refused.Text)
	}
	o.send(reply(notification, ana, "/campo facultad="))
	o.sent()
	o.fields(n, map[string]string{"rol": "Docente", "sede": "Norte"})
}

// Whoever merely cites a ticket fills in nothing.
func TestStrangersFillInNothing(t *testing.T) {
	o := openForm(t)
	n, confirmation, _ := o.opened()
	stranger := reply(confirmation, "Otro <otro@fuera.example>", "Rol: Docente\nDocumento: 666666")
	stranger.to = "pregrado@virtual.example"
	o.send(stranger)
	o.fields(n, nil)
}

func TestTransferReadsTheConversation(t *testing.T) {
	o := openForm(t)
	out := o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "No abre", text: "Rol: estudiante\nNo abre."})
	o.fields(out.Number, nil)
	o.send(reply(o.only(o.sent(), "beto@privada.example"), "Beto Sanz <beto@privada.example>", "/transferir pregrado"))
	o.fields(out.Number, map[string]string{"rol": "Estudiante"})
}
