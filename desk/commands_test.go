package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

const (
	beto = "Beto Sanz <beto@privada.example>"
	olga = "Olga Paz <olga@privada.example>"

	lauraAt = "laura@estudiantes.example"
	anaAt   = "ana@privada.example"
	betoAt  = "beto@privada.example"
	olgaAt  = "olga@privada.example"
)

// to lists to whom mails go, sorted, each with the class of the mail.
func to(mails []mail) []string {
	var list []string
	for _, m := range mails {
		list = append(list, m.row.To+" "+string(m.row.Class))
	}
	slices.Sort(list)
	return list
}

// order is a command mail of Ana's on Laura's new ticket, and what came of it.
type order struct {
	*office
	t       *testing.T
	number  ticket.Number
	outcome ticket.Outcome
	ticket  *ticket.Ticket
	entries []*ticket.Entry
	mails   []mail
	person  *ticket.Person // Laura
}

func give(t *testing.T, text string) order {
	t.Helper()
	o := open(t)
	n, _, notification := o.opened()
	return o.give(t, n, notification, ana, text)
}

func (o *office) give(t *testing.T, n ticket.Number, to mail, from, text string) order {
	t.Helper()
	r := order{office: o, t: t, number: n}
	r.outcome = o.send(reply(to, from, text))
	r.ticket, r.entries = o.ticket(n)
	r.mails = o.sent()
	err := o.store.View(func(tx *store.Tx) (err error) {
		r.person, err = tx.PersonByAddress(lauraAt)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// did checks that the agent's transcript says something and that these and no
// others were written to besides.
func (r order) did(says string, others ...string) mail {
	r.t.Helper()
	transcript := r.only(slices.DeleteFunc(slices.Clone(r.mails), func(m mail) bool { return !strings.Contains(m.Text, "/ayuda") }), anaAt)
	if !strings.Contains(transcript.Text, says) {
		r.t.Errorf("the transcript lacks %q:\n%s", says, transcript.Text)
	}
	want := slices.Sorted(slices.Values(append(others, anaAt+" notification")))
	if got := to(r.mails); !slices.Equal(got, want) {
		r.t.Errorf("mails go to %q, want %q", got, want)
	}
	return transcript
}

func TestCommandsOfAgents(t *testing.T) {
	zone := time.FixedZone("-05", -5*60*60)
	answer, closing := lauraAt+" answer", lauraAt+" confirmation"
	for _, c := range []struct {
		es, en string
		check  func(r order)
	}{
		{"/cerrar", "/close", func(r order) {
			r.did("quedó cerrada", closing)
			if r.ticket.Status != ticket.StatusClosed {
				r.t.Errorf("status %s", r.ticket.Status)
			}
		}},
		{"/cerrar\nYa funciona.", ".closed\nYa funciona.", func(r order) {
			r.did("se le envió a "+lauraAt, answer)
			got := r.only(r.mails, lauraAt)
			if r.ticket.Status != ticket.StatusClosed || !strings.Contains(got.Text, "Ya funciona.") || !strings.Contains(got.Text, "/me-sirvió") {
				r.t.Errorf("status %s, mail:\n%s", r.ticket.Status, got.Text)
			}
		}},
		{"/resuelto\nYa funciona.", "/solved\nYa funciona.", func(r order) {
			r.did("quedó resuelta", answer)
			if r.ticket.Status != ticket.StatusResolved {
				r.t.Errorf("status %s", r.ticket.Status)
			}
		}},
		{"/espera-usuario\n¿Cuál es su código?", "/wait user\n¿Cuál es su código?", func(r order) {
			r.did("a la espera", answer)
			if r.ticket.Status != ticket.StatusWaiting {
				r.t.Errorf("status %s", r.ticket.Status)
			}
		}},
		{"/nota Llamé y no contesta.\nMañana insisto.", "/note Llamé y no contesta.\nMañana insisto.", func(r order) {
			r.did("nota interna")
			e := r.entries[len(r.entries)-1]
			if e.Kind != ticket.EntryNote || e.Text != "Llamé y no contesta.\nMañana insisto." || r.ticket.Status != ticket.StatusOpen {
				r.t.Errorf("status %s, entry %+v", r.ticket.Status, e)
			}
		}},
		{"/contestado por teléfono", "/answered por teléfono", func(r order) {
			r.did("contestada")
			e := r.entries[len(r.entries)-1]
			if r.ticket.Status != ticket.StatusWaiting || r.ticket.Answered.IsZero() || !strings.Contains(e.Text, "por teléfono") {
				r.t.Errorf("%+v, entry %q", r.ticket, e.Text)
			}
		}},
		{"/tomar", "/take", func(r order) {
			r.did("a cargo de Ana Ruiz")
			if r.ticket.Assignee != "ana" || r.ticket.Status != ticket.StatusOpen {
				r.t.Errorf("%+v", r.ticket)
			}
		}},
		{"/asignar beto es de su facultad", "/assign Beto Sanz es de su facultad", func(r order) {
			r.did("a cargo de Beto Sanz", betoAt+" notification")
			got := r.only(r.mails, betoAt)
			if r.ticket.Assignee != "beto" || !strings.Contains(got.Text, "Ana Ruiz le asignó") || !strings.Contains(got.Text, "es de su facultad") || !strings.Contains(got.Text, "No me abre") {
				r.t.Errorf("assignee %q, mail:\n%s", r.ticket.Assignee, got.Text)
			}
		}},
		{"/asignar todos", "/assign todos", func(r order) {
			r.did("a cargo de Todos", betoAt+" notification")
			if r.ticket.Assignee != "" || r.ticket.Team != "todos" {
				r.t.Errorf("%+v", r.ticket)
			}
		}},
		{"/transferir posgrado es de maestría", "/transfer posgrado es de maestría", func(r order) {
			r.did("pasó al tema Posgrado", betoAt+" notification", closing)
			got := r.only(r.mails, lauraAt)
			if r.ticket.Topic != "posgrado" || r.ticket.Team != "todos" || r.ticket.Assignee != "" || !strings.Contains(got.Text, "posgrado@virtual.example") {
				r.t.Errorf("%+v, mail:\n%s", r.ticket, got.Text)
			}
			if text := r.only(r.mails, betoAt).Text; !strings.Contains(text, "es de maestría") {
				r.t.Errorf("Beto is told:\n%s", text)
			}
		}},
		{"/referir beto", "/involve beto", func(r order) {
			r.did("Beto Sanz participa", betoAt+" notification")
			if !slices.Equal(r.ticket.Referred, []string{"beto"}) || r.ticket.Assignee != "ana" {
				r.t.Errorf("%+v", r.ticket)
			}
		}},
		{"/prioridad Alta", "/priority high", func(r order) {
			r.did("Prioridad: alta")
			if r.ticket.Priority != ticket.PriorityHigh {
				r.t.Errorf("%q", r.ticket.Priority)
			}
		}},
		{"/vence 20/12", "/due Dec 20", func(r order) {
			r.did("20 de diciembre de 2026, 23:59")
			if want := time.Date(2026, 12, 20, 23, 59, 0, 0, zone); !r.ticket.Due.Equal(want) || !r.ticket.DueFixed {
				r.t.Errorf("%v", r.ticket.Due)
			}
		}},
		{"/etiqueta Beca Completa", "/label beca-completa", func(r order) {
			r.did("Etiquetas: beca-completa")
			if !slices.Equal(r.ticket.Labels, []string{"beca-completa"}) {
				r.t.Errorf("%q", r.ticket.Labels)
			}
		}},
		{"/etiqueta-persona Becaria", "/label person Becaria", func(r order) {
			r.did("becaria")
			if !slices.Equal(r.person.Labels, []string{"becaria"}) {
				r.t.Errorf("%q", r.person.Labels)
			}
		}},
		{"/asunto Aula de Cálculo", "/subject Aula de Cálculo", func(r order) {
			m := r.did("Aula de Cálculo")
			if r.ticket.Subject != "Aula de Cálculo" || !strings.Contains(m.Subject, "No abre el aula") {
				r.t.Errorf("ticket %q, conversation %q", r.ticket.Subject, m.Subject)
			}
		}},
		{"/campo Facultad=Ingeniería", "/field facultad = Ingeniería", func(r order) {
			r.did("facultad: Ingeniería")
			if r.ticket.Fields["facultad"] != "Ingeniería" {
				r.t.Errorf("%q", r.ticket.Fields)
			}
		}},
		{"/copiar profe@virtual.example, tutor@otra.example", "/copy profe@virtual.example tutor@otra.example", func(r order) {
			r.did("tutor@otra.example participa")
			n := 0
			for _, p := range r.ticket.Participants {
				if p.Role == ticket.RoleCollaborator {
					n++
				}
			}
			if n != 2 {
				r.t.Errorf("%+v", r.ticket.Participants)
			}
		}},
		{"/copiar beto", "/copy beto@privada.example", func(r order) {
			r.did("Beto Sanz participa", betoAt+" notification")
		}},
		{"/solicitante lucia@estudiantes.example", "/requester lucia@estudiantes.example", func(r order) {
			r.did("lucia@estudiantes.example")
			if r.ticket.Requester == r.person.ID || r.ticket.Participant(r.person.ID) != nil {
				r.t.Errorf("%+v", r.ticket)
			}
		}},
		{"/solicitante nombre=Laura Inés Rojas", "/requester name=Laura Inés Rojas", func(r order) {
			r.did("Laura Inés Rojas")
			if r.person.Address.Name != "Laura Inés Rojas" {
				r.t.Errorf("%+v", r.person)
			}
		}},
		{"/plantilla restablecer", "/canned restablecer", func(r order) {
			r.did("se le envió", answer)
			if got := r.only(r.mails, lauraAt); !strings.Contains(got.Text, "Hola, Laura Rojas: use el enlace de la solicitud 003181. Ana Ruiz") {
				r.t.Errorf("mail:\n%s", got.Text)
			}
		}},
		{"/spam", "/junk", func(r order) {
			r.did("no deseado")
			if r.ticket.Status != ticket.StatusClosed || !r.ticket.Spam || r.person.Blocked.IsZero() {
				r.t.Errorf("%+v, %+v", r.ticket, r.person)
			}
		}},
		{"/ver", "/show", func(r order) {
			if m := r.did("Conversación de la solicitud 003181"); !strings.Contains(m.Text, "aula de Cálculo") {
				r.t.Errorf("mail:\n%s", m.Text)
			}
		}},
		{"/historial", "/history", func(r order) {
			if m := r.did("Historial"); !strings.Contains(m.Text, "ticketed") || !strings.Contains(m.Text, "queued") {
				r.t.Errorf("mail:\n%s", m.Text)
			}
		}},
		{"/mis tickets", "/my tickets", func(r order) {
			if m := r.did("Sus solicitudes"); !strings.Contains(m.Text, "003181 · abierta · Laura Rojas") {
				r.t.Errorf("mail:\n%s", m.Text)
			}
		}},
		{"/equipo", "/team", func(r order) { r.did("003181") }},
		{"/vencidos", "/overdue", func(r order) { r.did("No hay ninguna") }},
		{"/otras", "/others", func(r order) { r.did("No hay ninguna") }},
		{"/buscar CALCULO aula", "/search cálculo", func(r order) { r.did("003181 · abierta") }},
		{"/ausente 20/12", "/away 20/12", func(r order) { r.did("domingo 20 de diciembre de 2026") }},
		{"/ayuda", "/help", func(r order) {
			if m := r.did("/transferir tema [motivo]"); strings.Contains(m.Text, "/borrar") || strings.Contains(m.Text, "/estado") {
				r.t.Errorf("help offers what Ana may not do:\n%s", m.Text)
			}
		}},
		{"/asignar todos\nLo verá el equipo.", "/assign todos\nLo verá el equipo.", func(r order) {
			r.did("a cargo de Todos", answer, betoAt+" notification")
			if r.ticket.Assignee != "" || r.ticket.Team != "todos" {
				r.t.Errorf("%+v", r.ticket)
			}
		}},
		{"/responder\ncerrar", "/answer\ncerrar", func(r order) {
			r.did("se le envió", answer)
			if got := r.only(r.mails, lauraAt); !strings.Contains(got.Text, "cerrar") {
				r.t.Errorf("mail:\n%s", got.Text)
			}
		}},
		{"/prioridad urgente\n/etiqueta vip\n/tomar\nLo reviso.", "/priority urgent\n/label vip\n/take\nLo reviso.", func(r order) {
			r.did("vip", answer)
			if r.ticket.Priority != ticket.PriorityUrgent || len(r.ticket.Labels) != 1 || r.ticket.Status != ticket.StatusWaiting {
				r.t.Errorf("%+v", r.ticket)
			}
		}},
	} {
		for _, text := range []string{c.es, c.en} {
			name, _, _ := strings.Cut(text, "\n")
			t.Run(strings.ReplaceAll(name, "/", ""), func(t *testing.T) {
				t.Parallel()
				c.check(give(t, text))
			})
		}
	}
}

// What can't be done is refused whole: nothing of the mail is carried out, the
// requester gets nothing, and the agent gets their text back.
func TestRefusedOrders(t *testing.T) {
	for text, says := range map[string]string{
		"/prioridad alta\n/cerar\nYa funciona.":  "/cerrar",
		"/tomar\n/asignar nadie\nYa funciona.":   "nadie",
		"/tomar\n/asignar\nYa funciona.":         "agente o equipo",
		"/cerrar ya mismo\nYa funciona.":         "/cerrar",
		"/vence ayer\nYa funciona.":              "fecha",
		"/vence 31/2\nYa funciona.":              "fecha",
		"/prioridad máxima\nYa funciona.":        "urgente",
		"/transferir doctorado\nYa funciona.":    "posgrado",
		"/transferir pregrado\nYa funciona.":     "misma",
		"/unir-a 9999\nYa funciona.":             "9999",
		"/unir-a 3181\nYa funciona.":             "misma",
		"/campo facultad\nYa funciona.":          "nombre=valor",
		"/plantilla cla\nYa funciona.":           "Restablecer la clave",
		"/plantilla nada\nYa funciona.":          "Clave de Turnitin",
		"/borrar porque sí\nYa funciona.":        "no puede",
		"/copiar pregrado@virtual.example\nYa f": "mesa de ayuda",
		"/retirar beto\nYa funciona.":            "no participa",
		"/deshacer\nYa funciona.":                "sola",
		"/para otra@x.example\nYa funciona.":     "correo nuevo",
		"/estado\nYa funciona.":                  "/estado",
		"/quitar nada\nYa funciona.":             "no la tiene",
		"/nota secreto\n/responder\nYa f":        "no va con /nota",
		"/plantilla turnitin\n/nota x\nYa f":     "no va con /nota",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			r := give(t, text)
			m := r.only(r.mails, anaAt)
			if len(r.mails) != 1 || !strings.Contains(m.Text, says) || !strings.Contains(m.Text, "> Ya f") {
				t.Errorf("to %q:\n%s", to(r.mails), m.Text)
			}
			if r.ticket.Status != ticket.StatusOpen || r.ticket.Priority != "" || r.ticket.Undo != nil || r.outcome.Event != ticket.EventHeld {
				t.Errorf("outcome %+v, ticket %+v", r.outcome, r.ticket)
			}
			e := r.entries[len(r.entries)-1]
			if e.Kind != ticket.EntryEvent || !strings.Contains(e.Quoted, "Ya f") {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// A mail that is nothing but a command's word is asked about, and both answers
// are one tap away.
func TestBareWordIsAskedAbout(t *testing.T) {
	r := give(t, "Listo.")
	m := r.only(r.mails, anaAt)
	if len(r.mails) != 1 || !strings.Contains(m.Text, "¿Es una orden") || r.ticket.Status != ticket.StatusOpen {
		t.Fatalf("status %s, to %q:\n%s", r.ticket.Status, to(r.mails), m.Text)
	}
	if !strings.Contains(m.raw, "mailto:pregrado%2B") {
		t.Errorf("no link in:\n%s", m.raw)
	}
	r = r.give(t, r.number, m, ana, "/responder\nListo.")
	if got := r.only(r.mails, lauraAt); !strings.Contains(got.Text, "Listo.") || r.ticket.Status != ticket.StatusWaiting {
		t.Errorf("status %s:\n%s", r.ticket.Status, got.Text)
	}
}

// A reply to an internal note is a note, whichever of the three tokens survives.
func TestReplyToANoteIsANote(t *testing.T) {
	for name, strip := range map[string]func(*letter){
		"whole":                     func(*letter) {},
		"without headers":           func(l *letter) { l.headers = nil },
		"without the reply address": func(l *letter) { l.to = "pregrado@virtual.example" },
		"only the separator":        func(l *letter) { l.headers, l.to = nil, "pregrado@virtual.example" },
		"only the headers": func(l *letter) {
			l.to = "pregrado@virtual.example"
			l.text, _, _ = strings.Cut(l.text, "\n\nEl mar")
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			n, _, notification := o.opened()
			o.give(t, n, notification, ana, "/referir beto")
			first := o.give(t, n, notification, ana, "/nota ¿Usted qué opina?")
			note := o.only(first.mails, betoAt)
			l := reply(note, beto, "Que es mentira.")
			strip(&l)
			out := o.send(l)
			got, entries := o.ticket(n)
			if e := entries[len(entries)-1]; out.Event != ticket.EventNoted || e.Kind != ticket.EntryNote || e.Text != "Que es mentira." {
				t.Errorf("outcome %+v, entry %+v", out, e)
			}
			if mails := o.sent(); !slices.Equal(to(mails), []string{anaAt + " notification"}) {
				t.Errorf("mails go to %q", to(mails))
			}
			if got.Status != ticket.StatusOpen {
				t.Errorf("status %s", got.Status)
			}
		})
	}
}
