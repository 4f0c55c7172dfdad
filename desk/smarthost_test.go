package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/routing"
	"buzon/ticket"
)

// twoWays is an office whose topic pregrado has a smarthost of its own.
func twoWays(t *testing.T) (o *office, first, second desk.Outbox) {
	o = open(t)
	table := o.desk.Table()
	table.Config.Smarthosts = []routing.SmarthostConfig{{Name: "segundo"}}
	table.Topic("pregrado").Smarthost = "segundo"
	return o, o.desk.Outbox(""), o.desk.Outbox("segundo")
}

// take hands out all that is due in an outbox, and says who has it sent.
func (o *office) take(box desk.Outbox, send bool) (recipients []string) {
	o.t.Helper()
	rows, _, err := box.Due(o.t.Context(), o.clock(), 1000, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, row := range rows {
		recipients = append(recipients, row.To)
		if !send {
			continue
		}
		if err := box.Report(o.t.Context(), row.ID, ticket.Result{Sent: true}, time.Time{}); err != nil {
			o.t.Fatal(err)
		}
	}
	slices.Sort(recipients)
	return recipients
}

func TestEachSmarthostHasItsOwnMail(t *testing.T) {
	o, first, second := twoWays(t)
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	o.send(letter{from: "Eva <eva@estudiantes.example>", to: "posgrado@virtual.example", subject: "Ayuda", text: "Hola."})
	if got := o.take(second, false); !slices.Equal(got, []string{"ana@privada.example", "laura@estudiantes.example"}) {
		t.Errorf("to the second: %v", got)
	}
	if got := o.take(first, false); !slices.Equal(got, []string{"ana@privada.example", "beto@privada.example", "eva@estudiantes.example"}) {
		t.Errorf("to the first: %v", got)
	}
}

func TestEachSmarthostHasItsOwnLimit(t *testing.T) {
	o, first, second := twoWays(t)
	o.desk.Table().Config.Smarthosts[0].DailyLimit = 2
	both := func() {
		t.Helper()
		o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
		o.send(letter{from: "Eva <eva@estudiantes.example>", to: "posgrado@virtual.example", subject: "Ayuda", text: "Hola."})
	}
	both()
	if got := o.take(second, true); len(got) != 2 {
		t.Fatalf("to the second: %v", got)
	}
	o.take(first, true)
	both()
	if got := o.take(second, true); len(got) != 0 {
		t.Errorf("beyond the limit: %v", got)
	}
	if got := o.take(first, true); len(got) != 4 { // with the alarm
		t.Errorf("the first has no limit: %v", got)
	}
	alarms := o.desk.Alarms()
	if len(alarms) != 1 || alarms[0].Key != "quota segundo" || !strings.Contains(alarms[0].What, "2 of the 2 mails") || !strings.Contains(alarms[0].Try, "smarthost.daily_limit") {
		t.Errorf("alarms %+v", alarms)
	}
	// The count is found again after a restart.
	o.restart()
	first, second = o.desk.Outbox(""), o.desk.Outbox("segundo")
	if got := o.take(second, true); len(got) != 0 {
		t.Errorf("beyond the limit, after a restart: %v", got)
	}
	o.take(first, true)
	o.pass(26 * time.Hour)
	if got := o.take(second, true); len(got) != 2 {
		t.Errorf("a day later: %v", got)
	}
}

// A smarthost that left the configuration leaves no mail behind, and one that a
// reload brought has its mail sent the first way until the next start.
func TestMailOfAnUnknownSmarthostGoesTheFirstWay(t *testing.T) {
	o, _, _ := twoWays(t)
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	o.restart()
	if got := o.take(o.desk.Outbox(""), true); len(got) != 2 {
		t.Errorf("to the first: %v", got)
	}
}
