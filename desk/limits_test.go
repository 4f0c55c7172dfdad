package desk_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/ticket"
)

func TestBudgetOfAutomaticMail(t *testing.T) {
	o := open(t)
	for range 10 {
		o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Ayuda", text: "Otra más."})
	}
	count := 0
	for _, m := range o.sent() {
		if m.row.Class == ticket.ClassConfirmation {
			count++
		}
	}
	if count != 3 {
		t.Errorf("%d confirmations in an hour, and the limit is 3", count)
	}
}

func TestBacklogTellsNobody(t *testing.T) {
	o := open(t)
	env := byIMAP(3)
	env.Backlog = true
	out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "De hace un mes", text: "Viejo.", envelope: env})
	if out.Event != ticket.EventTicketed {
		t.Errorf("outcome %+v", out)
	}
	o.none("backlog")
}

func TestQuarantineAndRetry(t *testing.T) {
	o := open(t)
	raw := []byte("From: a@b.example\r\nFrom: c@d.example\r\nTo: pregrado@virtual.example\r\nSubject: Dos\r\n\r\nHola\r\n")
	m := o.message(raw, ticket.Envelope{Account: "smtp", Recipients: []string{"pregrado@virtual.example"}})
	out, err := o.desk.Receive(context.Background(), m)
	if err != nil || out.Event != ticket.EventQuarantined || !strings.Contains(out.Detail, "two-from") {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	if alarms := o.desk.Alarms(); len(alarms) != 1 || !strings.Contains(alarms[0].Try, "buzon quarantine show 1") {
		t.Errorf("alarms %+v", alarms)
	}
	if m := o.only(o.sent(), "olga@privada.example"); !strings.Contains(m.Text, "two-from") {
		t.Errorf("alarm:\n%s", m.Text)
	}
	if _, err := o.desk.Retry(context.Background(), 1); err == nil {
		t.Error("what can't be read now was let through")
	}
	if err := o.desk.Drop(context.Background(), "quarantine", 1); err != nil {
		t.Error(err)
	}
	if got, err := o.store.Raw(m.Archive); err != nil || sha256.Sum256(got) != sha256.Sum256(raw) {
		t.Errorf("the raw message is not whole: %v", err)
	}
}

// failing is a composer that can't compose mail on one subject.
type failing struct{ desk.Composer }

func (f failing) Compose(d *ticket.Draft) ([]ticket.Chunk, error) {
	if strings.Contains(d.Subject, "error") {
		return nil, errors.New("can't be composed")
	}
	if strings.Contains(d.Subject, "panic") {
		panic("while composing")
	}
	return f.Composer.Compose(d)
}

func TestPoisonIsQuarantined(t *testing.T) {
	o := open(t)
	o.desk.Composer = failing{o.desk.Composer}
	for _, subject := range []string{"un error", "un panic"} {
		if out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: subject, text: "Hola"}); out.Event != ticket.EventQuarantined {
			t.Errorf("%s: outcome %+v", subject, out)
		}
	}
	o.only(o.sent(), "olga@privada.example")
	if out := o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Bien", text: "Hola"}); out.Event != ticket.EventTicketed || out.Number != 3181 {
		t.Errorf("outcome %+v", out)
	}
}

func TestDailyLimit(t *testing.T) {
	o := open(t)
	o.desk.Table().Config.Outgoing.DailyLimit = 10
	ctx := context.Background()
	due := func() (classes []ticket.Class) {
		t.Helper()
		rows, _, err := o.desk.Outbox("").Due(ctx, o.clock(), 100, func(uint64) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			classes = append(classes, row.Class)
		}
		return classes
	}
	sendAll := func(n int) {
		t.Helper()
		rows, _, err := o.desk.Outbox("").Due(ctx, o.clock(), n, func(uint64) bool { return false })
		if err != nil || len(rows) != n {
			t.Fatalf("%d rows, want %d: %v", len(rows), n, err)
		}
		for _, row := range rows {
			if err := o.desk.Report(ctx, row.ID, ticket.Result{Sent: true}, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _, notification := o.opened()
	sendAll(2)
	for i := range 3 {
		o.send(letter{from: fmt.Sprintf("p%d@estudiantes.example", i), to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	}
	sendAll(6)
	o.send(letter{from: "q@estudiantes.example", to: "pregrado@virtual.example", subject: "Ayuda", text: "Hola."})
	o.send(reply(notification, ana, "Hola, Laura."))
	if got := due(); !slices.Equal(got, []ticket.Class{ticket.ClassAnswer, ticket.ClassConfirmation}) {
		t.Errorf("with 8 of 10 used: %v", got)
	}
	sendAll(2)
	if got := due(); len(got) != 0 {
		t.Errorf("with all used: %v", got)
	}
	if a := o.desk.Alarms(); len(a) != 1 || a[0].Key != "quota" {
		t.Errorf("alarms %+v", a)
	}
	o.pass(26 * time.Hour)
	if got := due(); !slices.Contains(got, ticket.ClassNotification) {
		t.Errorf("a day later: %v", got)
	}
}
