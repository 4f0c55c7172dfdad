package mailpipe

import (
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The names of one attachment as programs write them.
func TestFileNames(t *testing.T) {
	long := strings.Repeat("resolución ", 20)
	for header, want := range map[string]string{
		`Content-Disposition: attachment; filename=informe.pdf`:                                                  "informe.pdf",
		`Content-Disposition: attachment; filename="a;b.pdf"; size=3`:                                            "a;b.pdf",
		`Content-Disposition: attachment; filename*=utf-8'es'a%C3%B1o%202026.pdf`:                                "año 2026.pdf",
		`Content-Disposition: attachment; filename*0*=iso-8859-1''a%F1; filename*1="o 2026"; filename*2*=%2Epdf`: "año 2026.pdf",
		`Content-Disposition: attachment; filename*1=mo.pdf; filename*0=te`:                                      "temo.pdf",
		`Content-Disposition: attachment; filename*0*=utf-8''%C3; filename*1*=%B1and%C3%BA.txt`:                  "ñandú.txt",
		`Content-Disposition: attachment; filename="=?utf-8?B?YcOxby5wZGY=?="`:                                   "año.pdf",
		`Content-Disposition: attachment; filename="=?utf-8?Q?a=C3?= =?utf-8?Q?=B1o.pdf?="`:                      "año.pdf",
		`Content-Disposition: attachment; filename==?iso-8859-1?Q?a=F1o_2.pdf?=`:                                 "año 2.pdf",
		`Content-Disposition: attachment; filename="utf-8''a%C3%B1o.pdf"`:                                        "año.pdf",
		"Content-Disposition: attachment; filename=\"a\xf1o.pdf\"":                                               "año.pdf",
		"Content-Disposition: attachment; filename=\"a\xc3\xb1o.pdf\"":                                           "año.pdf",
		"Content-Disposition: attachment; filename=\"a\u202efdp.exe\"":                                           "afdp.exe",
		`Content-Disposition: attachment; filename="C:\Users\ana\Mis documentos\acta.doc"`:                       "acta.doc",
		`Content-Disposition: attachment; filename="../../etc/passwd"`:                                           "passwd",
		`Content-Disposition: attachment; filename="12/03 acta.pdf"`:                                             "12_03 acta.pdf",
		`Content-Disposition: attachment; filename="aux.txt"`:                                                    "_aux.txt",
		`Content-Disposition: attachment; filename="...."`:                                                       "adjunto.pdf",
		`Content-Disposition: attachment; filename=""`:                                                           "adjunto.pdf",
		`Content-Disposition: attachment; filename="` + long + `.pdf"`:                                           strings.TrimSpace(cutBytes(long, maxAttachmentName-4)) + ".pdf",
		"Content-Disposition: attachment;\r\n filename=\"dos\r\n lineas.pdf\"":                                   "dos lineas.pdf",
		"Content-Disposition: attachment\r\nX: Content-Disposition: attachment; filename=no.pdf":                 "adjunto.pdf",
		`Content-Disposition: attachment; filename*=utf-8''%2e%2e%2fx%00y%0d%0a.pdf; filename=no.pdf`:            "xy.pdf",
		`Content-Disposition: attachment; filename*=inventado''a%C3%B1o.pdf`:                                     "año.pdf",
		`Content-Disposition: attachment; filename*99999999999999999999=x.pdf; filename=b.pdf`:                   "b.pdf",
		`Content-Disposition: attachment; filename*0="=?utf-8?B?YcOx"; filename*1="by5wZGY=?="`:                  "año.pdf",
		`Content-Disposition: attachment; filename=un nombre con espacios.pdf`:                                   "un nombre con espacios.pdf",
		`Content-Disposition: filename=sin_tipo.pdf`:                                                             "sin_tipo.pdf",
		`Content-Description: otro`: "adjunto.pdf",
		`Content-Disposition: attachment; FileName = "a.pdf" ; filename="b.pdf"`:                                                 "a.pdf",
		`Content-Disposition: attachment; filename="a.pdf`:                                                                       "a.pdf",
		`Content-Disposition: attachment; filename="(copia) \"acta\".pdf"`:                                                       "(copia) _acta_.pdf",
		`Content-Disposition: attachment; filename*0*=UTF-8''` + strings.Repeat("%E2%82%AC", 10) + `; filename*1*=%E2%82%AC.pdf`: strings.Repeat("€", 11) + ".pdf",
	} {
		raw := "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nHola\r\n--B\r\nContent-Type: application/pdf\r\n" +
			header + "\r\n\r\nx\r\n--B--\r\n"
		m := Understand([]byte(raw), Options{})
		if len(m.Attachments) != 1 || m.Attachments[0].Name != want {
			t.Errorf("%s: %+v, want %q", header, m.Attachments, want)
		}
	}
}

// Raw bytes in a header are in the charset that the message's text declares.
func TestRawHeaders(t *testing.T) {
	for charset, c := range map[string][2]string{
		"shift_jis":   {"\x95\x5c\x8e\xa6", "表示"}, // its second byte is a backslash
		"gbk":         {"\xd6\xd0\xce\xc4", "中文"},
		"koi8-r":      {"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"},
		"iso-2022-jp": {"\x95\x5c\x8e\xa6", "表示"},
		"utf-8":       {"a\xf1o", "año"},
		"us-ascii":    {"a\xc3\xb1o", "año"},
		"big5":        {"a\xc3\xb1o", "año"}, // UTF-8 whatever else is said
	} {
		raw := "From: " + c[0] + " <a@example.org>\r\nTo: \"" + c[0] + "\" <b@example.org>\r\nSubject: Re: " + c[0] + "\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n" +
			"--B\r\nContent-Type: text/plain; charset=" + charset + "\r\n\r\nx\r\n--B\r\nContent-Type: application/pdf; name=\"" + c[0] + ".pdf\"\r\n\r\nx\r\n--B--\r\n"
		m := Understand([]byte(raw), Options{})
		if m.From.Name != c[1] || m.To[0].Name != c[1] || m.Subject != "Re: "+c[1] || m.Attachments[0].Name != c[1]+".pdf" || m.Quarantine != "" {
			t.Errorf("%s: %+v, %+v, %q, %+v, %q", charset, m.From, m.To, m.Subject, m.Attachments, m.Quarantine)
		}
	}
}

// Parts that no program names, and names that occur twice.
func TestInventedNames(t *testing.T) {
	part := func(header, body string) string { return "--B\r\n" + header + "\r\n\r\n" + body + "\r\n" }
	raw := "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n" + part("Content-Type: text/plain", "Hola") +
		part("Content-Type: text/calendar; method=REQUEST", "BEGIN:VCALENDAR") + part("Content-Type: message/rfc822", "Subject: El otro\r\n\r\nx") +
		part("Content-Type: image/png; name=a.png", "x") + part("Content-Type: image/png; name=A.PNG", "x") + part("Content-Type: image/png", "x") +
		part("Content-Type: message/rfc822", "\r\nx") + part("Content-Type: application/x-raro", "x") +
		part("Content-Type: image/png\r\nContent-ID: <image001.png@01D9>", "x") + part("Content-Type: image/gif\r\nContent-Location: http://x.example/a/logo.gif", "x") +
		part("Content-Type: application/pdf\r\nContent-Description: =?utf-8?q?a=C3=B1o=2Epdf?=", "x") + part("Content-Type: application/pdf\r\nContent-Description: El acta", "x") + "--B--\r\n"
	m := Understand([]byte(raw), Options{})
	var names []string
	for _, a := range m.Attachments {
		names = append(names, a.Name)
	}
	if got := strings.Join(names, "|"); got != "invitacion.ics|El otro.eml|a.png|A (2).PNG|imagen.png|mensaje.eml|adjunto.bin|image001.png|logo.gif|año.pdf|adjunto.pdf" {
		t.Error(got)
	}
	if !strings.Contains(strings.Join(m.Warnings, "|"), "calendar: request") {
		t.Error(m.Warnings)
	}
}

// FuzzFileNameField: a name is safe to show and to store under, whatever is in the
// parameter; cleaning it again changes nothing.
func FuzzFileNameField(f *testing.F) {
	for _, s := range []string{
		`attachment; filename="../a.pdf"`, `attachment; filename*=utf-8''%2e%2e%5cx%00.exe`, `a; filename*0*=gbk''%d6%d0; filename*1="b"`,
		`a; filename="=?utf-8?q?=E2=80=AEfdp=2Eexe?="`, `a; filename=CON.` + strings.Repeat("x", 30), "a; filename=\"\xff\xfe\xe3\x80\"", "a; filename=.a. .",
	} {
		f.Add(s, "shift_jis")
	}
	f.Fuzz(func(t *testing.T, field, charset string) {
		m := parseMedia(field)
		p := part{}
		name := p.fileName(&m, charset)
		if name == "" {
			return
		}
		switch stem, _ := splitExt(name); {
		case !utf8.ValidString(name), len(name) > maxAttachmentName, name == ".", name == "..", strings.HasPrefix(name, "."), isReserved(stem),
			path.Base(name) != name, strings.ContainsAny(name, `<>:"/\|?*`), strings.TrimSpace(name) != name, strings.HasSuffix(name, "."):
			t.Fatalf("%q: %q", field, name)
		}
		for _, r := range name {
			if unicode.IsControl(r) || isBidiControl(r) || isZeroWidth(r) {
				t.Fatalf("%q: %q", field, name)
			}
		}
		if again := cleanFileName(name); again != name {
			t.Fatalf("%q: %q, cleaned again %q", field, name, again)
		}
		var n namer
		if first, second := n.unique(name), n.unique(name); strings.EqualFold(first, second) || len(second) > maxAttachmentName {
			t.Fatalf("%q twice: %q", name, second)
		}
	})
}
