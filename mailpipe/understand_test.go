package mailpipe

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"buzon/ticket"

	"github.com/google/go-cmp/cmp"
	"github.com/jhillyerd/enmime/v2"
)

var update = flag.Bool("update", false, "write the golden files anew, for review")

// TestFixtures reads messages in the forms of real mail programs and compares
// what `buzon inspect` would print with the reviewed reading beside each.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/understand/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := Inspect(name+".eml", raw, Options{})
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(in); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("reading differs (-want +got):\n%s", diff)
			}
			checkInvariants(t, raw, Understand(raw, Options{}))
		})
	}
}

// checkInvariants holds for any bytes.
func checkInvariants(t *testing.T, raw []byte, m *ticket.Message) {
	t.Helper()
	texts := map[string]string{
		"Subject": m.Subject, "From": m.From.Name + m.From.Addr, "MessageID": m.MessageID, "ListID": m.ListID, "KindReason": m.KindReason,
		"Text": m.Text, "ReplyText": m.ReplyText, "QuotedText": m.QuotedText, "Signature": m.Signature, "Quarantine": m.Quarantine,
		"References": strings.Join(m.References, ""), "AuthResults": strings.Join(m.AuthResults, ""), "DeliveredTo": strings.Join(m.DeliveredTo, ""),
	}
	forwarded := ""
	if m.Forwarded != nil {
		forwarded = m.Forwarded.Text
		texts["Forwarded"] = m.Forwarded.Text + m.Forwarded.Subject + m.Forwarded.From.Name + m.Forwarded.From.Addr
	}
	if m.Bounce != nil {
		texts["Bounce"] = fmt.Sprint(*m.Bounce)
	}
	for _, a := range m.Attachments {
		texts["attachment "+a.Name] = a.Name + a.Type + a.ContentID
		if a.Offset < 0 || a.Length < 0 || a.Size < 0 || a.Offset+a.Length > int64(len(raw)) {
			t.Errorf("attachment %q lies at %d+%d of %d octets", a.Name, a.Offset, a.Length, len(raw))
		}
		if a.Name == "" || len(a.Name) > maxAttachmentName || strings.ContainsAny(a.Name, `/\`) {
			t.Errorf("attachment name %q", a.Name)
		}
		if content, err := DecodeAttachment(raw, a); err != nil || len(content) > len(raw)*2 {
			t.Errorf("attachment %q decodes to %d octets, %v", a.Name, len(content), err)
		}
	}
	for where, s := range texts {
		if !utf8.ValidString(s) {
			t.Errorf("%s is not valid UTF-8: %q", where, s)
		}
		if strings.ContainsFunc(s, isMark) {
			t.Errorf("%s holds a mark of ours: %q", where, s)
		}
	}
	for _, where := range []string{"Subject", "From", "MessageID", "ListID", "KindReason"} {
		if strings.ContainsFunc(texts[where], func(r rune) bool { return r < ' ' || r == 0x7f || isBidiControl(r) }) {
			t.Errorf("%s holds a control character: %q", where, texts[where])
		}
	}
	if strings.ContainsAny(m.Text, "\r\x00") {
		t.Errorf("text holds CR or NUL: %q", m.Text)
	}
	if _, err := json.Marshal(m.Date); err != nil {
		t.Errorf("Date: %v", err)
	}
	if m.IdentityKey == "" || m.Kind == "" || (m.VariantKey == "") != (m.MessageID == "") {
		t.Errorf("identity %q, variant %q, kind %q", m.IdentityKey, m.VariantKey, m.Kind)
	}
	if m.AutoReplyAllowed && (m.Kind != ticket.KindHuman || m.From.IsZero() || m.Quarantine != "") {
		t.Errorf("an automatic answer to %s from %q is allowed", m.Kind, m.From.Addr)
	}
	if missing := missingWord(m.Text, m.ReplyText, m.QuotedText, m.Signature, forwarded); missing != "" {
		t.Errorf("%q of the text is in none of reply, quote, signature and forward", missing)
	}
}

// ruler is a line drawn in a text, which is nobody's word.
var ruler = regexp.MustCompile(`[-—_*]{3,}`)

// missingWord returns a word that is more often in text than in the parts
// together; quote signs and rulers don't count.
func missingWord(text string, parts ...string) string {
	count := make(map[string]int)
	split := func(s string) []string {
		return strings.FieldsFunc(ruler.ReplaceAllString(s, " "), func(r rune) bool {
			return r <= ' ' || r == '>' || unicode.IsSpace(r)
		})
	}
	for _, part := range parts {
		for _, w := range split(part) {
			count[w]++
		}
	}
	for _, w := range split(text) {
		if count[w]--; count[w] < 0 {
			return w
		}
	}
	return ""
}

// TestHeaders reads what inspect does not show.
func TestHeaders(t *testing.T) {
	raw := "Delivered-To: uno@desk.example\r\n" +
		"Authentication-Results: mx.desk.example;\r\n\tdmarc=pass header.from=example.edu.co\r\n" +
		"Delivered-To: dos@desk.example\r\n" +
		"X-Original-To: tres@desk.example\r\n" +
		"Authentication-Results: attacker.example; dmarc=pass\r\n" +
		"From: Ana <ana@example.edu.co>\r\n" +
		"Reply-To: Otra <otra@example.edu.co>\r\n" +
		"To: \"Pérez, Juan\" <juan@example.edu.co>, grupo: a@x.example, b@x.example;\r\n" +
		"Cc: (comentario) c@x.example\r\n" +
		"Subject: Hola\r\n" +
		"Message-ID: <a@@b>\r\n" +
		"In-Reply-To: Your message of \"Mon\" <p1@x> <p1@x>\r\n" +
		"References: <r1@x>\r\n <r2@x> <r1@x>\r\n" +
		"List-Id: \"Los avisos\" <avisos.example.edu.co>\r\n" +
		"Date: Mon, 3 Mar 2025 10:12:00 -0500 (COT)\r\n\r\nHola, ¿cuándo es la cita para el grado?\r\n"
	m := Understand([]byte(raw), Options{})
	checkInvariants(t, []byte(raw), m)
	got := ticket.Message{
		DeliveredTo: m.DeliveredTo, AuthResults: m.AuthResults, From: m.From, ReplyTo: m.ReplyTo, To: m.To, Cc: m.Cc,
		MessageID: m.MessageID, InReplyTo: m.InReplyTo, References: m.References, ListID: m.ListID, Date: m.Date.UTC(), Language: m.Language,
	}
	want := ticket.Message{
		DeliveredTo: []string{"uno@desk.example", "dos@desk.example", "tres@desk.example"},
		AuthResults: []string{"mx.desk.example; dmarc=pass header.from=example.edu.co", "attacker.example; dmarc=pass"},
		From:        ticket.Address{Name: "Ana", Addr: "ana@example.edu.co"},
		ReplyTo:     []ticket.Address{{Name: "Otra", Addr: "otra@example.edu.co"}},
		To:          []ticket.Address{{Name: "Pérez, Juan", Addr: "juan@example.edu.co"}, {Addr: "a@x.example"}, {Addr: "b@x.example"}},
		Cc:          []ticket.Address{{Name: "comentario", Addr: "c@x.example"}}, MessageID: "a@@b", InReplyTo: []string{"p1@x"},
		References: []string{"r1@x", "r2@x"}, ListID: "avisos.example.edu.co", Date: time.Date(2025, 3, 3, 15, 12, 0, 0, time.UTC), Language: "es",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSeveralSenders: a message is quarantined when it can't be known whom its
// authentication speaks for.
func TestSeveralSenders(t *testing.T) {
	for from, two := range map[string]bool{
		"agente@desk.example, otro@evil.example":             true,
		"Agente <agente@desk.example>\nFrom: otro@x.example": true,
		"Gómez, Ana <ana@x.example>":                         false,
		"ana@x.example, Ana <Ana@x.example>":                 false,
		"otro@evil.example <ana@x.example>":                  false,
	} {
		m := Understand([]byte("From: "+from+"\nMessage-ID: <1@x>\n\nHola\n"), Options{})
		if strings.HasPrefix(m.Quarantine, quarantineTwoFrom) != two {
			t.Errorf("%q: quarantine %q", from, m.Quarantine)
		}
		if !two && (m.From.Addr != "ana@x.example" && m.From.Addr != "Ana@x.example") {
			t.Errorf("%q: from %+v", from, m.From)
		}
	}
	if m := Understand([]byte("From: Gómez, Ana <ana@x.example>\n\nHola\n"), Options{}); m.From.Name != "Gómez, Ana" {
		t.Errorf("name %q", m.From.Name)
	}
}

func TestOwnAddress(t *testing.T) {
	own := Options{Own: func(addr string) bool { return strings.EqualFold(addr, "soporte@desk.example") }}
	raw := []byte("From: Soporte <Soporte@desk.example>\nMessage-ID: <1@x>\n\nHola\n")
	if m := Understand(raw, own); m.Kind != ticket.KindOwn || m.AutoReplyAllowed {
		t.Errorf("own mail is %s, automatic answer %v", m.Kind, m.AutoReplyAllowed)
	}
	raw = []byte("From: Ana <ana@example.edu.co>\nTo: soporte@desk.example\nMessage-ID: <1@x>\n\nHola\n")
	if m := Understand(raw, own); m.Kind != ticket.KindHuman || !m.AutoReplyAllowed {
		t.Errorf("a person's mail is %s (%s), automatic answer %v", m.Kind, m.KindReason, m.AutoReplyAllowed)
	}
}

// TestNoAutomaticAnswer lists headers that forbid an automatic answer, and what
// the message then is. Control headers of other desks have no effect.
func TestNoAutomaticAnswer(t *testing.T) {
	for _, c := range []struct {
		header  string
		kind    ticket.Kind
		allowed bool
	}{
		{"X-Other: 1", ticket.KindHuman, true},
		{"X-Zammad-Ignore: true", ticket.KindHuman, true},
		{"X-Buzon: 1", ticket.KindHuman, true},
		{"Auto-Submitted: no", ticket.KindHuman, true},
		{"Precedence: normal", ticket.KindHuman, true},
		{"Return-Path: <ana@example.edu.co>", ticket.KindHuman, true},
		{"Return-Path: <>", ticket.KindHuman, false},
		{"X-Auto-Response-Suppress: All", ticket.KindHuman, false},
		{"X-Auto-Response-Suppress: DR, OOF, AutoReply", ticket.KindHuman, false},
		{"X-Auto-Response-Suppress: DR, RN", ticket.KindHuman, true},
		{"Auto-Submitted: auto-replied", ticket.KindAutoreply, false},
		{"Auto-Submitted: auto-generated (failure)", ticket.KindAutoreply, false},
		{"X-Autoreply: yes", ticket.KindAutoreply, false},
		{"X-Autorespond: x", ticket.KindAutoreply, false},
		{"Precedence: auto_reply", ticket.KindAutoreply, false},
		{"Precedence: bulk", ticket.KindList, false},
		{"Precedence: list", ticket.KindList, false},
		{"Precedence: junk", ticket.KindList, false},
		{"List-Unsubscribe: <mailto:x@y>", ticket.KindList, false},
		{"List-Id: <x.y>", ticket.KindList, false},
		{"X-Spam-Flag: YES", ticket.KindSpam, false},
		{"X-Spam-Flag: NO", ticket.KindHuman, true},
		{"X-Loop: otro@x", ticket.KindHuman, false},
		{"X-Boxtrapper: x", ticket.KindChallenge, false},
	} {
		raw := []byte(c.header + "\nFrom: Ana <ana@example.edu.co>\nSubject: Consulta\nMessage-ID: <1@x>\n\nNecesito un certificado.\n")
		m := Understand(raw, Options{})
		if m.Kind != c.kind || m.AutoReplyAllowed != c.allowed {
			t.Errorf("%s: %s (%s), answer allowed %v", c.header, m.Kind, m.KindReason, m.AutoReplyAllowed)
		}
	}
}

func TestAbsenceSubjects(t *testing.T) {
	for subject, kind := range map[string]ticket.Kind{
		"Respuesta automática: Certificado":         ticket.KindAutoreply,
		"Automatic reply: Certificate":              ticket.KindAutoreply,
		"Fuera de la oficina: Certificado":          ticket.KindAutoreply,
		"Réponse automatique : Certificat":          ticket.KindAutoreply,
		"Abwesenheitsnotiz: Zeugnis":                ticket.KindAutoreply,
		"Risposta automatica: Certificato":          ticket.KindAutoreply,
		"Resposta automática: Certificado":          ticket.KindAutoreply,
		"Fuera de la oficina nadie contesta":        ticket.KindHuman,
		"¿Por qué recibo una respuesta automática?": ticket.KindHuman,
		"Abwesend am Freitag":                       ticket.KindHuman,
		"Out of office hours support":               ticket.KindHuman,
	} {
		raw := []byte("From: Ana <ana@example.edu.co>\nSubject: " + subject + "\nMessage-ID: <1@x>\n\nTexto.\n")
		if m := Understand(raw, Options{}); m.Kind != kind {
			t.Errorf("%q is %s (%s)", subject, m.Kind, m.KindReason)
		}
	}
}

// TestIdentity: the same message by two ways is one; a footer makes a variant.
func TestIdentity(t *testing.T) {
	read := func(raw string) *ticket.Message { return Understand([]byte(raw), Options{}) }
	head := "From: Ana <ana@example.edu.co>\nSubject: Hola\nDate: Mon, 3 Mar 2025 10:12:00 -0500\nMessage-ID: <ID1@x>\n"
	a := read(head + "\nPetici=C3=B3n\n")
	crlf := read("Received: from b\r\nDelivered-To: otro@x\r\n" + strings.ReplaceAll(head, "\n", "\r\n") + "\r\nPetici=C3=B3n  \r\n\r\n")
	if a.IdentityKey != crlf.IdentityKey {
		t.Error("line ends or trace fields change the identity")
	}
	qp := read(head + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nPetici=C3=\n=B3n\n")
	b64 := read(head + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nUGV0aWNpw7Nu\n")
	plain := read(head + "Content-Type: text/plain; charset=utf-8\n\nPetición\n")
	if qp.IdentityKey != plain.IdentityKey || b64.IdentityKey != plain.IdentityKey {
		t.Error("a relay's re-encoding of text changes the identity")
	}
	footer := read(head + "\nPetici=C3=B3n\n-- \nlista\n")
	if footer.IdentityKey == a.IdentityKey || footer.VariantKey != a.VariantKey {
		t.Error("a footer must make a variant")
	}
	for name, other := range map[string]string{
		"From": strings.Replace(head, "ana@", "eva@", 1), "Date": strings.Replace(head, "10:12", "10:13", 1),
		"Message-ID": strings.Replace(head, "ID1", "ID2", 1),
	} {
		if m := read(other + "\nPetici=C3=B3n\n"); m.VariantKey == a.VariantKey || m.IdentityKey == a.IdentityKey {
			t.Errorf("another %s makes the same message", name)
		}
	}
	none := strings.Replace(head, "Message-ID: <ID1@x>\n", "", 1)
	if m := read(none + "\nHola\n"); m.VariantKey != "" || m.IdentityKey != read(none+"\nHola\n").IdentityKey || m.IdentityKey == read(none+"\nOtra\n").IdentityKey {
		t.Error("without a Message-ID only the content counts")
	}
	attached := func(width int, byteEnd string) string {
		b := "--b\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n"
		code := "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" + byteEnd
		for len(code) > width {
			b += code[:width] + "\n"
			code = code[width:]
		}
		return head + "Content-Type: multipart/mixed; boundary=b\n\n" + b + code + "\n--b--\n"
	}
	if read(attached(20, "=")).IdentityKey != read(attached(12, "=")).IdentityKey {
		t.Error("re-wrapped base64 changes the identity")
	}
	if read(attached(20, "=")).IdentityKey == read(attached(20, "x")).IdentityKey {
		t.Error("another attachment is the same message")
	}
}

// TestAgainstEnmime compares the text and the names of attachments with another
// reader's, where a message is well formed.
func TestAgainstEnmime(t *testing.T) {
	for _, name := range []string{"gmail-es-reply", "mixed-attachments", "related-inline-image", "split-encoded-words", "outlook-es-block", "bounce-qmail"} {
		raw, err := os.ReadFile("testdata/understand/" + name + ".eml")
		if err != nil {
			t.Fatal(err)
		}
		m := Understand(raw, Options{})
		env, err := enmime.NewParser(enmime.DisableCharacterDetection(true)).ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := m.Subject, env.GetHeader("Subject"); got != want {
			t.Errorf("%s: subject %q, enmime reads %q", name, got, want)
		}
		if env.Text != "" && env.HTML == "" {
			if got, want := strings.Fields(m.Text), strings.Fields(env.Text); !slices.Equal(got, want) {
				t.Errorf("%s: text %q, enmime reads %q", name, got, want)
			}
		}
		if got, want := len(m.Attachments), len(env.Attachments)+len(env.Inlines)+len(env.OtherParts); got != want {
			t.Errorf("%s: %d attachments, enmime finds %d", name, got, want)
		}
	}
}

// TestLinesOfCarriageReturn: offsets stay good when line ends are bare CR.
func TestLinesOfCarriageReturn(t *testing.T) {
	raw := []byte("From: a@b.example\rContent-Type: multipart/mixed; boundary=x\r\r--x\r\rHola\r--x\rContent-Disposition: attachment; filename=f\r\rdatos\r--x--\r")
	m := Understand(raw, Options{})
	checkInvariants(t, raw, m)
	if m.Text != "Hola" || len(m.Attachments) != 1 {
		t.Fatalf("text %q, attachments %v", m.Text, m.Attachments)
	}
	if got, err := DecodeAttachment(raw, m.Attachments[0]); err != nil || string(got) != "datos" {
		t.Errorf("attachment %q, %v", got, err)
	}
}
