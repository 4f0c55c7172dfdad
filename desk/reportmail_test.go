package desk_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// mailReports looks whether reports are due.
func (s *stage) mailReports(want int) []mail {
	s.t.Helper()
	n, err := s.desk.MailReports(context.Background())
	if err != nil || n != want {
		s.t.Fatalf("%d mails, %v; want %d", n, err, want)
	}
	return s.sent()
}

// Reports go out at their hour, once, also when the desk starts anew at it or when
// several hours have passed while it was down.
func TestMailReports(t *testing.T) {
	s := enter(t)
	s.send(letter{from: laura, to: "posgrado@virtual.example", subject: "Una", text: "Hola."})
	s.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Otra", text: "Hola."})
	s.sent()
	s.mailReports(0)
	s.chosen = company() + "[report]\nat = \"0 7 * * *\"\nto = [\"rita\", \"direccion@otra.example\"]\nkinds = [\"tickets\", \"backlog\"]\n"
	s.use(s.chosen)
	s.mailReports(0) // begins with its next hour
	s.mailReports(0)
	s.pass(20 * time.Hour) // 06:00 of the next day
	s.mailReports(0)
	s.pass(2 * time.Hour)
	s.restart()
	s.use(s.chosen)
	mails := s.mailReports(2)
	rita := s.only(mails, "rita@privada.example")
	for _, want := range []string{"Informe del miércoles 25", "Solicitudes por tema y encargado", "- pregrado, ana: abiertas 1 · total 1", "Pendientes por antigüedad"} {
		if !strings.Contains(rita.Text, want) {
			t.Errorf("%q is not in:\n%s", want, rita.Text)
		}
	}
	if strings.Contains(rita.Text, "Respuestas a tiempo") {
		t.Errorf("a report that nobody asked for:\n%s", rita.Text)
	}
	outside := s.only(mails, "direccion@otra.example")
	if len(outside.Attachments) != 2 || outside.Attachments[0].Name != "buzon-tickets-2026-11-25.csv" || outside.Attachments[0].Type != "text/csv" {
		t.Fatalf("attachments %+v", outside.Attachments)
	}
	a := outside.Attachments[0]
	file, err := s.desk.Unpack([]byte(outside.raw), a)
	if err != nil || !strings.HasPrefix(string(file), "topic,with,open,waiting,resolved,closed,all\n") || !strings.Contains(string(file), "pregrado,ana,1,0,0,0,1\n") {
		t.Errorf("%q, %v", file, err)
	}
	s.mailReports(0)
	s.restart()
	s.use(s.chosen)
	s.mailReports(0)
	s.pass(5 * 24 * time.Hour)
	s.mailReports(2) // one for all that was missed
	s.pass(-3 * time.Hour)
	s.mailReports(0) // the clock was set back behind the hour
	s.pass(3 * time.Hour)
	s.mailReports(0)
}

func TestReportsGoToOperators(t *testing.T) {
	s := enter(t)
	s.use(company() + "[report]\nat = \"0 7 * * *\"\n")
	s.mailReports(0)
	s.pass(24 * time.Hour)
	if m := s.only(s.mailReports(1), "olga@privada.example"); len(m.Attachments) != 4 {
		t.Errorf("%d files", len(m.Attachments))
	}
}
