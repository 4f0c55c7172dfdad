package mailpipe

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buzon/ticket"
)

// spanishReading is what a message of testdata/spanish must be read as. A null
// reply is not looked at.
type spanishReading struct {
	Kind             ticket.Kind `json:"kind"`
	AutoReplyAllowed bool        `json:"auto_reply_allowed"`
	Courtesy         bool        `json:"courtesy"`
	ReplyText        *string     `json:"reply_text"`
	Commands         []string    `json:"commands"`
	Bounced          []string    `json:"bounced"`
	Forwarded        *struct {
		From    string `json:"from"`
		Subject string `json:"subject"`
		Begins  string `json:"begins"`
	} `json:"forwarded"`
}

// TestSpanish reads messages in the forms of the mail programs that Spanish
// speakers use, and each alternative once more from its HTML alone.
func TestSpanish(t *testing.T) {
	listing, err := os.ReadFile("testdata/spanish/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]spanishReading
	if err := json.Unmarshal(listing, &expected); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/spanish/*.eml")
	if err != nil || len(files) < 120 || len(files) != len(expected) {
		t.Fatalf("%d messages, %d readings, %v", len(files), len(expected), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, ok := expected[name]
			if !ok {
				t.Fatal("no reading of it is expected")
			}
			m := Understand(raw, Options{})
			checkInvariants(t, raw, m)
			checkSpanish(t, &want, m)
			if text := string(raw); want.ReplyText != nil && strings.Contains(text, "Content-Type: multipart/alternative") {
				rich := Understand([]byte(strings.Replace(text, "Content-Type: text/plain", "Content-Type: application/x-none", 1)), Options{})
				if got := strings.Join(strings.Fields(rich.ReplyText), " "); got != strings.Join(strings.Fields(*want.ReplyText), " ") {
					t.Errorf("from HTML alone: reply %q, want %q", rich.ReplyText, *want.ReplyText)
				}
			}
		})
	}
}

func checkSpanish(t *testing.T, want *spanishReading, m *ticket.Message) {
	t.Helper()
	if m.Kind != want.Kind || m.AutoReplyAllowed != want.AutoReplyAllowed || m.Courtesy != want.Courtesy {
		t.Errorf("%s (%s), automatic answer %v, courtesy %v", m.Kind, m.KindReason, m.AutoReplyAllowed, m.Courtesy)
	}
	if want.ReplyText != nil && m.ReplyText != *want.ReplyText {
		t.Errorf("reply %q\nwant %q\nquoted %q\nsignature %q", m.ReplyText, *want.ReplyText, m.QuotedText, m.Signature)
	}
	var commands, bounced []string
	for _, c := range m.Commands {
		commands = append(commands, c.Name)
	}
	if m.Bounce != nil {
		for _, r := range m.Bounce.Recipients {
			bounced = append(bounced, r.Address)
		}
	}
	if !slices.Equal(commands, want.Commands) || !slices.Equal(bounced, want.Bounced) {
		t.Errorf("commands %q, bounced %q", commands, bounced)
	}
	f := m.Forwarded
	if f == nil || want.Forwarded == nil {
		if (f == nil) != (want.Forwarded == nil) {
			t.Errorf("forwarded: %+v", f)
		}
		return
	}
	from := fmt.Sprintf("%s <%s>", f.From.Name, f.From.Addr)
	if from != want.Forwarded.From || f.Subject != want.Forwarded.Subject || !strings.HasPrefix(f.Text, want.Forwarded.Begins) {
		t.Errorf("forwarded from %q, subject %q, text %q", from, f.Subject, f.Text)
	}
}
