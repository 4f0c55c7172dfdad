package desk_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"buzon/desk"
	"buzon/store"
)

// A restored desk sends nothing until an operator says so.
func TestRestoredDeskHoldsItsMail(t *testing.T) {
	o := open(t)
	backup := o.clock().Add(-time.Hour)
	err := o.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.HoldOutgoing(store.Hold{Since: o.clock(), Backup: backup})
	})
	if err != nil {
		t.Fatal(err)
	}
	o.send(letter{from: laura, to: "pregrado@virtual.example", subject: "Aula", text: "Hola"})
	due := func() int {
		rows, _, err := o.desk.Outbox("").Due(t.Context(), o.clock(), 100, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(rows)
	}
	held, err := o.desk.Held()
	if err != nil || held == nil || held.Key != "outgoing held" || !strings.Contains(held.What, "2 mails wait") || !held.Since.Equal(o.clock()) {
		t.Errorf("held: %+v, %v", held, err)
	}
	if n := due(); n != 0 {
		t.Errorf("%d mails would leave", n)
	}
	o.desk.Raise(*held)
	woken := 0
	o.desk.OnQueued(func() { woken++ })
	if err := o.desk.ReleaseOutgoing(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := due(); n != 3 || woken != 1 { // and the alarm's own
		t.Errorf("%d mails leave after the release, woken %d times", n, woken)
	}
	if held, err := o.desk.Held(); held != nil || err != nil || len(o.desk.Alarms()) != 0 {
		t.Errorf("held: %+v, %v, %v", held, err, o.desk.Alarms())
	}
	if err := o.desk.ReleaseOutgoing(t.Context()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("released twice: %v", err)
	}
}

// Whoever is told of alarms is told as often as the operators are.
func TestNotifierIsToldOfAlarms(t *testing.T) {
	o := open(t)
	var told []string
	o.desk.OnAlarm(func(a desk.Alarm, state string) { told = append(told, a.Key+" "+state) })
	raise := func() { o.desk.Raise(desk.Alarm{Key: "smarthost", What: "down", Try: "look"}) }
	raise()
	raise()
	o.pass(5 * time.Hour)
	raise()
	o.pass(time.Hour)
	raise()
	o.desk.Clear("smarthost")
	o.desk.Clear("smarthost")
	if got := strings.Join(told, ", "); got != "smarthost raised, smarthost raised, smarthost over" {
		t.Errorf("told: %s", got)
	}
	for key, want := range map[string]bool{"smarthost": true, "disk": true, "quarantine": false, "undelivered ana@privada.example": false} {
		if (desk.Alarm{Key: key}).Lasts() != want {
			t.Errorf("%s lasts: %v", key, !want)
		}
	}
}
