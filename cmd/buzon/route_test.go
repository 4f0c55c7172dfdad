package main

import (
	"strings"
	"testing"
	"time"

	"buzon"
	"buzon/mailpipe"
	"buzon/routing"
)

// What --explain shows of a confirmation is what the requester would be sent: with the text
// of a closed period, and asked for the fields that the mail leaves out.
func TestExplainedConfirmation(t *testing.T) {
	text := string(buzon.ExampleConfig) + "\n[[closed]]\nfrom = \"2026-12-21\"\nuntil = \"2027-01-08\"\ntext = \"Estamos de vacaciones.\"\n"
	table, err := routing.Parse("buzon.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("From: Laura <laura@estudiantes.example>\r\nTo: pregrado@virtual.example\r\nSubject: Aula\r\n" +
		"Message-ID: <a@b.example>\r\nDate: Tue, 24 Nov 2026 10:00:00 -0500\r\n\r\nRol: estudiante\r\n\r\nBuenos dias, no puedo entrar al aula.\r\n")
	for day, closed := range map[int]bool{18: false, 22: true} {
		at := time.Date(2026, 12, day, 10, 0, 0, 0, table.Zone)
		m := mailpipe.Understand(raw, reading(table))
		in := inputOf(m, raw, at)
		d := table.Match(in)
		var story strings.Builder
		explain(&story, table, m, &d, false, at)
		if got := strings.Contains(story.String(), "| Estamos de vacaciones."); got != closed {
			t.Errorf("on day %d the closed period is told of: %v\n%s", day, got, &story)
		}
		if !strings.Contains(story.String(), "| Número de documento:") || strings.Contains(story.String(), "| Rol") {
			t.Errorf("asked for:\n%s", &story)
		}
	}
}
