package stream

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime/v2"
)

// answered gives every request a confirmation.
func answered(messageID string) (Confirmation, bool) {
	return Confirmation{
		MessageID: "c." + messageID, ReplyTo: "soporte+token@desk.test", ReturnPath: "soporte+bounce@desk.test",
		Subject: "[#000123] Confirmación", Text: "Hola:\r\n\r\nRecibimos su solicitud.\r\n",
	}, true
}

func TestEqualSeedsGiveEqualStreams(t *testing.T) {
	a, b, other := New(7, Options{}), New(7, Options{}), New(8, Options{})
	differ := 0
	for range 200 {
		x, y, z := a.Next(), b.Next(), other.Next()
		if !bytes.Equal(x.Raw, y.Raw) {
			t.Fatalf("message %d differs", x.N)
		}
		if !bytes.Equal(x.Raw, z.Raw) {
			differ++
		}
	}
	if differ < 190 {
		t.Errorf("another seed changes only %d of 200 messages", differ)
	}
}

func TestSharesOfTheStream(t *testing.T) {
	const total = 1000
	kinds, forms, ids := map[Kind]int{}, map[string]int{}, map[string]bool{}
	attached := 0
	s := New(1, Options{Confirmation: answered})
	for range total {
		m := s.Next()
		kinds[m.Kind]++
		forms[m.Form]++
		if ids[m.MessageID] {
			t.Fatalf("Message-ID %s twice", m.MessageID)
		}
		ids[m.MessageID] = true
		if m.Attached == 0 {
			continue
		}
		attached++
		if m.Attached < 30<<10 || m.Attached > 300<<10 {
			t.Errorf("attachment of %d octets", m.Attached)
		}
	}
	near := func(what string, got, want, tolerance int) {
		if got < want-tolerance || got > want+tolerance {
			t.Errorf("%d %s, want about %d", got, what, want)
		}
	}
	near("requests", kinds[Request], total*60/100, 50)
	near("replies", kinds[Reply], total*30/100, 50)
	near("automatic", kinds[Automatic], total*10/100, 30)
	near("attachments", attached, kinds[Request]/5, 30)
	for _, form := range []string{"plain", "html", "gmail", "outlook", "out-of-office", "bounce", "newsletter"} {
		if forms[form] == 0 {
			t.Errorf("no %s", form)
		}
	}
}

func TestMessagesAreWellFormed(t *testing.T) {
	parser := enmime.NewParser(enmime.DisableCharacterDetection(true))
	s := New(3, Options{Confirmation: answered})
	for range 300 {
		m := s.Next()
		e, err := parser.ReadEnvelope(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatalf("message %d: %v", m.N, err)
		}
		for _, problem := range e.Errors {
			t.Errorf("message %d (%s): %v", m.N, m.Form, problem)
		}
		if bytes.ContainsAny(bytes.ReplaceAll(m.Raw, []byte("\r\n"), nil), "\r\n") {
			t.Errorf("message %d has a bare CR or LF", m.N)
		}
		if got := strings.Trim(e.GetHeader("Message-ID"), "<>"); got != m.MessageID {
			t.Errorf("message %d: Message-ID %q, want %q", m.N, got, m.MessageID)
		}
		if _, err := mail.ParseAddress(e.GetHeader("From")); err != nil {
			t.Errorf("message %d: From: %v", m.N, err)
		}
		if m.Text != "" && !strings.Contains(strings.ReplaceAll(e.Text, "\r\n", "\n"), m.Text) {
			t.Errorf("message %d (%s) lacks its text:\n%s", m.N, m.Form, e.Text)
		}
		if m.Attached > 0 && (len(e.Attachments) != 1 || len(e.Attachments[0].Content) != m.Attached) {
			t.Errorf("message %d: its attachment of %d octets did not survive", m.N, m.Attached)
		}
	}
}

func TestRepliesGoWhereTheConfirmationSays(t *testing.T) {
	seen := 0
	with, without := New(5, Options{Confirmation: answered}), New(5, Options{})
	for range 300 {
		m, own := with.Next(), without.Next()
		if m.Kind != own.Kind || m.Form != own.Form {
			t.Fatalf("message %d is a %s %s with confirmations and a %s %s without", m.N, m.Form, m.Kind, own.Form, own.Kind)
		}
		if m.Kind != Reply {
			continue
		}
		seen++
		head, _, _ := strings.Cut(string(m.Raw), "\r\n\r\n")
		if m.To != "soporte+token@desk.test" || !strings.Contains(head, "In-Reply-To: <c."+m.Parent+">") ||
			!strings.Contains(head, "References: <"+m.Parent+"> <c."+m.Parent+">") || !strings.Contains(head, "[#000123]") {
			t.Errorf("reply to %s:\n%s", m.To, head)
		}
		head, _, _ = strings.Cut(string(own.Raw), "\r\n\r\n")
		if own.To != "soporte@desk.test" || !strings.Contains(head, "In-Reply-To: <"+own.Parent+">") {
			t.Errorf("addition to %s:\n%s", own.To, head)
		}
	}
	if seen == 0 {
		t.Error("no reply among 300 messages")
	}
}

func TestPlainHasItsSize(t *testing.T) {
	s := New(1, Options{})
	for _, size := range []int{1200, 4096, 20_000} {
		m := s.Plain(size)
		if d := len(m.Raw) - size; d < 0 || d > 8 {
			t.Errorf("%d octets, want %d", len(m.Raw), size)
		}
		if !strings.Contains(string(m.Raw), crlf(m.Text)) {
			t.Error("the text is not in the message")
		}
	}
}
