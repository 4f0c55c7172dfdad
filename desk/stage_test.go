package desk_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/templates"
	"buzon/ticket"
)

// stage is a ticket of a team in which everybody takes part whom the table of
// docs/notifications.md names.
type stage struct {
	*office
	log          *bytes.Buffer
	n            ticket.Number
	confirmation mail // to Laura, the requester
	toPrima      mail // an answer to the collaborator
	toAna        mail // the assignee's notification
	toBeto       mail // of the team
	roles        map[string]string
	chosen       string // the configuration, with what agents have chosen
}

const (
	prima = "Prima <prima@familia.example>"
	amigo = "Amigo <amigo@otra.example>"
)

// company is the test's configuration with more agents: Rita, who is referred to
// tickets, and Dora, who is of the team and away.
func company() string {
	more := strings.Replace(configuration, `members = ["beto", "ana"]`, `members = ["beto", "ana", "dora"]`, 1) + `
[[agent]]
id = "rita"
name = "Rita Gil"
addresses = ["rita@privada.example"]
[[agent]]
id = "dora"
name = "Dora Paz"
addresses = ["dora@privada.example"]
[[topic]]
id = "cursos"
name = "Cursos"
addresses = ["cursos@virtual.example"]
agent = "rita"
[[topic]]
id = "avisos"
name = "Avisos"
addresses = ["avisos@virtual.example"]
agent = "olga"
`
	return strings.NewReplacer("automatic_per_hour = 3", "automatic_per_hour = 100",
		`authserv_id = "mx.virtual.example"`, `authserv_id = "mx.virtual.example"`+"\nsent = \"Enviados\"").Replace(more)
}

// use has the desk go on with another configuration.
func (s *stage) use(configuration string) {
	s.t.Helper()
	table, err := routing.Parse("test.toml", []byte(configuration))
	if err != nil {
		s.t.Fatal(err)
	}
	tmpl, err := templates.New("")
	if err != nil {
		s.t.Fatal(err)
	}
	s.desk.Use(desk.Setting{Table: table, Templates: tmpl})
}

func enter(t *testing.T) *stage {
	t.Helper()
	s := &stage{office: open(t), log: new(bytes.Buffer)}
	s.use(company())
	s.desk.Log = slog.New(slog.NewJSONHandler(s.log, nil))
	s.roles = map[string]string{
		lauraAddr: "requester", "prima@familia.example": "collaborators", "amigo@otra.example": "third party",
		"ana@privada.example": "assignee", "beto@privada.example": "team", "dora@privada.example": "away",
		"rita@privada.example": "referred", "olga@privada.example": "operators",
	}
	return s
}

// away has an agent say that they are.
func (s *stage) away(agent, addr string) {
	s.t.Helper()
	s.send(letter{from: "Uno <uno@estudiantes.example>", to: "posgrado@virtual.example", subject: "Uno", text: "Hola."})
	notification := s.only(s.sent(), addr)
	s.send(reply(notification, agent, "/ausente 20/12"))
	s.send(reply(notification, agent, "/cerrar"))
	s.sent()
	s.pass(time.Hour)
}

// assigned opens the ticket, which Ana takes, with Rita and Prima in it.
func assigned(t *testing.T) *stage {
	t.Helper()
	s := enter(t)
	s.away("Dora Paz <dora@privada.example>", "dora@privada.example")
	out := s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "No abre el aula", text: "No me abre el aula.", id: "laura1@estudiantes.example"})
	s.n = out.Number
	mails := s.sent()
	s.confirmation, s.toAna, s.toBeto = s.only(mails, lauraAddr), s.only(mails, "ana@privada.example"), s.only(mails, "beto@privada.example")
	s.send(reply(s.toAna, ana, "/tomar\n/referir rita\n/copiar prima@familia.example"))
	s.sent()
	s.send(reply(s.toAna, ana, "Lo reviso."))
	s.toPrima = s.only(s.sent(), "prima@familia.example")
	s.send(reply(s.confirmation, laura, "Bueno, espero."))
	s.sent()
	s.pass(time.Hour)
	return s
}

// told lists who was told since the last look, and with which template.
func (s *stage) told() []string {
	s.t.Helper()
	template := map[uint64]string{}
	for line := range strings.Lines(s.log.String()) {
		var fact struct {
			Msg, Template string
			Outbox        uint64
		}
		if err := json.Unmarshal([]byte(line), &fact); err != nil {
			s.t.Fatal(err)
		}
		if fact.Msg == "queued" {
			template[fact.Outbox] = fact.Template
		}
	}
	var told []string
	once := map[string]bool{}
	for _, m := range s.sent() {
		key := m.row.To + " " + template[m.row.ID]
		if once[key] {
			s.t.Errorf("twice: %s", key)
		}
		once[key] = true
		role := s.roles[m.row.To]
		if role == "" {
			role = m.row.To
		}
		told = append(told, role+": `"+template[m.row.ID]+"`")
	}
	slices.Sort(told)
	return told
}

// by says that an agent is the one who does what happens, and named whom it is
// about.
func (s *stage) by(addr string)    { s.roles[addr] = "who did it" }
func (s *stage) named(addr string) { s.roles[addr] = "the agent named" }

func (s *stage) closed() {
	s.send(reply(s.toAna, ana, "/cerrar\nListo."))
	s.sent()
	s.pass(time.Hour)
}
