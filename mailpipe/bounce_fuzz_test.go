package mailpipe

import (
	"fmt"
	"strings"
	"testing"

	"buzon/ticket"
)

// FuzzBounce: whatever a mail server writes, the reading has the form that is
// promised, and it is the same twice.
func FuzzBounce(f *testing.F) {
	for _, s := range specimens(f, "testdata/bounce/*.txt") {
		m := Understand(s.raw, Options{})
		f.Add(m.Subject, m.Text, "Final-Recipient: rfc822; ana@escuela.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 no")
	}
	f.Fuzz(func(t *testing.T, subject, text, status string) {
		subject = strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, subject)
		head := "From: MAILER-DAEMON@mx.example\nTo: soporte@campus.example\nSubject: " + subject + "\n"
		report := "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"=-=\"\n\n--=-=\nContent-Type: text/plain; charset=utf-8\n\n" +
			text + "\n--=-=\nContent-Type: message/delivery-status\n\n" + status + "\n--=-=--\n"
		for _, raw := range []string{head + "\n" + text, head + report} {
			m := Understand([]byte(raw), Options{})
			if strings.HasPrefix(m.Quarantine, quarantineBroken) {
				t.Fatalf("panic: %s", m.Quarantine)
			}
			if m.Bounce == nil {
				continue
			}
			if err := checkBounce(m.Bounce); err != nil {
				t.Fatal(err)
			}
			if again := Understand([]byte(raw), Options{}); fmt.Sprint(again.Bounce) != fmt.Sprint(m.Bounce) {
				t.Fatalf("%v, then %v", m.Bounce, again.Bounce)
			}
		}
	})
}

// FuzzReplies: a reply that is found is one, and stands where it is said to.
func FuzzReplies(f *testing.F) {
	for _, s := range []string{"550 5.1.1 no", "550-'5.7.1 x", "<421 4.4.2 x>", "smtp; 554 4.4.7 x.<421 4.4.2 y>", "after 400 minutes", "host 192.0.2.550", "(#5.1.1)", "4.4.7", "5.0.0 5.1.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		replies := serverReplies(s)
		for _, r := range replies {
			if s[r.at:r.at+3] != r.code || r.code[0] != '4' && r.code[0] != '5' || r.status != "" && findStatus(r.status) != r.status {
				t.Fatalf("%q: %+v", s, r)
			}
		}
		if code := saidStatus(s); code != "" && !strings.Contains(s, code) {
			t.Fatalf("%q: status %q", s, code)
		}
		if status := statusByWords(s, false); findStatus(status) != status || bounceReason(status, s, false) == "" {
			t.Fatalf("%q: status %q", s, status)
		}
	})
}

// manyRecipients is a bounce that says of n recipients that they are unknown.
func manyRecipients(n int) []byte {
	var b strings.Builder
	b.WriteString("From: MAILER-DAEMON@mx.example\nTo: soporte@campus.example\nSubject: failure notice\n\nI'm afraid I wasn't able to deliver your message.\n\n")
	for i := range n {
		fmt.Fprintf(&b, "<p%d@escuela.example>:\n550 5.1.1 unknown user\n\n", i)
	}
	return []byte(b.String())
}

// No more recipients are read than the limit, however many a bounce names.
func TestManyBouncedRecipients(t *testing.T) {
	m := Understand(manyRecipients(5000), Options{})
	if m.Kind != ticket.KindBounce || len(m.Bounce.Recipients) != maxBounced {
		t.Fatalf("%s, %d recipients", m.Kind, len(m.Bounce.Recipients))
	}
	for i, r := range m.Bounce.Recipients {
		if r.Address != fmt.Sprintf("p%d@escuela.example", i) || r.Status != "5.1.1" || !r.Permanent() {
			t.Fatalf("recipient %d: %+v", i, r)
		}
	}
}

func BenchmarkBounce(b *testing.B) {
	all := specimens(b, "testdata/bounce/*.txt")
	b.Run("usual", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			Understand(all[i%len(all)].raw, Options{})
		}
	})
	for _, n := range []int{10, 100, 1000, 10000} {
		raw := manyRecipients(n)
		b.Run(fmt.Sprintf("recipients=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				Understand(raw, Options{})
			}
		})
	}
}
