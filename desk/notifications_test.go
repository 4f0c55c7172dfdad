package desk_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/routing"
	"buzon/ticket"
)

// anas are the events that Ana causes by a command alone.
func anas(text string) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := assigned(t)
		s.by("ana@privada.example")
		s.send(reply(s.toAna, ana, text))
		return s
	}
}

// silent are those of a resolved ticket on which nobody writes, at a look of the
// clock.
func silent(t *testing.T, look int) *stage {
	s := assigned(t)
	conf := &s.desk.Table().Config.AutoClose
	conf.ResolvedAfter, conf.Notice = routing.Duration(time.Hour), routing.Duration(time.Hour)
	s.send(reply(s.toAna, ana, "/resolver\nListo."))
	for range look {
		s.sent()
		s.pass(time.Hour)
		s.remind()
	}
	return s
}

// choosing has agents choose what they are mailed, with a digest at seven.
func (s *stage) choosing(notify string, agents ...string) *stage {
	s.t.Helper()
	conf := s.chosen
	if conf == "" {
		conf = company() + "[digest]\nat = \"0 7 * * *\"\n"
	}
	for _, id := range agents {
		conf = strings.Replace(conf, "[[agent]]\nid = \""+id+"\"", "[[agent]]\nid = \""+id+"\"\nnotify = \""+notify+"\"", 1)
	}
	s.chosen = conf
	s.use(conf)
	return s
}

// choosers are the events that Laura causes by replying when agents have chosen what
// they are mailed.
func choosers(notify, text string, agents ...string) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := assigned(t).choosing(notify, agents...)
		s.send(reply(s.confirmation, laura, text))
		return s
	}
}

// newTo is a new request to the team, of whom agents have chosen what they are mailed.
func newTo(address, notify string, agents ...string) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := enter(t).choosing(notify, agents...)
		s.roles["ana@privada.example"] = "team"
		if address == "pregrado@virtual.example" {
			s.roles["ana@privada.example"] = "assignee"
		}
		s.roles["dora@privada.example"] = "team"
		s.send(letter{from: laura, to: address, subject: "Ayuda", text: "Hola."})
		return s
	}
}

// lauras are those that Laura causes by replying.
func lauras(text string) func(*testing.T) *stage {
	return func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.confirmation, laura, text))
		return s
	}
}

// happenings make the event of each row happen on a stage of its own.
var happenings = map[string]func(*testing.T) *stage{
	"new request to a team": func(t *testing.T) *stage {
		s := enter(t)
		s.away("Dora Paz <dora@privada.example>", "dora@privada.example")
		s.roles["ana@privada.example"] = "team"
		s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Ayuda", text: "Hola."})
		return s
	},
	"new request to an agent": func(t *testing.T) *stage {
		s := enter(t)
		s.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
		return s
	},
	"new request while the agent is away": func(t *testing.T) *stage {
		s := enter(t)
		s.away(ana, "ana@privada.example")
		s.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
		return s
	},
	"new request of an agent's, to their own topic": func(t *testing.T) *stage {
		s := enter(t)
		s.roles["ana@privada.example"] = "requester"
		s.send(letter{from: ana, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
		return s
	},
	"new request of a blocked person's": func(t *testing.T) *stage {
		s := blocked(t)
		s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra", text: "Hola."})
		return s
	},
	"new mail that says that a machine wrote it": func(t *testing.T) *stage {
		s := enter(t)
		s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Informe", text: "Hola.", headers: []string{"Auto-Submitted: auto-generated"}})
		return s
	},
	"forwarded in, or opened for someone, vouched for":     func(t *testing.T) *stage { return broughtIn(t, true) },
	"forwarded in, or opened for someone, not vouched for": func(t *testing.T) *stage { return broughtIn(t, false) },
	"opened for someone, and not understood, vouched for": func(t *testing.T) *stage {
		s := enter(t)
		s.by("ana@privada.example")
		s.send(letter{from: ana, to: "posgrado@virtual.example", subject: "Ayuda", text: "/para Marta\nLlamó.", headers: []string{anaPass}, envelope: byIMAP(1)})
		return s
	},

	"new request to a team, whose members have `notify = \"digest\"`":   newTo("posgrado@virtual.example", "digest", "ana", "beto", "dora"),
	"new request to a team, whose members have `notify = \"mentions\"`": newTo("posgrado@virtual.example", "mentions", "ana", "beto", "dora"),
	"new request to an agent with `notify = \"digest\"`":                newTo("pregrado@virtual.example", "digest", "ana"),
	"new request to an agent with `notify = \"mentions\"`":              newTo("pregrado@virtual.example", "mentions", "ana"),
	"reply, to an assignee with `notify = \"digest\"`":                  choosers("digest", "Sigue sin abrir.", "ana"),
	"reply, to an assignee with `notify = \"mentions\"`":                choosers("mentions", "Sigue sin abrir.", "ana"),
	"it did not help, to an assignee with `notify = \"digest\"`":        choosers("digest", "/no-me-sirvió", "ana"),
	"reply, to a team whose members have `notify = \"digest\"` and `notify = \"mentions\"`": func(t *testing.T) *stage {
		s := assigned(t).choosing("digest", "ana").choosing("mentions", "beto")
		s.send(reply(s.toAna, ana, "/liberar"))
		s.sent()
		s.send(reply(s.confirmation, laura, "Sigue sin abrir."))
		return s
	},
	"referred, with `notify = \"mentions\"`": func(t *testing.T) *stage {
		s := assigned(t).choosing("mentions", "olga")
		s.by("ana@privada.example")
		s.named("olga@privada.example")
		s.send(reply(s.toAna, ana, "/referir olga"))
		return s
	},
	"overdue, with `notify = \"digest\"`": func(t *testing.T) *stage {
		s := assigned(t).choosing("digest", "ana", "rita")
		s.pass(48 * time.Hour)
		s.remind()
		return s
	},
	"overdue, nobody has it, and all have `notify = \"digest\"`": func(t *testing.T) *stage {
		s := newTo("posgrado@virtual.example", "digest", "ana", "beto", "dora")(t)
		s.sent()
		s.pass(48 * time.Hour)
		s.remind()
		return s
	},
	"undelivered, with `notify = \"mentions\"`": func(t *testing.T) *stage {
		s := assigned(t).choosing("mentions", "ana", "rita")
		s.bounce()
		return s
	},

	"reply by the requester": lauras("Sigue sin abrir."),
	"reply by a collaborator": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.toPrima, prima, "A mí tampoco me abre."))
		return s
	},
	"reply by a third party": stormed,
	"second reply by the same third party": func(t *testing.T) *stage {
		s := stormed(t)
		s.sent()
		s.pass(time.Hour)
		s.send(storm(2))
		return s
	},
	"reply from an address that is not known as the requester's, with their token": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.confirmation, "Laura <laura@casa.example>", "Sigue sin abrir."))
		return s
	},
	"third reply within `desk.quiet`": func(t *testing.T) *stage {
		s := assigned(t)
		s.desk.Table().Config.Desk.Quiet = routing.Duration(2 * time.Minute)
		for _, text := range []string{"Uno.", "Dos."} {
			s.send(reply(s.confirmation, laura, text))
		}
		s.sent()
		s.send(reply(s.confirmation, laura, "Tres."))
		return s
	},
	"the assignee leaves the configuration": func(t *testing.T) *stage {
		s := assigned(t)
		s.use(strings.NewReplacer(`agent = "ana"`, `agent = "olga"`, `"beto", "ana"`, `"beto"`, "[[agent]]\nid = \"ana\"", "[[agent]]\nid = \"eva\"",
			"ana@privada.example", "eva@privada.example", "ana.ruiz@", "eva.ruiz@").Replace(company()))
		if n, err := s.desk.Inherit(context.Background()); n != 1 || err != nil {
			t.Fatalf("%d tickets given, %v", n, err)
		}
		return s
	},
	"answered by hand from the mailbox": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(inSent(1, letter{
			from: "Posgrado <posgrado@virtual.example>", to: lauraAddr, subject: "Re: No abre el aula", text: "Ya se la abrimos.",
			headers: []string{"In-Reply-To: <laura1@estudiantes.example>"},
		}))
		if _, entries := s.ticket(s.n); entries[len(entries)-1].Kind != ticket.EntryAnswer {
			t.Errorf("entry %+v", entries[len(entries)-1])
		}
		return s
	},
	"reply while the assignee is away": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.toAna, ana, "/ausente 20/12"))
		s.sent()
		s.send(reply(s.confirmation, laura, "Sigue sin abrir."))
		return s
	},
	"reply of a blocked person's": func(t *testing.T) *stage {
		s := blocked(t)
		s.send(reply(s.confirmation, laura, "Respondan."))
		return s
	},
	"courtesy": lauras("¡Muchas gracias!"),
	"out-of-office": func(t *testing.T) *stage {
		s := assigned(t)
		l := reply(s.confirmation, laura, "Estoy de vacaciones.")
		l.headers = append(l.headers, "Auto-Submitted: auto-replied")
		s.send(l)
		return s
	},

	"agent's answer": anas("Ya quedó."),
	"answer by another agent than the assignee": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.toAna, ana, "Ya quedó."))
		s.sent()
		s.pass(time.Hour)
		s.by("beto@privada.example")
		s.send(reply(s.toBeto, beto, "Ya la matriculé."))
		return s
	},
	"answer moments after another agent's": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.toAna, ana, "Ya quedó."))
		s.sent()
		s.by("beto@privada.example")
		s.send(reply(s.toBeto, beto, "Ya la matriculé."))
		return s
	},
	"note": anas("/nota Rita, ¿qué opinas?"),
	"note by another agent": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("beto@privada.example")
		s.send(reply(s.toBeto, beto, "Para Ana: es por la matrícula."))
		s.sent()
		s.pass(time.Hour)
		s.send(reply(s.toBeto, beto, "/nota Es por la matrícula."))
		return s
	},
	"taken": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("beto@privada.example")
		s.send(reply(s.toBeto, beto, "/tomar"))
		return s
	},
	"assigned": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("ana@privada.example")
		s.named("beto@privada.example")
		s.send(reply(s.toAna, ana, "/asignar beto"))
		return s
	},
	"released": anas("/liberar"),
	"transferred": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("ana@privada.example")
		s.named("rita@privada.example")
		s.send(reply(s.toAna, ana, "/transferir cursos"))
		return s
	},
	"transferred again": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("ana@privada.example")
		s.send(reply(s.toAna, ana, "/transferir cursos"))
		s.sent()
		s.send(reply(s.toAna, ana, "/transferir avisos"))
		return s
	},
	"referred": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("ana@privada.example")
		s.named("olga@privada.example")
		s.send(reply(s.toAna, ana, "/referir olga"))
		return s
	},
	"waiting for the requester": anas("/espera-usuario"),
	"closed":                    anas("/cerrar"),
	"resolved":                  anas("/resolver\nListo."),
	"closed by the requester":   lauras("/resolver"),
	"reopened by a reply": func(t *testing.T) *stage {
		s := assigned(t)
		s.closed()
		s.send(reply(s.confirmation, laura, "Volvió a fallar."))
		return s
	},
	"reopened by an agent": func(t *testing.T) *stage {
		s := assigned(t)
		s.closed()
		s.by("ana@privada.example")
		s.send(reply(s.toAna, ana, "/reabrir"))
		return s
	},
	"merged": func(t *testing.T) *stage {
		s := assigned(t)
		out := s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra vez", text: "Lo mismo."})
		s.sent()
		s.by("ana@privada.example")
		s.send(reply(s.toAna, ana, "/unir-a "+out.Number.String()))
		return s
	},
	"an assignment taken back (`/deshacer`)": func(t *testing.T) *stage {
		s := assigned(t)
		s.by("ana@privada.example")
		s.named("beto@privada.example")
		s.send(reply(s.toAna, ana, "/asignar beto"))
		s.sent()
		s.send(reply(s.toAna, ana, "/deshacer"))
		return s
	},
	"spam": anas("/spam"),
	"overdue": func(t *testing.T) *stage {
		s := assigned(t)
		s.pass(48 * time.Hour)
		if _, err := s.desk.Remind(context.Background()); err != nil {
			t.Fatal(err)
		}
		return s
	},
	"nearly due": func(t *testing.T) *stage {
		s := assigned(t)
		s.pass(47 * time.Hour)
		s.remind()
		return s
	},
	"several overdue at one look": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Otra", text: "Otra."})
		s.sent()
		s.pass(48 * time.Hour)
		s.remind()
		return s
	},
	"overdue for long, with `reminder.escalate`": func(t *testing.T) *stage {
		s := assigned(t)
		s.desk.Table().Config.Reminder.Escalate = []string{"administrator"}
		s.pass(48 * time.Hour)
		s.remind()
		s.sent()
		s.pass(48 * time.Hour)
		s.remind()
		return s
	},
	"resolved, and nobody writes":  func(t *testing.T) *stage { return silent(t, 1) },
	"closed because nobody writes": func(t *testing.T) *stage { return silent(t, 2) },
	"the hour of the digest": func(t *testing.T) *stage {
		s := assigned(t)
		s.desk.Table().Config.Digest.At = "0 7 * * *"
		s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Otra", text: "Sin tomar."})
		s.sent()
		if _, err := s.desk.Digest(context.Background()); err != nil {
			t.Fatal(err)
		}
		return s
	},
	"the hour of the count of spam, and some came": func(t *testing.T) *stage {
		return junk(t, strings.Replace(watching(company()), "id = \"beto\"", "id = \"beto\"\nrole = \"lead\"", 1))
	},
	"the hour of the count of spam, without a lead": func(t *testing.T) *stage { return junk(t, watching(company())) },
	"bounce": func(t *testing.T) *stage {
		s := assigned(t)
		s.bounce()
		return s
	},
	"held": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.toAna, "Ana <ana@otra.example>", "/cerrar\nListo."))
		return s
	},
	"not understood":     anas("/cerar\nListo."),
	"command or answer?": anas("listo"),
	"it helped":          lauras("/me-sirvió"),
	"it did not help":    lauras("/no-me-sirvió"),
	"status":             lauras("/estado"),
	"status of what is not theirs": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(letter{from: amigo, to: "posgrado@virtual.example", subject: "estado " + s.n.String()})
		return s
	},
	"copied or withdrawn by the requester": func(t *testing.T) *stage {
		s := assigned(t)
		s.send(reply(s.confirmation, laura, "/copiar tia@familia.example"))
		return s
	},
	"language chosen": lauras("/idioma inglés"),
}

// bounce has an answer come back as undeliverable.
func (s *stage) bounce() {
	s.t.Helper()
	raw := "From: MAILER-DAEMON@mx.example\r\nTo: " + s.confirmation.row.EnvelopeFrom + "\r\nSubject: Undelivered Mail Returned to Sender\r\n" +
		"Message-ID: <bounce@mx.example>\r\nDate: Tue, 24 Nov 2026 11:00:00 -0500\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n" +
		"--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; " + lauraAddr +
		"\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--B--\r\n"
	env := ticket.Envelope{Account: "smtp", Recipients: []string{s.confirmation.row.EnvelopeFrom}}
	if _, err := s.desk.Receive(context.Background(), s.message([]byte(raw), env)); err != nil {
		s.t.Fatal(err)
	}
}

// broughtIn is a requester's mail that Ana forwards.
func broughtIn(t *testing.T, vouched bool) *stage {
	s := enter(t)
	s.away("Dora Paz <dora@privada.example>", "dora@privada.example")
	s.by("ana@privada.example")
	s.roles["marta@estudiantes.example"] = "requester"
	l := forwarded("Mírenlo.")
	if vouched {
		l.headers, l.envelope = []string{anaPass}, byIMAP(1)
	}
	s.send(l)
	return s
}

// blocked is the stage after the requester's mail was called spam.
func blocked(t *testing.T) *stage {
	s := assigned(t)
	s.send(reply(s.toAna, ana, "/spam"))
	s.sent()
	s.pass(time.Hour)
	return s
}

// storm is a stranger's answer to the requester's own mail.
func storm(n int) letter {
	return letter{
		from: amigo, to: "posgrado@virtual.example", subject: "Re: No abre el aula", text: fmt.Sprintf("A mí tampoco, ya van %d.", n),
		headers: []string{"In-Reply-To: <laura1@estudiantes.example>"},
	}
}

func stormed(t *testing.T) *stage {
	s := assigned(t)
	s.send(storm(1))
	return s
}

func TestNotifications(t *testing.T) {
	page, err := os.ReadFile("../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	_, table, _ := strings.Cut(string(page), "| event |")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || !strings.HasPrefix(line, "| ") {
			continue
		}
		event := strings.TrimSpace(cells[0])
		rows[event] = true
		var want []string
		if told := strings.TrimSpace(cells[1]); told != "nobody" {
			for one := range strings.SplitSeq(told, ";") {
				want = append(want, strings.TrimSpace(one))
			}
			slices.Sort(want)
		}
		t.Run(event, func(t *testing.T) {
			happen := happenings[event]
			if happen == nil {
				t.Fatal("no scenario makes this event happen")
			}
			// A role that several people have, such as the team's, stands in the
			// table once.
			if diff := cmp.Diff(want, slices.Compact(happen(t).told())); diff != "" {
				t.Errorf("who is told (-docs/notifications.md +queued):\n%s", diff)
			}
		})
	}
	for event := range happenings {
		if !rows[event] {
			t.Errorf("docs/notifications.md has no row %q", event)
		}
	}
}
