package mailpipe

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/ticket"
)

const testPlaceholder = "ZQ7PLACEHOLDER9"

// seededRandom is a source of random octets that is the same in every run.
func seededRandom() io.Reader {
	var seed [32]byte
	return rand.NewChaCha8(seed)
}

func testDraft() *ticket.Draft {
	return &ticket.Draft{
		From:         ticket.Address{Name: "Soporte Académico", Addr: "soporte@example.edu.co"},
		To:           ticket.Address{Name: "Pérez Gómez, Ana María", Addr: "ana@example.org"},
		ReplyTo:      "soporte+abcdefghijklmnopqrstuvwxyz234567abcdefgh@example.edu.co",
		EnvelopeFrom: "bounce+x@example.edu.co",
		Subject:      "[#003181] Matrícula en Cálculo II: no me aparece el curso",
		MessageID:    "token.1@example.edu.co",
		InReplyTo:    "their-2@example.org",
		References:   []string{"their-1@example.org", "our-1@example.edu.co", "their-2@example.org"},
		Date:         time.Date(2026, 11, 24, 9, 5, 7, 0, time.FixedZone("-05", -5*3600)),
		Language:     "es",
		Class:        ticket.ClassAnswer,
		Text:         "Hola, Ana:\n\nya está. ¿Lo ves?\n\n-- \nSoporte\n",
	}
}

// archive of a test: raw messages by number.
type memoryArchive map[uint64][]byte

func (m memoryArchive) bytes(t testing.TB, chunks []ticket.Chunk) []byte {
	t.Helper()
	var b bytes.Buffer
	for i, c := range chunks {
		if (len(c.Literal) > 0) == !c.Archive.IsZero() {
			t.Fatalf("chunk %d is not exactly one of literal and range: %+v", i, c)
		}
		b.Write(c.Literal)
		if !c.Archive.IsZero() {
			b.Write(m[c.Archive.Seq][c.Offset : c.Offset+c.Length])
		}
	}
	return b.Bytes()
}

func composeBytes(t testing.TB, d *ticket.Draft, archive memoryArchive) []byte {
	t.Helper()
	chunks, err := (&Composer{Hostname: "desk.example.edu.co", Random: seededRandom()}).Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range chunks {
		checkLiteral(t, c.Literal)
		if i > 0 && !chunks[i-1].Archive.IsZero() && !bytes.HasPrefix(c.Literal, []byte("\r\n")) {
			t.Errorf("the literal after a range begins with %.20q", c.Literal)
		}
	}
	if n := len(chunks); len(chunks[n-1].Literal) == 0 || !bytes.HasSuffix(chunks[n-1].Literal, []byte("\r\n")) {
		t.Error("the message does not end in a line end")
	}
	return archive.bytes(t, chunks)
}

// checkLiteral checks what every literal promises.
func checkLiteral(t testing.TB, literal []byte) {
	t.Helper()
	if bytes.ContainsRune(literal, 0) {
		t.Error("a literal holds a NUL")
	}
	for line := range bytes.SplitSeq(literal, []byte("\r\n")) {
		if bytes.ContainsAny(line, "\r\n") {
			t.Errorf("bare CR or LF in %.100q", line)
		}
		if len(line) > 998 {
			t.Errorf("line of %d octets: %.60q", len(line), line)
		}
	}
}

func TestComposeGolden(t *testing.T) {
	got := string(composeBytes(t, testDraft(), nil))
	want := strings.ReplaceAll(`Date: Tue, 24 Nov 2026 09:05:07 -0500
From: =?utf-8?q?Soporte_Acad=C3=A9mico?= <soporte@example.edu.co>
To: =?utf-8?q?P=C3=A9rez_G=C3=B3mez=2C_Ana_Mar=C3=ADa?= <ana@example.org>
Reply-To: =?utf-8?q?Soporte_Acad=C3=A9mico?=
 <soporte+abcdefghijklmnopqrstuvwxyz234567abcdefgh@example.edu.co>
Subject: [#003181] =?utf-8?q?Matr=C3=ADcula?= en =?utf-8?q?C=C3=A1lculo?=
 II: no me aparece el curso
Message-ID: <token.1@example.edu.co>
In-Reply-To: <their-2@example.org>
References: <their-1@example.org>
 <our-1@example.edu.co>
 <their-2@example.org>
Content-Language: es
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hola, Ana:

ya est=C3=A1. =C2=BFLo ves?

--=20
Soporte
`, "\n", "\r\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestComposeAutomatic(t *testing.T) {
	for class, want := range map[ticket.Class]string{
		ticket.ClassAnswer:       "",
		ticket.ClassConfirmation: "auto-replied",
		ticket.ClassNotification: "auto-generated",
		ticket.ClassReminder:     "auto-generated",
		ticket.ClassNotice:       "auto-generated",
	} {
		d := testDraft()
		d.Class = class
		m := parseMail(t, composeBytes(t, d, nil))
		suppress := "All"
		if want == "" {
			suppress = ""
		}
		if a, b := m.Header.Get("Auto-Submitted"), m.Header.Get("X-Auto-Response-Suppress"); a != want || b != suppress {
			t.Errorf("%s: Auto-Submitted %q, X-Auto-Response-Suppress %q", class, a, b)
		}
	}
}

// TestRoundTrip: what is composed is read back the same by three parsers.
func TestRoundTrip(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("aZ9 \t\n\r=.-ñé😀\u0301_?"))), rapid.StringMatching(`(From |\.|-- |[a-z]{1,90}[ ,]?)*`))
	rapid.Check(t, func(rt *rapid.T) {
		d := testDraft()
		d.Subject, d.Text = text.Draw(rt, "subject"), text.Draw(rt, "text")
		if rapid.Bool().Draw(rt, "html") {
			d.HTML = "<p>" + text.Draw(rt, "html text")
		}
		raw := composeBytes(t, d, nil)
		for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
			if len(line) > maxColumns && !bytes.HasPrefix(line, []byte("Subject: ")) && !bytes.HasPrefix(line, []byte(" ")) {
				rt.Fatalf("line of %d columns: %q", len(line), line)
			}
		}
		if got, want := decodedSubject(t, raw), strings.Join(strings.Fields(printableLine(d.Subject)), " "); got != want {
			rt.Fatalf("subject %q came back as %q", want, got)
		}
		want := []string{normalizedText(d.Text)}
		if d.HTML != "" {
			want = append(want, normalizedText(d.HTML))
		}
		got := leafBodies(t, raw)
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], "\r\n", "\n")
		}
		if d.HTML == "" { // a single part gets a final line end if it has none
			want[0], got[0] = strings.TrimSuffix(want[0], "\n"), strings.TrimSuffix(got[0], "\n")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// TestPlaceholderStaysWhole puts the placeholder anywhere in subject, text and HTML.
func TestPlaceholderStaysWhole(t *testing.T) {
	around := rapid.StringOf(rapid.RuneFrom([]rune("ab ,.=_ñ😀\n[#]/")))
	rapid.Check(t, func(rt *rapid.T) {
		place := func(label string) string {
			return around.Draw(rt, label) + testPlaceholder + around.Draw(rt, label)
		}
		d := testDraft()
		d.Subject, d.Text, d.HTML = place("subject"), place("text"), place("html")
		d.From.Name = place("name")
		names := 0
		if strings.Contains(cutRunes(d.From.Name, maxName), testPlaceholder) {
			names = 2 // From and Reply-To
		}
		if got := bytes.Count(composeBytes(t, d, nil), []byte(testPlaceholder)); got != 3+names {
			rt.Fatalf("found %d times", got)
		}
	})
}

func TestLongTokensStayWhole(t *testing.T) {
	token := strings.Repeat("abcdefgh", 5)
	for n := range 90 {
		d := testDraft()
		d.Text = strings.Repeat("x", n) + "," + ticket.SeparatorToken(token)
		d.HTML = strings.Repeat("é", n) + ticket.SeparatorToken(token)
		if got := bytes.Count(composeBytes(t, d, nil), []byte(token)); got != 2 {
			t.Fatalf("after %d characters: whole %d times", n, got)
		}
	}
}

// TestBreaksAfterSpaces: where words fit a line, no word is broken.
func TestBreaksAfterSpaces(t *testing.T) {
	d := testDraft()
	d.Text = strings.Repeat("¿Cómo está la matrícula, señora Núñez? Escríbanos a soporte@example.edu.co (24/7). ", 30)
	_, raw, _ := strings.Cut(string(composeBytes(t, d, nil)), "\r\n\r\n")
	if n := strings.Count(raw, "=\r\n"); n < 30 || n != strings.Count(raw, " =\r\n") {
		t.Errorf("%d soft breaks, %d of them after a space", n, strings.Count(raw, " =\r\n"))
	}
}

func TestFileNotCopyable(t *testing.T) {
	for _, a := range []ticket.Attachment{
		{Encoding: "binary"}, {Encoding: "x-uuencode"}, {Type: "multipart/mixed"}, {Offset: -1}, {Length: -1},
	} {
		d := testDraft()
		d.Files = []ticket.File{{Attachment: a}}
		if _, err := new(Composer).Compose(d); !errors.Is(err, ErrNotCopyable) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

func TestRandomFails(t *testing.T) {
	d := testDraft()
	d.HTML = "<p>hola"
	if _, err := (&Composer{Random: strings.NewReader("short")}).Compose(d); err == nil {
		t.Error("a boundary was made without random octets")
	}
}

func normalizedText(s string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\uFFFD").Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func parseMail(t testing.TB, raw []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in %.500q", err, raw)
	}
	return m
}

func decodedSubject(t testing.TB, raw []byte) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(parseMail(t, raw).Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// leafBodies returns the decoded bodies of all leaf parts as net/mail and
// mime/multipart read them, after checking that go-message reads the same.
func leafBodies(t testing.TB, raw []byte) []string {
	t.Helper()
	var found []string
	var walk func(contentType, encoding string, r io.Reader)
	walk = func(contentType, encoding string, r io.Reader) {
		mediaType, params, err := mime.ParseMediaType(contentType)
		if err != nil {
			t.Fatalf("Content-Type %q: %v", contentType, err)
		}
		if strings.HasPrefix(mediaType, "multipart/") {
			mr := multipart.NewReader(r, params["boundary"])
			for {
				p, err := mr.NextRawPart()
				if err == io.EOF {
					return
				} else if err != nil {
					t.Fatal(err)
				}
				walk(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)
			}
		}
		if encoding == "quoted-printable" {
			r = quotedprintable.NewReader(r)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(b))
	}
	m := parseMail(t, raw)
	walk(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)

	var same []string
	e, err := gomessage.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	err = e.Walk(func(_ []int, e *gomessage.Entity, err error) error {
		if err != nil || e.MultipartReader() != nil {
			return err
		}
		b, err := io.ReadAll(e.Body)
		same = append(same, string(b))
		return err
	})
	if err != nil || len(same) != len(found) {
		t.Fatalf("go-message reads %d parts, net/mail %d: %v", len(same), len(found), err)
	}
	for i, s := range same {
		// go-message decodes base64 too; compare text only.
		if utf8.ValidString(s) && strings.ReplaceAll(s, "\r\n", "\n") != strings.ReplaceAll(found[i], "\r\n", "\n") && !strings.Contains(string(raw), "base64") {
			t.Fatalf("part %d: go-message reads %q, net/mail %q", i, s, found[i])
		}
	}
	return found
}

func BenchmarkCompose(b *testing.B) {
	d := testDraft()
	d.Text = strings.Repeat("Buenos días, ¿cómo puedo cambiar la contraseña de la plataforma? ", 40)
	d.HTML = "<p>" + d.Text + "</p>"
	c := &Composer{Hostname: "desk.example.edu.co"}
	b.SetBytes(int64(len(d.Text) + len(d.HTML)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Compose(d); err != nil {
			b.Fatal(err)
		}
	}
}
