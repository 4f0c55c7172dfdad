package mailpipe

import (
	"bytes"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func seedMessages(f *testing.F) {
	files, err := filepath.Glob("testdata/understand/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(raw) < 10_000 {
			f.Add(raw)
		}
	}
}

// FuzzScan: parts lie inside their parents and inside the message, in order.
func FuzzScan(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := scan(raw)
		if len(s.parts) == 0 || len(s.parts) > maxParts {
			t.Fatalf("%d parts", len(s.parts))
		}
		for i, p := range s.parts {
			if p.body.start < 0 || p.body.start > p.body.end || p.body.end > len(raw) {
				t.Fatalf("part %d at %v of %d octets", i, p.body, len(raw))
			}
			if p.depth > maxDepth || p.parent >= i {
				t.Fatalf("part %d: depth %d, parent %d", i, p.depth, p.parent)
			}
			if p.parent >= 0 {
				if up := s.parts[p.parent].body; p.body.start < up.start || s.over == "" && p.body.end > up.end {
					t.Fatalf("part %d at %v is not inside its parent at %v", i, p.body, up)
				}
			}
			for _, h := range p.header {
				if h.value.start < 0 || h.value.start > h.value.end || h.value.end > len(raw) {
					t.Fatalf("field %s at %v", h.name, h.value)
				}
			}
		}
	})
}

// FuzzUnderstand: the invariants hold for any bytes, and no bytes panic.
func FuzzUnderstand(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		m := Understand(raw, Options{})
		if !bytes.Equal(raw, before) {
			t.Fatal("the message was written to, which goes into the archive meanwhile")
		}
		if strings.HasPrefix(m.Quarantine, quarantineBroken) {
			t.Fatalf("panic: %s", m.Quarantine)
		}
		checkInvariants(t, raw, m)
		if again := Understand(raw, Options{}); again.IdentityKey != m.IdentityKey || again.ReplyText != m.ReplyText {
			t.Error("a second reading differs")
		}
	})
}

// FuzzReply: every word of a text goes to exactly one place.
func FuzzReply(f *testing.F) {
	f.Add("Hola\n\nEl lun, 3 mar 2025 a las 10:12, X (<x@y>) escribió:\n> a\n\nb\n-- \nc", true, false)
	f.Add("a\n---------- Forwarded message ---------\nDe: X <x@y>\nSubject: s\n\nb", false, true)
	f.Add("a\n\nDe: X <x@y>\nEnviado: lunes 10:12\nPara: z\nAsunto: s\nb\n\nEnviado desde mi iPhone", true, false)
	f.Add("> > > \n>:\n"+string(quoteMark)+"x\n"+string(restMark)+"y", true, true)
	f.Fuzz(func(t *testing.T, text string, reply, forward bool) {
		if !utf8.ValidString(text) {
			return
		}
		text = cleanText(text)
		c := cutReply(text, replyHints{reply: reply, forward: forward})
		forwarded := ""
		if c.forwarded != nil {
			forwarded = c.forwarded.Text
		}
		if missing := missingWord(text, c.reply, c.quoted, c.signature, forwarded); missing != "" {
			t.Errorf("%q is lost: %+v", missing, c)
		}
		if extra := missingWord(c.reply+"\n"+c.quoted+"\n"+c.signature+"\n"+forwarded, text); extra != "" {
			t.Errorf("%q is made up or doubled: %+v", extra, c)
		}
	})
}

// FuzzForward: whatever stands in the header and the body of a forwarded mail, no
// word of it or above it is lost, doubled or made up.
func FuzzForward(f *testing.F) {
	f.Add("Para su información.", "De: X <x@y.example>\nDate: lun, 3 mar 2025 a las 10:12\nSubject: s\nTo: <z@y.example>", "Hola")
	f.Add("", "From: \"X, Y\" <x@y.example>\nSent: Monday\nTo: a@b.example; c@d.example\nCc: e\n f\nSubject: RE: s", "> cita\n\n-- \nX")
	f.Add("a\n\nb", "El 3/3/2025 a las 10:12, X escribió:", "De: otro\nAsunto: dos")
	f.Fuzz(func(t *testing.T, above, header, body string) {
		for _, mark := range []string{"---------- Forwarded message ---------", "-----Mensaje original-----", "Inicio del mensaje reenviado:\n"} {
			text := above + "\n\n" + mark + "\n" + header + "\n\n" + body
			if !utf8.ValidString(text) {
				return
			}
			text = cleanText(text)
			c := cutReply(text, replyHints{forward: true})
			forwarded := ""
			if c.forwarded != nil {
				forwarded = c.forwarded.Text
				if c := c.forwarded.From; strings.ContainsAny(c.Addr+c.Name+" ", "\r\n\x00") {
					t.Errorf("the sender is %q", c)
				}
			}
			if missing := missingWord(text, c.reply, c.quoted, c.signature, forwarded); missing != "" {
				t.Errorf("%q is lost: %+v", missing, c)
			}
			if extra := missingWord(c.reply+"\n"+c.quoted+"\n"+c.signature+"\n"+forwarded, text); extra != "" {
				t.Errorf("%q is made up or doubled: %+v", extra, c)
			}
		}
	})
}

// FuzzAddress: what net/mail can read is read as the same addresses; nothing
// else panics or yields control characters.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"Juan P\xe9rez <j@x.example>", `"a@evil.example" <b@y.example>`, "j@x.example (Juan)", "grupo: a@x.example, b@y.example;",
		"=?utf-8?q?Jos=C3=A9?= <j@x.example>", "<@a,@b:c@d.example>", "a b c@d.example", `"x y"@d.example`, "<<a@b.example>>", "undisclosed-recipients:;",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := parseAddresses(s)
		for _, a := range got {
			if !utf8.ValidString(a.Name+a.Addr) || strings.ContainsFunc(a.Name+a.Addr, func(r rune) bool { return r < ' ' || r == 0x7f || isBidiControl(r) }) {
				t.Fatalf("%q: %+v", s, a)
			}
			if len(a.Addr) > maxAddrBytes || len(a.Name) > maxNameBytes {
				t.Fatalf("%q: too long: %+v", s, a)
			}
		}
		// one plain mailbox of a well-formed value: no other reader may see another sender
		want, err := mail.ParseAddress(s)
		if err != nil || strings.ContainsAny(s, "\\\"()[],;:=") || strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || r < ' ' }) {
			return
		}
		if len(got) != 1 || got[0].Addr != strings.TrimRight(strings.Trim(want.Address, "'`"), ".") && len(want.Address) <= maxAddrBytes {
			t.Fatalf("%q: read %+v, net/mail reads %+v", s, got, want)
		}
	})
}

// FuzzFileName: names are safe whatever they were, and cleaning is stable.
func FuzzFileName(f *testing.F) {
	for _, s := range []string{"a.pdf", "../../etc/passwd", `C:\Users\x\a.doc`, "CON", "con.txt", "a\u202Efdp.exe", "a\r\nb.txt", "%00.exe", " . ", strings.Repeat("ñ", 200) + ".pdf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		name := cleanFileName(s)
		if len(name) > maxAttachmentName || !utf8.ValidString(name) || strings.ContainsAny(name, `/\<>:"|?*`) || strings.HasPrefix(name, ".") ||
			strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") ||
			strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || isBidiControl(r) || isZeroWidth(r) }) {
			t.Fatalf("%q becomes %q", s, name)
		}
		if stem, _ := splitExt(name); name != "" && isReserved(stem) {
			t.Fatalf("%q becomes %q", s, name)
		}
		if again := cleanFileName(name); again != name {
			t.Fatalf("%q becomes %q, then %q", s, name, again)
		}
	})
}

// FuzzDecode: decoders of header words, parameters and bodies yield valid UTF-8.
func FuzzDecode(f *testing.F) {
	f.Add("=?utf-8?B?w6E=?= =?utf-8?Q?=C3?=", "attachment; filename*0*=utf-8''a%C3; filename*1*=%A1.pdf")
	f.Add("=?iso-2022-jp?B?GyRCJUYbKEI=?=", `text/plain; name=""a".txt"; charset=x`)
	f.Fuzz(func(t *testing.T, words, params string) {
		m := parseMedia(params)
		for _, s := range []string{decodeWords(words), m.decoded("filename", ""), m.decoded("name", ""), htmlToText(decodeWords(words), nil)} {
			if !utf8.ValidString(s) {
				t.Fatalf("%q", s)
			}
		}
		for _, charset := range []string{"", "utf-8", "iso-8859-1", "shift_jis", "iso-2022-jp", "utf-16", "gb18030", "utf-7", "x-no"} {
			if s, _ := decodeCharset([]byte(words), charset); !utf8.ValidString(s) {
				t.Fatalf("%s: %q", charset, s)
			}
		}
		for _, enc := range []string{"base64", "quoted-printable", "x-uuencode", "8bit"} {
			if got := decodeTransfer([]byte(words), enc); len(got) > len(words)+3 {
				t.Fatalf("%s: %d octets of %d", enc, len(got), len(words))
			}
		}
	})
}

// FuzzDate: what is read as today's programs write it is what net/mail reads.
func FuzzDate(f *testing.F) {
	for _, s := range []string{
		"Tue, 24 Nov 2026 10:20:30 -0500", "Tue, 4 Nov 2026 10:20:30 +0000", "Tue,  04 Nov 2026 10:20:30.5 +0530", "24 Nov 2026 10:20 GMT",
		"Tue, 24 Nov 2026 10:20:30 -0500 (COT)", "mar, 24 nov 2026 10:20:30 -0500",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := time.Parse(usualDate, s)
		if err != nil {
			return
		}
		want, err := mail.ParseDate(s)
		if _, offset := got.Zone(); err != nil || !got.Equal(want) {
			t.Fatalf("%q: read %v, net/mail reads %v, %v", s, got, want, err)
		} else if _, theirs := want.Zone(); offset != theirs {
			t.Fatalf("%q: zone %d, and net/mail's is %d", s, offset, theirs)
		}
	})
}
