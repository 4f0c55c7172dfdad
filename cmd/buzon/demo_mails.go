package main

import (
	"fmt"
	"io"
	"time"

	"buzon"
	"buzon/mailpipe"
	"buzon/routing"
	"buzon/ticket"
)

// The mails of the demo's requesters.

func demoPlain() []byte {
	return message(demoStudent, "Laura Rojas", "pregrado@virtual.example",
		"No puedo entrar al aula de Cálculo", "", "text/plain; charset=utf-8",
		"Buenos días.\n\nDesde ayer el aula virtual de Cálculo Diferencial me dice que no estoy matriculada,\npero ya pagué. ¿Me pueden ayudar?\n\nLaura Rojas\nCódigo 20261020034\n")
}

func demoAttachment() []byte {
	const boundary = "aleatorio-7hs81"
	body := "--" + boundary + "\nContent-Type: text/html; charset=utf-8\n\n" +
		"<html><body><p>Cordial saludo,</p><p>El informe de <b>Turnitin</b> no abre desde el lunes. Adjunto la pantalla.</p><p>Carlos Mejía</p></body></html>\n" +
		"--" + boundary + "\nContent-Type: image/png; name=\"pantalla.png\"\nContent-Disposition: attachment; filename=\"pantalla.png\"\nContent-Transfer-Encoding: base64\n\n" +
		"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\n--" + boundary + "--\n"
	return message(demoTeacher, "Carlos Mejía", "turnitin@virtual.example",
		"Informe de Turnitin", "", `multipart/mixed; boundary="`+boundary+`"`, body)
}

func demoByTag(tag string) []byte {
	return message(demoStudent, "Laura Rojas", "pregrado@virtual.example",
		"Comprobante "+tag, "", "text/plain; charset=utf-8", "Olvidé decir que el pago fue el 12 de noviembre.\n")
}

func demoOutOfOffice(to, subject, inReplyTo string) []byte {
	return message(demoTeacher, "Carlos Mejía", to,
		"Respuesta automática: "+subject, "Auto-Submitted: auto-replied\nIn-Reply-To: "+inReplyTo+"\n",
		"text/plain; charset=utf-8", "Estoy fuera de la oficina hasta el 1 de diciembre.\n")
}

func demoWrongTopic() []byte {
	return message(demoOther, "Diana Pardo", "moodle@virtual.example",
		"¿Cuándo abren el diplomado?", "", "text/plain; charset=utf-8", "Hola, quiero saber cuándo abren inscripciones del diplomado en docencia.\n")
}

// explainDemo tells, for each of the requesters' mails, what the example's
// configuration decides if it comes at a time, and why.
func explainDemo(w io.Writer, at time.Time) error {
	table, err := routing.Parse("config.example.toml", buzon.ExampleConfig)
	if err != nil {
		return err
	}
	for i, mail := range []struct {
		what  string
		raw   []byte
		reply string // topic of the ticket that it replies to
	}{
		{"Laura, a student, asks for help", demoPlain(), ""},
		{"Carlos, a teacher, sends a screenshot", demoAttachment(), ""},
		{"Laura writes again, with the tag in the subject", demoByTag("[#003181]"), "pregrado"},
		{"Carlos is out of office", demoOutOfOffice("turnitin@virtual.example", "[#003182] Informe de Turnitin", "<id@mesa.virtual.example>"), "turnitin"},
		{"Diana mails an address that is no topic's", demoWrongTopic(), ""},
	} {
		m := mailpipe.Understand(mail.raw, reading(table))
		m.Size = int64(len(mail.raw))
		in := inputOf(m, mail.raw, at)
		in.Reply, in.Explain = table.Topic(mail.reply), true
		d := table.Match(in)
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%d. %s: %s\n", i+1, mail.what, destination(&d))
		explain(w, table, m, &d, in.Reply != nil, at)
		switch {
		case in.Reply == nil:
		case m.Kind == ticket.KindHuman:
			fmt.Fprintf(w, "  it joins its ticket, in topic %s; whoever has that is told\n", d.Topic.ID)
		default:
			fmt.Fprintf(w, "  it stands in its ticket, in topic %s; nobody is told, and nothing is answered\n", d.Topic.ID)
		}
	}
	return nil
}
