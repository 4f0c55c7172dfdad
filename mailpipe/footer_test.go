package mailpipe

import (
	"slices"
	"strings"
	"testing"

	"buzon/ticket"
)

const (
	notice  = "El tratamiento de los datos que van en sus archivos adjuntos sigue la política de la Universidad del Valle, publicada en su página."
	notice2 = "The data in this mail and in its attachments is handled as the policy of the University of the Valley says, see its page."
)

func plainMail(from, subject, body string) []byte {
	head := "From: " + from + "\nTo: soporte@desk.example\nSubject: " + subject + "\nMessage-ID: <1@x.example>\n"
	if strings.HasPrefix(subject, "Re:") {
		head += "In-Reply-To: <0@desk.example>\n"
	}
	return []byte(head + "Content-Type: text/plain; charset=utf-8\n\n" + body + "\n")
}

// learnedFrom makes the texts at the end of some mails learned, for a domain.
func learnedFrom(t *testing.T, domain string, raws ...[]byte) Options {
	t.Helper()
	known := map[string]bool{}
	for _, raw := range raws {
		m := Understand(raw, Options{})
		if len(m.Ending.Paragraphs) == 0 || m.Ending.Opening == "" {
			t.Fatalf("no ending in %q", m.Text)
		}
		known[m.Ending.Paragraphs[0]] = true
	}
	return Options{Learned: func(d, digest string) bool { return d == domain && known[digest] }}
}

// Learned footers are signature, however a program has wrapped or marked them;
// what else was written stays.
func TestLearnedFooters(t *testing.T) {
	const domain = "uni.example"
	opt := learnedFrom(t, domain, plainMail("ana@uni.example", "Hola", "Buenos días.\n\n"+notice), plainMail("ana@uni.example", "Hola", "Buenas.\n\n"+notice2))
	wrapped := strings.Replace(notice, " en sus archivos", "\nen sus archivos", 1)
	bold := "*" + strings.ToUpper(notice) + "*"
	quote := "\n\nEl lun, 3 mar 2025 a las 10:12, Mesa (<m@desk.example>) escribió:\n> Hola\n> " + notice
	for name, tt := range map[string]struct {
		body, reply, signature string
	}{
		"at the end":               {"Sí, por favor.\n\n" + notice, "Sí, por favor.", notice},
		"wrapped":                  {"Sí.\n\n" + wrapped, "Sí.", wrapped},
		"bold and capitals":        {"Sí.\n\n" + bold, "Sí.", bold},
		"two of them":              {"Sí.\n\n" + notice + "\n\n" + notice2, "Sí.", notice + "\n\n" + notice2},
		"under a ruler":            {"Sí.\n\n===\n" + notice, "Sí.", "===\n" + notice},
		"above a quote":            {"Sí.\n\n" + notice + quote, "Sí.", notice},
		"under a signature":        {"Sí.\n\n-- \nAna\n\n" + notice, "Sí.", "--\nAna\n\n" + notice},
		"under a command":          {"/cerrar\n\n" + notice, "/cerrar", notice},
		"on the line below":        {"/cerrar\n" + notice, "/cerrar", notice},
		"with text below":          {"Sí.\n\n" + notice + "\n\nLlámeme antes.", "Sí.\n\n" + notice + "\n\nLlámeme antes.", ""},
		"with a command below":     {"Sí.\n\n" + notice + "\n/mod/quiz no abre", "Sí.\n\n" + notice + "\n/mod/quiz no abre", ""},
		"with an unknown below":    {"Sí.\n\n" + notice + "\n\n" + strings.ToUpper(notice2) + " Yes.", "Sí.\n\n" + notice + "\n\n" + strings.ToUpper(notice2) + " Yes.", ""},
		"within a paragraph":       {"Sí. " + notice, "Sí. " + notice, ""},
		"and nothing else":         {notice, notice, ""},
		"and nothing but a quote":  {notice + quote, notice, ""},
		"in the middle of answers": {"> Hola\n\nSí.\n\n" + notice + "\n\n> Adiós\n\nNo.", "Sí.\n\n" + notice + "\n\nNo.", ""},
	} {
		raw := plainMail("Ana <ana@UNI.example>", "Re: Hola", tt.body)
		m := Understand(raw, opt)
		if m.ReplyText != tt.reply || m.Signature != tt.signature {
			t.Errorf("%s:\nreply     %q\nwant      %q\nsignature %q\nwant      %q", name, m.ReplyText, tt.reply, m.Signature, tt.signature)
		}
		checkInvariants(t, raw, m)
	}
	body := "Sí.\n\n" + notice
	if m := Understand(plainMail("ana@otra.example", "Re: Hola", body), opt); m.ReplyText != body {
		t.Errorf("in another domain: %q", m.ReplyText)
	}
	if m := Understand(plainMail("ana@uni.example", "Hola", body), opt); m.ReplyText != body {
		t.Errorf("a first mail: %q", m.ReplyText)
	}
	if m := Understand([]byte("Subject: Re: x\nIn-Reply-To: <1@x>\n\n"+body), opt); m.ReplyText != body {
		t.Errorf("of nobody: %q", m.ReplyText)
	}
}

// HTML and plain text give the same digest of the same footer.
func TestEndingOfHTML(t *testing.T) {
	plain := Understand(plainMail("a@x.example", "x", "Uno.\n\n"+notice), Options{}).Ending
	raw := "From: a@x.example\nContent-Type: text/html; charset=utf-8\n\n<p>Uno.</p><div><br></div><p><i><b>" + strings.Replace(notice, " ", "&nbsp;\n ", 1) + "</b></i></p>"
	if html := Understand([]byte(raw), Options{}).Ending; !slices.Equal(html.Paragraphs, plain.Paragraphs) || html.Opening != plain.Opening {
		t.Errorf("%+v and %+v", html, plain)
	}
}

// What ends a mail is looked at only as far as it can be a footer.
func TestEnding(t *testing.T) {
	long := strings.Repeat("palabra ", maxFooter/7+1)
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"a name":              {"Hola, quedo a la espera de su respuesta.\n\nAna Gómez", 0},
		"a notice":            {"Hola.\n\n" + notice, 1},
		"four paragraphs":     {notice + "\n\n" + notice2 + "\n\n" + notice + "1\n\n" + notice + "2", maxFooters},
		"too far up":          {notice + "\n\nUno.\n\nDos.\n\nTres.", 0},
		"too long":            {"Hola.\n\n" + long, 0},
		"nothing":             {"", 0},
		"a quote":             {"> " + notice, 0},
		"above several signs": {notice + "\n\n" + strings.Repeat("=", 400), 1},
	} {
		m := Understand(plainMail("a@x.example", "x", tt.body), Options{})
		if len(m.Ending.Paragraphs) != tt.want || (m.Ending.Opening != "") != (tt.want > 0) {
			t.Errorf("%s: %+v", name, m.Ending)
		}
		for _, d := range append(m.Ending.Paragraphs, m.Ending.Opening) {
			if strings.Trim(d, "0123456789abcdef") != "" {
				t.Errorf("%s: %q is no digest", name, d)
			}
		}
	}
	var zero ticket.Ending
	if m := Understand(plainMail("a@x.example", "Undeliverable", ""), Options{}); m.Ending.Opening != zero.Opening {
		t.Errorf("%+v", m.Ending)
	}
}
