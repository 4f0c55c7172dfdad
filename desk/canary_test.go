package desk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"buzon/store"
	"buzon/ticket"
)

// canaries has the desk write to itself at two topics.
func canaries(t *testing.T) *stage {
	s := enter(t)
	s.chosen = company() + "[canary]\nat = \"*/15 * * * *\"\ntopics = [\"pregrado\", \"posgrado\"]\nwithin = \"10m\"\n"
	s.use(s.chosen)
	return s
}

func (s *stage) canary(want int) []mail {
	s.t.Helper()
	n, err := s.desk.Canary(context.Background())
	if err != nil || n != want {
		s.t.Fatalf("%d canaries, %v; want %d", n, err, want)
	}
	return s.sent()
}

// comeBack is a mail as it arrives again.
func (s *stage) comeBack(m mail, env ticket.Envelope) ticket.Outcome {
	s.t.Helper()
	out, err := s.desk.Receive(context.Background(), s.message([]byte(m.raw), env))
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// tickets counts them.
func (s *stage) tickets() (n int) {
	s.t.Helper()
	if err := s.store.View(func(tx *store.Tx) error {
		n = tx.CountTickets(store.TicketFilter{Status: ticket.StatusOpen})
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *stage) alarmed() (keys []string) {
	for _, a := range s.desk.Alarms() {
		keys = append(keys, a.Key)
	}
	return keys
}

func TestCanary(t *testing.T) {
	s := canaries(t)
	mails := s.canary(2)
	edu, post := s.only(mails, "pregrado@virtual.example"), s.only(mails, "posgrado@virtual.example")
	if !strings.HasPrefix(edu.row.Subject, "buzon canary ") || !strings.Contains(edu.raw, "Auto-Submitted: auto-generated") || edu.row.Class != ticket.ClassNotice {
		t.Errorf("%+v\n%s", edu.row, edu.raw)
	}
	s.canary(0) // not due again
	s.pass(2 * time.Minute)

	// One comes back by IMAP. It makes no ticket, tells nobody, and a second copy of it
	// does as little.
	if out := s.comeBack(edu, byIMAP(7)); out.Event != ticket.EventCanary || !out.Ticket.IsZero() {
		t.Errorf("outcome %+v", out)
	}
	s.comeBack(edu, ticket.Envelope{Account: "smtp", Recipients: []string{"pregrado@virtual.example"}})
	if n := s.tickets(); n != 0 {
		t.Errorf("%d tickets", n)
	}
	if mails := s.sent(); len(mails) != 0 {
		t.Errorf("somebody was told: %+v", mails[0].row)
	}
	health, err := s.desk.Canaries()
	if err != nil || len(health) != 2 || health[0].Out != 0 || health[0].Took != 2*time.Minute || health[1].Out != 1 || !health[1].Back.IsZero() {
		t.Errorf("%+v, %v", health, err)
	}

	// The other one does not: the operators are told, once.
	s.pass(8 * time.Minute)
	told := s.only(s.canary(0), "olga@privada.example")
	if got := s.alarmed(); len(got) != 1 || got[0] != "canary posgrado" || !strings.Contains(told.Text, "posgrado@virtual.example") {
		t.Errorf("alarms %q\n%s", got, told.Text)
	}
	s.canary(0)
	s.pass(5 * time.Minute)
	if mails := s.canary(0); len(mails) != 0 {
		t.Errorf("another while the first waits in the outbox, or told again: %+v", mails[0].row)
	}

	// It ends when a later one is back, though that one's Message-ID was written anew,
	// and though the one before never comes.
	for _, id := range []uint64{edu.row.ID, post.row.ID} {
		if err := s.desk.Report(context.Background(), id, ticket.Result{Sent: true}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	post = s.only(s.canary(2), "posgrado@virtual.example")
	post.raw = strings.Replace(post.raw, "Message-ID: <", "Message-ID: <written.anew.", 1)
	s.comeBack(post, byIMAP(8))
	s.canary(0)
	if got := s.alarmed(); len(got) != 0 {
		t.Errorf("alarms %q", got)
	}
}

// A reply to a canary is a mail like any other, and so is one with a token that the
// desk did not make, or made for something else.
func TestNoCanary(t *testing.T) {
	s := canaries(t)
	canary := s.only(s.canary(2), "pregrado@virtual.example")
	_, token, _ := strings.Cut(canary.row.Subject, "buzon canary ")
	s.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	other, _, _ := strings.Cut(s.only(s.sent(), lauraAddr).MessageID, ".")
	forged := []byte(token)
	if forged[5]++; forged[5] > 'z' || forged[5] < 'a' {
		forged[5] = 'a'
	}
	for name, subject := range map[string]string{
		"a reply": "Re: " + canary.row.Subject, "forged": "buzon canary " + string(forged), "for something else": "buzon canary " + other,
	} {
		if out := s.send(letter{from: laura, to: "pregrado@virtual.example", subject: subject, text: "Hola."}); out.Event != ticket.EventTicketed {
			t.Errorf("%s: outcome %+v", name, out)
		}
	}
	if health, err := s.desk.Canaries(); err != nil || health[0].Out != 1 {
		t.Errorf("%+v, %v", health, err)
	}
}

// What was under way when the desk stopped has its time from the next start on, and is
// known when it comes; a configuration that wants no canaries ends their alarms.
func TestCanaryAndRestart(t *testing.T) {
	s := canaries(t)
	canary := s.only(s.canary(2), "pregrado@virtual.example")
	s.pass(time.Hour)
	s.restart()
	s.use(s.chosen)
	s.canary(0) // those of before still wait to be sent
	if got := s.alarmed(); len(got) != 0 {
		t.Errorf("alarms %q at the start", got)
	}
	if out := s.comeBack(canary, byIMAP(7)); out.Event != ticket.EventCanary {
		t.Errorf("outcome %+v", out)
	}
	s.pass(10 * time.Minute)
	s.canary(0)
	if got := s.alarmed(); len(got) != 1 || got[0] != "canary posgrado" {
		t.Errorf("alarms %q", got)
	}
	s.use(company())
	s.canary(0)
	if got := s.alarmed(); len(got) != 0 {
		t.Errorf("alarms %q", got)
	}
}

// The copy of a canary that a provider puts into the Sent folder has not come back.
func TestCanaryInSent(t *testing.T) {
	s := canaries(t)
	canary := s.only(s.canary(2), "pregrado@virtual.example")
	env := byIMAP(3)
	env.Mailbox = "Enviados"
	if out := s.comeBack(canary, env); out.Event == ticket.EventCanary {
		t.Errorf("outcome %+v", out)
	}
	if out := s.comeBack(canary, byIMAP(7)); out.Event != ticket.EventCanary {
		t.Errorf("outcome %+v", out)
	}
}
