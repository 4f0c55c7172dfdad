package e2e

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"

	"buzon/control"
	"buzon/e2e/world"
)

// The program is killed again and again while mail comes by both ways and goes
// out. Nothing may be lost, and nothing may be done twice: a confirmation whose
// sending was not recorded may be sent again, but only as the same bytes.
func TestKilledInBetween(t *testing.T) {
	t.Parallel()
	const each = 15
	w := world.New(t, world.Options{Accounts: map[string]string{soporte: "secreto"}})
	d := w.NewDesk(world.Settings{Desk: "automatic_per_hour = 1000\nquiet = \"0\""})
	d.Append(account(d, w, "soporte", soporte, fmt.Sprintf("password_file = %q\nafter = \"move\"\nmove_to = \"Procesados\"\n",
		d.Secret("password", "secreto"))) + topic("aula", soporte))
	d.Start()
	d.AwaitConnected("soporte")
	for i := range each {
		ask(w, "soporte@desk.test", fmt.Sprintf("Caso S%02d", i))
		ask(w, soporte, fmt.Sprintf("Caso I%02d", i))
	}
	// Each kill comes when a few more confirmations are there, so it falls among
	// those that are under way.
	kills := 0
	for confirmed := 1; confirmed < 2*each; confirmed += 6 {
		d.Eventually(fmt.Sprintf("%d confirmations", confirmed), func() bool { return len(w.Inbox(world.Maria)) >= confirmed })
		d.Kill()
		kills++
		d.Start()
	}
	if kills < 5 {
		t.Errorf("only %d kills", kills)
	}
	d.Eventually("every request to be confirmed", func() bool { return len(confirmations(t, w)) == 2*each })
	d.Settle()

	numbers := map[string]bool{}
	for subject, mails := range confirmations(t, w) {
		number := tagShape.FindString(subject)
		if numbers[number] {
			t.Errorf("number %s twice", number)
		}
		numbers[number] = true
		for _, m := range mails[1:] {
			if !bytes.Equal(m, mails[0]) {
				t.Errorf("%q was confirmed twice with different mails", subject)
			}
		}
	}
	if n := len(d.Tickets()); n != 2*each {
		t.Errorf("%d tickets, want %d", n, 2*each)
	}
	for _, listed := range d.Tickets() {
		var shown control.Ticket
		d.Call("ticket show", control.Which{Number: listed.Number}, &shown)
		if n := len(shown.Entries); n != 1 {
			t.Errorf("ticket %s has %d entries, want 1", listed.Number, n)
		}
	}
	count(t, w, soporte, 0)
	if n := len(w.Mail(t, soporte, "Procesados")); n != each {
		t.Errorf("%d mails in Procesados, want %d", n, each)
	}
	if n := len(d.Quarantine()); n != 0 {
		t.Errorf("%d messages in quarantine", n)
	}
}

var (
	tagShape = regexp.MustCompile(`^\[#\d+\]`)
	caseName = regexp.MustCompile(`Caso [SI]\d\d$`)
	// ownTrace is what each passage through Postfix adds.
	ownTrace = regexp.MustCompile(`(?m)^(Return-Path|X-Original-To|Delivered-To|Received):.*\n([ \t].*\n)*`)
)

// confirmations are María's, by subject, as the desk sent them.
func confirmations(t *testing.T, w *world.World) map[string][][]byte {
	t.Helper()
	found := map[string][][]byte{}
	for _, m := range w.Inbox(world.Maria) {
		if !caseName.MatchString(m.Subject()) || !tagShape.MatchString(m.Subject()) {
			t.Fatalf("not a confirmation: %q", m.Subject())
		}
		found[m.Subject()] = append(found[m.Subject()], ownTrace.ReplaceAll(m.Raw, nil))
	}
	return found
}
