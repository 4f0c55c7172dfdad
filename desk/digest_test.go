package desk_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// digests sets when digests are sent.
func (o *office) digests(at string) {
	o.t.Helper()
	conf := configuration + "[digest]\nat = \"" + at + "\"\n"
	conf = strings.Replace(conf, "id = \"olga\"\n", "id = \"olga\"\ndigest = false\n", 1)
	table, err := routing.Parse("test.toml", []byte(conf))
	if err != nil {
		o.t.Fatal(err)
	}
	tmpl, err := templates.New("")
	if err != nil {
		o.t.Fatal(err)
	}
	o.desk.Use(desk.Setting{Table: table, Templates: tmpl})
}

func (o *office) digest() int {
	o.t.Helper()
	n, err := o.desk.Digest(context.Background())
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

func TestDigest(t *testing.T) {
	o := open(t)
	o.opened()
	if o.digest() != 0 {
		t.Error("a digest that nobody has asked for")
	}
	o.digests("0 7 * * 1-5")
	_, _, notification := o.opened() // 003182
	o.send(reply(notification, ana, "Ya quedó."))
	o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Del equipo", text: "Hola."}) // 003183
	o.send(reply(notification, "Ana <ana@otra.example>", "/cerrar\nListo."))                          // held
	o.pass(25 * time.Hour)
	o.sent()
	o.opened() // 003184, not overdue
	o.sent()
	if n := o.digest(); n != 2 {
		t.Errorf("%d digests, want Ana's and Beto's", n)
	}
	mails := o.sent()
	m := o.only(mails, "ana@privada.example")
	order := []string{"Resumen del miércoles 25", "Solicitudes vencidas", "003181", "Sus solicitudes", "003184", "De su equipo", "003183", "A la espera", "003182", "retenido a su nombre: 1"}
	at := -1
	for _, want := range order {
		next := strings.Index(m.Text, want)
		if next <= at {
			t.Errorf("%q is missing or stands elsewhere in:\n%s", want, m.Text)
		}
		at = next
	}
	for _, n := range []string{"003181", "003182", "003183", "003184"} {
		if strings.Count(m.Text, n) != 1 {
			t.Errorf("%s is not there once:\n%s", n, m.Text)
		}
	}
	if m.row.Class != ticket.ClassReminder || !m.row.Ticket.IsZero() || !strings.Contains(m.raw, "Auto-Submitted") {
		t.Errorf("row %+v", m.row)
	}
	if b := o.only(mails, "beto@privada.example"); !strings.Contains(b.Text, "003183") || strings.Contains(b.Text, "003181") {
		t.Errorf("Beto's:\n%s", b.Text)
	}

	// Once a day: again, at once from many sides, and with a clock that jumps.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if n, err := o.desk.Digest(context.Background()); n != 0 || err != nil {
				t.Errorf("%d digests, %v", n, err)
			}
		})
	}
	wg.Wait()
	for _, jump := range []time.Duration{-24 * time.Hour, 24 * time.Hour, -time.Hour, time.Hour, 3 * time.Hour} {
		o.pass(jump)
		if n := o.digest(); n != 0 {
			t.Errorf("%d digests after a jump of %s", n, jump)
		}
	}
	o.none("the same day")
	o.pass(24 * time.Hour)
	if n := o.digest(); n != 2 {
		t.Errorf("%d digests on the next day", n)
	}
	o.sent()
	o.pass(2 * 24 * time.Hour) // Saturday
	if n := o.digest(); n != 0 {
		t.Errorf("%d digests on a Saturday", n)
	}
}

// The desk stops while the digest of the day is made: after the restart it is made
// once.
func TestDigestAcrossAFailure(t *testing.T) {
	o := open(t)
	o.digests("0 7 * * *")
	o.opened()
	working := o.desk.Composer
	o.desk.Composer = broken{}
	if n, err := o.desk.Digest(context.Background()); err == nil || n != 0 {
		t.Errorf("%d digests, %v", n, err)
	}
	o.desk.Composer = working
	if n := o.digest(); n != 1 {
		t.Errorf("%d digests, want Ana's", n)
	}
	if n := o.digest(); n != 0 {
		t.Errorf("%d digests more", n)
	}
	o.only(o.sent(), "ana@privada.example")
}

type broken struct{}

func (broken) Compose(*ticket.Draft) ([]ticket.Chunk, error) { return nil, errors.New("broken") }

// Nothing is sent where there is nothing, nor to an agent who is away; what the
// link of a ticket opens is answered like its notification.
func TestDigestSaysNothingOrLinks(t *testing.T) {
	o := open(t)
	o.digests("0 7 * * *")
	if n := o.digest(); n != 0 {
		t.Errorf("%d digests of nothing", n)
	}
	o.pass(24 * time.Hour)
	n, _, notification := o.opened()
	o.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Del equipo", text: "Hola."})
	o.sent()
	o.digest()
	m := o.only(o.sent(), "ana@privada.example")
	html := strings.NewReplacer("=\r\n", "", "=3D", "=", "&#43;", "+", "%2B", "+").Replace(m.raw)
	_, rest, _ := strings.Cut(html, `href="mailto:`)
	to, _, _ := strings.Cut(rest, "?")
	if out := o.send(letter{from: ana, to: to, subject: "Re: [#" + n.String() + "] No abre el aula", text: "Ya quedó."}); out.Event != ticket.EventAnswered || out.Number != n {
		t.Errorf("a mail to %q: outcome %+v", to, out)
	}
	o.send(reply(notification, ana, "/ausente 20/12"))
	o.sent()
	o.pass(24 * time.Hour)
	o.digest()
	if mails := o.sent(); slices.ContainsFunc(mails, func(m mail) bool { return m.row.To == "ana@privada.example" }) {
		t.Errorf("sent %v", addressees(mails))
	}
}

// Who reads of news in the digest finds there what has been written since the last
// one, also on tickets of others to which they were referred; who wants only what
// names them finds nothing that only concerns their team.
func TestDigestInsteadOfMail(t *testing.T) {
	s := assigned(t).choosing("digest", "rita", "ana").choosing("mentions", "beto")
	s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Del equipo", text: "Hola."}) // 003183
	s.send(reply(s.confirmation, laura, "Sigue sin abrir."))
	for _, m := range s.sent() {
		if strings.HasSuffix(m.row.To, "@privada.example") && m.row.To != "beto@privada.example" {
			t.Errorf("%s was told at once:\n%s", m.row.To, m.Text)
		}
	}
	s.pass(24 * time.Hour) // two days are the limit
	if s.digest() == 0 {
		t.Fatal("no digests")
	}
	mails := s.sent()
	for _, who := range []string{"ana@privada.example", "rita@privada.example"} {
		m := s.only(mails, who)
		_, news, ok := strings.Cut(m.Text, "Con mensajes nuevos")
		if !ok || !strings.Contains(news, s.n.String()) {
			t.Errorf("%s reads no news:\n%s", who, m.Text)
		}
	}
	for _, m := range mails {
		if m.row.To == "beto@privada.example" {
			t.Errorf("nothing is Beto's:\n%s", m.Text)
		}
	}
	s.pass(24 * time.Hour)
	s.digest()
	if m := s.only(s.sent(), "ana@privada.example"); strings.Contains(m.Text, "Con mensajes nuevos") {
		t.Errorf("old news:\n%s", m.Text)
	}
}

// While the desk is closed, or those who work by the agent's calendar are, no digest is
// sent; the first one after it tells of all.
func TestNoDigestWhileClosed(t *testing.T) {
	for _, calendars := range []string{"", "calendars = [\"office\"]\n"} {
		o := openWith(t, withTime("[digest]\nat = \"0 7 * * *\"\n[[closed]]\nfrom = \"2026-11-25\"\nuntil = \"2026-11-29\"\n"+calendars,
			`id = "ana"`, "id = \"ana\"\ncalendar = \"office\""))
		n, _, _ := o.opened()
		for _, c := range []struct {
			at   string
			want int
		}{{"2026-11-25 07:00", 0}, {"2026-11-29 23:00", 0}, {"2026-11-30 06:59", 0}, {"2026-11-30 07:00", 1}, {"2026-11-30 08:00", 0}} {
			o.at(c.at)
			o.digest()
			var texts []string
			for _, m := range o.sent() {
				if m.row.To == "ana@privada.example" {
					texts = append(texts, m.Text)
				}
			}
			if len(texts) != c.want || c.want > 0 && !strings.Contains(texts[0], n.String()) {
				t.Errorf("%q at %s: %q", calendars, c.at, texts)
			}
		}
	}
}
