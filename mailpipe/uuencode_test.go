package mailpipe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// uuCode writes a uuencoded file; grave: zeros as "`", as newer encoders do.
func uuCode(name, content string, grave bool) string {
	digit := func(v byte) byte {
		if v == 0 && grave {
			return '`'
		}
		return ' ' + v
	}
	var out strings.Builder
	fmt.Fprintf(&out, "begin 644 %s\n", name)
	for rest := content; ; {
		piece := rest[:min(45, len(rest))]
		rest = rest[len(piece):]
		out.WriteByte(digit(byte(len(piece))))
		padded := append([]byte(piece), 0, 0)
		for i := 0; i < len(piece); i += 3 {
			a, b, c := padded[i], padded[i+1], padded[i+2]
			out.Write([]byte{digit(a >> 2), digit(a&3<<4 | b>>4), digit(b&15<<2 | c>>6), digit(c & 63)})
		}
		out.WriteByte('\n')
		if piece == "" {
			break
		}
	}
	return out.String() + "end\n"
}

func TestUuencodedFiles(t *testing.T) {
	binary := string(bytes.Repeat([]byte{0, 1, 2, 250, 255}, 60))
	text := strings.Repeat("hola, mundo\n", 3) + "fin"
	for _, grave := range []bool{true, false} {
		for _, end := range []string{"\n", "\r\n"} {
			code := uuCode("acta final.bin", binary, grave) + "\nY también:\n" + uuCode("../nota.txt", text, grave)
			if !grave {
				code = strings.ReplaceAll(code, " \n", "\n") // relays take spaces off the end of lines
			}
			body := "Van los archivos.\n\n" + code + "\nSaludos"
			raw := []byte(strings.ReplaceAll("From: a@x.example\nSubject: x\n\n"+body, "\n", end))
			m := Understand(raw, Options{})
			if got := strings.Join(strings.Fields(m.Text), " "); got != "Van los archivos. Y también: Saludos" || len(m.Attachments) != 2 {
				t.Fatalf("grave %v, %q: text %q, %+v", grave, end, m.Text, m.Attachments)
			}
			for i, want := range []struct{ name, kind, content string }{{"acta final.bin", "application/octet-stream", binary}, {"nota.txt", "text/plain", text}} {
				a := m.Attachments[i]
				content, err := DecodeAttachment(raw, a)
				if err != nil || string(content) != want.content || a.Name != want.name || a.Type != want.kind || a.Size != int64(len(want.content)) {
					t.Errorf("%+v: %q, %v", a, content, err)
				}
				if a.Copyable() {
					t.Errorf("%s would be sent on under a header that can't say how it is encoded", a.Name)
				}
			}
		}
	}
}

// TestNoUuencode: what only looks like it stays text.
func TestNoUuencode(t *testing.T) {
	for _, text := range []string{
		"begin 644 curso\nEl curso comienza.\nend", "begin 2025 with\nplans", "begin 644", "begin  ", "begin 644 x\nend",
		"Uno\nbegin 644 a.txt\n\nDOS\nend", "begin 644 a\nbegin 644 b\nbegin 644 c",
	} {
		m := Understand([]byte("From: a@x.example\nSubject: x\n\n"+text), Options{})
		if m.Text != text || len(m.Attachments) != 0 {
			t.Errorf("%q: %q, %+v", text, m.Text, m.Attachments)
		}
	}
	cut := uuCode("a.bin", strings.Repeat("x", 300), true)
	raw := []byte("From: a@x.example\nSubject: x\n\nVa.\n" + cut[:len(cut)-90])
	if m := Understand(raw, Options{}); m.Text != "Va." || len(m.Attachments) != 1 {
		t.Errorf("cut short: %q, %+v", m.Text, m.Attachments)
	}
}

// FuzzUuencode: files lie in the text, one behind the other, and hold as much as
// is said.
func FuzzUuencode(f *testing.F) {
	f.Add([]byte(uuCode("a", "hola", true)))
	f.Add([]byte("x\nbegin 644 a\n" + uuCode("b", strings.Repeat("\x00", 100), false)))
	f.Fuzz(func(t *testing.T, text []byte) {
		end := 0
		var places []span
		for _, file := range findUU(text) {
			if file.at.start < end || file.at.end > len(text) || file.at.len() < 1 || file.name == "" {
				t.Fatalf("%+v behind %d of %d", file, end, len(text))
			}
			end = file.at.end
			places = append(places, file.at)
			if got := decodeUU(file.at.of(text)); int64(len(got)) != file.size {
				t.Fatalf("%d octets, said to be %d", len(got), file.size)
			}
		}
		if rest := without(text, places); len(rest) > len(text) {
			t.Fatal("text grew")
		}
	})
}
