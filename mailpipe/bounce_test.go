package mailpipe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buzon/ticket"

	"github.com/google/go-cmp/cmp"
)

// specimen is a message of testdata/bounce or testdata/verdict with the reading
// that is expected. Above each message stand lines that begin with "%%": its
// name; its kind, and the Message-ID of the returned message; a line for each
// recipient with address, action, status, reason and the SMTP code that its
// diagnostic shows ("-": none; "*" in place of a line's address: any).
type specimen struct {
	name, kind string
	original   string
	recipients []string
	raw        []byte
}

func specimens(tb testing.TB, pattern string) []specimen {
	tb.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("no specimens in %s: %v", pattern, err)
	}
	var list []specimen
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		heading := false
		for _, line := range strings.SplitAfter(string(text), "\n") {
			said, isHead := strings.CutPrefix(line, "%% ")
			said = strings.TrimSpace(said)
			switch {
			case isHead && !heading:
				list = append(list, specimen{name: said})
			case isHead && list[len(list)-1].kind == "":
				kind, original, _ := strings.Cut(said, " ")
				list[len(list)-1].kind, list[len(list)-1].original = kind, strings.Trim(original, "<>")
			case isHead:
				list[len(list)-1].recipients = append(list[len(list)-1].recipients, said)
			default:
				list[len(list)-1].raw = append(list[len(list)-1].raw, line...)
			}
			heading = isHead
		}
	}
	return list
}

func TestBounces(t *testing.T) {
	for _, s := range specimens(t, "testdata/bounce/*.txt") {
		t.Run(s.name, func(t *testing.T) {
			m := Understand(s.raw, Options{})
			if string(m.Kind) != s.kind {
				t.Fatalf("kind %s (%s), want %s", m.Kind, m.KindReason, s.kind)
			}
			if s.kind != string(ticket.KindBounce) {
				return
			}
			if m.AutoReplyAllowed {
				t.Error("it may be answered")
			}
			if s.original != "" && m.Bounce.OriginalMessageID != s.original {
				t.Errorf("original %q, want %q", m.Bounce.OriginalMessageID, s.original)
			}
			var got []string
			for i, r := range m.Bounce.Recipients {
				code := replyCode(r.Diagnostic)
				if code == "" {
					code = "-"
				}
				address := r.Address
				if i < len(s.recipients) && strings.HasPrefix(s.recipients[i], "* ") {
					address = "*"
				}
				got = append(got, fmt.Sprintf("%s %s %s %s %s", address, r.Action, r.Status, r.Reason, code))
			}
			if diff := cmp.Diff(s.recipients, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%q", diff, m.Bounce.Recipients)
			}
		})
	}
}
