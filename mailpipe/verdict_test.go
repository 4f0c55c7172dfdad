package mailpipe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"buzon/ticket"
)

// ourReading is a desk at desk.example that the group curso@groups.example feeds.
var ourReading = Options{
	Own:      func(addr string) bool { return strings.EqualFold(addr, "soporte@desk.example") },
	Group:    func(addr string) bool { return strings.EqualFold(addr, "curso@groups.example") },
	Hostname: "desk.example",
}

// The second line of a specimen may add "yes" or "no": whether an automatic
// answer is allowed.
func TestVerdicts(t *testing.T) {
	token := strings.Repeat("a", ticket.TokenLength)
	for _, s := range specimens(t, "testdata/verdict/*.txt") {
		t.Run(s.name, func(t *testing.T) {
			m := Understand(bytes.ReplaceAll(s.raw, []byte("OURTOKEN"), []byte(token)), ourReading)
			if string(m.Kind) != s.kind {
				t.Fatalf("kind %s (%s), want %s", m.Kind, m.KindReason, s.kind)
			}
			if m.KindReason == "" {
				t.Error("no reason")
			}
			if want := s.original; want != "" && want != map[bool]string{true: "yes", false: "no"}[m.AutoReplyAllowed] {
				t.Errorf("automatic answer %v (%s), want %s", m.AutoReplyAllowed, m.KindReason, want)
			}
			if m.AutoReplyAllowed && m.Kind != ticket.KindHuman {
				t.Error("a machine may be answered")
			}
		})
	}
}

func TestReactionIsCourtesy(t *testing.T) {
	for _, s := range specimens(t, "testdata/verdict/*.txt") {
		if s.name == "gmail-reaction" && !Understand(s.raw, Options{}).Courtesy {
			t.Error("a reaction is no courtesy")
		}
	}
}

func TestLoop(t *testing.T) {
	for _, c := range []struct {
		received int
		want     ticket.Kind
	}{{maxReceived, ticket.KindHuman}, {maxReceived + 1, ticket.KindOwn}} {
		raw := strings.Repeat("Received: from a by b; Mon, 3 Mar 2025 10:12:00 -0500\n", c.received) + "From: ana@escuela.example\nSubject: hola\n\nhola\n"
		if m := Understand([]byte(raw), Options{}); m.Kind != c.want {
			t.Errorf("%d Received lines: %s (%s)", c.received, m.Kind, m.KindReason)
		}
	}
}

func TestGroup(t *testing.T) {
	list := "List-Id: <curso.groups.example>\nList-Post: <https://groups.example/curso/post>, <mailto:curso@groups.example>\nPrecedence: list\nList-Unsubscribe: <mailto:x@groups.example>\n"
	munged := "From: 'Ana Ruiz' via Curso <curso@groups.example>\n"
	for _, c := range []struct {
		name, head       string
		kind             ticket.Kind
		group, from      string
		fromName         string
		rewritten, reply bool
	}{
		{"as it was", list + "From: Ana Ruiz <ana@escuela.example>\n", ticket.KindHuman, "curso@groups.example", "ana@escuela.example", "Ana Ruiz", false, true},
		{"Google rewrites From", list + munged + "X-Original-From: Ana Ruiz <ana@escuela.example>\nReply-To: otra@escuela.example\n",
			ticket.KindHuman, "curso@groups.example", "ana@escuela.example", "Ana Ruiz", true, true},
		{"only the sender's address", list + munged + "X-Original-Sender: ana@escuela.example\n", ticket.KindHuman, "curso@groups.example", "ana@escuela.example", "Ana Ruiz", true, true},
		{"Mailman rewrites From", list + munged + "Reply-To: Curso <curso@groups.example>, Ana Ruiz <ana@escuela.example>\n",
			ticket.KindHuman, "curso@groups.example", "ana@escuela.example", "Ana Ruiz", true, true},
		{"the group names nobody", list + munged + "Reply-To: curso@groups.example\n", ticket.KindHuman, "curso@groups.example", "", "", true, false},
		{"BeenThere", "X-BeenThere: curso@groups.example\nFrom: ana@escuela.example\n", ticket.KindHuman, "curso@groups.example", "ana@escuela.example", "", false, true},
		{"only Google's number and To", "X-Google-Group-Id: 1\nTo: curso@groups.example\nFrom: ana@escuela.example\n", ticket.KindHuman, "curso@groups.example", "ana@escuela.example", "", false, true},
		{"To alone is a target, no way", "To: curso@groups.example\nFrom: ana@escuela.example\n", ticket.KindHuman, "", "ana@escuela.example", "", false, true},
		{"another group", "List-Id: <otra.groups.example>\nFrom: 'Ana' via Otra <otra@groups.example>\nX-Original-From: ana@escuela.example\n",
			ticket.KindList, "", "otra@groups.example", "'Ana' via Otra", false, false},
		{"our own mail through the group", list + munged + "X-Original-From: Soporte <soporte@desk.example>\n", ticket.KindOwn, "curso@groups.example", "soporte@desk.example", "Soporte", true, false},
		{"an absence through the group", list + "From: ana@escuela.example\nAuto-Submitted: auto-replied\n", ticket.KindAutoreply, "curso@groups.example", "ana@escuela.example", "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Understand([]byte(c.head+"Subject: hola\nMessage-ID: <1@escuela.example>\n\nNo puedo entrar.\n"), ourReading)
			if m.Kind != c.kind || m.Group != c.group || m.From.Addr != c.from || m.From.Name != c.fromName || m.FromRewritten != c.rewritten || m.AutoReplyAllowed != c.reply {
				t.Errorf("%s (%s), group %q, from %+v, rewritten %v, answer %v", m.Kind, m.KindReason, m.Group, m.From, m.FromRewritten, m.AutoReplyAllowed)
			}
		})
	}
}

// FuzzVerdict: what may be answered is a person's and names a sender; a bounce
// has recipients with an action that is known; nothing of a group is its author.
func FuzzVerdict(f *testing.F) {
	for _, pattern := range []string{"testdata/verdict/*.txt", "testdata/bounce/*.txt"} {
		for _, s := range specimens(f, pattern) {
			f.Add(s.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := Understand(raw, ourReading)
		if strings.HasPrefix(m.Quarantine, quarantineBroken) {
			t.Fatalf("panic: %s", m.Quarantine)
		}
		if m.Quarantine == "" && (m.Kind == "" || m.KindReason == "") {
			t.Fatalf("kind %q, reason %q", m.Kind, m.KindReason)
		}
		if m.AutoReplyAllowed && (m.Kind != ticket.KindHuman || !strings.Contains(m.From.Addr, "@") || ourReading.Own(m.From.Addr)) {
			t.Fatalf("%s of %q may be answered", m.Kind, m.From.Addr)
		}
		if m.Group != "" && ourReading.Group(m.From.Addr) || m.FromRewritten && m.Group == "" {
			t.Fatalf("from %q, group %q", m.From.Addr, m.Group)
		}
		if (m.Bounce != nil) != (m.Kind == ticket.KindBounce) && m.Quarantine == "" {
			t.Fatalf("%s with bounce %v", m.Kind, m.Bounce)
		}
		if m.Bounce != nil {
			if err := checkBounce(m.Bounce); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func checkBounce(b *ticket.Bounce) error {
	if len(b.Recipients) == 0 || len(b.Recipients) > maxBounced {
		return fmt.Errorf("%d recipients", len(b.Recipients))
	}
	for _, r := range b.Recipients {
		if r.Status != "" && findStatus(r.Status) != r.Status {
			return fmt.Errorf("status %q", r.Status)
		}
		if r.Action == "" || (r.Action == "failed" || r.Action == "delayed") && (r.Status == "" || r.Reason == "") {
			return fmt.Errorf("not told what became of it: %+v", r)
		}
		if len(r.Diagnostic) > maxDiagnostic || strings.ContainsAny(r.Diagnostic+r.Address, "\r\n\x00") {
			return fmt.Errorf("not a line: %+v", r)
		}
		if r.Permanent() && r.Action != "failed" {
			return fmt.Errorf("permanent: %+v", r)
		}
	}
	return nil
}
