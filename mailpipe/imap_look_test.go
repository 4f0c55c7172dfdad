package mailpipe

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/ticket"
)

func TestLookInto(t *testing.T) {
	noLeaks(t)
	s := startMemServer(t)
	begin := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	look := func(since ticket.MailboxState, now time.Time) ticket.Arrivals {
		t.Helper()
		seen, err := LookInto(t.Context(), s.config(), since, now)
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	s.deliver("INBOX", imapMessage("old"), begin)
	first := look(ticket.MailboxState{}, begin)
	if first.Count != 0 || first.State.Next != 2 || !first.State.Since.Equal(begin) {
		t.Fatalf("first look: %+v", first)
	}
	if again := look(first.State, begin); again.Count != 0 || len(again.Newest) != 0 {
		t.Errorf("nothing came, and %+v", again)
	}
	s.deliver("INBOX", "From: =?utf-8?q?Ra=C3=BAl?= <raul@otra.example>\r\nSubject: =?utf-8?q?=C2=BFHola?=\r\n =?utf-8?q?=3F?=\r\nTo: x@y.example\r\n\r\nSubject: body\r\n", begin.Add(time.Hour))
	s.deliver("INBOX", "Subject: "+strings.Repeat("x", 2*maxGlimpseBytes)+"\r\n\r\nNo sender.\r\n", begin.Add(2*time.Hour))
	seen := look(first.State, begin.Add(24*time.Hour))
	if seen.Count != 2 || len(seen.Newest) != 2 || seen.State.Next != 4 {
		t.Fatalf("%+v", seen)
	}
	if g := seen.Newest[1]; g.From != (ticket.Address{Name: "Raúl", Addr: "raul@otra.example"}) || g.Subject != "¿Hola?" {
		t.Errorf("%+v", g)
	}
	if g := seen.Newest[0]; g.From != (ticket.Address{}) || len(g.Subject) > maxSubject {
		t.Errorf("%+v", g)
	}
	if all, unseen := s.status("INBOX"); all != 3 || unseen != 3 {
		t.Errorf("%d messages, %d of them unseen", all, unseen)
	}

	// Under another UIDVALIDITY, what arrived since the last look counts.
	other := first.State
	other.UIDValidity++
	other.Since = begin.Add(90 * time.Minute)
	if seen := look(other, begin.Add(24*time.Hour)); seen.Count != 1 || seen.State.UIDValidity != first.State.UIDValidity {
		t.Errorf("%+v", seen)
	}

	// Of a flood, all are counted, and the latest read.
	s.deliverAll("INBOX", numbered(maxGlimpses+10)...)
	seen = look(seen.State, begin.Add(48*time.Hour))
	subjects := make([]string, 0, len(seen.Newest))
	for _, g := range seen.Newest {
		subjects = append(subjects, g.Subject)
	}
	want := numbered(maxGlimpses + 10)
	slices.Reverse(want)
	if seen.Count != maxGlimpses+10 || !slices.Equal(subjects, want[:maxGlimpses]) {
		t.Errorf("%d of %d, the first is %q", len(subjects), seen.Count, subjects[0])
	}

	cfg := s.config()
	cfg.Mailbox = "Nada"
	if _, err := LookInto(t.Context(), cfg, first.State, begin); err == nil || !diagnose(err).Permanent {
		t.Errorf("a folder that isn't there: %v", err)
	}
}
