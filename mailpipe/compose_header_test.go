package mailpipe

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jhillyerd/enmime/v2"

	"buzon/ticket"
)

// TestHeaderInjection puts line ends into every value: the set of header fields
// stays exactly the same, and so does the number of lines of the body.
func TestHeaderInjection(t *testing.T) {
	for _, end := range []string{"\r\n", "\n", "\r", "\x00", "\r\n\r\n", "\u2028", "\u0085", "\v"} {
		evil := "x" + end + "Bcc: victim@example.net" + end + " more"
		d := testDraft()
		d.Subject = evil
		d.From.Name, d.To.Name = evil, "é"+evil
		d.Language = evil
		d.References = append(d.References, evil, "<"+evil+">")
		d.InReplyTo = evil
		d.HTML = "<p>hola</p>"
		d.Files = []ticket.File{{Attachment: ticket.Attachment{
			Name: evil, Type: "text/plain" + end + "X-Evil: 1", Charset: evil, ContentID: evil, Length: 4,
		}, Archive: ticket.ArchiveRef{Segment: "2026-11", Seq: 1}}}
		raw := composeBytes(t, d, memoryArchive{1: []byte("hola")})
		m := parseMail(t, raw)
		var names []string
		for name := range m.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		want := []string{"Content-Type", "Date", "From", "Message-Id", "Mime-Version", "References", "Reply-To", "Subject", "To"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%q: header fields: %s", end, diff)
		}
		_, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
		r := multipart.NewReader(m.Body, params["boundary"])
		for {
			p, err := r.NextRawPart()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for name := range p.Header {
				if !strings.HasPrefix(name, "Content-") {
					t.Errorf("%q: a part has the field %q", end, name)
				}
			}
		}
		for _, address := range []func(*ticket.Draft, string){
			func(d *ticket.Draft, s string) { d.From.Addr = s },
			func(d *ticket.Draft, s string) { d.To.Addr = s },
			func(d *ticket.Draft, s string) { d.ReplyTo = s },
			func(d *ticket.Draft, s string) { d.MessageID = s },
		} {
			d := testDraft()
			address(d, "a"+end+"@example.org")
			if _, err := new(Composer).Compose(d); err == nil {
				t.Errorf("%q in an address or id was not refused", end)
			}
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for _, good := range []string{"a@b.co", "a+b_c.d@b.co", `"a b"@b.co`, `"a\"b"@b.co`, "ñandú@peña.es", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a..b@docomo.example"} {
		if err := checkAddress(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "a", "@b", "a@", "a b@c", "a@b>", "a@b> SIZE=1", "a@b,c@d", `"a"b"@c`, `"a\"@c`, "a@b c", "<a@b>", "a@b\xff", "a@b(c)", "a@[1] [2]", strings.Repeat("a", 400) + "@b.co"} {
		if checkAddress(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestDisplayNames(t *testing.T) {
	for _, name := range []string{
		"", "Ana", "Ana María Pérez", "Pérez, Ana", "Perez, Ana", `O'Higgins "Beto" \ Cía`, "a@evil.example", "J. R. Perez",
		"=?utf-8?q?no?=", "👩‍🎓 Estudiante", "Facultad de Ingeniería (Sede Medellín), Oficina de Registro y Control Académico, Piso 3",
		"An ASCII name, so long that it has to be folded inside of its quoted string, because there are commas",
		strings.Repeat("x", 1200),
	} {
		d := testDraft()
		d.From.Name = name
		raw := composeBytes(t, d, nil)
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > maxColumns && !strings.Contains(line, "xxxx") {
				t.Errorf("%q: line of %d columns: %s", name, len(line), line)
			}
		}
		want := cutRunes(name, maxName)
		from, err := parseMail(t, raw).Header.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Name != want || from[0].Address != d.From.Addr {
			t.Errorf("%q came back from net/mail as %v, %v", name, from, err)
		}
		if strings.HasPrefix(name, "=?") {
			continue // enmime decodes what it has decoded once more
		}
		e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		from, err = e.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Name != want || from[0].Address != d.From.Addr {
			t.Errorf("%q came back from enmime as %v, %v", name, from, err)
		}
	}
}

func TestSubjects(t *testing.T) {
	for _, subject := range []string{
		"", "Hola", "¿Qué?", "[#000123] é", "[#000123] Consulta", "a =?utf-8?q?b?= c", "😀", strings.Repeat("😀", 60),
		strings.Repeat("áéíóú ", 300), strings.Repeat("palabra ", 300), strings.Repeat("x", 5000), strings.Repeat("ñ", 2000),
		"ñ " + strings.Repeat("a", 40) + " ñ " + strings.Repeat("b", 63) + "ñ",
	} {
		d := testDraft()
		d.Subject = subject
		raw := composeBytes(t, d, nil)
		want := strings.Join(strings.Fields(subject), " ")
		if got := decodedSubject(t, raw); got != want {
			t.Errorf("%.60q came back as %.60q", want, got)
		}
		e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.GetHeader("Subject"); got != want {
			t.Errorf("%.60q came back from enmime as %.60q", want, got)
		}
		if strings.HasPrefix(subject, "[#") && !bytes.Contains(raw, []byte("\r\nSubject: [#000123] ")) {
			t.Errorf("%q: the tag is not literal", subject)
		}
	}
}

func TestReferences(t *testing.T) {
	d := testDraft()
	long := strings.Repeat("l", 901) + "@example.org"
	d.References = []string{"a@b", long, "with space@b", "é@b", "", "a@@b", strings.Repeat("k", 880) + "@b", "c"}
	got := strings.Fields(parseMail(t, composeBytes(t, d, nil)).Header.Get("References"))
	want := []string{"<a@b>", "<a@@b>", "<" + strings.Repeat("k", 880) + "@b>", "<c>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d.MessageID = ""
	if id := parseMail(t, composeBytes(t, d, nil)).Header.Get("Message-ID"); !strings.HasSuffix(id, "@desk.example.edu.co>") {
		t.Errorf("made Message-ID %q", id)
	}
}

func TestNeedsUTF8(t *testing.T) {
	for _, c := range []struct {
		change func(*ticket.Draft)
		want   bool
	}{
		{func(d *ticket.Draft) {}, false},
		{func(d *ticket.Draft) { d.Text = "ñ"; d.Subject = "ñ" }, false},
		{func(d *ticket.Draft) { d.To.Addr = "ñandú@peña.es" }, true},
		{func(d *ticket.Draft) { d.From.Addr = "dirección@example.org" }, true},
	} {
		d := testDraft()
		c.change(d)
		chunks, err := new(Composer).Compose(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := NeedsUTF8(&ticket.Outgoing{EnvelopeFrom: "b@c.co", To: "x@y.co", Chunks: chunks}); got != c.want {
			t.Errorf("To %q, From %q: %t", d.To.Addr, d.From.Addr, got)
		}
		if c.want && !bytes.Contains(chunks[0].Literal, []byte("<"+d.To.Addr+">")) {
			t.Errorf("%q is not literal", d.To.Addr)
		}
	}
	if !NeedsUTF8(&ticket.Outgoing{To: "ñ@y.co"}) {
		t.Error("the envelope is not looked at")
	}
}
