package mailpipe

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// bombs are messages made to exhaust a reader.
func bombs() map[string]string {
	var nested strings.Builder
	nested.WriteString("From: a@b.example\nContent-Type: multipart/mixed; boundary=b0\n\n")
	for i := range 10_000 {
		fmt.Fprintf(&nested, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	return map[string]string{
		"too-deep":         nested.String(),
		"too-many-parts":   "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 500_000),
		"too-many-headers": "From: a@b.example\n" + strings.Repeat("X-A: b\n", 1_000_000) + "\nHola\n",
	}
}

// TestBombs: each is quarantined under the name of its budget, with its sender
// read, and the scan stops at the budget.
func TestBombs(t *testing.T) {
	for reason, raw := range bombs() {
		s := scan([]byte(raw))
		if len(s.parts) > maxParts {
			t.Errorf("%s: %d parts were scanned", reason, len(s.parts))
		}
		m := Understand([]byte(raw), Options{})
		if !strings.HasPrefix(m.Quarantine, reason+": ") {
			t.Errorf("%s: quarantine %q", reason, m.Quarantine)
		}
		if m.From.Addr != "a@b.example" || m.AutoReplyAllowed || m.IdentityKey == "" {
			t.Errorf("%s: from %q, answer allowed %v", reason, m.From.Addr, m.AutoReplyAllowed)
		}
	}
}

// TestBudgetsAllow: what just fits is read.
func TestBudgetsAllow(t *testing.T) {
	raw := "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", maxParts-1) + "--b--\n"
	if m := Understand([]byte(raw), Options{}); m.Quarantine != "" || strings.Count(m.Text, "x") != maxParts-1 {
		t.Errorf("%d parts: quarantine %q", maxParts, m.Quarantine)
	}
	raw = "From: a@b.example\n" + strings.Repeat("X-A: b\n", maxHeaderLines-1) + "\nHola\n"
	if m := Understand([]byte(raw), Options{}); m.Quarantine != "" || m.Text != "Hola" {
		t.Errorf("%d header lines: quarantine %q", maxHeaderLines, m.Quarantine)
	}
}

// large are texts on which a careless reader takes quadratic time. Each is given
// as a function of its length in octets.
var large = map[string]func(n int) string{
	"quote signs":        func(n int) string { return textMail(strings.Repeat(">", n)) },
	"quoted lines":       func(n int) string { return textMail(strings.Repeat("> a\n", n/4)) },
	"attribution starts": func(n int) string { return textMail(strings.Repeat("El 3 de\n", n/8)) },
	"colons":             func(n int) string { return textMail(strings.Repeat("escribió 1:\n", n/13)) },
	"labels":             func(n int) string { return textMail(strings.Repeat("De: a@b\n", n/8)) },
	"labels and blanks":  func(n int) string { return textMail(strings.Repeat("De: a@b\n\n", n/9)) },
	"blank lines":        func(n int) string { return textMail(strings.Repeat("\n", n)) },
	"labels and gaps":    func(n int) string { return textMail(strings.Repeat("Asunto: x"+strings.Repeat("\n", 500), n/509)) },
	"dashes":             func(n int) string { return textMail(strings.Repeat("--\n", n/3)) },
	"forward heads":      func(n int) string { return textMail(strings.Repeat("> ---- Forwarded message ----\n", n/30)) },
	"one line":           func(n int) string { return textMail(strings.Repeat("palabra ", n/8)) },
	"bounce": func(n int) string {
		return "From: MAILER-DAEMON@x.example\n\n" + strings.Repeat("<a@b.example>: failed\n", n/22)
	},
	"status": func(n int) string { return statusMail(strings.Repeat("Action: failed\n\n", n/16)) },
	"boundary lookalikes": func(n int) string {
		return "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + strings.Repeat("--\n", n/3)
	},
	"open comments": func(n int) string { return "From: " + strings.Repeat("(", n/2) + "a@b\nSubject: x\n\nx" },
	"encoded words": func(n int) string { return "From: a@b.example\nSubject: " + strings.Repeat("=?a?q?x ", n/8) + "\n\nx" },
	"angles": func(n int) string {
		return "From: " + strings.Repeat("<", n/2) + "\nTo: " + strings.Repeat("<a@b,", n/10) + "\n\nx"
	},
	"quotes": func(n int) string {
		return "From: " + strings.Repeat("\"\\", n/4) + "\nCc: " + strings.Repeat("\"", n/2) + "\n\nx"
	},
	"parameters": func(n int) string {
		return "From: a@b.example\nContent-Type: text/plain" + strings.Repeat("; a*0*=x", n/8) + "\n\nx"
	},
	"references":            func(n int) string { return "From: a@b.example\nReferences: " + strings.Repeat("<a> ", n/4) + "\n\nx" },
	"open divs":             func(n int) string { return htmlMail(strings.Repeat("<div class=gmail_quote>a", n/24)) },
	"blockquotes":           func(n int) string { return htmlMail(strings.Repeat("<blockquote>a", n/13)) },
	"open hidden":           func(n int) string { return htmlMail(strings.Repeat("<p style=display:none>a", n/23)) },
	"open comments in html": func(n int) string { return htmlMail(strings.Repeat("<!--", n/4)) },
	"open tags":             func(n int) string { return htmlMail(strings.Repeat("<a href=http://x", n/16)) },
	"attributes":            func(n int) string { return htmlMail("<p" + strings.Repeat(" a=b", n/4) + ">x") },
}

func textMail(s string) string {
	return "From: a@b.example\nIn-Reply-To: <1@x>\nSubject: Fwd: x\n\n" + s
}
func htmlMail(s string) string { return "From: a@b.example\nContent-Type: text/html\n\n" + s }
func statusMail(s string) string {
	return "From: a@b.example\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n" + s
}

// TestLinear compares the memory that texts of one and of eight times a length
// take: quadratic copying shows in it, and, unlike time, it does not depend on
// the machine.
func TestLinear(t *testing.T) {
	for name, make := range large {
		small, big := []byte(make(100_000)), []byte(make(800_000))
		used := func(raw []byte) uint64 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m := Understand(raw, Options{})
			runtime.ReadMemStats(&after)
			if m.Quarantine != "" && !strings.Contains(m.Quarantine, "too-many") {
				t.Errorf("%s: quarantine %q", name, m.Quarantine)
			}
			return after.TotalAlloc - before.TotalAlloc
		}
		one, eight := used(small), used(big)
		if eight > 16*one+16<<20 {
			t.Errorf("%s: %d octets of memory for 100 kB, %d for 800 kB", name, one, eight)
		}
	}
}

func BenchmarkUnderstand(b *testing.B) {
	attachment := "From: Ana <ana@example.edu.co>\nSubject: Recibo\nMessage-ID: <1@x>\nDate: Mon, 3 Mar 2025 10:12:00 -0500\n" +
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nAdjunto el recibo.\n--b\n" +
		"Content-Type: application/pdf; name=recibo.pdf\nContent-Transfer-Encoding: base64\n\n" +
		strings.Repeat(strings.Repeat("QUJD", 19)+"\n", 4000) + "--b--\n"
	for name, file := range map[string]string{"plain": "gmail-es-reply", "html": "gmail-html-only", "attachment": ""} {
		raw := []byte(attachment)
		if file != "" {
			var err error
			if raw, err = os.ReadFile("testdata/understand/" + file + ".eml"); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Understand(raw, Options{})
			}
		})
	}
	for name, make := range large {
		raw := []byte(make(770_000))
		b.Run("large/"+name, func(b *testing.B) {
			for b.Loop() {
				Understand(raw, Options{})
			}
		})
	}
	for name, bomb := range bombs() {
		raw := []byte(bomb)
		b.Run("bomb/"+name, func(b *testing.B) {
			for b.Loop() {
				Understand(raw, Options{})
			}
		})
	}
}
