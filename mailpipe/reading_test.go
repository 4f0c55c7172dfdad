package mailpipe

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"buzon/ticket"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddresses(t *testing.T) {
	a := func(name, addr string) ticket.Address { return ticket.Address{Name: name, Addr: addr} }
	for value, want := range map[string][]ticket.Address{
		"ana@example.edu.co":                                  {a("", "ana@example.edu.co")},
		"Ana Gómez <ana@example.edu.co>":                      {a("Ana Gómez", "ana@example.edu.co")},
		"Juan P\xe9rez <j@x.example>":                         {a("Juan Pérez", "j@x.example")},
		`"Gómez, Ana" <ana@x.example>, b@y.example`:           {a("Gómez, Ana", "ana@x.example"), a("", "b@y.example")},
		`"a@evil.example" <b@y.example>`:                      {a("a@evil.example", "b@y.example")},
		"a@evil.example <b@y.example>":                        {a("a@evil.example", "b@y.example")},
		"b@y.example (a@evil.example)":                        {a("a@evil.example", "b@y.example")},
		"Ana Gómez ana@x.example":                             {a("Ana Gómez", "ana@x.example")},
		"Ana <ana@x.example":                                  {a("Ana", "ana@x.example")},
		"<<ana@x.example>>":                                   {a("", "ana@x.example")},
		"<@rel1,@rel2:ana@x.example>":                         {a("", "ana@x.example")},
		"mailto:ana@x.example":                                {a("", "ana@x.example")},
		"Ana <mailto:ana@x.example>":                          {a("Ana", "ana@x.example")},
		"grupo: a@x.example, b@x.example;, c@x.example":       {a("", "a@x.example"), a("", "b@x.example"), a("", "c@x.example")},
		"undisclosed-recipients:;":                            nil,
		"a@x.example; b@x.example":                            {a("", "a@x.example"), a("", "b@x.example")},
		"=?utf-8?Q?Jos=C3=A9?= <j@x.example>":                 {a("José", "j@x.example")},
		`"=?utf-8?Q?Jos=C3=A9?=" <j@x.example>`:               {a("José", "j@x.example")},
		"=?utf-8?Q?Jos=C3=A9_<j=40x.example>?=":               {a("José", "j@x.example")},
		"=?utf-8?Q?Jos=C3=A9=0D=0ABcc:_x?= <j@x.example>":     {a("José Bcc: x", "j@x.example")},
		`"juan perez"@x.example`:                              {a("", `"juan perez"@x.example`)},
		"MAILER-DAEMON":                                       {a("", "MAILER-DAEMON")},
		"Juan Pérez":                                          {a("Juan Pérez", "")},
		"'Ana' <ana@x.example>":                               {a("Ana", "ana@x.example")},
		"Ana \u202Eevil <ana@x.example>":                      {a("Ana evil", "ana@x.example")},
		"":                                                    nil,
		strings.Repeat("a", 400) + "@x.example":               {a("", "")},
		"a@x.example (uno (dos) \\) tres) , <> , b@y.example": {a("uno (dos) ) tres", "a@x.example"), a("", "b@y.example")},
	} {
		if diff := cmp.Diff(want, parseAddresses(value)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", value, diff)
		}
	}
}

func TestCleanFileName(t *testing.T) {
	for name, want := range map[string]string{
		"acta.pdf": "acta.pdf", "Acta 3/4.pdf": "Acta 3_4.pdf", "../../etc/passwd": "passwd", `C:\Users\ana\acta.doc`: "acta.doc",
		`..\x.doc`: "x.doc", "/etc/hosts": "hosts", "a\r\nSubject: x.pdf": "a Subject_ x.pdf", "a\u202Efdp.exe": "afdp.exe",
		"CON": "_CON", "con.txt": "_con.txt", "com1.tar.gz": "_com1.tar.gz", "comida.txt": "comida.txt", "a%00.exe": "a.exe", "..": "", " . ": "",
		".htaccess": "htaccess", "a\x00b.txt": "ab.txt", "informe .pdf": "informe.pdf", "x.": "x",
	} {
		if got := cleanFileName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
	long := cleanFileName(strings.Repeat("ñ", 200) + ".pdf")
	if len(long) > maxAttachmentName || !strings.HasSuffix(long, "ñ.pdf") {
		t.Errorf("%q", long)
	}
	var names namer
	for _, want := range []string{"a.pdf", "a (2).pdf", "a (3).pdf"} {
		if got := names.unique("a.pdf"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := names.unique("A.PDF"); got != "A (4).PDF" {
		t.Errorf("%q", got)
	}
}

func TestParameters(t *testing.T) {
	for field, want := range map[string]string{
		`attachment; filename="a.pdf"`:                                    "a.pdf",
		`attachment; filename=a b.pdf; size=3`:                            "a b.pdf",
		`attachment; filename="sin cierre.pdf`:                            "sin cierre.pdf",
		`attachment; filename*=utf-8'es'matr%C3%ADcula.pdf`:               "matrícula.pdf",
		`attachment; filename*=iso-8859-1''matr%EDcula.pdf`:               "matrícula.pdf",
		`attachment; filename*1*=%ADcula.pdf; filename*0*=utf-8''matr%C3`: "matrícula.pdf",
		`attachment; filename*0="ma"; filename*1="tr.pdf"`:                "matr.pdf",
		`attachment; filename=ascii.pdf; filename*=utf-8''%C3%B1.pdf`:     "ñ.pdf",
		`attachment; filename="=?utf-8?B?w7EucGRm?="`:                     "ñ.pdf",
		"attachment; filename=\"matr\xedcula.pdf\"":                       "matrícula.pdf",
		"attachment; filename=\"matr\xc3\xadcula.pdf\"":                   "matrícula.pdf",
		`attachment; filename=""acta".pdf"`:                               `"acta".pdf`,
		`attachment; filename="C:\temp\acta.pdf"`:                         `C:\temp\acta.pdf`,
		`attachment; filename="a \"b\".pdf"`:                              `a "b".pdf`,
		`attachment; FILENAME = "a.pdf"`:                                  "a.pdf",
	} {
		m := parseMedia(field)
		if got := m.decoded("filename", ""); got != want || m.kind != "attachment" {
			t.Errorf("%s: %q %q, want %q", field, m.kind, got, want)
		}
	}
	for field, want := range map[string][2]string{
		"text/plain; charset=utf-8": {"text/plain", "utf-8"}, "TEXT/HTML;CHARSET=\"UTF-8\"": {"text/html", "UTF-8"},
		"text/plain charset=utf-8": {"text/plain", "utf-8"}, "charset=utf-8": {"application/octet-stream", "utf-8"}, "text": {"text/", ""},
	} {
		if m := parseMedia(field); m.name() != want[0] || m.param("charset") != want[1] {
			t.Errorf("%s: %q %q", field, m.name(), m.param("charset"))
		}
	}
}

func TestReadDate(t *testing.T) {
	for value, want := range map[string]string{
		"Mon, 03 Mar 2025 10:12:00 -0500":      "2025-03-03T15:12:00Z",
		"Mon, 3 Mar 2025 10:12:00 -0500 (COT)": "2025-03-03T15:12:00Z",
		"3 Mar 2025 10:12:00 EST":              "2025-03-03T15:12:00Z",
		"lun, 3 mar 2025 10:12:00 -0500":       "2025-03-03T15:12:00Z",
		"vie, 3 ene 2025 10:12:00 -0500":       "2025-01-03T15:12:00Z",
		"2025-03-03T10:12:00-05:00":            "2025-03-03T15:12:00Z",
		"2025-03-03 10:12:00":                  "2025-03-03T10:12:00Z",
		"Mon Mar  3 10:12:00 2025":             "2025-03-03T10:12:00Z",
		"Mon, 03 Mar 2025 10:12:00 GMT+00:00":  "2025-03-03T10:12:00Z",
		"ayer":                                 "", "": "", "Mon, 03 Mar 0025 10:12:00 -0500": "", "32 Mar 2025 10:12:00 -0500": "",
	} {
		got := ""
		if d := readDate(value); !d.IsZero() {
			got = d.UTC().Format("2006-01-02T15:04:05Z")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestDecodeCharset(t *testing.T) {
	for _, c := range []struct {
		bytes, charset, want string
		odd                  bool
	}{
		{"Petici\xc3\xb3n", "iso-8859-1", "Petición", false}, {"Petici\xc3\xb3n", "us-ascii", "Petición", false},
		{"Petici\xc3\xb3n", "", "Petición", false}, {"Petici\xf3n", "", "Petición", false}, {"Petici\xf3n", "utf-8", "Petición", false},
		{"Petici\xf3n \x93x\x94", "iso-8859-1", "Petición “x”", false}, {"Petici\xf3n", "x-marciano", "Petición", true},
		{"\x82Petici", "cp850", "éPetici", false}, {"\x83c\x81[\x83\x8b", "shift_jis", "ツール", false}, {"\xa4 5", "iso-8859-15", "€ 5", false},
		{"+ADw-script+AD4-", "utf-7", "+ADw-script+AD4-", false}, {"+ADw-b", "Unicode-1-1-UTF-7", "+ADw-b", false}, {"+ADw-b", "cp65000", "+ADw-b", false}, {"\x83c\x81[\x83\x8b", "iso-2022-jp", "ツール", false}, {"P\x00e\x00", "utf-16le", "Pe", false}, {"\xfe\xff\x00P", "utf-16", "P", false},
		{"peticiones \xc3\xa1\xc3\xa9\xc3\xad \xff fin", "utf-8", "peticiones áéí \uFFFD fin", false}, {"\x1b$B%D!<%k\x1b(B", "iso-2022-jp", "ツール", false},
		{"texto", "\"UTF-8\"", "texto", false},
	} {
		if got, odd := decodeCharset([]byte(c.bytes), c.charset); got != c.want || odd != c.odd {
			t.Errorf("%q as %q: %q, %v", c.bytes, c.charset, got, odd)
		}
	}
}

func TestDecodeTransfer(t *testing.T) {
	for _, c := range []struct{ enc, body, want string }{
		{"base64", "aG9s\r\nYQ==\r\n", "hola"}, {"base64", "aG9sYQ", "hola"}, {"base64", "aG!9s YQ==", "hola"}, {"base64", "aG9s\nYQ==aG9sYQ==", "holahola"},
		{"quoted-printable", "a=C3=B1o=\r\n fin=\n", "año fin"}, {"quoted-printable", "mal=zz =", "mal=zz "}, {"quoted-printable", "a=  \nb", "ab"},
		{"x-uuencode", "begin 644 x\n$:&]L80``\n`\nend\n", "hola"}, {"8bit", "a=20", "a=20"}, {"", "hola", "hola"},
	} {
		if got := string(decodeTransfer([]byte(c.body), c.enc)); got != c.want {
			t.Errorf("%s of %q: %q", c.enc, c.body, got)
		}
	}
}

// TestQuotedSize: what is counted is what is decoded.
func TestQuotedSize(t *testing.T) {
	for _, body := range []string{"", "a=C3=B1o=\r\n fin=\n", "mal=zz =", "a=  \nb", "===\n=\n", "a= b=\r", "=C3", "=C", "=\r\r\nx"} {
		if got, want := decodedSize([]byte(body), "quoted-printable"), len(decodeQuotedPrintable([]byte(body))); got != int64(want) {
			t.Errorf("%q: %d, want %d", body, got, want)
		}
	}
}

// TestDecodedSize: the estimate is exact for the ways in which programs wrap.
func TestDecodedSize(t *testing.T) {
	for n := range 300 {
		code := base64.StdEncoding.EncodeToString(make([]byte, n))
		for _, end := range []string{"\n", "\r\n"} {
			var b strings.Builder
			for rest := code; rest != ""; {
				k := min(76, len(rest))
				b.WriteString(rest[:k])
				b.WriteString(end)
				rest = rest[k:]
			}
			for _, body := range []string{b.String(), strings.TrimSuffix(b.String(), end), code} {
				if got := decodedSize([]byte(body), "base64"); got != int64(n) {
					t.Fatalf("%d octets in %q: %d", n, body, got)
				}
			}
		}
	}
}

func TestScanStructure(t *testing.T) {
	raw := "From x@y Mon Mar  3 10:12:00 2025\nContent-Type: multipart/mixed; boundary=\"a\"\n\npreámbulo\n--a \nContent-Type: multipart/alternative; boundary=aa\n\n" +
		"--aa\n\nuno\n--aa\nContent-Type: text/html\n--aa\n\ndos\n--a\n\ntres\n--a--\nepílogo\n--a\n\nno cuenta\n"
	s := scan([]byte(raw))
	var got []string
	for _, p := range s.parts {
		if !p.isContainer() {
			got = append(got, p.media.name()+"="+string(p.body.of([]byte(raw))))
		}
	}
	want := []string{"text/plain=uno", "text/html=", "text/plain=dos", "text/plain=tres"}
	if !slices.Equal(got, want) {
		t.Errorf("leaves %q, want %q", got, want)
	}
	digest := "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: x\n\nhola\n--d--\n"
	if s := scan([]byte(digest)); len(s.parts) != 2 || s.parts[1].media.name() != "message/rfc822" {
		t.Errorf("digest: %+v", s.parts)
	}
	unnamed := "Content-Type: multipart/mixed\n\n--adivina\n\nhola\n--adivina--\n"
	if m := Understand([]byte(unnamed), Options{}); m.Text != "hola" {
		t.Errorf("boundary not named: %q", m.Text)
	}
	empty := "Content-Type: multipart/mixed; boundary=x\n\n--x--\n"
	if m := Understand([]byte(empty), Options{}); m.Quarantine != "" || len(m.Attachments) != 0 {
		t.Errorf("empty multipart: %q, %v", m.Quarantine, m.Attachments)
	}
	for _, raw := range []string{"", "\n", "\r\n\r\n", "hola", "a: b", "\x00\xff", "--\n--\n"} {
		checkInvariants(t, []byte(raw), Understand([]byte(raw), Options{}))
	}
}

func TestHTMLToText(t *testing.T) {
	for src, want := range map[string]string{
		"<p>Uno</p><p>Dos</p>":         "Uno\n\nDos",
		"Pet<b>ici</b>ón":              "Petición",
		"a<br>b<br><br>c":              "a\nb\n\nc",
		"<ol><li>x<li>y</ol>":          "1. x\n2. y",
		"<ul><li>x<ul><li>y</ul></ul>": "* x\n  * y",
		"<a href='https://x.example/a'>https://x.example/a</a>":           "https://x.example/a",
		"<a href='https://x.example/a'>aquí</a>.":                         "aquí <https://x.example/a>.",
		"<a href='javascript:x'>aquí</a>":                                 "aquí",
		"<blockquote>x<blockquote>y</blockquote></blockquote>z":           "> x\n>\n> > y\n\nz",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>": "a b\nc",
		"<pre>a  b\n c</pre>":                                             "a  b\n c",
		"a&nbsp;&amp;&lt;b&gt;":                                           "a &<b>",
		"<div style='display:none'>x<div>y</div></div>z":                  "z",
		"<p style='display:none'>nunca cerrado":                           "nunca cerrado",
		"<style>p{}</style><script>x()</script><title>t</title>a":         "a",
		"<img src='https://t.example/p.gif'>a":                            "a",
		"<img src='cid:1'>a":                                              "[imagen: f.png]\na",
		"<img src='cid:1' width=1 height=1>a":                             "a",
		"<div>a</div><div>b</div>":                                        "a\nb",
		"a <b":                                                            "a",
	} {
		if got := htmlToText(src, func(string) string { return "f.png" }); got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}

func TestFlowed(t *testing.T) {
	for src, want := range map[string]string{
		"a \nb\nc": "a b\nc", "> a \n> b\nc": "> a b\nc", "a \n> b": "a \n> b", " > no cita": "> no cita", "a\n-- \nb": "a\n-- \nb",
	} {
		if got := unfoldFlowed(src, false); got != want {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
	}
	if got := unfoldFlowed("a \nb", true); got != "ab" {
		t.Errorf("DelSp: %q", got)
	}
}

func TestSplitMbox(t *testing.T) {
	split := func(s string) []string {
		var got []string
		if err := SplitMbox(strings.NewReader(s), func(raw []byte) error { got = append(got, string(raw)); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	from := "From a@b.example Mon Mar  3 10:12:00 2025\n"
	for src, want := range map[string][]string{
		"Subject: x\n\nFrom here on\n":                             {"Subject: x\n\nFrom here on\n"},
		from + "Subject: x\n\nhola\n\n" + from + "Subject: y\n\nz": {"Subject: x\n\nhola\n", "Subject: y\n\nz"},
		from + "Subject: x\n\nhola\n\nFrom ahora no\n>From cita\n": {"Subject: x\n\nhola\n\nFrom ahora no\nFrom cita\n"},
		"": {""},
	} {
		if got := split(src); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
	}
}

func TestDecodeAttachmentOutside(t *testing.T) {
	raw := []byte("hola")
	for _, a := range []ticket.Attachment{{Offset: -1}, {Offset: 5}, {Offset: 2, Length: 3}, {Length: -1}, {Offset: 1 << 62, Length: 1 << 62}} {
		if _, err := DecodeAttachment(raw, a); err == nil {
			t.Errorf("%+v: no error", a)
		}
	}
}

func TestCourtesyAndLanguage(t *testing.T) {
	for text, want := range map[string]bool{
		"Muchas gracias.": true, "Listo, gracias por su ayuda": true, "👍": true, "Thank you very much!": true, "Buenas tardes": true,
		"Ana reaccionó a su mensaje: 👍": true, "Gracias, ¿y el certificado?": false, "Gracias pero no funciona": false, "": false, "1": false,
	} {
		if got := isCourtesy(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	for text, want := range map[string]string{
		"No puedo entrar a la plataforma con mi usuario": "es", "I can not log in to the platform with my user": "en", "Hola": "", "Error 404": "", "la de the of en in": "",
	} {
		if got := guessLanguage(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
